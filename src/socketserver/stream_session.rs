//! The session of one raw connection. It moves bytes between a stream and a handler, and closes the stream gracefully.
//!
//! No code here interprets the bytes.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::raw_handler::RawHandler;
use crate::coroutine::{CHANNEL_CAPACITY, WaitReason};
use crate::session::{CloseReason, Next, Ready, Session, StepContext};
use crate::tls_info::TlsInfo;
use crate::transport::{Handshake, Transport};

/// The session for one connection of a [`StreamServer`](super::StreamServer).
pub(super) struct StreamSession<'s, T> {
    /// The handler is declared before the transport, so that a cancelled handler ends before the transport is closed.
    handler: RawHandler<'s>,
    transport: T,
    /// The maximum time for which the handler waits for a client that neither sends nor reads.
    timeout: Duration,
    /// The time at which bytes were last read from or written to the stream. While lingering, the time at which
    /// lingering began.
    since: Instant,
    phase: StreamPhase,
    /// True if the client has closed its sending side. The input of the handler also ends when the server stops.
    at_end: bool,
    tls: TlsCell,
}

/// A cell for the result of the TLS handshake. The session sets the cell before it starts the handler. If the
/// connection is not encrypted, the cell stays empty.
pub(super) type TlsCell = Rc<OnceCell<Arc<TlsInfo>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum StreamPhase {
    /// The handshake of the transport is in progress. The handler has not been started.
    Handshake,
    /// The handler has not ended yet, or some of its output has not been sent yet.
    Serving,
    /// The sending side has been shut down, and input is discarded until the client closes the connection. Closing it
    /// with unread input would send a reset, which could make the client lose output that it has not read yet.
    Lingering,
}

/// The maximum time for which a session lingers.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum time from accepting a connection to the end of the transport's handshake, unless the time limit for the
/// client is shorter.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of rounds in one step, after which other sessions are served. A round reads, runs the handler and
/// writes.
const MAX_ROUNDS: usize = 8;

impl<'s, T: Transport> StreamSession<'s, T> {
    pub(super) fn new(transport: T, handler: RawHandler<'s>, tls: TlsCell, timeout: Duration, now: Instant) -> Self {
        let phase = if transport.needs_handshake() { StreamPhase::Handshake } else { StreamPhase::Serving };
        StreamSession { handler, transport, timeout, since: now, phase, at_end: false, tls }
    }
}

impl<T: Transport> Session for StreamSession<'_, T> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        let next = self.run(ready, cx);
        if let Next::Close(CloseReason::Idle) = next {
            // An error is ignored, because the connection is closed in any case.
            _ = self.transport.announce_end();
        }
        next
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.transport.source()
    }
}

