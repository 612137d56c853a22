"""The load: the workloads, wrk for those with many requests, and small clients for the others."""

import http.client
import math
import os
import re
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from servers import Running

WRK = "wrk"

# The time for which a client waits for bytes from a server.
PATIENCE = 5
# The time limits for opening the idle connections, and for downloading one file.
LONGEST = 30
# wrk checks ten times per second whether it must end.
WRK_ENDS_WITHIN = 5
UNITS = {"ms": 0.001, "s": 1, "m": 60}
OUT_OF_TIME = "the time of the stage was over"

# wrk requests random files from 0 to COUNT-1, in directories of 1,000 files.
MANY_FILES = """
request = function()
    local number = math.random(0, %d - 1)
    return wrk.format("GET", string.format("/many/%%d/%%d.txt", math.floor(number / 1000), number))
end
"""

PIPELINE = """
init = function(args)
    local one, all = wrk.format(), {}
    for i = 1, %d do all[i] = one end
    requests = table.concat(all)
end
request = function() return requests end
"""


@dataclass(frozen=True)
class Work:
    """A workload: the request, the way in which it is sent, and the expected response."""

    text: str
    path: str
    status: int = 200
    length: int | None = None
    headers: Sequence[str] = ()
    pipeline: int = 1
    connections: int = 64
    files: int = 1
    secure: bool = False

    def script(self) -> str:
        if self.files > 1:
            return MANY_FILES % self.files
        return PIPELINE % self.pipeline if self.pipeline > 1 else ""


@dataclass(frozen=True)
class Sample:
    """One measurement: microseconds of server CPU per request (NaN if it cannot be counted), requests per second, and
    the part of the CPU time that was spent outside the kernel."""

    cpu: float
    rate: float
    user: float = math.nan


