//! The connections that the handlers of one server keep open to other servers, which follow a script.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use common::client::{Answer, Client};
use common::scripted::{LONG, Peer, Scripted, replies, script};
use serve_forever::HttpServer;
use serve_forever::client::{PoolSettings, RequestBody};
use serve_forever::handler::{Exchange, Handlers, HttpError, RequestHandler};
use serve_forever::http::HeaderList;
use serve_forever::log::AccessLog;
use serve_forever::testing::TestServer;

const ONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none";
const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo";

/// Passes a request on to the server that its target names. The response shows if the connection was used before.
/// Bodies up to this length are read before the response begins.
struct Relay(u64);

impl RequestHandler for Relay {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let url = format!("http:/{}/", x.path());
        let fetched = x.pool().fetch_with(x.command(), &url, RequestBody::Empty, &HeaderList::new());
        let mut response = fetched.map_err(HttpError::from)?;
        response.read_ahead(self.0).map_err(HttpError::from)?;
        x.send_response(response.status())?;
        x.send_header("Reused", response.was_reused().to_string())?;
        x.end_headers()?;
        io::copy(&mut response, &mut x.wfile()).map(drop)
    }
}

fn relay(set: impl FnOnce(&mut PoolSettings)) -> TestServer {
    TestServer::start(relay_server(0, set))
}

fn relay_server(read_ahead: u64, set: impl FnOnce(&mut PoolSettings)) -> HttpServer {
    let handlers = Handlers::new(move || Relay(read_ahead)).outgoing(2).pool(|pool| {
        pool.connection.timeout = Some(LONG);
        set(pool);
    });
    HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off()).service(handlers)
}

fn get(relay: &TestServer, to: SocketAddr) -> Answer {
    Client::connect(relay.address()).get(&format!("/{to}"))
}

/// The body of a response to a new client, and true if the handler reused a connection for it.
fn fetched(relay: &TestServer, to: SocketAddr) -> (String, bool) {
    let answer = get(relay, to);
    (String::from_utf8(answer.body.clone()).unwrap(), answer.field("Reused").unwrap().parse().unwrap())
}

#[test]
fn handlers_of_different_clients_use_one_connection_which_ends_with_the_server() {
    let (first, second) = (Scripted::new(vec![replies(&[ONE, TWO])]), Scripted::new(vec![replies(&[ONE])]));
    let relay = relay(|_| {});
    assert_eq!(fetched(&relay, first.address), ("one".into(), false));
    assert_eq!(fetched(&relay, second.address), ("one".into(), false), "servers are kept apart");
    assert_eq!(fetched(&relay, first.address), ("two".into(), true));
    drop(relay);
    first.finish();
    second.finish();
}

#[test]
fn a_connection_that_its_server_has_closed_is_replaced() {
    let one_reply = |reply: &'static str| {
        script(move |peer| {
            peer.head();
            peer.say(reply);
        })
    };
    let unasked = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let server = Scripted::new(vec![one_reply(ONE), one_reply(unasked), replies(&[TWO])]);
    let relay = relay(|_| {});
    assert_eq!(fetched(&relay, server.address), ("one".into(), false));
    assert_eq!(fetched(&relay, server.address), ("one".into(), false), "closed while it was idle");
    assert_eq!(fetched(&relay, server.address), ("two".into(), false), "bytes that no request has asked for");
    drop(relay);
    server.finish();
}

#[test]
fn another_idle_connection_is_used_if_the_last_one_was_closed() {
    let (streams, stream) = mpsc::channel();
    let (go, begin) = mpsc::channel();
    let server = Scripted::new(vec![
        script(move |peer| {
            peer.head();
            streams.send(peer.stream.try_clone().unwrap()).unwrap();
        }),
        script(move |peer| {
            peer.head();
            begin.recv().unwrap();
            peer.say(ONE);
        }),
    ]);
    let (relay, address) = (relay(|_| {}), server.address);
    let ask = || {
        let mut client = Client::connect(relay.address());
        client.say(&format!("GET /{address} HTTP/1.1\r\nHost: h\r\n\r\n"));
        client
    };
    let mut first = ask();
    let mut kept = Peer { stream: stream.recv().unwrap(), seen: Vec::new() };
    let mut second = ask();
    go.send(()).unwrap();
    // The connection of the second client ends with its script. A clone keeps that of the first client open.
    server.finish();
    kept.say(ONE);
    assert_eq!(first.answer().body, b"one");
    assert_eq!(second.answer().body, b"one");
    let mut third = ask();
    kept.head();
    kept.say(TWO);
    let answer = third.answer();
    assert_eq!((answer.field("Reused"), &answer.body[..]), (Some("true"), &b"two"[..]));
}

