use super::head::{HeadScan, ResponseFraming, read, read_again, read_whole, write_head, write_interim};
use super::{Buffer, Decoded, Decoder, Encoder, MessageLimits, ResponseHead, Violation};
use crate::http::{Expect, FieldBlock, Method, Request, ResponseConstraints, Span, Status, StatusClass, Version};

/// The protocol of one connection: what the client still owes us, and what we still owe the client.
///
/// Both sides move by themselves; whenever one of them has moved they are settled, which is the only place where they
/// move together: when a request and its response are both complete the next request may begin, or nothing more will.
///
/// ```
/// use serve_forever::http::{FieldBlock, Request, Status, Version};
/// use serve_forever::http1::{Buffer, RequestEvent, MessageLimits, ServerMachine, ResponseHead, CommonHeaders};
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
#[derive(Debug)]
pub struct ServerMachine {
    receive_state: ReceiveState,
    send_state: SendState,
    constraints: ResponseConstraints,
    /// The version of the status line. 1.0 ends the connection after a response that does not ask to keep it.
    protocol: Version,
}

/// What the client still owes us.
#[derive(Debug, Default)]
pub enum ReceiveState {
    /// Waits for the first byte of a request.
    #[default]
    Idle,
    /// Waits for the rest of a head.
    Head(HeadProgress),
    /// Waits for the rest of a body.
    Body(Decoder),
    /// Waits for the response to end.
    Done,
    /// Waits for nothing: no more requests come, or none will be looked at.
    Closed,
}

/// How far the search for the end of a head has come, if it was not there at once. Most are, and every connection has
/// room for this.
#[derive(Debug, Default)]
pub struct HeadProgress(Option<Box<HeadScan>>);

/// What we still owe the client.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SendState {
    /// Waits for a request.
    #[default]
    Idle,
    /// Waits for somebody to answer.
    Due,
    /// Waits for the rest of a response's body.
    Body(Encoder),
    /// Waits for the request to end.
    Done,
    /// Waits for nothing: the last response is out.
    Closed,
}

/// What [`ServerMachine::receive`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// Nothing yet: more bytes are needed.
    More,
    /// A head. The request is filled, and an answer is due.
    Head,
    /// So many bytes of body, at the front of the input. [`ServerMachine::take`] tells how many of them were used.
    Data(usize),
    /// The body is complete. It is reported once, and for every request that has one.
    End,
    /// Nothing, and nothing will be until the response is complete, or ever: see [`ServerMachine::is_closed`].
    Paused,
}

/// A move of one of the two sides: from where, why, where to.
type Move = (&'static str, &'static str, &'static str);

/// Every move that the receiving side makes.
pub(super) const RECEIVE_TRANSITIONS: &[Move] = &[
    ("Idle", "a byte comes", "Head"),
    ("Head", "head complete, body follows", "Body"),
    ("Head", "head complete, no body", "Done"),
    ("Body", "body complete", "Done"),
    ("Done", "response complete too", "Idle"),
    ("Idle", "end of input or stop", "Closed"),
    ("Head", "end of input or reject", "Closed"),
    ("Body", "end of input or reject", "Closed"),
    ("Done", "response complete, no more wanted", "Closed"),
];

/// Every move that the sending side makes.
pub(super) const SEND_TRANSITIONS: &[Move] = &[
    ("Idle", "head complete, or reject", "Due"),
    ("Due", "response with a body to send", "Body"),
    ("Due", "response without one", "Done"),
    ("Body", "body complete", "Done"),
    ("Done", "request complete too", "Idle"),
    ("Done", "no more wanted", "Closed"),
    ("Idle", "end of input or stop", "Closed"),
];

impl ReceiveState {
    /// Every move that this side makes: from where, why, where to. The picture in `docs/state-machines.md` is drawn
    /// from it.
    pub const TRANSITIONS: &[(&str, &str, &str)] = RECEIVE_TRANSITIONS;

    fn name(&self) -> &'static str {
        match self {
            ReceiveState::Idle => "Idle",
            ReceiveState::Head(_) => "Head",
            ReceiveState::Body(_) => "Body",
            ReceiveState::Done => "Done",
            ReceiveState::Closed => "Closed",
        }
    }
}

impl SendState {
    /// Every move that this side makes: from where, why, where to. The picture in `docs/state-machines.md` is drawn
    /// from it.
    pub const TRANSITIONS: &[(&str, &str, &str)] = SEND_TRANSITIONS;

    fn name(&self) -> &'static str {
        match self {
            SendState::Idle => "Idle",
            SendState::Due => "Due",
            SendState::Body(_) => "Body",
            SendState::Done => "Done",
            SendState::Closed => "Closed",
        }
    }
}

