//! A session that speaks HTTP to one client. It fills, advances and flushes until none of these operations makes
//! progress. `stages/` contains the code that *advance* runs in each stage of an exchange, and `respond.rs` writes the
//! bytes of a response.

use std::io;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use super::ServerState;
use super::body_writer::FILE_SLICE;
use super::buffers::{give_back, lend};
use super::core::{ConnectionCore, Progress};
use super::stage::Stage;
#[cfg(feature = "harness")]
use super::stages::FaultyResponse;
use super::stages::GATHER;
use super::timers::{Timers, Wait};
use crate::observer::{ConnectionObserver, Unobserved};
use crate::session::{Activity, CloseReason, Next, Ready, Session, StepContext, TurnClock};
use crate::transport::Transport;

/// The session of one HTTP connection of a server.
pub struct HttpSession<'s, T, O: ConnectionObserver = Unobserved> {
    core: ConnectionCore<'s, T, O>,
    stage: Stage,
}

/// The minimum free space in the input buffer before a read, in bytes. A buffer that the session owns may have to grow
/// for this. The loop's buffer is much larger.
const LEAST_ROOM: usize = 1024;

/// The maximum number of rounds of fill, advance and flush in one step. After that, other sessions run.
const ROUNDS: usize = 8;

/// The maximum number of bytes sent in one step. After that, other sessions run.
const MOST_SENT: u64 = FILE_SLICE;

/// The maximum number of chunks of a streamed body that are gathered into one write, in addition to the first chunk.
const MORE_CHUNKS: usize = 4;

impl<'s, T: Transport> HttpSession<'s, T> {
    /// Creates a session on a connection that was accepted in the turn that began at `now`.
    pub fn new(server: &'s ServerState, transport: T, peer: SocketAddr, now: Instant) -> Self {
        HttpSession::observed(server, transport, peer, now, Unobserved)
    }
}

impl<'s, T: Transport, O: ConnectionObserver> HttpSession<'s, T, O> {
    /// Like [`HttpSession::new`], but the session reports to `observer`.
    pub fn observed(server: &'s ServerState, transport: T, peer: SocketAddr, now: Instant, observer: O) -> Self {
        let (stage, wait) = match transport.needs_handshake() {
            true => (Stage::Handshake, Wait::Handshake),
            false => (Stage::Head, Wait::First),
        };
        #[cfg(feature = "harness")]
        let stage = match server.next_is_deaf() {
            true => Stage::Faulty(Box::new(FaultyResponse::deaf(now))),
            false => stage,
        };
        let timers = Timers::new(wait, now);
        HttpSession { core: ConnectionCore::new(server, transport, peer, timers, observer), stage }
    }

    /// Creates a session on a new connection. Returns `None` if the client's address already has the maximum number of
    /// connections.
    pub fn admit(server: &'s ServerState, transport: T, peer: SocketAddr, now: Instant, observer: O) -> Option<Self> {
        let permit = match server.limits().connections_per_peer {
            Some(most) => Some(Box::new(server.peers.permit(peer.ip(), most)?)),
            None => None,
        };
        let mut session = HttpSession::observed(server, transport, peer, now, observer);
        session.core.permit = permit;
        Some(session)
    }

    /// If `once` is true, ends the connection after its first response, even if the client wants it to persist.
    pub fn once(mut self, once: bool) -> Self {
        self.core.once = once;
        self
    }

    /// Mutable access to the transport.
    pub fn transport(&mut self) -> &mut T {
        &mut self.core.transport
    }

    /// The number of bytes of memory that the session owns between two steps, which is 0 if no part of a request or
    /// response is in its buffers.
    pub fn buffered_memory(&self) -> usize {
        self.core.buffered_memory()
    }
}