#[test]
fn only_a_request_that_may_be_repeated_is_repeated_over_another_connection() {
    // Closes after reading the second request, like a server whose idle time has just passed.
    let stale = || {
        script(|peer| {
            peer.head();
            peer.say(ONE);
            peer.head();
        })
    };
    let server = Scripted::new(vec![stale(), replies(&[TWO]), stale()]);
    let relay = relay(|pool| pool.max_idle = 1);
    fetched(&relay, server.address);
    assert_eq!(fetched(&relay, server.address), ("two".into(), false));
    let other = Scripted::new(vec![replies(&[ONE])]);
    fetched(&relay, other.address);
    fetched(&relay, server.address);
    let mut client = Client::connect(relay.address());
    client.say(&format!("POST /{} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", server.address));
    assert_eq!(client.answer().status(), 502);
    server.finish();
    other.finish();
}

#[test]
fn the_settings_limit_the_idle_connections() {
    let none = Scripted::new(vec![replies(&[ONE]), replies(&[TWO])]);
    let relay_without = relay(|pool| pool.max_idle = 0);
    assert_eq!(fetched(&relay_without, none.address), ("one".into(), false));
    assert_eq!(fetched(&relay_without, none.address), ("two".into(), false));
    none.finish();

    let (first, second) = (Scripted::new(vec![replies(&[ONE]), replies(&[TWO])]), Scripted::new(vec![replies(&[ONE])]));
    let relay = relay(|pool| pool.max_idle = 1);
    fetched(&relay, first.address);
    fetched(&relay, second.address);
    assert_eq!(fetched(&relay, first.address), ("two".into(), false), "the one that was idle longest was closed");
    drop(relay);
    first.finish();
    second.finish();
}

#[test]
fn an_idle_connection_leaves_its_place_to_others() {
    let servers: Vec<_> = (0..4).map(|_| Scripted::new(vec![replies(&[ONE])])).collect();
    let relay = relay(|_| {});
    // The handlers of the relay have at most two connections at a time.
    for server in &servers {
        assert_eq!(fetched(&relay, server.address), ("one".into(), false));
    }
    drop(relay);
    servers.into_iter().for_each(Scripted::finish);
}

#[test]
fn the_loop_closes_a_connection_that_has_been_idle_for_too_long() {
    let server = Scripted::new(vec![replies(&[ONE])]);
    let relay = relay(|pool| pool.idle_timeout = Duration::from_millis(10));
    assert_eq!(fetched(&relay, server.address), ("one".into(), false));
    // The script ends with the connection. During this time no client sends anything.
    server.finish();
    drop(relay);
}

#[test]
fn idle_connections_end_with_the_run_of_the_loop() {
    let server = Scripted::new(vec![replies(&[ONE])]);
    let mut relay = relay_server(0, |_| {});
    let (address, target) = (relay.server_address(), format!("/{}", server.address));
    let client = std::thread::spawn(move || Client::connect(address).get(&target).body);
    relay.handle_request(Some(LONG)).unwrap();
    assert_eq!(client.join().unwrap(), b"one");
    // The relay still exists, and could run again.
    server.finish();
    drop(relay);
}

