//! The registrar for this module's tests. It has its own poll and clock, and counts wake-ups.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mio::event::Source;
use mio::{Interest, Poll, Token};

use crate::service::{Registrar, Waker};

pub(super) struct TestRegistrar {
    pub(super) now: Instant,
    poll: Poll,
    wakes: Arc<AtomicUsize>,
}

impl TestRegistrar {
    pub(super) fn new() -> TestRegistrar {
        TestRegistrar { now: Instant::now(), poll: Poll::new().unwrap(), wakes: Arc::default() }
    }

    /// The number of wake-ups so far.
    pub(super) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

impl Registrar for TestRegistrar {
    fn register(&mut self, source: &mut dyn Source, slot: u8, interest: Interest) -> io::Result<()> {
        source.register(self.poll.registry(), Token(slot.into()), interest)
    }

    fn wake(&self) -> Waker {
        let wakes = Arc::clone(&self.wakes);
        Waker::new(move || _ = wakes.fetch_add(1, Ordering::Relaxed))
    }

    fn now(&self) -> Instant {
        self.now
    }
}
