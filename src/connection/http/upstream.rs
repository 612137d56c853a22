//! A request that somebody else answers: bringing its body there, fetching the response.

use std::io;

use super::{GATHER, HttpSession, Progress, Stage};
use crate::http::{Request, Status};
use crate::http1::{RequestEvent, Violation};
use crate::service::{Response, Upstream};
use crate::session::{CloseReason, StepContext};
use crate::transport::Transport;

/// A request that somebody else answers.
pub(super) struct Later {
    pub(super) upstream: Box<dyn Upstream>,
    pub(super) request: Request,
    /// The upstream knows that the body is complete.
    pub(super) ended: bool,
}

impl Later {
    /// Whether some of the body is still to come, and wanted.
    pub(super) fn wants_body(&self) -> bool {
        !self.ended && self.upstream.wants_body()
    }

    /// Whether the upstream goes on reading the body while its response is sent.
    pub(super) fn reads_on(&self) -> bool {
        !self.ended && self.upstream.reads_on()
    }
}

/// Why a body could not be brought to an upstream.
pub(super) enum FeedError {
    /// The client closed in the middle of it.
    Cut,
    /// It is broken.
    Violation(Violation),
    /// The upstream failed.
    Upstream(io::Error),
}

impl From<io::Error> for FeedError {
    fn from(error: io::Error) -> Self {
        FeedError::Upstream(error)
    }
}

impl<T: Transport> HttpSession<'_, T> {
    /// Brings an upstream what has come of the body, and fetches its response.
    pub(super) fn advance_later(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let Stage::Later(mut later) = std::mem::replace(&mut self.stage, Stage::Head) else {
            return Ok(Progress::Still);
        };
        let mut progress = Progress::Still;
        let response = match self.feed(&mut later) {
            Ok(fed) => {
                let wanted = later.wants_body();
                let response = later.upstream.poll(cx.registrar);
                self.send_interim(&mut later);
                // Somebody who has just begun to want the body is to get what is there of it.
                progress = if !wanted && later.wants_body() { Progress::Moved } else { fed };
                response
            }
            Err(FeedError::Cut) => return Err(CloseReason::InputCut),
            Err(FeedError::Violation(violation)) => {
                self.reject(&violation.into(), &later.request, cx.clock);
                return Ok(Progress::Moved);
            }
            Err(FeedError::Upstream(error)) => {
                // The upstream failed in the middle of the body, which nothing else will read.
                self.machine.refuse();
                Err(error)
            }
        };
        let request = std::mem::take(&mut later.request);
        match response {
            Ok(None) => {
                later.request = request;
                self.stage = Stage::Later(later);
                return Ok(progress);
            }
            Ok(Some(response)) => {
                // Who answers at once may still want the body that its client waits to send.
                if later.wants_body() {
                    self.machine.send_continue(&mut self.output);
                }
                self.respond(response, &request, Some(later), cx.clock);
            }
            Err(error) => {
                let text = format!("no response: {error}");
                self.site.log.borrow_mut().message(Some(self.peer), &text, cx.clock.wall);
                self.respond(Response::error(Status::BAD_GATEWAY), &request, None, cx.clock);
            }
        }
        Ok(Progress::Moved)
    }

    /// Sends what an upstream has to say before its response. No client waits for that, so what one does not take while
    /// it comes is left out.
    fn send_interim(&mut self, later: &mut Later) {
        while let Some((status, head)) = later.upstream.take_interim() {
            if self.output.len() < GATHER {
                self.machine.interim(status, &head, &mut self.output);
            }
        }
    }

    /// Brings an upstream what has come of the body.
    pub(super) fn feed(&mut self, later: &mut Later) -> Result<Progress, FeedError> {
        let mut progress = Progress::Still;
        while !later.ended {
            if !self.machine.in_body() {
                later.ended = true;
                later.upstream.end()?;
                return Ok(Progress::Moved);
            }
            if !later.upstream.wants_body() {
                break;
            }
            self.machine.send_continue(&mut self.output);
            match self.machine.receive_body(&mut self.input, &self.limits.message()) {
                Ok(RequestEvent::Data(length)) => {
                    let taken = later.upstream.feed(&self.input.bytes()[..length])?.min(length);
                    self.machine.take(&mut self.input, taken);
                    if taken > 0 {
                        progress = Progress::Moved;
                    }
                    if taken < length {
                        break;
                    }
                }
                Ok(RequestEvent::More) if self.at_end => return Err(FeedError::Cut),
                Ok(RequestEvent::More) => {
                    progress = progress.and(self.starve());
                    break;
                }
                Ok(_) => {}
                Err(violation) => return Err(FeedError::Violation(violation)),
            }
        }
        Ok(progress)
    }
}
