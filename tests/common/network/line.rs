//! One connection in memory, and the server's end of it as a transport.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::rc::Rc;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use serve_forever::session::Ready;
use serve_forever::transport::{Memory, Transport};

use super::super::seeds::Random;
use super::{Event, NOT_READY};

/// One connection: the bytes in flight in both directions, and the readiness that the selector must report.
pub struct Line {
    pub memory: Memory,
    /// The token of the session's socket, once it is registered.
    pub token: Option<Token>,
    /// True if the readiness has changed since it was last reported.
    pub has_changed: bool,
    /// True if the client has reset the connection.
    pub is_reset: bool,
    /// True if the server has accepted the connection and made a session for it.
    pub is_accepted: bool,
    /// True if the server has dropped its end.
    pub is_dropped: bool,
    /// True if the server expects TLS.
    pub is_secure: bool,
    pub weather: Weather,
}

pub type SharedLine = Rc<RefCell<Line>>;

/// The disturbance of the calls of a server: one in `roughness` is refused, interrupted or shortened; 0 for none.
pub struct Weather {
    pub random: Random,
    pub roughness: u64,
}

impl Weather {
    pub fn calm() -> Weather {
        Weather { random: Random::new(0), roughness: 0 }
    }

    pub(super) fn disturbs(&mut self) -> bool {
        self.roughness > 0 && self.random.one_in(self.roughness)
    }

    /// At most `most`, and at least 1.
    pub(super) fn shortened(&mut self, most: usize) -> usize {
        if self.disturbs() { 1 + self.random.below(most.max(1)) } else { most }
    }
}

impl Line {
    pub fn new(memory: Memory, weather: Weather) -> SharedLine {
        Rc::new(RefCell::new(Line {
            memory,
            token: None,
            has_changed: false,
            is_reset: false,
            is_accepted: false,
            is_dropped: false,
            is_secure: false,
            weather,
        }))
    }

    /// The client has sent these bytes.
    pub fn arrive(&mut self, bytes: &[u8]) {
        self.memory.incoming.extend_from_slice(bytes);
        self.has_changed = true;
    }

    /// The client reads at most this number of the bytes that the server has sent, which makes room for more.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.memory.sent.len());
        self.has_changed |= self.memory.room == 0 && count > 0;
        self.memory.room += count;
        self.memory.sent.drain(..count).collect()
    }

    /// Opens the client's window for this number of further bytes. Before the first call, the window is unbounded.
    pub fn open_window(&mut self, bytes: usize) {
        self.memory.open_window(bytes);
        self.has_changed = true;
    }

    /// The client closes its side.
    pub fn end(&mut self) {
        self.memory.at_end = true;
        self.has_changed = true;
    }

    /// The client resets the connection.
    pub fn reset(&mut self) {
        (self.memory.reset, self.is_reset) = (true, true);
        self.has_changed = true;
    }

    /// As edge-triggered epoll does, an event reports all current readiness, once after each change.
    pub fn event(&mut self) -> Option<Event> {
        let token = self.token.filter(|_| !self.is_dropped)?;
        let has_changed = std::mem::take(&mut self.has_changed);
        Some((token, self.readiness())).filter(|(_, ready)| has_changed && *ready != NOT_READY)
    }

    fn readiness(&self) -> Ready {
        let Memory { incoming, at_end, room, ended, .. } = &self.memory;
        Ready {
            read: !incoming.is_empty() || *at_end || self.is_reset,
            write: *room > 0 || self.is_reset,
            read_closed: *at_end || self.is_reset,
            broken: self.is_reset || (*at_end && *ended),
        }
    }

    /// Refuses a call that could succeed. Its readiness is reported again later.
    fn refuse(&mut self) -> io::Result<()> {
        if !self.weather.disturbs() {
            return Ok(());
        }
        if self.weather.random.one_in(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.has_changed = true;
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// The server's end of a connection.
pub struct ServerEnd(SharedLine);

impl ServerEnd {
    pub fn accept(line: SharedLine) -> ServerEnd {
        line.borrow_mut().is_accepted = true;
        ServerEnd(line)
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().is_dropped = true;
    }
}

impl Transport for ServerEnd {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut line = self.0.borrow_mut();
        line.refuse()?;
        let most = if line.memory.short_read_is_all { buf.len() } else { line.weather.shortened(buf.len()) };
        line.memory.recv(&mut buf[..most])
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        let mut line = self.0.borrow_mut();
        line.refuse()?;
        let most = line.weather.shortened(first.len() + second.len());
        let of_first = first.len().min(most);
        let of_second = second.len().min(most - of_first);
        line.memory.send(&first[..of_first], &second[..of_second], more)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        let mut line = self.0.borrow_mut();
        line.refuse()?;
        let most = line.weather.shortened(usize::try_from(length).unwrap());
        line.memory.send_file(file, offset, most as u64)
    }

    fn cork(&mut self, on: bool) {
        self.0.borrow_mut().memory.cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        let mut line = self.0.borrow_mut();
        // Both sides are closed now: epoll reports a hang-up.
        line.has_changed |= line.memory.at_end;
        line.memory.end()
    }

    fn short_read_is_all(&self) -> bool {
        self.0.borrow().memory.short_read_is_all
    }

    fn source(&mut self) -> &mut dyn Source {
        self
    }
}

impl Source for ServerEnd {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        let mut line = self.0.borrow_mut();
        // The registration itself reports the current readiness.
        (line.token, line.has_changed) = (Some(token), true);
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.0.borrow_mut().token = None;
        Ok(())
    }
}
