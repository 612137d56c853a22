//! The interface between the loop and the sessions that it runs.
//!
//! The loop calls [`Session::step`] with the readiness of the session's socket, the time and shared buffers. The
//! session returns the time at which it must run again, or the reason why it has ended. Readiness is only a hint. A
//! session tries the system call, and clears the hint if the call returns `WouldBlock`. A short read also clears it if
//! the transport guarantees that such a read has emptied the socket.
//!
//! Protocols are in other modules, and the poll and the table of sessions are in `reactor`.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

mod sources;

pub use sources::MovableSource;
pub(crate) use sources::SourceTable;

use crate::buffer::Buffer;

/// A state machine that the loop runs, usually for one client of a server. It can speak any protocol.
pub trait Session {
    /// Does the work that is possible without waiting. A session limits the work of one step, so that other sessions
    /// can run.
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next;

    /// The event source of the session, usually its socket. The loop registers the source with the poll once, when the
    /// session first waits.
    fn source(&mut self) -> &mut dyn mio::event::Source;

    /// The time since which the session has been idle. `None` unless the session can be closed without loss, as between
    /// two requests or after the last response. When the table of sessions is full, the loop closes the sessions that
    /// have been idle longest.
    fn idle_since(&self) -> Option<Instant> {
        None
    }

    /// The stage of the session's exchange. The loop calls this method to determine if the run has been inactive for so
    /// long that it ends, and at the end of a run to count the responses that are cut short.
    fn activity(&self) -> Activity {
        Activity::Receiving
    }

    /// The time since which the client has not accepted any of the pending output. `None` unless the loop may close the
    /// session for this reason at `now` if descriptors or memory are short.
    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        _ = now;
        None
    }

    /// Called before the loop closes a stalled session to make room, so that the session can log the reason.
    fn evict(&mut self, clock: TurnClock) {
        _ = clock;
    }
}

/// The stage of a session's exchange, in as much detail as the loop needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// No request is in progress: the last response has been sent, and no byte of another request has arrived. Contains
    /// the time since which the session has been quiet.
    Quiet(Instant),
    /// A request is being received.
    Receiving,
    /// A response is being produced or sent.
    Responding,
}

/// The readiness of a session's socket, as far as the loop and the session know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// A read may return bytes or EOF.
    pub read: bool,
    /// The socket may accept bytes.
    pub write: bool,
    /// The peer has closed its sending side, so a read returns EOF after the last byte.
    pub read_closed: bool,
    /// The connection was reset, or both sides have closed it, so nothing that is sent will arrive.
    pub broken: bool,
}

impl Ready {
    /// The assumed readiness of a new socket. Most new connections already have a request to read, and all of them
    /// accept output.
    pub const FRESH: Ready = Ready { read: true, write: true, read_closed: false, broken: false };

    /// Adds the readiness that an event reports. Flags that are already set stay set.
    pub fn add(&mut self, more: Ready) {
        self.read |= more.read;
        self.write |= more.write;
        self.read_closed |= more.read_closed;
        self.broken |= more.broken;
    }
}

/// The resources that the loop lends to a session for one step, and the values that the session reports back.
pub struct StepContext<'t> {
    /// The clock of this turn.
    pub clock: TurnClock,
    /// Buffers that the session may use until its step ends.
    pub scratch: &'t mut Scratch,
    /// Registers sources that the session has in addition to its socket, and creates wakers for the session.
    pub registrar: &'t mut dyn Registrar,
    /// The session sets this to true if it needs more memory while the memory of all sessions together is close to the
    /// limit.
    pub memory_is_short: bool,
    /// The number of TLS handshake flights that all sessions together may still compute in this turn.
    pub handshakes_left: usize,
}

/// Registers sources that a session has in addition to its socket, and creates wakers for use on other threads.
pub trait Registrar {
    /// Registers a source (edge-triggered), so that the session runs when the source becomes ready. `slot`, from 1 to
    /// 7, distinguishes the sources of a session. Dropping a source deregisters it.
    ///
    /// # Errors
    /// Returns `InvalidInput` for a slot outside 1 to 7, and any error from the operating system's selector.
    fn register(&mut self, source: &mut dyn mio::event::Source, slot: u8, interest: mio::Interest) -> io::Result<()>;

    /// A waker with which any thread can schedule this session to run.
    fn wake(&self) -> Waker;

    /// The time at which this turn of the loop began.
    fn now(&self) -> Instant;

    /// A handle that can be used between two steps, when the registrar is not available. The handle of the default
    /// implementation can only wake the session.
    fn handle(&self) -> Rc<dyn SessionHandle> {
        Rc::new(WakeOnly(self.wake()))
    }
}

/// A session's access to the loop, which it can use at any time, even outside its step. A session must drop its handles
/// when it ends, because its key may then be reused by another session.
pub trait SessionHandle {
    /// Registers a source (edge-triggered). Its events run this session until another session [adopts](Self::adopt) the
    /// source.
    ///
    /// # Errors
    /// Returns any error from the operating system's selector.
    fn register(&self, source: &mut dyn mio::event::Source, interest: mio::Interest) -> io::Result<MovableSource>;

    /// Routes later events of a source to this session instead of the session to which it belonged. No system call is
    /// needed.
    ///
    /// # Errors
    /// Returns an error if another loop has registered the source.
    fn adopt(&self, source: &MovableSource) -> io::Result<()>;

