"""Measures how the cost of a request grows with connections, sizes and numbers of files, and pipelining."""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import loopback
from load import OUT_OF_TIME, Effort, Rows, Work, download_cpu, idle_connections, reason, rounds, warm
from servers import OURS, REFERENCE, Running, Server, each_running
from stages import begin, say
from tables import FILES

# The servers whose curves are drawn. A cache of open files makes a difference only with many files.
DRAWN = (OURS, REFERENCE, "lighttpd")
DRAWN_FOR_FILES = (*DRAWN, "nginx-tuned")

CONNECTIONS = (1, 100, 1000, 5000, 15_000)
DEPTHS = (1, 2, 4, 8, 16, 64)
NUMBERS = (1, 10, 100, 1000, 10_000, 100_000)
SIZES = (0, 1 << 10, 16 << 10, 128 << 10, 1 << 20, 16 << 20, 256 << 20, 4 << 30)

# The number of descriptors that are needed in addition to those of the idle connections, by the load and by the server.
RESERVE = 200
# With fewer connections, the memory that they add is less than the rounding to whole pages.
ENOUGH_TO_WEIGH = 100
# Larger files are downloaded one after the other by one client, instead of by the connections of wrk.
LARGEST_FOR_WRK = 1 << 20


# The approximate seconds to open a connection and get a response, the seconds to create a file, and the bytes that are
# sent in a second.
A_CONNECTION, A_FILE, SENT = 0.0003, 0.00005, 3e9
# The folder for many files, if it has room: deleting them from a disk may take minutes.
MEMORY, BYTES_A_FILE = Path("/dev/shm"), 16 << 10


@dataclass
class Curve:
    """The measurements of each server at each point."""

    points: Sequence[int]
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    # The missing measurements: the server, the point, and the reason.
    gaps: list[tuple[str, int, str]] = field(default_factory=list)

    def note(self, server: str, point: int, value: float) -> None:
        self.values.setdefault(server, {})[point] = value

    def note_gap(self, server: str, point: int, why: str) -> None:
        say(f"left out: {server} at {point:,}: {why}")
        self.gaps.append((server, point, why))

    def note_cpu(self, point: int, results: dict[str, Rows], failed: dict[str, str] | None = None) -> None:
        for server, rows in {**results, **(failed or {})}.items():
            if isinstance(rows, str):
                self.note_gap(server, point, rows)
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
    sizes, gigabytes = file_sizes(servers, site, effort)
    numbers = file_numbers(for_files, effort)
    depths = pipelining(servers, site, effort)
    return Growth(beside_idle, idle_bytes, sizes, gigabytes, numbers, depths)


def connections(servers: Sequence[Server], site: Path, effort: Effort) -> tuple[Curve, Curve]:
    """Measures the cost of a W1 request beside idle connections, and the memory of each idle connection."""
    most = os.sysconf("SC_OPEN_MAX") - RESERVE
    counts = [count for count in CONNECTIONS if count <= most]
    beside, weight = Curve(counts), Curve([count for count in counts if count >= ENOUGH_TO_WEIGH])
    effort = begin("idle connections", len(counts) * len(servers) * effort.rounds, effort, len(servers) * sum(counts) * A_CONNECTION)
    for count in counts:
        say(f"beside {count:,}")
        for server in servers:
            try:
                beside_some(server, count, beside, weight, site, effort)
            except (RuntimeError, OSError) as error:
                beside.note_gap(server.name, count, reason(error))
    return beside, weight


def beside_some(server: Server, count: int, beside: Curve, weight: Curve, site: Path, effort: Effort) -> None:
    if effort.is_over():
        raise TimeoutError(OUT_OF_TIME)
    with Running(server, site, effort.server_core) as running:
        empty = running.private_bytes()
        with idle_connections(running, count):
            if count in weight.points:
                weight.note(server.name, count, (running.private_bytes() - empty) / count)
            beside.note_cpu(count, rounds([running], FILES["W1"], effort))


