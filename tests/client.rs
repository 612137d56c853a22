//! The client in a thread, with servers that follow a script and with the server of this crate. Malformed responses are
//! in `tests/responses.rs`.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, Cursor, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use common::scripted::{LONG, Peer, Scripted, replies, script};
use serve_forever::HttpServer;
use serve_forever::client::{ClientSettings, Error, HttpConnection, RequestBody, WaitPhase};
use serve_forever::http::{HeaderList, Request, Status};
use serve_forever::service::Response;
use serve_forever::testing::TestServer;

const ONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none";
const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo";

fn connection_to(server: &Scripted) -> HttpConnection {
    HttpConnection::new(&server.address.to_string()).unwrap().timeout(LONG)
}

fn fetch(connection: &mut HttpConnection, target: &str) -> Result<Vec<u8>, Error> {
    connection.request("GET", target, (), &[])?;
    connection.getresponse()?.read_all()
}

#[test]
fn the_client_and_the_server_of_this_crate_understand_each_other() {
    let server = HttpServer::bind("127.0.0.1:0").unwrap().service(|request: &Request| match request.path() {
        b"/" => Response::text("hello"),
        _ => Response::error(Status::NOT_FOUND),
    });
    let server = TestServer::start(server);
    let mut connection = HttpConnection::new(&server.address().to_string()).unwrap().timeout(LONG);
    for _ in 0..3 {
        assert_eq!(fetch(&mut connection, "/").unwrap(), b"hello");
    }
    connection.request("HEAD", "/none", (), &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    assert_eq!((response.status(), response.length()), (Status::NOT_FOUND, Some(0)));
    assert!(response.header("content-length").is_some() && response.read_all().unwrap().is_empty());
    connection.request("PUT", "/", RequestBody::Reader(&mut Cursor::new(vec![b'x'; 20_000])), &[]).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"hello");
}

#[test]
fn a_request_is_sent_as_cpython_sends_it() {
    let server = Scripted::new(vec![script(|peer| {
        let host = format!("Host: {}\r\nAccept-Encoding: identity\r\n", peer.stream.local_addr().unwrap());
        assert_eq!(peer.head(), format!("GET / HTTP/1.1\r\n{host}\r\n"));
        peer.say(ONE);
        assert_eq!(peer.head(), format!("POST /a?b HTTP/1.1\r\n{host}Content-Length: 4\r\nX-b: 1\r\n\r\n"));
        assert_eq!(peer.until("body"), "body");
        peer.say(ONE);
        assert_eq!(peer.head(), format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n"));
        assert_eq!(peer.until("0\r\n\r\n"), format!("1A\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n", "z".repeat(26)));
        peer.say(ONE);
        assert_eq!(peer.head(), "BREW /pot HTTP/1.1\r\nA: 1, 2\r\n\r\n");
        peer.say(ONE);
    })]);
    let mut connection = connection_to(&server);
    fetch(&mut connection, "").unwrap();
    connection.request("POST", "/a?b", b"body", &[("X-b", "1")]).unwrap();
    connection.getresponse().unwrap().read_all().unwrap();
    let mut pieces = [vec![b'z'; 26], Vec::new(), b"abc".to_vec()].into_iter();
    connection.request("PUT", "/", RequestBody::Pieces(&mut pieces), &[]).unwrap();
    connection.getresponse().unwrap().read_all().unwrap();
    let skip = serve_forever::client::SkipFields { host: true, accept_encoding: true };
    connection.putrequest_with("BREW", "/pot", skip).unwrap();
    connection.putheader("A", "1, 2").unwrap();
    connection.endheaders(RequestBody::Empty, false).unwrap();
    connection.getresponse().unwrap().read_all().unwrap();
    server.finish();
}

#[test]
fn the_states_are_those_of_cpython() {
    let server = Scripted::new(vec![replies(&[ONE, TWO])]);
    let mut connection = connection_to(&server);
    assert!(matches!(connection.putheader("A", "1"), Err(Error::CannotSendHeader)));
    assert!(matches!(connection.endheaders(RequestBody::Empty, false), Err(Error::CannotSendHeader)));
    assert!(matches!(connection.getresponse(), Err(Error::ResponseNotReady)));
    connection.putrequest("GET", "/").unwrap();
    assert!(!connection.is_open(), "nothing is sent before endheaders");
    assert!(matches!(connection.putrequest("GET", "/"), Err(Error::CannotSendRequest)));
    assert!(matches!(connection.getresponse(), Err(Error::ResponseNotReady)));
    connection.endheaders(RequestBody::Empty, false).unwrap();
    let mut first = connection.getresponse().unwrap();
    // The next request may be sent before a response is read, but its own response must wait.
    connection.request("GET", "/2", (), &[]).unwrap();
    assert!(matches!(connection.getresponse(), Err(Error::ResponseNotReady)));
    assert_eq!(first.read_all().unwrap(), b"one");
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"two");
    drop((connection, first));
    server.finish();
}

