"""Compares serve-forever with other static-file servers on this machine, and writes docs/benchmarks.md and docs/growth.md.

    cargo build --release --bins --example raw-epoll && cargo build --release --features client --example reverse_proxy
    python3 benches/compare
    python3 benches/compare --servers serve-forever,nginx --work W1,W3 --rounds 7 --seconds 3 --print

This program needs Linux, two cores, Python 3.11 and wrk, and root if it is to have its own loopback (see loopback.py).
It compares the servers that it finds: the Debian packages nginx-light, lighttpd, lighttpd-mod-openssl, haproxy,
darkhttpd and busybox; `cargo install miniserve static-web-server`; and the Python that runs this program. If strace is
installed, system calls are counted. Each server runs on one core and the load on another. In every round, all servers
are measured one after the other, so that other activity of the machine affects all of them. The result is the median
over the rounds; a ratio is first computed within each round. All traffic stays on 127.0.0.1, and only processes that
this program has started are ended. Each stage is announced on stderr, with its maximum duration. On an idle machine,
the tables take about 8 minutes and the curves 4. After SIGINT or SIGTERM, a run writes no further page and leaves
nothing behind.
"""

import sys

sys.dont_write_bytecode = True  # The run must not leave files behind.

import argparse
import math
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import growth
import loopback
import report
import tables
from load import WRK, Effort
from servers import OURS, Server, file_servers, kill_all
from stages import say

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_SERVER_CORE, DEFAULT_LOAD_CORE = 0, 1
# A curve needs fewer rounds, because its many points confirm each other.
ROUNDS_A_ROUND_OF_GROWTH = 2
# wrk checks every 0.1 s whether it must end.
SHORTEST = 0.2
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benches/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--servers", help="names, separated by commas (default: all that are found)")
    parser.add_argument("--work", default=",".join(report.WORKS), help="workloads (default: all)")
    parser.add_argument("--only", choices=["tables", "growth"], help="write only one of the two pages")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="duration of one measurement")
    parser.add_argument("--server-core", type=int, default=DEFAULT_SERVER_CORE)
    parser.add_argument("--load-core", type=int, default=DEFAULT_LOAD_CORE)
    parser.add_argument("--ours", type=Path, default=ROOT / "target/release" / OURS, help="the program")
    parser.add_argument("--print", action="store_true", help="print only the table of the workloads and write nothing")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="with --print, also write the plots of the workloads there")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder for the pages")
    options = parser.parse_args()

    if options.rounds < 1 or not SHORTEST <= options.seconds < math.inf:
        parser.error(f"needs at least 1 round, and {SHORTEST} seconds")
    if options.plots and not options.print:
        parser.error("--plots needs --print; without it all pages and plots are written")
    if absent := {options.server_core, options.load_core} - os.sched_getaffinity(0):
        parser.error(f"no such core: {', '.join(map(str, sorted(absent)))}")
    if not shutil.which(WRK):
        parser.error("needs wrk (Debian package wrk)")
    if not options.ours.exists():
        parser.error(f"{options.ours} does not exist: cargo build --release")
    if unknown := set(options.work.split(",")) - set(report.WORKS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    known = file_servers(options.ours.resolve())
    if unknown := set((options.servers or OURS).split(",")) - {server.name for server in known}:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")

    loopback.enter()
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` ignores SIGHUP.
            signal.signal(number, end)
    os.sched_setaffinity(0, {options.load_core})
    tables.raise_limits()
    wanted = options.servers.split(",") if options.servers else [server.name for server in known]
    present = [server for server in known if server.name in wanted and server.path()]
    missing = [server.name for server in known if server.name in wanted and not server.path()]
    if missing:
        say("not found: " + ", ".join(missing))
    say("measuring " + ", ".join(server.name for server in present) + " on " + loopback.described())
    effort = Effort(options.rounds, options.seconds, options.server_core, options.load_core)
    run(options, present, missing, effort)


def end(number: int, _: object) -> NoReturn:
    """Ends the run after a signal. All servers and clients are killed first, so that the cleanup does not wait for
    them."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    kill_all()
    sys.exit(128 + number)


def run(options: argparse.Namespace, present: list[Server], missing: list[str], effort: Effort) -> None:
    command = asked_for(options)
    docs: Path = options.docs
    with tempfile.TemporaryDirectory(prefix="compare-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder  # All temporary files are removed with this folder.
        os.chmod(folder, 0o755)
        site = Path(folder, "site")
        site.mkdir()
        say("making the files")
        tables.make_site(site)
        docs.mkdir(parents=True, exist_ok=True)
        if options.only != "growth":
            results = tables.of_all_kinds(present, options.work.split(","), site, effort)
            print("\n".join(report.workload_table(results)), flush=True)
            if options.print:
                if options.plots:
                    report.benchmark_plots(options.plots, results)
                return
            whole = [server for server in present if server.can_all()]
            measured = tables.Measured(
                results,
                tables.large_file(whole, site, effort),
                tables.log_cost(whole, site, effort),
                tables.footprints(whole, site, effort),
            )
            grown = options.only is None or (docs / "growth.md").exists()
            page = report.benchmarks(measured, present, missing, effort, command, grown)
            (docs / "benchmarks.md").write_text(page)
            report.benchmark_plots(docs, results)
            say(f"wrote {docs / 'benchmarks.md'}")
        if options.only != "tables":
            less = replace(effort, rounds=max(1, effort.rounds // ROUNDS_A_ROUND_OF_GROWTH))
            curves = growth.measure(present, site, less)
            (docs / "growth.md").write_text(report.growth_page(curves, present, less, command))
            report.growth_plots(docs, curves)
            say(f"wrote {docs / 'growth.md'}")


def asked_for(options: argparse.Namespace) -> str:
    """The command that produces the same pages."""
    command = f"python3 benches/compare --rounds {options.rounds} --seconds {options.seconds:g}"
    if options.servers:
        command += f" --servers {options.servers}"
    if options.work != ",".join(report.WORKS):
        command += f" --work {options.work}"
    return command + (f" --only {options.only}" if options.only else "")


if __name__ == "__main__":
    main()
