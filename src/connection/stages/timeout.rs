//! Determines the kind of wait of a session in each stage, and handles a wait that has timed out.

use crate::connection::core::ConnectionCore;
use crate::connection::stage::{PendingUpstream, Stage};
use crate::connection::timers::Wait;
use crate::http::{Request, Status};
use crate::http1::Rejection;
use crate::observer::ConnectionObserver;
use crate::service::Response;
use crate::session::{CloseReason, TurnClock};
use crate::transport::Transport;

impl Stage {
    /// The kind of wait that a session in this stage begins when it has nothing to do.
    pub(in crate::connection) fn wait<T: Transport, O: ConnectionObserver>(
        &self,
        core: &ConnectionCore<'_, T, O>,
    ) -> Wait {
        match self {
            Stage::Handshake => Wait::Handshake,
            Stage::Lingering(_) => Wait::Linger,
            _ if !core.output.is_empty() || core.transport.has_pending() => Wait::Write,
            Stage::Head if !core.machine.is_idle() => Wait::Head,
            Stage::Head if matches!(core.timers.wait(), Wait::First | Wait::Handshake) => Wait::First,
            Stage::Head => Wait::Idle,
            Stage::Deferred(_) | Stage::Draining(_) => Wait::Body,
            Stage::AwaitingUpstream(pending) if !pending.has_whole_body && core.needs_input => Wait::Body,
            Stage::AwaitingUpstream(_) => Wait::Upstream,
            // The source may be waiting for the client's body, so the time limits for a body apply.
            Stage::Sending(sending) if sending.is_waiting && core.needs_input && sending.feeds_upstream() => Wait::Body,
            Stage::Sending(sending) if sending.is_waiting => Wait::Source,
            Stage::Sending(_) | Stage::Closing(_) => Wait::Write,
            // This stage has its own deadline. The fault determines when, if ever, the next bytes are sent.
            #[cfg(feature = "harness")]
            Stage::Faulty(_) => Wait::Source,
        }
    }

    /// Handles a wait that has timed out.
    ///
    /// # Errors
    /// Returns the close reason if the connection is closed without a response.
    pub(in crate::connection) fn time_out<T: Transport, O: ConnectionObserver>(
        self,
        core: &mut ConnectionCore<'_, T, O>,
        clock: TurnClock,
    ) -> Result<Stage, CloseReason> {
        match (core.timers.wait(), self) {
            (Wait::Handshake | Wait::First | Wait::Idle, _) => Err(CloseReason::Idle),
            // The log must show the original reason for closing, and not that the client kept sending.
            (Wait::Linger, Stage::Lingering(reason)) if reason != CloseReason::Complete => Err(reason),
            (Wait::Linger, _) => Err(CloseReason::LingerOver),
            (Wait::Upstream, Stage::AwaitingUpstream(pending)) => Ok(time_out_upstream(&pending, core, clock)),
            (Wait::Head | Wait::Body, Stage::Deferred(deferred)) => {
                Ok(time_out_request(&deferred.request, core, clock))
            }
            (Wait::Head | Wait::Body, Stage::AwaitingUpstream(pending)) => {
                Ok(time_out_request(&pending.request, core, clock))
            }
            (Wait::Head | Wait::Body, Stage::Head) => {
                // The head is incomplete. The log identifies the request by the part of its first line that has
                // arrived.
                let (peer, local, arrived) = (core.peer, core.server.local, core.timers.since());
                let tls = core.transport.tls().cloned();
                let mut request = Request { peer, local, arrived, tls, ..Request::default() };
                core.machine.note_line(&core.input, &mut request);
                Ok(match core.transport.is_text() {
                    true => core.refuse_text(&request, clock),
                    false => time_out_request(&request, core, clock),
                })
            }
            _ => Err(CloseReason::Stalled),
        }
    }
}

/// Responds with 504, because the upstream has not responded in time.
fn time_out_upstream<T, O: ConnectionObserver>(
    pending: &PendingUpstream,
    core: &mut ConnectionCore<'_, T, O>,
    clock: TurnClock,
) -> Stage {
    // Without the upstream, no code reads the rest of the body, so the connection ends with this response.
    if core.machine.in_body() {
        core.machine.refuse();
    }
    core.respond(&mut Response::error(Status::GATEWAY_TIMEOUT), &pending.request, None, clock)
}

/// Responds with 408, because the client has not sent the rest of its request in time.
fn time_out_request<T, O: ConnectionObserver>(
    request: &Request,
    core: &mut ConnectionCore<'_, T, O>,
    clock: TurnClock,
) -> Stage {
    core.machine.refuse();
    core.reject(&Rejection::Timeout, request, clock)
}
