//! A connection without a protocol: bytes to a handler, and bytes from it.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::handler::{Outcome, Pipe, ROOM, Run, Wait};
use crate::log::AccessLog;
use crate::session::{CloseReason, Next, Ready, Session, StepContext};
use crate::transport::Transport;

/// One client of a [`StreamServer`](super::StreamServer).
pub(super) struct StreamSession<'s, T> {
    transport: T,
    run: Run,
    pipe: Rc<Pipe>,
    peer: Option<SocketAddr>,
    log: &'s RefCell<AccessLog>,
    timeout: Duration,
    /// When the client last sent or took something; while it lingers, when that began.
    since: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The handler has more to say, or its last words are not sent.
    Talk,
    /// The client was told that no more comes, and what it still sends is thrown away.
    Linger,
}

/// How long a client that still sends may take to see the end.
const LINGER: Duration = Duration::from_secs(2);

/// How often a step may go round before the others get their turn.
const ROUNDS: usize = 8;

impl<'s, T: Transport> StreamSession<'s, T> {
    pub(super) fn new(
        transport: T,
        run: Run,
        pipe: Rc<Pipe>,
        peer: Option<SocketAddr>,
        log: &'s RefCell<AccessLog>,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        StreamSession { transport, run, pipe, peer, log, timeout, since: now, stage: Stage::Talk }
    }
}

impl<T: Transport> Session for StreamSession<'_, T> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        if ready.broken {
            return Next::Close(CloseReason::Broken);
        }
        if cx.clock.stopping.is_some() {
            // Who waits for a client that may never send again is told that it will not.
            self.pipe.0.borrow_mut().ended = true;
        }
        for _ in 0..ROUNDS {
            let lingers = self.stage == Stage::Linger;
            match self.go_round(ready, cx) {
                Err(reason) => return Next::Close(reason),
                // A client that goes on sending must not linger for ever by that.
                Ok(true) if lingers => {}
                Ok(true) => self.since = cx.clock.now,
                Ok(false) => return self.wait(cx.clock.now),
            }
        }
        match self.wait(cx.clock.now) {
            Next::Close(reason) if self.stage == Stage::Linger => Next::Close(reason),
            _ => Next::Again,
        }
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.transport.source()
    }
}

