//! Passes a request to its service and turns the [`Response`] into bytes. The response is checked and framed, an error
//! page is rendered, and the log line is written. Only a short body is sent here, together with its head.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use super::body_writer::BodyWriter;
use super::core::ConnectionCore;
use super::stage::{ExchangeRecord, Outcome, PendingUpstream, Sending, Stage};
use crate::failure::panic_text;
use crate::http::{ErrorInfo, Request, Status, StatusClass};
use crate::http1::{Encoder, Rejection, ResponseHead};
use crate::log::{LoggedRequest, Record};
use crate::observer::ConnectionObserver;
use crate::service::{Body, ErrorText, Reply, Response};
use crate::session::{CloseReason, TurnClock};

/// An in-memory body of at most this size is copied after its head, so that pipelined responses are sent in one write.
/// A larger body is sent from its own memory, because copying it would cost more than the additional write.
const COPY_MOST: usize = 16 * 1024;

impl<T, O: ConnectionObserver> ConnectionCore<'_, T, O> {
    /// Calls the service of this connection if it has one, and otherwise that of the server. A panic in the service
    /// becomes a 500.
    pub(super) fn call_service(&mut self, request: &Request, wall: SystemTime) -> Reply {
        let (server, own, has_connected) = (self.server, &mut self.own_service, &mut self.has_connected);
        let service = server.service.borrow();
        // A panic in a service must not end the loop, because the loop serves all other clients.
        let call = || {
            if !*has_connected {
                // The connection's service is created with the first request and not with the connection, so that no
                // handler is created for an idle or refused connection.
                *own = server.with_server_name(|name| service.connect(name));
                *has_connected = true;
            }
            own.as_deref().unwrap_or(&**service).call_watched(request, server.watchdog.as_ref())
        };
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            self.log_message(&format!("{}: the service panicked: {}", request.name(), panic_text(&*payload)), wall);
            Response::error(Status::INTERNAL_SERVER_ERROR).into()
        })
    }

    /// Responds to a request that violates the protocol. No further request from this client is parsed.
    pub(super) fn reject(&mut self, rejection: &Rejection, request: &Request, clock: TurnClock) -> Stage {
        let explain = rejection.explanation().map(Cow::Owned);
        let text = ErrorText { message: rejection.message(), explain, cause: None };
        let mut response = Response { error: Some(text), ..Response::new(rejection.status()) };
        self.respond(&mut response, request, None, clock)
    }

    /// Appends the head of a response to the output, together with the body if the body is short. Returns the next
    /// stage. The response is consumed, but is passed by reference, because it is large and is part of a larger value
    /// in most callers.
    pub(super) fn respond(
        &mut self,
        response: &mut Response,
        request: &Request,
        mut upstream: Option<Box<PendingUpstream>>,
        clock: TurnClock,
    ) -> Stage {
        // In the log, messages from the service precede the line of the exchange to which they belong.
        self.log_notes(clock.wall);
        // A response that contradicts its framing becomes a 500, because the client could parse the rest of it as
        // another response.
        if let Some(fault) = self.fault(response, request, upstream.is_some()) {
            self.log_message(&fault, clock.wall);
            *response = Response::error(Status::INTERNAL_SERVER_ERROR);
        }
        if let (Body::Upgrade(_), Some(pending)) = (&response.body, &mut upstream) {
            // The upstream switches to the other protocol before the head is written, because the bytes in the input
            // already belong to that protocol.
            pending.upgrade();
        }
        self.decide_whether_it_is_the_last(upstream.as_deref(), clock);
        let (status, user) = (response.status, response.user.take());
        // 204 must not have a Content-Length (RFC 9110 section 8.6).
        if response.status == Status::NO_CONTENT && response.head.content_length().is_some() {
            response.head.remove("Content-Length");
        }
        let announced = response.head.content_length().or(response.body.length());
        let is_counted = response.error.is_none() && announced.is_some();
        let message = response.error.take().map(|text| self.put_error_page(response, text, request, clock.wall));
        let encoder = {
            let common = self.server.common_headers(clock.wall, request.tls().is_some());
            let head = ResponseHead {
                status,
                reason: message.as_deref().or(response.reason.as_deref()),
                fields: &response.head,
                length: response.body.length(),
                common: &common,
            };
            self.machine.respond(&head, &mut self.output)
        };
        // There is no encoder if no body is sent, as in responses to HEAD and with 304. The count then stays 0.
        let mut outcome = Outcome { status, user, sent: 0, is_counted, cut: None };
        // The caller then drops the body, including its source.
        let Some(mut encoder) = encoder else { return self.complete(request, outcome, clock) };
        if let Some(bytes) = short(&response.body) {
            outcome.sent = encoder.write(bytes, &mut self.output) as u64;
            self.machine.body_sent();
            return self.complete(request, outcome, clock);
        }
        let Outcome { status, user, is_counted, .. } = outcome;
        // The log line is written after the body has been sent. Other requests overwrite the shared `Request` before
        // then, so the record keeps a copy.
        let request = self.server.log.borrow().describe(request).keep();
        let record = ExchangeRecord { request, status, user, is_counted, is_logged: Cell::new(false) };
        let body = body_writer(std::mem::replace(&mut response.body, Body::Empty), encoder);
        Stage::Sending(Box::new(Sending { body, record, upstream, is_waiting: false }))
    }

    /// Ends the connection with this response if the request's body will not be read in full, if the server is
    /// stopping, or if only one response may be sent.
    fn decide_whether_it_is_the_last(&mut self, upstream: Option<&PendingUpstream>, clock: TurnClock) {
        // The head must announce that the connection will close, because the request's body will not be read in full
        // (RFC 9112 section 9.6).
        if !upstream.is_some_and(PendingUpstream::reads_on) && !self.may_discard_body() {
            self.machine.stop();
        }
        // Requests in the input arrived before the server was told to stop, or in the same turn, so they still get
        // responses.
        if self.once || (clock.stopping.is_some() && (self.input.is_empty() || self.machine.in_body())) {
            self.machine.stop();
        }
    }

    /// Detects a response that would desynchronise the connection: an interim status, a protocol upgrade that the
    /// client did not request, or a Content-Length that is not the length of the body. Returns the message for the log.
    fn fault(&self, response: &Response, request: &Request, has_upstream: bool) -> Option<String> {
        let upgrades = matches!(response.body, Body::Upgrade(_));
        if upgrades && (!has_upstream || !self.may_upgrade(response, request)) {
            return Some("response with an upgrade that the client did not request".to_owned());
        }
        if response.status.class() == StatusClass::Informational && !upgrades {
            return Some(format!("response with the interim status {}", response.status.code()));
        }
        let (declared, length) = (response.head.content_length()?, response.body.length()?);
        // A response to HEAD and a 304 may announce a different length, because their bodies are not sent. An error
        // page replaces the body, and its own length is announced.
        let has_body = !self.machine.is_head() && !response.status.is_bodiless() && response.error.is_none();
        (has_body && declared != length)
            .then(|| format!("response of {length} bytes with a Content-Length of {declared}"))
    }

    /// True if the response is a valid protocol upgrade: a 101 that names one of the protocols in the request.
    fn may_upgrade(&self, response: &Response, request: &Request) -> bool {
        let protocol = response.head.get("Upgrade").and_then(|protocol| std::str::from_utf8(protocol).ok());
        let asked_for = protocol.is_some_and(|protocol| request.asks_for_upgrade(protocol));
        let is_101 = response.status == Status::SWITCHING_PROTOCOLS && response.error.is_none();
        is_101 && asked_for && self.machine.may_switch_protocols()
    }

    /// Creates the body of an error response, and writes the line that Python's `log_error` writes in addition to the
    /// request line. Returns the reason phrase.
    fn put_error_page(
        &mut self,
        response: &mut Response,
        text: ErrorText,
        request: &Request,
        wall: SystemTime,
    ) -> Cow<'static, str> {
        let status = response.status;
        if let Some(cause) = &text.cause {
            self.log_message(&format!("{}: {cause}", request.name()), wall);
        }
        // CPython uses this text for an unknown status.
        let named = |name: &'static str| Cow::Borrowed(if name.is_empty() { "???" } else { name });
        let message = text.message.unwrap_or_else(|| named(status.phrase()));
        let explain = text.explain.unwrap_or_else(|| named(status.description()));
        self.server.log.borrow_mut().error(self.peer, status, &message, wall);
        // The page replaces the body that the service has set, if any.
        response.body = Body::Empty;
        // A response with a status such as 204 or 304 has no body, so it gets no page.
        if !status.is_bodiless() {
            let error = ErrorInfo { status, message: &message, explain: &explain, request };
            let body = self.server.error_body(&error);
            // The service may have announced the length of its own body, which the page replaces.
            if response.head.content_length().is_some() {
                response.head.remove("Content-Length");
            }
            response.head.append(self.server.error_fields());
            response.body = body;
        }
        message
    }

    /// Logs a response that has been written to the output in full. Returns the next stage.
    fn complete(&mut self, request: &Request, outcome: Outcome, clock: TurnClock) -> Stage {
        // If the log is off, looking up the request's fields would be wasted work.
        if self.server.log.borrow().is_on() {
            let logged = self.server.log.borrow().describe(request);
            self.log_exchange(logged, outcome, clock);
        }
        self.after_response()
    }

    /// The stage that follows a complete response: closing, discarding the rest of the request's body, or reading the
    /// next head.
    pub(super) fn after_response(&mut self) -> Stage {
        if self.machine.is_closed() {
            Stage::Closing(CloseReason::Complete)
        } else if self.machine.in_body() {
            // The rest of the body must be read before the next request.
            Stage::Draining(self.limits.drain)
        } else {
            Stage::Head
        }
    }

    /// Writes the log line of one exchange. The line reports `outcome.sent` as the number of bytes, even if more bytes
    /// were announced.
    pub(super) fn log_exchange(&self, request: LoggedRequest<'_>, outcome: Outcome, clock: TurnClock) {
        let Outcome { status, user, sent, is_counted, cut } = outcome;
        let (user, cut) = (user.as_deref(), cut.map(CloseReason::text));
        let (peer, at, ended) = (self.peer, clock.wall, clock.now);
        self.server.log.borrow_mut().request(&Record { peer, user, request, status, sent, is_counted, cut, at, ended });
    }

    /// Logs a response that is cut short, with the number of bytes that had been sent or written to the output. Does
    /// nothing if the stage sends no response, or if the response has already been logged.
    #[cold]
    pub(super) fn log_cut(&self, stage: &Stage, reason: CloseReason, clock: TurnClock) {
        if let Some(sending) = stage.sending()
            && !sending.record.is_logged.replace(true)
        {
            let outcome = Outcome { cut: Some(reason), ..sending.outcome() };
            self.log_exchange(sending.record.request.as_logged(), outcome, clock);
        }
    }
}

/// The bytes of a body that is short enough to be sent with its head. `None` for all other bodies.
fn short(body: &Body) -> Option<&[u8]> {
    let bytes: &[u8] = match body {
        Body::Empty => &[],
        Body::Bytes(bytes) => bytes,
        Body::Shared(bytes) => bytes,
        Body::File(_) | Body::Stream(_) | Body::Upgrade(_) => return None,
    };
    (bytes.len() <= COPY_MOST).then_some(bytes)
}

fn body_writer(body: Body, encoder: Encoder) -> BodyWriter {
    match body {
        Body::Empty => BodyWriter::bytes(Cow::Borrowed(&[]), encoder),
        Body::Bytes(bytes) => BodyWriter::bytes(bytes, encoder),
        Body::Shared(bytes) => BodyWriter::shared(bytes, encoder),
        Body::File(slice) => BodyWriter::file(slice, encoder),
        Body::Stream(source) | Body::Upgrade(source) => BodyWriter::stream(source, encoder),
    }
}
