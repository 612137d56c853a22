//! From a [`Response`] to bytes: error pages, framing, what leaves with the head, the log.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use super::{HttpSession, InFlight, Later, Stage};
use crate::connection::answer::Answer;
use crate::http::{ErrorInfo, Request, Status, StatusClass};
use crate::http1::{Encoder, Rejection, ResponseHead};
use crate::log::{LoggedRequest, Record};
use crate::service::{Body, ErrorText, Reply, Response};
use crate::session::{CloseReason, TurnClock};
use crate::transport::Transport;

/// A body of at most this size is copied behind its head, so that pipelined answers leave in one write; a larger one
/// in memory is sent from where it is.
const COPY_MOST: usize = 16 * 1024;

impl<T: Transport> HttpSession<'_, T> {
    /// Asks the service, or what it made for this connection. One that panics has answered with 500.
    pub(super) fn call(&mut self, request: &Request, wall: SystemTime) -> Reply {
        let (site, own, connected) = (self.site, &mut self.own, &mut self.connected);
        let service = site.service.borrow();
        let call = || {
            if !*connected {
                *own = site.with_server_name(|name| service.connect(name));
                *connected = true;
            }
            own.as_deref().unwrap_or(&**service).call(request)
        };
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
            self.site.log.borrow_mut().message(Some(self.peer), "the service panicked", wall);
            Response::error(Status::INTERNAL_SERVER_ERROR).into()
        })
    }

    /// Answers a request that the protocol refuses. Nothing else will be read from this client.
    pub(super) fn reject(&mut self, rejection: &Rejection, request: &Request, clock: TurnClock) {
        let text = ErrorText { message: rejection.message(), explain: rejection.explanation().map(Cow::Owned) };
        let response = Response { error: Some(text), ..Response::new(rejection.status()) };
        self.respond(response, request, None, clock);
    }

    /// Puts the head of a response into the output, and as much of its body as leaves with it.
    pub(super) fn respond(
        &mut self,
        response: Response,
        request: &Request,
        later: Option<Box<Later>>,
        clock: TurnClock,
    ) {
        self.log_notes(clock.wall);
        let mut response = response;
        if let Some(fault) = self.fault(&response) {
            self.site.log.borrow_mut().message(Some(self.peer), &fault, clock.wall);
            response = Response::error(Status::INTERNAL_SERVER_ERROR);
        }
        // The client must learn from the head that its body will not be read to the end (RFC 9112 section 9.6).
        if !later.as_ref().is_some_and(|later| later.reads_on()) && !self.may_discard_body() {
            self.machine.stop();
        }
        // What was pipelined behind the request had come before the server was asked to stop, or with it.
        if self.once || (clock.stopping.is_some() && (self.input.is_empty() || self.machine.in_body())) {
            self.machine.stop();
        }
        let (status, user) = (response.status, response.user.take());
        if response.status == Status::NO_CONTENT && response.head.content_length().is_some() {
            response.head.remove("Content-Length");
        }
        let announced = response.head.content_length().or(response.body.length());
        let is_counted = response.error.is_none() && announced.is_some();
        let message = response.error.take().map(|text| self.put_error_page(&mut response, text, request, clock.wall));
        let encoder = {
            let common = self.site.stamp(clock.wall);
            let head = ResponseHead {
                status,
                reason: message.as_deref().or(response.reason.as_deref()),
                fields: &response.head,
                length: response.body.length(),
                common: &common,
            };
            self.machine.respond(&head, &mut self.output)
        };
        let Some(mut encoder) = encoder else {
            return self.complete(request, Outcome { status, user, sent: 0, is_counted, cut: None }, clock);
        };
        match small(&response.body) {
            Some(bytes) => {
                let sent = encoder.write(bytes, &mut self.output);
                self.machine.body_sent();
                self.complete(request, Outcome { status, user, sent: sent as u64, is_counted, cut: None }, clock);
            }
            None => {
                let asked = self.site.log.borrow().describe(request).keep();
                let answer = in_flight(response.body, encoder);
                let flight = InFlight {
                    answer,
                    status,
                    user,
                    is_counted,
                    asked,
                    later,
                    waiting: false,
                    logged: Cell::new(false),
                };
                self.stage = Stage::Answer(Box::new(flight));
            }
        }
    }

    /// What is wrong with a response whose status is that of an interim one, or whose `Content-Length` is not that of its
    /// body: it would leave the client waiting, or out of step.
    fn fault(&self, response: &Response) -> Option<String> {
        if response.status.class() == StatusClass::Informational {
            return Some(format!("response with the interim status {}", response.status.code()));
        }
        let (declared, length) = (response.head.content_length()?, response.body.length()?);
        let sent = !self.machine.is_head() && !response.status.is_bodiless() && response.error.is_none();
        (sent && declared != length).then(|| format!("response of {length} bytes with a Content-Length of {declared}"))
    }

    /// Makes the body of an error response, logs Python's extra line, and returns the reason phrase.
    fn put_error_page(
        &mut self,
        response: &mut Response,
        text: ErrorText,
        request: &Request,
        wall: SystemTime,
    ) -> Cow<'static, str> {
        let status = response.status;
        let named = |name: &'static str| Cow::Borrowed(if name.is_empty() { "???" } else { name });
        let message = text.message.unwrap_or_else(|| named(status.phrase()));
        let explain = text.explain.unwrap_or_else(|| named(status.description()));
        self.site.log.borrow_mut().error(self.peer, status, &message, wall);
        response.body = Body::Empty;
        if !status.is_bodiless() {
            let error = ErrorInfo { status, message: &message, explain: &explain, request };
            let body = self.site.error_body(&error);
            if response.head.content_length().is_some() {
                response.head.remove("Content-Length");
            }
            response.head.append(self.site.error_fields());
            response.body = body;
        }
        message
    }

    /// The whole response is in the output.
    fn complete(&mut self, request: &Request, outcome: Outcome, clock: TurnClock) {
        if self.site.log.borrow().is_on() {
            let asked = self.site.log.borrow().describe(request);
            self.log_request(asked, outcome, clock);
        }
        self.after_response();
    }
}