    /// A waker with which any thread can schedule this session to run.
    fn wake(&self) -> Waker;

    /// True once the loop has begun to drain. Every session is run in the turn in which the drain begins.
    fn is_stopping(&self) -> bool;
}

/// The handle that the default implementation of [`Registrar::handle`] returns. It can only wake the session.
struct WakeOnly(Waker);

impl SessionHandle for WakeOnly {
    fn register(&self, _: &mut dyn mio::event::Source, _: mio::Interest) -> io::Result<MovableSource> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no poll to register with"))
    }

    fn adopt(&self, _: &MovableSource) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn wake(&self) -> Waker {
        self.0.clone()
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

/// Makes a loop run one of its sessions. A waker can be used on any thread. A late or unnecessary wake-up is harmless.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// Creates a waker that calls `wake`.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker(Arc::new(wake))
    }

    /// Makes the loop run the session in its next turn.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// The time of a turn. The loop reads the clocks once per turn and passes the result to every session.
#[derive(Debug, Clone, Copy)]
pub struct TurnClock {
    /// The time at which this turn of the loop began.
    pub now: Instant,
    /// The wall-clock time at which this turn began.
    pub wall: SystemTime,
    /// The time at which the server began to drain. `None` unless it is draining. While the server drains, sessions do
    /// not wait for further requests.
    pub stopping: Option<Instant>,
    /// The time from which a connection counts as idle if it becomes idle in this turn. This is up to
    /// [`IDLE_GRAIN`](Self::IDLE_GRAIN) later than `now` and stays the same for many turns, so that the deadline of a
    /// busy connection rarely moves.
    pub idle_from: Instant,
}

impl TurnClock {
    /// The interval at which `idle_from` changes on a busy loop. An eighth of a second is short compared with a timeout
    /// of several seconds, but spans hundreds of turns.
    pub const IDLE_GRAIN: Duration = Duration::from_millis(125);

    /// Creates the clock for the first turn of a server that is not draining.
    pub fn new(now: Instant, wall: SystemTime) -> TurnClock {
        TurnClock { now, wall, stopping: None, idle_from: now }
    }

    /// Sets the clock to the time of the next turn.
    pub fn advance(&mut self, now: Instant, wall: SystemTime) {
        (self.now, self.wall) = (now, wall);
        if self.idle_from < now {
            self.idle_from = now + Self::IDLE_GRAIN;
        }
    }
}

/// The number of sessions or bytes above which descriptors or memory count as short: `percent` of the maximum `all`,
/// but at most `all`.
pub(crate) fn before_short(all: usize, percent: u8) -> usize {
    // The computation uses 128 bits, because it would overflow if `all` were the largest value of its type.
    (all as u128 * u128::from(percent.min(100)) / 100) as usize
}

/// Buffers that the sessions of a loop share. Only one session runs at a time, so an idle connection needs no buffers
/// of its own.
#[derive(Debug)]
pub struct Scratch {
    /// The input buffer for a session that has no unparsed input.
    pub input: Buffer,
    /// The output buffer for a session that has no unsent output.
    pub output: Buffer,
}

impl Scratch {
    /// The size of each buffer in bytes, and therefore the maximum size of a read. An allocation of this size has its
    /// own pages, and pages that are never written to use no memory. A server of small files uses one or two pages of
    /// each buffer.
    pub const SIZE: usize = 128 * 1024;
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { input: Buffer::with_capacity(Self::SIZE), output: Buffer::with_capacity(Self::SIZE) }
    }
}

/// The result of a step: when the loop must run the session again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Run the session again in the next turn, without waiting for an event. It could continue, but has used up its
    /// budget.
    Again,
    /// Run the session after an event or a wake-up, or at this deadline if there is one.
    Wait(Option<Instant>),
    /// Drop the session.
    Close(CloseReason),
}

/// The reason why a connection ended. If several reasons apply, this is the one that arose first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The session sent all of its output and ended the connection in the way that its protocol specifies.
    Complete,
    /// The client closed the connection between two messages.
    ClientDone,
    /// The client closed the connection in the middle of a message.
    InputCut,
    /// The client reset the connection, or the network failed.
    Broken,
    /// The client did not send a message in time.
    Idle,
    /// The client did not accept the output in time.
    Stalled,
    /// The client kept sending until the lingering session reached its time limit or its limit on discarded bytes.
    LingerOver,
    /// The session could not produce the output that it had announced, because a file has become shorter or a source
    /// has failed.
    OutputCut,
    /// The session needed more memory, but all connections together would have exceeded their limit.
    Memory,
    /// The server is stopping.
    Stopped,
}

impl CloseReason {
    /// The text that describes the reason in the log.
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
    fn the_idle_time_of_a_thousand_turns_in_a_second_moves_eight_times() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut clock = TurnClock::new(start, wall);
        let mut times = Vec::new();
        for turn in 1..=1000 {
            clock.advance(start + Duration::from_millis(turn), wall);
            assert!(clock.now <= clock.idle_from && clock.idle_from <= clock.now + TurnClock::IDLE_GRAIN);
            times.push(clock.idle_from);
        }
        times.dedup();
        assert_eq!(times.len(), 8);
    }
}
