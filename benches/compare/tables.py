"""What is compared server by server: the workloads, a large file, the log, and what each of them occupies."""

import os
import re
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from load import Effort, Rows, Work, ask, download_cpu, idle_connections, rounds, warm
from servers import Running, Server, cgi_servers, listing_servers, logging_servers

SINCE = "Sat, 01 Aug 2026 10:00:00 GMT"
SINCE_SECONDS = 1785578400
ENTRIES = 1000
LARGE = 1 << 30
IDLE_CONNECTIONS = 2000
STARTS = 9
IDLE_SECONDS = 5

FILES = {
    "W1": Work("1 KB file, keep-alive", "/1k.txt", length=1024),
    "W2": Work("1 KB file, 16 requests pipelined", "/1k.txt", length=1024, pipeline=16),
    "W3": Work("1 KB file, a connection each", "/1k.txt", length=1024, headers=["Connection: close"]),
    "W4": Work("100 KB file, keep-alive", "/100k.bin", length=102400),
    "W7": Work("404, keep-alive", "/no/such/file", status=404),
    "W9": Work("304, keep-alive", "/1k.txt", status=304, headers=["If-Modified-Since: " + SINCE]),
}
LISTING = {"W10": Work(f"listing of {ENTRIES:,} entries", "/entries/", connections=4)}
CGI = {"W11": Work("CGI: a shell script that says hello", "/cgi-bin/hello.sh", length=6, connections=8)}

SCRIPT = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhello\\n'\n"


def make_site(site: Path) -> None:
    """The files that the workloads ask for."""
    for name, size in (("1k.txt", 1024), ("100k.bin", 102400)):
        (site / name).write_bytes(b"x" * size)
        os.utime(site / name, (SINCE_SECONDS, SINCE_SECONDS))
    (site / "entries").mkdir()
    for number in range(ENTRIES):
        (site / "entries" / f"file-{number:04}.txt").write_bytes(b"x" * number)
    (site / "cgi-bin").mkdir()
    (site / "cgi-bin" / "hello.sh").write_text(SCRIPT)
    (site / "cgi-bin" / "hello.sh").chmod(0o755)
    with (site / "large.bin").open("wb") as file:
        file.truncate(LARGE)
    warm(site / "large.bin")


def compare(servers: Sequence[Server], works: dict[str, Work], site: Path, effort: Effort) -> dict[str, dict[str, Rows]]:
    """Samples by workload and server."""
    results: dict[str, dict[str, Rows]] = {}
    with ExitStack() as stack:
        running = [stack.enter_context(Running(server, site, effort.server_core)) for server in servers]
        for name, work in works.items():
            results[name] = rounds(running, work, effort)
            print(f"{name} done", flush=True)
    return results


def of_all_kinds(servers: Sequence[Server], wanted: Sequence[str], site: Path, effort: Effort) -> dict[str, dict[str, Rows]]:
    results: dict[str, dict[str, Rows]] = {}
    for who, works in ((list(servers), FILES), (listing_servers(servers), LISTING), (cgi_servers(servers), CGI)):
        if chosen := {name: work for name, work in works.items() if name in wanted}:
            results.update(compare(who, chosen, site, effort))
    return results


def large_file(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, list[float] | str]:
    """Milliseconds of server CPU a gigabyte, by server: one a round."""
    results: dict[str, list[float] | str] = {server.name: [] for server in servers}
    with ExitStack() as stack:
        running = [stack.enter_context(Running(server, site, effort.server_core)) for server in servers]
        for _ in range(effort.rounds):
            for one in running:
                rows = results[one.server.name]
                if isinstance(rows, str):
                    continue
                try:
                    rows.append(download_cpu(one, "/large.bin", LARGE, effort.seconds) / 1e3 / (LARGE / 1e9))
                except Exception as error:  # Whatever is wrong with one server, the others go on.
                    results[one.server.name] = str(error) or type(error).__name__
    print("large file done", flush=True)
    return results


def log_cost(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, float]:
    """How much more CPU a W1 request takes with an access log, as a fraction: the median over rounds."""
    costs = {}
    for quiet, logging in logging_servers(servers):
        with Running(quiet, site, effort.server_core) as off, Running(logging, site, effort.server_core) as on:
            pairs = []
            for _ in range(effort.rounds):
                one = Effort(1, effort.seconds, effort.server_core, effort.load_core)
                without, with_log = (rounds([running], FILES["W1"], one)[quiet.name] for running in (off, on))
                if not isinstance(without, str) and not isinstance(with_log, str):
                    pairs.append(with_log[0].cpu / without[0].cpu - 1)
        if pairs:
            costs[quiet.name] = statistics.median(pairs)
    print("access log done", flush=True)
    return costs


@dataclass(frozen=True)
class Footprint:
    """What a server occupies. `None` is what could not be measured."""

    binary: int
    private: int
    each_connection: float | None
    first_byte: float
    wake_ups: float
    system_calls: float | None


def footprints(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, Footprint]:
    wake_ups = idle_wake_ups(servers, site, effort)
    found = {}
    for server in servers:
        idle, each = memory(server, site, effort)
        found[server.name] = Footprint(
            Path(server.path() or "").resolve().stat().st_size,
            idle,
            each,
            statistics.median(start_to_first_byte(server, site, effort) for _ in range(STARTS)),
            wake_ups[server.name],
            system_calls(server, site, effort),
        )
        print(f"footprint of {server.name} done", flush=True)
    return found


def idle_wake_ups(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, float]:
    """How often a second each of them wakes up while nobody asks anything."""
    with ExitStack() as stack:
        running = [stack.enter_context(Running(server, site, effort.server_core)) for server in servers]
        # What they still do because they were started, and because somebody looked whether they answer.
        time.sleep(1)
        before = [one.wake_ups() for one in running]
        time.sleep(IDLE_SECONDS)
        return {one.server.name: (one.wake_ups() - count) / IDLE_SECONDS for one, count in zip(running, before)}


def start_to_first_byte(server: Server, site: Path, effort: Effort) -> float:
    """Seconds from the start of the process to the first byte of an answer."""
    with Running(server, site, effort.server_core) as running:
        with socket.create_connection(("127.0.0.1", running.port), 5) as connection:
            connection.sendall(b"GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(1)
            return time.monotonic() - running.started


def memory(server: Server, site: Path, effort: Effort) -> tuple[int, float | None]:
    """Private bytes when nobody is connected, and what each of many idle connections adds after its first answer."""
    with Running(server, site, effort.server_core) as running:
        time.sleep(0.3)
        idle = running.private_bytes()
        try:
            with idle_connections(running, IDLE_CONNECTIONS):
                return idle, (running.private_bytes() - idle) / IDLE_CONNECTIONS
        except (RuntimeError, OSError):
            return idle, None


def system_calls(server: Server, site: Path, effort: Effort) -> float | None:
    """System calls of a W1 request: all that strace counts while wrk asks, over the requests."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r") as table:
        try:
            with Running(server, site, effort.server_core, ["strace", "-c", "-f", "-q", "-o", table.name]) as running:
                requests, _ = ask(running, FILES["W1"], 1, effort.load_core)
        except Exception as error:  # Some servers do not survive being traced.
            print(f"{server.name} under strace: {error}")
            return None
        total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+ )?total$", table.read(), re.M)
        return int(total.group(1)) / requests if total else None


def raise_limits() -> None:
    """As many descriptors as may be: thousands of connections need them, here and in the servers."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
