"""Tests the text of the pages, and runs that fail in part or are terminated. They need neither wrk nor other servers:

    python3 benches/compare/tests.py
"""

import sys

sys.dont_write_bytecode = True  # The tests must not leave files behind.

import os
import re
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

import growth
import report
from fronts import REVERSE_PROXY, tls_servers
from growth import Curve, Growth
from load import Effort, Sample
from servers import OURS, RAW, Server, cgi_servers, each_running, file_servers, listing_servers
from tables import Measured
from targets import Target, targets

HERE = Path(__file__).resolve().parent
EFFORT = Effort(rounds=1, seconds=0.2, server_core=0, load_core=0)
# A server that ends immediately.
ENDING = Server("lighttpd", "false", [])


def curve(points: tuple[int, ...], *values: float) -> Curve:
    return Curve(points, {OURS: dict(zip(points, values))} if values else {})


def all_curves(*values: float) -> Growth:
    points = (growth.CONNECTIONS, growth.CONNECTIONS[1:], growth.SIZES, growth.SIZES[1:], growth.NUMBERS, growth.DEPTHS)
    return Growth(*(curve(some, *values) for some in points))


def page(curves: Growth) -> str:
    return report.growth_page(curves, [], EFFORT, "command")


class Aims(unittest.TestCase):
    def test_each_says_whether_it_was_met_and_by_how_much_not(self):
        met = Target("a", 2.0, 1.75, ".2f", at_least=True, cost="unsaid")
        self.assertEqual(met.row(), ["a", "at least 1.75", "2.00", "yes"])
        missed = Target("b", 1200, 800, ",.0f", cost="In the code.")
        self.assertEqual(missed.row(), ["b", "at most 800", "1,200", "**no** by 50%. In the code."])
        self.assertFalse(Target("c", 0.2, 0, ".1f").is_met())
        self.assertTrue(Target("d", 0, 0, ".1f").is_met())

    def test_ratios_are_those_to_the_right_server(self):
        rows = {OURS: [Sample(5, 100, 1)] * 3, "nginx": [Sample(10, 50)] * 3, "nginx-tuned": "was not there"}
        found = targets(Measured({"W1": rows, "W10": rows}, {OURS: [50.0], "nginx": [40.0]}, {OURS: 0.2}))
        self.assertEqual([target.measured for target in found], [2.0, 2.0, 0.8, 0.2])
        self.assertEqual([target.is_met() for target in found], [True, True, False, False])
        self.assertEqual(found[0].cost, "Of 5.00 us, 1.00 are spent in the program and 4.00 in the kernel.")


    def test_one_that_answers_one_workload_is_asked_for_no_other(self) -> None:
        rows = {OURS: [Sample(5.5, 100, 1)] * 3, RAW: [Sample(5, 100, 1)] * 3}
        found = targets(Measured({"W1": rows, "W2": {**rows, RAW: ""}}))
        self.assertEqual([(round(target.measured, 3), target.is_met()) for target in found], [(1.1, True)])
        raw = next(server for server in file_servers(Path("serve-forever")) if server.name == RAW)
        self.assertEqual([name for name in report.WORKS if raw.can(name)], ["W1"])
        self.assertNotIn(raw.name, [server.name for server in [*listing_servers([raw]), *cgi_servers([raw])]])


    def test_what_tls_and_a_proxy_cost_is_compared_with_the_same_without(self) -> None:
        rows = {OURS: [Sample(6, 100, 1)] * 3, "nginx": [Sample(12, 50)] * 3}
        proxied = {REVERSE_PROXY: [Sample(10, 50, 5)] * 3, "nginx": [Sample(8, 60)] * 3}
        found = targets(Measured({"W1": {OURS: [Sample(5, 100, 1)] * 3}, "T1": rows, "P1": proxied}))
        self.assertEqual([(round(target.measured, 2), target.is_met()) for target in found], [(2.0, True), (1.2, True), (0.8, False)])


class Fronts(unittest.TestCase):
    def test_the_servers_with_tls_have_the_certificate(self) -> None:
        servers = tls_servers(file_servers(Path("serve-forever")), Path("/keys/ec.pem"), Path("/keys/ec.key"))
        self.assertEqual([server.name for server in servers], [OURS, "nginx", "lighttpd"])
        self.assertEqual(servers[0].arguments[-4:], ["--tls-cert", "/keys/ec.pem", "--tls-key", "/keys/ec.key"])
        self.assertEqual(servers[1].values["more"], "ssl_certificate /keys/ec.pem; ssl_certificate_key /keys/ec.key;")
        self.assertIn("/keys/ec.both", servers[2].values["more"])