impl<T: Transport, O: ConnectionObserver> Session for HttpSession<'_, T, O> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        let core = &mut self.core;
        // A session that owns no memory uses the buffers of the loop, which are warm in the cache.
        let (lends_input, lends_output) = (core.input.capacity() == 0, core.output.capacity() == 0);
        lend(lends_input, &mut core.input, &mut cx.scratch.input);
        lend(lends_output, &mut core.output, &mut cx.scratch.output);
        let outcome = self.run(ready, cx);
        let core = &mut self.core;
        if outcome.is_ok() {
            core.machine.observer().waits(|| core.timers.observed(&core.limits));
        }
        // `respond` writes the service's messages before the log line of a response. Messages that belong to an
        // exchange in progress or to a failed one are written here.
        if outcome.is_err() || matches!(self.stage, Stage::AwaitingUpstream(_) | Stage::Sending(_)) {
            core.log_notes(cx.clock.wall);
        }
        give_back(lends_input, &mut core.input, &mut cx.scratch.input);
        give_back(lends_output, &mut core.output, &mut cx.scratch.output);
        // The account is updated after `give_back`, because the buffers now have the size that they keep until the next
        // step.
        let outcome = outcome.and_then(|again| {
            core.update_account(&mut cx.memory_is_short)?;
            Ok(again)
        });
        match outcome {
            Ok(true) => Next::Again,
            Ok(false) => Next::Wait(self.deadline(cx.clock)),
            Err(reason) => {
                core.log_cut(&self.stage, reason, cx.clock);
                if matches!(reason, CloseReason::Idle | CloseReason::Stopped) {
                    // An error is ignored, because the connection is closed even if `close_notify` cannot be sent.
                    _ = core.transport.announce_end();
                }
                Next::Close(reason)
            }
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        let timers = &self.core.timers;
        let is_idle = match timers.wait() {
            // If a step has used up its budget, the input may contain a request that has been read but not parsed.
            Wait::Idle => self.core.input.is_empty(),
            wait => wait == Wait::Linger,
        };
        is_idle.then_some(timers.since())
    }

    fn activity(&self) -> Activity {
        let timers = &self.core.timers;
        match (timers.wait(), &self.stage) {
            (Wait::Idle, _) if !self.core.input.is_empty() => Activity::Receiving,
            (Wait::Handshake | Wait::First | Wait::Idle | Wait::Linger, _) => Activity::Quiet(timers.since()),
            // In `Draining`, the response has been sent, and the rest of its request is being discarded.
            (Wait::Head, _) | (Wait::Body, Stage::Draining(_)) => Activity::Receiving,
            _ => Activity::Responding,
        }
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        let timers = &self.core.timers;
        timers.stalls_at(&self.core.limits).filter(|stalls| *stalls <= now).map(|_| timers.since())
    }

    fn evict(&mut self, clock: TurnClock) {
        self.core.log_cut(&self.stage, CloseReason::Stalled, clock);
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.core.transport.source()
    }
}

impl<T, O: ConnectionObserver> Drop for HttpSession<'_, T, O> {
    fn drop(&mut self) {
        // Dropping the stage tells an upstream or a source that the client has disconnected. Both may then produce log
        // lines.
        if matches!(self.stage, Stage::AwaitingUpstream(_)) || self.stage.sending().is_some() {
            // A session that closed or was evicted has already logged this response, and `log_cut` does nothing. Only a
            // session that was still open at the end of the run has not.
            let clock = TurnClock::new(Instant::now(), SystemTime::now());
            self.core.log_cut(&self.stage, CloseReason::Stopped, clock);
            self.stage = Stage::Head;
            self.core.log_notes(clock.wall);
        }
        self.core.close_account();
    }
}

