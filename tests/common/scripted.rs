//! A server that follows a script, for tests of clients. Every byte in either direction is known in advance.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// One connection of a scripted server, and its received bytes that the script has not read.
pub struct Peer {
    pub stream: TcpStream,
    pub seen: Vec<u8>,
}

pub type Script = Box<dyn FnOnce(&mut Peer) + Send>;

/// A server that runs one script for each connection, in their order, and then accepts no more.
pub struct Scripted {
    pub address: SocketAddr,
    thread: JoinHandle<()>,
}

/// Longer than any wait of a test that succeeds.
pub const LONG: Duration = Duration::from_secs(20);

impl Scripted {
    pub fn new(scripts: Vec<Script>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(LONG)).unwrap();
                script(&mut Peer { stream, seen: Vec::new() });
            }
        });
        Scripted { address, thread }
    }

    /// Waits until all scripts have run.
    pub fn finish(self) {
        self.thread.join().unwrap();
    }
}

impl Peer {
    /// Everything up to and with `end`.
    pub fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|part| part == end.as_bytes()) {
                let rest = self.seen.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            let mut piece = [0; 4096];
            let count = self.stream.read(&mut piece).unwrap();
            assert!(count > 0, "the end before {end:?}: {}", self.seen.escape_ascii());
            self.seen.extend_from_slice(&piece[..count]);
        }
    }

    pub fn head(&mut self) -> String {
        self.until("\r\n\r\n")
    }

    pub fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.seen);
        // A client that closes with unread input resets the connection.
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        rest
    }
}

pub fn script(run: impl FnOnce(&mut Peer) + Send + 'static) -> Script {
    Box::new(run)
}

/// A script that sends the next of these responses to each request, and then waits for the end.
pub fn replies(responses: &'static [&'static str]) -> Script {
    script(move |peer| {
        for response in responses {
            peer.head();
            peer.say(response);
        }
        assert_eq!(peer.rest(), b"");
    })
}
