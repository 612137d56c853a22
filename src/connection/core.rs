//! The part of a session that outlives a single exchange: the transport, the protocol state machine, the buffers, the
//! timers, and the state of its server. The stages of an exchange are in `stage.rs` and `stages/`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::ServerState;
use super::per_peer::PeerPermit;
use super::timers::Timers;
use crate::buffer::Buffer;
use crate::http::{BodyLength, Expect, Request};
use crate::http1::ServerMachine;
use crate::limits::Limits;
use crate::observer::ConnectionObserver;
use crate::service::Service;
use crate::session::{CloseReason, TurnClock};
use crate::transport::Transport;

/// The result of one operation of a step: a fill, an advance or a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There was nothing to do.
    Still,
    /// The operation made progress, so the other operations may now make progress too.
    Moved,
    /// The operation must continue in the next turn, even without an event.
    NextTurn,
}

impl Progress {
    /// Returns the first of two results that is not `Still`, or `Still` if there is no such result.
    pub(super) fn and(self, other: Progress) -> Progress {
        if self == Progress::Still { other } else { self }
    }
}

/// The state of a session, apart from the stage of its current exchange.
pub(super) struct ConnectionCore<'s, T, O> {
    pub(super) server: &'s ServerState,
    /// The limits of the current exchange. The server moves its limits to a new allocation when its limits or its
    /// service are replaced, so comparing the addresses shows if either has been replaced since the exchange began.
    pub(super) limits: Arc<Limits>,
    pub(super) transport: T,
    pub(super) peer: SocketAddr,
    pub(super) machine: ServerMachine<O>,
    /// Received bytes that have not been parsed yet. The buffer owns memory between two steps only if it contains
    /// bytes.
    pub(super) input: Buffer,
    /// Bytes that have not been sent yet. The buffer owns memory between two steps only if it contains bytes.
    pub(super) output: Buffer,
    pub(super) timers: Timers,
    /// True if the state machine cannot continue without more bytes.
    pub(super) needs_input: bool,
    /// True once the client has closed its sending side and everything that it sent has been read.
    pub(super) at_end: bool,
    /// True if the connection ends after its first response.
    pub(super) once: bool,
    /// The service that the server's service created for this connection. `None` means that the server's service itself
    /// responds to this connection's requests.
    pub(super) own_service: Option<Box<dyn Service>>,
    /// True once [`Service::connect`] has been called. An enum that replaced this field and `own_service` would take up
    /// eight more bytes per connection.
    pub(super) has_connected: bool,
    /// The number of bytes of this session's memory that are included in [`ServerState::buffered`].
    accounted: usize,
    pub(super) permit: Option<Box<PeerPermit<'s>>>,
}

impl<'s, T, O: ConnectionObserver> ConnectionCore<'s, T, O> {
    pub(super) fn new(server: &'s ServerState, transport: T, peer: SocketAddr, timers: Timers, observer: O) -> Self {
        ConnectionCore {
            server,
            limits: server.limits(),
            transport,
            peer,
            machine: ServerMachine::observed(server.protocol(), observer),
            input: Buffer::default(),
            output: Buffer::default(),
            timers,
            needs_input: true,
            at_end: false,
            once: false,
            own_service: None,
            has_connected: false,
            accounted: 0,
            permit: None,
        }
    }

    pub(super) fn observer(&mut self) -> &mut O {
        self.machine.observer()
    }

    /// Adopts the server's current limits and service. Called if either has been replaced since the last request began.
    #[cold]
    pub(super) fn adopt_changes(&mut self) {
        self.limits = self.server.limits();
        // The connection's own service is dropped, because the service that created it may have been replaced.
        (self.own_service, self.has_connected) = (None, false);
    }

    /// Records that the state machine needs more bytes. Returns `Moved` unless this was already recorded.
    pub(super) fn request_input(&mut self) -> Progress {
        // `Moved` starts another round of the step, in which more input can be read.
        if std::mem::replace(&mut self.needs_input, true) { Progress::Still } else { Progress::Moved }
    }

