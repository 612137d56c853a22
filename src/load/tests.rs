//! Tests that run the generator against servers in the same process.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::figures::{Figures, LoadSummary, thread_time};
use super::generator::Generator;
use super::options::LoadOptions;
use crate::HttpServer;
use crate::http::{Request, Status};
use crate::log::AccessLog;
use crate::service::Response;
use crate::testing::TestServer;

/// Starts a server that responds to `/` with a short text, and to every other path with 404. Also returns the counter
/// of its requests.
fn server() -> (TestServer, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let service = move |request: &Request| {
        counter.fetch_add(1, Ordering::Relaxed);
        match request.target() {
            b"/" => Response::text("hello"),
            _ => Response::error(Status::NOT_FOUND),
        }
    };
    let server = HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(AccessLog::off());
    (TestServer::start(server), requests)
}

/// Runs the generator with these arguments, followed by a URL for each of these paths.
fn run(words: &[&str], address: SocketAddr, paths: &[&str]) -> Figures {
    with_generator(words, address, paths, |generator| generator.run().unwrap())
}

/// Creates a generator with these arguments and a URL for each of these paths, and passes it to `call`.
fn with_generator<R>(words: &[&str], address: SocketAddr, paths: &[&str], call: impl FnOnce(Generator<'_>) -> R) -> R {
    let urls = paths.iter().map(|path| match path.split_once('*') {
        Some((weight, path)) => format!("{weight}*http://{address}{path}"),
        None => format!("http://{address}{path}"),
    });
    let words = ["load-forever", "--quiet"].iter().chain(words).map(|word| (*word).to_owned()).chain(urls);
    let options = LoadOptions::parse(words.map(OsString::from)).unwrap();
    let plan = options.plan().unwrap();
    call(Generator::new(&plan, &options).unwrap())
}

#[test]
fn every_request_is_sent_once_and_its_response_is_counted() {
    for words in [&["-n", "500"][..], &["-n", "501", "-c", "3", "-p", "4"], &["-n", "7", "-c", "20"]] {
        let (server, requests) = server();
        let figures = run(words, server.address(), &["/"]);
        let wanted: u64 = words[1].parse().unwrap();
        assert_eq!((figures.sent, figures.answered, figures.responses), (wanted, wanted, wanted), "{words:?}");
        assert_eq!(requests.load(Ordering::Relaxed) as u64, wanted, "{words:?}");
        assert_eq!(figures.latency.len(), wanted, "{words:?}");
        assert_eq!(figures.body_bytes, 5 * wanted, "{words:?}");
        assert!(figures.errors.is_empty(), "{words:?}: {:?}", figures.errors);
    }
}

#[test]
fn urls_share_the_requests_by_their_weights() {
    let (server, _) = server();
    let figures = run(&["-n", "400", "-c", "1"], server.address(), &["3*/", "/missing"]);
    assert_eq!(figures.statuses.into_iter().collect::<Vec<_>>(), [(200, 300), (404, 100)]);
}

#[test]
fn a_connection_that_ends_with_its_response_is_replaced() {
    let (server, requests) = server();
    let figures = run(&["-n", "50", "-c", "2", "-H", "Connection: close"], server.address(), &["/"]);
    assert_eq!((figures.answered, requests.load(Ordering::Relaxed)), (50, 50));
    assert!(figures.connections >= 50 && figures.errors.is_empty(), "{figures:?}");
}

#[test]
fn methods_with_and_without_a_body_are_sent() {
    let (server, _) = server();
    let head = run(&["-n", "20", "-m", "HEAD", "-c", "2"], server.address(), &["/"]);
    assert_eq!((head.answered, head.body_bytes), (20, 0));
    let post = run(&["-n", "20", "-m", "POST", "-b", "some text", "-p", "3"], server.address(), &["/"]);
    assert_eq!((post.answered, post.statuses.get(&200)), (20, Some(&20)));
}

#[test]
fn in_the_open_loop_a_request_is_sent_when_it_is_due() {
    let (server, requests) = server();
    let figures = run(&["-n", "100", "--rate", "2000", "-c", "2", "-p", "100"], server.address(), &["/"]);
    assert_eq!((figures.answered, requests.load(Ordering::Relaxed)), (100, 100));
    // Request 99 is due 49.5 ms after the start, so the run cannot end earlier.
    assert!(figures.measured >= Duration::from_micros(49_500), "{:?}", figures.measured);
    assert!(LoadSummary::new(&figures).corrected.is_none());
}

/// The server sends no response until it has received all requests. In the open loop, the latency of every request
/// except the last therefore includes a wait for the requests that were due later.
#[test]
fn in_the_open_loop_the_wait_for_a_stalled_server_counts_for_every_request_that_was_due() {
    const REQUESTS: u64 = 50;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        // Read until the heads of all requests have arrived.
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut heads = 0;
        while heads < REQUESTS {
            heads += u64::from(lines.next().unwrap().unwrap().is_empty());
        }
        let response = "HTTP/1.1 204 No Content\r\n\r\n".repeat(REQUESTS as usize);
        stream.write_all(response.as_bytes()).unwrap();
        // Wait until the client closes the connection, which it does after the last response.
        _ = stream.read(&mut [0]);
    });
    let figures = run(&["-n", "50", "--rate", "1000", "-c", "1", "-p", "50"], address, &["/"]);
    assert_eq!(figures.answered, REQUESTS);
    // The first request was due 49 ms before the last one, and all responses arrive after the last one was due.
    assert!(figures.latency.max() >= 48_000, "{}", figures.latency.max());
    assert!(figures.latency.value_at_percentile(50.0) >= 23_000);
    server.join().unwrap();
}

