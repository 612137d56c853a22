//! The program's reports: counters as JSON and for Prometheus, health, and the line at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use rustix::process::Signal;
use serde_json::Value;

use crate::client::Client;
use crate::process::{LARGE, Process, command, folder, refusal, until};

/// The names of all members with the kinds of their values; members of objects that grow are left out.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        other => panic!("{other}"),
    }
}

fn report(client: &mut Client, path: &str) -> Value {
    let answer = client.get(path);
    assert_eq!(answer.status(), 200, "{}", answer.head);
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

fn number(report: &Value, path: &str) -> u64 {
    path.split('.').fold(report, |value, name| &value[name]).as_u64().unwrap_or_else(|| panic!("{path}: {report}"))
}

#[test]
fn the_report_has_all_members_from_the_start() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--ready=json"]);
    let body = report(&mut process.client(), "/__stats");
    let n = "number";
    let expected = serde_json::json!({
        "version": "string", "pid": n, "nonce": "string", "uptime_s": n,
        "connections": {"accepted": n, "open": n, "refused": n, "closed": {
            "complete": n, "client_done": n, "request_cut": n, "broken": n, "idle": n, "stalled": n, "linger_over": n,
            "body_cut": n, "memory": n, "stopped": n,
        }},
        "requests": {"total": n, "by_status": {}, "in_flight": n},
        "bytes": {"in": n, "out": n},
        "loop": {
            "turns": n, "events": n, "sleeps": n, "busy_s": n, "turn_us": {"p50": n, "p90": n, "p99": n, "max": n},
            "runnable_max": n, "would_block": {"read": n, "write": n}, "short_writes": n,
        },
        "buffers": {"bytes": n, "max": n}, "backlog_max": n, "log_dropped": n, "faults": {},
        "time": {"start": n, "now": n},
    });
    assert_eq!(shape(&body), expected);
    let ready: Value = serde_json::from_str(&process.ready).unwrap();
    assert_eq!((&body["pid"], &body["nonce"], &body["version"]), (&ready["pid"], &ready["nonce"], &ready["version"]));
}

/// Sends a request and reads until the server closes: the number of bytes in both directions.
fn exchange(process: &Process, request: &str) -> (u64, u64) {
    let received = process.client().say(request).rest();
    (request.len() as u64, received.len() as u64)
}

#[test]
fn counters_equal_those_of_the_client() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet"]);
    let (mut sent, mut received, mut statuses) = (0, 0, BTreeMap::new());
    let requests = [
        ("GET /a", 200, 40),
        ("HEAD /a", 200, 20),
        ("GET /none", 404, 20),
        ("DELETE /a", 405, 10),
        ("GET /large", 200, 3),
        ("GET /a b", 400, 5),
    ];
    for (line, status, times) in requests {
        for _ in 0..times {
            let (out, back) = exchange(&process, &format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
            (sent, received) = (sent + out, received + back);
        }
        *statuses.entry(status.to_string()).or_insert(0) += times;
    }
    let mut client = process.client();
    // Pipelined requests, the last of which asks for the report.
    let pipelined = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n".repeat(9);
    let last = "GET /__stats HTTP/1.1\r\nHost: h\r\n\r\n";
    client.say(&(pipelined.clone() + last));
    for _ in 0..9 {
        assert_eq!(client.answer().body, b"hello");
    }
    *statuses.get_mut("200").unwrap() += 9;
    sent += (pipelined.len() + last.len()) as u64;
    let body: Value = serde_json::from_slice(&client.answer().body).unwrap();
    let by_status: BTreeMap<String, u64> = serde_json::from_value(body["requests"]["by_status"].clone()).unwrap();
    assert_eq!(by_status, statuses);
    assert_eq!(number(&body, "requests.total"), statuses.values().sum::<u64>());
    assert_eq!(number(&body, "bytes.in"), sent);
    let all: u64 = requests.iter().map(|(_, _, times)| times).sum();
    assert_eq!((number(&body, "connections.accepted"), number(&body, "connections.open")), (all + 1, 1));
    let closed = body["connections"]["closed"].as_object().unwrap();
    assert_eq!(closed.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), all);
    // The responses to the pipelined requests may have been sent before the report or with it.
    assert!(number(&body, "bytes.out") >= received);
    let again = report(&mut client, "/__stats");
    assert_eq!(number(&again, "requests.in_flight"), 1, "this request");
    assert_eq!(number(&again, "requests.total"), number(&body, "requests.total") + 1, "the report before");
}

