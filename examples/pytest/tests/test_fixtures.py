"""The fixtures, used as a test of a client uses them."""
import http.client
import urllib.error
import urllib.request

import pytest

pytest_plugins = ["pytester"]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def test_the_server_of_the_session_has_endpoints(serve_forever):
    assert get(serve_forever.url_for("/bytes/3?seed=1")) == b"\xc1\x5c\x02"
    assert serve_forever.url == f"http://127.0.0.1:{serve_forever.port}"


def test_a_factory_serves_a_folder(serve_forever_factory, tmp_path):
    (tmp_path / "hello.txt").write_text("hello")
    server = serve_forever_factory(directory=tmp_path)
    assert get(server.url_for("/hello.txt")) == b"hello"


def test_two_servers_have_two_ports(serve_forever_factory):
    assert serve_forever_factory().port != serve_forever_factory().port


def test_options_are_passed_on(serve_forever_factory):
    server = serve_forever_factory("--header", "X-Own", "1")
    with pytest.raises(RuntimeError, match="unrecognized arguments: --no-such-option"):
        serve_forever_factory("--no-such-option")
    assert server.stop() == 0


def test_the_log_has_the_requests(serve_forever_factory):
    server = serve_forever_factory()
    get(server.url_for("/plaintext"))
    assert server.stop() == 0
    (line,) = server.log
    assert (line["request"], line["status"], line["bytes"]) == ("GET /plaintext HTTP/1.1", 200, 13)


def test_the_counters_know_the_requests(serve_forever_factory):
    server = serve_forever_factory()
    for _ in range(3):
        get(server.url_for("/plaintext"))
    assert server.stats()["requests"]["by_status"] == {"200": 3}


def test_a_fault_of_one_response(serve_forever):
    with pytest.raises(http.client.IncompleteRead):
        get(serve_forever.fault_url("close", "/bytes/1000", body=10))
    with pytest.raises(urllib.error.HTTPError) as error:
        get(serve_forever.fault_url("status", "/plaintext", code=429, retry_after=7))
    assert (error.value.code, error.value.headers["Retry-After"]) == (429, "7")


def test_faults_by_rate_follow_the_seed(serve_forever_factory):
    def statuses(server):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        seen = []
        for _ in range(20):
            connection.request("GET", "/plaintext")
            response = connection.getresponse()
            response.read()
            seen.append(response.status)
        return seen

    server = serve_forever_factory()
    first = statuses(server.faults("status:0.5", seed=3))
    assert first == statuses(server.faults("status:0.5", seed=3))
    assert set(first) == {200, 503}
    assert first != statuses(server.faults("status:0.5", seed=4))


def test_servers_end_with_the_session(pytester):
    pytester.makepyfile(
        """
        def test_one(serve_forever):
            import pathlib
            pathlib.Path("port").write_text(str(serve_forever.port))
        """
    )
    pytester.runpytest_subprocess("-p", "pytest_serve_forever").assert_outcomes(passed=1)
    port = int((pytester.path / "port").read_text())
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=30).connect()