def check(running: Running, work: Work) -> None:
    """Checks that the response is the one that is to be measured."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    if work.secure:
        # The certificate is not verified, because it was made for this run.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=PATIENCE, context=context)
    connection.request("GET", work.path, headers=dict(header.split(": ", 1) for header in work.headers))
    response = connection.getresponse()
    length = len(response.read())
    connection.close()
    if response.status != work.status or (work.length is not None and length != work.length):
        raise RuntimeError(f"answers {response.status} with {length} bytes")


def ask(running: Running, work: Work, seconds: float, core: int) -> tuple[int, float]:
    """Runs wrk. Returns the number of requests that got a response, and the seconds that this took."""
    command = [WRK, "-t1", f"-c{work.connections}", f"-d{math.ceil(seconds)}s"]
    for header in work.headers:
        command += ["-H", header]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if text := work.script():
            script.write(text)
            script.flush()
            command += ["-s", script.name]
        scheme = "https" if work.secure else "http"
        command.append(f"{scheme}://127.0.0.1:{running.port}{work.path}")
        output = output_of(command, seconds, core)
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)\b", output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    requests, others = int(found.group(1)) if found else 0, int(refused.group(1)) if refused else 0
    wrong = others if work.status < 400 else requests - others
    if found is None or requests == 0:
        raise RuntimeError("answers nothing under load")
    if wrong > requests / 1000:
        raise RuntimeError(f"under load, {wrong / requests:.1%} of the answers have another status")
    if requests <= work.connections * work.pipeline:
        raise RuntimeError("stalls under load")
    return requests, float(found.group(2)) * UNITS[found.group(3)]


def output_of(command: Sequence[str], seconds: float, core: int) -> str:
    """Returns the output of wrk. wrk accepts only whole seconds, so it is told by a signal to end after a fraction of a
    second."""
    wrk = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        return wrk.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        wrk.send_signal(signal.SIGINT)
        return wrk.communicate(timeout=WRK_ENDS_WITHIN)[0]
    finally:
        wrk.kill()
        wrk.wait()


def measure(running: Running, work: Work, seconds: float, core: int) -> Sample:
    before, user = running.cpu(), running.user_cpu()
    requests, elapsed = ask(running, work, seconds, core)
    # The time is a little longer than that of the load, so that the remaining work of the server is counted.
    time.sleep(0.05)
    cpu, user = running.cpu() - before, running.user_cpu() - user
    return Sample(cpu / requests * 1e6, requests / elapsed, user / requests * 1e6)


@dataclass(frozen=True)
class Effort:
    """The duration and number of the measurements, the cores, and the time of the monotonic clock after which no
    measurement may begin."""

    rounds: int
    seconds: float
    server_core: int
    load_core: int
    until: float = math.inf

    def is_over(self) -> bool:
        return time.monotonic() > self.until


# The samples of a server, or the reason why there are none.
Rows = list[Sample] | str

# The result of one measurement.
One = TypeVar("One")


def rounds(running: Sequence[Running], work: Work, effort: Effort) -> dict[str, Rows]:
    """Measures a workload on each server once per round."""

    def once(one: Running, number: int) -> Sample:
        if number == 0:
            check(one, work)
        return measure(one, work, effort.seconds, effort.load_core)

    return in_turn(running, effort, once)


def in_turn(running: Sequence[Running], effort: Effort, once: Callable[[Running, int], One]) -> dict[str, list[One] | str]:
    """Measures each server once per round, one after the other, so that other activity of the machine affects all of
    them. If a measurement fails, the reason replaces all measurements of that server."""
    results: dict[str, list[One] | str] = {one.server.name: [] for one in running}
    for number in range(effort.rounds):
        for one in running:
            rows = results[one.server.name]
            if isinstance(rows, str):
                continue
            try:
                if effort.is_over():
                    raise TimeoutError(OUT_OF_TIME)
                rows.append(once(one, number))
            except Exception as error:  # After any error of one server, the others continue.
                results[one.server.name] = reason(error)
    return results


def reason(error: Exception) -> str:
    """The reason why a value was not measured, for the pages."""
    if isinstance(error, subprocess.TimeoutExpired):
        return "timed out"
    return (str(error) or type(error).__name__).replace("|", "/")


@contextmanager
def idle_connections(running: Running, count: int) -> Iterator[None]:
    """Connections that each had one response and send nothing more. The server must keep them open."""
    end = time.monotonic() + LONGEST
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            if time.monotonic() > end:
                raise TimeoutError(f"answered only {len(connections):,} connections in {LONGEST} s")
            connection = socket.create_connection(("127.0.0.1", running.port), PATIENCE)
            connections.append(connection)
            connection.sendall(b"GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            received = 0
            while received < 1024:
                part = connection.recv(65536)
                if not part:
                    raise RuntimeError("closes connections")
                received += len(part)
        # If the server closes connections, it does so soon.
        time.sleep(0.3)
        if connections and is_closed(connections[0]):
            raise RuntimeError("closes connections")
        yield
    finally:
        for connection in connections:
            connection.close()


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


class Download:
    """A client that downloads whole files over one connection without reading their bytes: with `MSG_TRUNC`, the kernel
    discards them, so that the client is not slower than any server."""

    def __init__(self, running: Running) -> None:
        self.socket = socket.create_connection(("127.0.0.1", running.port), PATIENCE)
        self.buffer = bytearray(1 << 20)

    def take(self, path: str, length: int) -> None:
        end = time.monotonic() + LONGEST
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.socket.recv(4096)
            if not part:
                raise RuntimeError("closes connections")
            head += part
        head, _, early = head.partition(b"\r\n\r\n")
        if f"content-length: {length}" not in head.decode("latin-1").lower().split("\r\n"):
            raise RuntimeError("answers otherwise")
        rest = length - len(early)
        while rest > 0:
            count = self.socket.recv_into(self.buffer, min(rest, len(self.buffer)), socket.MSG_TRUNC)
            if count == 0:
                raise RuntimeError("cuts the answer")
            if time.monotonic() > end:
                raise TimeoutError(f"did not send the file in {LONGEST} s")
            rest -= count

    def close(self) -> None:
        self.socket.close()


def download_cpu(running: Running, path: str, length: int, seconds: float) -> float:
    """The microseconds of server CPU for a whole file. As many files are downloaded as the time allows, but at least
    one. If the server closes the connection, each file is downloaded over a new one."""
    before, end, count = running.cpu(), time.monotonic() + seconds, 0
    while count == 0 or time.monotonic() < end:
        client = Download(running)
        try:
            client.take(path, length)
        finally:
            client.close()
        count += 1
    time.sleep(0.05)
    return (running.cpu() - before) / count * 1e6


def warm(path: Path) -> None:
    """Reads a file, so that the kernel keeps it in memory, and sending is measured instead of the first read from the
    disk."""
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def median(rows: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    return statistics.median(of(row) for row in rows)