impl<T: Transport, O: ConnectionObserver> HttpSession<'_, T, O> {
    /// Runs rounds of fill, advance and flush. Returns false once a round makes no progress, and true if the session
    /// must run again in the next turn.
    fn run(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        // Nothing can be delivered on a broken connection, so a handler or script must not keep working for it.
        if ready.broken && !matches!(self.stage, Stage::Lingering(_)) {
            return Err(CloseReason::Broken);
        }
        // The poll also reports a connection as broken when both sides have closed it, as at the end of lingering. The
        // next read distinguishes EOF from a reset.
        ready.read |= ready.broken;
        if ready.read_closed {
            self.core.timers.note_closed(cx.clock.now);
        }
        let (mut sent, mut rounds) = (0, 0);
        for _ in 0..ROUNDS {
            rounds += 1;
            let filled = self.fill(ready)?;
            let advanced = self.advance_and_gather(ready, cx)?;
            let flushed = self.flush_or_cut(ready, cx.clock)?;
            self.note_all_sent();
            let moved = filled || flushed.is_some() || advanced == Progress::Moved;
            let flushed = flushed.unwrap_or_default();
            if flushed > 0 {
                self.core.timers.note_sent(cx.clock.now);
            }
            sent += flushed;
            let wait = self.stage.wait(&self.core);
            self.core.timers.set_wait(wait, moved, cx.clock);
            if wait == Wait::Linger {
                // The deadline is checked here, because discarding input counts as progress. If the client keeps
                // sending, the check below is never reached.
                self.time_out(cx.clock)?;
            }
            if !moved || self.is_settled(ready) {
                if advanced == Progress::NextTurn {
                    // A session that runs again in the next turn is not registered if it never waited before, so no
                    // event reports input. The next step therefore tries to read without an event.
                    ready.read |= wait == Wait::Linger;
                    return Ok(true);
                }
                if !self.time_out(cx.clock)? && !self.close_if_stopping(sent > 0, cx.clock)? {
                    return Ok(false);
                }
            }
            // A client on loopback can accept bytes as fast as they are sent. Without this limit, such a client would
            // delay all others.
            if sent >= MOST_SENT {
                break;
            }
        }
        self.core.observer().budget_used_up(rounds, sent);
        Ok(true)
    }

    /// If no output is left, tells the observer that all of it has been sent.
    fn note_all_sent(&mut self) {
        let core = &mut self.core;
        if core.output.is_empty() && !core.transport.has_pending() {
            let goes_on = match self.stage {
                Stage::Deferred(_) | Stage::AwaitingUpstream(_) | Stage::Sending(_) => true,
                // A response with a fault is complete only once its stage has ended.
                #[cfg(feature = "harness")]
                Stage::Faulty(_) => true,
                _ => false,
            };
            core.observer().all_sent(goes_on);
        }
    }

    /// True if another round would do nothing, because every request has been answered, every response has been sent,
    /// and nothing can be read. Without this check, each request would cost an extra round.
    fn is_settled(&self, ready: &Ready) -> bool {
        let core = &self.core;
        let is_quiet = core.input.is_empty() && core.output.is_empty() && !ready.read && !core.at_end;
        // A send that was interrupted by a signal leaves output in the transport, and no event will report that it can
        // be sent.
        is_quiet && matches!(self.stage, Stage::Head) && !core.transport.has_pending()
    }

    /// Reads input with one call, if the stage wants bytes and some may have arrived. Returns true if the call made
    /// progress, which includes EOF.
    fn fill(&mut self, ready: &mut Ready) -> Result<bool, CloseReason> {
        let core = &mut self.core;
        let is_wanted = match self.stage {
            // This is back-pressure: no further request is read from a client that does not read its responses.
            Stage::Head => core.needs_input && core.output.is_empty() && !core.transport.has_pending(),
            Stage::Handshake | Stage::Closing(_) => false,
            Stage::Lingering(_) => true,
            #[cfg(feature = "harness")]
            Stage::Faulty(ref faulty) => faulty.wants_input(core.needs_input),
            _ => core.needs_input,
        };
        if !is_wanted || !ready.read || core.at_end {
            return Ok(false);
        }
        let mut room = 0;
        let transport = &mut core.transport;
        let result = core.input.fill(LEAST_ROOM, |free| {
            room = free.len();
            transport.recv(free)
        });
        match result {
            // EOF is not an error, because a client that has only closed its sending side can still receive responses.
            Ok(0) => {
                core.at_end = true;
                core.observer().end_of_input();
            }
            Ok(count) => {
                // These bytes are parsed first. If the state machine then needs more, `request_input` sets the flag
                // again.
                core.needs_input = false;
                core.timers.credit_body(count, &core.limits);
                // The poll is edge-triggered, so a session must read until `WouldBlock`. On epoll, a read that does not
                // fill its buffer has emptied the socket and the next bytes are reported, which saves that call. EOF is not reported again, so after `read_closed` the session reads until
                // it finds EOF.
                ready.read = ready.read_closed || count == room || !core.transport.short_read_is_all();
                core.observer().read(count, room, !ready.read);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.read = false;
                core.observer().read_blocked();
                return Ok(false);
            }
            Err(_) => return Err(CloseReason::Broken),
        }
        Ok(true)
    }

    /// Advances once, and then again as long as a streamed body has more bytes for the same write. In this way the
    /// first chunks are sent together with the head, and the end of the body together with its last bytes.
    fn advance_and_gather(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let progress = self.advance(ready, cx)?;
        // The loop is bounded, because a source that never runs out of bytes would otherwise delay the output forever.
        for _ in 0..MORE_CHUNKS {
            let is_streamed = matches!(&self.stage, Stage::Sending(sending) if sending.body.is_streamed());
            let is_full = self.core.output.len() >= GATHER;
            if !is_streamed || is_full || self.advance(ready, cx)? != Progress::Moved {
                break;
            }
        }
        Ok(progress)
    }

    fn advance(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let (stage, progress) = match std::mem::replace(&mut self.stage, Stage::Head) {
            // Most requests are answered without leaving `Stage::Head`, so in most cases no stage value is moved.
            Stage::Head => match self.core.advance_head(cx.clock) {
                (Stage::Head, progress) => return Ok(progress),
                other => other,
            },
            stage => stage.advance(&mut self.core, ready, cx)?,
        };
        self.stage = stage;
        Ok(progress)
    }

    /// Flushes the output. If a file has become shorter than announced, the response is truncated and the connection is
    /// closed.
    fn flush_or_cut(&mut self, ready: &mut Ready, clock: TurnClock) -> Result<Option<u64>, CloseReason> {
        match self.flush(ready) {
            Err(reason @ CloseReason::OutputCut) => {
                self.core.log_notes(clock.wall);
                self.core.log_cut(&self.stage, reason, clock);
                self.stage = Stage::Closing(reason);
                Ok(Some(0))
            }
            other => other,
        }
    }

    /// Sends output with one call, if there is any and the socket may accept it. Returns the number of bytes sent.
    /// `None` means that there was nothing to send or that the socket did not accept it.
    fn flush(&mut self, ready: &mut Ready) -> Result<Option<u64>, CloseReason> {
        let core = &mut self.core;
        if !ready.write {
            return Ok(None);
        }
        // Bytes that the transport has already accepted must be sent before any others.
        let result = match core.transport.has_pending() {
            true => {
                let flushed = core.transport.flush_pending();
                core.observer().flushed(&flushed);
                flushed.map(|()| true)
            }
            false => Ok(false),
        };
        // The transport may have had to send before it could continue to read, and no event reports that it can read
        // again.
        ready.read |= matches!(result, Ok(true));
        let result = result.and_then(|pushed| {
            let count = send(&mut self.stage, core)?;
            Ok((pushed || count > 0).then_some(count))
        });
        match result {
            Ok(sent) => Ok(sent),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => Ok(Some(0)),
                // The poll will report when the socket can accept bytes again.
                io::ErrorKind::WouldBlock => {
                    ready.write = false;
                    Ok(None)
                }
                io::ErrorKind::UnexpectedEof => Err(CloseReason::OutputCut),
                _ => Err(CloseReason::Broken),
            },
        }
    }

    /// Handles a wait that has timed out. Returns true if the session then has something to do.
    fn time_out(&mut self, clock: TurnClock) -> Result<bool, CloseReason> {
        if self.core.timers.deadline(&self.core.limits).is_none_or(|deadline| deadline > clock.now) {
            return Ok(false);
        }
        self.core.observer().deadline_fired();
        // The stage stays in place, because `log_cut` needs it to log the response that is cut short.
        if matches!(self.stage, Stage::Sending(_)) {
            return Err(CloseReason::Stalled);
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Head);
        self.stage = stage.time_out(&mut self.core, clock)?;
        Ok(true)
    }

    /// On a stopping server, closes a connection that is waiting for a request once
    /// [`Limits::last_call`](crate::limits::Limits::last_call) has elapsed. If this step has sent a response, its bytes
    /// may still be in transit, so the next stage is [`Stage::Closing`] and this method returns true.
    fn close_if_stopping(&mut self, has_sent: bool, clock: TurnClock) -> Result<bool, CloseReason> {
        // A request that has begun to arrive still gets a response. Only a wait for a new request is ended here.
        match self.core.last_call(clock.stopping) {
            Some(end) if end <= clock.now && self.core.timers.awaits_request() => {
                if !has_sent {
                    return Err(CloseReason::Stopped);
                }
                self.core.machine.stop();
                self.stage = Stage::Closing(CloseReason::Stopped);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The time at which the session must run again even without an event.
    fn deadline(&self, clock: TurnClock) -> Option<Instant> {
        let (timers, limits) = (&self.core.timers, &self.core.limits);
        let upstream = match &self.stage {
            Stage::AwaitingUpstream(pending) => pending.upstream.deadline(),
            stage => stage.sending().and_then(|sending| sending.upstream.as_ref()?.upstream.deadline()),
        };
        #[cfg(feature = "harness")]
        let upstream = match &self.stage {
            Stage::Faulty(faulty) => upstream.into_iter().chain(faulty.deadline()).min(),
            _ => upstream,
        };
        let last_call = self.core.last_call(clock.stopping).filter(|_| timers.awaits_request());
        // The session runs once when it begins to count as stalled, so that the loop can evict it if descriptors or
        // memory are short at that time.
        let stalls = timers.stalls_at(limits).filter(|stalls| *stalls > clock.now);
        timers.deadline(limits).into_iter().chain(upstream).chain(last_call).chain(stalls).min()
    }
}

/// Sends some of the output in one call, together with some of the response body that the stage holds. Returns the
/// number of bytes sent.
fn send<T: Transport, O: ConnectionObserver>(
    stage: &mut Stage,
    core: &mut ConnectionCore<'_, T, O>,
) -> io::Result<u64> {
    match stage {
        Stage::Sending(sending) => sending.body.send(&mut core.output, &mut core.transport, core.machine.observer()),
        _ if core.output.is_empty() => Ok(0),
        stage => {
            // The FIN can be sent in the same packet as the last bytes, because the sending side is shut down
            // immediately afterwards.
            let is_last = matches!(stage, Stage::Closing(_));
            let result = core.transport.send(core.output.bytes(), &[], is_last);
            core.machine.observer().sent(core.output.len(), is_last, &result);
            let count = result?;
            core.output.consume(count);
            Ok(count as u64)
        }
    }
}
