//! The program `load-forever`: its exit status, its report, its files, and Unix sockets.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use serve_forever::HttpServer;
use serve_forever::http::Request;
use serve_forever::log::AccessLog;
use serve_forever::service::Response;
use serve_forever::testing::TestServer;

fn server() -> TestServer {
    let service = |_: &Request| Response::text("hello");
    TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(AccessLog::off()))
}

fn load(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_load-forever")).args(words).output().unwrap()
}

#[test]
fn the_report_has_the_counts_and_the_percentiles() {
    let server = server();
    let output = load(&["-n", "200", "-c", "2", &format!("http://{}/", server.address())]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "closed loop: 2 connections",
        "200 responses",
        "200 sent, 200 answered",
        "status 200: 200",
        "p99.9",
        "corrected",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn an_assertion_that_fails_is_status_1() {
    let server = server();
    let url = format!("http://{}/", server.address());
    let output = load(&["-n", "20", "-q", "--assert", "errors<=0", "--assert", "rps>1e12", &url]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("assert errors<=0 (0): ok") && text.contains("FAILED"), "{text}");
    let output = load(&["-n", "20", "-q", "--assert", "errors<=0", &url]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_run_without_a_response_is_status_1() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = load(&["-d", "50ms", &format!("http://{address}/")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("no response was complete"));
}

#[test]
fn a_wrong_command_line_is_status_2_and_names_the_word() {
    for (words, named) in [
        (&["ftp://h/"][..], "ftp://h/"),
        (&["-c", "none", "http://127.0.0.1:1/"], "none"),
        (&["http://127.0.0.1:1/", "http://127.0.0.1:2/"], "two servers"),
        (&["https://127.0.0.1:1/"], if cfg!(feature = "tls") { "--cacert" } else { "without TLS" }),
        (&["-H", "Na me: x", "http://127.0.0.1:1/"], "Na me"),
        (&["--cacert", "/no/such", "https://127.0.0.1:1/"], if cfg!(feature = "tls") { "/no/such" } else { "TLS" }),
    ] {
        let output = load(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert!(text.contains(named), "{words:?}: {text}");
    }
}

#[test]
fn files_have_the_histogram_and_the_picture() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let (json, svg) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    let (json_text, svg_text) = (json.to_str().unwrap(), svg.to_str().unwrap());
    let url = format!("http://{}/", server.address());
    let output = load(&["-n", "300", "--rate", "3000", "-q", "--json", json_text, "--svg", svg_text, &url]);
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!((value["loop"].as_str(), value["responses"].as_u64()), (Some("open"), Some(300)));
    let counts = value["latency_us"]["histogram"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 300);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg "));
    let output = load(&["-n", "1", "-q", "--json", "/no/such/file", &url]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/no/such/file"));
}

#[test]
fn a_server_on_a_unix_socket_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        for _ in 0..3 {
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        }
    });
    let output = load(&["-n", "3", "-c", "1", "--unix", path.to_str().unwrap(), "http://localhost/"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 sent, 3 answered"), "{text}");
    server.join().unwrap();
}
