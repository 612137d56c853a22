//! The interface of an observer: what the loop and its connections report while they work, for traces and counters.
//!
//! An observer is chosen by type. The methods of [`Unobserved`] are empty, so a loop or a connection with this observer is
//! compiled without any code for it. Values that cost something to find are passed as closures, which only an observer calls.
//!
//! Not here: decisions. An observer changes nothing, and nothing depends on it.

#[cfg(feature = "harness")]
mod pair;

use std::io;
use std::time::{Duration, Instant};

use crate::session::{CloseReason, Next, Ready};

/// The observer that observes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unobserved;

/// Observes a loop. The calls come in the order of the events, on the thread of the loop.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait LoopObserver {
    /// A turn begins: the loop sleeps, at most for `timeout`. `None` is for ever.
    fn turn_begins(&mut self, timeout: Option<Duration>) {}

    /// The sleep has ended.
    fn woken(&mut self, tell: impl Fn() -> Awakening) {}

    /// A source of the session of this key has an event, which marks the session. There may be no such session any more.
    fn event(&mut self, key: usize, ready: Ready) {}

    /// Another thread has woken the session of this key, which marks it. There may be no such session any more.
    fn wake_up(&mut self, key: usize) {}

    /// The deadline of the session of this key has passed, which marks it.
    fn deadline(&mut self, key: usize) {}

    /// The run is asked to end: at once, or after the responses in flight. `signal` is the signal that asks for it, if it is one.
    fn stops(&mut self, at_once: bool, signal: Option<i32>) {}

    /// A signal asks for a reload.
    fn reloads(&mut self, signal: i32) {}

    /// The loop is about to accept connections from the acceptor with this number. With `is_ready` one may be pending.
    fn accepting_begins(&mut self, acceptor: usize, is_ready: bool) {}

    /// A connection was accepted. Its session has this key until it is dropped.
    fn accepted(&mut self, key: usize) {}

    /// A connection was refused.
    fn refused(&mut self) {}

    /// The system has no descriptor or memory for another connection. The acceptor rests for this time.
    fn rests(&mut self, time: Duration, error: &io::Error) {}

    /// The loop has accepted from the acceptor what it may accept in this turn.
    fn accepting_ends(&mut self) {}

    /// A session is about to run.
    fn step_begins(&mut self, key: usize) {}

    /// The source in this slot of a session was registered with the poll.
    fn registered(&mut self, key: usize, slot: u8) {}

    /// A session has run. With [`Next::Close`] it has ended.
    fn step_ends(&mut self, key: usize, next: Next) {}

    /// A session was closed to make room for others.
    fn evicted(&mut self, key: usize, reason: CloseReason) {}

    /// The sessions of these keys are about to be dropped. The list may be empty.
    fn reaping_begins(&mut self, keys: &[usize]) {}

    /// The sessions have been dropped.
    fn reaping_ends(&mut self) {}

    /// The services and the log are about to do their work between two turns.
    fn hooks_begin(&mut self) {}

    /// The services and the log have done their work between two turns.
    fn hooks_end(&mut self) {}

    /// A turn has ended. `tell` computes the state of the loop, for observers that want it.
    fn turn_ends(&mut self, tell: impl Fn() -> LoopState) {}

    /// The run has ended. The sessions that are left are dropped after this.
    fn run_ends(&mut self) {}
}

/// The end of a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awakening {
    /// The number of events that the poll has reported.
    pub events: usize,
    /// The cause. If there are several, the first in the order of [`WokenBy`].
    pub by: WokenBy,
}

/// The reason why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WokenBy {
    /// A signal of the process, or the end of the input that stops it.
    Signal,
    /// Another thread.
    Wake,
    /// A listener with a pending connection.
    Acceptor,
    /// A source of a session.
    Event,
    /// The timeout has passed.
    Deadline,
    /// No other cause: the sleep was to take no time, or the system call was interrupted.
    Nothing,
}

/// The state of a loop at the end of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopState {
    /// The number of sessions.
    pub sessions: usize,
    /// The number of sessions that run in the next turn without a further event.
    pub runnable: usize,
    /// The number of entries in the heap of deadlines.
    pub deadlines: usize,
}

/// Observes the protocol of one connection.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait TransitionObserver {
    /// The head of a request is complete. The transition for it follows. `line` returns the request line.
    fn request<'r>(&mut self, line: impl Fn() -> &'r [u8]) {}

    /// The head of a response has been written. The transition for it follows. `length` is the length of its body as
    /// announced, `None` if it is not known.
    fn response(&mut self, status: u16, length: Option<u64>) {}

    /// The machine for requests goes from one state to another.
    fn receive_transition(&mut self, from: &'static str, to: &'static str) {}

    /// The machine for responses goes from one state to another.
    fn send_transition(&mut self, from: &'static str, to: &'static str) {}
}

/// Observes one connection: its protocol, its reads and writes, and its waits.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait ConnectionObserver: TransitionObserver {
    /// Bytes were read into a buffer with `room`. With `is_all` the session assumes that the socket is empty now.
    fn read(&mut self, bytes: usize, room: usize, is_all: bool) {}

    /// A read returned `WouldBlock`.
    fn read_blocked(&mut self) {}

    /// The client has closed its side.
    fn end_of_input(&mut self) {}

    /// The result of a write of `wanted` bytes. With `more` other bytes follow at once.
    fn sent(&mut self, wanted: usize, more: bool, result: &io::Result<usize>) {}

    /// The result of sending `wanted` bytes of a file from `offset` on.
    fn sent_file(&mut self, wanted: u64, offset: u64, result: &io::Result<u64>) {}

    /// The result of sending the output that the transport itself holds.
    fn flushed(&mut self, result: &io::Result<()>) {}

    /// No output is left: the system has taken all bytes so far. With `is_in_exchange` the response has more to come, or a
    /// request has no response yet. It may be called again although nothing was sent since.
    fn all_sent(&mut self, is_in_exchange: bool) {}

    /// The sending side of the socket was shut.
    fn shut_down(&mut self) {}

    /// The session continues in the next turn, because it has used up its budget of rounds of fill, advance and flush, or of
    /// bytes that it sends in a step.
    fn budget_used_up(&mut self, rounds: usize, sent: u64) {}

    /// A handler or a script begins to work on the response.
    fn upstream_begins(&mut self) {}

    /// The handler or the script may continue.
    fn upstream_resumed(&mut self) {}

    /// The current wait has lasted too long.
    fn deadline_fired(&mut self) {}

    /// The session can do nothing now, or has used up its budget.
    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {}

    /// The buffers of the session own this number of bytes until its next step.
    fn buffers(&mut self, bytes: usize) {}
}

/// A wait of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedWait {
    /// The name of its kind.
    pub kind: &'static str,
    /// When it began.
    pub since: Instant,
    /// How long it may last. `None` is for ever.
    pub limit: Option<Duration>,
}

impl LoopObserver for Unobserved {}
impl TransitionObserver for Unobserved {}
impl ConnectionObserver for Unobserved {}
