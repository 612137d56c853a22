//! Responses that leave some of their request's body unread: the response announces the close, and the connection
//! closes in stages. The responses come from handlers, before, during and after they read. Immediate responses of a
//! service are in `wire.rs`.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, Read, Write};

use common::dialogue::{Dialogue, site};
use serve_forever::Limits;
use serve_forever::handler::{Exchange, Handlers, RequestHandler};

/// This is more than the server discards.
const LONG: u64 = 300_000;

/// Responds before the body has been read to its end, in the way that the path names.
struct Early;

impl RequestHandler for Early {
    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        match x.request().path() {
            b"/error" => x.send_error(403, None, None),
            b"/fails" => Err(io::Error::other("failed")),
            b"/no-content" => empty(x, 204),
            b"/not-modified" => empty(x, 304),
            b"/reset-content" => empty(x, 205),
            b"/partly" => {
                x.rfile().read_exact(&mut [0; 10])?;
                hello(x)
            }
            b"/streams" => {
                x.send_response(200)?;
                x.end_headers()?;
                // This is more than is kept until the handler returns, so the head is sent before that.
                (0..100).try_for_each(|_| x.wfile().write_all(&[b'x'; 1000]))
            }
            b"/all" => {
                let length = io::copy(&mut x.rfile(), &mut io::sink())?;
                x.send_response(200)?;
                x.end_headers()?;
                write!(x.wfile(), "{length}")
            }
            _ => hello(x),
        }
    }

    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        hello(x)
    }

    fn do_head(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        hello(x)
    }
}

fn empty(x: &mut Exchange<'_>, status: u16) -> io::Result<()> {
    x.send_response(status)?;
    x.end_headers()
}

fn hello(x: &mut Exchange<'_>) -> io::Result<()> {
    x.send_response(200)?;
    x.send_header("Content-Length", 6)?;
    x.end_headers()?;
    x.wfile().write_all(b"hello\n")
}

fn head(method: &str, path: &str, framing: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n").into_bytes()
}

/// Each way to respond early to a body with this framing, of which `sent` arrives with the head.
fn every_early_answer_closes(framing: &str, sent: &[u8]) {
    for (method, path) in [
        ("POST", "/error"),
        ("POST", "/fails"),
        ("POST", "/no-content"),
        ("POST", "/not-modified"),
        ("POST", "/reset-content"),
        ("POST", "/partly"),
        ("POST", "/streams"),
        ("POST", "/"),
        ("GET", "/"),
        ("HEAD", "/"),
        ("PUT", "/not-implemented"),
    ] {
        if sent.is_empty() && path == "/partly" {
            continue;
        }
        let site = site(Handlers::new(|| Early));
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(&[&head(method, path, framing)[..], sent].concat());
        let heard = dialogue.heard();
        let place = format!("{method} {path} with {framing} and {} bytes: {heard}", sent.len());
        assert!(heard.starts_with("HTTP/1.1 "), "{place}");
        assert!(heard.contains("\r\nConnection: close\r\n"), "{place}");
        assert!(dialogue.transport().ended && dialogue.closed().is_none(), "lingers: {place}");
        // The rest of the body is discarded until the client has seen the end.
        dialogue.say(&vec![b'x'; 100_000]);
        assert_eq!((dialogue.heard().as_str(), dialogue.closed()), ("", None), "{place}");
        assert!(dialogue.end().closed().is_some(), "{place}");
    }
}

#[test]
fn an_early_answer_to_a_long_body_closes() {
    every_early_answer_closes(&format!("Content-Length: {LONG}"), b"");
    every_early_answer_closes(&format!("Content-Length: {LONG}"), &[b'x'; 1000]);
    every_early_answer_closes("Content-Length: 1099511627776", &[b'x'; 1000]);
}

#[test]
fn an_early_answer_to_chunks_without_an_end_closes() {
    every_early_answer_closes("Transfer-Encoding: chunked", b"");
    every_early_answer_closes("Transfer-Encoding: chunked", &[b"7d0\r\n", &[b'x'; 1000][..]].concat());
}

#[test]
fn a_short_body_that_is_not_read_is_discarded_and_the_connection_goes_on() {
    assert!(LONG > Limits::default().drain);
    for path in ["/error", "/no-content", "/not-modified", "/partly", "/"] {
        let site = site(Handlers::new(|| Early));
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(&head("POST", path, "Content-Length: 1000")).say(&[b'x'; 1000]);
        dialogue.say(&head("GET", "/", ""));
        let heard = dialogue.heard();
        assert!(!heard.contains("Connection: close"), "{path}: {heard}");
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 2, "{path}: {heard}");
        assert!(heard.ends_with("\r\n\r\nhello\n"), "{path}: {heard}");
    }
}

#[test]
fn a_handler_that_reads_a_long_body_keeps_its_connection() {
    let site = site(Handlers::new(|| Early));
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(&head("POST", "/all", &format!("Content-Length: {LONG}"))).say(&vec![b'x'; LONG as usize]);
    let heard = dialogue.heard();
    assert!(heard.ends_with("\r\n\r\n300000") && !heard.contains("Connection"), "{heard}");
    assert!(dialogue.say(&head("GET", "/", "")).heard().ends_with("hello\n"));
}
