//! How requests and connections end: bodies that nobody wants, closing behind what is still to be sent, lingering.

use super::{HttpSession, Progress, Stage};
use crate::http::{BodyLength, Expect, Request};
use crate::http1::RequestEvent;
use crate::session::{CloseReason, StepContext, TurnClock};
use crate::transport::Transport;

impl<T: Transport> HttpSession<'_, T> {
    /// Whether the body of this request is read although nobody wants it: not if it is too long for that, and not if
    /// the client waits for a word before it sends it.
    pub(super) fn may_drain(&self, request: &Request) -> bool {
        let short = match request.body_length() {
            BodyLength::Known(length) => length <= self.limits.drain,
            BodyLength::None | BodyLength::Chunked => true,
        };
        short && self.machine.expect() == Expect::None
    }

    /// Whether the rest of the body that is being read is short enough to be discarded, so that the connection can go on.
    pub(super) fn may_discard_body(&self) -> bool {
        self.machine.body_left().is_some_and(|left| left <= self.limits.drain)
    }

    /// Throws the body of a request away whose response waits for that.
    pub(super) fn advance_held(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let event = self.machine.receive_body(&mut self.input, &self.limits.message());
        let Stage::Held(held) = &mut self.stage else { return Ok(Progress::Still) };
        match event {
            Ok(RequestEvent::More) if self.at_end => return Err(CloseReason::InputCut),
            Ok(RequestEvent::More) => return Ok(self.starve()),
            Ok(RequestEvent::Data(length)) if length as u64 <= held.left => {
                self.machine.take(&mut self.input, length);
                held.left -= length as u64;
                return Ok(Progress::Moved);
            }
            Ok(RequestEvent::Data(_)) => self.machine.refuse(),
            Ok(_) | Err(_) => {}
        }
        let Stage::Held(held) = std::mem::replace(&mut self.stage, Stage::Head) else { return Ok(Progress::Still) };
        match event {
            Err(violation) => self.reject(&violation.into(), &held.request, cx.clock),
            Ok(_) => self.respond(held.response, &held.request, None, cx.clock),
        }
        Ok(Progress::Moved)
    }

    /// Decides how it goes on once a response is out.
    pub(super) fn after_response(&mut self) {
        self.stage = if self.machine.is_closed() {
            Stage::Closing(CloseReason::Complete)
        } else if self.machine.in_body() {
            Stage::Drain(self.limits.drain)
        } else {
            Stage::Head
        };
    }

    /// Throws away what an answered request still has of its body.
    pub(super) fn advance_drain(&mut self) -> Result<Progress, CloseReason> {
        let event = self.machine.receive_body(&mut self.input, &self.limits.message());
        let Stage::Drain(left) = &mut self.stage else { return Ok(Progress::Still) };
        match event {
            Ok(RequestEvent::More) if !self.at_end => return Ok(self.starve()),
            Ok(RequestEvent::Data(length)) if length as u64 <= *left => {
                *left -= length as u64;
                self.machine.take(&mut self.input, length);
            }
            Ok(RequestEvent::End) => self.after_response(),
            _ => {
                self.machine.refuse();
                self.stage = Stage::Closing(CloseReason::Complete);
            }
        }
        Ok(Progress::Moved)
    }

    /// Ends the connection, but lets the output leave first: it may hold responses to earlier requests. A response that
    /// is cut short closes in stages even if the output is empty, because a reset would take what is on its way.
    #[cold]
    pub(super) fn close_behind_output(
        &mut self,
        reason: CloseReason,
        clock: TurnClock,
    ) -> Result<Progress, CloseReason> {
        if self.output.is_empty() && !matches!(self.stage, Stage::Answer(_)) {
            return Err(reason);
        }
        self.log_notes(clock.wall);
        self.log_cut(reason, clock);
        self.stage = Stage::Closing(reason);
        Ok(Progress::Moved)
    }

    /// The client has closed its side, and all that it asked before is answered.
    pub(super) fn end(&mut self) {
        let reason = if self.machine.is_idle() { CloseReason::ClientDone } else { CloseReason::InputCut };
        self.machine.end_of_input();
        self.stage = Stage::Closing(reason);
    }

    /// Closes in stages (RFC 9112 section 9.6) once the output has left: shuts the sending side, then lingers until the
    /// client has closed its own. Closing a socket whose peer still sends makes the kernel reset the connection, and the
    /// reset discards a response that is on its way.
    pub(super) fn advance_closing(&mut self, reason: CloseReason) -> Result<Progress, CloseReason> {
        if !self.output.is_empty() {
            return Ok(Progress::Still);
        }
        // A client that has said `close` must send nothing more (RFC 9112 section 9.6), so that no reset can follow: the
        // connection is closed at once, which costs a short connection two system calls less.
        let is_quiet = reason == CloseReason::Complete && self.machine.client_has_finished() && self.input.is_empty();
        if self.at_end || is_quiet || self.transport.end().is_err() {
            return Err(reason);
        }
        self.stage = Stage::Linger(reason);
        // The exchange is over for the client, whose next connection must not be refused for this one.
        self.place = None;
        // Most clients close as soon as they have seen the end. Reading in the next turn finds that end without
        // registering the socket with the poll, which costs a short connection as much as the read.
        Ok(Progress::Later)
    }

    /// Discards what the client still sends, until it closes its side.
    pub(super) fn advance_linger(&mut self, reason: CloseReason) -> Result<Progress, CloseReason> {
        self.input.consume(self.input.len());
        if self.at_end { Err(reason) } else { Ok(Progress::Still) }
    }
}
