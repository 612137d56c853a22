//! The examples whose handlers send requests to other servers, between a client on a raw socket and servers that
//! misbehave.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use common::client::{Client, SAFETY};
use common::program::Program;
use common::scripted::{Scripted, replies, script};
use tungstenite::Message;

/// A server that reads a head, and passes it on to a closure that responds.
fn origin(respond: impl Fn(String, TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (respond, mut stream) = (respond.clone(), stream.unwrap());
            thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                respond(String::from_utf8(head).unwrap(), stream);
            });
        }
    });
    address
}

fn proxy(origin: SocketAddr) -> Program {
    Program::example("reverse_proxy", &[origin.to_string()])
}

#[test]
fn a_proxy_passes_on_the_fields_for_the_other_side_and_no_others() {
    let (heads, head) = channel();
    let origin = origin(move |head, mut stream| {
        heads.send(head).unwrap();
        let fields = "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=1\r\nX-Yours: 2\r\nContent-Length: 5\r\n";
        _ = write!(stream, "HTTP/1.1 203 Fine\r\n{fields}\r\nhello");
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    for part in
        ["GET /a?b HTTP/1.1\r\nHost: exam", "ple\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n", "\r\n"]
    {
        client.say(part);
    }
    let answer = client.answer();
    assert_eq!((answer.status(), &answer.body[..]), (203, &b"hello"[..]));
    assert_eq!((answer.field("X-Mine"), answer.field("Keep-Alive"), answer.field("X-Yours")), (None, None, Some("2")));
    let head = head.recv_timeout(SAFETY).unwrap();
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    for (field, is_there) in [
        ("Host: example", true),
        ("X-End: 2", true),
        ("X-Forwarded-For: 127.0.0.1", true),
        ("Via: 1.1 reverse_proxy", true),
        ("X-Hop", false),
        ("Connection", false),
    ] {
        assert_eq!(head.contains(&format!("\r\n{field}")), is_there, "{field} in {head}");
    }
    assert_eq!(client.get("/again").status(), 203, "the connection of the client persists");
}

#[test]
fn a_proxy_sends_its_own_fields_and_the_host_of_an_absolute_target() {
    let (heads, head) = channel();
    let origin = origin(move |head, mut stream| {
        heads.send(head).unwrap();
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = proxy(origin);
    let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 7.7.7.7\r\n";
    proxy.client().say(&format!("GET http://right/a?b HTTP/1.1\r\nHost: wrong\r\n{fields}\r\n")).answer();
    let head = head.recv_timeout(SAFETY).unwrap();
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    for (name, value) in
        [("Host", "right"), ("X-Forwarded-For", "6.6.6.6, 7.7.7.7, 127.0.0.1"), ("X-Forwarded-Proto", "http")]
    {
        let of_this_name = |line: &&str| line.split(':').next() == Some(name);
        assert_eq!(head.lines().filter(of_this_name).collect::<Vec<_>>(), [format!("{name}: {value}")]);
    }
}

#[test]
fn a_proxy_keeps_its_connection_to_the_server_and_replaces_one_that_has_ended() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none";
    let server = Scripted::new(vec![
        script(move |peer| {
            for _ in 0..2 {
                assert!(peer.head().starts_with("GET /"));
                peer.say(one);
            }
            // Closes without a response, as if the request had arrived just after the idle time.
            peer.head();
        }),
        replies(&["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"]),
    ]);
    let proxy = proxy(server.address);
    let bodies: Vec<_> = (0..3).map(|_| proxy.client().get("/").body).collect();
    assert_eq!(bodies, [b"one", b"one", b"two"]);
    drop(proxy);
    server.finish();
}

#[test]
fn a_proxy_streams_both_bodies_with_and_without_a_length() {
    let origin = origin(|head, mut stream| {
        let is_chunked = head.contains("\r\nTransfer-Encoding: chunked\r\n");
        assert!(is_chunked || head.contains("\r\nContent-Length: 5\r\n"), "{head}");
        let wanted: &[u8] = if is_chunked { b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n" } else { b"abcde" };
        let mut body = vec![0; wanted.len()];
        stream.read_exact(&mut body).unwrap();
        // The proxy may send other chunks than it has received.
        assert!(is_chunked || body == wanted);
        // The proxy must not send the next request on this connection, and a POST would not be repeated.
        _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfgh\r\n0\r\n\r\n",
        );
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").say("cde");
    // The response is complete when the proxy responds, so it has a length.
    assert_eq!(client.answer().body, b"fgh");
    client.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    assert_eq!(client.say("3\r\ncde\r\n0\r\n\r\n").answer().body, b"fgh");
}

#[test]
fn a_server_that_fails_is_502_and_a_body_that_ends_too_soon_cuts_the_response() {
    let origin = origin(|head, mut stream| {
        let long;
        let response: &[u8] = match head.split(' ').nth(1).unwrap() {
            "/nothing" => b"",
            "/garbage" => b"SMTP ready\r\n\r\n",
            "/two-lengths" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "/split" => b"HTTP/1.1 200 OK\r\nX: a\r\n : b\r\nContent-Length: 0\r\n\r\n",
            "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
            "/no-end" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "/bad-chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
            "/no-head-end" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            _ => {
                long = [&b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"[..], &[b'x'; 200_000]].concat();
                &long
            }
        };
        _ = stream.write_all(response);
    });
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(proxy(closed).client().get("/").status(), 502);
    let proxy = proxy(origin);
    for path in ["/nothing", "/garbage", "/two-lengths", "/split", "/bad-chunk", "/no-head-end"] {
        assert_eq!(proxy.client().get(path).status(), 502, "{path}");
    }
    for (path, part) in [("/short", "\r\n\r\nshort"), ("/no-end", "\r\n\r\n5\r\nhello\r\n")] {
        let mut client = proxy.client();
        let text = client.say(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).text();
        // The response is 502, unless the proxy has already passed a part of the body on.
        assert!(text.starts_with("HTTP/1.1 502 ") || text.ends_with(part), "{path}: {text}");
    }
    let mut client = proxy.client();
    client.say("GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"), "a part of the body was passed on");
    assert!(client.rest().len() <= 200_000);
}

#[test]
fn a_client_that_leaves_a_proxy_ends_the_request_to_the_server() {
    let (ends, ended) = channel();
    let (begins, begun) = channel();
    let origin = origin(move |_, mut stream| {
        begins.send(()).unwrap();
        ends.send(stream.read(&mut [0; 1]).unwrap_or(0)).unwrap();
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    client.say(common::client::HELLO);
    begun.recv_timeout(SAFETY).unwrap();
    client.reset();
    assert_eq!(ended.recv_timeout(SAFETY).unwrap(), 0);
}

#[test]
fn a_client_that_leaves_within_its_body_ends_the_request_to_the_server() {
    let (begins, begun) = channel();
    let (ends, ended) = channel();
    let origin = origin(move |_, mut stream| {
        begins.send(stream.read(&mut [0; 1]).unwrap()).unwrap();
        // An error is ignored, because the proxy may reset the connection.
        let mut rest = Vec::new();
        _ = stream.read_to_end(&mut rest);
        ends.send(rest.len()).unwrap();
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
    assert_eq!(begun.recv_timeout(SAFETY).unwrap(), 1);
    client.reset();
    assert!(ended.recv_timeout(SAFETY).unwrap() <= 2);
}

#[test]
fn a_response_that_comes_before_the_body_is_complete_is_passed_on() {
    let origin = origin(|_, mut stream| {
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch").unwrap();
        // Continues to read, as servers do, so that no reset discards the response.
        _ = io::copy(&mut stream, &mut io::sink());
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    client.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000\r\n\r\n");
    let mut sender = client.stream.try_clone().unwrap();
    let sent = thread::spawn(move || while sender.write_all(&[b'x'; 64 * 1024]).is_ok() {});
    let answer = client.answer();
    assert_eq!((answer.status(), answer.field("Connection"), &answer.body[..]), (413, Some("close"), &b"much"[..]));
    client.stream.shutdown(Shutdown::Both).unwrap();
    sent.join().unwrap();
}

#[test]
fn a_response_is_passed_on_to_a_client_that_sends_no_more_of_its_body() {
    let origin = origin(|head, mut stream| {
        // `/after` responds to the first bytes of the body, `/before` to the head alone.
        if head.starts_with("POST /after ") {
            stream.read_exact(&mut [0; 3]).unwrap();
        }
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch").unwrap();
        _ = io::copy(&mut stream, &mut io::sink());
    });
    let proxy = proxy(origin);
    for (path, framing, part) in [
        ("/before", "Content-Length: 10000000000", ""),
        ("/after", "Content-Length: 10000000000", "abc"),
        ("/before", "Transfer-Encoding: chunked", ""),
        ("/after", "Transfer-Encoding: chunked", "3\r\nabc\r\n"),
    ] {
        let mut client = proxy.client();
        client.say(&format!("POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{part}"));
        let answer = client.answer();
        assert_eq!((answer.status(), answer.field("Connection"), &answer.body[..]), (413, Some("close"), &b"much"[..]));
    }
    // The rest of a short body is read after the response, and the connection persists.
    let mut client = proxy.client();
    assert_eq!(client.say("POST /after HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc").answer().status(), 413);
    client.say("de");
    assert_eq!(client.get("/before").status(), 413);
}

#[test]
fn a_slow_client_holds_back_the_server_and_costs_the_proxy_no_memory() {
    const SIZE: usize = 64 << 20;
    let origin = origin(|_, mut stream| {
        _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        let piece = vec![b'z'; 1 << 20];
        for _ in 0..SIZE / piece.len() {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    let proxy = proxy(origin);
    let memory = || proxy.facts("VmHWM")[0].parse::<usize>().unwrap();
    assert_eq!(proxy.client().get("/").body.len(), SIZE);
    let before = memory();
    let mut slow: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
    for client in &mut slow {
        client.say(common::client::HELLO).head();
    }
    assert_eq!(slow[0].exactly(SIZE).len(), SIZE);
    assert!(memory() < before + 8 * 1024, "{} kB more", memory() - before);
}

/// A request to change to a protocol, and the response that agrees, with the first bytes of the protocol after it.
const SWAP: &str = "GET /s HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: swap\r\nX-End: 1\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: swap\r\nX-Yours: 2\r\n\r\nearly";

#[test]
fn a_websocket_passes_through_a_proxy() {
    let echo = Program::example("websocket_echo", &[]);
    let proxy = proxy(echo.address);
    let stream = TcpStream::connect(proxy.address).unwrap();
    stream.set_read_timeout(Some(SAFETY)).unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://{}/", proxy.address), stream).unwrap();
    let long = (0..1 << 20).map(|at: u32| at as u8).collect::<Vec<u8>>();
    for message in [Message::text(""), Message::text("h\u{e9}llo"), Message::binary(long)] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.close(None).unwrap();
    assert!(matches!(socket.read().unwrap(), Message::Close(_)));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
}

#[test]
fn the_bytes_of_another_protocol_pass_through_a_proxy_until_either_side_ends() {
    let (heads, head) = channel();
    let (ends, ended) = channel();
    let origin = origin(move |head, mut stream| {
        heads.send(head).unwrap();
        stream.write_all(SWITCHED.as_bytes()).unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&asked).unwrap();
        // After `end.`, the server closes its side first.
        ends.send(asked == *b"end." || stream.read(&mut [0; 1]).unwrap() == 0).unwrap();
    });
    let proxy = proxy(origin);
    for word in ["end.", "stay"] {
        let mut client = proxy.client();
        let switched = client.say(SWAP).head();
        assert!(switched.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{switched}");
        assert!(switched.contains("\r\nUpgrade: swap\r\n") && switched.contains("\r\nX-Yours: 2\r\n"), "{switched}");
        let head = head.recv_timeout(SAFETY).unwrap();
        for field in ["Connection: Upgrade", "Upgrade: swap", "X-End: 1"] {
            assert_eq!(head.matches(&format!("\r\n{field}\r\n")).count(), 1, "{field} in {head}");
        }
        assert_eq!(client.exactly(5), b"early");
        assert_eq!(client.say(word).exactly(4), word.as_bytes());
        match word {
            "end." => assert!(client.is_closed()),
            _ => drop(client),
        }
        assert!(ended.recv_timeout(SAFETY).unwrap(), "{word}");
    }
}

#[test]
fn a_side_that_takes_nothing_holds_up_one_direction_of_another_protocol_only() {
    // This is more than the buffers of two connections hold.
    const SIZE: usize = 20 << 20;
    let origin = origin(|_, mut stream| {
        stream.write_all(SWITCHED.as_bytes()).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let read = thread::spawn(move || reader.read_exact(&mut vec![0; SIZE]));
        stream.write_all(&vec![b'z'; SIZE]).unwrap();
        read.join().unwrap().unwrap();
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    client.say(SWAP).head();
    // All bytes are sent before any is read, while the server sends and reads at the same time.
    client.stream.write_all(&vec![b'y'; SIZE]).unwrap();
    assert_eq!(client.exactly(5), b"early");
    assert!(client.exactly(SIZE).iter().all(|byte| *byte == b'z'));
}

#[test]
fn a_server_may_decline_another_protocol_and_must_not_change_to_one_unasked() {
    let origin = origin(|head, mut stream| {
        let response = match head.starts_with("GET /s ") {
            true => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
            false => SWITCHED,
        };
        _ = stream.write_all(response.as_bytes());
    });
    let proxy = proxy(origin);
    let mut client = proxy.client();
    assert_eq!(client.say(SWAP).answer().body, b"no");
    assert_eq!(client.get("/unasked").status(), 502);
}

#[test]
fn a_gateway_asks_its_servers_at_the_same_time_and_reports_the_one_that_fails() {
    let barrier = Arc::new(Barrier::new(2));
    let waits = |text: &'static str| {
        let barrier = Arc::clone(&barrier);
        origin(move |_, mut stream| {
            // Neither server responds before both have received a request.
            barrier.wait();
            _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        })
    };
    let fails = origin(|_, mut stream| _ = stream.write_all(b"what?\r\n"));
    let servers = [waits("one"), waits("two"), fails].map(|address| address.to_string());
    let gateway = Program::example("gateway", &servers);
    let answer: serde_json::Value = serde_json::from_slice(&gateway.client().get("/").body).unwrap();
    let expected = serde_json::json!({
        &servers[0]: { "status": 200, "body": "one" },
        &servers[1]: { "status": 200, "body": "two" },
        &servers[2]: { "error": "BadStatusLine" },
    });
    assert_eq!(answer, expected);
}

#[test]
fn a_mirror_downloads_a_tree_and_continues_a_file_that_is_there_in_part() {
    use serve_forever::HttpServer;
    use serve_forever::files::FileService;
    use serve_forever::log::AccessLog;
    use serve_forever::testing::TestServer;

    let files = [("a.txt", "0123456789"), ("sub/b & c.txt", "bc"), ("sub/deeper/d", "")];
    let (site, copy) = (common::program::tree(&files), common::program::tree(&[("a.txt", "0123x")]));
    let service = FileService::new(site.path()).unwrap();
    let server = HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(AccessLog::off());
    let server = TestServer::start(server);
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join("mirror");
    let run = || {
        let mut command = Command::new(&program);
        let output = command.arg(format!("http://{}/", server.address())).arg(copy.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run();
    assert!(told.contains("/a.txt: 5 bytes\n"), "{told}");
    let read = |name: &str| std::fs::read_to_string(copy.path().join(name)).unwrap();
    assert_eq!([read("a.txt"), read("sub/b & c.txt"), read("sub/deeper/d")], ["0123x56789", "bc", ""]);
    assert!(!run().contains("a.txt"), "a complete file is not downloaded again");
}
