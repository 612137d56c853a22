//! The interface between the loop and the sessions that it runs.
//!
//! The loop tells a [`Session`] that its socket may be ready, what time it is and where to borrow buffers; the session
//! answers when it wants to be run again, or why it is over. Readiness is a hint, and `WouldBlock` is the truth: a session
//! tries first and clears the hint when it is refused.
//!
//! Nothing here knows a protocol, a poll or a table of sessions.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::buffer::Buffer;

/// One client of whatever protocol, as the loop knows it.
pub trait Session {
    /// Does what can be done now without waiting, within the budget of a turn.
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next;

    /// What the loop registers with its poll, once, when the session first has to wait.
    fn source(&mut self) -> &mut dyn mio::event::Source;

    /// Since when the session has had nothing to do, if closing it loses nothing: between two requests, or after the last
    /// response. When the table of sessions is full, the ones that have been idle longest are closed.
    fn idle_since(&self) -> Option<Instant> {
        None
    }

    /// Since when the client has taken nothing of what is sent to it, if that has lasted long enough for the loop to
    /// close the session when room is short.
    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        _ = now;
        None
    }

    /// Called before the loop closes a stalled session to make room, so that its log can say so.
    fn evict(&mut self, clock: TurnClock) {
        _ = clock;
    }
}

/// What a session's socket was last known to be ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// A read may give bytes, or the end.
    pub read: bool,
    /// A write may take bytes.
    pub write: bool,
    /// The peer has said that it will send no more, so an end follows the last byte.
    pub read_closed: bool,
    /// The connection is broken: nothing that is sent will arrive.
    pub broken: bool,
}

impl Ready {
    /// A fresh socket: it costs nothing to try.
    pub const FRESH: Ready = Ready { read: true, write: true, read_closed: false, broken: false };

    /// Adds what a socket is ready for besides what was known.
    pub fn add(&mut self, more: Ready) {
        self.read |= more.read;
        self.write |= more.write;
        self.read_closed |= more.read_closed;
        self.broken |= more.broken;
    }
}

/// What the loop hands to a session for one step.
pub struct StepContext<'t> {
    /// What time it is.
    pub clock: TurnClock,
    /// Memory that a session may use until its step ends.
    pub scratch: &'t mut Scratch,
    /// How an upstream gets woken.
    pub registrar: &'t mut dyn Registrar,
    /// Set by a session that had to keep more memory when all sessions together keep nearly as much as they may.
    pub memory_is_short: bool,
}

/// What the loop does for the descriptors that belong to a session beside its socket: tell it when its descriptors are ready, or another thread is.
pub trait Registrar {
    /// Wakes the connection when the source becomes ready (edge-triggered, as mio has it). `slot` tells a
    /// connection's sources apart and is one of 1 to 7. What is dropped deregisters itself.
    ///
    /// # Errors
    /// Those of the operating system's selector; a slot outside 1 to 7 is `InvalidInput`.
    fn register(&mut self, source: &mut dyn mio::event::Source, slot: u8, interest: mio::Interest) -> io::Result<()>;

    /// Something that any thread can wake this connection with.
    fn wake(&self) -> Waker;

    /// When this turn of the loop began.
    fn now(&self) -> Instant;
}

/// Wakes one connection of a loop from any thread. A wake that comes too late, or without need, does no harm.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A wake that does what the closure does.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker(Arc::new(wake))
    }

    /// Has the connection run in the loop's next turn.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// The time of a turn, read once and handed down.
#[derive(Debug, Clone, Copy)]
pub struct TurnClock {
    /// When this turn of the loop began.
    pub now: Instant,
    /// The same as a time of day.
    pub wall: SystemTime,
    /// Since when the server is being stopped, if it is: no request will be waited for any more.
    pub stopping: Option<Instant>,
    /// From when on a connection that falls idle in this turn counts as idle: up to [`IDLE_GRAIN`](Self::IDLE_GRAIN)
    /// later than `now`, and the same for many turns, so that the deadline of a connection that is kept busy seldom
    /// moves.
    pub idle_from: Instant,
}

impl TurnClock {
    /// An eighth of a second: nothing beside a timeout of seconds, and hundreds of turns of a busy loop.
    pub const IDLE_GRAIN: Duration = Duration::from_millis(125);

    /// A turn that begins now, of a server that is not being stopped.
    pub fn new(now: Instant, wall: SystemTime) -> TurnClock {
        TurnClock { now, wall, stopping: None, idle_from: now }
    }

    /// The next turn begins.
    pub fn advance(&mut self, now: Instant, wall: SystemTime) {
        (self.now, self.wall) = (now, wall);
        if self.idle_from < now {
            self.idle_from = now + Self::IDLE_GRAIN;
        }
    }
}

/// Memory that all sessions of a loop share, one after the other, so that an idle connection owns none.
#[derive(Debug)]
pub struct Scratch {
    /// For a session that has no unread input of its own.
    pub input: Buffer,
    /// For a session that has no unsent output of its own.
    pub output: Buffer,
}

impl Scratch {
    /// How much is read at a time. An allocation as large as this is made of pages of its own, of which those that are
    /// never written to take no memory: a server of small files uses one or two of each buffer.
    pub const SIZE: usize = 128 * 1024;
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { input: Buffer::with_capacity(Self::SIZE), output: Buffer::with_capacity(Self::SIZE) }
    }
}

/// What a session wants after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// To be run again in the next turn: it was stopped by its budget, not by its client.
    Again,
    /// To be run when something happens, or at this time at the latest.
    Wait(Option<Instant>),
    /// Nothing: it is over.
    Close(CloseReason),
}

/// Why a connection ended. The first reason wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The session sent all of its output and ended the connection as its protocol provides.
    Complete,
    /// The client closed the connection between two messages.
    ClientDone,
    /// The client closed the connection in the middle of a message.
    InputCut,
    /// The client reset the connection, or the network failed.
    Broken,
    /// The client sent no message in time.
    Idle,
    /// The client did not take the output in time.
    Stalled,
    /// The closing session read and discarded input until its time or byte limit, and the client was still sending.
    LingerOver,
    /// The session could not produce the output that it had announced: a file became shorter, or a source failed.
    OutputCut,
    /// The buffers of the session would exceed the memory that all connections together may use.
    Memory,
    /// The server is stopping.
    Stopped,
}

impl CloseReason {
    /// The same in words.
    pub fn text(self) -> &'static str {
        match self {
            CloseReason::Complete => "complete",
            CloseReason::ClientDone => "closed by the client",
            CloseReason::InputCut => "closed by the client within a request",
            CloseReason::Broken => "reset by the client",
            CloseReason::Idle => "idle for too long",
            CloseReason::Stalled => "client too slow to read",
            CloseReason::LingerOver => "closed with input left",
            CloseReason::OutputCut => "response cut short",
            CloseReason::Memory => "no memory for more buffers",
            CloseReason::Stopped => "server stopped",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_of_many_turns_count_from_the_same_time() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut clock = TurnClock::new(start, wall);
        let mut times = Vec::new();
        for turn in 1..=1000 {
            clock.advance(start + Duration::from_millis(turn), wall);
            assert!(clock.now <= clock.idle_from && clock.idle_from <= clock.now + TurnClock::IDLE_GRAIN);
            times.push(clock.idle_from);
        }
        times.dedup();
        assert_eq!(times.len(), 8, "within a second");
    }
}
