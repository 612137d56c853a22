//! `ServerMachine`: the server side of a connection. It determines whether a head or a body is read next, how a
//! response is framed, and whether the connection persists. It performs no I/O and calls no services.

mod state;

use super::head::{HeadProgress, ResponseFraming, write_head, write_interim};
use super::{Buffer, Decoded, Decoder, Encoder, MessageLimits, ResponseHead, Violation};
use crate::http::{Expect, FieldBlock, Persistence, Request, ResponseConstraints, Status, StatusClass, Version};
use crate::observer::{TransitionObserver, Unobserved};
pub use state::{ReceiveState, SendState};

/// The server side of the protocol on one connection.
///
/// Two state machines run side by side, because a response can begin before its request is complete. [`ReceiveState`]
/// represents the part of the request that is still expected, and [`SendState`] the part of the response that remains
/// to be sent. `settle` connects the two: when a request and its response are both complete, the next request may
/// begin, or the connection ends.
///
/// ```
/// use serve_forever::http::{FieldBlock, Request, Status, Version};
/// use serve_forever::http1::{Buffer, CommonHeaders, MessageLimits, RequestEvent, ResponseHead, ServerMachine};
///
/// let (mut machine, mut request) = (ServerMachine::new(Version::Http11), Request::default());
/// let mut input = Buffer::default();
/// input.extend(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert_eq!(machine.receive(&mut input, &MessageLimits::default(), &mut request), Ok(RequestEvent::Head));
///
/// let (mut out, fields, common) = (Buffer::default(), FieldBlock::new(), CommonHeaders::default());
/// let status = Status::NO_CONTENT;
/// let head = ResponseHead { status, reason: None, fields: &fields, length: Some(0), common: &common };
/// assert_eq!(machine.respond(&head, &mut out), None);
/// assert!(out.bytes().starts_with(b"HTTP/1.1 204 No Content\r\n"));
/// assert!(machine.is_idle());
/// ```
///
/// Invariant: both states change only by the transitions in [`ReceiveState::TRANSITIONS`] and
/// [`SendState::TRANSITIONS`].
#[derive(Debug)]
pub struct ServerMachine<O = Unobserved> {
    receive_state: ReceiveState,
    send_state: SendState,
    /// The constraints of the current request. They forbid keep-alive once either side has announced the end of the
    /// connection.
    constraints: ResponseConstraints,
    /// The HTTP version that is sent in status lines.
    protocol: Version,
    /// True if [`ServerMachine::stop`] was called before the response to the current request. `constraints` cannot
    /// record this while the head is incomplete, because the head then replaces them.
    is_stopping: bool,
    observer: O,
}

/// The next part of a request, as returned by [`ServerMachine::receive`].
#[derive(Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// More bytes are needed.
    More,
    /// A head has been parsed into the request, and a response is due.
    Head,
    /// The number of body bytes at the front of the input. [`ServerMachine::take`] consumes some or all of them.
    Data(usize),
    /// The body of the request is complete. This event occurs once for every request that has a body.
    End,
    /// No input is read until the response is complete. If [`ServerMachine::is_closed`] is true, no further input is
    /// ever read.
    Paused,
}

impl ServerMachine {
    /// Creates a machine for a new connection. With [`Version::Http10`], every response is sent as HTTP/1.0, even to an
    /// HTTP/1.1 client. The connection then ends after each response, unless the response itself has `Connection:
    /// keep-alive` and the client allows it.
    pub fn new(protocol: Version) -> ServerMachine {
        ServerMachine::observed(protocol, Unobserved)
    }
}

impl<O: TransitionObserver> ServerMachine<O> {
    /// Like [`ServerMachine::new`], but reports every transition to `observer`.
    pub fn observed(protocol: Version, observer: O) -> Self {
        ServerMachine {
            receive_state: ReceiveState::Idle,
            send_state: SendState::Idle,
            constraints: ResponseConstraints::default(),
            protocol,
            is_stopping: false,
            observer,
        }
    }

    /// The observer that was passed to [`ServerMachine::observed`].
    pub fn observer(&mut self) -> &mut O {
        &mut self.observer
    }

    /// The part of the request that the client has not sent yet.
    pub fn receive_state(&self) -> &ReceiveState {
        &self.receive_state
    }

    /// The part of the response that the server has not sent yet.
    pub fn send_state(&self) -> SendState {
        self.send_state
    }

