//! Acceptors, which are the sources of new sessions. An acceptor is in one of three states: ready, empty, or backing
//! off.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::listen::unmapped;
use crate::session::Session;

/// The maximum number of connections that are accepted from one acceptor in one turn.
pub(super) const ACCEPT_BATCH: usize = 64;

/// The time for which an acceptor backs off after an error that concerns more than one connection, such as a lack of
/// descriptors (`EMFILE`).
pub(super) const BACK_OFF: Duration = Duration::from_millis(100);

/// A source of new sessions: a listener, or a socket that receives one datagram per session.
pub trait Accept<'s> {
    /// Registers the source with the poll, so that a pending connection is reported as readiness.
    ///
    /// # Errors
    /// Returns any error from the operating system's selector.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// Deregisters the source from the poll at the end of a run, so that the next run can register it again.
    fn deregister(&mut self, registry: &Registry);

    /// Accepts one connection and creates its session. `None` means that the connection was refused, and closed before
    /// any byte was sent.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no connection is pending, and otherwise any error from the operating system.
    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>>;

    /// True if a connection is pending, as far as the source can tell without accepting it. Called only when the table
    /// of sessions is full.
    fn has_pending(&self) -> bool {
        true
    }

    /// Called once when the run begins to drain. After that, [`accept`](Accept::accept) is not called again.
    fn close(&mut self) {}
}

/// A source of sessions and the state that the loop keeps for it.
pub struct Acceptor<'s> {
    source: Box<dyn Accept<'s> + 's>,
    /// True if a connection may be pending. An event sets this flag, and `WouldBlock` clears it.
    ready: bool,
    /// The end of the current back-off, before which no connection is accepted. `None` if the acceptor is not backing
    /// off.
    retry_at: Option<Instant>,
}

/// Accepts the connections of a TCP listener and creates their sessions.
struct TcpAccept<'s> {
    /// The listener. `None` once it has been closed.
    listener: &'s mut Option<TcpListener>,
    make_session: MakeSession<'s>,
    closes_on_drain: bool,
}

/// A function that creates the session for an accepted connection, given the client's address and the time, or returns
/// `None` to refuse the connection.
pub type MakeSession<'s> = Box<dyn FnMut(TcpStream, SocketAddr, Instant) -> Option<Box<dyn Session + 's>> + 's>;

impl<'s> Accept<'s> for TcpAccept<'s> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.listener {
            Some(listener) => registry.register(listener, token, Interest::READABLE),
            None => Ok(()),
        }
    }

    fn deregister(&mut self, registry: &Registry) {
        if let Some(listener) = self.listener {
            _ = registry.deregister(listener);
        }
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let listener = self.listener.as_ref().ok_or(io::ErrorKind::WouldBlock)?;
        let (stream, peer) = listener.accept()?;
        Ok((self.make_session)(stream, unmapped(peer), now))
    }

    #[cfg(unix)]
    fn has_pending(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(listener) = self.listener.as_ref() else { return false };
        // If the system call fails, a connection is assumed to be pending, so that none is missed. `accept` will report
        // the error.
        poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
    }

    fn close(&mut self) {
        if self.closes_on_drain {
            *self.listener = None;
        }
    }
}

/// The result of [`Acceptor::accept`].
pub(super) enum Accepted<'s> {
    /// No connection is pending, or the acceptor is backing off.
    Nothing,
    /// The next attempt would probably fail, too, so the acceptor begins to back off.
    Failed(io::Error),
    /// A connection was refused.
    Refused,
    /// A connection was accepted.
    Session(Box<dyn Session + 's>),
}

impl<'s> Acceptor<'s> {
    /// Creates an acceptor for a source that is not registered yet.
    pub fn new(source: impl Accept<'s> + 's) -> Acceptor<'s> {
        // The acceptor starts as ready, because connections may already have been pending when the listener was
        // registered.
        Acceptor { source: Box::new(source), ready: true, retry_at: None }
    }

    /// Creates an acceptor for a TCP listener. If `closes_on_drain` is true, the listener is closed when the run begins
    /// to drain, so that new connections go to another process that listens on the same port. Otherwise new connections
    /// stay in the backlog until the next run.
    pub fn listener(
        listener: &'s mut Option<TcpListener>,
        make_session: MakeSession<'s>,
        closes_on_drain: bool,
    ) -> Acceptor<'s> {
        Acceptor::new(TcpAccept { listener, make_session, closes_on_drain })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source.register(registry, token)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        self.source.deregister(registry);
    }

    /// Records that a connection may be pending.
    pub(super) fn mark_ready(&mut self) {
        self.ready = true;
    }

    /// True if a connection may be pending and the acceptor is not backing off.
    pub(super) fn is_ready(&self) -> bool {
        self.ready && self.retry_at.is_none()
    }

    /// True if a connection is pending and could be accepted now. If this is false and the acceptor is not backing off,
    /// the next connection causes an event.
    pub(super) fn has_pending(&mut self, now: Instant) -> bool {
        self.end_back_off(now);
        if self.is_ready() {
            // The result is stored in `ready`. If no connection is pending, this saves a system call per turn until the
            // next event.
            self.ready = self.source.has_pending();
        }
        self.is_ready()
    }

    /// The time at which the back-off ends. `None` if the acceptor is not backing off.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Accepts or refuses one pending connection, and updates the state of the acceptor.
    pub(super) fn accept(&mut self, now: Instant) -> Accepted<'s> {
        self.end_back_off(now);
        while self.is_ready() {
            match self.source.accept(now) {
                Ok(session) => return session.map_or(Accepted::Refused, Accepted::Session),
                // `ready` stays set until the queue is empty. The poll is edge-triggered, so a listener that still has
                // pending connections causes no event until another connection arrives.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                // The next connection is tried.
                Err(error) if concerns_one_connection(&error) => {}
                // The connection stays pending, or the listener itself is broken, for example because another process
                // that shares it has shut it down. The loop would spin if the acceptor tried again immediately.
                Err(error) => {
                    self.retry_at = Some(now + BACK_OFF);
                    return Accepted::Failed(error);
                }
            }
        }
        Accepted::Nothing
    }

    /// Stops accepting for the rest of the run.
    pub(super) fn close(&mut self) {
        self.ready = false;
        self.source.close();
    }

    fn end_back_off(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|end| *end > now);
    }
}

