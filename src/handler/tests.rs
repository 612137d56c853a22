//! Tests of handlers on an in-memory connection, from request bytes to response bytes. The tests of bodies, failures,
//! header fields and upgrades are in `tests/`.

mod bodies;
mod failures;
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
