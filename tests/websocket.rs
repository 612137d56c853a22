//! WebSocket on an upgraded connection, with tungstenite on both sides: the examples `websocket_echo` and
//! `websocket_chat`. The server-sent events of the example `live_reload` are tested here too.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::program::Program;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

/// Starts an example, which `cargo test` has built beside the tests.
fn start(example: &str, more: &[&Path]) -> Program {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(example);
    Program::of(Command::new(program).arg("127.0.0.1:0").args(more))
}

fn connect(address: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    tungstenite::client(format!("ws://{address}/"), stream).unwrap().0
}

#[test]
fn text_binary_ping_and_close_are_answered() {
    let program = start("websocket_echo", &[]);
    let mut socket = connect(program.address);
    for message in [Message::text(""), Message::text("h\u{e9}llo"), Message::binary(vec![0, 255, 13, 10])] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping(b"are you there"[..].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(b"are you there"[..].into()));
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).unwrap();
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Normal);
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
}

#[test]
fn messages_of_a_mebibyte_are_echoed_whole() {
    let program = start("websocket_echo", &[]);
    let mut socket = connect(program.address);
    for round in 0..3_u8 {
        let message = Message::binary((0..1 << 20).map(|at: u32| at as u8 ^ round).collect::<Vec<u8>>());
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "round {round}");
    }
}

/// Opens the number of connections that `WEBSOCKETS` sets, 50 by default, at the same time.
#[test]
fn many_sockets_are_served_at_once() {
    let count = std::env::var("WEBSOCKETS").map_or(50, |count| count.parse().unwrap());
    let program = start("websocket_echo", &[]);
    let mut sockets: Vec<_> = (0..count).map(|_| connect(program.address)).collect();
    for round in 0..3 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send(Message::text(format!("{number} {round}"))).unwrap();
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(socket.read().unwrap(), Message::text(format!("{number} {round}")));
        }
    }
}

#[test]
fn a_request_that_is_no_handshake_gets_the_page_or_an_error() {
    let program = start("websocket_echo", &[]);
    let page = program.client().get("/");
    assert!(page.status() == 200 && String::from_utf8_lossy(&page.body).contains("new WebSocket"));
    let ask = |fields: &str| {
        let mut client = program.client();
        client.say(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n{fields}\r\n"));
        client.answer()
    };
    let without_connection = ask("");
    assert_eq!((without_connection.status(), without_connection.field("Upgrade")), (426, Some("websocket")));
    let old = ask("Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    assert_eq!((old.status(), old.field("Sec-WebSocket-Version")), (426, Some("13")));
    assert_eq!(ask("Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n").status(), 400);
}

#[test]
fn all_sockets_of_a_chat_read_every_line_in_one_order() {
    let program = start("websocket_chat", &[]);
    let mut sockets: Vec<_> = (0..10).map(|_| connect(program.address)).collect();
    // A socket whose handler has its own line back waits for the lines of others from then on.
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(format!("{number} is here"))).unwrap();
        while socket.read().unwrap() != Message::text(format!("{number} is here")) {}
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(format!("from {number}"))).unwrap();
    }
    let heard = |socket: &mut WebSocket<TcpStream>| {
        let mut lines = Vec::new();
        while lines.len() < 10 {
            let line = socket.read().unwrap().into_text().unwrap().to_string();
            lines.extend(Some(line).filter(|line| line.starts_with("from ")));
        }
        lines
    };
    let first = heard(&mut sockets[0]);
    for socket in &mut sockets[1..] {
        assert_eq!(heard(socket), first);
    }
}

#[test]
fn a_socket_is_closed_with_a_reason_when_its_server_stops() {
    for example in ["websocket_echo", "websocket_chat"] {
        let program = start(example, &[]);
        let mut socket = connect(program.address);
        socket.send(Message::text("hello")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("hello"));
        program.signal(rustix::process::Signal::TERM);
        let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("{example}: no close frame") };
        assert_eq!(frame.code, CloseCode::Away, "{example}");
        assert!(matches!(socket.read(), Err(Error::ConnectionClosed)), "{example}");
        // The server waits for the end of the connection.
        drop(socket);
        assert_eq!(program.rest().0, Some(0), "{example}");
    }
}

#[test]
fn a_page_of_live_reload_learns_of_a_changed_file() {
    let folder = common::program::tree(&[("index.html", "<p>one"), ("style.css", "p {}")]);
    let program = start("live_reload", &[folder.path()]);
    let page = program.client().get("/");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(text.starts_with("<p>one") && text.contains("EventSource('/_changes')"), "{text}");
    assert_eq!(program.client().get("/style.css").body, b"p {}");

    let mut events = program.client();
    events.say("GET /_changes HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(events.head().contains("Content-Type: text/event-stream\r\n"));
    assert_eq!(events.chunk(), "retry: 300\n\n");
    std::fs::write(folder.path().join("style.css"), "p { color: red }").unwrap();
    assert_eq!(events.chunk(), "data: changed\n\n");
}
