"""The pages and plots in `docs/` that a run is written into."""

import math
import os
import platform
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import loopback
import plots
from growth import DRAWN_FOR_FILES, LARGEST_FOR_WRK, Curve, Growth
from load import Effort, Rows, median
from servers import OURS, RAW, REFERENCE, SCRIPT_USER, Server
from targets import MOST_FOR_THE_LOG, ratio, targets, times_less
from tables import CGI, ENTRIES, FILES, IDLE_CONNECTIONS, IDLE_SECONDS, LARGE, LISTING, STARTS, Footprint, Measured

WORKS = {**FILES, **LISTING, **CGI}
NOT_COUNTED = "CPU not counted"


def known(value: float) -> float | None:
    return None if math.isnan(value) else value


def rate(value: float) -> str:
    return f"{value / 1000:.4g} k/s" if value >= 1000 else f"{value:.0f} /s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def workload_table(results: dict[str, dict[str, Rows]]) -> list[str]:
    """The servers below each other, the workloads beside each other."""
    servers = list(dict.fromkeys(server for rows in results.values() for server in rows))
    lines = []
    for server in servers:
        cells = [f"**{server}**"]
        for by_server in results.values():
            rows = by_server.get(server, "")
            if isinstance(rows, str):
                cells.append(rows)
                continue
            cpu, times = known(median(rows, lambda row: row.cpu)), ratio(by_server.get(REFERENCE, ""), rows)
            cost = NOT_COUNTED if cpu is None else f"{cpu:,.2f} us" + (f" ({times:.2f})" if times else "")
            cells.append(f"{cost}, {rate(median(rows, lambda row: row.rate))}")
        lines.append(cells)
    return table(["", *(f"{name}: {WORKS[name].text}" for name in results)], lines)


def machine() -> str:
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    release = ".".join(platform.release().split(".")[:2])
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, Linux {release}"


def conditions(effort: Effort, command: str) -> list[str]:
    return [
        f"Measured on {date.today()}: {machine()}; server on core {effort.server_core}, load on core {effort.load_core}; "
        f"{loopback.described()}; medians of {effort.rounds} {'round' if effort.rounds == 1 else 'rounds'} of {effort.seconds:g} s, the servers one after "
        f"the other in each; access logs off. Load average when it ended: {os.getloadavg()[0]:.2f} (some 2 are the run's "
        "own, more is other work).",
        "",
        "```sh",
        f"cargo build --release --bins --example {RAW} && {command}",
        "```",
        "",
    ]


def large_file_section(costs: dict[str, list[float] | str]) -> list[str]:
    rows = []
    reference = costs.get(REFERENCE, "")
    for server, values in costs.items():
        if isinstance(values, str) or known(statistics.median(values)) is None:
            rows.append([server, values if isinstance(values, str) else NOT_COUNTED, ""])
            continue
        times = times_less(reference, values)
        rows.append([server, f"{statistics.median(values):.1f} ms", "" if times is None else f"{times:.2f}"])
    return [
        "## A large file",
        "",
        f"Server CPU for a gigabyte, of a file of {LARGE >> 30} GiB that one client takes and throws away; then how many times "
        f"less that is than {REFERENCE} needs in the same round.",
        "",
        *table(["server", "CPU a GB", f"{REFERENCE} / server"], rows),
        "",
    ]


def log_section(costs: dict[str, float]) -> list[str]:
    if not costs:
        return []
    texts = [f"{server} {cost:+.1%}" for server, cost in costs.items()]
    ours = costs.get(OURS)
    verdict = "" if ours is None else " This run kept to it." if ours <= MOST_FOR_THE_LOG else " **This run did not.**"
    return [
        "## The access log",
        "",
        f"CPU of a W1 request with an access log in a file, over one without: {', '.join(texts)}. The aim for "
        f"{OURS} is at most {MOST_FOR_THE_LOG:+.0%}.{verdict}",
        "",
    ]


def targets_section(measured: Measured) -> list[str]:
    found = targets(measured)
    if not found:
        return []
    rows = [target.row() for target in found]
    return [
        "## Aims",
        "",
        f"What {OURS} is to reach, what it reached in this run, and where the cost lies if it did not.",
        "",
        *table(["", "aim", "measured", "met"], rows),
        "",
    ]


