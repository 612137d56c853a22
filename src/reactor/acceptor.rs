use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::listen::unmapped;
use crate::session::Session;

/// How many newcomers are let in at an acceptor in one turn, so that a flood of them does not keep the others waiting.
pub(super) const ACCEPT_BATCH: usize = 64;

/// How long an acceptor rests when the system has no room for another connection (`EMFILE` and its like).
const BACK_OFF: Duration = Duration::from_millis(100);

/// A way in, and what becomes of those who come by it.
pub trait Accept<'s> {
    /// Has the poll tell when somebody comes.
    ///
    /// # Errors
    /// Those of the operating system's selector.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// Undoes [`Accept::register`].
    fn deregister(&mut self, registry: &Registry);

    /// Lets one newcomer in, or refuses it (`None`): it is then gone without a byte.
    ///
    /// # Errors
    /// `WouldBlock` if nobody is there; otherwise those of the operating system.
    fn admit(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>>;

    /// Whether somebody is there, where that can be told without letting them in. Only asked when there is no room.
    fn has_pending(&self) -> bool {
        true
    }

    /// The run begins to end, and nobody else will be let in.
    fn shut(&mut self) {}
}

/// A source, and what the loop knows of it.
pub struct Acceptor<'s> {
    source: Box<dyn Accept<'s> + 's>,
    /// Somebody may be waiting outside.
    busy: bool,
    retry_at: Option<Instant>,
}

/// A listener as a source.
struct Listener<'s> {
    /// `None` once it was given up.
    listener: &'s mut Option<TcpListener>,
    admit: MakeSession<'s>,
    /// Whether the listener is closed, and not only left alone, when the run begins to end.
    released: bool,
}

/// Makes a session of a newcomer, or refuses it.
pub type MakeSession<'s> = Box<dyn FnMut(TcpStream, SocketAddr, Instant) -> Option<Box<dyn Session + 's>> + 's>;

impl<'s> Accept<'s> for Listener<'s> {
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

    fn admit(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let listener = self.listener.as_ref().ok_or(io::ErrorKind::WouldBlock)?;
        let (stream, peer) = listener.accept()?;
        Ok((self.admit)(stream, unmapped(peer), now))
    }

    #[cfg(unix)]
    fn has_pending(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(listener) = self.listener.as_ref() else { return false };
        poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&Timespec::default())) != Ok(0)
    }

    fn shut(&mut self) {
        if self.released {
            *self.listener = None;
        }
    }
}

/// What came of looking outside.
pub(super) enum Accepted<'s> {
    /// Nobody is there, or nobody can be let in now.
    Nobody,
    /// Somebody was sent away.
    Refused,
    /// Somebody is in.
    Session(Box<dyn Session + 's>),
}

impl<'s> Acceptor<'s> {
    /// An acceptor that is not open yet.
    pub fn new(source: impl Accept<'s> + 's) -> Acceptor<'s> {
        Acceptor { source: Box::new(source), busy: true, retry_at: None }
    }

    /// An acceptor for a listener. If it is to be `released`, its listener is closed as soon as the run begins to end, so
    /// that newcomers go to whoever listens on the same port instead; otherwise they wait for the next run.
    pub fn listener(listener: &'s mut Option<TcpListener>, admit: MakeSession<'s>, released: bool) -> Acceptor<'s> {
        Acceptor::new(Listener { listener, admit, released })
    }

    pub(super) fn open(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source.register(registry, token)
    }

    pub(super) fn close(&mut self, registry: &Registry) {
        self.source.deregister(registry);
    }

    /// Lets nobody in any more.
    pub(super) fn shut(&mut self) {
        self.busy = false;
        self.source.shut();
    }

    /// Whether the system ran out of room for newcomers in this turn.
    pub(super) fn has_begun_to_back_off(&self, now: Instant) -> bool {
        self.retry_at == now.checked_add(BACK_OFF)
    }

    /// Somebody has come.
    pub(super) fn mark_ready(&mut self) {
        self.busy = true;
    }

    /// Whether somebody may be waiting outside who could be let in now.
    pub(super) fn is_ready(&self) -> bool {
        self.busy && self.retry_at.is_none()
    }

    /// Whether somebody is waiting outside for whom there is no room. If nobody is, whoever comes will be told of.
    pub(super) fn has_pending(&mut self, now: Instant) -> bool {
        self.end_back_off(now);
        if self.is_ready() {
            self.busy = self.source.has_pending();
        }
        self.is_ready()
    }

    /// Until when nobody is let in.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Lets one newcomer in.
    pub(super) fn accept(&mut self, now: Instant) -> Accepted<'s> {
        self.end_back_off(now);
        while self.is_ready() {
            match self.source.admit(now) {
                Ok(session) => return session.map_or(Accepted::Refused, Accepted::Session),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.busy = false,
                Err(error) if is_exhausted(&error) => self.retry_at = Some(now + BACK_OFF),
                // Whoever it was has gone again.
                Err(_) => {}
            }
        }
        Accepted::Nobody
    }

    fn end_back_off(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|end| *end > now);
    }
}

/// Whether the system lacks descriptors or memory, so that trying again at once would be in vain.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}