#[test]
fn a_refused_request_leaves_the_connection_usable() {
    let server = Scripted::new(vec![replies(&[ONE])]);
    let mut connection = connection_to(&server);
    let mut refused = |method: &str, target: &str, headers: &[(&str, &str)]| {
        connection.request(method, target, b"abcdef", headers).unwrap_err().name()
    };
    assert_eq!(refused("G\nET", "/", &[]), "InvalidMethod");
    assert_eq!(refused("GET", "/ x", &[]), "InvalidURL");
    assert_eq!(refused("GET", "http://user:word@h/", &[]), "InvalidURL");
    assert_eq!(refused("GET", "/", &[("X", "a\nb")]), "InvalidHeader");
    assert_eq!(refused("PUT", "/", &[("Content-Length", "6"), ("content-length", "6")]), "InvalidHeader");
    assert_eq!(refused("PUT", "/", &[("Content-Length", "3")]), "InvalidBody", "the excess would be a request");
    assert!(!connection.is_open());
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"one");
    drop(connection);
    server.finish();
}

#[test]
fn a_reader_that_does_not_have_its_length_closes_the_connection() {
    for length in [2, 9] {
        let server = Scripted::new(vec![script(|peer| {
            peer.head();
            assert!(!peer.rest().ends_with(b"def"));
        })]);
        let mut connection = connection_to(&server);
        let body = RequestBody::Sized(length, &mut &b"abcdef"[..]);
        let sent = connection.request_with("PUT", "/", body, &HeaderList::new(), false);
        assert!(matches!(sent, Err(Error::InvalidBody(_))), "{length}");
        assert!(!connection.is_open());
        drop(connection);
        let _ = TcpStream::connect(server.address);
        drop(server);
    }
}

#[test]
fn a_response_that_ends_its_connection_is_read_beside_the_next_one() {
    let first = |peer: &mut Peer| {
        peer.head();
        peer.say("HTTP/1.0 200 OK\r\n\r\nfirst body");
    };
    let server = Scripted::new(vec![script(first), replies(&[TWO])]);
    let mut connection = connection_to(&server);
    connection.request("GET", "/1", (), &[]).unwrap();
    let mut first = connection.getresponse().unwrap();
    assert!(first.will_close() && !connection.is_open() && first.length().is_none());
    assert_eq!(fetch(&mut connection, "/2").unwrap(), b"two");
    assert!(!first.is_closed());
    assert_eq!(first.read_all().unwrap(), b"first body");
    assert!(first.is_closed());
    drop(connection);
    server.finish();
}

#[test]
fn bytes_that_no_request_has_asked_for_never_become_a_response() {
    let server = Scripted::new(vec![
        script(|peer| {
            peer.head();
            peer.say(&format!("{ONE}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
            assert_eq!(peer.rest(), b"");
        }),
        replies(&[TWO]),
    ]);
    let mut connection = connection_to(&server);
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"one");
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"two");
    drop(connection);
    server.finish();
}