def footprint_section(footprints: dict[str, Footprint]) -> list[str]:
    def number(value: float | None, form: str) -> str:
        return "not measured" if value is None else format(value, form)

    rows = [
        [
            server,
            f"{of.binary / 1e6:.2f} MB",
            number(of.private and of.private // 1024, ",") + " KB" * (of.private is not None),
            number(of.each_connection, ",.0f"),
            number(of.first_byte and of.first_byte * 1e3, ".1f") + " ms" * (of.first_byte is not None),
            number(of.wake_ups, ".1f"),
            number(of.system_calls, ".2f"),
        ]
        for server, of in footprints.items()
    ]
    head = ["server", "binary", "private memory, idle", "bytes an idle connection", "start to first byte"]
    return [
        "## What a server occupies",
        "",
        *table([*head, "wake-ups a second, idle", "system calls a W1 request"], rows),
        "",
        "The binary is the file of the program alone, without the libraries it loads. Memory is what `smaps_rollup` calls "
        f"private, of all its processes, before and with {IDLE_CONNECTIONS:,} connections that each had one answer. The start "
        f"is from the process's to the first byte of an answer, the median of {STARTS}. Wake-ups are those of {IDLE_SECONDS} s "
        "in which nobody asks anything. System calls are all that `strace -c -f` counted while wrk asked, over the requests.",
        "",
    ]


LEGEND = f"""Made by `python3 benches/compare`; do not edit. What stands in the tables of workloads:

* *us*: server CPU, user and system, in microseconds a request; in brackets how many times less that is than
  {REFERENCE} with one worker needs in the same round (above 1 is better than {REFERENCE}). *nginx* is as it comes, with
  sendfile; *nginx-tuned* has `open_file_cache` and no sendfile.
* *k/s*, */s*: thousands of requests, or requests, a second that one load generator on another core got answered. Where
  that is the limit, faster servers only idle more.
* *{RAW}* (`benches/compare/raw.rs`) answers the same to whatever it receives: what a request costs in the kernel.
* *CPU not counted*: busybox has a process for each connection and waits for none of them.
* Words instead of figures say why a server was left out.
"""


def about_listings() -> str:
    whom = f"as `{SCRIPT_USER}`, with all of them" if os.geteuid() == 0 else "as whoever made the run"
    return (
        f"A listing is a page of {ENTRIES:,} entries, in the form that the server has: Python's has no size and no date, the "
        f"others have both. A script costs what the shell does, for whoever starts it; it ran {whom}. {REFERENCE} and others "
        "that start no scripts are not in that column.\n"
    )


ABOUT_PACING = """## Why a loopback of its own

With `net.ipv4.tcp_congestion_control = bbr` the kernel paces what a socket sends by a timer, on the loopback too. A server
that hands head and file to the kernel as one piece (nginx with `tcp_nopush`, lighttpd by itself) then waits for that timer
within `sendfile`, which in a virtual machine can cost more than the file does. That would say something of the machine, and
nothing of the servers. So a run by root takes a network namespace of its own, where the control is `reno`, whatever the
machine has. What this run had stands above.
"""


def benchmarks(
    measured: Measured,
    present: Sequence[Server],
    missing: Sequence[str],
    effort: Effort,
    command: str,
    grown: bool,
) -> str:
    """The text of docs/benchmarks.md; if there is docs/growth.md, with a link to it."""
    files = {name: rows for name, rows in measured.works.items() if name in FILES}
    others = {name: rows for name, rows in measured.works.items() if name not in FILES}
    lines = ["# Benchmarks", "", LEGEND, *conditions(effort, command), *workload_table(files), ""]
    lines += ["![server CPU a request](benchmarks-cpu.svg)", "", "![requests a second](benchmarks-rate.svg)", ""]
    if others:
        lines += ["## Listings and scripts", "", *workload_table(others), "", about_listings()]
    lines += [*targets_section(measured), ABOUT_PACING, *large_file_section(measured.large), *log_section(measured.log)]
    lines += [*footprint_section(measured.footprints), "## Versions", ""]
    lines += [f"* {server.name}: {server.version()}" for server in present if server.version_arguments]
    lines += [f"* {name}: not found" for name in missing]
    if grown:
        lines += ["", "How all this grows is in [growth.md](growth.md)."]
    return "\n".join(lines) + "\n"


def size_name(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return str(size)


def count_name(count: int) -> str:
    return f"{count:,}"


def course(curve: Curve, first: int, last: int, unit: str, named: Callable[[int], str]) -> str:
    """How each server's curve goes between two points, in words that hold whatever was measured."""
    texts = []
    for server, row in curve.values.items():
        if row.get(first, 0) > 0 and row.get(last, 0) > 0:
            texts.append(f"{server} {plots.figure(row[first])} and {plots.figure(row[last])} {unit} ({plots.figure(row[last] / row[first])} times)")
    if not texts:
        return f"No server was measured both at {named(first)} and at {named(last)}."
    return f"At {named(first)} and at {named(last)}: {', '.join(texts)}."


def gaps(curve: Curve, named: Callable[[int], str]) -> list[str]:
    """What could not be measured, and why."""
    texts = [f"{server} at {named(point)} ({why})" for server, point, why in curve.gaps]
    return ["Not measured: " + "; ".join(texts) + ".", ""] if texts else []


def curve_table(curve: Curve, head: str, named: Callable[[int], str]) -> list[str]:
    rows = [[server, *(plots.figure(row[at]) if at in row else "" for at in curve.points)] for server, row in curve.values.items()]
    return table([head, *(named(point) for point in curve.points)], rows)


@dataclass(frozen=True)
class Drawn:
    """A curve as a picture and a table."""

    name: str
    title: str
    x_label: str
    y_label: str
    unit: str
    curve: Curve
    named: Callable[[int], str]
    # The points that the text compares; without any, the ends of the curve.
    between: Sequence[tuple[int, int]] = ()

    def lines(self) -> list[str]:
        if not self.curve.values:
            return ["Nothing was measured.", "", *gaps(self.curve, self.named)]
        between = self.between or [(self.curve.points[0], self.curve.points[-1])]
        return [
            *(course(self.curve, first, last, self.unit, self.named) for first, last in between),
            "",
            f"![{self.title}](growth-{self.name}.svg)",
            "",
            *curve_table(self.curve, f"{self.unit}, at {self.x_label}", self.named),
            "",
            *gaps(self.curve, self.named),
        ]


def drawn(growth: Growth) -> dict[str, Drawn]:
    cpu = "server CPU a request, us"
    all_drawn = (
        Drawn("connections", "A 1 KB request beside idle connections", "idle connections", cpu, "us", growth.beside_idle, count_name),
        Drawn("bytes", "Memory of an idle connection", "idle connections", "private bytes each", "bytes", growth.idle_bytes, count_name),
        Drawn("sizes", "A request for a file", "size of the file", cpu, "us", growth.sizes, size_name, [(0, 1 << 10)]),
        Drawn(
            "gigabytes",
            "A gigabyte",
            "size of each file",
            "server CPU a GB, ms",
            "ms",
            growth.gigabytes,
            size_name,
            [(LARGEST_FOR_WRK, growth.gigabytes.points[-1])],
        ),
        Drawn(
            "files",
            "A request for one of many files",
            "number of files",
            cpu,
            "us",
            growth.numbers,
            count_name,
            [(1, 1000), (1000, growth.numbers.points[-1])],
        ),
        Drawn("pipelining", "A 1 KB request among others", "requests at a time", cpu, "us", growth.depths, count_name),
    )
    return {one.name: one for one in all_drawn}


# What is asked, and how ours does it. Nothing here depends on what a run finds; that is said by `course`.
GROWTH_SECTIONS = (
    (
        "Idle connections",
        "64 connections ask for 1 KB beside many that had one answer each and ask for nothing more. Ours polls only what "
        "happened, and a deadline that moves is not touched in the heap: neither looks at those that are idle.",
        ("connections",),
    ),
    (
        "What an idle connection weighs",
        "Private memory of the server with idle connections, less that without, over their number. With ours it is a session "
        "and its place in the tables, and no buffer, because an idle connection owns none. The kernel's part "
        "is not in it. What a server allocates once for all of them weighs most where they are few.",
        ("bytes",),
    ),
    (
        "File size",
        f"Up to {size_name(LARGEST_FOR_WRK)} 64 connections ask; above, one that takes a file after the other and throws it "
        "away. The first picture is the CPU of one request, the second that of a gigabyte in files of that size. Ours keeps "
        "small files in its cache, and has the kernel copy large ones from its cache to the socket (`sendfile`).",
        ("sizes", "gigabytes"),
    ),
    (
        "Number of files",
        "64 connections ask for files of 100 bytes, drawn by lot. Ours keeps at most 16,384 of them in its cache: with many "
        "more files, nearly each request opens a file, reads it and puts it in another's place.",
        ("files",),
    ),
    (
        "Pipelining",
        "64 connections send so many requests for 1 KB before they read. Ours puts answers that are in the output together "
        "into one system call.",
        ("pipelining",),
    ),
)


def growth_page(growth: Growth, present: Sequence[Server], effort: Effort, command: str) -> str:
    """The text of docs/growth.md."""
    lines = ["# Growth", "", f"Made by `python3 benches/compare`; do not edit. *Ours* is {OURS}."]
    lines += ["What a request costs when there is more of something: server CPU, user and system, in microseconds (us). In"]
    lines += ["brackets stands how many times as much the second figure is as the first. Both axes of a picture are"]
    lines += ["logarithmic; a point at 0 stands at 1 on the lower axis. nginx has one worker; *nginx-tuned* has"]
    lines += ["`open_file_cache` and no sendfile, and is only in the curve that this is about.", ""]
    lines += conditions(effort, command)
    curves = drawn(growth)
    for title, said, names in GROWTH_SECTIONS:
        lines += [f"## {title}", "", said, ""]
        for name in names:
            lines += curves[name].lines()
    lines += ["## Versions", "", *(f"* {server.name}: {server.version()}" for server in present if server.name in DRAWN_FOR_FILES)]
    return "\n".join(lines) + "\n"


def growth_plots(docs: Path, growth: Growth) -> None:
    for one in drawn(growth).values():
        title = one.title + " (lower is better)"
        plots.curves(docs / f"growth-{one.name}.svg", title, one.x_label, one.y_label, one.curve, one.named)


def benchmark_plots(docs: Path, results: dict[str, dict[str, Rows]]) -> None:
    cpu, rate = "Server CPU a request (shorter is better)", "Requests a second (longer is better)"
    plots.bars(docs / "benchmarks-cpu.svg", cpu, results, WORKS, lambda row: row.cpu, "us", True)
    plots.bars(docs / "benchmarks-rate.svg", rate, results, WORKS, lambda row: row.rate / 1000, "k/s", False)
