//! One connection in memory that a handler has opened: the handler's end as a simulated socket, and the other server's
//! end. The responses of the other server are in `upstream.rs` of a simulation.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use serve_forever::handler::SimulatedSocket;
use serve_forever::session::Ready;

use super::line::Weather;
use super::{Event, NOT_READY};

/// The progress of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Refused,
    Connected,
    /// True if the other server has reset the connection.
    Reset,
}

/// The bytes in flight in both directions, and the readiness that the selector must report.
pub struct OutgoingLine {
    pub address: SocketAddr,
    pub stage: Stage,
    /// Bytes that the handler has sent, and that the other server has not read.
    pub sent: Vec<u8>,
    /// The number of bytes that the handler can send before the other server reads.
    pub room: usize,
    /// Bytes for the handler.
    arrived: Vec<u8>,
    /// True if the other server has closed its side.
    at_end: bool,
    /// True if the handler has closed its end.
    pub is_dropped: bool,
    pub token: Option<Token>,
    /// True if the readiness has changed since it was last reported.
    pub has_changed: bool,
    weather: Weather,
    /// A planted fault: the handler does not see the end before it has sent something.
    pub hides_end: bool,
}

#[derive(Clone)]
pub struct SharedOutgoing(Arc<Mutex<OutgoingLine>>);

impl SharedOutgoing {
    pub fn new(address: SocketAddr, room: usize, weather: Weather) -> SharedOutgoing {
        SharedOutgoing(Arc::new(Mutex::new(OutgoingLine {
            address,
            stage: Stage::Connecting,
            sent: Vec::new(),
            room,
            arrived: Vec::new(),
            at_end: false,
            is_dropped: false,
            token: None,
            has_changed: false,
            weather,
            hides_end: false,
        })))
    }

    pub fn get(&self) -> MutexGuard<'_, OutgoingLine> {
        self.0.lock().unwrap()
    }

    /// The handler's end.
    pub fn socket(&self) -> Box<dyn SimulatedSocket> {
        Box::new(HandlerEnd(self.clone()))
    }
}

impl OutgoingLine {
    /// Accepts, refuses or resets the connection.
    pub fn enter(&mut self, stage: Stage) {
        (self.stage, self.has_changed) = (stage, true);
    }

    /// The other server reads everything that the handler has sent.
    pub fn take(&mut self) -> Vec<u8> {
        let sent = std::mem::take(&mut self.sent);
        self.has_changed |= self.room == 0 && !sent.is_empty();
        self.room += sent.len();
        sent
    }

    /// The other server has sent these bytes.
    pub fn arrive(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
        self.has_changed = true;
    }

    /// The other server closes its side.
    pub fn end(&mut self) {
        (self.at_end, self.has_changed) = (true, true);
    }

    pub fn is_ended(&self) -> bool {
        self.at_end || matches!(self.stage, Stage::Refused | Stage::Reset)
    }

    /// As edge-triggered epoll does, an event reports all current readiness, once after each change.
    pub fn event(&mut self) -> Option<Event> {
        let token = self.token.filter(|_| !self.is_dropped)?;
        let has_changed = std::mem::take(&mut self.has_changed);
        Some((token, self.readiness())).filter(|(_, ready)| has_changed && *ready != NOT_READY)
    }

    fn readiness(&self) -> Ready {
        let is_broken = matches!(self.stage, Stage::Refused | Stage::Reset);
        let is_connected = self.stage == Stage::Connected;
        Ready {
            read: is_broken || is_connected && (!self.arrived.is_empty() || self.at_end),
            write: is_broken || is_connected && self.room > 0,
            read_closed: is_broken || self.at_end,
            broken: is_broken,
        }
    }

    fn check(&mut self) -> io::Result<()> {
        match self.stage {
            Stage::Connecting => Err(io::ErrorKind::NotConnected.into()),
            Stage::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Stage::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Stage::Connected if self.weather.disturbs() => Err(io::ErrorKind::Interrupted.into()),
            Stage::Connected => Ok(()),
        }
    }
}

struct HandlerEnd(SharedOutgoing);

impl fmt::Debug for HandlerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandlerEnd")
    }
}

impl Drop for HandlerEnd {
    fn drop(&mut self) {
        self.0.get().is_dropped = true;
    }
}

impl SimulatedSocket for HandlerEnd {
    fn is_connected(&self) -> io::Result<bool> {
        match self.0.get().stage {
            Stage::Connecting => Ok(false),
            Stage::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Stage::Connected | Stage::Reset => Ok(true),
        }
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn source(&mut self) -> &mut dyn Source {
        self
    }
}

impl Read for HandlerEnd {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut line = self.0.get();
        line.check()?;
        if line.arrived.is_empty() {
            let is_hidden = line.hides_end && line.sent.is_empty();
            return if line.at_end && !is_hidden { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let all = into.len().min(line.arrived.len());
        let count = line.weather.shortened(all);
        // A read that does not fill its buffer promises that an event reports the rest.
        line.has_changed |= count < all;
        into[..count].copy_from_slice(&line.arrived[..count]);
        line.arrived.drain(..count);
        Ok(count)
    }
}

impl Write for HandlerEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = self.0.get();
        line.check()?;
        if line.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = bytes.len().min(line.room);
        let count = line.weather.shortened(most);
        line.sent.extend_from_slice(&bytes[..count]);
        line.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for HandlerEnd {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        let mut line = self.0.get();
        // The registration itself reports the current readiness.
        (line.token, line.has_changed) = (Some(token), true);
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.0.get().token = None;
        Ok(())
    }
}
