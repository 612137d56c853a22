//! Checks the output of a session as a client reads it: complete HTTP/1.1 responses, one after the other, and nothing
//! else.
//!
//! A simple parser in this file and the client's side of the protocol (the *mirror*) both read the output, and must
//! find the same responses.

use serve_forever::http::HeaderList;
use serve_forever::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, RequestHead, ResponseEvent};

/// The parts of a response that are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// The reason phrase and the fields, without the ones that frame the body.
    pub head: Vec<String>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// True if the response is as long as its framing announces.
    pub complete: bool,
}

/// Parses the whole output. Only the last response may be incomplete; its field `complete` is then false.
///
/// A response to HEAD announces a body that does not follow. A response does not show its request's method. Therefore,
/// if the method of any request is HEAD, an announced body counts as missing if another response or nothing follows. No
/// body of the checked services begins like a response.
pub fn parse(mut bytes: &[u8], head_was_asked: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mirrored = (!head_was_asked).then(|| mirror(bytes));
    while !bytes.is_empty() {
        let (answer, rest) = parse_one(bytes, head_was_asked);
        assert!(answer.complete || rest.is_empty());
        answers.push(answer);
        bytes = rest;
    }
    if let Some(mirrored) = mirrored {
        let parsed = answers.iter().map(|answer| (answer.status, &*answer.body, answer.complete));
        assert!(parsed.eq(mirrored.iter().map(|(status, body, complete)| (*status, &**body, *complete))));
    }
    answers
}

/// Status, body and completeness of every response, as the client's side of the protocol reads them: it must read all that
/// the server's side writes.
fn mirror(bytes: &[u8]) -> Vec<(u16, Vec<u8>, bool)> {
    let (mut machine, mut head, limits) = (ClientMachine::new(), ReceivedHead::default(), MessageLimits::default());
    let (mut input, fields, mut seen) = (Buffer::default(), HeaderList::new(), Vec::new());
    input.extend(bytes);
    while !input.is_empty() || machine.awaited() > 0 {
        if machine.awaited() == 0 {
            assert!(machine.can_request(), "a response after the last one: {}", input.bytes().escape_ascii());
            let get = RequestHead { method: "GET", target: "/", fields: &fields, encode_chunked: false };
            machine.request(&get, &mut Buffer::default()).expect("a request");
        }
        match machine.receive(&mut input, &limits, &mut head).expect("our own response") {
            ResponseEvent::Interim | ResponseEvent::Head => seen.push((head.status().code(), Vec::new(), true)),
            ResponseEvent::Data(length) => {
                let (_, body, _) = seen.last_mut().expect("a head before its body");
                body.extend_from_slice(&input.bytes()[..length]);
                machine.take(&mut input, length);
            }
            ResponseEvent::End => {}
            ResponseEvent::More => machine.end_of_input(),
            ResponseEvent::Cut if machine.in_body() => {
                seen.last_mut().expect("a head before its body").2 = false;
                break;
            }
            ResponseEvent::Cut => {
                seen.extend((!input.is_empty()).then(|| (0, Vec::new(), false)));
                break;
            }
            ResponseEvent::Paused => unreachable!("a response is awaited"),
        }
    }
    seen
}

fn parse_one(bytes: &[u8], head_was_asked: bool) -> (Answer, &[u8]) {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return (Answer { status: 0, head: Vec::new(), body: Vec::new(), complete: false }, &[]);
    };
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let text = std::str::from_utf8(head).expect("a head of text");
    let mut lines = text.split("\r\n").map(str::to_owned);
    let line = lines.next().expect("a status line");
    let (version, status) = line.split_once(' ').expect("a status");
    let (status, reason) = status.split_once(' ').expect("a reason");
    assert!(matches!(version, "HTTP/1.1" | "HTTP/1.0"), "{line}");
    let status: u16 = status.parse().expect("a number");
    assert!((100..600).contains(&status), "{line}");

    let (mut length, mut chunked, mut kept) = (None, false, vec![reason.to_owned()]);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a field: {line}"));
        assert!(!line.bytes().any(|byte| byte.is_ascii_control()), "{line}");
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                assert_eq!(length.replace(value.parse::<usize>().expect("a length")), None, "one length")
            }
            "transfer-encoding" => {
                assert!(value == "chunked" && !chunked, "{line}");
                chunked = true;
            }
            _ => kept.push(line),
        }
    }
    assert!(!chunked || length.is_none(), "two framings");
    let bodiless = matches!(status, 100..=199 | 204 | 304)
        || (head_was_asked && (rest.is_empty() || rest.starts_with(b"HTTP/1.")));
    let (body, rest, complete) = match length {
        _ if bodiless => (Vec::new(), rest, true),
        Some(length) if length <= rest.len() => (rest[..length].to_vec(), &rest[length..], true),
        Some(_) => (rest.to_vec(), &[][..], false),
        None if chunked => unchunk(rest),
        None => (rest.to_vec(), &[][..], true),
    };
    (Answer { status, head: kept, body, complete }, rest)
}

/// The chunks of this server have neither extensions nor trailers, so anything else is a fault.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, &[u8], bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return (body, &[], false) };
        let digits = std::str::from_utf8(&rest[..end]).expect("a chunk's size");
        let size = usize::from_str_radix(digits, 16).expect("a chunk's size");
        rest = &rest[end + 2..];
        if rest.len() < size + 2 {
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            return (body, &[], false);
        }
        body.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n", "the end of a chunk");
        rest = &rest[size + 2..];
        if size == 0 {
            return (body, rest, true);
        }
    }
}
