//! A connection without a socket: what the client sent, what the server sent, and how ready either side is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serve_forever::transport::{NoSource, Transport};

/// Both ends of a connection in memory. The session under test owns it; a test plays the client by its fields.
#[derive(Debug)]
pub struct Pipe {
    /// What the client sent and the server did not read yet.
    pub incoming: Vec<u8>,
    /// The client will send no more.
    pub at_end: bool,
    /// What the server sent.
    pub sent: Vec<u8>,
    /// How many calls that was, files aside.
    pub writes: usize,
    /// The server said that it will send no more.
    pub ended: bool,
    /// How many bytes the server may still send before it has to wait.
    pub room: usize,
    /// What does not fill a packet is held back until the server says otherwise.
    pub corked: bool,
    /// The last of what the server sent is held back for what it said would follow.
    pub held: bool,
    /// The connection is broken.
    pub reset: bool,
    /// This transport cannot send files.
    pub no_sendfile: bool,
    /// What [`Transport::short_read_is_all`] says.
    pub short_read_is_all: bool,
    pub source: NoSource,
}

impl Default for Pipe {
    fn default() -> Self {
        Pipe {
            incoming: Vec::new(),
            at_end: false,
            sent: Vec::new(),
            writes: 0,
            ended: false,
            room: usize::MAX,
            corked: false,
            held: false,
            reset: false,
            no_sendfile: false,
            short_read_is_all: false,
            source: NoSource,
        }
    }
}

impl Pipe {
    fn check(&self) -> io::Result<()> {
        if self.reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Takes as much as there is room for.
    fn take(&mut self, part: &[u8]) -> usize {
        let count = part.len().min(self.room);
        self.sent.extend_from_slice(&part[..count]);
        self.room -= if self.room == usize::MAX { 0 } else { count };
        count
    }
}

impl Transport for Pipe {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        match (self.incoming.is_empty(), self.at_end) {
            (true, true) => Ok(0),
            (true, false) => Err(io::ErrorKind::WouldBlock.into()),
            _ => {
                let count = buf.len().min(self.incoming.len());
                buf[..count].copy_from_slice(&self.incoming[..count]);
                self.incoming.drain(..count);
                Ok(count)
            }
        }
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        self.check()?;
        assert!(!self.ended, "bytes behind the end");
        assert!(!(first.is_empty() && second.is_empty()), "an empty write says nothing");
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writes += 1;
        self.held = more || self.corked;
        Ok(self.take(first) + self.take(second))
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        self.check()?;
        if self.no_sendfile {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut part = vec![0; self.room.min(length as usize)];
        let count = file.read_at(&mut part, offset)?;
        self.held = self.corked;
        Ok(self.take(&part[..count]) as u64)
    }

    fn cork(&mut self, on: bool) {
        self.corked = on;
        self.held &= on;
    }

    fn end(&mut self) -> io::Result<()> {
        self.check()?;
        self.ended = true;
        self.held = false;
        Ok(())
    }

    fn short_read_is_all(&self) -> bool {
        self.short_read_is_all
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.source
    }
}
