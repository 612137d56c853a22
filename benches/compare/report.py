"""The pages and plots in `docs/` that a run is written into."""

import math
import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import loopback
import plots
from growth import Curve, Growth
from load import Effort, Rows, median
from servers import OURS, REFERENCE, Server
from tables import CGI, ENTRIES, FILES, IDLE_CONNECTIONS, IDLE_SECONDS, LARGE, LISTING, STARTS, Footprint

WORKS = {**FILES, **LISTING, **CGI}
MOST_FOR_THE_LOG = 0.15
NOT_COUNTED = "CPU not counted"


def ratio(reference: Rows, rows: Rows) -> float | None:
    """How many times less CPU is needed than by the reference: the median over rounds."""
    if isinstance(reference, str) or isinstance(rows, str) or not reference:
        return None
    return known(statistics.median(one.cpu / max(other.cpu, 1e-9) for one, other in zip(reference, rows)))


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
        f"{loopback.described()}; medians of {effort.rounds} rounds of {effort.seconds} s, the servers one after the other "
        f"in each; access logs off. Load average when it ended: {os.getloadavg()[0]:.2f} (2 are expected of the two that "
        "are measured).",
        "",
        "```sh",
        f"cargo build --release && {command}",
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
        pairs = zip(reference, values) if not isinstance(reference, str) else []
        ratios = [other / max(value, 1e-9) for other, value in pairs]
        rows.append([server, f"{statistics.median(values):.1f} ms", f"{statistics.median(ratios):.2f}" if ratios else ""])
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
    verdict = "" if ours is None else " That is " + ("no more." if ours <= MOST_FOR_THE_LOG else "MORE THAN THAT.")
    return [
        "## The access log",
        "",
        f"CPU of a W1 request with an access log in a file, over one without: {', '.join(texts)}. At most "
        f"{MOST_FOR_THE_LOG:.0%} are wanted of ours.{verdict}",
        "",
    ]


