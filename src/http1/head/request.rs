//! From the bytes of a head to a request.

use std::mem::MaybeUninit;

use super::fields::FramingFields;
use super::request_line::{RequestLine, is_target};
use super::scan::FoundHead;
use super::target;
use crate::http::{BodyLength, Field, Method, Request, ResponseConstraints, Span, Version, trim_ows};
use crate::http1::{MessageLimits, Violation};

/// Most requests have fewer fields than this, and are parsed without touching the heap.
const FEW_FIELDS: usize = 32;

/// Recognises a head that came last time: programs ask for the same again and again, and what was found out about these
/// very bytes need not be found out once more. `request` is then left as it is. Returns how long the head is and what
/// it asks of the connection.
pub(crate) fn read_again(
    bytes: &[u8],
    limits: &MessageLimits,
    request: &Request,
) -> Option<(usize, ResponseConstraints)> {
    let constraints = request.constraints.filter(|_| bytes.starts_with(&request.head))?;
    // It may have been read under other limits.
    let length = request.head.len();
    let fits = is_short(length, request.headers().len(), limits) && check_body(request.body, limits).is_ok();
    fits.then_some((length, constraints))
}

/// Reads a head that is there as a whole, as nearly all are: in one pass, and `request` is filled. Returns how long it
/// is and what it asks of the connection.
///
/// `None` leaves everything as it was, and the head to [`HeadScan`](super::scan::HeadScan): if it is not complete, if it
/// is longer than any limit, or if there is anything about its lines that has to be refused in the right words. What is
/// read here is read there to the same effect.
pub(crate) fn read_whole(
    bytes: &[u8],
    limits: &MessageLimits,
    request: &mut Request,
) -> Option<(usize, Result<ResponseConstraints, Violation>)> {
    let mut room = [const { MaybeUninit::uninit() }; FEW_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(length)) = parsed.parse_with_uninit_headers(bytes, &mut room) else {
        return None;
    };
    let (head, headers) = (&bytes[..length], &*parsed.headers);
    let (method, target) = (parsed.method?, parsed.path?.as_bytes());
    let target_end = method.len() + 1 + target.len();
    let version = if parsed.version? == 1 { Version::Http11 } else { Version::Http10 };
    let line = RequestLine { method_end: method.len() as u32, target_end: target_end as u32, version };
    // The parser would take a LF alone for the end of a line, and skip empty lines at the start.
    let crlf = |at: usize| head.get(at..at + 2) == Some(b"\r\n");
    let sound = place(head, method.as_bytes()).start() == 0
        && headers.iter().all(|header| crlf(place(head, header.name.as_bytes()).start() - 2))
        && head.ends_with(b"\r\n\r\n");
    if !sound || !is_short(length, headers.len(), limits) || !is_target(target) {
        return None;
    }
    request.clear();
    Some((length, take_apart(head, line, headers, limits, request)))
}

/// Whether a head of this length is within all limits, whatever its lines are.
fn is_short(length: usize, fields: usize, limits: &MessageLimits) -> bool {
    length <= limits.head.min(limits.start_line).min(limits.field_line) && fields <= limits.fields
}

/// Fills `request` from a head that was found complete. `bytes` is what the head was found in.
pub(crate) fn read(
    bytes: &[u8],
    found: &FoundHead,
    limits: &MessageLimits,
    request: &mut Request,
) -> Result<ResponseConstraints, Violation> {
    let head = &bytes[found.start..found.end];
    let lines = &head[found.line.target_end as usize + HTTP_1_1.len() + 2..];
    let mut headers = vec![httparse::EMPTY_HEADER; found.fields];
    match httparse::parse_headers(lines, &mut headers) {
        Ok(httparse::Status::Complete((length, headers))) if length == lines.len() => {
            take_apart(head, found.line, headers, limits, request)
        }
        _ => {
            begin(head, found.line, request);
            Err(Violation::Field)
        }
    }
}

/// What stands behind the target.
const HTTP_1_1: &[u8] = b" HTTP/1.1";

