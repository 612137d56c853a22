//! The sessions of accepted connections: which connections get one, and of which type it is.

use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;

use crate::connection::{HttpSession, ServerState};
use crate::observer::Unobserved;
use crate::session::Session;
use crate::transport::{Narrow, Pace, Paced, Transport};

/// The settings of a run that decide about a session.
#[derive(Clone, Copy)]
pub(super) struct HttpSessions<'s> {
    pub(super) state: &'s ServerState,
    pub(super) verify: Option<&'s (dyn Fn(SocketAddr) -> bool + Send)>,
    pub(super) pace: Option<Pace>,
    /// Sessions close after their first response.
    pub(super) once: bool,
}

impl<'s> HttpSessions<'s> {
    /// Makes the session of a connection that was accepted at the given time, or refuses the connection.
    pub(super) fn make(self, stream: TcpStream, peer: SocketAddr, now: Instant) -> Option<Box<dyn Session + 's>> {
        if !self.verify.is_none_or(|verify| verify(peer)) {
            return None;
        }
        match self.pace {
            // The transport's type is known here, so that the compiler makes a session without any indirection.
            None => Some(Box::new(HttpSession::admit(self.state, stream, peer, now, Unobserved)?.once(self.once))),
            Some(pace) => self.make_paced(stream, pace, peer, now),
        }
    }

    #[cold]
    fn make_paced(
        self,
        stream: TcpStream,
        pace: Pace,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<Box<dyn Session + 's>> {
        let narrow = Narrow::new(stream, pace);
        let gate = narrow.gate();
        let transport: Box<dyn Transport> = Box::new(narrow);
        let session = HttpSession::admit(self.state, transport, peer, now, Unobserved)?.once(self.once);
        Some(Box::new(Paced::new(session, gate)))
    }
}