impl<T: Transport> StreamSession<'_, T> {
    fn run(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        if ready.broken {
            return Next::Close(CloseReason::Broken);
        }
        if self.phase == StreamPhase::Handshake
            && let Some(next) = self.shake(ready, cx)
        {
            return next;
        }
        if cx.clock.stopping.is_some() {
            // A handler that is reading gets EOF, so that it can finish even if the client never sends anything again.
            self.handler.state_mut().input_ended = true;
        }
        for _ in 0..MAX_ROUNDS {
            let was_lingering = self.phase == StreamPhase::Lingering;
            match self.round(ready, cx) {
                Err(reason) => return Next::Close(reason),
                // A client that keeps sending must not extend the lingering time.
                Ok(true) if was_lingering => {}
                Ok(true) => self.since = cx.clock.now,
                Ok(false) => return self.wait(cx.clock.now),
            }
        }
        // The lingering deadline also applies to a client that sends faster than this step reads.
        match self.wait(cx.clock.now) {
            Next::Close(reason) if self.phase == StreamPhase::Lingering => Next::Close(reason),
            _ => Next::Again,
        }
    }

    /// Continues the handshake of the transport. Returns `None` when the handshake is complete.
    fn shake(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Option<Next> {
        if cx.clock.stopping.is_some() {
            return Some(Next::Close(CloseReason::Stopped));
        }
        match self.transport.handshake(ready, &mut cx.handshakes_left) {
            Ok(Handshake::Complete) => {
                if let Some(info) = self.transport.tls() {
                    _ = self.tls.set(Arc::clone(info));
                }
                (self.phase, self.since) = (StreamPhase::Serving, cx.clock.now);
                None
            }
            Ok(Handshake::Waiting) => Some(self.wait(cx.clock.now)),
            // The deadline also applies to a handshake that must continue in the next turn.
            Ok(Handshake::NextTurn) => match self.wait(cx.clock.now) {
                Next::Wait(_) => Some(Next::Again),
                over => Some(over),
            },
            Ok(Handshake::Text) | Err(_) => Some(Next::Close(CloseReason::Broken)),
        }
    }

    /// Reads once, runs the handler, and writes once. Returns true if bytes moved or the phase changed.
    fn round(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        let read = self.fill(ready, cx)?;
        if self.phase == StreamPhase::Lingering {
            return Ok(read);
        }
        self.handler.run(cx)?;
        let written = self.flush(ready)?;
        if !self.handler.is_over() || !self.handler.state().output.is_empty() || self.transport.has_pending() {
            return Ok(read || written);
        }
        if self.handler.log_failure(cx.clock.wall) {
            return Err(CloseReason::OutputCut);
        }
        // Without `close_notify`, a TLS client would consider the output truncated.
        self.transport.announce_end().map_err(|_| CloseReason::Complete)?;
        if self.transport.has_pending() {
            // The next round sends the `close_notify`, or waits until the client accepts more output.
            return Ok(true);
        }
        // Lingering is unnecessary after EOF from the client, because no unread input can then cause a reset.
        if self.at_end || self.transport.end().is_err() {
            return Err(CloseReason::Complete);
        }
        self.phase = StreamPhase::Lingering;
        Ok(true)
    }

    /// Reads once, if the channel has space and there may be input. Returns true if bytes or EOF were read, or if the
    /// read was interrupted.
    fn fill(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        let mut state = self.handler.state_mut();
        let space = match self.phase {
            StreamPhase::Handshake | StreamPhase::Serving if state.input_ended => 0,
            StreamPhase::Handshake | StreamPhase::Serving => state.input_space(),
            // If the server has stopped, the input of the handler has ended, but the client can still send.
            StreamPhase::Lingering => CHANNEL_CAPACITY,
        };
        if !ready.read || space == 0 {
            return Ok(false);
        }
        let input = &mut cx.scratch.input;
        match input.fill(space, |free| self.transport.recv(&mut free[..space])) {
            Ok(0) if self.phase == StreamPhase::Lingering => return Err(CloseReason::Complete),
            Ok(0) => (state.input_ended, self.at_end) = (true, true),
            Ok(count) => {
                if self.phase == StreamPhase::Serving {
                    state.push_input(input.bytes());
                }
                // All sessions share the scratch buffer, so it must be left empty.
                input.consume(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.read = false;
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::Broken),
        }
        Ok(true)
    }

    /// Writes once, if there is output and the stream may accept it. Returns true if another write can be tried
    /// immediately.
    fn flush(&mut self, ready: &mut Ready) -> Result<bool, CloseReason> {
        let mut state = self.handler.state_mut();
        let (has_output, has_pending) = (!state.output.is_empty(), self.transport.has_pending());
        if !ready.write || !(has_output || has_pending) {
            return Ok(false);
        }
        // Bytes in the buffer of the transport must be sent before new ones.
        let flushed = if has_pending { self.transport.flush_pending() } else { Ok(()) };
        // A transport can be unable to read until it has sent its pending bytes. No event reports that it can read
        // again, so `ready` is changed here.
        ready.read |= has_pending && flushed.is_ok();
        let sent =
            flushed.and_then(|()| if has_output { self.transport.send(&state.output, &[], false) } else { Ok(0) });
        match sent {
            Ok(count) => {
                state.output.drain(..count);
                Ok(count > 0 || has_pending)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.write = false;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(CloseReason::Broken),
        }
    }

    /// Returns [`Next::Wait`] with the earlier of two deadlines: that of the handler's wait, and the one by which the
    /// client must make progress in this phase. If the second deadline has already passed, returns [`Next::Close`]
    /// instead.
    fn wait(&self, now: Instant) -> Next {
        let state = self.handler.state();
        let has_output = !state.output.is_empty() || self.transport.has_pending();
        let (limit, reason) = match (self.phase, state.wait) {
            (StreamPhase::Handshake, _) => (HANDSHAKE_TIMEOUT.min(self.timeout), CloseReason::Idle),
            (StreamPhase::Lingering, _) => (LINGER_TIMEOUT, CloseReason::LingerOver),
            (StreamPhase::Serving, WaitReason::Input) => (self.timeout, CloseReason::Idle),
            // The handler waits for something other than the client, so the client's time limit does not apply.
            (StreamPhase::Serving, wait) if !has_output => return Next::Wait(wait.deadline()),
            (StreamPhase::Serving, _) => (self.timeout, CloseReason::Stalled),
        };
        match self.since.checked_add(limit) {
            Some(deadline) if deadline <= now => Next::Close(reason),
            deadline => Next::Wait(deadline.into_iter().chain(state.wait.deadline()).min()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::SystemTime;

    use super::super::address::Address;
    use super::*;
    use crate::coroutine::{CoroutineSettings, HandlerResources};
    use crate::log::AccessLog;
    use crate::session::{Scratch, TurnClock};
    use crate::testing::MemoryRegistrar;
    use crate::transport::Memory;

    /// A session with a handler that writes "goodbye" and returns.
    struct Goodbye<'s> {
        session: StreamSession<'s, Memory>,
        began: Instant,
        is_stopping: bool,
    }

    fn goodbye(log: &RefCell<AccessLog>) -> Goodbye<'_> {
        goodbye_after(log, |_| Ok(0))
    }

    /// Like `goodbye`, but the handler first calls `read`.
    fn goodbye_after(log: &RefCell<AccessLog>, read: fn(&mut dyn io::Read) -> io::Result<usize>) -> Goodbye<'_> {
        let began = Instant::now();
        let resources = HandlerResources::new(&CoroutineSettings::default());
        let handler = RawHandler::new(&resources, Address::Unix(None), log, move |io| {
            read(&mut io.rfile())?;
            Ok(io::Write::write_all(&mut io.wfile(), b"goodbye")?)
        });
        let session =
            StreamSession::new(Memory::default(), handler, TlsCell::default(), Duration::from_secs(300), began);
        Goodbye { session, began, is_stopping: false }
    }

    impl Goodbye<'_> {
        fn send(&mut self, bytes: &[u8]) {
            self.session.transport.incoming.extend_from_slice(bytes);
        }

        /// Runs a step of the session at the time `millis` milliseconds after its start.
        fn step_at(&mut self, millis: u64) -> Next {
            let mut clock = TurnClock::new(self.began + Duration::from_millis(millis), SystemTime::now());
            clock.stopping = self.is_stopping.then_some(self.began);
            let (mut scratch, mut registrar) = (Scratch::default(), MemoryRegistrar::without_wakers(clock.now));
            let mut cx = StepContext {
                clock,
                scratch: &mut scratch,
                registrar: &mut registrar,
                memory_is_short: false,
                handshakes_left: 1,
            };
            let mut ready = Ready::FRESH;
            self.session.step(&mut ready, &mut cx)
        }
    }

    #[test]
    fn a_session_whose_client_does_not_close_lingers_for_two_seconds() {
        let log = AccessLog::off().into();
        let mut session = goodbye(&log);
        let end = session.began + Duration::from_secs(2);
        assert_eq!(session.step_at(0), Next::Wait(Some(end)));
        assert_eq!(session.session.transport.sent, b"goodbye");
        assert!(session.session.transport.ended);
        assert_eq!(session.step_at(1_999), Next::Wait(Some(end)));
        assert_eq!(session.step_at(2_000), Next::Close(CloseReason::LingerOver));
    }

    #[test]
    fn a_client_that_keeps_sending_does_not_extend_lingering() {
        let log = AccessLog::off().into();
        let mut drips = goodbye(&log);
        let end = drips.began + Duration::from_secs(2);
        for millis in [0, 500, 1_000, 1_500, 1_999] {
            drips.send(b"and another thing");
            assert_eq!(drips.step_at(millis), Next::Wait(Some(end)), "after {millis} ms");
        }
        drips.send(b"and another thing");
        assert_eq!(drips.step_at(2_000), Next::Close(CloseReason::LingerOver));

        let mut floods = goodbye(&log);
        floods.send(&vec![b'x'; 3 * MAX_ROUNDS * CHANNEL_CAPACITY]);
        assert_eq!(floods.step_at(0), Next::Again, "the client has sent more than one turn reads");
        assert_eq!(
            floods.step_at(2_000),
            Next::Close(CloseReason::LingerOver),
            "unread input does not extend lingering"
        );
    }

    #[test]
    fn a_lingering_session_ends_when_its_client_closes() {
        let log = AccessLog::off().into();
        let mut session = goodbye(&log);
        session.send(b"unread");
        assert!(matches!(session.step_at(0), Next::Wait(Some(_))));
        session.session.transport.at_end = true;
        assert_eq!(session.step_at(1), Next::Close(CloseReason::Complete));
    }

    #[test]
    fn a_session_whose_handler_ends_because_the_server_stops_lingers() {
        let log = AccessLog::off().into();
        let mut session = goodbye_after(&log, |rfile| rfile.read(&mut [0]));
        assert!(matches!(session.step_at(0), Next::Wait(Some(_))));
        assert_eq!(session.session.transport.sent, b"");
        session.is_stopping = true;
        session.send(b"unread");
        assert_eq!(session.step_at(1), Next::Wait(Some(session.began + Duration::from_millis(2_001))));
        assert_eq!(session.session.transport.sent, b"goodbye");
        assert_eq!(session.session.transport.incoming, b"", "unread input would reset the connection");
        session.session.transport.at_end = true;
        assert_eq!(session.step_at(2), Next::Close(CloseReason::Complete));
    }

    #[test]
    fn a_session_whose_client_has_closed_its_sending_side_does_not_linger() {
        let log = AccessLog::off().into();
        let mut session = goodbye_after(&log, |rfile| rfile.read(&mut [0]));
        session.session.transport.at_end = true;
        assert_eq!(session.step_at(0), Next::Close(CloseReason::Complete));
        assert_eq!(session.session.transport.sent, b"goodbye");
    }
}
