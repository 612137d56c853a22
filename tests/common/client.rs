//! A client on a socket. It waits for the bytes that a test expects, and fails after a time limit.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest time that a client waits. It ends a failing test.
pub const SAFETY: Duration = Duration::from_secs(30);

pub const HELLO: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A connection, and bytes that have been read but not returned yet.
pub struct Client {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        Client::on(TcpStream::connect(address).unwrap())
    }

    pub fn on(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(SAFETY)).unwrap();
        stream.set_write_timeout(Some(SAFETY)).unwrap();
        Client { stream, ahead: Vec::new() }
    }

    pub fn say(&mut self, text: &str) -> &mut Client {
        self.stream.write_all(text.as_bytes()).unwrap();
        self
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.say(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).answer()
    }

    pub fn end(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// The next response with a counted body.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = field(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
        let body = self.exactly(length);
        Answer { head, body }
    }

    /// The next head, with its empty line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().unwrap() > 0, "closed before the end of a head: {:?}", self.ahead);
        }
    }

    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(self.more().unwrap() > 0, "closed after {} of {length} bytes", self.ahead.len());
        }
        self.ahead.drain(..length).collect()
    }

    /// The next line, with its end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.ahead.iter().position(|byte| *byte == b'\n') {
                return String::from_utf8(self.ahead.drain(..=at).collect()).unwrap();
            }
            assert!(self.more().unwrap() > 0, "closed before the end of a line: {:?}", self.ahead);
        }
    }

    /// The next chunk of a body. It is empty for the last chunk.
    pub fn chunk(&mut self) -> String {
        let size = usize::from_str_radix(self.line().trim(), 16).unwrap();
        let mut data = self.exactly(size + 2);
        data.truncate(size);
        String::from_utf8(data).unwrap()
    }

    /// All bytes until the server closes or resets the connection, as text.
    pub fn text(&mut self) -> String {
        while self.more().is_ok_and(|count| count > 0) {}
        String::from_utf8_lossy(&std::mem::take(&mut self.ahead)).into_owned()
    }

    /// Everything until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more().unwrap() > 0 {}
        std::mem::take(&mut self.ahead)
    }

    /// True if the server has closed or reset the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        match self.more() {
            Ok(count) => count == 0 && self.ahead.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Resets the connection.
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut part = vec![0; 64 * 1024];
        let count = loop {
            match self.stream.read(&mut part) {
                // A signal interrupted the call.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.ahead.extend_from_slice(&part[..count]);
        Ok(count)
    }
}

#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (other, value) = line.split_once(": ")?;
        other.eq_ignore_ascii_case(name).then_some(value)
    })
}
