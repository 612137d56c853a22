//! `connect_tcp`: connections that handlers open.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::log::AccessLog;
use serve_forever::testing::TestServer;

use super::server::{Client, RawServer, SAFETY, get, handlers, respond, rest, send_get, start};

/// A server that runs a closure on a new thread for each connection.
fn upstream(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, stream) = (serve.clone(), stream.unwrap());
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Sends what it receives, up to the end.
fn echo(stream: TcpStream) {
    _ = io::copy(&mut &stream, &mut &stream);
    _ = stream.shutdown(Shutdown::Write);
}

#[test]
fn a_handler_talks_to_another_server_by_address_and_by_name() {
    let address = upstream(echo);
    let server = start(move |x| {
        let host = x.path()[1..].to_owned();
        let mut stream = x.connect_tcp(format_args!("{host}:{}", address.port()), Some(SAFETY))?;
        assert_eq!(stream.peer_addr()?.port(), address.port());
        stream.write_all(b"over and ")?;
        let mut text = vec![0; 9];
        stream.read_exact(&mut text)?;
        stream.write_all(b"out")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut text)?;
        respond(x, &String::from_utf8_lossy(&text))
    });
    let mut client = Client::connect(server.address());
    assert_eq!(get(&mut client, "/127.0.0.1"), "over and out");
    assert_eq!(get(&mut client, "/localhost"), "over and out");
}

#[test]
fn many_handlers_wait_for_their_servers_at_the_same_time() {
    const CLIENTS: usize = 50;
    let barrier = Arc::new(Barrier::new(CLIENTS));
    // No connection is served before all are open.
    let address = upstream(move |stream| {
        barrier.wait();
        echo(stream);
    });
    let server = start(move |x| {
        let mut stream = x.connect_tcp(address, None)?;
        stream.write_all(x.path().as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        respond(x, &text)
    });
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(server.address())).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        send_get(client, &format!("/{number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().body, format!("/{number}").as_bytes());
    }
}

#[test]
fn a_connection_that_is_refused_or_silent_is_an_error_with_its_kind() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = upstream(|mut stream| _ = stream.read(&mut [0; 1]));
    let server = start(move |x| {
        let refused = x.connect_tcp(closed, Some(SAFETY)).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("cannot connect to {closed}: ")), "{refused}");
        let mut stream = x.connect_tcp(silent, Some(Duration::from_millis(20)))?;
        let silence = stream.read(&mut [0; 1]).unwrap_err();
        stream.set_timeout(Some(Duration::from_millis(1)));
        let again = stream.read(&mut [0; 1]).unwrap_err();
        respond(x, &format!("{:?} {:?} {:?}", refused.kind(), silence.kind(), again.kind()))
    });
    let kinds = get(&mut Client::connect(server.address()), "/");
    assert_eq!(kinds, "ConnectionRefused TimedOut TimedOut");
}

#[test]
fn a_client_that_leaves_closes_what_its_handler_has_opened() {
    let (ends, ended) = channel();
    let address = upstream(move |mut stream| {
        stream.write_all(b"x").unwrap();
        ends.send(stream.read(&mut [0; 1]).unwrap()).unwrap();
    });
    let (fails, failed) = channel();
    let (waits, waiting) = channel();
    let server = start(move |x| {
        let mut stream = x.connect_tcp(address, None)?;
        stream.read_exact(&mut [0; 1])?;
        waits.send(()).unwrap();
        let result = stream.read(&mut [0; 1]);
        fails.send(result.as_ref().map_err(io::Error::kind).copied()).unwrap();
        result.map(drop)
    });
    let mut client = Client::connect(server.address());
    send_get(&mut client, "/");
    waiting.recv_timeout(SAFETY).unwrap();
    client.reset();
    assert_eq!(failed.recv_timeout(SAFETY).unwrap(), Err(io::ErrorKind::ConnectionAborted));
    assert_eq!(ended.recv_timeout(SAFETY).unwrap(), 0, "the end of the connection");
}

#[test]
fn one_handler_may_have_all_connections_that_the_limit_of_its_server_allows() {
    let address = upstream(echo);
    let handler = move |x: &mut serve_forever::handler::Exchange<'_>| {
        let mut streams = Vec::new();
        let error = loop {
            match x.connect_tcp(address, None) {
                Ok(stream) => streams.push(stream),
                Err(error) => break error,
            }
        };
        let count = streams.len();
        streams.pop();
        // The place of the dropped connection is free again.
        let mut last = x.connect_tcp(address, None)?;
        last.write_all(b"x")?;
        last.read_exact(&mut [0; 1])?;
        respond(x, &format!("{count} {:?}", error.kind()))
    };
    let limited = |service| {
        let server = HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(AccessLog::off());
        let server = TestServer::start(server);
        let mut client = Client::connect(server.address());
        [get(&mut client, "/"), get(&mut client, "/")]
    };
    assert_eq!(limited(handlers(handler).outgoing(3)), ["3 QuotaExceeded", "3 QuotaExceeded"]);
    assert_eq!(limited(handlers(handler).outgoing(20)), ["20 QuotaExceeded", "20 QuotaExceeded"]);
}

#[test]
fn a_server_that_always_has_more_does_not_keep_the_loop() {
    let address = upstream(|mut stream| while stream.write_all(&[0; 64 * 1024]).is_ok() {});
    let (begins, begun) = channel();
    let server = start(move |x| {
        if x.path() == "/other" {
            return respond(x, "other");
        }
        let mut stream = x.connect_tcp(address, None)?;
        begins.send(()).unwrap();
        io::copy(&mut stream, &mut io::sink()).map(drop)
    });
    let mut endless = Client::connect(server.address());
    send_get(&mut endless, "/");
    begun.recv_timeout(SAFETY).unwrap();
    let mut other = Client::connect(server.address());
    for _ in 0..10 {
        assert_eq!(get(&mut other, "/other"), "other");
    }
    endless.reset();
}

#[test]
fn a_raw_handler_passes_bytes_on_at_the_pace_of_its_client() {
    const BYTES: usize = 4 << 20;
    let address = upstream(|mut stream| {
        let mut request = [0; 4];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(&vec![b'y'; BYTES]).unwrap();
    });
    let raw = RawServer::start(move |x| {
        let mut stream = x.connect_tcp(address, Some(SAFETY))?;
        let mut request = [0; 4];
        x.rfile().read_exact(&mut request)?;
        stream.write_all(&request)?;
        io::copy(&mut stream, &mut x.wfile()).map(drop)
    });
    let mut client = Client::connect(raw.address);
    client.say("re");
    client.say("ad");
    assert!(rest(&mut client).bytes().eq(std::iter::repeat_n(b'y', BYTES)));
}