#[test]
fn ended_connections_are_counted_by_reason() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet", "--stall-timeout", "60"]);
    exchange(&process, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    process.client().get("/a");
    process.client().say("GET /a HT").end().rest();
    let mut reset = process.client();
    reset.get("/a");
    reset.reset();
    // The body is cut, because the file becomes shorter while it is sent.
    let mut cut = process.client();
    cut.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    std::fs::File::options().write(true).open(root.path().join("large")).unwrap().set_len(1).unwrap();
    cut.rest();
    drop(cut);
    let mut client = process.client();
    let expected = [("complete", 1), ("client_done", 1), ("request_cut", 1), ("broken", 1), ("body_cut", 1)];
    let mut body = Value::Null;
    until("all ends are seen", || {
        body = report(&mut client, "/__stats");
        number(&body, "connections.open") == 1
    });
    for (reason, count) in expected {
        assert_eq!(number(&body, &format!("connections.closed.{reason}")), count, "{reason}: {body}");
    }
    assert_eq!(number(&body, "connections.accepted"), 6);
}

#[test]
fn requests_without_a_whole_response_are_in_flight() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet"]);
    let mut slow = process.client();
    slow.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    let mut client = process.client();
    assert_eq!(number(&report(&mut client, "/__stats"), "requests.in_flight"), 2);
    slow.exactly(LARGE);
    assert_eq!(number(&report(&mut client, "/__stats"), "requests.in_flight"), 1);
    slow.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    drop(slow);
    until("the cut one is not in flight", || number(&report(&mut client, "/__stats"), "requests.in_flight") == 1);
}

#[test]
fn a_reset_begins_a_window_and_no_counter_goes_down() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet"]);
    let mut client = process.client();
    for _ in 0..20 {
        client.get("/a");
    }
    let before = report(&mut client, "/__stats");
    let turn = |name: &str| before["loop"]["turn_us"][name].as_f64().unwrap();
    assert!(turn("p50") > 0.0 && turn("p50") <= turn("p90") && turn("p99") <= turn("max"), "{before}");
    let answer = client.say("POST /__stats/reset HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").answer();
    assert_eq!(answer.status(), 204);
    let after = report(&mut client, "/__stats");
    for counter in ["requests.total", "loop.turns", "loop.sleeps", "bytes.in", "bytes.out"] {
        assert!(number(&after, counter) > number(&before, counter), "{counter}");
    }
    for (request, allow) in [("POST /__stats", "GET, HEAD"), ("GET /__stats/reset", "POST")] {
        let answer = client.say(&format!("{request} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")).answer();
        assert_eq!((answer.status(), answer.field("Allow")), (405, Some(allow)));
    }
    let head = client.say("HEAD /__stats HTTP/1.1\r\nHost: h\r\n\r\n").head();
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("Content-Length: 0\r\n"), "{head}");
}

/// The samples of a page in the text format of Prometheus: names with labels, and values. Checks its grammar and the
/// rules for names.
fn samples(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n'));
    let (mut kinds, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect(line);
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect(line);
        assert!(!help.is_empty() && name.starts_with("serve_forever_"), "{line}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert_eq!(kinds.insert(name, kind), None, "{name} occurs twice");
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (sample, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
            let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.iter().any(|part| sample == format!("{name}{part}")), "{line} below {name}");
            if let Some(labels) = labels {
                let (label, value) = labels.strip_suffix("\"}").and_then(|pair| pair.split_once("=\"")).expect(line);
                assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()) && !value.contains(['"', '\\']), "{line}");
            }
            assert_eq!(samples.insert(series.to_owned(), value.parse().expect(line)), None, "{series} occurs twice");
        }
    }
    samples
}