#[test]
fn a_response_that_comes_before_the_body_is_sent_is_not_lost() {
    let (done, wait) = mpsc::channel();
    let server = Scripted::new(vec![script(move |peer| {
        peer.head();
        peer.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!");
        wait.recv().unwrap();
    })]);
    let mut connection = connection_to(&server);
    // This is more than the buffers of both sides hold.
    connection.request("POST", "/", &vec![b'x'; 32 << 20], &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    assert_eq!(response.status(), Status::CONTENT_TOO_LARGE);
    assert_eq!(response.interim(), [Status::CONTINUE]);
    assert!(response.will_close(), "the server would read the next request as the body");
    assert_eq!(response.read_all().unwrap(), b"big!");
    done.send(()).unwrap();
    server.finish();
}

#[test]
fn a_body_waits_for_100_if_the_request_expects_it() {
    let server = Scripted::new(vec![
        script(|peer| {
            peer.head();
            assert!(peer.seen.is_empty(), "the body has not been sent with the head");
            peer.say("HTTP/1.1 100 Continue\r\n\r\n");
            peer.until("body");
            peer.say(ONE);
            assert_eq!(peer.rest(), b"");
        }),
        script(|peer| {
            peer.head();
            peer.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(peer.rest(), b"", "the body is not sent");
        }),
    ]);
    let expect = [("Expect", "100-Continue")];
    let settings = || {
        let mut settings = ClientSettings::default();
        // This time makes the test fail if the client does not notice the response.
        settings.continue_timeout = LONG;
        settings
    };
    let mut connection = connection_to(&server).settings(settings());
    connection.request("PUT", "/", b"body", &expect).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"one");
    connection.close();
    connection.request("PUT", "/", b"body", &expect).unwrap();
    let response = connection.getresponse().unwrap();
    assert_eq!((response.status(), response.will_close()), (Status::EXPECTATION_FAILED, true));
    server.finish();
}

#[test]
fn a_body_is_sent_without_100_after_a_while() {
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        peer.until("body");
        peer.say(ONE);
    })]);
    let mut settings = ClientSettings::default();
    settings.continue_timeout = Duration::from_millis(1);
    let mut connection = connection_to(&server).settings(settings);
    connection.request("PUT", "/", b"body", &[("Expect", "100-continue")]).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"one");
    server.finish();
}

#[test]
fn a_time_out_names_its_phase_and_closes_the_connection() {
    let silent = |peer: &mut Peer| _ = peer.rest();
    let half = |peer: &mut Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        peer.rest();
    };
    let server = Scripted::new(vec![script(silent), script(half), replies(&[ONE])]);
    let mut connection = connection_to(&server).timeout(Duration::from_millis(50));
    assert!(matches!(fetch(&mut connection, "/"), Err(Error::Timeout(WaitPhase::Head))));
    assert!(!connection.is_open());
    let mut connection = connection_to(&server).total_timeout(Duration::from_millis(50));
    assert!(matches!(fetch(&mut connection, "/"), Err(Error::Timeout(WaitPhase::Body))));
    assert!(!connection.is_open());
    let mut connection = connection_to(&server);
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"one");
    drop(connection);
    server.finish();
}

#[test]
fn the_total_time_ends_a_response_that_keeps_arriving() {
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        // Each byte arrives well within the time for a single wait.
        while peer.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    })]);
    let mut connection = connection_to(&server).total_timeout(Duration::from_millis(50));
    assert!(matches!(fetch(&mut connection, "/"), Err(Error::Timeout(WaitPhase::Head))));
    server.finish();
}