impl ServerMachine {
    /// The protocol of a fresh connection. With [`Version::Http10`] every response says HTTP/1.0 and, unless its own
    /// `Connection` says `keep-alive` and the client allows it, ends its connection, whatever the client speaks.
    pub fn new(protocol: Version) -> ServerMachine {
        ServerMachine {
            receive_state: ReceiveState::Idle,
            send_state: SendState::Idle,
            constraints: ResponseConstraints::default(),
            protocol,
        }
    }

    /// What the client still owes us.
    pub fn receive_state(&self) -> &ReceiveState {
        &self.receive_state
    }

    /// What we still owe the client.
    pub fn send_state(&self) -> SendState {
        self.send_state
    }

    /// Whether nothing of a request has come since the last response.
    pub fn is_idle(&self) -> bool {
        matches!((&self.receive_state, self.send_state), (ReceiveState::Idle, SendState::Idle))
    }

    /// Whether the last response is out and no request will be answered any more.
    pub fn is_closed(&self) -> bool {
        self.send_state == SendState::Closed
    }

    /// Whether bytes from the client could be of use now.
    pub fn wants_input(&self) -> bool {
        matches!(self.receive_state, ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_))
    }

    /// Whether the rest of the request's body is still to come.
    pub fn in_body(&self) -> bool {
        matches!(self.receive_state, ReceiveState::Body(_))
    }

    /// Bytes of the request's body that are still to come: 0 once it is complete, `None` for a body in chunks, which says
    /// its length only by its end.
    pub fn body_left(&self) -> Option<u64> {
        match &self.receive_state {
            ReceiveState::Body(Decoder::Length(left)) => Some(*left),
            ReceiveState::Body(Decoder::Chunked(_)) => None,
            _ => Some(0),
        }
    }

    /// Whether the request was HEAD: the response's body is announced and not sent.
    pub fn is_head(&self) -> bool {
        self.constraints.is_head
    }

    /// Whether the client has said with its last request that it sends nothing after it.
    pub fn client_has_finished(&self) -> bool {
        self.constraints.is_last
    }

    /// What the request expects.
    pub fn expect(&self) -> Expect {
        self.constraints.expect
    }

    /// Reads what it understands from `input` and says what that was.
    ///
    /// # Errors
    /// What the client did wrong. The machine then waits for the response that says so ([`SendState::Due`]), unless one
    /// has begun already, and reads no more.
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
            self.go_receive(ReceiveState::Head(HeadProgress::default()));
        }
        if !matches!(self.receive_state, ReceiveState::Head(_)) {
            return self.receive_body(input, limits);
        }
        let result = self.receive_head(input, limits, request);
        if result.is_err() {
            self.refuse();
        }
        result
    }

    /// Reads as [`ServerMachine::receive`] does where no head can begin: the request is read, its body may not be.
    ///
    /// # Errors
    /// As for [`ServerMachine::receive`].
    pub fn receive_body(&mut self, input: &mut Buffer, limits: &MessageLimits) -> Result<RequestEvent, Violation> {
        let ReceiveState::Body(decoder) = &mut self.receive_state else { return Ok(RequestEvent::Paused) };
        match decoder.decode(input, limits) {
            Ok(Decoded::More) => Ok(RequestEvent::More),
            Ok(Decoded::Data(length)) => Ok(RequestEvent::Data(length)),
            Ok(Decoded::End) => {
                self.go_receive(ReceiveState::Done);
                self.settle();
                Ok(RequestEvent::End)
            }
            Err(violation) => {
                self.refuse();
                Err(violation)
            }
        }
    }

    /// Consumes the first `count` bytes of the data that was last announced.
    pub fn take(&mut self, input: &mut Buffer, count: usize) {
        if let ReceiveState::Body(decoder) = &mut self.receive_state {
            decoder.take(input, count);
        }
    }

    /// Learns that the client will send no more. What was asked completely is still answered
    /// (RFC 9112 section 9.6).
    pub fn end_of_input(&mut self) {
        self.constraints.keep_alive &= matches!(self.receive_state, ReceiveState::Done);
        match self.receive_state {
            ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_) => self.go_receive(ReceiveState::Closed),
            ReceiveState::Done | ReceiveState::Closed => {}
        }
        if self.send_state == SendState::Idle {
            self.go_send(SendState::Closed);
        }
        self.settle();
    }

    /// Has the connection end after the response that is due, or at once if none is.
    pub fn stop(&mut self) {
        self.constraints.keep_alive = false;
        if self.is_idle() {
            self.go_receive(ReceiveState::Closed);
            self.go_send(SendState::Closed);
        }
        self.settle();
    }

    /// Gives up reading a request that will not be completed, as if it had been rejected.
    pub fn refuse(&mut self) {
        self.constraints.keep_alive = false;
        if matches!(self.receive_state, ReceiveState::Idle | ReceiveState::Head(_) | ReceiveState::Body(_)) {
            self.go_receive(ReceiveState::Closed);
        }
        if self.send_state == SendState::Idle {
            self.go_send(SendState::Due);
        }
        self.settle();
    }

    /// Fills `request` with what has come of a request line, so that a request that never was completed has a name.
    pub fn note_line(&self, input: &Buffer, request: &mut Request) {
        request.clear();
        if let ReceiveState::Head(HeadProgress(Some(scan))) = &self.receive_state {
            request.head.extend_from_slice(scan.request_line(input.bytes()));
            request.line = Span::new(0, request.head.len());
        }
    }

    /// Appends `100 Continue` if the client waits for it, once a request.
    pub fn send_continue(&mut self, out: &mut Buffer) {
        if self.constraints.expect == Expect::Continue && self.send_state == SendState::Due {
            self.constraints.expect = Expect::None;
            if matches!(self.receive_state, ReceiveState::Body(_)) && self.protocol == Version::Http11 {
                out.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
    }

    /// Appends an interim response if one may come before the response that is due: not to a client that speaks
    /// HTTP/1.0 (RFC 9110 section 15.2), and neither 101, which ends HTTP, nor what would be the response itself.
    pub fn interim(&mut self, status: Status, fields: &FieldBlock, out: &mut Buffer) {
        let is_interim = status.class() == StatusClass::Informational && status != Status::SWITCHING_PROTOCOLS;
        if is_interim
            && self.send_state == SendState::Due
            && !self.constraints.is_http10
            && self.protocol == Version::Http11
        {
            write_interim(self.protocol, status, fields, out);
        }
    }

    /// Appends the head of the response that is due, and says how its body is to be sent; `None` if it has none to
    /// send. The framing and `Connection` follow from the request, the status and the length (RFC 9112 section 6.3).
    pub fn respond(&mut self, response: &ResponseHead<'_>, out: &mut Buffer) -> Option<Encoder> {
        let length = response.fields.content_length().or(response.length);
        let framed = !matches!(response.status.code(), 100..=199 | 204 | 304);
        let unframed = length.is_none() && framed;
        let chunked = unframed && !self.constraints.is_http10 && self.protocol == Version::Http11;
        let wanted = response.fields.keep_alive();
        self.decide_keep_alive(wanted, unframed && !chunked);

        let has_length = response.fields.content_length().is_some();
        let added = ResponseFraming {
            protocol: self.protocol,
            length: length.filter(|_| framed && !has_length),
            chunked,
            connection: match self.constraints.keep_alive {
                false => Some("close"),
                true if self.constraints.is_http10 || wanted == Some(true) => Some("keep-alive"),
                true => None,
            },
        };
        write_head(response, added, out);
        let encoder = match length {
            _ if self.constraints.is_head || response.status.is_bodiless() => None,
            Some(0) => None,
            Some(length) => Some(Encoder::Counted(length)),
            None if chunked => Some(Encoder::Chunked),
            None => Some(Encoder::UntilClose),
        };
        self.go_send(encoder.map_or(SendState::Done, SendState::Body));
        self.settle();
        encoder
    }

    /// Learns that the response's body is out.
    pub fn body_sent(&mut self) {
        if let SendState::Body(_) = self.send_state {
            self.go_send(SendState::Done);
            self.settle();
        }
    }

    /// The connection goes on if both sides can: the client asked for it, the server speaks 1.1 or the response's own
    /// `Connection` says `keep-alive`, the response does not end with the connection or ask for its end, and no body is
    /// left that the client still waits to send.
    fn decide_keep_alive(&mut self, wanted: Option<bool>, until_close: bool) {
        let waits_with_body =
            matches!(self.receive_state, ReceiveState::Body(_)) && self.constraints.expect != Expect::None;
        let persists = self.protocol == Version::Http11 || wanted == Some(true);
        self.constraints.keep_alive &= persists && wanted != Some(false) && !until_close && !waits_with_body;
        debug_assert!(
            !(self.constraints.keep_alive && matches!(self.receive_state, ReceiveState::Closed)),
            "nothing reads another request"
        );
    }

    fn receive_head(
        &mut self,
        input: &mut Buffer,
        limits: &MessageLimits,
        request: &mut Request,
    ) -> Result<RequestEvent, Violation> {
        let ReceiveState::Head(HeadProgress(scan)) = &mut self.receive_state else { return Ok(RequestEvent::Paused) };
        let whole = match scan {
            Some(_) => None,
            None => match read_again(input.bytes(), limits, request) {
                Some((end, constraints)) => Some((end, Ok(constraints))),
                None => read_whole(input.bytes(), limits, request),
            },
        };
        let (end, asked) = match whole {
            Some(whole) => whole,
            None => match scan.get_or_insert_default().advance(input.bytes(), limits) {
                Ok(None) => return Ok(RequestEvent::More),
                Ok(Some(found)) => {
                    request.clear();
                    (found.end, read(input.bytes(), &found, limits, request))
                }
                Err(violation) => {
                    self.note_line(input, request);
                    if violation == Violation::LongRequestLine {
                        request.clear();
                    }
                    self.constraints = ResponseConstraints {
                        is_head: request.head.starts_with(b"HEAD "),
                        ..ResponseConstraints::default()
                    };
                    return Err(violation);
                }
            },
        };
        self.constraints =
            ResponseConstraints { is_head: request.method == Method::Head, ..ResponseConstraints::default() };
        self.constraints = asked?;
        input.consume(end);
        self.go_receive(if request.body.is_empty() {
            ReceiveState::Done
        } else {
            ReceiveState::Body(Decoder::new(request.body))
        });
        self.go_send(SendState::Due);
        Ok(RequestEvent::Head)
    }

    /// The one place where the two sides move together.
    fn settle(&mut self) {
        match (&self.receive_state, self.send_state, self.constraints.keep_alive) {
            (ReceiveState::Done, SendState::Done, true) => {
                self.go_receive(ReceiveState::Idle);
                self.go_send(SendState::Idle);
            }
            (ReceiveState::Done, SendState::Done, false) => {
                self.go_receive(ReceiveState::Closed);
                self.go_send(SendState::Closed);
            }
            (ReceiveState::Closed | ReceiveState::Body(_), SendState::Done, false) => self.go_send(SendState::Closed),
            _ => {}
        }
    }

    fn go_receive(&mut self, to: ReceiveState) {
        debug_assert!(
            is_known(RECEIVE_TRANSITIONS, self.receive_state.name(), to.name()),
            "{} -> {}",
            self.receive_state.name(),
            to.name()
        );
        self.receive_state = to;
    }

    fn go_send(&mut self, to: SendState) {
        debug_assert!(
            is_known(SEND_TRANSITIONS, self.send_state.name(), to.name()),
            "{} -> {}",
            self.send_state.name(),
            to.name()
        );
        self.send_state = to;
    }
}

fn is_known(moves: &[Move], from: &str, to: &str) -> bool {
    moves.iter().any(|(known, _, target)| (*known, *target) == (from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::CommonHeaders;

    /// A machine that owes the response to a request of this version.
    fn asked(protocol: Version, version: &str) -> ServerMachine {
        let (mut machine, mut request, mut input) =
            (ServerMachine::new(protocol), Request::default(), Buffer::default());
        input.extend(format!("GET / {version}\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(machine.receive(&mut input, &MessageLimits::default(), &mut request), Ok(RequestEvent::Head));
        machine
    }

    fn interim(machine: &mut ServerMachine, status: Status) -> String {
        let mut out = Buffer::default();
        machine.interim(status, &FieldBlock::new(), &mut out);
        String::from_utf8_lossy(out.bytes()).into_owned()
    }

    #[test]
    fn an_interim_response_comes_before_the_response_to_who_knows_what_it_is() {
        let mut machine = asked(Version::Http11, "HTTP/1.1");
        for status in [Status::SWITCHING_PROTOCOLS, Status::OK, Status::NOT_FOUND] {
            assert_eq!(interim(&mut machine, status), "", "{status} is none");
        }
        assert_eq!(interim(&mut machine, Status::EARLY_HINTS), "HTTP/1.1 103 Early Hints\r\n\r\n");
        let (fields, common) = (FieldBlock::new(), CommonHeaders::default());
        let head = ResponseHead { status: Status::OK, reason: None, fields: &fields, length: Some(0), common: &common };
        machine.respond(&head, &mut Buffer::default());
        assert_eq!(interim(&mut machine, Status::EARLY_HINTS), "", "behind it nobody looks for one");
        for (protocol, version) in [(Version::Http11, "HTTP/1.0"), (Version::Http10, "HTTP/1.1")] {
            assert_eq!(interim(&mut asked(protocol, version), Status::EARLY_HINTS), "", "{protocol:?} {version}");
        }
    }
}
