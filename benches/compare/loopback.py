"""A separate loopback for the run, which does not depend on the settings of the machine.

With `net.ipv4.tcp_congestion_control = bbr`, the default of some virtual machines, the kernel paces the data of a
socket by a timer, also on the loopback. A server that passes the head and the file to the kernel as one piece (nginx
with `tcp_nopush`, lighttpd always) then waits for that timer within `sendfile`, which in a virtual machine costs three
times as much as sending the file. The result would describe BBR instead of the servers. Therefore, the run has its own
network namespace with the congestion control reno, which paces nothing and exists in every kernel. The run also has its
own mounts, so that its file systems in memory disappear with it.
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
    """Restarts this program in its own namespaces, if it may create them. Otherwise, does nothing."""
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
    """The congestion control of new connections."""
    try:
        return CONTROL.read_text().strip()
    except OSError:
        return "unknown"


def described() -> str:
    where = "a loopback of its own" if is_own() else "the machine's loopback (not root)"
    return f"{where}, congestion control {control()}"
