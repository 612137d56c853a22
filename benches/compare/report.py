"""Writes the results of a run as pages and plots in `docs/`."""

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
from fronts import REVERSE_PROXY
from growth import DRAWN_FOR_FILES, LARGEST_FOR_WRK, Curve, Growth
from load import Effort, Rows, Work, median
from servers import OURS, RAW, REFERENCE, SCRIPT_USER, Server
from targets import MOST_FOR_THE_LOG, ratio, targets, times_less
from tables import CGI, ENTRIES, FILES, IDLE_CONNECTIONS, IDLE_SECONDS, LARGE, LISTING, PROXY, STARTS, TLS
from tables import Footprint, Measured

WORKS = {**FILES, **LISTING, **CGI, **TLS, **PROXY}
NOT_COUNTED = "CPU not counted"


def known(value: float) -> float | None:
    return None if math.isnan(value) else value


def rate(value: float) -> str:
    return f"{value / 1000:.4g} k/s" if value >= 1000 else f"{value:.0f} /s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def workload_table(results: dict[str, dict[str, Rows]]) -> list[str]:
    """A table with a row for each server and a column for each workload."""
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
        f"{loopback.described()}; medians of {effort.rounds} {'round' if effort.rounds == 1 else 'rounds'} of {effort.seconds:g} s, each with all servers in "
        f"turn; access logs off. Load average at the end: {os.getloadavg()[0]:.2f} (about 2 is the run itself; more is other "
        "work).",
        "",
        "```sh",
        f"cargo build --release --bins --example {RAW} && cargo build --release --features client --example {REVERSE_PROXY}",
        command,
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
        f"The server CPU time for a gigabyte while one client reads a file of {LARGE >> 30} GiB; then the factor by which this "
        f"is less than the time of {REFERENCE} in the same round.",
        "",
        *table(["server", "CPU per GB", f"{REFERENCE} / server"], rows),
        "",
    ]