#[test]
fn the_text_for_prometheus_follows_its_grammar_and_equals_the_json() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet"]);
    let mut client = process.client();
    client.get("/a");
    client.get("/none");
    let json = report(&mut client, "/__stats?format=json");
    let answer = client.get("/__stats?format=prometheus");
    assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = samples(std::str::from_utf8(&answer.body).unwrap());
    assert_eq!(page["serve_forever_requests_total{status=\"404\"}"], 1.0);
    assert_eq!(page["serve_forever_requests_total{status=\"200\"}"], 2.0, "the JSON was sent between the two");
    assert_eq!(page["serve_forever_connections_accepted_total"], 1.0);
    assert_eq!(page["serve_forever_connections_open"], 1.0);
    assert_eq!(page["serve_forever_requests_in_flight"], 1.0);
    assert!(page["serve_forever_bytes_total{direction=\"out\"}"] > number(&json, "bytes.out") as f64);
    let names: BTreeSet<&str> = page.keys().map(|series| series.split('{').next().unwrap()).collect();
    for name in ["connections_closed_total", "turn_seconds_sum", "would_block_total", "short_writes_total"] {
        assert!(names.contains(format!("serve_forever_{name}").as_str()), "{name}");
    }
    let mut last = 0.0;
    let bucket = |series: &&String| series.starts_with("serve_forever_turn_seconds_bucket");
    let bound = |series: &str| series.split('"').nth(1).unwrap().parse::<f64>().unwrap_or(f64::INFINITY);
    let mut buckets: Vec<&String> = page.keys().filter(bucket).collect();
    buckets.sort_by(|one, other| bound(one).total_cmp(&bound(other)));
    assert_eq!(buckets.len(), 65);
    for series in buckets {
        assert!(page[series] >= last, "{series}");
        last = page[series];
    }
    assert_eq!(last, page["serve_forever_turn_seconds_count"]);
}

#[test]
fn the_form_of_the_report_follows_the_query_and_then_accept() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats", "--quiet"]);
    let mut client = process.client();
    let mut form = |target: &str, accept: &str| {
        client.say(&format!("GET {target} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n"));
        let answer = client.answer();
        (answer.status(), answer.field("Content-Type").is_some_and(|kind| kind.starts_with("text/plain")))
    };
    for accept in ["*/*", "text/plain", "text/html, application/json", "text/plain;version=1.0.0"] {
        assert_eq!(form("/__stats", accept), (200, false), "{accept}");
    }
    let scraper = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain; version=0.0.4;q=0.3,*/*;q=0.1";
    for accept in ["text/plain;version=0.0.4", scraper] {
        assert_eq!(form("/__stats", accept), (200, true), "{accept}");
        assert_eq!(form("/__stats?format=json", accept), (200, false));
    }
    assert_eq!(form("/__stats?a=b&format=prometheus", "*/*"), (200, true));
    assert_eq!(form("/__stats?format=xml", "*/*").0, 400);
}

#[test]
fn only_the_admitted_addresses_get_the_report() {
    let root = folder();
    let process = Process::start(root.path(), &["--stats-from", "192.0.2.0/24", "--stats=/a/b", "--quiet"]);
    let mut client = process.client();
    assert_eq!(client.get("/a/b").status(), 404);
    let forged = "GET /a/b HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n";
    assert_eq!(client.say(forged).answer().status(), 404);
    let process = Process::start(root.path(), &["--stats-from", "::/0", "--stats-from=127.0.0.1", "--stats=/a/b"]);
    let mut client = process.client();
    assert_eq!((client.get("/a/b").status(), client.get("/__stats").status()), (200, 404));
    let plain = Process::start(root.path(), &[]);
    assert_eq!(plain.client().get("/__stats").status(), 404);
    for words in [["--stats-from", "127.0.0.1/33"], ["--stats-from", "x"], ["--stats=", "-q"], ["--health=/a/", "-q"]] {
        assert_eq!(refusal(&mut command(root.path(), &words)).0, 2, "{words:?}");
    }
}