/// Fills `request` from a head whose lines are known.
///
/// The order of the checks is the order of the statuses: fields, framing, host, target, length of the body.
fn take_apart(
    head: &[u8],
    line: RequestLine,
    headers: &[httparse::Header<'_>],
    limits: &MessageLimits,
    request: &mut Request,
) -> Result<ResponseConstraints, Violation> {
    begin(head, line, request);
    let mut facts = FramingFields::default();
    for header in headers {
        let (name, value) = (header.name.as_bytes(), trim_ows(header.value));
        let field = Field { name: place(head, name), value: place(head, value) };
        facts.note(header.name, value, field.value)?;
        request.fields.push(name, field);
    }
    request.body = facts.body_length(line.version)?;
    request.authority = facts.host(&request.head, line.version)?;
    target::read(request, line.method_end as usize + 1, line.target_end as usize)?;
    check_body(request.body, limits)?;
    let constraints = facts.constraints(request);
    request.constraints = Some(constraints);
    Ok(constraints)
}

fn check_body(body: BodyLength, limits: &MessageLimits) -> Result<(), Violation> {
    match body {
        BodyLength::Known(length) if !limits.allow_body(length) => Err(Violation::LargeBody),
        _ => Ok(()),
    }
}

/// Fills in what the request line says.
fn begin(head: &[u8], line: RequestLine, request: &mut Request) {
    let (method_end, target_end) = (line.method_end as usize, line.target_end as usize);
    request.head.extend_from_slice(head);
    request.line = Span::new(0, target_end + HTTP_1_1.len());
    request.target = Span::new(method_end + 1, target_end);
    request.method = Method::from_bytes(&head[..method_end]);
    request.version = line.version;
}

/// Where in a head a part of it stands.
fn place(head: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr() as usize - head.as_ptr() as usize;
    Span::new(start, start + part.len())
}

#[cfg(test)]
pub(in crate::http1::head) mod tests {
    use super::*;
    use crate::http::Expect;
    use crate::http1::head::scan::HeadScan;

    /// Reads a head line by line.
    pub(in crate::http1::head) fn head(text: &str) -> Result<(Request, ResponseConstraints), Violation> {
        let limits = MessageLimits { body: 1000, ..MessageLimits::default() };
        let found = HeadScan::default().advance(text.as_bytes(), &limits)?.expect("a whole head");
        let mut request = Request::default();
        let constraints = read(text.as_bytes(), &found, &limits, &mut request)?;
        Ok((request, constraints))
    }

    #[test]
    fn a_request_is_taken_apart() {
        let (request, constraints) = head("\r\nPOST http://x/a?b HTTP/1.0\r\nA:  b c\t\r\na:\r\n\r\n").unwrap();
        assert_eq!(request.method(), &Method::Post);
        assert_eq!(request.request_line(), b"POST http://x/a?b HTTP/1.0");
        assert_eq!(request.target(), b"http://x/a?b");
        assert_eq!((request.path(), request.query()), (&b"/a"[..], Some(&b"b"[..])));
        assert_eq!(request.authority(), Some(&b"x"[..]));
        assert_eq!(request.headers().iter().collect::<Vec<_>>(), [("A", &b"b c"[..]), ("a", b"")]);
        assert_eq!(
            constraints,
            ResponseConstraints {
                is_head: false,
                is_http10: true,
                keep_alive: false,
                is_last: false,
                expect: Expect::None
            }
        );
    }

    /// Everything that was found out about a request.
    fn known(request: &Request) -> impl PartialEq + std::fmt::Debug + use<> {
        let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = (text(request.target()), text(request.path()), request.query().map(text));
        let line = (text(request.request_line()), request.method().clone(), request.version());
        (line, target, request.authority().map(text), headers, request.body_length(), request.constraints)
    }

    #[test]
    fn in_one_pass_or_line_by_line() {
        let limits = MessageLimits { body: 1000, ..MessageLimits::default() };
        for (text, at_once) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET /a?b HTTP/1.0\r\n\r\nmore", true),
            ("POST / HTTP/1.1\r\nHost:h\r\nA:\r\nB: \t c \t\r\nContent-Length: 3\r\n\r\nabc", true),
            ("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", true),
            ("HEAD http://o/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true),
            ("RICK! * HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", true),
            ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("GET / HTTP/1.1\nHost: h\r\n\r\n", false),
            ("GET / HTTP/1.0\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\n\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\n\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", false),
            ("GET /#f HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", false),
            ("GET / HTTP/1.9\r\nHost: h\r\n\r\n", false),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: h\r\n", false),
        ] {
            let mut request = Request::default();
            let whole = read_whole(text.as_bytes(), &limits, &mut request);
            assert_eq!(whole.is_some(), at_once, "{text:?}");
            let Some((length, asked)) = whole else { continue };
            let found = HeadScan::default().advance(text.as_bytes(), &limits).unwrap().unwrap();
            let mut by_lines = Request::default();
            assert_eq!(read(text.as_bytes(), &found, &limits, &mut by_lines), asked, "{text:?}");
            assert_eq!((found.end, known(&by_lines)), (length, known(&request)), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_left_of_the_request_before() {
        let limits = MessageLimits::default();
        let before = "POST http://x/a?b HTTP/1.0\r\nA: b\r\nContent-Length: 3\r\n\r\n";
        for text in [
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
            "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n",
        ] {
            let (mut fresh, mut used) = (Request::default(), Request::default());
            assert!(read_whole(before.as_bytes(), &limits, &mut used).unwrap().1.is_ok());
            let read = |request: &mut Request| read_whole(text.as_bytes(), &limits, request).unwrap();
            assert_eq!(read(&mut used), read(&mut fresh), "{text:?}");
            assert_eq!(known(&used), known(&fresh), "{text:?}");
        }
    }

    #[test]
    fn what_is_beyond_a_limit_is_read_line_by_line() {
        let text = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        let whole = |limits: MessageLimits| read_whole(text, &limits, &mut Request::default()).is_some();
        assert!(whole(MessageLimits { head: text.len(), fields: 2, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { head: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { start_line: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { field_line: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { fields: 1, ..MessageLimits::default() }));
    }

    #[test]
    fn a_head_that_came_before_is_recognised() {
        let text = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        let (request, constraints) = head(text).unwrap();
        let again = |text: &str, limits: MessageLimits| read_again(text.as_bytes(), &limits, &request);
        assert_eq!(again(text, MessageLimits::default()), Some((text.len(), constraints)));
        assert_eq!(again(&format!("{text}abc"), MessageLimits::default()), Some((text.len(), constraints)));
        assert_eq!(again(&text[..text.len() - 1], MessageLimits::default()), None);
        assert_eq!(again(&text.replace("/a", "/b"), MessageLimits::default()), None);
        assert_eq!(again(text, MessageLimits { body: 2, ..MessageLimits::default() }), None);
        assert_eq!(again(text, MessageLimits { fields: 1, ..MessageLimits::default() }), None);
        assert_eq!(again(text, MessageLimits { head: text.len() - 1, ..MessageLimits::default() }), None);
        // What was refused is refused again by the same way.
        let mut refused = Request::default();
        let text = text.replace("Host", "Most");
        assert!(read_whole(text.as_bytes(), &MessageLimits::default(), &mut refused).unwrap().1.is_err());
        assert_eq!(read_again(text.as_bytes(), &MessageLimits::default(), &refused), None);
        assert_eq!(read_again(b"", &MessageLimits::default(), &Request::default()), None);
    }

    #[test]
    fn many_fields_are_parsed_too() {
        let lines: String = (0..100).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let (request, _) = head(&format!("GET / HTTP/1.0\r\n{lines}\r\n")).unwrap();
        assert_eq!(request.headers().get("x-99"), Some(&b"99"[..]));
    }
}
