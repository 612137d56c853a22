"""A loopback of the run's own, where nothing of the machine's settings is measured.

What was found: with `net.ipv4.tcp_congestion_control = bbr`, as some distributions of virtual machines have it, the
kernel paces what a socket sends by a timer, on the loopback too. A server that hands the head and the file to the kernel
as one piece (`tcp_nopush` of nginx, lighttpd always) then waits for that timer within `sendfile`, which in a virtual
machine costs three times what the file does. That says something of BBR and nothing of the servers. So the run has a
network namespace of its own, with the classical control, which paces nothing and is there on every kernel. Its mounts are
its own too, so that a file system in memory ends with it.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

UNSHARE = ["unshare", "--net", "--mount"]
INSIDE = "COMPARE_OWN_LOOPBACK"
CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
WANTED = "reno"
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of Linux


def enter() -> None:
    """Starts this program anew in namespaces of its own, if it may make one; else everything stays as it is."""
    if is_own():
        set_up()
    elif shutil.which("unshare") and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [*UNSHARE, sys.executable, *sys.orig_argv[1:]])


def is_own() -> bool:
    return INSIDE in os.environ


def set_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH22x", b"lo", flags | UP))
    try:
        CONTROL.write_text(WANTED)
    except OSError as error:
        print(f"the congestion control stays {control()}: {error}")


def control() -> str:
    """The congestion control that new connections get."""
    try:
        return CONTROL.read_text().strip()
    except OSError:
        return "unknown"


def described() -> str:
    where = "a loopback of its own" if is_own() else "the machine's loopback (not root)"
    return f"{where}, congestion control {control()}"
