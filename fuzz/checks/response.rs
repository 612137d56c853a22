//! Checks that the result of the client's state machine does not depend on how its input is split, and that every
//! accepted head is valid.
//!
//! The data is the position of the split (two bytes), one byte that chooses the method, and the bytes that a server
//! sends before it closes its side.

use serve_forever::http::{HeaderList, Status, Version, is_token};
use serve_forever::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, RequestHead, ResponseEvent, Violation};

use super::feeding::{feed, read_alike, small_limits, split_place};

pub fn check(data: &[u8]) {
    let (place, rest) = split_place(data);
    let (choice, bytes) = rest.split_first().unwrap_or((&0, &[]));
    let method = ["GET", "HEAD", "CONNECT"][usize::from(*choice) % 3];
    let place = place.min(bytes.len());
    read_alike(bytes, place, |pieces| Reader::read(method, pieces));
}

/// The result of a server's bytes.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// The heads that were accepted, as text, the bodies, and the trailers.
    responses: Vec<(String, Vec<u8>, String)>,
    violation: Option<Violation>,
    cut: bool,
    left: Vec<u8>,
}

/// A state machine that sends another request whenever a response is complete.
struct Reader {
    machine: ClientMachine,
    head: ReceivedHead,
    limits: MessageLimits,
    seen: Seen,
}

impl Reader {
    fn read(method: &str, pieces: &[&[u8]]) -> Seen {
        let (machine, head, limits) = (ClientMachine::new(), ReceivedHead::default(), small_limits());
        let mut reader = Reader { machine, head, limits, seen: Seen::default() };
        let mut input = Buffer::default();
        reader.ask(method);
        feed(pieces, &mut input, |input| reader.event(method, input));
        reader.machine.end_of_input();
        while reader.event(method, &mut input) {}
        assert!(!reader.machine.can_request(), "nothing is asked after the end");
        reader.seen.left = input.bytes().to_vec();
        reader.seen
    }

    fn ask(&mut self, method: &str) {
        let (fields, mut out) = (HeaderList::new(), Buffer::default());
        let head = RequestHead { method, target: "/", fields: &fields, encode_chunked: false };
        assert_eq!(self.machine.request(&head, &mut out), Ok(None));
        assert!(out.bytes().starts_with(method.as_bytes()) && out.bytes().ends_with(b"\r\n\r\n"));
    }

    /// Handles one event. Returns false if the machine needs more bytes, or no further bytes.
    fn event(&mut self, method: &str, input: &mut Buffer) -> bool {
        let before = input.len();
        match self.machine.receive(input, &self.limits, &mut self.head) {
            Ok(ResponseEvent::More | ResponseEvent::Paused) => return false,
            Ok(ResponseEvent::Cut) => {
                self.seen.cut = true;
                return false;
            }
            Ok(ResponseEvent::Interim | ResponseEvent::Head) => {
                assert!(input.len() < before, "a head has bytes");
                check_head(&self.head, &self.limits);
                let text = format!("{:?} left {:?}", self.head, self.machine.body_left());
                self.seen.responses.push((text, Vec::new(), String::new()));
                let status = self.head.status();
                if self.machine.in_body()
                    && (method == "HEAD" || matches!(status, Status::NO_CONTENT | Status::NOT_MODIFIED))
                {
                    assert_eq!(self.machine.body_left(), Some(0), "a response without a body");
                }
            }
            Ok(ResponseEvent::Data(length)) => {
                assert!((1..=input.len()).contains(&length), "data that is there");
                let (_, body, _) = self.seen.responses.last_mut().expect("a head before its body");
                body.extend_from_slice(&input.bytes()[..length]);
                assert!(body.len() as u64 <= self.limits.body);
                self.machine.take(input, length);
            }
            Ok(ResponseEvent::End) => {
                let (_, _, trailers) = self.seen.responses.last_mut().expect("a head before its end");
                *trailers = format!("{:?}", self.machine.trailers());
                if self.machine.can_request() {
                    self.ask(method);
                }
            }
            Err(violation) => {
                assert!(!self.machine.can_request() && !self.machine.persists());
                self.seen.violation = Some(match violation {
                    // The error for a line that is refused early contains the part that had arrived.
                    Violation::StatusLine(_) => Violation::StatusLine(String::new()),
                    violation => violation,
                });
                return false;
            }
        }
        true
    }
}

/// Checks the properties of every accepted head.
fn check_head(head: &ReceivedHead, limits: &MessageLimits) {
    assert!(matches!(head.version(), Version::Http10 | Version::Http11));
    assert!((100..=999).contains(&head.status().code()));
    assert!(!head.reason().contains(|c: char| c.is_ascii_control() && c != '\t'), "{:?}", head.reason());
    assert!(head.headers().len() <= limits.fields);
    for (name, value) in head.headers().iter() {
        assert!(is_token(name.as_bytes()), "{name}");
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}");
        assert_eq!(value.trim_ascii(), value, "{name}");
    }
}
