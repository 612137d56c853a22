//! The checks of public benchmark suites against `examples/bench.rs`: HttpArena's `validate.sh`, the routes of
//! the-benchmarker, and TechEmpower's verifier. Speed is not measured.

#![cfg(all(target_os = "linux", feature = "harness"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;
use std::process::Command;

use common::client::{Answer, Client};
use common::program::{Program, until};

/// The example with two loops.
fn start(more: &[&Path]) -> Program {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/bench");
    assert!(program.exists(), "{} has to be built first: cargo build --examples", program.display());
    Program::of(Command::new(program).args(["127.0.0.1:0", "2"]).args(more))
}

fn get(program: &Program, target: &str) -> Answer {
    program.client().get(target)
}

fn post(client: &mut Client, target: &str, body: &str) -> Answer {
    let length = body.len();
    client.say(&format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")).answer()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

/// TechEmpower's `^text/plain(; ?charset=(UTF|utf)-8)?$`, which HttpArena asks for, too.
fn is_plain_text(answer: &Answer) -> bool {
    let parameters = answer.field("Content-Type").and_then(|value| value.strip_prefix("text/plain")).unwrap();
    ["", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8"].contains(&parameters)
}

/// Numbers that differ from one run to the next, so that no response can come from a cache.
fn numbers() -> impl Iterator<Item = (i64, i64)> {
    let seed = i64::from(std::process::id());
    (1..=20).map(move |at| (seed * at % 9973 - 5000, seed * at * at % 99_991))
}

#[test]
fn httparena_sums_are_exact_for_get_and_post() {
    let program = start(&[]);
    let mut client = program.client();
    for (a, b) in numbers() {
        let target = format!("/baseline11?a={a}&b={b}");
        let sum = client.get(&target);
        assert_eq!((sum.status(), text(&sum)), (200, (a + b).to_string().as_str()));
        assert!(is_plain_text(&sum));
        assert_eq!(text(&post(&mut client, &target, "20")), (a + b + 20).to_string());
        let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.say(&(head + "1\r\n2\r\n")).say("1\r\n0\r\n0\r\n\r\n");
        assert_eq!(text(&client.answer()), (a + b + 20).to_string(), "chunked");
    }
}

#[test]
fn httparena_fragments_of_a_request_are_put_together() {
    let program = start(&[]);
    let mut client = program.client();
    client.stream.set_nodelay(true).unwrap();
    for piece in ["GET /base", "line11?a=13&b=", "42 HTTP/1.1\r\nHost: loc", "alhost\r\nConnection: close\r\n\r", "\n"]
    {
        client.say(piece);
    }
    assert_eq!(text(&client.answer()), "55");
    assert!(client.is_closed());
}

#[test]
fn httparena_pipelined_requests_are_answered_in_order() {
    let program = start(&[]);
    let mut client = program.client();
    let request = |at| format!("GET /baseline11?a={at}&b=0 HTTP/1.1\r\nHost: h\r\n\r\n");
    client.say(&(0..16).map(request).collect::<String>());
    for at in 0..16 {
        assert_eq!(text(&client.answer()), at.to_string());
    }
    let pipeline = client.get("/pipeline");
    assert!(text(&pipeline) == "ok" && is_plain_text(&pipeline));
}

#[test]
fn httparena_connections_for_one_request_each() {
    let program = start(&[]);
    for _ in 0..200 {
        let mut client = program.client();
        client.say("GET /baseline11?a=1&b=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(text(&client.answer()), "2");
        assert!(client.is_closed());
    }
}

#[test]
fn httparena_json_upload_and_static_files() {
    let data = tempfile::tempdir().unwrap();
    let dataset = "[{\"id\":1,\"price\":30,\"quantity\":2},{\"id\":2,\"price\":7,\"quantity\":5}]";
    std::fs::write(data.path().join("dataset.json"), dataset).unwrap();
    std::fs::create_dir(data.path().join("static")).unwrap();
    for (name, text) in [("app.js", "let a;"), ("style.css", "a {}"), ("app.js.br", "compressed")] {
        std::fs::write(data.path().join("static").join(name), text).unwrap();
    }
    let program = start(&[data.path()]);
    let json: serde_json::Value = serde_json::from_slice(&get(&program, "/json/2?m=3").body).unwrap();
    assert_eq!((&json["count"], &json["items"][1]["total"]), (&2.into(), &105.into()));
    for size in [500 * 1024, 20 << 20] {
        assert_eq!(text(&post(&mut program.client(), "/upload", &"u".repeat(size))), size.to_string());
    }
    let css = get(&program, "/static/style.css");
    assert!(css.field("Content-Type").unwrap().starts_with("text/css") && text(&css) == "a {}");
    let asks_for_brotli = "GET /static/app.js HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\n\r\n";
    let script = program.client().say(asks_for_brotli).answer();
    assert_eq!((script.field("Content-Encoding"), text(&script)), (Some("br"), "compressed"));
    let kind = script.field("Content-Type").unwrap();
    assert!(kind.starts_with("text/javascript") || kind.starts_with("application/javascript"), "{kind}");
    assert_eq!([get(&program, "/static/none").status(), get(&program, "/none").status()], [404, 404]);
}

#[test]
fn the_benchmarker_routes() {
    let program = start(&[]);
    let mut client = program.client();
    for (answer, body) in [(client.get("/"), ""), (client.get("/user/0"), "0"), (post(&mut client, "/user", ""), "")] {
        assert_eq!((answer.status(), text(&answer)), (200, body));
    }
    // The suite's wrk script sends different requests at the same time.
    let head = "HTTP/1.1\r\nHost: h\r\n";
    let three = format!("GET / {head}\r\nGET /user/7 {head}\r\nPOST /user {head}Content-Length: 0\r\n\r\n");
    client.say(&three.repeat(10));
    for at in 0..30 {
        assert_eq!(text(&client.answer()), if at % 3 == 1 { "7" } else { "" });
    }
}

#[test]
fn techempower_plaintext_and_json() {
    let program = start(&[]);
    let (plain, json) = (get(&program, "/plaintext"), get(&program, "/json"));
    assert!(is_plain_text(&plain) && text(&plain).eq_ignore_ascii_case("hello, world!"));
    assert!(json.field("Content-Type").unwrap().starts_with("application/json"));
    let object: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(object, serde_json::json!({"message": "Hello, World!"}));
    for answer in [&plain, &json] {
        assert!(answer.field("Server").is_some() && answer.field("Content-Length").is_some());
    }
    // The verifier asks again after three seconds. The date changes with the second.
    let date = plain.field("Date").unwrap().to_owned();
    until("the date changes", || get(&program, "/plaintext").field("Date") != Some(&date));
}

#[test]
fn sigterm_ends_all_loops() {
    let program = start(&[]);
    let mut clients: Vec<Client> = (0..8).map(|_| program.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/pipeline").status(), 200);
    }
    program.signal(rustix::process::Signal::TERM);
    assert_eq!(program.rest().0, Some(0));
}
