//! Discards request bodies that no service wants, either before the response or after it.

use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::{Deferred, Stage};
use crate::http1::RequestEvent;
use crate::observer::ConnectionObserver;
use crate::session::{CloseReason, TurnClock};

impl Deferred {
    /// Discards more of the body, and responds once the body has ended.
    pub(super) fn advance<T, O: ConnectionObserver>(
        mut self: Box<Self>,
        core: &mut ConnectionCore<'_, T, O>,
        clock: TurnClock,
    ) -> (Stage, Progress) {
        match core.machine.receive_body(&mut core.input, &core.limits.message()) {
            Ok(RequestEvent::More) if core.at_end => {
                core.log_notes(clock.wall);
                (Stage::Closing(CloseReason::InputCut), Progress::Moved)
            }
            Ok(RequestEvent::More) => {
                let progress = core.request_input();
                (Stage::Deferred(self), progress)
            }
            Ok(RequestEvent::Data(length)) if length as u64 <= self.left => {
                core.machine.take(&mut core.input, length);
                self.left -= length as u64;
                (Stage::Deferred(self), Progress::Moved)
            }
            Err(violation) => (core.reject(&violation.into(), &self.request, clock), Progress::Moved),
            Ok(event) => {
                // The length of a chunked body is known only at its end. If the event is not the end, the body has
                // turned out to be longer than the limit.
                if matches!(event, RequestEvent::Data(_)) {
                    core.machine.refuse();
                }
                let Deferred { mut response, request, .. } = *self;
                (core.respond(&mut response, &request, None, clock), Progress::Moved)
            }
        }
    }
}

/// Discards at most `left` bytes of the rest of a request body, after the response has been sent.
pub(super) fn drain<T, O: ConnectionObserver>(left: u64, core: &mut ConnectionCore<'_, T, O>) -> (Stage, Progress) {
    let stage = match core.machine.receive_body(&mut core.input, &core.limits.message()) {
        Ok(RequestEvent::More) if !core.at_end => return (Stage::Draining(left), core.request_input()),
        Ok(RequestEvent::Data(length)) if length as u64 <= left => {
            core.machine.take(&mut core.input, length);
            Stage::Draining(left - length as u64)
        }
        Ok(RequestEvent::End) => core.after_response(),
        // The body is truncated, malformed or too long, so no further request can follow.
        _ => {
            core.machine.refuse();
            Stage::Closing(CloseReason::Complete)
        }
    };
    (stage, Progress::Moved)
}