def file_sizes(servers: Sequence[Server], site: Path, effort: Effort) -> tuple[Curve, Curve]:
    """Measures the cost of a request, and of a gigabyte, for files of different sizes. The files are sparse and in
    memory, so no disk is measured."""
    room = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    sizes = [size for size in SIZES if size <= room]
    each, gigabyte = Curve(sizes), Curve([size for size in sizes if size])
    effort = begin("file sizes", len(sizes) * len(servers) * effort.rounds, effort, len(servers) * effort.rounds * sum(sizes) / SENT)
    with each_running(servers, site, effort.server_core) as (running, failed):
        for size in sizes:
            say(f"{size:,} bytes")
            path = site / f"{size}.bin"  # Each file has a different name, because some servers cache files by name.
            with path.open("wb") as file:
                file.truncate(size)
            warm(path)
            if size <= LARGEST_FOR_WRK:
                work = Work(f"{size} bytes", f"/{size}.bin", length=size)
                each.note_cpu(size, rounds(running, work, effort), failed)
            else:
                downloads(running, size, each, effort)
            path.unlink()
    for server, values in each.values.items():
        for size in gigabyte.points:
            if size in values:
                gigabyte.note(server, size, values[size] / 1e3 / (size / 1e9))
    return each, gigabyte


def downloads(running: Sequence[Running], size: int, curve: Curve, effort: Effort) -> None:
    for one in running:
        try:
            costs = []
            for _ in range(effort.rounds):
                if effort.is_over():
                    raise TimeoutError(OUT_OF_TIME)
                costs.append(download_cpu(one, f"/{size}.bin", size, effort.seconds / 2))
            curve.note(one.server.name, size, statistics.median(costs))
        except (RuntimeError, OSError) as error:
            curve.note_gap(one.server.name, size, reason(error))


def file_numbers(servers: Sequence[Server], effort: Effort) -> Curve:
    """Measures the cost of a request for a random one of many files."""
    curve = Curve(NUMBERS)
    once = replace(effort, rounds=1, seconds=effort.seconds / 2)
    effort = begin("numbers of files", len(NUMBERS) * len(servers) * (effort.rounds + 0.5), effort, max(NUMBERS) * A_FILE)
    with site_for_many(max(NUMBERS)) as site, each_running(servers, site, effort.server_core) as (running, failed):
        for number in NUMBERS:
            say(f"one of {number:,}")
            work = Work(f"one of {number} files", "/many/0/0.txt", length=100, files=number)
            rounds(running, work, replace(once, until=effort.until))  # This fills the caches of the servers.
            curve.note_cpu(number, rounds(running, work, effort), failed)
    return curve


@contextmanager
def site_for_many(count: int) -> Iterator[Path]:
    """A site with files of 100 bytes, 1,000 in each directory, in memory if there is room."""
    in_memory = os.access(MEMORY, os.W_OK) and room_in(MEMORY) > count * BYTES_A_FILE
    say(f"making {count:,} files" + (f" in {MEMORY}" if in_memory else ""))
    with tempfile.TemporaryDirectory(prefix="compare-", dir=MEMORY if in_memory else None) as folder:
        os.chmod(folder, 0o755)
        with own_file_system(Path(folder)):
            for number in range(count):
                directory = Path(folder, "many", str(number // 1000))
                if number % 1000 == 0:
                    directory.mkdir(parents=True)
                (directory / f"{number}.txt").write_bytes(b"x" * 100)
            yield Path(folder)


@contextmanager
def own_file_system(folder: Path) -> Iterator[None]:
    """Mounts a file system in memory, if the run has its own mounts: unmounting it is faster than deleting many
    files."""
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "compare", str(folder)]
    mounted = loopback.is_own() and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def room_in(folder: Path) -> int:
    """The number of free bytes."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def pipelining(servers: Sequence[Server], site: Path, effort: Effort) -> Curve:
    curve = Curve(DEPTHS)
    effort = begin("pipelining", len(DEPTHS) * len(servers) * effort.rounds, effort)
    with each_running(servers, site, effort.server_core) as (running, failed):
        for depth in DEPTHS:
            say(f"{depth} at a time")
            curve.note_cpu(depth, rounds(running, replace(FILES["W1"], pipeline=depth), effort), failed)
    return curve