    /// True if the unwanted body of this request may be read before the response: the body is short enough, and the
    /// client is not waiting for `100 Continue` before it sends the body.
    pub(super) fn may_read_unwanted_body(&self, request: &Request) -> bool {
        let is_short = match request.body_length() {
            BodyLength::Known(length) => length <= self.limits.drain,
            // The length of a chunked body is not known in advance. Reading stops at the limit.
            BodyLength::None | BodyLength::Chunked => true,
        };
        is_short && self.machine.expect() == Expect::None
    }

    /// True if the rest of the current body is short enough to be discarded, which lets the connection persist.
    pub(super) fn may_discard_body(&self) -> bool {
        self.machine.body_left().is_some_and(|left| left <= self.limits.drain)
    }

    /// Writes the new messages of this connection's own service to the log. Does nothing if the connection has none.
    pub(super) fn log_notes(&self, wall: SystemTime) {
        // The messages of the server's service are written by the `after_turn` hook.
        if let Some(own) = &self.own_service {
            own.take_notes(&mut |note| self.log_message(note, wall));
        }
    }

    /// Writes a message to the log, together with the address of this client.
    pub(super) fn log_message(&self, message: &str, wall: SystemTime) {
        self.server.log.borrow_mut().message(Some(self.peer), message, wall);
    }

    /// Logs a failed handshake of the transport, unless the limit on such log lines per minute has been reached.
    #[cold]
    pub(super) fn log_failed_handshake(&self, error: &io::Error, clock: TurnClock) {
        if let Some(line) = self.server.failed_handshakes.line(error, clock.now) {
            self.log_message(&line, clock.wall);
        }
    }

    /// The time until which a client can still send a request on an idle connection of a stopping server
    /// ([`Limits::last_call`]). `None` unless the server is stopping.
    pub(super) fn last_call(&self, stopping: Option<Instant>) -> Option<Instant> {
        stopping?.checked_add(self.limits.last_call)
    }

    /// Subtracts this session's memory from the total of all sessions when the session is dropped.
    pub(super) fn close_account(&self) {
        self.server.buffered.set(self.server.buffered.get() - self.accounted);
    }
}

impl<T: Transport, O: ConnectionObserver> ConnectionCore<'_, T, O> {
    /// The number of bytes of memory that the session owns between two steps, which is 0 if its buffers are empty.
    pub(super) fn buffered_memory(&self) -> usize {
        self.input.capacity() + self.output.capacity() + self.transport.memory()
    }

    /// Updates this session's share of the total buffer memory of all sessions. Sets `is_short` if this session needs
    /// more memory and the total is above the threshold for a memory shortage.
    ///
    /// # Errors
    /// Returns [`CloseReason::Memory`] if this session needs more memory and the total would exceed its limit.
    pub(super) fn update_account(&mut self, is_short: &mut bool) -> Result<(), CloseReason> {
        let kept = self.buffered_memory();
        // This is the common case: most sessions own a buffer neither before nor after a step.
        if kept == self.accounted {
            return Ok(());
        }
        // Only the difference is added to the total, so that no step needs to visit the other sessions.
        let sum = self.server.buffered.get() - self.accounted + kept;
        let has_grown = kept > self.accounted;
        self.server.buffered.set(sum);
        self.accounted = kept;
        self.observer().buffers(kept);
        let room = self.server.room_for_buffers(&self.limits);
        // `is_short` is set even if this session is closed below. Stalled sessions may hold most of the memory, and
        // they must make room for the next session.
        *is_short |= has_grown && sum > self.limits.before_short(room);
        // A session that has reduced its memory is not closed, even if the total is still too large.
        if has_grown && sum > room { Err(CloseReason::Memory) } else { Ok(()) }
    }
}
