//! Handles a request to which an upstream responds. Passes the body to the upstream and takes its response.

use std::io;

use super::GATHER;
use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::{PendingUpstream, Stage};
use crate::http::Status;
use crate::http1::{RequestEvent, Violation};
use crate::observer::ConnectionObserver;
use crate::service::Response;
use crate::session::{CloseReason, StepContext};

/// The reason why a body could not be passed to an upstream.
pub(super) enum FeedError {
    /// The client closed its sending side in the middle of the body.
    Cut,
    /// The body is malformed.
    Violation(Violation),
    /// The upstream returned an error.
    Upstream(io::Error),
}

impl From<io::Error> for FeedError {
    fn from(error: io::Error) -> Self {
        FeedError::Upstream(error)
    }
}

impl PendingUpstream {
    /// Passes to the upstream the part of the body that has arrived, and takes the upstream's response once there is
    /// one.
    pub(super) fn advance<T, O: ConnectionObserver>(
        mut self: Box<Self>,
        core: &mut ConnectionCore<'_, T, O>,
        cx: &mut StepContext<'_>,
    ) -> (Stage, Progress) {
        let mut progress = Progress::Still;
        let response = match self.feed(core) {
            Ok(fed) => {
                let wanted = self.wants_body();
                core.observer().upstream_resumed();
                let response = self.upstream.poll(cx.registrar);
                self.send_interim(core);
                // If polling has made the upstream want the body, another round passes it the part that has already
                // arrived.
                progress = if !wanted && self.wants_body() { Progress::Moved } else { fed };
                response
            }
            Err(FeedError::Cut) => {
                // The upstream is dropped before `log_notes` is called, because dropping it may produce messages for
                // the log.
                drop(self);
                core.log_notes(cx.clock.wall);
                return (Stage::Closing(CloseReason::InputCut), Progress::Moved);
            }
            Err(FeedError::Violation(violation)) => {
                let stage = core.reject(&violation.into(), &self.request, cx.clock);
                return (stage, Progress::Moved);
            }
            Err(FeedError::Upstream(error)) => {
                // The upstream has failed in the middle of the body. No other code reads the rest of the body, so no
                // further request can be read.
                core.machine.refuse();
                Err(error)
            }
        };
        let stage = match response {
            Ok(None) => return (Stage::AwaitingUpstream(self), progress),
            Ok(Some(mut response)) => {
                // An upstream that responds early may still want the body, and the client may be waiting for `100
                // Continue` before it sends the body.
                if self.wants_body() {
                    core.machine.send_continue(&mut core.output);
                }
                let request = std::mem::take(&mut self.request);
                #[cfg(feature = "harness")]
                if let Some(fault) = self.upstream.take_fault() {
                    let stage = core.respond_with_fault(fault, &mut response, &request, Some(self), cx.clock);
                    return (stage, Progress::Moved);
                }
                core.respond(&mut response, &request, Some(self), cx.clock)
            }
            Err(error) => {
                core.log_message(&format!("no response: {error}"), cx.clock.wall);
                core.respond(&mut Response::error(Status::BAD_GATEWAY), &self.request, None, cx.clock)
            }
        };
        (stage, Progress::Moved)
    }

    /// Appends the interim responses of the upstream to the output. While the output is full, they are discarded
    /// instead, because no client depends on an interim response.
    fn send_interim<T, O: ConnectionObserver>(&mut self, core: &mut ConnectionCore<'_, T, O>) {
        while let Some((status, head)) = self.upstream.take_interim() {
            if core.output.len() < GATHER {
                core.machine.interim(status, &head, &mut core.output);
            }
        }
    }

    /// Passes bytes of a protocol other than HTTP to the upstream until the client closes its sending side.
    fn feed_upgraded<T, O: ConnectionObserver>(
        &mut self,
        core: &mut ConnectionCore<'_, T, O>,
    ) -> Result<Progress, FeedError> {
        let mut progress = Progress::Still;
        while self.wants_body() {
            // The upstream is told about EOF only after it has accepted the last byte.
            if core.input.is_empty() && core.at_end {
                self.end_input()?;
                return Ok(Progress::Moved);
            }
            if core.input.is_empty() {
                return Ok(progress.and(core.request_input()));
            }
            // `min` guards against an upstream that claims to have accepted more bytes than it was given.
            let taken = self.upstream.feed(core.input.bytes())?.min(core.input.len());
            if taken == 0 {
                break;
            }
            core.input.consume(taken);
            progress = Progress::Moved;
        }
        Ok(progress)
    }

    /// Ends the input of an upstream on an upgraded connection, unless the input has already ended.
    pub(super) fn end_input(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_whole_body, true) { Ok(()) } else { self.upstream.end() }
    }

    /// Passes the bytes that have arrived to the upstream. They belong to the body, or to another protocol after an
    /// upgrade.
    pub(super) fn feed<T, O: ConnectionObserver>(
        &mut self,
        core: &mut ConnectionCore<'_, T, O>,
    ) -> Result<Progress, FeedError> {
        if self.is_upgraded {
            let progress = self.feed_upgraded(core)?;
            let was_full = !self.wants_body();
            self.upstream.step_upgraded()?;
            // `step_upgraded` can free space in the upstream by passing on bytes that were accepted earlier.
            return Ok(if was_full && self.wants_body() { Progress::Moved } else { progress });
        }
        let mut progress = Progress::Still;
        while !self.has_whole_body {
            if !core.machine.in_body() {
                self.has_whole_body = true;
                // The flag is set before the call, because `end` must not be called again after it has failed.
                self.upstream.end()?;
                return Ok(Progress::Moved);
            }
            if !self.upstream.wants_body() {
                break;
            }
            // `100 Continue` makes the client send the body, so it is sent only once the upstream wants the body.
            core.machine.send_continue(&mut core.output);
            match core.machine.receive_body(&mut core.input, &core.limits.message()) {
                Ok(RequestEvent::Data(length)) => {
                    let taken = self.upstream.feed(&core.input.bytes()[..length])?.min(length);
                    core.machine.take(&mut core.input, taken);
                    if taken > 0 {
                        progress = Progress::Moved;
                    }
                    // A short count means that the upstream accepts no more at the moment. The rest stays in the input,
                    // and nothing more is read from the client.
                    if taken < length {
                        break;
                    }
                }
                Ok(RequestEvent::More) if core.at_end => return Err(FeedError::Cut),
                Ok(RequestEvent::More) => {
                    progress = progress.and(core.request_input());
                    break;
                }
                Ok(_) => {}
                Err(violation) => return Err(FeedError::Violation(violation)),
            }
        }
        Ok(progress)
    }
}