    /// True between two requests: the last response is complete, and no byte of the next request has been read.
    pub fn is_idle(&self) -> bool {
        matches!((&self.receive_state, self.send_state), (ReceiveState::Idle, SendState::Idle))
    }

    /// True if the last response is complete and no further request will be read.
    pub fn is_closed(&self) -> bool {
        self.send_state == SendState::Closed
    }

    /// True if the machine can use more bytes from the client now.
    pub fn wants_input(&self) -> bool {
        matches!(self.receive_state, ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_))
    }

    /// True if the request's body is not complete.
    pub fn in_body(&self) -> bool {
        matches!(self.receive_state, ReceiveState::Body(_))
    }

    /// The number of bytes of the request's body that have not been consumed: 0 once the body is complete, `None` for a
    /// chunked body.
    pub fn body_left(&self) -> Option<u64> {
        match &self.receive_state {
            ReceiveState::Body(decoder) => decoder.remaining(),
            _ => Some(0),
        }
    }

    /// True if the method is HEAD, in which case the response announces a body but does not contain it.
    pub fn is_head(&self) -> bool {
        self.constraints.is_head
    }

    /// True if the client has announced that it will send no further request (RFC 9112 section 9.6).
    pub fn client_has_finished(&self) -> bool {
        self.constraints.persistence == Persistence::LastRequest
    }

    /// True if the response may be 101: the request is complete, its method is not HEAD, and both sides use HTTP/1.1
    /// (RFC 9110 section 7.8).
    pub fn may_switch_protocols(&self) -> bool {
        let both_http11 = !self.constraints.is_http10 && self.protocol == Version::Http11;
        both_http11 && !self.constraints.is_head && matches!(self.receive_state, ReceiveState::Done)
    }

    /// The expectation in the request's `Expect` field.
    pub fn expect(&self) -> Expect {
        self.constraints.expect
    }

    /// Reads the next part of a request from `input`. Consumes a head and the framing of a body, but leaves the bytes
    /// of a body to [`ServerMachine::take`]. A head is parsed into `request`, which contains the previous request until
    /// then.
    ///
    /// # Errors
    /// Returns the first violation. Nothing more is read; a response is due ([`SendState::Due`]) unless it has already
    /// begun.
    pub fn receive(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        request: &mut Request,
    ) -> Result<RequestEvent, Violation> {
        if matches!(self.receive_state, ReceiveState::Idle) {
            if input.is_empty() {
                return Ok(RequestEvent::More);
            }
            // A request counts as begun once its first byte has arrived, so it gets a response even if the server is
            // stopping.
            self.enter_receive(ReceiveState::Head(HeadProgress::default()));
        }
        match self.receive_state {
            ReceiveState::Head(_) => self.receive_head(input, limits, request),
            _ => self.receive_body(input, limits),
        }
    }

    /// Reads the next part of a body, as [`ServerMachine::receive`] does, for callers that have read the head.
    ///
    /// # Errors
    /// Returns the same errors as [`ServerMachine::receive`].
    pub fn receive_body(&mut self, input: &mut Buffer, limits: &MessageLimits) -> Result<RequestEvent, Violation> {
        let ReceiveState::Body(decoder) = &mut self.receive_state else { return Ok(RequestEvent::Paused) };
        match decoder.decode(input, limits) {
            Ok(Decoded::More) => Ok(RequestEvent::More),
            Ok(Decoded::Data(length)) => Ok(RequestEvent::Data(length)),
            Ok(Decoded::End) => {
                self.enter_receive(ReceiveState::Done);
                self.settle();
                Ok(RequestEvent::End)
            }
            Err(violation) => {
                self.refuse();
                Err(violation)
            }
        }
    }

    /// Consumes the first `count` of the bytes that the last [`RequestEvent::Data`] reported.
    pub fn take(&mut self, input: &mut Buffer, count: usize) {
        if let ReceiveState::Body(decoder) = &mut self.receive_state {
            decoder.take(input, count);
        }
    }

    /// Records that the client has shut down its sending side. A complete request still gets its response (RFC 9112
    /// section 9.6).
    pub fn end_of_input(&mut self) {
        // The rest of an incomplete request can no longer arrive.
        if !matches!(self.receive_state, ReceiveState::Done) {
            self.constraints.forbid_keep_alive();
        }
        match self.receive_state {
            ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_) => {
                self.enter_receive(ReceiveState::Closed);
            }
            ReceiveState::Done | ReceiveState::Closed => {}
        }
        if self.send_state == SendState::Idle {
            self.enter_send(SendState::Closed);
        }
        self.settle();
    }

    /// Ends the connection: immediately if it is between two requests, and otherwise after the response that is due.
    pub fn stop(&mut self) {
        self.is_stopping = true;
        self.constraints.forbid_keep_alive();
        // If a request has begun, the connection ends after its response.
        if self.is_idle() {
            self.enter_receive(ReceiveState::Closed);
            self.enter_send(SendState::Closed);
        }
        self.settle();
    }

    /// Stops reading the current request permanently. A response is due, and the connection ends after it.
    pub fn refuse(&mut self) {
        self.constraints.forbid_keep_alive();
        // The state of a complete request is not changed, because the machine only waits for its response.
        if matches!(self.receive_state, ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_)) {
            self.enter_receive(ReceiveState::Closed);
        }
        // A response that has begun is completed, because the client cannot receive another one.
        if self.send_state == SendState::Idle {
            self.enter_send(SendState::Due);
        }
        self.settle();
    }

    /// Copies the part of the request line that has arrived into `request`. A log can then identify a request that
    /// timed out, and the error response has a body unless the method is HEAD.
    pub fn note_line(&mut self, input: &Buffer, request: &mut Request) {
        request.clear();
        if let ReceiveState::Head(progress) = &self.receive_state {
            progress.copy_request_line(input.bytes(), request);
            self.constrain_by_line(request);
        }
    }

    /// Sets the constraints on the error response to a request whose head is incomplete or malformed. Without this, the
    /// constraints of the previous request would apply.
    fn constrain_by_line(&mut self, request: &Request) {
        // The response to a HEAD request must not have a body, even if the rest of the head is unknown.
        let is_head = request.head.starts_with(b"HEAD ");
        self.constraints = ResponseConstraints { is_head, ..ResponseConstraints::default() };
    }

    /// Appends `100 Continue` to `out` if the client waits for it before sending its body (RFC 9110 section 10.1.1).
    /// Does so at most once per request.
    pub fn send_continue(&mut self, out: &mut Buffer) {
        if self.constraints.expect == Expect::Continue && self.send_state == SendState::Due {
            self.constraints.expect = Expect::None;
            // An HTTP/1.0 server does not send 1xx responses. A client that receives no 100 sends the body after a
            // while.
            if matches!(self.receive_state, ReceiveState::Body(_)) && self.protocol == Version::Http11 {
                out.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
    }

    /// Appends an interim response to `out`. Does nothing if no final response is due, if `status` is not an interim
    /// one, or if either side uses HTTP/1.0.
    pub fn interim(&mut self, status: Status, fields: &FieldBlock, out: &mut Buffer) {
        // 101 ends HTTP on this connection, so it cannot precede another response.
        let is_interim = status.class() == StatusClass::Informational && status != Status::SWITCHING_PROTOCOLS;
        // HTTP/1.0 has no 1xx responses (RFC 9110 section 15.2), so a client would treat one as the final response.
        let both_know_1xx = !self.constraints.is_http10 && self.protocol == Version::Http11;
        if is_interim && both_know_1xx && self.send_state == SendState::Due {
            write_interim(self.protocol, status, fields, out);
        }
    }

    /// Appends the head of the response that is due to `out`. Returns the encoder for its body, or `None` if no body is
    /// sent. The framing and `Connection` are derived from the request, the status and the length (RFC 9112 section
    /// 6.3).
    pub fn respond(&mut self, response: &ResponseHead<'_>, out: &mut Buffer) -> Option<Encoder> {
        let length = response.fields.content_length().or(response.length);
        let switches = response.status == Status::SWITCHING_PROTOCOLS;
        // A response with a 1xx, 204 or 304 status ends with its head, so it is not framed (RFC 9112 section 6.3).
        let is_framed = !matches!(response.status.code(), 100..=199 | 204 | 304);
        let needs_framing = length.is_none() && is_framed;
        let chunked = needs_framing && !self.constraints.is_http10 && self.protocol == Version::Http11;
        let wanted = response.fields.keep_alive();
        self.decide_keep_alive(wanted, (needs_framing && !chunked) || switches);
        if switches {
            // The client continues with the other protocol, even if its request had `Connection: close`.
            self.constraints.persistence = Persistence::Close;
        }

        let has_length = response.fields.content_length().is_some();
        let framing = ResponseFraming {
            protocol: self.protocol,
            length: length.filter(|_| is_framed && !has_length),
            chunked,
            connection: match self.constraints.keep_alive() {
                false if switches => None,
                false => Some("close"),
                // HTTP/1.1 connections persist without the `keep-alive` option (RFC 9112 section 9.3).
                true if self.constraints.is_http10 || wanted == Some(true) => Some("keep-alive"),
                true => None,
            },
        };
        write_head(response, framing, out);
        self.observer.response(response.status.code(), length);
        let encoder = match length {
            // The response to HEAD announces a body that is not sent (RFC 9110 section 9.3.2).
            _ if self.constraints.is_head => None,
            // The bytes of the other protocol are not framed. They end with the connection.
            _ if switches => Some(Encoder::UntilClose),
            _ if response.status.is_bodiless() => None,
            Some(0) => None,
            Some(length) => Some(Encoder::Counted(length)),
            None if chunked => Some(Encoder::Chunked),
            None => Some(Encoder::UntilClose),
        };
        self.enter_send(encoder.map_or(SendState::Done, SendState::Body));
        self.settle();
        encoder
    }

    /// Records that the whole body of the response has been sent or is in the output buffer.
    pub fn body_sent(&mut self) {
        if let SendState::Body(_) = self.send_state {
            self.enter_send(SendState::Done);
            self.settle();
        }
    }

    /// Determines whether the connection persists after this response (RFC 9112 section 9.3). `wanted` is `Some(true)`
    /// for `keep-alive` and `Some(false)` for `close` in the response's own `Connection` field.
    fn decide_keep_alive(&mut self, wanted: Option<bool>, until_close: bool) {
        // A client that waits for `100 Continue` may omit the body after a final response. The server then cannot tell
        // whether the next bytes are the body or a request (RFC 9110 section 10.1.1).
        let body_may_be_left_out =
            matches!(self.receive_state, ReceiveState::Body(_)) && self.constraints.expect != Expect::None;
        // An HTTP/1.0 server closes the connection unless the response says otherwise (RFC 9112 section 9.3).
        let persists = self.protocol == Version::Http11 || wanted == Some(true);
        if !persists || wanted == Some(false) || until_close || body_may_be_left_out || self.is_stopping {
            self.constraints.forbid_keep_alive();
        }
        debug_assert!(
            !(self.constraints.keep_alive() && matches!(self.receive_state, ReceiveState::Closed)),
            "a connection that persists reads another request"
        );
    }

    fn receive_head(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        request: &mut Request,
    ) -> Result<RequestEvent, Violation> {
        let ReceiveState::Head(progress) = &mut self.receive_state else { return Ok(RequestEvent::Paused) };
        match progress.read(input.bytes(), limits, request) {
            Ok(None) => Ok(RequestEvent::More),
            Ok(Some((length, constraints))) => {
                self.constraints = constraints;
                input.consume(length);
                self.observer.request(|| request.request_line());
                self.enter_receive(match request.body.is_empty() {
                    true => ReceiveState::Done,
                    false => ReceiveState::Body(Decoder::new(request.body)),
                });
                self.enter_send(SendState::Due);
                Ok(RequestEvent::Head)
            }
            Err(violation) => {
                self.constrain_by_line(request);
                self.refuse();
                Err(violation)
            }
        }
    }

    // Inlined, because passing a large `ReceiveState` to a function costs more than the transition itself.
    #[inline(always)]
    fn enter_receive(&mut self, next: ReceiveState) {
        self.observer.receive_transition(self.receive_state.name(), next.name());
        self.receive_state.enter(next);
    }

    #[inline(always)]
    fn enter_send(&mut self, next: SendState) {
        self.observer.send_transition(self.send_state.name(), next.name());
        self.send_state.enter(next);
    }

    /// Begins the next request, or ends the connection, if the request and the response are both complete. If the
    /// response is complete and no other request may follow, also ends the connection before the request is complete.
    /// Called after every change that can complete either of them.
    fn settle(&mut self) {
        match (&self.receive_state, self.send_state, self.constraints.keep_alive()) {
            (ReceiveState::Done, SendState::Done, true) => {
                self.enter_receive(ReceiveState::Idle);
                self.enter_send(SendState::Idle);
            }
            (ReceiveState::Done, SendState::Done, false) => {
                self.enter_receive(ReceiveState::Closed);
                self.enter_send(SendState::Closed);
            }
            // No other request follows, so the rest of the incomplete request is not needed.
            (ReceiveState::Closed | ReceiveState::Body(_), SendState::Done, false) => {
                self.enter_send(SendState::Closed);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
