"""The aims of this server, and whether a run has met them."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from fronts import REVERSE_PROXY
from load import Rows, median
from servers import OURS, RAW, REFERENCE
from tables import Footprint, Measured

TUNED, LIGHTTPD = "nginx-tuned", "lighttpd"
MOST_FOR_THE_LOG = 0.15

# The factor by which a request of each workload must take less CPU time than with another server.
TIMES = (
    ("W1", REFERENCE, 1.75),
    ("W1", TUNED, 1.15),
    ("W2", REFERENCE, 6.0),
    ("W3", REFERENCE, 1.7),
    ("W4", REFERENCE, 1.15),
    ("W7", REFERENCE, 1.15),
    ("W9", REFERENCE, 1.4),
    ("T1", REFERENCE, 1.33),
    ("T3", REFERENCE, 1.67),
)
# The maximum ratio to the CPU time of a program that only receives and sends.
MOST_OVER_RAW = 1.15
# The maximum ratio of the CPU time of a request over TLS to that of the same request without TLS.
MOST_OVER_PLAIN = 1.8
# The workloads with more requests per second than another server.
FASTER = (("W10", REFERENCE), ("W11", LIGHTTPD))


OF_CODE = (
    "Linux maps 64 KB around every page of code that is used, and counts code that no other process maps. Startup and a first "
    "response use pages all over the code, so nearly all of it is mapped."
)
OF_A_CHILD = "Nearly all of it is spent in the script's process."


@dataclass(frozen=True)
class Target:
    """An aim and its measured value. Depending on `at_least`, larger values are better, or smaller ones."""

    text: str
    measured: float
    wanted: float
    form: str
    at_least: bool = False
    # The cause of the cost, which is shown if the aim was missed.
    cost: str = ""

    def is_met(self) -> bool:
        return self.measured >= self.wanted if self.at_least else self.measured <= self.wanted

    def row(self) -> list[str]:
        bound = "at least" if self.at_least else "at most"
        wanted, measured = format(self.wanted, self.form), format(self.measured, self.form)
        if self.is_met():
            return [self.text, f"{bound} {wanted}", measured, "yes"]
        away = abs(self.measured / self.wanted - 1) if self.wanted else math.inf
        by = f" by {away:.0%}" if math.isfinite(away) else ""
        return [self.text, f"{bound} {wanted}", measured, f"**no**{by}. {self.cost}".strip()]


def ratio(reference: Rows, rows: Rows) -> float | None:
    """The factor by which a request needs less CPU time than with the reference."""
    return times_less(*([row.cpu for row in one] if not isinstance(one, str) else one for one in (reference, rows)))


def times_less(reference: list[float] | str, costs: list[float] | str) -> float | None:
    """The factor by which these costs are less than those of the reference: the median over the rounds. None if either
    has no costs."""
    if isinstance(reference, str) or isinstance(costs, str) or not reference or not costs:
        return None
    value = statistics.median(one / max(other, 1e-9) for one, other in zip(reference, costs))
    return None if math.isnan(value) else value


def targets(measured: Measured) -> list[Target]:
    """All aims whose values this run has measured."""
    return [
        *of_workloads(measured.works),
        *of_a_large_file(measured.large),
        *of_the_log(measured.log),
        *of_the_footprint(measured.footprints.get(OURS)),
    ]


def of_workloads(results: dict[str, dict[str, Rows]]) -> Iterator[Target]:
    for work, other, wanted in TIMES:
        rows = results.get(work, {})
        measured = ratio(rows.get(other, ""), rows.get(OURS, ""))
        if measured is not None:
            text = f"{work}: times less CPU than {other}"
            yield Target(text, measured, wanted, ".2f", True, division(rows[OURS]))
    rows = results.get("W1", {})
    if measured := ratio(rows.get(OURS, ""), rows.get(RAW, "")):
        yield Target(f"W1: CPU over that of {RAW}", measured, MOST_OVER_RAW, ".2f", cost=division(rows[OURS]))
    plain, secure = (results.get(work, {}).get(OURS, "") for work in ("W1", "T1"))
    if measured := ratio(secure, plain):
        yield Target("T1: CPU over that of W1", measured, MOST_OVER_PLAIN, ".2f", cost=division(secure))
    rows = results.get("P1", {})
    if measured := ratio(rows.get(REFERENCE, ""), rows.get(REVERSE_PROXY, "")):
        cost = division(rows[REVERSE_PROXY])
        yield Target(f"P1: times less CPU than {REFERENCE} as a proxy", measured, 1.0, ".2f", True, cost)
    for work, other in FASTER:
        ours, theirs = (results.get(work, {}).get(server, "") for server in (OURS, other))
        if ours and theirs and not isinstance(ours, str) and not isinstance(theirs, str):
            measured = median(ours, lambda row: row.rate) / median(theirs, lambda row: row.rate)
            text = f"{work}: times as many requests per second as {other}"
            yield Target(text, measured, 1.0, ".2f", True, OF_A_CHILD if work == "W11" else division(ours))


def division(rows: Rows) -> str:
    """The part of a request's cost that is spent in the program."""
    if isinstance(rows, str) or not rows:
        return ""
    cpu, user = median(rows, lambda row: row.cpu), median(rows, lambda row: row.user)
    return f"Of {cpu:.2f} us, {user:.2f} are spent in the program and {cpu - user:.2f} in the kernel."


def of_a_large_file(large: dict[str, list[float] | str]) -> Iterator[Target]:
    times = times_less(large.get(REFERENCE, ""), large.get(OURS, ""))
    if times is not None:
        cost = "Nearly all of it is spent in the kernel's sendfile."
        yield Target(f"a large file: times less CPU than {REFERENCE}", times, 1.0, ".2f", True, cost)


def of_the_log(log: dict[str, float]) -> Iterator[Target]:
    if OURS in log:
        yield Target("W1: CPU that the access log adds", log[OURS], MOST_FOR_THE_LOG, "+.1%")


def of_the_footprint(occupied: Footprint | None) -> Iterator[Target]:
    if occupied is None:
        return
    yield Target("program, MiB", occupied.binary / (1 << 20), 1.5, ".2f")
    if occupied.private is not None:
        parts = sorted(occupied.parts.items(), key=lambda part: -part[1])
        where = ", ".join(f"{name} {size >> 10:,} KB" for name, size in parts if size >= 1024)
        cost = f"Its parts: {where}. {OF_CODE}"
        yield Target("private memory of an idle server, KB", occupied.private / 1024, 800, ",.0f", cost=cost)
    if occupied.each_connection is not None:
        yield Target("bytes per idle connection", occupied.each_connection, 320, ",.0f")
    if occupied.first_byte is not None:
        yield Target("start to first byte, ms", occupied.first_byte * 1e3, 8, ".1f")
    if occupied.wake_ups is not None:
        yield Target("wake-ups per second of an idle server", occupied.wake_ups, 0, ".1f")
    if occupied.system_calls is not None:
        yield Target("system calls per W1 request", occupied.system_calls, 3.5, ".2f")