#[test]
fn a_request_beyond_the_number_for_a_server_waits_for_the_connection() {
    let (free, wait) = mpsc::channel();
    let server = Scripted::new(vec![script(move |peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 40003\r\n\r\n");
        peer.say(&"x".repeat(40_000));
        wait.recv().unwrap();
        peer.say("one");
        peer.head();
        peer.say(TWO);
        assert_eq!(peer.rest(), b"");
    })]);
    let relay = relay(|pool| pool.max_per_host = 1);
    let mut first = Client::connect(relay.address());
    first.say(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", server.address)).head();
    let mut second = Client::connect(relay.address());
    second.say(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", server.address));
    free.send(()).unwrap();
    let answer = second.answer();
    assert_eq!((answer.field("Reused"), &answer.body[..]), (Some("true"), &b"two"[..]));
    drop(relay);
    server.finish();
}

#[test]
fn slow_clients_of_short_responses_keep_no_connections() {
    const LENGTH: usize = 4 << 20;
    const CLIENTS: usize = 3;
    let body = "x".repeat(LENGTH);
    let server = Scripted::new(vec![script(move |peer| {
        for _ in 0..=CLIENTS {
            peer.head();
            peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
            peer.say(&body);
        }
        assert_eq!(peer.rest(), b"");
    })]);
    // The handlers have at most two connections at a time, and the buffers of the sockets are too small for the body.
    let relay = TestServer::start(relay_server(LENGTH as u64, |_| {}));
    let ask = || {
        let mut client = Client::connect(relay.address());
        client.say(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", server.address));
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        client
    };
    let body_length = |mut client: Client| -> usize {
        std::iter::from_fn(|| Some(client.chunk().len())).take_while(|length| *length > 0).sum()
    };
    let slow: Vec<Client> = (0..CLIENTS).map(|_| ask()).collect();
    assert_eq!(body_length(ask()), LENGTH, "another client is served");
    for client in slow {
        assert_eq!(body_length(client), LENGTH);
    }
    drop(relay);
    server.finish();
}

#[test]
fn a_client_that_leaves_within_a_response_ends_the_connection() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let server = Scripted::new(vec![
        script(move |peer| {
            peer.head();
            peer.say(long);
            peer.say(&"x".repeat(100_000));
            assert_eq!(peer.rest(), b"");
        }),
        replies(&[TWO]),
    ]);
    let relay = relay(|_| {});
    let mut client = Client::connect(relay.address());
    client.say(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", server.address)).head();
    client.reset();
    assert_eq!(fetched(&relay, server.address), ("two".into(), false));
    drop(relay);
    server.finish();
}

#[test]
fn a_server_that_stalls_is_504_or_cuts_the_response_and_loses_its_connection() {
    let server = Scripted::new(vec![
        script(|peer| {
            peer.head();
            assert_eq!(peer.rest(), b"");
        }),
        script(|peer| {
            peer.head();
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            peer.say(&"x".repeat(50_000));
            assert_eq!(peer.rest(), b"");
        }),
    ]);
    let relay = relay(|pool| pool.connection.timeout = Some(Duration::from_millis(200)));
    assert_eq!(get(&relay, server.address).status(), 504);
    let mut client = Client::connect(relay.address());
    client.say(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", server.address));
    let text = client.text();
    assert!(!text.starts_with("HTTP/1.1 200 ") || !text.ends_with("0\r\n\r\n"), "the response has no end");
    drop(relay);
    server.finish();
}

#[cfg(all(feature = "client-tls", feature = "tls"))]
#[test]
fn connections_under_tls_are_kept_as_well() {
    use serve_forever::client::ClientTls;
    use serve_forever::http::Request;
    use serve_forever::service::Response;

    /// Passes a GET on to the server of the URL, under TLS.
    struct Secure(String);

    impl RequestHandler for Secure {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            let body = x.fetch("GET", &self.0, (), &[]).and_then(|mut response| response.read_all());
            x.send_response(200)?;
            x.end_headers()?;
            x.wfile().write_all(&body.map_err(HttpError::from)?)
        }
    }

    let origin = HttpServer::bind("127.0.0.1:0").unwrap().tls(common::tls::server_config()).log(AccessLog::off());
    let port_of_client = |request: &Request| Response::text(request.client_address().port().to_string());
    let origin = TestServer::start(origin.service(port_of_client));
    let url = format!("https://{}/", origin.address());
    let handlers = Handlers::new(move || Secure(url.clone())).pool(|pool| {
        pool.connection.timeout = Some(LONG);
        pool.connection.tls = Some(ClientTls::from_config(common::tls::client_config()));
    });
    let relay = TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off()).service(handlers));
    let port = || Client::connect(relay.address()).get("/").body;
    let first = port();
    assert_eq!((first.clone(), first.clone()), (port(), port()));
}
