//! A registrar for sessions that run without a poll, such as those of in-memory connections.

use std::fmt;
use std::io;
use std::time::Instant;

use crate::session::{Registrar, Waker};

/// A registrar without a poll, which fails to register any source. All of its wakers are clones of one waker. The time
/// that it reports is the value of `now`.
pub struct MemoryRegistrar {
    waker: Waker,
    /// The time that the registrar reports as the time of the current turn.
    pub now: Instant,
}

impl MemoryRegistrar {
    /// Creates a registrar that returns clones of `waker` and reports the time `now`.
    pub fn new(waker: Waker, now: Instant) -> MemoryRegistrar {
        MemoryRegistrar { waker, now }
    }

    /// Creates a registrar whose wakers do nothing, for sessions that no other thread wakes.
    pub fn without_wakers(now: Instant) -> MemoryRegistrar {
        MemoryRegistrar::new(Waker::new(|| {}), now)
    }
}

impl fmt::Debug for MemoryRegistrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistrar").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Registrar for MemoryRegistrar {
    fn register(&mut self, _: &mut dyn mio::event::Source, _: u8, _: mio::Interest) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no poll to register with"))
    }

    fn wake(&self) -> Waker {
        self.waker.clone()
    }

    fn now(&self) -> Instant {
        self.now
    }
}
