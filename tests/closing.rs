//! Responses that end their connection, over real sockets, to clients that continue to send. The tests that need no
//! socket, also those with `Connection: close`, are in `wire.rs`. The time limit on lingering is tested in
//! `simulation.rs`.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::http::{Request, Version};
use serve_forever::log::AccessLog;
use serve_forever::service::Response;

/// Bounds a read, so that a server that does not close fails the test instead of hanging it.
const SAFETY: Duration = Duration::from_secs(20);

/// With this number, nearly every run contains a reset if the server closes immediately: such a server loses about six
/// responses in a thousand.
const EXCHANGES: usize = 6000;
const CLIENTS: usize = 12;

/// The clients try `GAPS` gaps one after the other, each `GAP` longer than the one before.
const GAPS: usize = 50;
const GAP: usize = 100;

/// Sends two requests in two packets, `gap` turns of an empty loop apart, and returns everything that is received. With
/// some gaps the second request arrives while the server responds to the first one and closes.
fn ask_twice(server: SocketAddr, request: &[u8], gap: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(SAFETY)).unwrap();
    stream.write_all(request).unwrap();
    // Varies the arrival of the second packet within the time that the server needs for the first one.
    (0..gap).for_each(|_| std::hint::spin_loop());
    // The server may have reset the connection. The received bytes then show this.
    _ = stream.write_all(request);
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    answer
}

/// The number of exchanges without a complete response.
fn lost(protocol: Version, request: &'static [u8]) -> usize {
    let service = |request: &Request| match request.path() {
        b"/close" => Response::text("hello\n").close(),
        _ => Response::text("hello\n"),
    };
    let mut server = HttpServer::bind("127.0.0.1:0").unwrap().service(service).protocol(protocol).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    thread::scope(|scope| {
        scope.spawn(move || server.serve_forever().unwrap());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let is_lost = move |number: &usize| {
                    let answer = ask_twice(address, request, number % GAPS * GAP);
                    !answer.ends_with(b"\r\n\r\nhello\n") && !answer.ends_with(b"</html>\n")
                };
                scope.spawn(move || (0..EXCHANGES / CLIENTS).filter(is_lost).count())
            })
            .collect();
        let lost = clients.into_iter().map(|client| client.join().unwrap()).sum();
        stopper.stop();
        lost
    })
}

#[test]
fn a_server_that_speaks_http_1_0_loses_no_response() {
    assert_eq!(lost(Version::Http10, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
}

#[test]
fn a_client_that_speaks_http_1_0_loses_no_response() {
    assert_eq!(lost(Version::Http11, b"GET / HTTP/1.0\r\n\r\n"), 0);
}

#[test]
fn a_service_that_closes_loses_no_response() {
    assert_eq!(lost(Version::Http11, b"GET /close HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
}

#[test]
fn a_client_whose_request_is_refused_loses_no_response() {
    assert_eq!(lost(Version::Http11, b"GET / HTTP/1.1\r\n\r\n"), 0);
}
