//! Tests of handlers on an in-memory connection, from request bytes to response bytes. Tests of header fields are in
//! `tests/fields.rs`.

mod fields;
mod upgrade;

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, PipeReader, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::HttpServer;
use crate::http::Status;
use crate::limits::Limits;
use crate::log::AccessLog;
use crate::service::{Response, Service};
use crate::session::CloseReason;
use crate::testing::{Bench, Client, TestServer};

/// A handler that calls its closure for every request method.
struct Does<F>(F);

impl<F: FnMut(&mut Exchange<'_>) -> io::Result<()>> RequestHandler for Does<F> {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        (self.0)(x)
    }
}

fn does<F>(handle: F) -> Handlers<impl Fn() -> Does<F>>
where
    F: FnMut(&mut Exchange<'_>) -> io::Result<()> + Clone + 'static,
{
    // Printing the backtrace of a panic takes longer than the default of `slow_after`, which would add an unexpected
    // line to the log.
    Handlers::new(move || Does(handle.clone())).slow_after(Duration::from_secs(3600))
}

/// Creates a `Bench` that serves `service`, and a reader for its log.
fn logged(service: impl Service + Send + 'static) -> (Bench, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    (Bench::new(service).log(AccessLog::to(writer.into())), reader)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The lines of the log, without addresses and dates.
fn lines(bench: Bench, mut reader: PipeReader) -> Vec<String> {
    drop(bench);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    log.lines().map(|line| line.split_once("] ").unwrap().1.to_owned()).collect()
}

const GET: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn get(client: &mut Client<'_>) -> String {
    client.send(GET);
    text(client.take())
}

fn ok(x: &Exchange<'_>, body: &str) -> io::Result<()> {
    x.send_response(200)?;
    x.end_headers()?;
    x.wfile().write_all(body.as_bytes())
}

/// Sends a request over TCP, and returns all bytes that the server sends until it closes the connection.
fn answer_of(server: &TestServer, request: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.write_all(request).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn a_method_that_is_not_implemented_is_501() {
    struct Nothing;
    impl RequestHandler for Nothing {}
    let bench = Bench::new(Handlers::new(|| Nothing));
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "RICKROLL", "get"] {
        let mut client = bench.connect();
        client.send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let answer = text(client.take());
        assert!(answer.starts_with(&format!("HTTP/1.1 501 Unsupported method ('{method}')\r\n")), "{answer}");
        assert_eq!(client.closed(), None);
    }
}

#[test]
fn each_method_calls_its_handler_method_on_one_instance_per_connection() {
    #[derive(Default)]
    struct Counts(u32);
    impl RequestHandler for Counts {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            self.0 += 1;
            ok(x, &self.0.to_string())
        }
        fn do_method(&mut self, name: &str, x: &mut Exchange<'_>) -> io::Result<()> {
            ok(x, name)
        }
    }
    let bench = Bench::new(Handlers::new(Counts::default));
    let (mut one, mut other) = (bench.connect(), bench.connect());
    assert_eq!([body(&get(&mut one)), body(&get(&mut one)), body(&get(&mut other))], ["1", "2", "1"]);
    one.send(b"RICKROLL / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(one.take()).ends_with("\r\n\r\nRICKROLL"));
}

#[test]
fn an_exchange_has_the_request_under_pythons_names() {
    let bench = Bench::new(does(|x| {
        assert_eq!((x.command(), x.path(), x.requestline()), ("GET", "/a?b=c", "GET /a?b=c HTTP/1.1"));
        assert_eq!(x.request_version().as_str(), "HTTP/1.1");
        assert_eq!(x.headers().get_str("host").as_deref(), Some("localhost"));
        assert_eq!(x.query(), [("b".to_owned(), "c".to_owned())]);
        assert_eq!(x.client_address().port(), 50000);
        assert_eq!(x.date_time_string(Some(std::time::UNIX_EPOCH)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert!(x.version_string().starts_with("serve-forever/"));
        ok(x, "fine")
    }));
    assert_eq!(body(&get(&mut bench.connect())), "fine");
}

#[test]
fn version_string_is_the_name_of_the_server() {
    let says = |x: &mut Exchange<'_>| ok(x, &format!("<{}>", x.version_string()));
    for (name, expected) in [("teapot/1.0 (short: stout)", "<teapot/1.0 (short: stout)>"), ("", "<>")] {
        let server = HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off());
        let server = TestServer::start(server.server_name(name).unwrap().service(does(says)));
        let answer = text(answer_of(&server, b"GET / HTTP/1.0\r\n\r\n"));
        assert!(answer.ends_with(expected), "{answer}");
    }
}

#[test]
fn a_small_response_has_a_content_length_and_is_sent_in_one_write() {
    let bench = Bench::new(does(|x| {
        x.send_response(201)?;
        x.send_header("X-Number", 5)?;
        x.end_headers()?;
        write!(x.wfile(), "hello, ")?;
        x.wfile().write_all(b"world")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Number: 5\r\nContent-Length: 12\r\n\r\nhello, world"), "{answer}");
}

#[test]
fn a_long_response_is_chunked_and_waits_for_its_client() {
    let written = Rc::new(Cell::new(0_usize));
    thread_local!(static WRITTEN: RefCell<Option<Rc<Cell<usize>>>> = const { RefCell::new(None) });
    WRITTEN.set(Some(Rc::clone(&written)));
    let bench = Bench::new(does(|x| {
        let written = WRITTEN.with_borrow(|written| written.clone().unwrap());
        x.send_response(200)?;
        x.end_headers()?;
        for _ in 0..1000 {
            x.wfile().write_all(&[b'x'; 1000])?;
            written.set(written.get() + 1000);
        }
        Ok(())
    }));
    let mut client = bench.connect();
    client.open_window(0);
    client.send(GET);
    let ahead = written.get();
    assert!(ahead < 200_000, "the handler was {ahead} bytes ahead of a client that takes nothing");
    let mut answer = Vec::new();
    for _ in 0..100 {
        client.open_window(10_000);
        answer.extend(client.take());
        assert!(written.get() < answer.len() + 200_000);
    }
    assert_eq!(written.get(), 1_000_000);
    client.open_window(1_000_000);
    answer.extend(client.take());
    let answer = text(answer);
    assert!(answer.contains("Transfer-Encoding: chunked\r\n"));
    assert!(answer.ends_with("\r\n0\r\n\r\n"));
    assert_eq!(body(&answer).bytes().filter(|byte| *byte == b'x').count(), 1_000_000);
    assert_eq!(client.closed(), None);
}

#[test]
fn a_long_response_to_http_1_0_ends_with_the_connection() {
    let bench = Bench::new(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(&[b'x'; 100_000])
    }));
    let mut client = bench.connect();
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    let answer = text(client.take());
    assert!(!answer.contains("chunked") && !answer.contains("Content-Length"));
    assert_eq!(body(&answer).len(), 100_000);
    assert_eq!(client.closed(), Some(CloseReason::Complete));
}

#[test]
fn a_request_body_is_read_the_same_however_it_is_split() {
    let bench = Bench::new(does(|x| {
        let mut lines = Vec::new();
        for line in x.rfile().lines() {
            lines.push(line?);
        }
        ok(x, &lines.join("|"))
    }));
    let whole = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\none\ntwo\nabcGET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = bench.connect();
    client.send(whole);
    let expected = text(client.take());
    assert!(expected.contains("one|two|abcHTTP/1.1 200 OK"), "{expected}");
    let mut client = bench.connect();
    whole.iter().for_each(|byte| client.send(&[*byte]));
    let split = text(client.take());
    assert_eq!(split.matches("one|two|abc").count(), 1);
    assert_eq!(split.len(), expected.len());
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\nb\r\n2\r\n\nc\r\n0\r\n\r\n");
    assert!(text(client.take()).ends_with("a|b|c"));
}

#[test]
fn a_body_streams_through_in_both_directions() {
    let bench = Bench::new(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        io::copy(&mut x.rfile(), &mut x.wfile()).map(drop)
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    assert!(
        text(client.take()).ends_with("Transfer-Encoding: chunked\r\n\r\n"),
        "the head is sent before the request body has ended"
    );
    client.send(&[b'x'; 500_000]);
    assert!(client.take().len() >= 500_000);
    client.send(&[b'x'; 500_000]);
    let rest = text(client.take());
    assert!(rest.ends_with("\r\n0\r\n\r\n"));
    assert!(get(&mut client).starts_with("HTTP/1.1 200 OK\r\n"), "the connection is kept open");
}

#[test]
fn a_client_that_sends_faster_than_the_handler_reads_waits() {
    let bench = Bench::new(does(|x| {
        x.sleep(Duration::from_millis(1))?;
        let count = io::copy(&mut x.rfile(), &mut io::sink())?;
        ok(x, &count.to_string())
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    client.send(&[b'x'; 1_000_000]);
    while !text(client.take()).ends_with("1000000") {
        assert!(client.wait());
    }
}

#[test]
fn a_response_to_head_has_a_content_length_and_no_body() {
    let bench = Bench::new(does(|x| ok(x, &"x".repeat(100_000))));
    let mut client = bench.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = text(client.take());
    assert!(answer.contains("Content-Length: 100000\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(client.closed(), None);
    let bench = Bench::new(does(|x| {
        x.send_response(204)?;
        x.end_headers()?;
        x.wfile().write_all(b"not sent")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_response_to_head_waits_for_the_whole_length() {
    let bench = Bench::new(does(|x| {
        ok(x, "one")?;
        x.sleep(Duration::from_millis(1))?;
        x.wfile().write_all(b"two")
    }));
    let mut client = bench.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut answer = text(client.take());
    while answer.is_empty() {
        assert!(client.wait());
        answer = text(client.take());
    }
    assert!(answer.ends_with("\r\nContent-Length: 6\r\n\r\n"), "{answer}");
}

#[test]
fn no_response_or_an_error_of_the_handler_is_500() {
    let (bench, log) = logged(does(|_| Ok(())));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler sent no response");

    let (bench, log) = logged(does(|x| x.send_response(200)));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: end_headers was not called");

    let (bench, log) = logged(does(|x| {
        ok(x, "this will not be seen")?;
        Err(io::Error::other("the disk is full"))
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("seen"), "{answer}");
    let lines = lines(bench, log);
    assert_eq!(lines[0], "GET /a?b=c: the handler failed: the disk is full");
    assert!(lines[2].starts_with("\"GET /a?b=c HTTP/1.1\" 500"), "{lines:?}");
}

#[test]
fn an_http_error_has_the_page_of_its_status() {
    let bench = Bench::new(does(|_| Err(HttpError::new(Status::UNPROCESSABLE_CONTENT).message("no number").into())));
    let mut client = bench.connect();
    assert!(get(&mut client).starts_with("HTTP/1.1 422 no number\r\n"));
    assert_eq!(client.closed(), None);
}

#[test]
fn a_handler_may_have_an_error_of_its_own() {
    struct Fails(&'static str);
    impl RequestHandler<anyhow::Error> for Fails {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> anyhow::Result<()> {
            use anyhow::Context;
            match self.0 {
                "404" => Err(HttpError::new(404)).context("outer")?,
                "503" => Err(HttpError::new(503))?,
                _ => Err(io::Error::other("the disk is full")).context("cannot save")?,
            }
            ok(x, "never")?;
            Ok(())
        }
    }
    for status in ["404", "503"] {
        let (bench, log) = logged(Handlers::new(move || Fails(status)));
        assert!(get(&mut bench.connect()).starts_with(&format!("HTTP/1.1 {status} ")));
        assert!(!lines(bench, log).iter().any(|line| line.contains("failed")));
    }
    let (bench, log) = logged(Handlers::new(|| Fails("")));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 "));
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler failed: cannot save: the disk is full");

    let (bench, log) = logged(does(|_| {
        let cause = anyhow::Error::new(io::Error::other("the disk is full")).context("cannot save");
        Err(HttpError::new(503).explain("Try again <later>").cause(cause).into())
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("Try again &lt;later&gt;") && !answer.contains("disk"), "{answer}");
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: cannot save: the disk is full");
}

#[test]
fn a_whole_response_has_the_fields_that_were_set_before() {
    let bench = Bench::new(does(|x| {
        x.send_header("X-Set", "before")?;
        x.respond(Response::text("hello"))?;
        assert!(x.respond(Response::text("again")).is_err());
        assert_eq!(x.wfile().write_all(b"more").unwrap_err().to_string(), "the response is complete");
        Ok(())
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nX-Set: before\r\n"), "{answer}");
    assert_eq!(body(&answer), "hello");
}

#[test]
fn interim_responses_are_sent_while_the_handler_is_suspended() {
    let bench = Bench::new(does(|x| {
        x.send_response_only(103)?;
        x.send_header("Link", "</a>; rel=preload")?;
        x.end_headers()?;
        let mut body = String::new();
        x.rfile().read_to_string(&mut body)?;
        x.send_response_only(102)?;
        x.end_headers()?;
        x.send_header("X-Last", "yes")?;
        ok(x, &body)
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(text(client.take()), "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n");
    client.send(b"body");
    let answer = text(client.take());
    assert!(answer.starts_with("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Last: yes\r\n") && answer.ends_with("\r\n\r\nbody"), "{answer}");
    // The handler need not suspend here, so all responses are sent together.
    assert!(get(&mut client).starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 102 "));
    let mut old = bench.connect();
    old.send(b"GET / HTTP/1.0\r\n\r\n");
    assert!(text(old.take()).starts_with("HTTP/1.1 200 OK\r\n"), "HTTP/1.0 has no interim responses");
}

#[test]
fn an_invalid_interim_response_is_an_error() {
    let bench = Bench::new(does(|x| {
        assert!(x.send_response_only(101).is_err(), "the server cannot change the protocol");
        for (name, value) in [("Content-Length", "0"), ("Connection", "close")] {
            x.send_response_only(103)?;
            assert!(x.send_response(200).is_err(), "the interim response must end first");
            x.send_header(name, value)?;
            assert!(x.end_headers().is_err(), "{name} belongs to the final response");
        }
        for _ in 0..1000 {
            x.send_response_only(102)?;
            x.end_headers()?;
        }
        ok(x, "fine")
    }));
    let answer = get(&mut bench.connect());
    assert_eq!(answer.matches("HTTP/1.1 102 Processing\r\n").count(), 16, "at most 16 are queued");
    assert!(answer.ends_with("fine") && !answer.contains("103 "), "{answer}");
    let nothing_else = Bench::new(does(|x| {
        x.send_response_only(103)?;
        x.end_headers()
    }));
    let answer = get(&mut nothing_else.connect());
    assert!(answer.starts_with("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 "), "{answer}");
}

#[test]
fn a_second_response_is_an_error() {
    let bench = Bench::new(does(|x| {
        ok(x, "one")?;
        assert_eq!(x.send_response(200).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(x.send_error(404, None, None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(x.end_headers().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(x.send_header("Too", "late").is_err());
        Ok(())
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.ends_with("\r\n\r\none"), "{answer}");
}

#[test]
fn a_wrong_call_is_an_error_and_sends_nothing() {
    let bench = Bench::new(does(|x| {
        for (name, value) in [("A B", "c"), ("", "c"), ("A", "b\r\nC: d"), ("A", "\0"), ("Content-Length", "+1")] {
            assert_eq!(x.send_header(name, value).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(x.wfile().write_all(b"x").is_err(), "the head is not complete");
        assert!(x.end_headers().is_err());
        assert!(x.send_response(99).is_err() && x.send_response(1000).is_err() && x.send_response(103).is_err());
        ok(x, "fine")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.ends_with("\r\n\r\nfine") && !answer.contains("C: d"), "{answer}");
}

#[test]
fn a_body_has_its_declared_length_or_the_connection_is_cut() {
    let sends = |length: u64, body: &'static str| {
        does(move |x| {
            x.send_response(200)?;
            x.send_header("Content-Length", length)?;
            x.end_headers()?;
            x.wfile().write_all(body.as_bytes())
        })
    };
    let (bench, log) = logged(sends(3, "abcdef"));
    assert!(get(&mut bench.connect()).starts_with("HTTP/1.1 500 "), "no byte was sent");
    assert!(lines(bench, log)[0].contains("longer than its Content-Length of 3"));

    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 3)?;
        x.end_headers()?;
        _ = x.wfile().write_all(b"abcdef");
        Ok(())
    }));
    let mut client = bench.connect();
    assert!(get(&mut client).ends_with("\r\n\r\nabc"), "not more bytes than declared");
    assert!(client.closed().is_some());
    drop(client);
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler wrote more than 3 bytes with a Content-Length of 3");

    let (bench, log) = logged(sends(10, "abc"));
    let mut client = bench.connect();
    client.send(GET);
    assert!(text(client.take()).ends_with("Content-Length: 10\r\nConnection: close\r\n\r\nabc"));
    client.finish();
    assert_eq!(client.closed(), Some(CloseReason::OutputCut));
    drop(client);
    assert_eq!(lines(bench, log)[0], "GET /a?b=c: the handler wrote 3 bytes with a Content-Length of 10");

    let bench = Bench::new(sends(3, "abc"));
    let mut client = bench.connect();
    assert!(get(&mut client).ends_with("abc"));
    assert_eq!(client.closed(), None);
}

#[test]
fn a_request_body_over_the_limit_is_413() {
    let bench = Bench::new(does(|x| {
        x.limit_body(10)?;
        let mut bytes = Vec::new();
        x.rfile().read_to_end(&mut bytes)?;
        ok(x, &bytes.len().to_string())
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789");
    assert!(text(client.take()).ends_with("10"));
    client
        .send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1099511627776\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 413 Content Too Large\r\n"), "before any byte of the body");
}

#[test]
fn a_limited_body_is_read_up_to_the_limit_before_every_later_read_fails() {
    // The pieces are separate chunks, each of which arrives after the handler has read the one before.
    for pieces in [&["0123456789abc"][..], &["0123", "456789abc"], &["0123456789", "abc"]] {
        let bench = Bench::new(does(|x| {
            x.limit_body(10)?;
            let (mut bytes, mut body) = (Vec::new(), x.rfile());
            let errors: Vec<_> = (0..3).filter_map(|_| body.read_to_end(&mut bytes).err()).collect();
            ok(x, &format!("{} errors after {}", errors.len(), String::from_utf8_lossy(&bytes)))
        }));
        let mut client = bench.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in pieces {
            client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        }
        assert_eq!(body(&text(client.take())), "3 errors after 0123456789", "{pieces:?}");
    }
}

#[test]
fn the_limit_of_a_body_includes_the_bytes_that_were_read_before() {
    let bench = Bench::new(does(|x| {
        let mut first = [0; 4];
        x.rfile().read_exact(&mut first)?;
        let (limit, mut rest) = (if x.path() == "/4" { 4 } else { 10 }, Vec::new());
        let result = x.limit_body(limit).and_then(|()| x.rfile().read_to_end(&mut rest));
        ok(x, &format!("{} {}", result.is_ok(), rest.len()))
    }));
    // The first chunk has five bytes, of which the handler reads four before it sets the limit.
    for (path, second, expected) in [("/10", "56789", "true 6"), ("/10", "56789a", "false 6"), ("/4", "5", "false 0")] {
        let mut client = bench.connect();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(format!("{head}5\r\n01234\r\n").as_bytes());
        client.send(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).as_bytes());
        assert_eq!(body(&text(client.take())), expected, "{path} {second}");
    }
}

#[test]
fn continue_is_sent_when_the_handler_reads_the_body() {
    const ASK: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    struct ReadsBody(bool);
    impl RequestHandler for ReadsBody {
        fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            let mut text = String::new();
            x.rfile().read_to_string(&mut text)?;
            ok(x, &text)
        }
        fn handle_expect_100(&mut self, x: &mut Exchange<'_>) -> io::Result<bool> {
            if !self.0 {
                x.send_error(417, None, None)?;
            }
            Ok(self.0)
        }
    }
    let bench = Bench::new(Handlers::new(|| ReadsBody(true)));
    let mut client = bench.connect();
    client.send(ASK);
    assert_eq!(text(client.take()), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"abc");
    assert!(text(client.take()).ends_with("abc"));

    let bench = Bench::new(Handlers::new(|| ReadsBody(false)));
    let mut client = bench.connect();
    client.send(ASK);
    let answer = text(client.take());
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.contains("Connection: close\r\n"), "{answer}");

    let bench = Bench::new(does(|x| ok(x, "without your body")));
    let mut client = bench.connect();
    client.send(ASK);
    let answer = text(client.take());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_panic_is_500_and_one_log_line() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        panic!("no more {}", x.command());
    }));
    let mut client = bench.connect();
    let answer = get(&mut client);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Connection: close\r\n"), "{answer}");
    drop(client);
    let lines = lines(bench, log);
    assert_eq!(lines.iter().filter(|line| line.contains("panicked")).count(), 1, "{lines:?}");
    assert!(lines[0].contains("GET /a?b=c: the handler panicked: no more GET"), "{lines:?}");
}

#[test]
fn a_panic_after_the_head_cuts_the_connection() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(b"abc")?;
        x.sleep(Duration::ZERO)?;
        x.wfile().write_all(&[b'x'; 100_000])?;
        panic!("too late");
    }));
    let mut client = bench.connect();
    client.send(GET);
    let answer = text(client.take());
    assert!(answer.contains("chunked") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    client.finish();
    assert_eq!(client.closed(), Some(CloseReason::OutputCut));
    drop(client);
    assert!(lines(bench, log)[0].contains("GET /a?b=c: the handler panicked: too late"));
}

#[test]
fn a_handler_that_panicked_after_its_response_is_not_called_again() {
    let (bench, log) = logged(does(|x| {
        x.send_response(200)?;
        x.send_header("Content-Length", 2)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")?;
        x.sleep(Duration::from_secs(3600)).expect("the sleep is not interrupted");
        Ok(())
    }));
    let mut client = bench.connect();
    assert_eq!(body(&get(&mut client)), "ok");
    let answer = get(&mut client);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("Connection: close\r\n"), "{answer}");
    drop(client);
    let lines = lines(bench, log);
    assert!(lines[1].starts_with("GET /a?b=c: the handler panicked: the sleep is not interrupted"), "{lines:?}");
}

#[test]
fn no_state_of_a_request_reaches_the_next() {
    let bench = Bench::new(does(|x| {
        if x.command() == "GET" {
            let mut left = String::new();
            x.rfile().read_to_string(&mut left)?;
            assert_eq!(left, "");
        }
        x.send_response(200)?;
        x.send_header("Content-Length", 2)?;
        x.end_headers()?;
        x.wfile().write_all(b"ok")
    }));
    let failing = Bench::new(does(|x| match x.command() {
        "GET" => Ok(()),
        "PUT" => ok(x, "of the second"),
        _ => ok(x, "of the first").and(Err(io::Error::other("after all"))),
    }));
    let mut client = failing.connect();
    client.send(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
    assert!(get(&mut client).starts_with("HTTP/1.1 500 "), "the response of the first request");
    let mut client = failing.connect();
    client.send(b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\nPUT / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).ends_with("\r\n\r\nof the second"));
    let mut client = bench.connect();
    for _ in 0..2 {
        client.send(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nunread");
        assert!(text(client.take()).ends_with("\r\nContent-Length: 2\r\n\r\n"));
        let answer = get(&mut client);
        assert!(answer.starts_with("HTTP/1.1 200 ") && body(&answer) == "ok", "{answer}");
    }
}

#[test]
fn a_handler_that_returned_after_a_timeout_serves_the_next_request() {
    /// A handler that sleeps in its first request. The fields are a flag that makes it ignore the error for a
    /// disconnected client, the number of requests, and the number of sleeps.
    struct Late(bool, u32, u32);
    impl RequestHandler for Late {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            self.1 += 1;
            if self.1 == 1 {
                while (x.sleep(Duration::from_secs(3600)).is_ok() || self.0) && self.2 < TOO_OFTEN {
                    self.2 += 1;
                }
                assert!(self.2 < TOO_OFTEN, "the handler gets no error and is not unwound");
                // The request has timed out, so these interim responses must not become responses to the next request.
                x.send_response_only(102)?;
                x.end_headers()?;
            }
            ok(x, &self.1.to_string())
        }
    }
    for stubborn in [false, true] {
        let limits = Limits { answer_timeout: Duration::from_millis(1), ..Limits::default() };
        let bench = Bench::new(Handlers::new(move || Late(stubborn, 0, 0))).limits(limits);
        let mut client = bench.connect();
        client.send(GET);
        let mut answer = text(client.take());
        while answer.is_empty() {
            assert!(client.wait());
            answer = text(client.take());
        }
        assert!(answer.starts_with("HTTP/1.1 504 ") && !answer.contains("Connection: close"), "{answer}");
        let next = get(&mut client);
        match stubborn {
            false => assert!(next.starts_with("HTTP/1.1 200 ") && body(&next) == "2", "{next}"),
            // The handler was unwound, so its state may be inconsistent and it is not called again.
            true => assert!(next.starts_with("HTTP/1.1 500 ") && next.contains("Connection: close"), "{next}"),
        }
    }
}

/// The number of times that a handler in these tests repeats an operation that should fail, so that a test fails
/// instead of hanging.
const TOO_OFTEN: u32 = 10_000;

/// Increments the counter when this value is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn operations_of_a_handler_fail_when_its_client_is_gone() {
    /// The test holds this lock so that the job cannot end before its handler waits for it.
    static GATE: Mutex<()> = Mutex::new(());
    let closed = GATE.lock().unwrap();
    let waits: [fn(&Exchange<'_>) -> io::Result<()>; 4] = [
        |x| x.sleep(Duration::from_secs(3600)),
        |x| x.rfile().read(&mut [0]).map(drop),
        |x| (0..TOO_OFTEN).try_for_each(|_| x.wfile().write_all(&[0; 1000])),
        |x| x.offload(|| drop(GATE.lock())),
    ];
    for (number, wait) in waits.into_iter().enumerate() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let errors = Arc::new(AtomicUsize::new(0));
        let (counter, seen) = (Arc::clone(&dropped), Arc::clone(&errors));
        let handlers = does(move |x| {
            let _guard = Dropped(Arc::clone(&counter));
            x.send_response(200)?;
            x.end_headers()?;
            let error = wait(x).expect_err("the client disconnects during the operation");
            if error.kind() == io::ErrorKind::ConnectionAborted {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            Err(error)
        });
        let pool = Arc::clone(&handlers.context().resources.stacks);
        let (bench, log) = logged(handlers);
        let mut client = bench.connect();
        client.open_window(0);
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n");
        assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (0, 1), "{number}: the handler is suspended");
        drop(client);
        assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (1, 0), "{number}: the handler has ended");
        assert_eq!(errors.load(Ordering::Relaxed), 1, "{number}");
        let lines = lines(bench, log);
        assert!(lines[0].starts_with("cut after ") && lines[0].ends_with(": server stopped"), "{lines:?}");
        let request = [r#""POST / HTTP/1.1" 200 -"#];
        assert_eq!(lines[1..], request, "{number}: no other line about a gone client");
    }
    drop(closed);
}

#[test]
fn a_handler_that_ignores_a_gone_client_is_unwound() {
    let (dropped, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, errors) = (Arc::clone(&dropped), Arc::clone(&told));
    let handlers = does(move |x| {
        let _guard = Dropped(Arc::clone(&counter));
        for _ in 0..TOO_OFTEN {
            if x.sleep(Duration::from_secs(3600)).is_err() {
                errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    });
    let pool = Arc::clone(&handlers.context().resources.stacks);
    let bench = Bench::new(handlers);
    let mut client = bench.connect();
    client.send(GET);
    drop(client);
    assert_eq!((dropped.load(Ordering::Relaxed), pool.taken()), (1, 0));
    assert_eq!(told.load(Ordering::Relaxed), 100, "the handler gets this many errors and is then unwound");
}

#[test]
fn a_panicking_handler_cannot_suspend() {
    struct WaitsOnDrop<'x, 'y>(&'x Exchange<'y>);
    impl Drop for WaitsOnDrop<'_, '_> {
        fn drop(&mut self) {
            assert!(self.0.sleep(Duration::from_secs(3600)).is_err());
            assert!(self.0.rfile().read(&mut [0]).is_err());
        }
    }
    let bench = Bench::new(does(|x| {
        let _guard = WaitsOnDrop(x);
        panic!("out of order");
    }));
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
}

#[test]
fn offloaded_work_returns_its_result_and_a_panic_is_an_error() {
    let bench = Bench::new(does(|x| {
        let error = x.offload(|| panic!("over there")).unwrap_err();
        assert!(error.to_string().contains("over there"), "{error}");
        let thread = std::thread::current().id();
        let (there, sum) = x.offload(|| (std::thread::current().id(), 2 + 3))?;
        assert_ne!(thread, there);
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(&[b'x'; 50_000])?;
        let text = x.offload(move || sum.to_string())?;
        x.wfile().write_all(text.as_bytes())
    }));
    let mut client = bench.connect();
    client.send(GET);
    let mut answer = text(client.take());
    while !answer.ends_with("\r\n0\r\n\r\n") {
        assert!(client.wait(), "{answer}");
        answer += &text(client.take());
    }
    assert!(answer.ends_with("5\r\n0\r\n\r\n"), "{}", &answer[answer.len() - 100..]);
}

#[test]
fn a_handler_that_sleeps_for_zero_in_a_loop_returns_to_the_loop_each_time() {
    const SLEEPS: usize = 100;
    let sleeps = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sleeps);
    let bench = Bench::new(does(move |x| {
        while counter.fetch_add(1, Ordering::Relaxed) < SLEEPS {
            x.sleep(Duration::ZERO)?;
        }
        x.respond(Response::text("ok"))
    }));
    let mut client = bench.connect();
    client.send(GET);
    assert!(sleeps.load(Ordering::Relaxed) < SLEEPS, "the handler has blocked the loop");
    while sleeps.load(Ordering::Relaxed) <= SLEEPS {
        assert!(client.wait());
    }
    assert!(text(client.take()).ends_with("ok"));
}

#[test]
fn other_clients_are_served_while_a_handler_sleeps() {
    let bench = Bench::new(does(|x| {
        if x.path() == "/slow" {
            x.sleep(Duration::from_millis(20))?;
        }
        ok(x, x.path())
    }));
    let (mut slow, mut fast) = (bench.connect(), bench.connect());
    slow.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /next HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(get(&mut fast).ends_with("/a?b=c"));
    assert_eq!(slow.take(), b"");
    while slow.wait() {
        let answer = text(slow.take());
        if !answer.is_empty() {
            assert!(answer.find("/slow").unwrap() < answer.find("/next").unwrap(), "in order");
            break;
        }
    }
}

#[test]
fn a_handler_beyond_the_cap_waits_for_a_stack() {
    let handlers = does(|x| {
        let mut text = String::new();
        x.rfile().read_to_string(&mut text)?;
        ok(x, &text)
    })
    .most(1);
    let pool = Arc::clone(&handlers.context().resources.stacks);
    let (bench, log) = logged(handlers);
    let (mut first, mut second) = (bench.connect(), bench.connect());
    const ASK: &[u8] = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n";
    first.send(ASK);
    second.send(ASK);
    second.send(b"two");
    assert_eq!(second.take(), b"");
    first.send(b"one");
    assert!(text(first.take()).ends_with("one"));
    assert!(second.wait());
    assert!(text(second.take()).ends_with("two"));
    assert_eq!(pool.taken(), 0);
    drop((first, second));
    let lines = lines(bench, log);
    let notes = lines.iter().filter(|line| line.ends_with("POST / waits, because the limit of 1 handlers is reached"));
    assert_eq!(notes.count(), 1, "{lines:?}");
}

#[test]
fn a_handler_that_runs_for_long_is_named_in_the_log() {
    let (bench, log) = logged(does(|x| ok(x, "at last")).slow_after(Duration::ZERO));
    assert!(get(&mut bench.connect()).ends_with("at last"));
    let lines = lines(bench, log);
    assert!(lines[0].starts_with("GET /a?b=c blocked the loop for "), "{lines:?}");
}

#[test]
fn an_interim_response_with_framing_is_discarded_with_its_fields() {
    let bench = Bench::new(does(|x| {
        x.send_response_only(103)?;
        x.send_header("Link", "</style.css>")?;
        x.send_header("Content-Length", 5)?;
        assert_eq!(x.end_headers().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        ok(x, "final")
    }));
    let answer = get(&mut bench.connect());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("final") && !answer.contains("Link"), "{answer}");
}

#[test]
fn a_file_is_the_body_or_is_copied_after_written_bytes() {
    let file = || {
        let mut file = tempfile::tempfile().unwrap();
        // The position of the file is its end. Nevertheless, the whole file is sent.
        file.write_all(&[b'f'; 40_000]).unwrap();
        file
    };
    let bench = Bench::new(does(move |x| {
        x.send_response(200)?;
        if x.path() == "/wrong" {
            x.send_header("Content-Length", 5)?;
        }
        x.end_headers()?;
        if x.path() == "/copied" {
            x.wfile().write_all(b"before")?;
        }
        x.send_file(file())?;
        if x.path() == "/copied" {
            x.wfile().write_all(b"behind")?;
        } else {
            assert!(x.wfile().write_all(b"behind").is_err(), "the file is the rest of the body");
        }
        Ok(())
    }));
    let mut client = bench.connect();
    let answer = get(&mut client);
    assert!(answer.contains("Content-Length: 40000\r\n"), "{}", &answer[..200]);
    assert_eq!(body(&answer), "f".repeat(40_000));
    client.send(b"GET /copied HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = text(client.take());
    assert_eq!(body(&answer).bytes().filter(|byte| *byte == b'f').count(), 40_000 + 1);
    client.send(b"GET /wrong HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(text(client.take()).starts_with("HTTP/1.1 500 "));
}

#[test]
fn a_handler_can_pass_its_request_to_a_service() {
    use crate::http::Request;
    use crate::service::Response;
    let inner = Handlers::new(|| {
        Does(|x: &mut Exchange<'_>| {
            let mut text = String::new();
            x.rfile().read_to_string(&mut text)?;
            ok(x, &text)
        })
    });
    let inner = std::cell::RefCell::new(Some(inner));
    let bench = Bench::new(Handlers::new(move || {
        let inner = inner.take().unwrap();
        Does(move |x: &mut Exchange<'_>| {
            x.send_header("X-From", "handler")?;
            match x.path() {
                "/now" => x.serve(&|_: &Request| Response::text("service")),
                "/read" => {
                    x.rfile().read_exact(&mut [0; 2])?;
                    x.serve(&inner)
                }
                _ => x.serve(&inner),
            }
        })
    }));
    let mut client = bench.connect();
    client.send(b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = text(client.take());
    assert!(answer.contains("X-From: handler\r\n") && answer.ends_with("service"), "{answer}");
    client.send(b"POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc");
    client.send(b"def");
    assert!(text(client.take()).ends_with("\r\n\r\nabcdef"));
    client.send(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabcd");
    client.send(b"ef");
    assert!(text(client.take()).ends_with("\r\n\r\ncdef"), "the service gets the bytes that the handler has not read");
}

#[test]
fn log_lines_of_a_handler_come_before_the_line_of_its_request() {
    let (bench, log) = logged(does(|x| {
        x.log_message("hello");
        x.log_request(200, 5);
        ok(x, "fine")
    }));
    get(&mut bench.connect());
    let lines = lines(bench, log);
    assert_eq!(lines, ["hello", "\"GET /a?b=c HTTP/1.1\" 200 5", "\"GET /a?b=c HTTP/1.1\" 200 4"]);
}

#[test]
fn log_lines_of_a_suspended_handler_are_written_at_once() {
    let (bench, mut log) = logged(does(|x| {
        x.log_message("it begins");
        let end = io::copy(&mut x.rfile(), &mut io::sink());
        x.log_message("it ends");
        end.map(drop)
    }));
    rustix::fs::fcntl_setfl(&log, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut client = bench.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na");
    let mut line = [0; 1000];
    let count = log.read(&mut line).expect("a line while the handler is suspended");
    assert!(line[..count].ends_with(b"] it begins\n"));
    client.finish();
    assert_eq!(client.closed(), Some(CloseReason::InputCut));
    let count = log.read(&mut line).expect("a line of a handler without a response");
    assert!(line[..count].ends_with(b"] it ends\n"));
}
