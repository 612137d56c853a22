//! Reads the head of a request, passes it to the service, and chooses the next stage.

use super::GATHER;
use super::text::MOST_TEXT;
use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::{Deferred, PendingUpstream, Stage};
use crate::http::{Expect, Request, Status};
use crate::http1::RequestEvent;
use crate::observer::ConnectionObserver;
use crate::service::{Reply, Response};
use crate::session::{CloseReason, TurnClock};
use crate::transport::Transport;

impl<T: Transport, O: ConnectionObserver> ConnectionCore<'_, T, O> {
    /// Responds to the requests in the input, until one is incomplete or a response cannot be finished immediately.
    pub(in crate::connection) fn advance_head(&mut self, clock: TurnClock) -> (Stage, Progress) {
        let mut progress = Progress::Still;
        let mut stage = Stage::Head;
        // All connections share a single `Request`, so that its memory is reused. It is returned at the end of this
        // method, so a stage that needs the request for longer clones it.
        let mut request = self.server.borrow_request();
        // `tls` is set before the head is read, because an `https` target is valid only over TLS.
        request.tls = self.transport.tls().cloned();
        while matches!(stage, Stage::Head) && self.output.len() < GATHER {
            // A connection adopts new limits or a new service only between two requests, so that each request sees a
            // single version of them.
            if !self.server.is_unchanged_since(&self.limits) && self.machine.is_idle() && !self.transport.is_text() {
                self.adopt_changes();
            }
            match self.machine.receive(&mut self.input, &self.limits.message(), &mut request) {
                Ok(RequestEvent::More)
                    if self.transport.is_text() && (self.at_end || self.input.len() >= MOST_TEXT) =>
                {
                    stage = self.refuse_incomplete_text(&mut request, clock);
                }
                Ok(RequestEvent::More) if self.at_end => stage = self.end_of_input(),
                Ok(RequestEvent::More) => {
                    progress = progress.and(self.request_input());
                    break;
                }
                Ok(RequestEvent::Head) => {
                    // The state machine sets the members of `request` that can be parsed from the input. The connection
                    // sets the others.
                    request.peer = self.peer;
                    request.local = self.server.local;
                    request.arrived = clock.now;
                    stage = match self.transport.is_text() {
                        true => self.refuse_text(&request, clock),
                        false => self.begin(&request, clock),
                    };
                }
                // The state machine has closed its receiving side, so no request follows.
                Ok(_) => stage = Stage::Closing(CloseReason::Complete),
                Err(violation) => {
                    request.arrived = clock.now;
                    stage = match self.transport.is_text() {
                        true => self.refuse_text(&request, clock),
                        false => self.reject(&violation.into(), &request, clock),
                    };
                }
            }
            progress = Progress::Moved;
        }
        self.server.return_request(request);
        (stage, progress)
    }

    /// Passes a complete head to the service.
    fn begin(&mut self, request: &Request, clock: TurnClock) -> Stage {
        self.timers.begin_exchange(&self.limits, clock.now);
        let mut reply = match self.machine.expect() {
            Expect::Unknown => Response::error(Status::EXPECTATION_FAILED).into(),
            _ => self.call_service(request, clock.wall),
        };
        match reply {
            Reply::Now(response) if self.machine.in_body() && self.may_read_unwanted_body(request) => {
                let (request, left) = (request.clone(), self.limits.drain);
                Stage::Deferred(Box::new(Deferred { response, request, left }))
            }
            Reply::Now(ref mut response) => {
                // The unwanted body is too long to be read, or the client waits for `100 Continue` before it sends the
                // body. The connection is closed after the response.
                if self.machine.in_body() {
                    self.machine.refuse();
                }
                self.respond(response, request, None, clock)
            }
            Reply::Later(upstream) => {
                self.observer().upstream_begins();
                let pending =
                    PendingUpstream { upstream, request: request.clone(), has_whole_body: false, is_upgraded: false };
                Stage::AwaitingUpstream(Box::new(pending))
            }
        }
    }

    /// Ends a connection whose client has closed its sending side. All earlier requests have been answered.
    fn end_of_input(&mut self) -> Stage {
        let reason = if self.machine.is_idle() { CloseReason::ClientDone } else { CloseReason::InputCut };
        self.machine.end_of_input();
        Stage::Closing(reason)
    }
}