#[test]
fn health_is_200_until_the_end_has_begun() {
    let root = folder();
    let process = Process::start(root.path(), &["--health", "--lame-duck", "60", "--quiet"]);
    let mut client = process.client();
    let answer = client.get("/__health");
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok\n"[..]));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    assert!(client.say("HEAD /__health HTTP/1.1\r\nHost: h\r\n\r\n").head().contains("\r\nContent-Length: 3\r\n"));
    assert_eq!(client.say("PUT /__health HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").answer().status(), 405);
    process.signal(Signal::TERM);
    until("the end has begun", || client.get("/__health").status() == 503);
    assert_eq!(client.get("/__health").body, b"draining\n");
    assert_eq!(process.client().get("/a").body, b"hello", "it serves on");
    assert_eq!(process.end(), 0);
}

#[test]
fn the_program_ends_after_a_number_of_responses() {
    let root = folder();
    let process = Process::start(root.path(), &["--exit-after", "1"]);
    assert_eq!(process.client().get("/a").body, b"hello");
    assert_eq!(process.status(), 0);
    for (count, words) in [(3, ["--exit-after", "3"]), (200, ["--exit-after=200", "-q"])] {
        let process = Process::start(root.path(), &words);
        let mut client = process.client();
        for _ in 1..count {
            assert_eq!(client.get("/a").body, b"hello");
        }
        let mut other = process.client();
        assert_eq!(other.get("/a").body, b"hello");
        assert!(client.rest().is_empty() && other.rest().is_empty());
        assert_eq!(process.status(), 0, "{count}");
    }
    let process = Process::start(root.path(), &["--exit-after", "3"]);
    let mut client = process.client();
    client.say(&"GET /a HTTP/1.1\r\nHost: h\r\n\r\n".repeat(8));
    let text = String::from_utf8(client.rest()).unwrap();
    assert!(text.matches("\r\n\r\nhello").count() >= 3 && text.ends_with("hello"), "{text}");
    assert_eq!(process.status(), 0);
}

#[test]
fn errors_and_responses_without_a_body_count_for_the_end_and_cut_ones_do_not() {
    let root = folder();
    let process = Process::start(root.path(), &["--exit-after", "4", "--stats-on-exit", "--quiet"]);
    let mut cut = process.client();
    cut.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    drop(cut);
    let mut client = process.client();
    client.say("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n").head();
    assert_eq!(client.get("/none").status(), 404);
    client.say("GET /a HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n").head();
    client.say("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n").rest();
    let (status, line) = process.rest();
    let body: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((status, number(&body, "requests.total"), number(&body, "requests.in_flight")), (0, 5, 0));
    assert_eq!(number(&body, "connections.open"), 0);
}

#[test]
fn counters_are_written_at_the_end_to_standard_output_or_a_file() {
    let root = folder();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("stats");
    let option = format!("--stats-on-exit={}", path.display());
    let process = Process::start(root.path(), &[&option, "--quiet"]);
    process.client().get("/a");
    assert!(!path.exists(), "it is not written before the end");
    process.signal(Signal::TERM);
    assert_eq!(process.rest(), (0, String::new()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(number(&serde_json::from_str(&text).unwrap(), "requests.total"), 1);
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
    let process = Process::start(root.path(), &["--stats-on-exit", "--quiet"]);
    process.signal(Signal::INT);
    let (status, text) = process.rest();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((status, number(&last, "connections.accepted")), (0, 0));
    let refused = refusal(&mut command(root.path(), &["--stats-on-exit=/nowhere/stats", "--exit-codes=fine"]));
    assert_eq!(refused.0, 4, "{}", refused.1);
}

#[cfg(all(feature = "sandbox", target_os = "linux"))]
#[test]
fn the_sandbox_lets_the_program_write_the_files_that_it_was_asked_for() {
    let root = folder();
    let place = tempfile::tempdir().unwrap();
    let (port, stats) = (place.path().join("port"), place.path().join("stats"));
    let option = format!("--stats-on-exit={}", stats.display());
    let words = ["--sandbox", "--port-file", port.to_str().unwrap(), &option, "--exit-after=1", "--quiet"];
    let mut command = command(root.path(), &words);
    let output = command.arg("--duration=1").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    if errors.contains("no Landlock") || errors.contains("cannot sandbox") {
        _ = std::io::stderr().write_all(b"skipped, this kernel has no Landlock\n");
        return;
    }
    assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
    assert!(stats.exists() && !port.exists());
}
