//! An in-memory connection for tests. Wrappers around it can add faults and delays.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::{NoSource, Transport};

/// An in-memory connection. The session owns it, and a test acts as the client by reading and setting its fields.
#[derive(Debug)]
pub struct Memory {
    /// Bytes that the client has sent and the server has not read.
    pub incoming: Vec<u8>,
    /// True if the client has closed its sending side.
    pub at_end: bool,
    /// The bytes that the server has sent.
    pub sent: Vec<u8>,
    /// The number of writes. Calls to `send_file` are not counted.
    pub writes: usize,
    /// True if the server has shut down its sending side.
    pub ended: bool,
    /// The number of bytes that the server may send before a write returns `WouldBlock`. `usize::MAX` means no limit.
    pub room: usize,
    /// True between `cork(true)` and `cork(false)`.
    pub corked: bool,
    /// True if the kernel could still hold back the last bytes on a real socket, as it does with `MSG_MORE` or a cork.
    pub held: bool,
    /// True if the connection is broken, so that every call returns `ConnectionReset`.
    pub reset: bool,
    /// True if `send_file` must return `Unsupported`.
    pub no_sendfile: bool,
    /// The value that [`Transport::short_read_is_all`] must return.
    pub short_read_is_all: bool,
    /// The event source. It never has an event.
    pub source: NoSource,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
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

impl Memory {
    /// Allows the server to send `bytes` more bytes. If there was no limit before, `bytes` becomes the limit.
    pub fn open_window(&mut self, bytes: usize) {
        // `usize::MAX` means that no limit has been set yet. The first call therefore sets the limit instead of adding
        // to it.
        self.room = if self.room == usize::MAX { bytes } else { self.room.saturating_add(bytes) };
    }

    fn check(&self) -> io::Result<()> {
        if self.reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Accepts as many bytes of `part` as `room` allows. Returns the number of bytes accepted.
    fn accept(&mut self, part: &[u8]) -> usize {
        let count = part.len().min(self.room);
        self.sent.extend_from_slice(&part[..count]);
        self.room -= if self.room == usize::MAX { 0 } else { count };
        count
    }
}

impl Transport for Memory {
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
        // A session that violates one of these assertions would lose bytes or spin on a real socket.
        assert!(!self.ended, "bytes were sent after the end");
        assert!(!(first.is_empty() && second.is_empty()), "an empty write");
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writes += 1;
        // On a real socket, the kernel could hold back these bytes until more bytes are sent or the cork is removed.
        self.held = more || self.corked;
        Ok(self.accept(first) + self.accept(second))
    }

    fn send_file(&mut self, mut file: &File, offset: u64, length: u64) -> io::Result<u64> {
        self.check()?;
        if self.no_sendfile {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut part = vec![0; self.room.min(length as usize)];
        file.seek(SeekFrom::Start(offset))?;
        let count = file.read(&mut part)?;
        self.held = self.corked;
        Ok(self.accept(&part[..count]) as u64)
    }

    fn cork(&mut self, on: bool) {
        self.corked = on;
        // Removing a cork sends the bytes that were held back. Setting one does not affect bytes that were sent
        // earlier.
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

    /// Returns a source without events. After adding bytes, the test itself must run the session.
    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.source
    }
}
