//! A connection without a protocol: bytes to a handler, and bytes from it.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::connection::{CloseReason, Next, Ready, Session, Transport, Turn};
use crate::handler::{Outcome, Pipe, ROOM, Run, Wait};
use crate::log::AccessLog;

/// One client of a [`StreamServer`](super::StreamServer).
pub(super) struct StreamSession<'s, T> {
    transport: T,
    run: Run,
    pipe: Rc<Pipe>,
    peer: Option<SocketAddr>,
    log: &'s RefCell<AccessLog>,
    timeout: Duration,
    /// When the client last sent or took something.
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
    fn step(&mut self, ready: &mut Ready, turn: &mut Turn<'_>) -> Next {
        if ready.broken {
            return Next::Close(CloseReason::Broken);
        }
        if turn.moment.stopping.is_some() {
            // Who waits for a client that may never send again is told that it will not.
            self.pipe.0.borrow_mut().ended = true;
        }
        for _ in 0..ROUNDS {
            match self.go_round(ready, turn) {
                Err(reason) => return Next::Close(reason),
                Ok(true) => self.since = turn.moment.now,
                Ok(false) => return self.wait(turn.moment.now),
            }
        }
        Next::Again
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.transport.source()
    }
}

impl<T: Transport> StreamSession<'_, T> {
    /// Reads once, lets the handler run, and writes once; true if any of that came to something.
    fn go_round(&mut self, ready: &mut Ready, turn: &mut Turn<'_>) -> Result<bool, CloseReason> {
        let read = self.fill(ready, turn)?;
        if self.stage == Stage::Linger {
            return Ok(read);
        }
        if self.run.go(Some(turn.wires)).is_err() {
            return Err(CloseReason::Memory);
        }
        self.log_notes(turn.moment.wall);
        let written = self.flush(ready)?;
        if !self.run.is_over() || !self.pipe.0.borrow().outbox.is_empty() {
            return Ok(read || written);
        }
        if self.failed(turn.moment.wall) {
            return Err(CloseReason::BodyCut);
        }
        if self.pipe.0.borrow().ended || self.transport.end().is_err() {
            return Err(CloseReason::Complete);
        }
        self.stage = Stage::Linger;
        Ok(true)
    }

    /// Reads once, if the handler has room for it and there may be something.
    fn fill(&mut self, ready: &mut Ready, turn: &mut Turn<'_>) -> Result<bool, CloseReason> {
        let mut state = self.pipe.0.borrow_mut();
        let room = match self.stage {
            Stage::Talk => ROOM.saturating_sub(state.inbox.len()),
            Stage::Linger => ROOM,
        };
        if !ready.read || room == 0 || state.ended {
            return Ok(false);
        }
        let input = &mut turn.scratch.input;
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
