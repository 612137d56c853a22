use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::listen::unmapped;
use crate::session::Session;

/// How many newcomers are let in at a door in one turn, so that a flood of them does not keep the others waiting.
pub(super) const BATCH: usize = 64;

/// How long a door rests when the system has no room for another connection (`EMFILE` and its like).
const REST: Duration = Duration::from_millis(100);

/// A way in, and what becomes of those who come by it.
pub trait Entrance<'s> {
    /// Has the poll tell when somebody comes.
    ///
    /// # Errors
    /// Those of the operating system's selector.
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()>;

    /// Undoes [`Entrance::register`].
    fn deregister(&mut self, registry: &Registry);

    /// Lets one newcomer in, or refuses it (`None`): it is then gone without a byte.
    ///
    /// # Errors
    /// `WouldBlock` if nobody is there; otherwise those of the operating system.
    fn admit(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>>;

    /// Whether somebody is there, where that can be told without letting them in. Only asked when there is no room.
    fn has_visitor(&self) -> bool {
        true
    }

    /// The run begins to end, and nobody else will be let in.
    fn shut(&mut self) {}
}

/// An entrance, and what the loop knows of it.
pub struct Door<'s> {
    entrance: Box<dyn Entrance<'s> + 's>,
    /// Somebody may be waiting outside.
    busy: bool,
    rests_until: Option<Instant>,
}

/// A listener as an entrance.
struct Listener<'s> {
    /// `None` once it was given up.
    listener: &'s mut Option<TcpListener>,
    admit: Admit<'s>,
    /// Whether the listener is closed, and not only left alone, when the run begins to end.
    released: bool,
}

/// Makes a session of a newcomer, or refuses it.
pub type Admit<'s> = Box<dyn FnMut(TcpStream, SocketAddr, Instant) -> Option<Box<dyn Session + 's>> + 's>;

impl<'s> Entrance<'s> for Listener<'s> {
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
    fn has_visitor(&self) -> bool {
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

impl<'s> Door<'s> {
    /// A door that is not open yet.
    pub fn new(entrance: impl Entrance<'s> + 's) -> Door<'s> {
        Door { entrance: Box::new(entrance), busy: true, rests_until: None }
    }

    /// A door for a listener. If it is to be `released`, its listener is closed as soon as the run begins to end, so
    /// that newcomers go to whoever listens on the same port instead; otherwise they wait for the next run.
    pub fn listener(listener: &'s mut Option<TcpListener>, admit: Admit<'s>, released: bool) -> Door<'s> {
        Door::new(Listener { listener, admit, released })
    }

    pub(super) fn open(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.entrance.register(registry, token)
    }

    pub(super) fn close(&mut self, registry: &Registry) {
        self.entrance.deregister(registry);
    }

    /// Lets nobody in any more.
    pub(super) fn shut(&mut self) {
        self.busy = false;
        self.entrance.shut();
    }

    /// Whether the system ran out of room for newcomers in this turn.
    pub(super) fn has_just_begun_to_rest(&self, now: Instant) -> bool {
        self.rests_until == now.checked_add(REST)
    }

    /// Somebody has come.
    pub(super) fn knock(&mut self) {
        self.busy = true;
    }

    /// Whether somebody may be waiting outside who could be let in now.
    pub(super) fn is_busy(&self) -> bool {
        self.busy && self.rests_until.is_none()
    }

    /// Whether somebody is waiting outside for whom there is no room. If nobody is, whoever comes will be told of.
    pub(super) fn keeps_waiting(&mut self, now: Instant) -> bool {
        self.end_rest(now);
        if self.is_busy() {
            self.busy = self.entrance.has_visitor();
        }
        self.is_busy()
    }

    /// Until when nobody is let in.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Lets one newcomer in.
    pub(super) fn accept(&mut self, now: Instant) -> Accepted<'s> {
        self.end_rest(now);
        while self.is_busy() {
            match self.entrance.admit(now) {
                Ok(session) => return session.map_or(Accepted::Refused, Accepted::Session),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.busy = false,
                Err(error) if is_exhausted(&error) => self.rests_until = Some(now + REST),
                // Whoever it was has gone again.
                Err(_) => {}
            }
        }
        Accepted::Nobody
    }

    fn end_rest(&mut self, now: Instant) {
        self.rests_until = self.rests_until.filter(|end| *end > now);
    }
}

/// Whether the system lacks descriptors or memory, so that trying again at once would be in vain.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}
