//! Creates the sessions for accepted connections. This module decides which connections are refused, and chooses the
//! type of each session.

use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::rc::Rc;
#[cfg(any(feature = "harness", feature = "tls"))]
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
#[cfg(feature = "tls")]
use rustls::ServerConfig;

use super::watch::Watch;
use crate::connection::{HttpSession, ServerState};
use crate::observer::{ConnectionObserver, Unobserved};
use crate::session::Session;
#[cfg(feature = "harness")]
use crate::statistics::{ConnectionMeter, Statistics};
#[cfg(feature = "tls")]
use crate::transport::tls::{ServerSide, TlsScratch, TlsStream};
use crate::transport::{Narrow, Pace, Paced, Transport};

/// The settings with which the sessions of a run are created.
#[derive(Clone)]
pub(super) struct HttpSessions<'s> {
    state: &'s ServerState,
    verify: Option<&'s (dyn Fn(SocketAddr) -> bool + Send)>,
    pace: Option<Pace>,
    watch: Watch<'s>,
    /// True if sessions close after their first response.
    once: bool,
    /// The counters that connections update. `None` if the server has no counters.
    #[cfg(feature = "harness")]
    statistics: Option<&'s Arc<Statistics>>,
    /// The buffers that all TLS connections share for reading and writing.
    #[cfg(feature = "tls")]
    scratch: Rc<TlsScratch>,
}

impl<'s> HttpSessions<'s> {
    pub(super) fn new(
        state: &'s ServerState,
        verify: Option<&'s (dyn Fn(SocketAddr) -> bool + Send)>,
        pace: Option<Pace>,
        watch: Watch<'s>,
        once: bool,
    ) -> HttpSessions<'s> {
        HttpSessions {
            state,
            verify,
            pace,
            watch,
            once,
            #[cfg(feature = "harness")]
            statistics: None,
            #[cfg(feature = "tls")]
            scratch: Rc::default(),
        }
    }

    /// Sets the counters that the connections update.
    #[cfg(feature = "harness")]
    pub(super) fn counted_by(self, statistics: Option<&'s Arc<Statistics>>) -> HttpSessions<'s> {
        HttpSessions { statistics, ..self }
    }

    /// Creates the session for a connection that was accepted at `now`. Returns `None` if the connection is refused.
    pub(super) fn make(&self, stream: TcpStream, peer: SocketAddr, now: Instant) -> Option<Box<dyn Session + 's>> {
        if !self.verify.is_none_or(|verify| verify(peer)) {
            return None;
        }
        if self.watch.is_on() {
            return self.make_recorded(stream, peer, now);
        }
        #[cfg(feature = "harness")]
        if let Some(statistics) = self.statistics {
            return self.make_observed(stream, peer, now, ConnectionMeter::new(Arc::clone(statistics)));
        }
        self.make_observed(stream, peer, now, Unobserved)
    }

    fn make_observed<O: ConnectionObserver + 's>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        now: Instant,
        observer: O,
    ) -> Option<Box<dyn Session + 's>> {
        if let Some(pace) = self.pace {
            return self.make_paced(stream, pace, peer, now, observer);
        }
        // The type of the transport is known at compile time here, so the session needs no dynamic dispatch.
        #[cfg(feature = "tls")]
        if let Some(config) = self.state.tls() {
            return self.admit(self.accept_tls(stream, config)?, peer, now, observer);
        }
        self.admit(stream, peer, now, observer)
    }

    fn admit<T: Transport + 's, O: ConnectionObserver + 's>(
        &self,
        transport: T,
        peer: SocketAddr,
        now: Instant,
        observer: O,
    ) -> Option<Box<dyn Session + 's>> {
        Some(Box::new(HttpSession::admit(self.state, transport, peer, now, observer)?.once(self.once)))
    }

    /// Creates the server side of a TLS connection. Returns `None` if the configuration is invalid, so that no client
    /// can be served.
    #[cfg(feature = "tls")]
    fn accept_tls<T: Transport>(&self, socket: T, config: Arc<ServerConfig>) -> Option<TlsStream<T, ServerSide>> {
        TlsStream::accept(socket, config, Rc::clone(&self.scratch)).ok()
    }

    /// Creates a session that is recorded. Its transport is boxed, because the speed of a recorded session does not
    /// matter.
    #[cold]
    fn make_recorded(&self, stream: TcpStream, peer: SocketAddr, now: Instant) -> Option<Box<dyn Session + 's>> {
        let limit = Some(self.state.limits().head_timeout).filter(|limit| !limit.is_zero());
        let observer = self.watch.observer(peer, now, limit);
        #[cfg(feature = "harness")]
        let observer = (observer, self.statistics.map(|statistics| ConnectionMeter::new(Arc::clone(statistics))));
        if let Some(pace) = self.pace {
            return self.make_paced(stream, pace, peer, now, observer);
        }
        let session = HttpSession::admit(self.state, self.boxed(stream)?, peer, now, observer)?;
        Some(Box::new(session.once(self.once)))
    }

    #[cold]
    fn make_paced(
        &self,
        stream: TcpStream,
        pace: Pace,
        peer: SocketAddr,
        now: Instant,
        observer: impl ConnectionObserver + 's,
    ) -> Option<Box<dyn Session + 's>> {
        let narrow = Narrow::new(stream, pace);
        let gate = narrow.gate();
        let session = HttpSession::admit(self.state, self.boxed(narrow)?, peer, now, observer)?.once(self.once);
        Some(Box::new(Paced::new(session, gate)))
    }

    /// Creates the transport for a socket, with TLS if the server is configured for it.
    fn boxed(&self, socket: impl Transport + 'static) -> Option<Box<dyn Transport>> {
        #[cfg(feature = "tls")]
        if let Some(config) = self.state.tls() {
            return Some(Box::new(self.accept_tls(socket, config)?));
        }
        Some(Box::new(socket))
    }
}
