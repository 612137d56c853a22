//! The observer interface: the events that the loop and its connections report, for traces and counters.
//!
//! The observer is a type parameter of a loop or a connection. The methods of [`Unobserved`] are empty, so code with
//! this observer contains no reporting. Values that are expensive to compute are passed as closures, which `Unobserved`
//! never calls.
//!
//! An observer makes no decisions. It does not change the loop or the connection, and neither depends on it.

#[cfg(feature = "harness")]
mod pair;

use std::io;
use std::time::{Duration, Instant};

use crate::session::{CloseReason, Next, Ready};

/// An observer that ignores all events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unobserved;

/// Observes a loop. The methods are called on the loop's thread, in the order in which the events occur.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait LoopObserver {
    /// A turn begins. The loop first sleeps for at most `timeout`; `None` means no limit.
    fn turn_begins(&mut self, timeout: Option<Duration>) {}

    /// The sleep has ended. `tell` returns the reason and the number of events.
    fn woken(&mut self, tell: impl Fn() -> Awakening) {}

    /// A source of the session with this key has an event, so the session is marked to run, unless it no longer exists.
    fn event(&mut self, key: usize, ready: Ready) {}

    /// Another thread has woken the session with this key, so the session is marked to run, unless it no longer exists.
    fn wake_up(&mut self, key: usize) {}

    /// The deadline of the session with this key has passed, so the session is marked to run.
    fn deadline(&mut self, key: usize) {}

    /// A stop was requested. If `at_once` is true, the run ends immediately. Otherwise it ends after the responses in
    /// flight. `signal` is the signal that requested the stop; `None` if it was not a signal.
    fn stops(&mut self, at_once: bool, signal: Option<i32>) {}

    /// A signal has requested a reload.
    fn reloads(&mut self, signal: i32) {}

    /// The loop is about to accept connections from the acceptor with this index. If `is_ready` is true, a connection
    /// may be pending.
    fn accepting_begins(&mut self, acceptor: usize, is_ready: bool) {}

    /// A connection was accepted. Its session has this key until the session is dropped.
    fn accepted(&mut self, key: usize) {}

    /// A connection was refused.
    fn refused(&mut self) {}

    /// The system has no descriptor or memory for another connection. The acceptor backs off for `time`.
    fn rests(&mut self, time: Duration, error: &io::Error) {}

    /// The loop has finished accepting from this acceptor in this turn.
    fn accepting_ends(&mut self) {}

    /// A session is about to run.
    fn step_begins(&mut self, key: usize) {}

    /// The source in this slot of the session was registered with the poll.
    fn registered(&mut self, key: usize, slot: u8) {}

    /// A session has run. If `next` is [`Next::Close`], the session has ended.
    fn step_ends(&mut self, key: usize, next: Next) {}

    /// The session with this key was closed to make room for others.
    fn evicted(&mut self, key: usize, reason: CloseReason) {}

    /// The sessions with these keys are about to be dropped. The list can be empty.
    fn reaping_begins(&mut self, keys: &[usize]) {}

    /// The sessions have been dropped.
    fn reaping_ends(&mut self) {}

    /// The services and the log are about to do their work between two turns.
    fn hooks_begin(&mut self) {}

    /// The services and the log have done their work between two turns.
    fn hooks_end(&mut self) {}

    /// A turn has ended. `tell` computes the state of the loop for observers that need it.
    fn turn_ends(&mut self, tell: impl Fn() -> LoopState) {}

    /// The run has ended. Remaining sessions are dropped after this call.
    fn run_ends(&mut self) {}
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awakening {
    /// The number of events that the poll has reported.
    pub events: usize,
    /// The reason why the sleep ended. If there are several reasons, this is the first in the order of [`WokenBy`].
    pub by: WokenBy,
}

/// The reason why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WokenBy {
    /// The process received a signal, or the watched input has an event. EOF on that input stops the loop.
    Signal,
    /// Another thread woke the loop.
    Wake,
    /// A listener has a pending connection.
    Acceptor,
    /// A source of a session has an event.
    Event,
    /// The timeout of the sleep has passed.
    Deadline,
    /// None of the other reasons applies: the timeout was zero, or the system call was interrupted.
    Nothing,
}

/// The state of a loop at the end of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopState {
    /// The number of sessions.
    pub sessions: usize,
    /// The number of sessions that will run in the next turn even if they have no event.
    pub runnable: usize,
    /// The number of entries in the heap of deadlines, including stale ones.
    pub deadlines: usize,
}

/// Observes the protocol of one connection.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait TransitionObserver {
    /// The head of a request is complete. The corresponding transition is reported next. `line` returns the request
    /// line.
    fn request<'r>(&mut self, line: impl Fn() -> &'r [u8]) {}

    /// The head of a response has been written. The corresponding transition is reported next. `length` is the
    /// announced length of the response's body; `None` if it is not known.
    fn response(&mut self, status: u16, length: Option<u64>) {}

    /// The state machine for requests has changed its state.
    fn receive_transition(&mut self, from: &'static str, to: &'static str) {}

    /// The state machine for responses has changed its state.
    fn send_transition(&mut self, from: &'static str, to: &'static str) {}
}

/// Observes one connection: its protocol, its reads and writes, and its waits.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait ConnectionObserver: TransitionObserver {
    /// Bytes were read into `room` bytes of free space. If `is_all` is true, the session assumes that the socket is now
    /// empty.
    fn read(&mut self, bytes: usize, room: usize, is_all: bool) {}

    /// A read returned `WouldBlock`.
    fn read_blocked(&mut self) {}

    /// The client has closed its sending side.
    fn end_of_input(&mut self) {}

    /// The session has tried to write `wanted` bytes. If `more` is true, other bytes follow immediately.
    fn sent(&mut self, wanted: usize, more: bool, result: &io::Result<usize>) {}

    /// The session has tried to send `wanted` bytes of a file, starting at `offset`.
    fn sent_file(&mut self, wanted: u64, offset: u64, result: &io::Result<u64>) {}

    /// The transport has tried to send the output that it had buffered. `result` is the result.
    fn flushed(&mut self, result: &io::Result<()>) {}

    /// No output is left: the system has accepted all bytes so far. If `is_in_exchange` is true, more of the response
    /// follows, or a request has no response yet. This may be called again although nothing has been sent since the
    /// last call.
    fn all_sent(&mut self, is_in_exchange: bool) {}

    /// The sending side of the socket has been shut down.
    fn shut_down(&mut self) {}

    /// The session will continue in the next turn, because it has used up its budget of rounds (fill, advance and
    /// flush) or of bytes sent in one step.
    fn budget_used_up(&mut self, rounds: usize, sent: u64) {}

    /// A handler or a script begins to work on the response.
    fn upstream_begins(&mut self) {}

    /// The handler or the script can continue.
    fn upstream_resumed(&mut self) {}

    /// The current wait has timed out.
    fn deadline_fired(&mut self) {}

    /// The session has nothing to do at the moment, or has used up its budget. `tell` returns the wait that it begins
    /// or continues.
    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {}

    /// The session's buffers use this number of bytes of memory until the session's next step.
    fn buffers(&mut self, bytes: usize) {}
}

/// A wait of a session, as reported to an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedWait {
    /// The name of the kind of wait.
    pub kind: &'static str,
    /// The time at which the wait began.
    pub since: Instant,
    /// The maximum duration of the wait; `None` means no limit.
    pub limit: Option<Duration>,
}

impl LoopObserver for Unobserved {}
impl TransitionObserver for Unobserved {}
impl ConnectionObserver for Unobserved {}