#[test]
fn a_response_that_is_cut_or_malformed_is_an_error_of_its_request() {
    for (response, error) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour", "IncompleteRead"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "BadChunk"),
        ("SSH-2.0\r\n\r\n", "BadStatusLine"),
        ("", "RemoteDisconnected"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.get_mut().write_all(response.as_bytes()).unwrap();
        });
        let figures = run(&["-n", "1", "-c", "1"], address, &["/"]);
        assert_eq!(figures.errors.into_iter().collect::<Vec<_>>(), [(error, 1)], "{response:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_refuses_connections_is_counted() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let figures = run(&["-d", "50ms", "-c", "1"], address, &["/"]);
    assert_eq!((figures.answered, figures.errors.keys().copied().collect::<Vec<_>>()), (0, vec!["ConnectionRefused"]));
}

#[test]
fn an_attempt_to_connect_that_fails_at_once_is_counted_by_its_error() {
    let words = ["-d", "50ms", "-c", "1", "--unix", "/no/such/socket"];
    let figures = run(&words, SocketAddr::from(([127, 0, 0, 1], 80)), &["/"]);
    assert_eq!(figures.errors.keys().copied().collect::<Vec<_>>(), ["NotFound"]);
}

/// The poll is edge-triggered: it reports one event for the whole response. The server sends nothing else, so no
/// further event follows.
#[test]
fn a_response_that_needs_more_reads_than_a_run_has_is_read_without_another_event() {
    const BODY: usize = 20_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY));
        stream.get_mut().write_all(response.as_bytes()).unwrap();
        // Wait until the client closes the connection.
        _ = stream.read(&mut [0]);
    });
    let figures = with_generator(&["-n", "1", "-c", "1", "--timeout", "1s"], address, &["/"], |mut generator| {
        generator.read_size = 16;
        generator.run().unwrap()
    });
    assert_eq!((figures.answered, figures.body_bytes), (1, BODY as u64), "{:?}", figures.errors);
    server.join().unwrap();
}

#[test]
fn the_processor_time_ends_with_the_measurement() {
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    with_generator(&["-d", "1s"], address, &["/"], |mut generator| {
        let end = generator.end();
        generator.measure(end - Duration::from_secs(1));
        generator.measure(end);
        let most = thread_time();
        while thread_time() < 2 * most + Duration::from_millis(1) {}
        generator.finish(end);
        assert!(generator.figures.cpu <= most, "{:?} of {most:?}", generator.figures.cpu);
    });
}

#[test]
fn a_slow_head_arrives_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let (mut bytes, mut part, mut sizes) = (Vec::new(), [0; 1000], Vec::new());
        while !bytes.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut part).unwrap();
            bytes.extend_from_slice(&part[..count]);
            sizes.push(count);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        _ = stream.read(&mut part);
        sizes
    });
    let figures = run(&["-n", "1", "-c", "1", "--slow-head", "200"], address, &["/"]);
    assert_eq!(figures.answered, 1);
    let sizes = server.join().unwrap();
    // The head has about 40 bytes, and 20 bytes per tick are sent. The bytes sent in two ticks can arrive together.
    assert!(sizes[0] <= 20 && sizes.len() >= 2, "{sizes:?}");
}

#[test]
fn a_slow_reader_takes_all_of_its_response() {
    let (server, _) = server();
    let figures = run(&["-n", "1", "-c", "1", "--slow-read", "1000"], server.address(), &["/"]);
    assert_eq!((figures.answered, figures.body_bytes), (1, 5));
    assert!(figures.measured >= Duration::from_millis(100), "a response of 150 bytes takes two ticks");
}

#[test]
fn a_request_makes_no_allocation() {
    let (server, _) = server();
    let allocations = |requests: &str| {
        let address = server.address();
        allocation_counter::measure(|| _ = run(&["-n", requests, "-c", "2", "-p", "2"], address, &["/"])).count_total
    };
    allocations("100");
    let (few, many) = (allocations("1000"), allocations("5000"));
    // At the beginning of a run, buffers grow. The number of these allocations depends on how the responses arrive.
    assert!(many <= few + 20, "{few} allocations for 1000 requests, {many} for 5000");
}