/// What became of a request, as far as the log is concerned.
pub(super) struct Outcome {
    pub(super) status: Status,
    /// The user whose credentials were verified.
    pub(super) user: Option<Arc<str>>,
    /// Bytes of body.
    pub(super) sent: u64,
    /// Whether it was known how many they would be, and the body was not our page for an error.
    pub(super) is_counted: bool,
    /// Why it was cut short, if it was.
    pub(super) cut: Option<CloseReason>,
}

impl<T> HttpSession<'_, T> {
    /// One record for every exchange, with the bytes of body that were really sent.
    pub(super) fn log_request(&self, asked: LoggedRequest<'_>, outcome: Outcome, clock: TurnClock) {
        let Outcome { status, user, sent, is_counted, cut } = outcome;
        let (user, cut) = (user.as_deref(), cut.map(CloseReason::text));
        let (peer, at, ended) = (self.peer, clock.wall, clock.now);
        self.site.log.borrow_mut().request(&Record {
            peer,
            user,
            request: asked,
            status,
            sent,
            is_counted,
            cut,
            at,
            ended,
        });
    }

    /// Writes to the log what the service's part for this connection has to say.
    pub(super) fn log_notes(&self, wall: SystemTime) {
        if let Some(own) = &self.own {
            own.take_notes(&mut |note| self.site.log.borrow_mut().message(Some(self.peer), note, wall));
        }
    }
}

/// The bytes of a body that leaves with its head.
fn small(body: &Body) -> Option<&[u8]> {
    let bytes: &[u8] = match body {
        Body::Empty => &[],
        Body::Bytes(bytes) => bytes,
        Body::Shared(bytes) => bytes,
        Body::File(_) | Body::Stream(_) => return None,
    };
    (bytes.len() <= COPY_MOST).then_some(bytes)
}

fn in_flight(body: Body, encoder: Encoder) -> Answer {
    match body {
        Body::Empty => Answer::bytes(Cow::Borrowed(&[]), encoder),
        Body::Bytes(bytes) => Answer::bytes(bytes, encoder),
        Body::Shared(bytes) => Answer::shared(bytes, encoder),
        Body::File(slice) => Answer::file(slice, encoder),
        Body::Stream(source) => Answer::stream(source, encoder),
    }
}