/// True for errors of a connection that ended while it was pending, and for network errors of the pending connection,
/// which Linux reports as errors of `accept`.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    use rustix::io::Errno;
    let of_network = [Errno::PROTO, Errno::NOPROTOOPT, Errno::HOSTDOWN, Errno::OPNOTSUPP];
    matches!(
        error.kind(),
        Interrupted
            | ConnectionAborted
            | ConnectionReset
            | ConnectionRefused
            | NetworkDown
            | NetworkUnreachable
            | HostUnreachable
            | TimedOut
    ) || is_any(error, &of_network)
}

/// True for errors that report a lack of descriptors or memory.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    is_any(error, &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM])
}

fn is_any(error: &io::Error, errors: &[rustix::io::Errno]) -> bool {
    error.raw_os_error().is_some_and(|code| errors.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    /// A listener on loopback.
    fn listener() -> Option<TcpListener> {
        Some(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap())
    }

    #[test]
    fn a_listener_has_a_pending_connection_until_it_is_accepted() {
        let (mut listener, now) = (listener(), Instant::now());
        let address = listener.as_ref().unwrap().local_addr().unwrap();
        let mut acceptor = Acceptor::listener(&mut listener, Box::new(|_, _, _| None), false);
        let mut poll = Poll::new().unwrap();
        acceptor.register(poll.registry(), Token(7)).unwrap();
        assert!(!acceptor.has_pending(now));
        let _client = std::net::TcpStream::connect(address).unwrap();
        let mut events = Events::with_capacity(8);
        while events.is_empty() {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        }
        assert!(events.iter().all(|event| event.token() == Token(7)));
        acceptor.mark_ready();
        assert!(acceptor.has_pending(now));
        assert!(matches!(acceptor.accept(now), Accepted::Refused));
        assert!(!acceptor.has_pending(now) && matches!(acceptor.accept(now), Accepted::Nothing));
        acceptor.deregister(poll.registry());
        acceptor.register(poll.registry(), Token(8)).unwrap();
    }

    #[test]
    fn a_drain_closes_a_listener_only_if_it_is_told_to() {
        for closes_on_drain in [false, true] {
            let mut listener = listener();
            let mut acceptor = Acceptor::listener(&mut listener, Box::new(|_, _, _| None), closes_on_drain);
            assert!(acceptor.is_ready());
            acceptor.close();
            assert!(!acceptor.is_ready());
            drop(acceptor);
            assert_eq!(listener.is_none(), closes_on_drain);
        }
    }

    /// An attempt at accepting that fails with each of these errors in turn, and then finds no pending connection.
    struct Failing(Vec<io::Error>);

    impl<'s> Accept<'s> for Failing {
        fn register(&mut self, _: &Registry, _: Token) -> io::Result<()> {
            Ok(())
        }

        fn deregister(&mut self, _: &Registry) {}

        fn accept(&mut self, _: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
            Err(self.0.pop().unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
        }
    }

    #[test]
    fn an_error_of_the_listener_makes_the_acceptor_back_off_and_one_of_a_connection_does_not() {
        use rustix::io::Errno;
        let now = Instant::now();
        for broken in [Errno::INVAL, Errno::PERM, Errno::MFILE] {
            let aborted = [Errno::CONNABORTED, Errno::PROTO, Errno::NETDOWN].map(io::Error::from);
            let mut acceptor = Acceptor::new(Failing([io::Error::from(broken)].into_iter().chain(aborted).collect()));
            assert!(
                matches!(acceptor.accept(now), Accepted::Failed(error) if error.raw_os_error() == Some(broken.raw_os_error()))
            );
            assert_eq!(acceptor.retry_at(), Some(now + BACK_OFF));
            assert!(matches!(acceptor.accept(now), Accepted::Nothing) && !acceptor.is_ready());
            assert!(matches!(acceptor.accept(now + BACK_OFF), Accepted::Nothing), "the queue is empty now");
            assert_eq!(acceptor.retry_at(), None);
        }
    }

    #[test]
    fn only_a_lack_of_descriptors_or_memory_is_exhaustion() {
        use rustix::io::Errno;
        for (error, expected) in [
            (Errno::MFILE.into(), true),
            (Errno::NOMEM.into(), true),
            (Errno::CONNABORTED.into(), false),
            (io::ErrorKind::OutOfMemory.into(), false),
        ] {
            assert_eq!(is_exhausted(&error), expected, "{error}");
        }
    }
}