#[test]
fn a_server_that_ends_without_a_response_is_told_apart_from_one_that_answers_in_part() {
    let partial = |peer: &mut Peer| {
        peer.head();
        peer.say("HTTP/1.1 2");
    };
    let server = Scripted::new(vec![script(|peer| _ = peer.head()), script(partial), replies(&[ONE])]);
    let mut connection = connection_to(&server);
    assert!(matches!(fetch(&mut connection, "/"), Err(Error::RemoteDisconnected)));
    match fetch(&mut connection, "/") {
        Err(Error::IncompleteRead { partial, expected: None }) => assert_eq!(partial, b"HTTP/1.1 2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"one");
    drop(connection);
    server.finish();
}

#[test]
fn every_read_of_a_body_that_was_cut_fails_and_keeps_what_came() {
    let cut = |peer: &mut Peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab\ncd");
    };
    let server = Scripted::new(vec![script(cut), script(cut)]);
    let mut connection = connection_to(&server);
    match fetch(&mut connection, "/") {
        Err(Error::IncompleteRead { partial, expected }) => {
            assert_eq!((&*partial, expected), (&b"ab\ncd"[..], Some(4)))
        }
        other => panic!("{other:?}"),
    }
    connection.request("GET", "/", (), &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    let mut line = String::new();
    assert_eq!(response.read_line(&mut line).unwrap(), 3);
    for _ in 0..2 {
        let error = response.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(matches!(Error::from(error), Error::IncompleteRead { expected: Some(4), .. }));
    }
    server.finish();
}

#[test]
fn a_malformed_end_of_a_body_is_told_after_all_of_its_data() {
    for (end, name) in [("0\r\nno colon\r\n\r\n", "BadHeader"), ("zz\r\n", "IncompleteRead")] {
        let server = Scripted::new(vec![script(move |peer| {
            peer.head();
            // Everything is sent in one piece, so that the fault has arrived when the data is read.
            peer.say(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n{end}"));
            assert_eq!(peer.rest(), b"");
        })]);
        let mut connection = connection_to(&server);
        connection.request("GET", "/", (), &[]).unwrap();
        let mut response = connection.getresponse().unwrap();
        assert_eq!(response.read_up_to(3).unwrap(), b"abc");
        let error = response.read_all().unwrap_err();
        assert_eq!(error.name(), name);
        assert!(!matches!(error, Error::IncompleteRead { expected: Some(_), .. }), "{error}");
        assert!(!connection.is_open());
        server.finish();
    }
}

#[test]
fn a_body_is_read_in_all_the_ways_of_std() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n3\r\n456\r\n3\r\n789\r\n0\r\nX-Sum: 1\r\n\r\n";
    let server = Scripted::new(vec![script(move |peer| {
        peer.head();
        peer.say(chunks);
        assert_eq!(peer.rest(), b"");
    })]);
    let mut connection = connection_to(&server);
    connection.request("GET", "/", (), &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    assert!(response.is_chunked() && response.length().is_none());
    assert_eq!(response.read_up_to(0).unwrap(), b"");
    assert_eq!(response.read_up_to(6).unwrap(), b"012345", "across chunks");
    assert_eq!(response.fill_buf().unwrap(), b"6", "within a chunk");
    assert!(!response.is_closed());
    let mut piece = [0; 9];
    assert_eq!(response.read(&mut piece).unwrap(), 1);
    let mut rest = String::new();
    response.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "789");
    assert!(response.is_closed() && response.read_all().unwrap().is_empty());
    assert_eq!(response.trailers().get("x-sum"), Some(&b"1"[..]));
    drop(connection);
    server.finish();
}

#[test]
fn an_unread_response_that_is_dropped_costs_its_connection_only_if_more_is_to_come() {
    const LONG_ONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\npart";
    let server = Scripted::new(vec![replies(&[ONE, TWO, LONG_ONE]), replies(&[TWO])]);
    let mut connection = connection_to(&server);
    connection.request("GET", "/", (), &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    // The whole response arrives with its first byte.
    assert_eq!(response.read_up_to(1).unwrap(), b"o");
    drop(response);
    assert!(connection.is_open());
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"two");
    connection.request("GET", "/", (), &[]).unwrap();
    drop(connection.getresponse().unwrap());
    assert!(!connection.is_open());
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"two");
    drop(connection);
    server.finish();
}

#[test]
fn no_byte_of_a_body_is_lost_while_another_thread_uses_the_connection() {
    const LENGTH: usize = 20_000;
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", "x".repeat(LENGTH)));
        assert_eq!(peer.rest(), b"");
    })]);
    let mut connection = connection_to(&server);
    connection.request("GET", "/", (), &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert!(connection.is_open());
            }
        });
        let mut count = 0;
        let end = loop {
            match response.read_up_to(7) {
                Ok(bytes) if bytes.is_empty() => break Ok(()),
                Ok(bytes) => count += bytes.len(),
                Err(Error::InUse) => {}
                Err(error) => break Err(error),
            }
        };
        // Before the first assertion, because a panic would wait for the other thread.
        is_done.store(true, Ordering::Relaxed);
        end.unwrap();
        assert_eq!((count, response.length()), (LENGTH, Some(0)));
    });
    drop(connection);
    server.finish();
}

