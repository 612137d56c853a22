"""The measurements of each server: the workloads, a large file, the log, and its size and memory."""

import os
import re
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fronts import certificate, proxies, tls_servers
from load import Effort, Rows, Work, ask, download_cpu, idle_connections, in_turn, reason, rounds, warm
from servers import OURS, Running, Server, cgi_servers, each_running, listing_servers, logging_servers
from stages import begin, say

SINCE = "Sat, 01 Aug 2026 10:00:00 GMT"
SINCE_SECONDS = 1785578400
ENTRIES = 1000
LARGE = 1 << 30
# The factor by which a measurement of the large file is longer than others: the kernel counts CPU in hundredths of a second, and
# a gigabyte takes six of them.
LARGE_TAKES = 3
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
TLS = {
    "T1": Work("1 KB file over TLS, keep-alive", "/1k.txt", length=1024, secure=True),
    "T4": Work("100 KB file over TLS, keep-alive", "/100k.bin", length=102400, secure=True),
    "T3": Work("1 KB file, a resumed handshake each", "/1k.txt", length=1024, headers=["Connection: close"], secure=True),
}
PROXY = {
    "P1": Work("1 KB file through a proxy, keep-alive", "/1k.txt", length=1024),
    "P4": Work("100 KB file through a proxy, keep-alive", "/100k.bin", length=102400),
}
CGI = {"W11": Work("CGI: a shell script that says hello", "/cgi-bin/hello.sh", length=6, connections=8)}

SCRIPT = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhello\\n'\n"


def make_site(site: Path) -> None:
    """Creates the files that the workloads request."""
    for name, size in (("1k.txt", 1024), ("100k.bin", 102400)):
        (site / name).write_bytes(b"x" * size)
        os.utime(site / name, (SINCE_SECONDS, SINCE_SECONDS))
    (site / "entries").mkdir()
    for number in range(ENTRIES):
        (site / "entries" / f"file-{number:04}.txt").write_bytes(b"x" * number)
    (site / "cgi-bin").mkdir()
    (site / "cgi-bin" / "hello.sh").write_text(SCRIPT)
    (site / "cgi-bin" / "hello.sh").chmod(0o755)


def compare(servers: Sequence[Server], works: dict[str, Work], site: Path, effort: Effort) -> dict[str, dict[str, Rows]]:
    """Samples by workload and server."""
    results: dict[str, dict[str, Rows]] = {}
    with each_running(servers, site, effort.server_core) as (running, failed):
        for name, work in works.items():
            able = [one for one in running if one.server.can(name)]
            limited = begin(f"{name}, {work.text}", len(able) * effort.rounds, effort)
            measured = rounds(able, work, limited)
            reasons = {server.name: failed.get(server.name, "") if server.can(name) else "" for server in servers}
            results[name] = {server.name: measured.get(server.name, reasons[server.name]) for server in servers}
    return results


def of_all_kinds(servers: Sequence[Server], wanted: Sequence[str], site: Path, effort: Effort) -> dict[str, dict[str, Rows]]:
    results: dict[str, dict[str, Rows]] = {}
    kinds = [(servers, FILES), (listing_servers(servers), LISTING), (cgi_servers(servers), CGI)]
    if set(TLS) & set(wanted):
        kinds.append((tls_servers(servers, *certificate(site.parent)), TLS))
    for variants, works in kinds:
        if chosen := {name: work for name, work in works.items() if name in wanted}:
            results.update(compare(variants, chosen, site, effort))
    if chosen := {name: work for name, work in PROXY.items() if name in wanted}:
        results.update(compare_proxies(servers, chosen, site, effort))
    return results


def compare_proxies(servers: Sequence[Server], works: dict[str, Work], site: Path, effort: Effort) -> dict[str, dict[str, Rows]]:
    """The same measurements through proxies, all of which are in front of one serve-forever. This server runs on the
    core of the load and is not measured."""
    ours = next((server for server in servers if server.name == OURS), None)
    if ours is None:
        return {}
    with Running(ours, site, effort.load_core) as upstream:
        return compare(proxies(servers, upstream.port), works, site, effort)


def large_file(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, list[float] | str]:
    """The milliseconds of CPU time per gigabyte, for each server and round."""
    effort = begin("a large file", len(servers) * effort.rounds, replace(effort, seconds=LARGE_TAKES * effort.seconds))
    path = site / "large.bin"
    with path.open("wb") as file:
        file.truncate(LARGE)
    warm(path)

    def once(one: Running, _: int) -> float:
        return download_cpu(one, "/large.bin", LARGE, effort.seconds) / 1e3 / (LARGE / 1e9)

    with each_running(servers, site, effort.server_core) as (running, failed):
        measured = in_turn(running, effort, once)
        results = {server.name: measured.get(server.name, failed.get(server.name, "")) for server in servers}
    path.unlink()
    return results


