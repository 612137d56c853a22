//! `ClientMachine`: the client side of a connection. It determines how a request is framed, whether a head or a body is
//! read next, where a response ends, and whether the connection persists. It performs no I/O.

use std::collections::VecDeque;

use super::head::{ResponseBody, ResponseControls, ResponseProgress, SentFraming, write_request_head};
use super::{
    Buffer, ChunkedDecoder, Decoded, Decoder, Encoder, InvalidRequest, MessageLimits, ReceivedHead, RequestHead,
    Violation,
};
use crate::http::{BodyLength, HeaderList, Status, StatusClass};

/// The client side of the protocol on one connection.
///
/// Two state machines run side by side. A response can arrive before its request has been sent in full, and the next
/// request can be sent before the last response has been read. Responses arrive in the order of their requests (RFC
/// 9112 section 9.3.2).
///
/// ```
/// use serve_forever::http::HeaderList;
/// use serve_forever::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, RequestHead, ResponseEvent};
///
/// let (mut machine, mut head, limits) = (ClientMachine::new(), ReceivedHead::default(), MessageLimits::default());
/// let (mut out, mut input, fields) = (Buffer::default(), Buffer::default(), HeaderList::new());
/// machine.request(&RequestHead { method: "GET", target: "/", fields: &fields, encode_chunked: false }, &mut out)?;
/// assert_eq!(out.bytes(), b"GET / HTTP/1.1\r\n\r\n");
///
/// input.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
/// assert_eq!(machine.receive(&mut input, &limits, &mut head), Ok(ResponseEvent::Head));
/// assert_eq!(machine.receive(&mut input, &limits, &mut head), Ok(ResponseEvent::Data(5)));
/// machine.take(&mut input, 5);
/// assert_eq!(machine.receive(&mut input, &limits, &mut head), Ok(ResponseEvent::End));
/// assert!(machine.is_reusable(&input));
/// # Ok::<(), serve_forever::http1::InvalidRequest>(())
/// ```
#[derive(Debug)]
pub struct ClientMachine {
    request: Outgoing,
    response: Incoming,
    /// The kinds of the requests whose responses are not complete, oldest first.
    awaited: VecDeque<ResponseFor>,
    /// The number of interim responses that have arrived before the oldest awaited response.
    interim: usize,
    /// The first violation. After a violation, nothing more is read and no request is sent.
    violation: Option<Violation>,
    /// False once it is known that either side will end the connection after the awaited responses.
    persists: bool,
    /// True if the bytes after the last response are not HTTP.
    has_left_http: bool,
    /// True once no more bytes will arrive, because the connection has ended.
    has_ended: bool,
    /// True if the server has ended the connection properly, which completes a close-delimited body.
    ends_bodies: bool,
    trailers: HeaderList,
}

/// The part of a request that the client has not sent yet.
#[derive(Debug, PartialEq, Eq)]
enum Outgoing {
    /// Nothing is left to send, so the next request may begin.
    Idle,
    /// The rest of a request body must be sent.
    Body,
    /// No further request may be sent.
    Closed,
}

/// The part of a response that the server has not sent yet.
#[derive(Debug)]
enum Incoming {
    /// The first byte of a response is expected.
    Idle,
    /// The rest of a head is expected.
    Head(ResponseProgress),
    /// The rest of a body is expected.
    Body(Decoder),
    /// No further byte is parsed as a response.
    Closed,
}

/// The kind of request that a response belongs to. It determines whether the response has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseFor {
    /// A HEAD request, whose response announces a body that is not sent (RFC 9110 section 9.3.2).
    Head,
    /// A CONNECT request. After a successful response, the connection is a tunnel (RFC 9110 section 9.3.6).
    Connect,
    Other,
}

impl ResponseFor {
    fn method(method: &str) -> ResponseFor {
        match method {
            "HEAD" => ResponseFor::Head,
            "CONNECT" => ResponseFor::Connect,
            _ => ResponseFor::Other,
        }
    }
}

