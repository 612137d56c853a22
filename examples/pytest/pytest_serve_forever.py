"""Fixtures that run serve-forever for the tests of HTTP clients.

A server says that it is ready by a line on a descriptor of its own (--ready-fd), so that no test waits for a time. It ends when
its standard input does (--exit-with-stdin), also if the test process is killed.
"""
import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request

import pytest

# Seconds for a start or an end, each of which takes milliseconds.
PATIENCE = 30


def program():
    """The path of the program: that of the environment variable SERVE_FOREVER, or the one in PATH."""
    found = os.environ.get("SERVE_FOREVER") or shutil.which("serve-forever")
    if not found:
        raise RuntimeError("serve-forever is not in PATH; SERVE_FOREVER may name it")
    return found


class Server:
    """A running server."""

    def __init__(self, *options, directory=None):
        self._options, self._directory = options, directory
        self._others = []
        self._empty = None
        if directory is None:
            self._empty = tempfile.TemporaryDirectory(prefix="serve-forever-")
            directory = self._empty.name
        self._errors = tempfile.TemporaryFile()
        ready, ready_of_server = os.pipe()
        command = [
            program(), "0", "--bind", "127.0.0.1", "--directory", os.fspath(directory), "--bench-endpoints", "--stats",
            "--log-format", "json", "--exit-with-stdin", "--ready-fd", str(ready_of_server), *options,
        ]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors, pass_fds=(ready_of_server,)
            )
        finally:
            os.close(ready_of_server)
        # The line, or the end of a program that refuses its options.
        with open(ready, encoding="utf-8") as stream:
            line = stream.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"serve-forever did not start: {self._text().strip()}")
        self.ready = json.loads(line)
        self.port = self.ready["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def url_for(self, path):
        """The URL of a path, which begins with a slash."""
        return self.url + path

    def fault_url(self, kind, path, **keys):
        """The URL of the response to a path with a fault. An underscore in a key stands for a hyphen."""
        pairs = [(name.replace("_", "-"), value) for name, value in keys.items()]
        return self.url_for(f"/fault/{kind}?" + urllib.parse.urlencode([*pairs, ("path", path)]))

    def faults(self, *rules, seed=0):
        """Another server with the same options, whose responses have faults. It ends with this one."""
        options = [word for rule in rules for word in ("--fault", rule)]
        other = Server(*self._options, *options, "--fault-seed", str(seed), directory=self._directory)
        self._others.append(other)
        return other

    def stats(self):
        """The counters of the server."""
        with urllib.request.urlopen(self.url_for("/__stats"), timeout=PATIENCE) as response:
            return json.load(response)

    @property
    def log(self):
        """The lines of the access log so far. A message has no member request."""
        lines = self._text().splitlines(keepends=True)
        # The last line may be half written.
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def stop(self):
        """Ends the server, and returns its exit status."""
        for other in self._others:
            other.stop()
        self._process.stdin.close()
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            if self._empty is not None:
                self._empty.cleanup()

    def _text(self):
        # The server appends at the offset that the file shares with it, so that reading must not move it.
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode("utf-8", "replace")


@pytest.fixture(scope="session")
def serve_forever():
    """A server for the whole session."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def serve_forever_factory():
    """A function that starts servers, which end with the test."""
    servers = []

    def start(*options, directory=None):
        servers.append(Server(*options, directory=directory))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