def log_cost(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, float]:
    """The additional CPU time of a W1 request with an access log, as a fraction: the median over the rounds."""
    costs = {}
    effort = begin("the access log", 2 * len(logging_servers(servers)) * effort.rounds, effort)
    for quiet, logging in logging_servers(servers):
        pairs = []
        with each_running([quiet, logging], site, effort.server_core) as (running, failed):
            for _ in range(0 if failed else effort.rounds):
                without, with_log = (rounds([one], FILES["W1"], replace(effort, rounds=1))[quiet.name] for one in running)
                if not isinstance(without, str) and not isinstance(with_log, str):
                    pairs.append(with_log[0].cpu / max(without[0].cpu, 1e-9) - 1)
        if pairs:
            costs[quiet.name] = statistics.median(pairs)
    return costs


@dataclass(frozen=True)
class Footprint:
    """The size, memory and idle cost of a server. `None` means that a value could not be measured."""

    binary: int
    private: int | None = None
    each_connection: float | None = None
    first_byte: float | None = None
    wake_ups: float | None = None
    system_calls: float | None = None
    # The private bytes, grouped by their purpose.
    parts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """All results of one run. A part that was left out is empty."""

    # Samples by workload and server.
    works: dict[str, dict[str, Rows]] = field(default_factory=dict)
    # The milliseconds of CPU time per gigabyte of a large file, or the reason why there are none.
    large: dict[str, list[float] | str] = field(default_factory=dict)
    # The additional cost of a request with an access log, as a fraction.
    log: dict[str, float] = field(default_factory=dict)
    footprints: dict[str, Footprint] = field(default_factory=dict)


def footprints(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, Footprint]:
    say(f"idle wake-ups: {IDLE_SECONDS + 1} s")
    wake_ups = idle_wake_ups(servers, site, effort)
    found = {}
    for server in servers:
        say(f"size and memory of {server.name}")
        occupied = Footprint(Path(server.path() or "").resolve().stat().st_size, wake_ups=wake_ups.get(server.name))
        try:
            parts, each = memory(server, site, effort)
            occupied = replace(occupied, private=sum(parts.values()), parts=parts, each_connection=each)
            first_byte = statistics.median(start_to_first_byte(server, site, effort) for _ in range(STARTS))
            occupied = replace(occupied, first_byte=first_byte, system_calls=system_calls(server, site, effort))
        except Exception as error:  # After any error of one server, the others continue.
            say(f"{server.name}: {reason(error)}")
        found[server.name] = occupied
    return found


def idle_wake_ups(servers: Sequence[Server], site: Path, effort: Effort) -> dict[str, float]:
    """The wake-ups per second of each server without any request."""
    with each_running(servers, site, effort.server_core) as (running, _):
        # The remaining work of the start and of the first request is not counted.
        time.sleep(1)
        before = [one.wake_ups() for one in running]
        time.sleep(IDLE_SECONDS)
        return {one.server.name: (one.wake_ups() - count) / IDLE_SECONDS for one, count in zip(running, before)}


def start_to_first_byte(server: Server, site: Path, effort: Effort) -> float:
    """The seconds from the start of the process to the first byte of a response."""
    with Running(server, site, effort.server_core) as running:
        with socket.create_connection(("127.0.0.1", running.port), 5) as connection:
            connection.sendall(b"GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            if not connection.recv(1):
                raise RuntimeError("closes connections")
            return time.monotonic() - running.started


def memory(server: Server, site: Path, effort: Effort) -> tuple[dict[str, int], float | None]:
    """The private bytes without connections, grouped by their purpose, and the bytes that each of many idle connections
    adds after its first response."""
    with Running(server, site, effort.server_core) as running:
        time.sleep(0.3)
        idle, parts = running.private_bytes(), running.private_parts()
        try:
            with idle_connections(running, IDLE_CONNECTIONS):
                return parts, (running.private_bytes() - idle) / IDLE_CONNECTIONS
        except (RuntimeError, OSError) as error:
            say(f"{server.name} with {IDLE_CONNECTIONS:,} idle connections: {reason(error)}")
            return parts, None


def system_calls(server: Server, site: Path, effort: Effort) -> float | None:
    """The system calls of a W1 request: all calls that strace counts during a run of wrk, divided by the number of
    requests."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r") as table:
        try:
            with Running(server, site, effort.server_core, ["strace", "-c", "-f", "-q", "-o", table.name]) as running:
                requests, _ = ask(running, FILES["W1"], effort.seconds, effort.load_core)
        except Exception as error:  # Some servers crash under strace.
            say(f"{server.name} under strace: {reason(error)}")
            return None
        total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+ )?total$", table.read(), re.M)
        return int(total.group(1)) / requests if total else None


def raise_limits() -> None:
    """Raises the limit of descriptors to its maximum, because thousands of connections need them, here and in the
    servers."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