def log_section(costs: dict[str, float]) -> list[str]:
    if not costs:
        return []
    texts = [f"{server} {cost:+.1%}" for server, cost in costs.items()]
    ours = costs.get(OURS)
    verdict = "" if ours is None else " This run met it." if ours <= MOST_FOR_THE_LOG else " **This run missed it.**"
    return [
        "## The access log",
        "",
        f"The additional CPU time of a W1 request with an access log in a file: {', '.join(texts)}. The aim for "
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
        f"The aims of {OURS}, the values of this run, and the cause of the cost where an aim was missed.",
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
    head = ["server", "binary", "private memory, idle", "bytes per idle connection", "start to first byte"]
    return [
        "## Size, memory and idle cost",
        "",
        *table([*head, "wake-ups per second, idle", "system calls per W1 request"], rows),
        "",
        "The binary is the file of the program without the libraries that it loads. Memory is the private memory that "
        f"`smaps_rollup` reports for all processes of the server, without connections, and with {IDLE_CONNECTIONS:,} connections that "
        "had one response each. The start is the time from the start of the process to the first byte of a response, the median of "
        f"{STARTS}. Wake-ups are counted for {IDLE_SECONDS} s without any request. System calls are those that `strace -c -f` "
        "counted under load, divided by the number of requests.",
        "",
    ]


LEGEND = f"""Generated by `python3 benches/compare`; do not edit. The tables of workloads contain:

* *us*: server CPU time, user and system, in microseconds per request. The number in brackets is the factor by which this is
  less than the time of {REFERENCE} with one worker in the same round; above 1 is better than {REFERENCE}. *nginx* has its
  default configuration, with sendfile; *nginx-tuned* has `open_file_cache` and no sendfile.
* *k/s*, */s*: requests per second, in thousands or single, to which one load generator on another core received responses.
  Where the generator is the limit, faster servers are idle for longer.
* *{RAW}* (`benches/compare/raw.rs`) sends the same response to every input. It shows the cost of a request in the kernel alone.
* *CPU not counted*: busybox starts a process for each connection and does not wait for it.
* Words in place of numbers give the reason why a server was left out.
"""


def about_listings() -> str:
    user = f"as `{SCRIPT_USER}` with every server" if os.geteuid() == 0 else "as the user of this run"
    return (
        f"A listing is a page of {ENTRIES:,} entries in the format of each server. Python's page has neither sizes nor dates; all "
        f"others have both. The cost of a script is mostly that of its shell; it ran {user}. {REFERENCE} and other "
        "servers that cannot start scripts have no value in that column.\n"
    )


ABOUT_TLS = """All servers have the same certificate (ECDSA P-256) and use TLS 1.3 with the load generator. The generator resumes the session of
its last connection, so full handshakes are not compared here.
"""

ABOUT_PROXIES = f"""*reverse_proxy* is `examples/reverse_proxy.rs`, a handler on coroutines. Each proxy has one thread, and is in front of the same
{OURS}, which runs on the core of the load. Only the CPU time of the proxy counts.
"""

ABOUT_PACING = """## Why the run has its own loopback

With `net.ipv4.tcp_congestion_control = bbr`, the kernel paces the data of a socket by a timer, also on the loopback. A server
that passes head and file to the kernel as one piece (nginx with `tcp_nopush`, lighttpd always) then waits for that timer
within `sendfile`. In a virtual machine this can cost more than sending the file. The result would describe the machine and
not the servers. Therefore, a run by root uses its own network namespace with the congestion control `reno`. The conditions of
this run are at the top of the page.
"""


def benchmarks(
    measured: Measured,
    present: Sequence[Server],
    missing: Sequence[str],
    effort: Effort,
    command: str,
    grown: bool,
) -> str:
    """The text of docs/benchmarks.md, with a link to docs/growth.md if that file exists."""
    files = {name: rows for name, rows in measured.works.items() if name in FILES}
    others = {name: rows for name, rows in measured.works.items() if name in LISTING or name in CGI}
    secure = {name: rows for name, rows in measured.works.items() if name in TLS}
    proxied = {name: rows for name, rows in measured.works.items() if name in PROXY}
    lines = ["# Benchmarks", "", LEGEND, *conditions(effort, command), *workload_table(files), ""]
    lines += ["![server CPU per request](benchmarks-cpu.svg)", "", "![requests per second](benchmarks-rate.svg)", ""]
    if others:
        lines += ["## Listings and scripts", "", *workload_table(others), "", about_listings()]
    if secure:
        lines += ["## TLS", "", *workload_table(secure), "", ABOUT_TLS, "![server CPU per request over TLS](benchmarks-tls.svg)", ""]
    if proxied:
        lines += ["## Reverse proxies", "", *workload_table(proxied), "", ABOUT_PROXIES]
        lines += ["![CPU of a proxy per request](benchmarks-proxies.svg)", ""]
    lines += [*targets_section(measured), ABOUT_PACING, *large_file_section(measured.large), *log_section(measured.log)]
    lines += [*footprint_section(measured.footprints), "## Versions", ""]
    lines += [f"* {server.name}: {server.version()}" for server in present if server.version_arguments]
    lines += [f"* {name}: not found" for name in missing]
    if grown:
        lines += ["", "[growth.md](growth.md) shows how these costs grow with the load."]
    return "\n".join(lines) + "\n"


def size_name(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return str(size)


def count_name(count: int) -> str:
    return f"{count:,}"


def course(curve: Curve, first: int, last: int, unit: str, named: Callable[[int], str]) -> str:
    """Compares the values of each server at two points, in words that are true for any values."""
    texts = []
    for server, row in curve.values.items():
        if row.get(first, 0) > 0 and row.get(last, 0) > 0:
            texts.append(f"{server} {plots.figure(row[first])} and {plots.figure(row[last])} {unit} ({plots.figure(row[last] / row[first])} times)")
    if not texts:
        return f"No server was measured both at {named(first)} and at {named(last)}."
    return f"At {named(first)} and at {named(last)}: {', '.join(texts)}."


def gaps(curve: Curve, named: Callable[[int], str]) -> list[str]:
    """The missing measurements, with the reasons."""
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
    # The pairs of points that the text compares. If there are none, it compares the ends of the curve.
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
    cpu = "server CPU per request, us"
    all_drawn = (
        Drawn("connections", "A 1 KB request beside idle connections", "idle connections", cpu, "us", growth.beside_idle, count_name),
        Drawn("bytes", "Memory of an idle connection", "idle connections", "private bytes each", "bytes", growth.idle_bytes, count_name),
        Drawn("sizes", "A request for a file", "size of the file", cpu, "us", growth.sizes, size_name, [(0, 1 << 10)]),
        Drawn(
            "gigabytes",
            "A gigabyte",
            "size of each file",
            "server CPU per GB, ms",
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


# The questions, and how serve-forever handles each case. These texts do not depend on the results; `course` describes
# those.
GROWTH_SECTIONS = (
    (
        "Idle connections",
        "64 connections request 1 KB each, beside many connections that had one response each and are idle. In ours, neither "
        "a call of the poll nor moving a deadline examines the idle connections.",
        ("connections",),
    ),
    (
        "Memory of an idle connection",
        "The private memory of the server with idle connections, minus its memory without them, divided by their number. In "
        "ours, this is a session and its entries in tables. An idle connection has no buffer. The memory of the kernel is not "
        "included. With few connections, memory that a server allocates once for all of them has the largest share.",
        ("bytes",),
    ),
    (
        "File size",
        f"Up to {size_name(LARGEST_FOR_WRK)}, 64 connections send requests; above, one connection reads one file after the "
        "other. The first picture shows the CPU time of one request, the second that of a gigabyte in files of that size. Ours "
        "keeps small files in memory. For large files, the kernel copies from its page cache to the socket (`sendfile`).",
        ("sizes", "gigabytes"),
    ),
    (
        "Number of files",
        "64 connections request random files of 100 bytes. The cache of ours holds at most 16,384 files. With many more files, "
        "almost every request opens and reads a file and replaces an entry of the cache.",
        ("files",),
    ),
    (
        "Pipelining",
        "64 connections each send a number of requests for 1 KB before they read the responses. Ours sends all responses that "
        "are ready with one system call.",
        ("pipelining",),
    ),
)


def growth_page(growth: Growth, present: Sequence[Server], effort: Effort, command: str) -> str:
    """The text of docs/growth.md."""
    lines = ["# Growth", "", f"Generated by `python3 benches/compare`; do not edit. *Ours* is {OURS}."]
    lines += ["How the cost of a request grows with the load: server CPU time, user and system, in microseconds (us). The number"]
    lines += ["in brackets is the second value divided by the first. Both axes of a picture are logarithmic; the value 0 is drawn"]
    lines += ["at 1 on the horizontal axis. nginx has one worker; *nginx-tuned* has `open_file_cache` and no sendfile, and is shown"]
    lines += ["only where these matter.", ""]
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
    cpu, rate = "Server CPU per request (shorter is better)", "Requests per second (longer is better)"
    def of(works: dict[str, Work]) -> dict[str, dict[str, Rows]]:
        return {name: rows for name, rows in results.items() if name in works}

    plain = of({**FILES, **LISTING, **CGI})
    if plain:
        plots.bars(docs / "benchmarks-cpu.svg", cpu, plain, WORKS, lambda row: row.cpu, "us", True)
        plots.bars(docs / "benchmarks-rate.svg", rate, plain, WORKS, lambda row: row.rate / 1000, "k/s", False)
    for name, chosen in (("tls", of(TLS)), ("proxies", of(PROXY))):
        if chosen:
            plots.bars(docs / f"benchmarks-{name}.svg", cpu, chosen, WORKS, lambda row: row.cpu, "us", True)
