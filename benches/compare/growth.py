"""How the cost of a request grows with what there is more of."""

import os
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from load import Effort, Rows, Work, download_cpu, idle_connections, rounds, warm
from servers import OURS, REFERENCE, Running, Server
from tables import FILES

# Those whose curves are drawn; a cache of open files is only another one where there are many files.
DRAWN = (OURS, REFERENCE, "lighttpd")
DRAWN_FOR_FILES = (*DRAWN, "nginx-tuned")

CONNECTIONS = (1, 100, 1000, 5000, 15_000)
DEPTHS = (1, 2, 4, 8, 16, 64)
NUMBERS = (1, 10, 100, 1000, 10_000, 100_000)
SIZES = (0, 1 << 10, 16 << 10, 128 << 10, 1 << 20, 16 << 20, 256 << 20, 4 << 30)

# Descriptors that are needed besides those of the idle connections: the load's, and those of the server itself.
RESERVE = 200
# From so many connections on, what they add to a server's memory is more than its pages' rounding.
ENOUGH_TO_WEIGH = 100
# Larger files are taken one after the other by one client, not by as many of wrk's as wrk's workloads have.
LARGEST_FOR_WRK = 1 << 20


@dataclass
class Curve:
    """Of each server, what was measured at each point."""

    points: Sequence[int]
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    # What could not be measured, and why.
    gaps: list[str] = field(default_factory=list)

    def note(self, server: str, point: int, value: float) -> None:
        self.values.setdefault(server, {})[point] = value

    def note_cpu(self, point: int, results: dict[str, Rows]) -> None:
        for server, rows in results.items():
            if isinstance(rows, str):
                self.gaps.append(f"{server} at {point:,}: {rows}")
            else:
                self.note(server, point, statistics.median(row.cpu for row in rows))


@dataclass(frozen=True)
class Growth:
    """All curves."""

    beside_idle: Curve
    idle_bytes: Curve
    sizes: Curve
    gigabytes: Curve
    numbers: Curve
    depths: Curve


def measure(servers: Sequence[Server], site: Path, effort: Effort) -> Growth:
    for_files = [server for server in servers if server.name in DRAWN_FOR_FILES]
    servers = [server for server in servers if server.name in DRAWN]
    beside_idle, idle_bytes = connections(servers, site, effort)
    print("idle connections done", flush=True)
    sizes, gigabytes = file_sizes(servers, site, effort)
    print("file sizes done", flush=True)
    numbers = file_numbers(for_files, site, effort)
    print("numbers of files done", flush=True)
    depths = pipelining(servers, site, effort)
    print("pipelining done", flush=True)
    return Growth(beside_idle, idle_bytes, sizes, gigabytes, numbers, depths)


def connections(servers: Sequence[Server], site: Path, effort: Effort) -> tuple[Curve, Curve]:
    """What a W1 request costs beside idle connections, and what each of these weighs."""
    most = os.sysconf("SC_OPEN_MAX") - RESERVE
    counts = [count for count in CONNECTIONS if count <= most]
    beside, weight = Curve(counts), Curve([count for count in counts if count >= ENOUGH_TO_WEIGH])
    for count in counts:
        for server in servers:
            with Running(server, site, effort.server_core) as running:
                try:
                    empty = running.private_bytes()
                    with idle_connections(running, count):
                        if count in weight.points:
                            weight.note(server.name, count, (running.private_bytes() - empty) / count)
                        beside.note_cpu(count, rounds([running], FILES["W1"], effort))
                except (RuntimeError, OSError) as error:
                    beside.gaps.append(f"{server.name} at {count:,}: {error}")
    return beside, weight


def file_sizes(servers: Sequence[Server], site: Path, effort: Effort) -> tuple[Curve, Curve]:
    """What files of different sizes cost a request, and a gigabyte. They are sparse and in memory: no disk is measured."""
    room = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    sizes = [size for size in SIZES if size <= room]
    each, gigabyte = Curve(sizes), Curve([size for size in sizes if size])
    with each_running(servers, site, effort) as running:
        for size in sizes:
            path = site / "sized.bin"
            with path.open("wb") as file:
                file.truncate(size)
            warm(path)
            if size <= LARGEST_FOR_WRK:
                each.note_cpu(size, rounds(running, Work(f"{size} bytes", "/sized.bin", length=size), effort))
            else:
                for one in running:
                    costs = [download_cpu(one, "/sized.bin", size, effort.seconds / 2) for _ in range(effort.rounds)]
                    each.note(one.server.name, size, statistics.median(costs))
            path.unlink()
    for server, values in each.values.items():
        for size in gigabyte.points:
            if size in values:
                gigabyte.note(server, size, values[size] / 1e3 / (size / 1e9))
    return each, gigabyte


def file_numbers(servers: Sequence[Server], site: Path, effort: Effort) -> Curve:
    """What a request costs if it may be for any of many files."""
    curve = Curve(NUMBERS)
    make_many(site / "many", max(NUMBERS))
    with each_running(servers, site, effort) as running:
        for number in NUMBERS:
            work = Work(f"one of {number} files", "/many/0/0.txt", length=100, files=number)
            rounds(running, work, replace(effort, rounds=1))  # What there is to remember is remembered now.
            curve.note_cpu(number, rounds(running, work, effort))
    shutil.rmtree(site / "many")
    return curve


def make_many(folder: Path, count: int) -> None:
    """Files of 100 bytes, 1,000 in a directory."""
    for number in range(count):
        if number % 1000 == 0:
            (folder / str(number // 1000)).mkdir(parents=True)
        (folder / str(number // 1000) / f"{number}.txt").write_bytes(b"x" * 100)


def pipelining(servers: Sequence[Server], site: Path, effort: Effort) -> Curve:
    curve = Curve(DEPTHS)
    with each_running(servers, site, effort) as running:
        for depth in DEPTHS:
            curve.note_cpu(depth, rounds(running, replace(FILES["W1"], pipeline=depth), effort))
    return curve


@contextmanager
def each_running(servers: Sequence[Server], site: Path, effort: Effort) -> Iterator[list[Running]]:
    running: list[Running] = []
    try:
        for server in servers:
            running.append(Running(server, site, effort.server_core))
        yield running
    finally:
        for one in running:
            one.end()