/// The next part of a response, as returned by [`ClientMachine::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseEvent {
    /// More bytes are needed.
    More,
    /// The head of an interim response. A final response follows.
    Interim,
    /// The head of the final response.
    Head,
    /// The number of body bytes at the front of the input. [`ClientMachine::take`] consumes some or all of them.
    Data(usize),
    /// The response is complete. This event occurs once for every response, including one without a body.
    End,
    /// The connection ended before the response was complete.
    Cut,
    /// No response is awaited.
    Paused,
}

/// The maximum number of interim responses before a final one. Without a limit, a server could keep its client waiting
/// forever.
const MOST_INTERIM: usize = 100;

impl Default for ClientMachine {
    fn default() -> Self {
        ClientMachine::new()
    }
}

impl ClientMachine {
    /// Creates a machine for a new connection.
    pub fn new() -> ClientMachine {
        ClientMachine {
            request: Outgoing::Idle,
            response: Incoming::Idle,
            awaited: VecDeque::new(),
            interim: 0,
            violation: None,
            persists: true,
            has_left_http: false,
            has_ended: false,
            ends_bodies: false,
            trailers: HeaderList::new(),
        }
    }

    /// True if another request may be sent: the previous request has been sent in full, and neither side has announced
    /// the end of the connection.
    pub fn can_request(&self) -> bool {
        self.request == Outgoing::Idle && self.persists
    }

    /// True if no response is awaited, no byte of `input` is unread, and the connection persists. Unread bytes would be
    /// parsed as the response to the next request.
    pub fn is_reusable(&self, input: &Buffer) -> bool {
        self.awaited.is_empty() && self.can_request() && input.is_empty()
    }

    /// True unless the connection is known to end after the awaited responses.
    pub fn persists(&self) -> bool {
        self.persists
    }

    /// True if the connection has become a tunnel, or has switched to another protocol, so that the bytes after the
    /// last response are not HTTP.
    pub fn has_left_http(&self) -> bool {
        self.has_left_http
    }

    /// The number of requests whose responses are not complete.
    pub fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// True if a byte of the awaited response, or of an interim response before it, has been read.
    pub fn has_begun(&self) -> bool {
        self.interim > 0 || matches!(self.response, Incoming::Head(_) | Incoming::Body(_))
    }

    /// True if the last request has a body that has not been sent in full.
    pub fn is_sending(&self) -> bool {
        self.request == Outgoing::Body
    }

    /// True if a part of the response's head has been read, but not all of it.
    pub fn in_head(&self) -> bool {
        matches!(self.response, Incoming::Head(_))
    }

    /// True if the head of the response has been read, and its body is not complete.
    pub fn in_body(&self) -> bool {
        matches!(self.response, Incoming::Body(_))
    }

    /// The number of bytes of the response's body that have not been consumed; `None` if the length is not known in
    /// advance.
    pub fn body_left(&self) -> Option<u64> {
        match &self.response {
            Incoming::Body(decoder) => decoder.remaining(),
            _ => Some(0),
        }
    }

    /// True while the body of the response is chunked and not complete.
    pub fn is_chunked(&self) -> bool {
        matches!(self.response, Incoming::Body(Decoder::Chunked(_)))
    }

    /// The trailer fields of the last complete response. Empty if the response had none.
    pub fn trailers(&self) -> &HeaderList {
        &self.trailers
    }

    /// Appends the head of a request to `out`. Returns the encoder for its body, or `None` if the request has no body.
    /// The caller then reports the end of the body with [`ClientMachine::body_sent`] or
    /// [`ClientMachine::abandon_body`].
    ///
    /// # Errors
    /// Returns an error if a part of the head is not allowed. The machine and `out` are then unchanged.
    ///
    /// # Panics
    /// Panics if [`ClientMachine::can_request`] is false.
    pub fn request(&mut self, head: &RequestHead<'_>, out: &mut Buffer) -> Result<Option<Encoder>, InvalidRequest> {
        // An error leaves both `out` and the machine unchanged.
        Ok(self.request_checked(head, head.framing()?, out))
    }