def footprint_section(footprints: dict[str, Footprint]) -> list[str]:
    def number(value: float | None, form: str) -> str:
        return "not measured" if value is None else format(value, form)

    rows = [
        [
            server,
            f"{of.binary / 1e6:.2f} MB",
            f"{of.private // 1024:,} KB",
            number(of.each_connection, ",.0f"),
            f"{of.first_byte * 1e3:.1f} ms",
            f"{of.wake_ups:.1f}",
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
* *k/s*, */s*: thousands of requests, or requests, a second that one load generator on another core got answered. Where that is the
  limit, faster servers only idle more.
* *CPU not counted*: busybox has a process for each connection and waits for none of them.
"""

ABOUT_LISTINGS = f"""The page of {ENTRIES:,} entries has size and date in all of them. A script costs what the shell does, for
whoever starts it; ours and Python's run it as `nobody`, which is a system call or two more. A server
without a figure here has no such thing.
"""

ABOUT_PACING = """## What was wrong with W4

Earlier runs found nginx and lighttpd three times dearer than ours for 100 KB. The reason was the machine: its
`net.ipv4.tcp_congestion_control` is `bbr`, which paces what a socket sends by a timer, on the loopback too. `tcp_nopush`,
as most configurations of nginx have it, and lighttpd by itself, make one piece of head and file; the second half of it
then waits for the timer, and in a virtual machine setting a timer costs more than sending 64 KB. Without `tcp_nopush`, or
with another congestion control, nginx needs a third of that. So the run takes a network namespace of its own, where the
control is `reno`, whatever the machine has. For that it has to be root.
"""


def benchmarks(
    results: dict[str, dict[str, Rows]],
    large: dict[str, list[float] | str],
    log: dict[str, float],
    footprints: dict[str, Footprint],
    present: Sequence[Server],
    missing: Sequence[str],
    effort: Effort,
    command: str,
) -> str:
    """The text of docs/benchmarks.md."""
    files = {name: rows for name, rows in results.items() if name in FILES}
    others = {name: rows for name, rows in results.items() if name not in FILES}
    lines = ["# Benchmarks", "", LEGEND, *conditions(effort, command), *workload_table(files), ""]
    lines += ["![server CPU a request](benchmarks-cpu.svg)", "", "![requests a second](benchmarks-rate.svg)", ""]
    if others:
        lines += ["## Listings and scripts", "", *workload_table(others), "", ABOUT_LISTINGS]
    lines += [ABOUT_PACING, *large_file_section(large), *log_section(log), *footprint_section(footprints), "## Versions", ""]
    lines += [f"* {server.name}: {server.version()}" for server in present]
    lines += [f"* {name}: not found" for name in missing]
    lines += ["", "How all this grows is in [growth.md](growth.md)."]
    return "\n".join(lines) + "\n"


def size_name(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return str(size)


def count_name(count: int) -> str:
    return f"{count:,}"


def ends(curve: Curve, first: int, last: int, unit: str) -> str:
    """From what to what our line goes."""
    ours = curve.values.get(OURS, {})
    if first not in ours or last not in ours:
        return "not measured"
    return f"{figure(ours[first])} to {figure(ours[last])} {unit}"


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def gaps(curve: Curve) -> str:
    return f" Not measured: {'; '.join(curve.gaps)}." if curve.gaps else ""


def growth_page(growth: Growth, effort: Effort, command: str) -> str:
    """The text of docs/growth.md."""
    beside, weight, sizes = growth.beside_idle, growth.idle_bytes, growth.sizes
    gigabytes, numbers, depths = growth.gigabytes, growth.numbers, growth.depths
    largest = gigabytes.points[-1]
    most, heaviest = beside.points[-1], weight.points[-1]
    sections = [
        (
            "Idle connections",
            beside,
            f"Ours goes from {ends(beside, 1, most, 'us')} between one and {most:,} idle connections beside the 64 that "
            "ask: the poll reports only those where something happened, a deadline that moves is not touched in the heap, and "
            "what remains is that more memory is in the caches' way.",
            [("growth-connections.svg", "CPU of a request beside idle connections")],
        ),
        (
            "What an idle connection weighs",
            weight,
            f"Ours goes from {ends(weight, weight.points[0], heaviest, 'bytes')} a connection between {weight.points[0]:,} and "
            f"{heaviest:,}: a session and its place in the tables, and no buffer, because an idle connection owns none. The "
            "kernel's part is not in it.",
            [("growth-bytes.svg", "private memory of an idle connection")],
        ),
        (
            "File size",
            sizes,
            f"A small file costs the request, a large one its bytes: ours goes from {ends(sizes, 0, 1 << 10, 'us')} for nothing "
            f"and 1 KB, and from {ends(gigabytes, 1 << 20, largest, 'ms')} a gigabyte between 1 MB and {size_name(largest)}, where the kernel "
            "copies from its cache to the socket (`sendfile`) and the program only says from where to where. Up to 1 MB 64 "
            "connections ask; above, one that takes a file after the other.",
            [
                ("growth-sizes.svg", "CPU of a request for files of different sizes"),
                ("growth-gigabytes.svg", "CPU of a gigabyte in files of different sizes"),
            ],
        ),
        (
            "Number of files",
            numbers,
            f"Ours goes from {ends(numbers, 1, 1000, 'us')} between one file and 1,000, which are all in the cache (at most 4,096 "
            f"are), and to {ends(numbers, 1000, 100_000, 'us').split(' to ')[-1]} for one of 100,000, where nearly each request "
            "is a miss: it opens the file, reads it and puts it in another's place.",
            [("growth-files.svg", "CPU of a request for one of many files")],
        ),
        (
            "Pipelining",
            depths,
            f"Ours goes from {ends(depths, 1, 64, 'us')} a request between one at a time and 64 at a time: answers that are in "
            "the output together leave in one system call, and what is left is what the program itself does.",
            [("growth-pipelining.svg", "CPU of a request at different depths of pipelining")],
        ),
    ]
    lines = ["# Growth", "", "Made by `python3 benches/compare`; do not edit. What a request costs when there is more of something:"]
    lines += ["server CPU, user and system, in microseconds. Both axes are logarithmic; 0 stands at 1.", ""]
    lines += conditions(effort, command)
    for title, curve, said, pictures in sections:
        lines += [f"## {title}", "", said + gaps(curve), "", *(f"![{alt}]({name})\n" for name, alt in pictures)]
    return "\n".join(lines).rstrip() + "\n"


def growth_plots(docs: Path, growth: Growth) -> None:
    cpu = "server CPU a request, us"
    for name, title, x_label, y_label, curve, named in (
        ("connections", "A 1 KB request beside idle connections", "idle connections", cpu, growth.beside_idle, count_name),
        ("bytes", "What an idle connection weighs", "idle connections", "private bytes each", growth.idle_bytes, count_name),
        ("sizes", "A request for a file", "size of the file, bytes", cpu, growth.sizes, size_name),
        ("gigabytes", "A gigabyte", "size of the files, bytes", "server CPU a GB, ms", growth.gigabytes, size_name),
        ("files", "A request for one of many files", "files", cpu, growth.numbers, count_name),
        ("pipelining", "A 1 KB request among others", "requests at a time", cpu, growth.depths, count_name),
    ):
        plots.curves(docs / f"growth-{name}.svg", title + " (lower is better)", x_label, y_label, curve, named)


def benchmark_plots(docs: Path, results: dict[str, dict[str, Rows]]) -> None:
    cpu, rate = "Server CPU a request (shorter is better)", "Requests a second (longer is better)"
    plots.bars(docs / "benchmarks-cpu.svg", cpu, results, WORKS, lambda row: row.cpu, "us", True)
    plots.bars(docs / "benchmarks-rate.svg", rate, results, WORKS, lambda row: row.rate / 1000, "k/s", False)
