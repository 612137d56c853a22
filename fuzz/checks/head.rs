//! Checks that the result of the server's state machine does not depend on how its input is split, and that every
//! accepted head is valid.
//!
//! The data is the position of the split (two bytes) and the bytes that a client sends.

use serve_forever::http::{BodyLength, FieldBlock, Request, Status, Version, is_token};
use serve_forever::http1::{
    Buffer, CommonHeaders, MessageLimits, Rejection, RequestEvent, ResponseHead, SendState, ServerMachine, Violation,
};

use super::feeding::{feed, read_alike, small_limits, split_place};

pub fn check(data: &[u8]) {
    let (place, bytes) = split_place(data);
    read_alike(bytes, place, Reader::read);
}

/// The result of a client's bytes.
#[derive(Debug, Default, PartialEq)]
struct Conversation {
    /// The heads that were accepted, as text, and the bodies that followed.
    requests: Vec<(String, Vec<u8>)>,
    violation: Option<Violation>,
    closed: bool,
}

/// A state machine that gets the response to every request as soon as the request's body is complete.
struct Reader {
    machine: ServerMachine,
    request: Request,
    limits: MessageLimits,
    seen: Conversation,
}

impl Reader {
    fn read(pieces: &[&[u8]]) -> Conversation {
        let (machine, request, limits) = (ServerMachine::new(Version::Http11), Request::default(), small_limits());
        let mut reader = Reader { machine, request, limits, seen: Conversation::default() };
        let mut input = Buffer::default();
        feed(pieces, &mut input, |input| reader.event(input));
        reader.seen.closed = reader.machine.is_closed();
        reader.machine.end_of_input();
        assert!(!reader.machine.wants_input());
        reader.seen
    }

    /// Handles one event. Returns false if the machine needs more bytes, or no further bytes.
    fn event(&mut self, input: &mut Buffer) -> bool {
        let before = input.len();
        match self.machine.receive(input, &self.limits, &mut self.request) {
            Ok(RequestEvent::More) => return false,
            Ok(RequestEvent::Paused) => {
                assert!(self.machine.is_closed(), "a machine that is not closed goes on");
                return false;
            }
            Ok(RequestEvent::Head) => {
                assert!(input.len() < before, "a head has bytes");
                check_head(&self.request, &self.limits);
                self.seen.requests.push((describe(&self.request), Vec::new()));
                assert_eq!(self.machine.send_state(), SendState::Due);
                if !self.machine.in_body() {
                    self.answer();
                }
            }
            Ok(RequestEvent::Data(length)) => {
                assert!((1..=input.len()).contains(&length), "data that is there");
                let (_, body) = self.seen.requests.last_mut().expect("a head before its body");
                body.extend_from_slice(&input.bytes()[..length]);
                self.machine.take(input, length);
            }
            Ok(RequestEvent::End) => self.answer(),
            Err(violation) => {
                let status = Rejection::from(violation.clone()).status();
                assert!(status.code() >= 400 && self.machine.send_state() == SendState::Due);
                self.seen.violation = Some(match violation {
                    // The error for a line that is refused early contains the part that had arrived.
                    Violation::RequestLine(_) => Violation::RequestLine(String::new()),
                    violation => violation,
                });
                self.answer();
                assert!(self.machine.is_closed(), "a client that was refused is not listened to again");
            }
        }
        true
    }

    fn answer(&mut self) {
        let (mut out, fields, common) = (Buffer::default(), FieldBlock::new(), CommonHeaders::default());
        let status = Status::NO_CONTENT;
        let head = ResponseHead { status, reason: None, fields: &fields, length: Some(0), common: &common };
        assert_eq!(self.machine.respond(&head, &mut out), None);
        assert!(out.bytes().starts_with(b"HTTP/1.1 204 ") && out.bytes().ends_with(b"\r\n\r\n"));
    }
}

/// Checks the properties of every accepted head.
fn check_head(request: &Request, limits: &MessageLimits) {
    let (line, target, headers) = (request.request_line(), request.target(), request.headers());
    assert!(is_token(request.method().as_str().as_bytes()));
    assert!(line.len() + 2 <= limits.start_line && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
    assert!(!target.is_empty() && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
    assert!(matches!(request.path(), [] | b"*" | [b'/', ..]), "{:?}", request.path().escape_ascii().to_string());
    assert!(headers.len() <= limits.fields);
    for (name, value) in headers.iter() {
        assert!(is_token(name.as_bytes()), "{name}");
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}");
        assert_eq!(value.trim_ascii(), value, "{name}");
    }
    let hosts = headers.get_all("Host").count();
    assert!(hosts <= 1 && (hosts == 1 || request.version() < Version::Http11), "{hosts} hosts");
    let (length, coding) = (headers.contains("Content-Length"), headers.contains("Transfer-Encoding"));
    match request.body_length() {
        BodyLength::None => assert!(!length && !coding),
        BodyLength::Known(known) => assert!(length && !coding && known <= limits.body),
        BodyLength::Chunked => assert!(coding && !length && request.version() == Version::Http11),
    }
}

fn describe(request: &Request) -> String {
    let headers: Vec<_> =
        request.headers().iter().map(|(name, value)| (name, value.escape_ascii().to_string())).collect();
    format!(
        "{} {:?} {:?} {:?} {:?} {:?} {headers:?}",
        request.request_line().escape_ascii(),
        request.version(),
        request.path().escape_ascii().to_string(),
        request.query().map(|query| query.escape_ascii().to_string()),
        request.authority().map(|authority| authority.escape_ascii().to_string()),
        request.body_length(),
    )
}
