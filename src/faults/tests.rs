//! Tests of faults with an in-memory client. Resets need a socket, so they are tested in `tests/faults.rs`.

use std::io::Read;
use std::sync::Arc;

use super::FaultService;
use crate::endpoints::EndpointService;
use crate::endpoints::generator;
use crate::http::{Request, Status};
use crate::log::AccessLog;
use crate::service::{Body, FileSlice, Reply, Response, Service};
use crate::testing::{Bench, answer};

/// The endpoints, with faults that are selected by the path.
fn paths() -> FaultService<impl Service + Send> {
    FaultService::new(EndpointService::new(|_: &Request| Response::error(Status::NOT_FOUND))).paths("")
}

/// The bytes received by a client that requests `target` and then closes its sending side.
fn get(service: impl Service + Send + 'static, target: &str) -> String {
    let bytes = answer(service, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of the response to `/fault/` followed by `target`, and the bytes after the head.
fn fault(target: &str) -> (String, String) {
    let text = get(paths(), &format!("/fault/{target}"));
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
    (head.to_owned(), rest.to_owned())
}

/// The response to `/hello` from a service with this fault rule.
fn rule(rule: &str) -> String {
    let hello = |_: &Request| Response::text("hello");
    get(FaultService::new(hello).fault(rule).unwrap(), "/hello")
}

#[test]
fn a_cut_leaves_the_bytes_before_it() {
    let whole = get(paths(), "/range/1000");
    for after in [1, 20, 700] {
        let text = get(paths(), &format!("/fault/close?after={after}&path=/range/1000"));
        assert_eq!((text.len(), text.starts_with('H')), (after, true));
    }
    assert!(whole.len() > 1000);
    for body in [0, 1, 999] {
        let (head, rest) = fault(&format!("close?body={body}&path=/stream-bytes/2000"));
        assert!(head.contains("\r\nX-Fault: close\r\n") && head.contains("chunked"), "{head}");
        assert_eq!(rest.is_empty(), body == 0, "{rest}");
    }
    let (head, rest) = fault("close?body=3&path=/plaintext");
    assert!(head.contains("\r\nContent-Length: 13"), "{head}");
    assert_eq!(rest, "Hel");
    assert_eq!(get(paths(), "/fault/empty?path=/plaintext"), "");
}

#[test]
fn a_cut_after_the_last_byte_ends_the_connection_all_the_same() {
    let bench = Bench::new(paths());
    let mut client = bench.connect();
    client.send(b"GET /fault/close?body=99&path=/plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.take().ends_with(b"Hello, World!"));
    assert!(client.closed().is_some());
}

#[test]
fn a_stall_keeps_the_connection_until_its_client_closes_it() {
    let bench = Bench::new(paths());
    let mut client = bench.connect();
    client.send(b"GET /fault/stall?body=5&path=/plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.take().ends_with(b"\r\n\r\nHello"));
    client.send(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((client.take(), client.closed()), (Vec::new(), None), "the next request is discarded");
    client.finish();
    assert!(client.closed().is_some());
}

#[test]
fn a_bad_chunk_takes_the_place_of_the_last_one() {
    for (target, chunk) in
        [("body=5&path=/plaintext", "5\r\nHello\r\n"), ("path=/plaintext", ""), ("after=3&path=/bytes/0", "")]
    {
        let (head, rest) = fault(&format!("bad-chunk?{target}"));
        assert!(head.contains("\r\nTransfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
        assert_eq!(rest, format!("{chunk}zz\r\n"), "{target}");
    }
    let (head, rest) = fault("bad-chunk?body=2&path=/nothing");
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert_eq!(rest, "zz\r\n", "an error has no page then");
}

#[test]
fn garbage_needs_no_response() {
    let mut expected = vec![0; 1024];
    generator::fill(9, 0, &mut expected);
    let bytes = answer(paths(), b"GET /fault/garbage?seed=9 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(bytes, expected);
    assert_eq!(rule("garbage:1:bytes=0"), "");
}

#[test]
fn a_length_is_wrong_by_a_number_and_the_body_is_whole() {
    for (by, length) in [("-1", 12), ("1", 14), ("-99", 0)] {
        let (head, rest) = fault(&format!("length?by={by}&path=/plaintext"));
        assert!(head.contains(&format!("\r\nContent-Length: {length}")), "{head}");
        assert_eq!(rest, "Hello, World!");
    }
}

#[test]
fn heads_and_interim_responses_at_wrong_places() {
    let (head, rest) = fault("duplicate-head?path=/plaintext");
    assert_eq!(rest, format!("{head}\r\n\r\nHello, World!"));
    let (_, rest) = fault("late-100?path=/plaintext");
    assert_eq!(rest, "Hello, World!HTTP/1.1 100 Continue\r\n\r\n");
    let (hints, rest) = fault("early-hints?path=/plaintext");
    assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style");
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.contains("X-Fault: early-hints"), "{rest}");
}

#[test]
fn an_error_instead_of_the_response_and_a_connection_that_goes_on() {
    let bench = Bench::new(paths());
    let mut client = bench.connect();
    for target in
        ["status?code=429&retry-after=7&", "latency?ms=1&jitter=1&", "drip?bytes=90&every=1&", "rate?bytes=100000&"]
    {
        client.send(format!("GET /fault/{target}path=/plaintext HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        let mut text = String::new();
        // The body of `/plaintext` ends in `!`, and the body of an error response ends in `}`.
        while !text.ends_with(['!', '}']) {
            text += &String::from_utf8(client.take()).unwrap();
            assert!(text.ends_with(['!', '}']) || client.wait(), "{text}");
        }
        assert!(text.contains("\r\nX-Fault: "), "{text}");
        let is_error = text.starts_with("HTTP/1.1 429 ") && text.contains("\r\nRetry-After: 7\r\n");
        assert_eq!(is_error, target.starts_with("status"), "{text}");
    }
    client.send(b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.take().ends_with(b"Hello, World!"));
}

#[test]
fn bodies_of_all_kinds_are_cut_and_dripped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "x".repeat(100_000)).unwrap();
    let path = file.path().to_owned();
    let service = move |request: &Request| {
        let body = match request.path() {
            b"/file" => {
                let file = Arc::new(std::fs::File::open(&path).unwrap());
                Body::File(FileSlice { file, offset: 0, length: 100_000 })
            }
            b"/shared" => Body::Shared(vec![b'x'; 100_000].into()),
            b"/empty" => Body::Empty,
            _ => return Response::error(Status::NOT_FOUND).explain("y".repeat(100_000)),
        };
        Response::new(Status::OK).body(body)
    };
    for (target, length) in [("/file", 100_000), ("/shared", 100_000), ("/empty", 0), ("/error", 0)] {
        let ask = |rule: &str| get(FaultService::new(service.clone()).fault(rule).unwrap(), target);
        let dripped = ask("drip:1:bytes=30000,every=1");
        let (head, body) = dripped.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert!(body.len() >= length, "{target}");
        let cut = ask("close:1:body=70000");
        assert_eq!(cut.split_once("\r\n\r\n").unwrap().1.len(), body.len().min(70_000), "{target}");
    }
}

#[test]
fn a_fault_is_logged_with_the_bytes_that_have_left() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let bench = Bench::new(paths()).log(AccessLog::to(writer.into()));
    let mut client = bench.connect();
    client.send(b"GET /fault/close?body=3&path=/plaintext HTTP/1.1\r\nHost: h\r\n\r\n");
    drop(client);
    drop(bench);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("fault close\n") && text.contains("response cut short"), "{text}");
    assert!(text.contains("\"GET /fault/close?body=3&path=/plaintext HTTP/1.1\" 200 3\n"), "{text}");
}

#[test]
fn requests_that_ask_for_a_fault_in_a_wrong_way_are_refused() {
    assert!(fault("none?path=/x").0.starts_with("HTTP/1.1 404 "));
    for target in [
        "close",
        "close?after=x&path=/x",
        "close?path=x",
        "close?path=/a&path=/b",
        "close?path=/fault/close",
        "close?path=/a%20b",
        "close?what=1&path=/x",
        "deaf?path=/x",
    ] {
        let (head, rest) = fault(target);
        assert!(head.starts_with("HTTP/1.1 400 ") && rest.contains("\"detail\":"), "{target}: {head}");
        assert!(!head.contains("X-Fault"), "{head}");
    }
}

#[test]
fn a_body_reaches_the_service_of_the_path() {
    let post = b"POST /fault/early-hints?path=/upload HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    assert!(answer(paths(), post).ends_with(b"\r\n\r\n5"));
    let (head, rest) = fault("status?path=/upload");
    assert!(head.starts_with("HTTP/1.1 503 ") && rest.contains("503"), "{head}");
}

#[test]
fn a_server_for_other_machines_has_faults_only_if_that_is_allowed() {
    let request = |target: &str| {
        let mut request = Request::builder("GET", target).build();
        request.local = std::net::SocketAddr::from(([192, 0, 2, 1], 80));
        request
    };
    for allow in [false, true] {
        let hello = |_: &Request| Response::text("hello");
        let service = FaultService::new(hello).fault("status:1").unwrap().paths("").anywhere(allow);
        assert_eq!(matches!(service.call(&request("/x")), Reply::Later(_)), allow);
        let asked = service.call(&request("/fault/status?path=/x"));
        assert_eq!(matches!(&asked, Reply::Now(response) if response.status == Status::FORBIDDEN), !allow);
    }
    let deaf = FaultService::new(|_: &Request| Response::text("")).fault("deaf:1").unwrap();
    assert_eq!((deaf.next_is_deaf(true), deaf.next_is_deaf(false)), (true, false));
}