#[test]
fn the_body_may_follow_its_head_but_not_exceed_its_length() {
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        peer.until("abcdef");
        peer.say(ONE);
        peer.head();
        assert_eq!(peer.rest(), b"", "nothing of a body that is too long");
    })]);
    let mut connection = connection_to(&server);
    let begin = |connection: &mut HttpConnection| {
        connection.putrequest("PUT", "/").unwrap();
        connection.putheader("Content-Length", 6).unwrap();
        connection.endheaders(RequestBody::Empty, false).unwrap();
    };
    begin(&mut connection);
    connection.send(b"abc").unwrap();
    connection.send(b"def").unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"one");
    begin(&mut connection);
    assert!(matches!(connection.send(b"abcdefg"), Err(Error::InvalidBody(_))));
    assert!(!connection.is_open());
    server.finish();
}

#[test]
fn a_chunked_body_that_follows_its_head_is_ended_before_the_response_is_read() {
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        peer.until("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
        peer.say(ONE);
        peer.head();
        peer.until("0\r\n\r\n");
        peer.say(TWO);
    })]);
    let mut connection = connection_to(&server);
    for (pieces, expected) in [(&[&b"abc"[..], b"defg"][..], b"one"), (&[], b"two")] {
        connection.putrequest("PUT", "/").unwrap();
        connection.putheader("Transfer-Encoding", "chunked").unwrap();
        connection.endheaders(RequestBody::Empty, true).unwrap();
        for piece in pieces {
            connection.send(piece).unwrap();
        }
        assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), expected);
    }
    server.finish();
}

#[test]
fn body_bytes_before_the_head_are_refused_and_the_request_can_be_continued() {
    let server = Scripted::new(vec![replies(&[ONE])]);
    let mut connection = connection_to(&server);
    connection.putrequest("GET", "/").unwrap();
    assert!(matches!(connection.send(b"abc"), Err(Error::CannotSendRequest)));
    assert!(!connection.is_open());
    connection.endheaders(RequestBody::Empty, false).unwrap();
    assert_eq!(connection.getresponse().unwrap().read_all().unwrap(), b"one");
    drop(connection);
    server.finish();
}

#[test]
fn a_response_cannot_be_had_before_the_body_is_sent() {
    let server = Scripted::new(vec![script(|peer| _ = peer.rest())]);
    let mut connection = connection_to(&server);
    connection.putrequest("PUT", "/").unwrap();
    connection.putheader("Content-Length", 6).unwrap();
    connection.endheaders(RequestBody::Empty, false).unwrap();
    connection.send(b"abc").unwrap();
    assert!(matches!(connection.getresponse(), Err(Error::InvalidBody(_))), "the server would wait, too");
    server.finish();
}

#[test]
fn a_connection_that_may_not_open_itself_is_opened_by_connect() {
    let server = Scripted::new(vec![replies(&[ONE])]);
    let mut settings = ClientSettings::default();
    settings.auto_open = false;
    let mut connection = connection_to(&server).settings(settings);
    assert!(matches!(fetch(&mut connection, "/"), Err(Error::NotConnected)));
    assert!(matches!(connection.send(b"x"), Err(Error::NotConnected)));
    connection.connect().unwrap();
    assert!(matches!(connection.set_tunnel("h", None, &[]), Err(Error::TunnelAfterConnect)));
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"one");
    drop(connection);
    server.finish();
}