    /// Like [`ClientMachine::request`], for a head that has been checked. `framing` is its [`RequestHead::framing`].
    ///
    /// # Panics
    /// Panics if [`ClientMachine::can_request`] is false.
    pub(crate) fn request_checked(
        &mut self,
        head: &RequestHead<'_>,
        framing: SentFraming,
        out: &mut Buffer,
    ) -> Option<Encoder> {
        // A request that is not allowed here would be ignored by the server or parsed as part of a body, and its
        // response would never arrive.
        assert!(self.can_request(), "the connection takes another request");
        let SentFraming { encoder, closes } = framing;
        write_request_head(head, out);
        self.awaited.push_back(ResponseFor::method(head.method));
        self.persists &= !closes;
        if encoder.is_some() {
            // A request without a body is already complete, so the next one may be sent before the response arrives.
            self.request = Outgoing::Body;
        }
        encoder
    }

    /// Records that the caller sends the bytes of an earlier [`ClientMachine::request`] again, including the whole
    /// body. `closes` must be true if [`ClientMachine::can_request`] was false after that earlier call.
    ///
    /// # Panics
    /// Panics if [`ClientMachine::can_request`] is false.
    pub fn repeat_request(&mut self, method: &str, closes: bool) {
        assert!(self.can_request(), "the connection takes another request");
        self.awaited.push_back(ResponseFor::method(method));
        self.persists &= !closes;
    }

    /// Records that the whole body of the request has been sent or is in the output buffer.
    pub fn body_sent(&mut self) {
        if self.request == Outgoing::Body {
            self.request = Outgoing::Idle;
        }
    }

    /// Records that the rest of the request's body will not be sent. The response can still be read, but is the last
    /// one, because the server would parse another request as the rest of the body.
    pub fn abandon_body(&mut self) {
        self.request = Outgoing::Closed;
        self.persists = false;
    }

    /// Reads the next part of a response from `input`. Consumes a head and the framing of a body, but leaves the bytes
    /// of a body to [`ClientMachine::take`]. `head` receives each head, including that of an interim response.
    ///
    /// # Errors
    /// Returns the first violation, and the same one in every later call. Nothing more is read, and no further request
    /// may be sent.
    pub fn receive(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        head: &mut ReceivedHead,
    ) -> Result<ResponseEvent, Violation> {
        if let Some(violation) = &self.violation {
            // After a violation it is unknown where the next message begins, so no later byte may be parsed as a
            // response.
            return Err(violation.clone());
        }
        match self.next_event(input, limits, head) {
            // Bytes that arrived before the end are read first. The response is incomplete only if these bytes do not
            // complete it.
            Ok(ResponseEvent::More) if self.has_ended => Ok(ResponseEvent::Cut),
            Ok(event) => Ok(event),
            Err(violation) => {
                self.response = Incoming::Closed;
                self.request = Outgoing::Closed;
                self.persists = false;
                self.violation = Some(violation.clone());
                Err(violation)
            }
        }
    }

    /// Consumes the first `count` of the bytes that the last [`ResponseEvent::Data`] reported.
    pub fn take(&mut self, input: &mut Buffer, count: usize) {
        if let Incoming::Body(decoder) = &mut self.response {
            decoder.take(input, count);
        }
    }

    /// Records that the server has ended the connection, so that no bytes follow those in the input. No further request
    /// may be sent.
    pub fn end_of_input(&mut self) {
        self.cut_input();
        self.ends_bodies = true;
        if let Incoming::Body(decoder) = &mut self.response {
            decoder.end_of_input();
        }
    }

    /// Records that no more bytes will arrive, although the server has not ended the connection properly. Used for a
    /// TLS connection that ends without `close_notify`. Such an end does not complete a close-delimited body, because
    /// an attacker could have truncated the body.
    pub fn cut_input(&mut self) {
        self.persists = false;
        self.has_ended = true;
    }

