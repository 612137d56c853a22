//! The selector and the clock of the loop, which are those of the operating system or those of a simulation.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use crate::observer::{Awakening, WokenBy};
use crate::session::Ready;

/// The maximum number of events that one poll returns. Any further events are returned in the next turn.
const EVENTS: usize = 1024;

/// The loop's source of events and time. The loop has no other input, so a test that implements this trait controls it
/// completely.
///
/// Readiness is edge-triggered: a source is reported once, and again only after its readiness has changed. A report may
/// be spurious, late or repeated, and may concern a source that no longer exists.
pub trait Selector {
    /// The type of the events returned by one poll.
    type Events;

    /// Creates an empty set of events, which is reused for every poll.
    fn events(&self) -> Self::Events;

    /// The registry with which new sources are registered.
    fn registry(&self) -> &Registry;

    /// Waits for events, for at most `timeout`. May return earlier without an event. The events replace the previous
    /// content of `events`, even if the call fails.
    ///
    /// # Errors
    /// Returns any error from the operating system. The loop ignores `Interrupted`.
    fn select(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()>;

    /// The token of each source that has an event, and its readiness.
    fn happened(events: &Self::Events) -> impl Iterator<Item = (Token, Ready)>;

    /// The current time of the monotonic clock and of the wall clock.
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
        // mio clears the events before it waits.
        self.poll(events, timeout)
    }

    fn happened(events: &Events) -> impl Iterator<Item = (Token, Ready)> {
        events.iter().map(|event| (event.token(), readiness(event)))
    }

    fn clock(&self) -> (Instant, SystemTime) {
        (Instant::now(), SystemTime::now())
    }
}

/// Describes for an observer how a sleep of at most `timeout` ended: the number of events, and the kind of source that
/// woke the loop.
pub(super) fn awakening<S: Selector>(
    events: &S::Events,
    timeout: Option<Duration>,
    slept: &io::Result<()>,
    woken_by: impl Fn(Token) -> WokenBy,
) -> Awakening {
    let count = S::happened(events).count();
    let is_over = slept.is_ok() && timeout.is_some_and(|timeout| !timeout.is_zero());
    let without_event = if is_over { WokenBy::Deadline } else { WokenBy::Nothing };
    let by = S::happened(events).map(|(token, _)| woken_by(token)).min().unwrap_or(without_event);
    Awakening { events: count, by }
}

fn readiness(event: &Event) -> Ready {
    Ready {
        // A closed read side counts as readable, because the read that returns EOF does not block.
        read: event.is_readable() || event.is_read_closed(),
        write: event.is_writable(),
        read_closed: event.is_read_closed(),
        // A FIN from the peer closes only the read side. Both sides are closed after a reset, or after a FIN in each
        // direction.
        broken: event.is_error() || (event.is_write_closed() && event.is_read_closed()),
    }
}