#[test]
fn names_are_resolved_and_the_source_address_is_used() {
    let server = Scripted::new(vec![script(|peer| {
        assert!(peer.head().contains("\r\nHost: localhost:"));
        let port = peer.stream.peer_addr().unwrap().port();
        peer.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{port}", port.to_string().len()));
    })]);
    // A port that was free shortly before.
    let source = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let made = HttpConnection::with_port("localhost", server.address.port()).unwrap().timeout(LONG);
    let mut connection = made.source_address(source);
    assert_eq!(fetch(&mut connection, "/").unwrap(), source.port().to_string().into_bytes());
    server.finish();
}

#[test]
fn a_tunnel_is_opened_for_every_connection() {
    let through = |peer: &mut Peer| {
        let connect = "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\nX: 1\r\n\r\n";
        assert_eq!(peer.head(), connect);
        peer.say("HTTP/1.1 202 Established\r\nVia: proxy\r\n\r\n");
        assert_eq!(peer.head(), "GET / HTTP/1.1\r\nHost: far.example\r\nAccept-Encoding: identity\r\n\r\n");
        peer.say("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfar");
    };
    let refused = |peer: &mut Peer| {
        peer.head();
        peer.say("HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(peer.rest(), b"", "the request does not go to the proxy");
    };
    let server = Scripted::new(vec![script(through), script(through), script(refused)]);
    let mut connection = connection_to(&server);
    connection.set_tunnel("far.example", None, &[("X", "1")]).unwrap();
    for _ in 0..2 {
        assert_eq!(fetch(&mut connection, "/").unwrap(), b"far");
    }
    assert_eq!(connection.proxy_headers().unwrap().get("via"), Some(&b"proxy"[..]));
    match fetch(&mut connection, "/") {
        Err(Error::TunnelFailed(status, reason)) => assert_eq!((status.code(), &*reason), (407, "Who are you?")),
        other => panic!("{other:?}"),
    }
    server.finish();
}

#[test]
fn a_connection_that_has_left_http_is_given_to_the_caller() {
    let server = Scripted::new(vec![script(|peer| {
        assert!(peer.head().contains("\r\nUpgrade: x\r\n"));
        peer.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nfirst");
        assert_eq!(peer.rest(), b"");
    })]);
    let mut connection = connection_to(&server);
    connection.request("GET", "/", (), &[("Connection", "Upgrade"), ("Upgrade", "x")]).unwrap();
    let response = connection.getresponse().unwrap();
    let (stream, early) = response.into_upgraded().expect("another protocol");
    assert_eq!(early, b"first");
    drop(stream);
    server.finish();
}

#[test]
fn a_connection_may_be_refused_or_half_closed() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut connection = HttpConnection::new(&closed.to_string()).unwrap().timeout(LONG);
    assert_eq!(fetch(&mut connection, "/").unwrap_err().name(), "ConnectionRefused");
    let server = Scripted::new(vec![script(|peer| {
        peer.head();
        peer.say("HTTP/1.1 200 OK\r\n\r\nhalf");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.rest(), b"");
    })]);
    let mut connection = connection_to(&server);
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"half");
    server.finish();
}

#[test]
fn a_body_is_copied_to_a_writer_whose_error_is_returned() {
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let server = Scripted::new(vec![replies(&[CHUNKS, ONE, ONE])]);
    let mut connection = connection_to(&server);
    let mut response = |target: &str| {
        connection.request("GET", target, (), &[]).unwrap();
        connection.getresponse().unwrap()
    };
    let mut copy = Vec::new();
    assert_eq!((response("/").copy_to(&mut copy).unwrap(), &copy[..]), (5, &b"abcde"[..]));
    let mut partly_read = response("/");
    partly_read.fill_buf().unwrap();
    partly_read.consume(1);
    assert_eq!((partly_read.copy_to(&mut copy).unwrap(), &copy[..]), (2, &b"abcdene"[..]));
    let mut full = &mut [0; 2][..];
    assert_eq!(response("/").copy_to(&mut full).unwrap_err().kind(), std::io::ErrorKind::WriteZero);
}