impl<T: Transport> StreamSession<'_, T> {
    /// Reads once, lets the handler run, and writes once; true if any of that came to something.
    fn go_round(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        let read = self.fill(ready, cx)?;
        if self.stage == Stage::Linger {
            return Ok(read);
        }
        if self.run.go(Some(cx.registrar)).is_err() {
            return Err(CloseReason::Memory);
        }
        self.log_notes(cx.clock.wall);
        let written = self.flush(ready)?;
        if !self.run.is_over() || !self.pipe.0.borrow().outbox.is_empty() {
            return Ok(read || written);
        }
        if self.failed(cx.clock.wall) {
            return Err(CloseReason::OutputCut);
        }
        if self.pipe.0.borrow().ended || self.transport.end().is_err() {
            return Err(CloseReason::Complete);
        }
        self.stage = Stage::Linger;
        Ok(true)
    }

    /// Reads once, if the handler has room for it and there may be something.
    fn fill(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        let mut state = self.pipe.0.borrow_mut();
        let room = match self.stage {
            Stage::Talk => ROOM.saturating_sub(state.inbox.len()),
            Stage::Linger => ROOM,
        };
        if !ready.read || room == 0 || state.ended {
            return Ok(false);
        }
        let input = &mut cx.scratch.input;
        match input.fill(room, |free| self.transport.recv(&mut free[..room])) {
            Ok(0) if self.stage == Stage::Linger => return Err(CloseReason::Complete),
            Ok(0) => state.ended = true,
            Ok(count) => {
                if self.stage == Stage::Talk {
                    state.feed(input.bytes());
                }
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

    /// Writes once, if there is something to write and the client may take it.
    fn flush(&mut self, ready: &mut Ready) -> Result<bool, CloseReason> {
        let mut state = self.pipe.0.borrow_mut();
        if !ready.write || state.outbox.is_empty() {
            return Ok(false);
        }
        match self.transport.send(&state.outbox, &[], false) {
            Ok(count) => {
                state.outbox.drain(..count);
                Ok(count > 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.write = false;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(CloseReason::Broken),
        }
    }

    /// What to wait for, unless that took too long already.
    fn wait(&self, now: Instant) -> Next {
        let state = self.pipe.0.borrow();
        let (limit, reason) = match (self.stage, state.wait) {
            (Stage::Linger, _) => (LINGER, CloseReason::LingerOver),
            (Stage::Talk, Wait::Input) => (self.timeout, CloseReason::Idle),
            (Stage::Talk, Wait::Until(time)) if state.outbox.is_empty() => return Next::Wait(Some(time)),
            (Stage::Talk, _) if state.outbox.is_empty() => return Next::Wait(None),
            (Stage::Talk, _) => (self.timeout, CloseReason::Stalled),
        };
        match self.since.checked_add(limit) {
            Some(deadline) if deadline <= now => Next::Close(reason),
            deadline => match state.wait {
                Wait::Until(time) => Next::Wait(Some(deadline.map_or(time, |deadline| deadline.min(time)))),
                _ => Next::Wait(deadline),
            },
        }
    }

    fn log_notes(&self, wall: SystemTime) {
        log_notes(&self.pipe, self.log, self.peer, wall);
    }

    fn failed(&self, wall: SystemTime) -> bool {
        log_failure(&self.pipe, self.log, self.peer, wall)
    }
}

impl<T> Drop for StreamSession<'_, T> {
    fn drop(&mut self) {
        self.run.cancel();
        log_notes(&self.pipe, self.log, self.peer, SystemTime::now());
    }
}

/// Writes to the log what a handler has to say.
pub(super) fn log_notes(pipe: &Pipe, log: &RefCell<AccessLog>, peer: Option<SocketAddr>, wall: SystemTime) {
    let lines = pipe.0.borrow_mut().notes.take();
    for line in lines {
        log.borrow_mut().message(peer, &line, wall);
    }
}

/// Whether a handler that is over has failed; then a line in the log says so.
pub(super) fn log_failure(pipe: &Pipe, log: &RefCell<AccessLog>, peer: Option<SocketAddr>, wall: SystemTime) -> bool {
    let text = match pipe.0.borrow_mut().outcome.take() {
        Some(Outcome::Failed(error)) => format!("the handler failed: {error}"),
        Some(Outcome::Panicked(text)) => format!("the handler panicked: {text}"),
        Some(Outcome::Done) | None => return false,
    };
    log.borrow_mut().message(peer, &text, wall);
    true
}

#[cfg(test)]
mod tests {
    use mio::Interest;
    use mio::event::Source;

    use super::*;
    use crate::handler::Settings;
    use crate::service::{Registrar, Waker};
    use crate::session::{Scratch, TurnClock};
    use crate::socketserver::Address;
    use crate::socketserver::talk::talk;
    use crate::testing::Memory;

    /// Nothing wakes a session here but its client and the time.
    struct NoWires;

    impl Registrar for NoWires {
        fn register(&mut self, _: &mut dyn Source, _: u8, _: Interest) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn wake(&self) -> Waker {
            Waker::new(|| {})
        }

        fn now(&self) -> Instant {
            Instant::now()
        }
    }

    /// A session of a handler that says goodbye and returns, and its client; at this time of its life.
    struct Farewell<'s> {
        session: StreamSession<'s, Memory>,
        client: Memory,
        began: Instant,
    }

    fn farewell(log: &RefCell<AccessLog>) -> Farewell<'_> {
        let (client, began) = (Memory::default(), Instant::now());
        let (run, pipe) = talk(&Settings::default().room(), Address::Unix(None), |line| {
            io::Write::write_all(&mut line.wfile(), b"goodbye")
        });
        let timeout = Duration::from_secs(300);
        let session = StreamSession::new(client.clone(), run, pipe, None, log, timeout, began);
        Farewell { session, client, began }
    }

    impl Farewell<'_> {
        /// Steps so many milliseconds after the session has begun.
        fn step_at(&mut self, millis: u64) -> Next {
            let clock = TurnClock::new(self.began + Duration::from_millis(millis), SystemTime::now());
            let (mut scratch, mut registrar) = (Scratch::default(), NoWires);
            let mut cx =
                StepContext { clock, scratch: &mut scratch, registrar: &mut registrar, memory_is_short: false };
            let mut ready = Ready::FRESH;
            self.session.step(&mut ready, &mut cx)
        }
    }

    #[test]
    fn a_client_that_does_not_close_may_linger_for_two_seconds() {
        let log = AccessLog::off().into();
        let mut farewell = farewell(&log);
        let end = farewell.began + Duration::from_secs(2);
        assert_eq!(farewell.step_at(0), Next::Wait(Some(end)));
        assert_eq!(farewell.client.take(), b"goodbye");
        assert!(farewell.client.has_ended());
        assert_eq!(farewell.step_at(1_999), Next::Wait(Some(end)));
        assert_eq!(farewell.step_at(2_000), Next::Close(CloseReason::LingerOver));
    }

    #[test]
    fn a_client_that_goes_on_sending_lingers_no_longer() {
        let log = AccessLog::off().into();
        let mut drips = farewell(&log);
        let end = drips.began + Duration::from_secs(2);
        for millis in [0, 500, 1_000, 1_500, 1_999] {
            drips.client.send(b"and another thing");
            assert_eq!(drips.step_at(millis), Next::Wait(Some(end)), "after {millis} ms");
        }
        drips.client.send(b"and another thing");
        assert_eq!(drips.step_at(2_000), Next::Close(CloseReason::LingerOver));

        let mut floods = farewell(&log);
        floods.client.send(&vec![b'x'; 3 * ROUNDS * ROOM]);
        assert_eq!(floods.step_at(0), Next::Again, "there is more to read than a turn reads");
        assert_eq!(floods.step_at(2_000), Next::Close(CloseReason::LingerOver), "and it does not keep the session");
    }

    #[test]
    fn a_client_that_closes_ends_the_session_at_once() {
        let log = AccessLog::off().into();
        let mut farewell = farewell(&log);
        farewell.client.send(b"unread");
        assert!(matches!(farewell.step_at(0), Next::Wait(Some(_))));
        farewell.client.finish();
        assert_eq!(farewell.step_at(1), Next::Close(CloseReason::Complete));
    }
}
