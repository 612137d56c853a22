"""The servers to compare, and a running server."""

import math
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
OURS = "serve-forever"
REFERENCE = "nginx"
# This is not a real server: it sends the same response to every input.
RAW = "raw-epoll"
# The user as which scripts run if root runs the comparison.
SCRIPT_USER = "nobody"
# The time limits for the first response of a server, and for its end.
STARTS_WITHIN, ENDS_WITHIN = 10, 2

NGINX = """
daemon off; worker_processes 1; pid {scratch}/nginx.pid; error_log {scratch}/error.log crit; {user}
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
    access_log {log}; sendfile {sendfile}; tcp_nopush {sendfile}; keepalive_requests 1000000000; keepalive_timeout 600s;
    types {{ text/plain txt; }} {more}
    client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;
    server {{ listen 127.0.0.1:{port} {ssl} backlog=4096; root {site}; {locations} }}
}}
"""

LIGHTTPD = """
server.document-root = "{site}"
server.port = {port}
server.bind = "127.0.0.1"
server.max-fds = {files}
server.max-connections = {files}
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.listen-backlog = 4096
server.errorlog = "{scratch}/error.log"
mimetype.assign = ( ".txt" => "text/plain" )
{more}
"""


@dataclass(frozen=True)
class Server:
    """The command that starts a server, and the one that prints its version."""

    name: str
    program: str
    arguments: Sequence[str]
    config: str | None = None
    version_arguments: Sequence[str] = ()
    values: dict[str, str] = field(default_factory=dict)
    # The workloads that the server supports. If there are none, it supports all.
    works: Sequence[str] = ()
    # The user as which the server is started. `None` means the user of the run.
    user: str | None = None
    # True if the server waits for its children. The CPU time of other children cannot be read.
    waits_for_children: bool = True

    def can(self, work: str) -> bool:
        return self.can_all() or work in self.works

    def can_all(self) -> bool:
        return not self.works

    def path(self) -> str | None:
        return shutil.which(self.program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")

    def command(self, values: dict[str, object]) -> list[str]:
        return [self.path() or self.program] + [argument.format(**values) for argument in self.arguments]

    def version(self) -> str:
        output = subprocess.run([self.path() or "", *self.version_arguments], capture_output=True, text=True, timeout=5)
        return next(iter((output.stdout + output.stderr).splitlines()), "unknown")

    def with_more(self, arguments: Sequence[str] = (), **values: str) -> "Server":
        """The same server with additional arguments."""
        return replace(self, arguments=[*self.arguments, *arguments], values={**self.values, **values})


def file_servers(ours: Path) -> list[Server]:
    """All servers, configured to serve files without an access log."""
    nginx_values = {
        "user": "user root;" if os.geteuid() == 0 else "",
        "log": "off",
        "sendfile": "on",
        "ssl": "",
        "locations": "",
        "more": "",
    }
    cached = "open_file_cache max=1000 inactive=60s; open_file_cache_valid 1s; open_file_cache_min_uses 1;"
    tuned = {**nginx_values, "sendfile": "off", "more": cached + " output_buffers 1 64k;"}
    nginx = ["-p", "{scratch}/", "-e", "{scratch}/error.log", "-c", "{config}"]
    loopback = "127.0.0.1"
    return [
        Server(
            OURS,
            str(ours),
            ["{port}", "-b", loopback, "-d", "{site}", "--idle-timeout", "600"],
            version_arguments=["--version"],
        ).with_more(["-q"]),
        Server(RAW, str(ours.parent / "examples" / RAW), ["{port}", "{site}/1k.txt"], works=["W1"]),
        Server("nginx", "nginx", nginx, NGINX, ["-v"], nginx_values),
        Server("nginx-tuned", "nginx", nginx, NGINX, ["-v"], tuned),
        Server("lighttpd", "lighttpd", ["-D", "-f", "{config}"], LIGHTTPD, ["-v"], {"more": ""}),
        Server(
            "darkhttpd",
            "darkhttpd",
            ["{site}", "--port", "{port}", "--addr", loopback, "--log", "/dev/null"],
            version_arguments=["--help"],
        ),
        Server(
            "busybox",
            "busybox",
            ["httpd", "-f", "-p", loopback + ":{port}", "-h", "{site}"],
            version_arguments=["--help"],
            waits_for_children=False,
        ),
        Server(
            "python",
            sys.executable,
            ["-m", "http.server", "-b", loopback, "-d", "{site}", "{port}"],
            version_arguments=["-V"],
        ),
        Server("miniserve", "miniserve", ["-p", "{port}", "-i", loopback, "{site}"], version_arguments=["-V"]),
        Server(
            "static-web-server",
            "static-web-server",
            ["-p", "{port}", "-a", loopback, "-d", "{site}", "-g", "error", "-z"],
            version_arguments=["-V"],
        ),
    ]


def listing_servers(servers: Sequence[Server]) -> list[Server]:
    """The servers that can list directories, configured to do so."""
    modules = 'server.modules = ( "mod_dirlisting" )\ndir-listing.activate = "enable"'
    more = {"nginx": {"more": "autoindex on;"}, "lighttpd": {"more": modules}}
    able = [server for server in servers if server.can_all() and server.name not in ("nginx-tuned", "busybox")]
    return [server.with_more(**more.get(server.name, {})) for server in able]


def cgi_servers(servers: Sequence[Server]) -> list[Server]:
    """The servers that run scripts, configured to do so. If root runs the comparison, they are started as the user
    nobody: as root, some would change the user of each script and some would not, and the cost of that change is not
    compared. Python's files may be readable by root only, so Python is started as root and changes the user itself."""
    nobody = SCRIPT_USER if os.geteuid() == 0 else None
    modules = 'server.modules = ( "mod_cgi" )\ncgi.assign = ( ".sh" => "" )'
    by_name = {server.name: server for server in servers}
    told = {OURS: (["--cgi"], {}), "lighttpd": ([], {"more": modules}), "busybox": ([], {}), "python": (["--cgi"], {})}
    chosen = [by_name[name].with_more(arguments, **values) for name, (arguments, values) in told.items() if name in by_name]
    return [replace(server, user=None if server.name == "python" else nobody) for server in chosen]


def logging_servers(servers: Sequence[Server]) -> list[tuple[Server, Server]]:
    """Pairs of a server without an access log and the same server with one."""
    by_name = {server.name: server for server in servers}
    pairs = []
    if ours := by_name.get(OURS):
        arguments = [argument for argument in ours.arguments if argument != "-q"]
        pairs.append((ours, replace(ours, arguments=arguments).with_more(["--log-file", "{scratch}/access.log"])))
    if nginx := by_name.get(REFERENCE):
        pairs.append((nginx, nginx.with_more(log="{scratch}/access.log")))
    return pairs


def part_of(rights: str, name: str, program: str) -> str:
    """The purpose of a memory mapping, derived from its permissions and its file."""
    if name == program:
        return "the program's code" if "x" in rights else "its tables and data"
    if name.startswith("/"):
        return "libraries"
    return {"[heap]": "heap", "[stack]": "stack"}.get(name, "other")


class Running:
    """A started server. Its processes form one session, by which they are found, counted and ended."""

    def __init__(self, server: Server, site: Path, core: int, wrapper: Sequence[str] = ()) -> None:
        self.server = server
        self.scratch = Path(tempfile.mkdtemp(prefix="compare-"))
        self.port = free_port()
        config = self.scratch / "config"
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        values: dict[str, object] = {"site": site, "port": self.port, "scratch": self.scratch, "config": config, "files": files}
        # The arguments of a server may contain the scratch directory.
        values.update({name: text.format(**values) for name, text in server.values.items()})
        if server.config:
            config.write_text(server.config.format(**values))
        if server.user:
            shutil.chown(self.scratch, server.user)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*wrapper, *server.command(values)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=server.user,
            group=pwd.getpwnam(server.user).pw_gid if server.user else None,
            extra_groups=[] if server.user else None,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait_until_it_answers(self) -> None:
        while time.monotonic() < self.started + STARTS_WITHIN:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.0002)
            if self.process.poll() is not None:
                raise RuntimeError(f"ends at once, with status {self.process.returncode}")
        raise RuntimeError(f"does not answer within {STARTS_WITHIN} s")

    def pids(self) -> Iterator[Path]:
        """The directories in `/proc` of the processes in the server's session."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(fields_of(entry)[3]) == self.process.pid:
                yield entry

    def cpu(self) -> float:
        """The CPU seconds of the session, including children that were waited for. NaN if the server does not wait for
        its children."""
        if not self.server.waits_for_children:
            return math.nan
        return sum(int(text) for process in self.pids() for text in fields_of(process)[11:15]) / TICKS

    def user_cpu(self) -> float:
        """The part of these seconds that was not spent in the kernel."""
        return sum(int(text) for process in self.pids() for text in fields_of(process)[11:15:2]) / TICKS

    def private_bytes(self) -> int:
        """The private memory of all its processes (`smaps_rollup`)."""
        texts = [read(process / "smaps_rollup") for process in self.pids()]
        return sum(int(kb) for text in texts for kb in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", text, re.M)) * 1024

    def private_parts(self) -> dict[str, int]:
        """The same bytes, grouped by their purpose."""
        parts: dict[str, int] = {}
        for process in self.pids():
            program, part = os.readlink(process / "exe"), ""
            for line in read(process / "smaps").splitlines():
                if mapping := re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+\s*(.*)", line):
                    part = part_of(mapping[1], mapping[2], program)
                elif size := re.match(r"Private_(?:Clean|Dirty):\s+(\d+)", line):
                    parts[part] = parts.get(part, 0) + int(size[1]) * 1024
        return parts

    def wake_ups(self) -> int:
        """The number of times that the server's threads have gone to sleep so far."""
        texts = [read(task / "status") for process in self.pids() for task in (process / "task").iterdir()]
        return sum(int(count) for text in texts for count in re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M))

    def end(self) -> None:
        try:
            # Python's server ends in an orderly way only after SIGINT.
            os.killpg(self.process.pid, signal.SIGINT if self.server.name == "python" else signal.SIGTERM)
            self.process.wait(ENDS_WITHIN)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        finally:
            self.kill_what_is_left()
            shutil.rmtree(self.scratch, ignore_errors=True)

    def kill_what_is_left(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(ENDS_WITHIN)


@contextmanager
def each_running(servers: Sequence[Server], site: Path, core: int) -> Iterator[tuple[list[Running], dict[str, str]]]:
    """The servers that could be started, and the reasons why the others could not."""
    running: list[Running] = []
    failed: dict[str, str] = {}
    try:
        for server in servers:
            try:
                running.append(Running(server, site, core))
            except (RuntimeError, OSError) as error:
                failed[server.name] = str(error)
        yield running, failed
    finally:
        for one in running:
            one.end()


def kill_all() -> None:
    """Kills all processes that this program has started: every child, and every process of a session that a child
    leads."""
    processes = {int(entry.name): fields_of(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    children = {pid for pid, fields in processes.items() if int(fields[1]) == os.getpid()}
    for pid, fields in processes.items():
        if pid in children or int(fields[3]) in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def read(path: Path) -> str:
    """Reads a file about a process, which may already have ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def fields_of(process: Path) -> list[str]:
    """The fields of `stat` from the state on. The session is the fourth of them. The fields are empty if the process
    has ended."""
    return read(process / "stat").rpartition(")")[2].split() or ["0"] * 20


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
