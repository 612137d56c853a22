//! What the loop sleeps on: the system's selector and clock, or those of a simulation.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use crate::session::Ready;

/// How many events are taken from the poll at a time.
const EVENTS: usize = 1024;

/// Tells the loop what happened and what time it is; there is nothing else that it hears of the world.
///
/// Readiness is edge-triggered: what was said once is not said again before it has changed. It may be said without
/// need, late, twice, or about a source that is gone.
pub trait Selector {
    /// Holds what happened during one sleep.
    type Events;

    /// Room for the events of a sleep.
    fn events(&self) -> Self::Events;

    /// What sources are registered with.
    fn registry(&self) -> &Registry;

    /// Waits until something happens or the time is over, or for no reason less long. What `events` held is gone, also
    /// when this fails.
    ///
    /// # Errors
    /// Those of the operating system. `Interrupted` is none to the loop.
    fn select(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()>;

    /// The tokens of the sources to which something happened, each with what it is ready for now.
    fn happened(events: &Self::Events) -> impl Iterator<Item = (Token, Ready)>;

    /// The time, and the same as a time of day.
    fn clock(&self) -> (Instant, SystemTime);
}

impl Selector for Poll {
    type Events = Events;

    fn events(&self) -> Events {
        Events::with_capacity(EVENTS)
    }

    fn registry(&self) -> &Registry {
        Poll::registry(self)
    }

    fn select(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        // It empties them before it waits.
        self.poll(events, timeout)
    }

    fn happened(events: &Events) -> impl Iterator<Item = (Token, Ready)> {
        events.iter().map(|event| (event.token(), readiness(event)))
    }

    fn clock(&self) -> (Instant, SystemTime) {
        (Instant::now(), SystemTime::now())
    }
}

fn readiness(event: &Event) -> Ready {
    Ready {
        read: event.is_readable() || event.is_read_closed(),
        write: event.is_writable(),
        read_closed: event.is_read_closed(),
        broken: event.is_error() || (event.is_write_closed() && event.is_read_closed()),
    }
}