    fn next_event(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        head: &mut ReceivedHead,
    ) -> Result<ResponseEvent, Violation> {
        // Bytes that belong to no request stay in the input, where `is_reusable` detects them.
        if self.awaited.is_empty() {
            return Ok(ResponseEvent::Paused);
        }
        match &mut self.response {
            // The state changes only when the first byte has arrived, so that `has_begun` is false on a connection that
            // the server closes without responding.
            Incoming::Idle if input.is_empty() => Ok(ResponseEvent::More),
            Incoming::Idle => {
                self.response = Incoming::Head(ResponseProgress::default());
                self.receive_head(input, limits, head)
            }
            Incoming::Head(_) => self.receive_head(input, limits, head),
            Incoming::Body(decoder) => match decoder.decode(input, limits)? {
                Decoded::More => Ok(ResponseEvent::More),
                Decoded::Data(length) => Ok(ResponseEvent::Data(length)),
                Decoded::End => Ok(self.complete()),
            },
            // An earlier response was the last one on the connection, so the awaited response never arrives.
            Incoming::Closed => Ok(ResponseEvent::Cut),
        }
    }

    fn receive_head(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        head: &mut ReceivedHead,
    ) -> Result<ResponseEvent, Violation> {
        let Incoming::Head(progress) = &mut self.response else { return Ok(ResponseEvent::Paused) };
        let Some((length, controls)) = progress.read(input.bytes(), limits, head)? else {
            return Ok(ResponseEvent::More);
        };
        input.consume(length);
        let is_interim = head.status().class() == StatusClass::Informational;
        // A 101 is in the class of interim responses but is treated as final, because no other response follows it.
        if is_interim && head.status() != Status::SWITCHING_PROTOCOLS {
            self.interim += 1;
            self.response = Incoming::Idle;
            // After an interim response, another head follows for the same request.
            return if self.interim > MOST_INTERIM {
                Err(Violation::ManyInterim(MOST_INTERIM))
            } else {
                Ok(ResponseEvent::Interim)
            };
        }
        self.begin_body(&controls, limits, head)?;
        Ok(ResponseEvent::Head)
    }

    /// Sets the state for reading the body of a response. Determines how the body is framed, and whether the connection
    /// persists after the response.
    fn begin_body(
        &mut self,
        controls: &ResponseControls,
        limits: &MessageLimits,
        head: &ReceivedHead,
    ) -> Result<(), Violation> {
        let awaited = self.awaited.front().copied();
        let is_tunnel = awaited == Some(ResponseFor::Connect) && head.status().class() == StatusClass::Success;
        // The framing also depends on the request: the response to HEAD announces a body that does not follow, and a
        // tunnel has no body.
        let body = controls.body(head.status(), is_tunnel || awaited == Some(ResponseFor::Head), limits)?;
        let mut decoder = match body {
            // The trailer fields are kept, because a client may want them. A server has no use for them.
            ResponseBody::Framed(BodyLength::Chunked) => Decoder::Chunked(Box::new(ChunkedDecoder::keeping_trailers())),
            ResponseBody::Framed(length) => Decoder::new(length),
            ResponseBody::UntilClose => Decoder::until_close(),
        };
        // The end of the connection may have been recorded before this head was read.
        if self.ends_bodies {
            decoder.end_of_input();
        }
        self.response = Incoming::Body(decoder);
        // After a successful CONNECT or a 101, the following bytes are not HTTP.
        self.has_left_http = is_tunnel || head.status() == Status::SWITCHING_PROTOCOLS;
        // `persists` never becomes true again, because a later response cannot revoke an announcement that the
        // connection will end.
        self.persists &= !self.has_left_http && controls.persists(head.version(), body);
        Ok(())
    }

    /// Marks the current response as complete.
    fn complete(&mut self) -> ResponseEvent {
        // If the connection ends after this response, the other requests that were already sent get no response.
        let next = if self.persists { Incoming::Idle } else { Incoming::Closed };
        self.trailers = match std::mem::replace(&mut self.response, next) {
            Incoming::Body(Decoder::Chunked(decoder)) => decoder.into_trailers(),
            _ => HeaderList::new(),
        };
        self.awaited.pop_front();
        // Interim responses are counted separately for each request.
        self.interim = 0;
        ResponseEvent::End
    }
}

#[cfg(test)]
mod tests;
