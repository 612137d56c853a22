//! The observer interface: the events that the loop and its connections report, for traces and counters.
//!
//! The observer is a type parameter of a loop or a connection. The methods of [`Unobserved`] are empty, so code
//! compiled with this observer contains no calls to it. Values that are expensive to compute are passed as closures,
//! which `Unobserved` never calls.
//!
//! An observer makes no decisions: it cannot change the loop or the connection, and their behaviour does not depend on
//! it.

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
    /// A turn begins. The loop is about to sleep for at most `timeout`; `None` means no limit.
    fn turn_begins(&mut self, timeout: Option<Duration>) {}

    /// The sleep has ended. `tell` returns the reason and the number of events.
    fn woken(&mut self, tell: impl Fn() -> Awakening) {}

    /// A source of the session with this key has an event, so the session is marked to run, unless it no longer exists.
    fn event(&mut self, key: usize, ready: Ready) {}

    /// Another thread has called the waker of the session with this key, so the session is marked to run, unless it no
    /// longer exists.
    fn wake_up(&mut self, key: usize) {}

    /// The deadline of the session with this key has passed, so the session is marked to run.
    fn deadline(&mut self, key: usize) {}

    /// A stop was requested. If `at_once` is true, the run ends immediately, and otherwise after the responses in
    /// flight have been sent. `signal` is the signal that requested the stop; `None` if it was not a signal.
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

    /// The loop is about to call the hooks of the services and the log (`TurnHooks::after_turn`).
    fn hooks_begin(&mut self) {}

    /// The hooks of the services and the log have returned.
    fn hooks_end(&mut self) {}

    /// A turn has ended. `tell` returns the state of the loop, which is computed only if an observer needs it.
    fn turn_ends(&mut self, tell: impl Fn() -> LoopState) {}

    /// The run has ended. Remaining sessions are dropped after this call.
    fn run_ends(&mut self) {}
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awakening {
    /// The number of events reported by the poll.
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
    /// The timeout of the sleep has expired.
    Deadline,
    /// No other reason applies: the timeout was zero, or the system call was interrupted.
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
    /// announced length of the body; `None` if it is not known in advance.
    fn response(&mut self, status: u16, length: Option<u64>) {}

    /// The state machine for requests has changed its state.
    fn receive_transition(&mut self, from: &'static str, to: &'static str) {}

    /// The state machine for responses has changed its state.
    fn send_transition(&mut self, from: &'static str, to: &'static str) {}
}

/// Observes one connection: its protocol, its reads and writes, and its waits.
#[expect(unused_variables, reason = "the default methods ignore their arguments")]
pub trait ConnectionObserver: TransitionObserver {
    /// The session has read `bytes` bytes into a buffer with `room` bytes of free space. If `is_all` is true, the
    /// session assumes that the socket is now empty.
    fn read(&mut self, bytes: usize, room: usize, is_all: bool) {}

    /// A read returned `WouldBlock`.
    fn read_blocked(&mut self) {}

    /// The client has closed its sending side.
    fn end_of_input(&mut self) {}

    /// The session has tried to write `wanted` bytes. If `more` is true, further bytes follow immediately. `result`
    /// contains the number of bytes that were accepted.
    fn sent(&mut self, wanted: usize, more: bool, result: &io::Result<usize>) {}

    /// The session has tried to send `wanted` bytes of a file, starting at `offset`.
    fn sent_file(&mut self, wanted: u64, offset: u64, result: &io::Result<u64>) {}

    /// The transport has tried to send the output that it has buffered.
    fn flushed(&mut self, result: &io::Result<()>) {}

    /// The system has accepted all output so far. If `is_in_exchange` is true, more of the response follows, or a
    /// request has no response yet. This event may be reported repeatedly even if nothing has been sent in the
    /// meantime.
    fn all_sent(&mut self, is_in_exchange: bool) {}

    /// The sending side of the socket has been shut down.
    fn shut_down(&mut self) {}

    /// The session will continue in the next turn, because it has used up its budget for one step: of rounds, each of
    /// which fills, advances and flushes, or of bytes sent.
    fn budget_used_up(&mut self, rounds: usize, sent: u64) {}

    /// A handler or a script begins to work on the response.
    fn upstream_begins(&mut self) {}

    /// The handler or the script can continue.
    fn upstream_resumed(&mut self) {}

    /// The current wait has timed out.
    fn deadline_fired(&mut self) {}

    /// The session has nothing to do at the moment, or has used up its budget. `tell` returns the wait that the session
    /// begins or continues.
    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {}

    /// Until its next step, the session uses this number of bytes of memory for its buffers.
    fn buffers(&mut self, bytes: usize) {}
}

/// The wait of a session, as reported to an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedWait {
    /// The kind of wait, such as `Write`.
    pub kind: &'static str,
    /// The time at which the wait began.
    pub since: Instant,
    /// The maximum duration of the wait; `None` means no limit.
    pub limit: Option<Duration>,
}

impl LoopObserver for Unobserved {}
impl TransitionObserver for Unobserved {}
impl ConnectionObserver for Unobserved {}