class Pages(unittest.TestCase):
    def test_a_gap_is_named_in_the_unit_of_its_axis(self) -> None:
        sizes = curve(growth.SIZES)
        sizes.note_gap("lighttpd", 4 << 30, "timed out")
        sizes.note_gap("nginx", 0, "stalls")
        said = report.gaps(sizes, report.size_name)
        self.assertEqual(said, ["Not measured: lighttpd at 4 GB (timed out); nginx at 0 (stalls).", ""])
        self.assertEqual(report.gaps(curve(growth.SIZES), report.size_name), [])

    def test_a_course_says_what_was_measured(self) -> None:
        rising, falling = Curve((1, 1000), {"a": {1: 2.0, 1000: 3.0}}), Curve((1, 1000), {"a": {1: 3.0, 1000: 1.5}})
        self.assertEqual(report.course(rising, 1, 1000, "us", report.count_name), "At 1 and at 1,000: a 2 and 3 us (1.5 times).")
        self.assertEqual(report.course(falling, 1, 1000, "us", report.count_name), "At 1 and at 1,000: a 3 and 1.5 us (0.5 times).")

    def test_a_course_leaves_out_who_has_no_figure_at_an_end(self) -> None:
        half = Curve((1, 1000), {"a": {1: 2.0}, "b": {1: 0.0, 1000: 1.0}, "c": {1: 1.0, 1000: 1.0}})
        self.assertEqual(report.course(half, 1, 1000, "us", report.count_name), "At 1 and at 1,000: c 1 and 1 us (1 times).")
        del half.values["c"]
        self.assertEqual(
            report.course(half, 1, 1000, "us", report.count_name), "No server was measured both at 1 and at 1,000."
        )

    def test_the_page_of_a_run_that_measured_nothing_shows_nothing(self) -> None:
        text = page(all_curves())
        self.assertEqual(text.count("Nothing was measured."), 6)
        self.assertNotIn(".svg", text)

    def test_every_picture_on_the_page_is_drawn(self) -> None:
        curves = all_curves(3.0, 0.0, 5.0)
        with tempfile.TemporaryDirectory() as folder:
            report.growth_plots(Path(folder), curves)
            named = re.findall(r"\]\((.*?\.svg)\)", page(curves))
            self.assertEqual(sorted(named), sorted(path.name for path in Path(folder).iterdir()))
            for name in named:
                xml.etree.ElementTree.parse(Path(folder, name))

    def test_only_the_plots_of_the_chosen_workloads_are_written(self) -> None:
        for works, names in ((["T1", "P1"], ["benchmarks-proxies.svg", "benchmarks-tls.svg"]), (["W1"], ["benchmarks-cpu.svg", "benchmarks-rate.svg"])):
            with tempfile.TemporaryDirectory() as folder:
                report.benchmark_plots(Path(folder), {work: {"serve-forever": "not there"} for work in works})
                self.assertEqual(sorted(path.name for path in Path(folder).iterdir()), names)

    def test_only_the_figures_depend_on_what_was_measured(self) -> None:
        slow, fast = (re.sub(r"[\d.,]+", "N", page(all_curves(*values))) for values in ([9.0] * 8, [float(n) for n in range(1, 9)]))
        self.assertEqual(slow, fast)

    def test_tables_link_to_the_curves_only_if_there_are_some(self) -> None:
        with_curves, without = (report.benchmarks(Measured(), [], [], EFFORT, "", grown) for grown in (True, False))
        self.assertIn("(growth.md)", with_curves)
        self.assertNotIn("growth.md", without)


class Failures(unittest.TestCase):
    def test_a_server_that_does_not_start_is_left_out_of_its_points(self) -> None:
        beside, weight = growth.connections([ENDING], Path("/"), EFFORT)
        self.assertEqual([gap[:2] for gap in beside.gaps], [("lighttpd", count) for count in beside.points])
        self.assertIn("ends at once", beside.gaps[0][2])
        self.assertEqual(weight.values, {})

    def test_the_others_run_without_a_server_that_does_not_start(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            python = Server("python", sys.executable, ["-m", "http.server", "-b", "127.0.0.1", "{port}"])
            with each_running([ENDING, python], Path(folder), 0) as (running, failed):
                self.assertEqual([one.server.name for one in running], ["python"])
            self.assertEqual(list(failed), ["lighttpd"])

    def test_a_stage_whose_time_is_over_leaves_out_the_rest(self) -> None:
        effort = Effort(1, 0.2, 0, 0, until=0)
        curve = Curve((1,))
        curve.note_cpu(1, growth.rounds([unasked()], growth.FILES["W1"], effort))
        self.assertEqual(curve.gaps, [(OURS, 1, growth.OUT_OF_TIME)])


def unasked() -> growth.Running:
    """A server that must not be sent requests, because it does not run."""
    running = object.__new__(growth.Running)
    running.server = Server(OURS, "", [])
    return running


class Ending(unittest.TestCase):
    def test_a_run_that_is_ended_leaves_nothing_behind(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), tempfile.TemporaryDirectory() as folder:
                self.end_by(number, Path(folder))

    def end_by(self, number: int, folder: Path) -> None:
        temporary, started = folder / "temporary", folder / "wrk-started"
        temporary.mkdir()
        os.mkfifo(started)
        wrk = folder / "wrk"
        wrk.write_text(f"#!/bin/sh\ntrap '' INT TERM\necho >{started}\nwhile :; do sleep 1; done\n")
        wrk.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(temporary)}
        core = str(min(os.sched_getaffinity(0)))
        command = [sys.executable, str(HERE), "--ours", "/bin/true", "--servers", "python", "--only", "tables"]
        command += ["--seconds", "600", "--server-core", core, "--load-core", core, "--docs", str(folder / "docs")]
        run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            started.read_text()  # Waits until a server runs and has received a request.
            self.assertNotEqual(list(temporary.iterdir()), [])
            run.send_signal(number)
            self.assertEqual(run.wait(60), 128 + number)
        finally:
            run.kill()
            run.wait()
        self.assertEqual(list(temporary.iterdir()), [])
        self.assertEqual(list((folder / "docs").iterdir()), [])
        self.assertEqual(processes_with(f"TMPDIR={temporary}"), [])


def processes_with(setting: str) -> list[str]:
    """The processes that have this text in their environment, except the `sleep` processes of a shell."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and setting.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "comm").read_text().strip())
        except OSError:
            pass
    return [name for name in found if name != "sleep"]


if __name__ == "__main__":
    unittest.main()
