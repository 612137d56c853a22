//! Parses the head of a request into a [`Request`]. There are three ways to parse a head, of which the fastest one that
//! applies is used.

use std::mem::MaybeUninit;

use super::fields::{parse_fields, place};
use super::request_fields::RequestControls;
use super::request_line::{RequestLine, is_target};
use super::scan::{FoundHead, HeadScan};
use super::target;
use crate::http::{BodyLength, Field, Method, Request, ResponseConstraints, Span, Version, trim_ows};
use crate::http1::{MessageLimits, Violation};

/// The scan of a request head that did not arrive in one piece; `None` until such a scan begins.
///
/// The scan is boxed, because most heads arrive in one piece, but every connection reserves space for this field.
#[derive(Debug, Default)]
pub struct HeadProgress(Option<Box<HeadScan<RequestLine>>>);

impl HeadProgress {
    /// Reads the head at the front of `bytes` into `request`. Returns the length of the head and the constraints on the
    /// response, or `None` if the end of the head has not arrived. `bytes` must begin with the bytes of the last call,
    /// and `request` may still contain the previous request of the connection.
    ///
    /// # Errors
    /// Returns the first violation. `request` then contains enough of the head to identify the request in a log.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        limits: &MessageLimits,
        request: &mut Request,
    ) -> Result<Option<(usize, ResponseConstraints)>, Violation> {
        // If a scan of this head has begun, it continues, because both fast paths have already failed for this head.
        if self.0.is_none() {
            // The cheapest way is to compare the bytes with the previous head. They are often equal, because browsers,
            // benchmarks and other clients repeat their heads.
            if let Some(repeated) = read_again(bytes, limits, request) {
                return Ok(Some(repeated));
            }
            if let Some((length, constraints)) = read_whole(bytes, limits, request) {
                return constraints.map(|constraints| Some((length, constraints)));
            }
        }
        match self.0.get_or_insert_default().advance(bytes, limits) {
            Ok(None) => Ok(None),
            Ok(Some(found)) => {
                // `request` is cleared only here, because it must contain the previous request until the head is
                // complete.
                request.clear();
                read(bytes, &found, limits, request).map(|constraints| Some((found.end, constraints)))
            }
            Err(violation) => {
                self.name_refused(&violation, bytes, request);
                Err(violation)
            }
        }
    }

    /// Copies the request line of a rejected head into `request`, so that the log can show it.
    #[cold]
    fn name_refused(&self, violation: &Violation, bytes: &[u8], request: &mut Request) {
        self.copy_request_line(bytes, request);
        // CPython logs an empty request line for 414.
        if *violation == Violation::LongRequestLine {
            request.clear();
        }
    }

    /// Copies the part of the request line that has arrived into `request`.
    pub(crate) fn copy_request_line(&self, bytes: &[u8], request: &mut Request) {
        request.clear();
        if let Some(scan) = &self.0 {
            request.head.extend_from_slice(scan.start_line(bytes));
            request.line = Span::new(0, request.head.len());
        }
    }
}

/// The number of fields that can be parsed without an allocation. Most requests have no more.
const FEW_FIELDS: usize = 32;

/// Recognises an exact repeat of the head that `request` was read from, because many clients repeat their requests.
/// `request` is not changed. Returns the length of the head and the constraints on the response.
fn read_again(bytes: &[u8], limits: &MessageLimits, request: &Request) -> Option<(usize, ResponseConstraints)> {
    // `constraints` is `None` after a rejected head, so a repeat of that head is parsed in full and rejected again.
    let constraints = request.constraints.filter(|_| bytes.starts_with(&request.head))?;
    // The limits may have changed since the previous head was read.
    let length = request.head.len();
    let fits = is_short(length, request.headers().len(), limits) && check_body(request.body, limits).is_ok();
    fits.then_some((length, constraints))
}

/// Parses a head that has arrived in full, as most do, in one pass. Returns the length of the head and the constraints
/// on the response.
///
/// Returns `None` without changing `request` if the head is incomplete, may exceed a limit, or has a malformed line.
/// [`HeadScan`] then decides whether the head is a violation. For a head that both `read_whole` and the scan accept,
/// the results are the same.
fn read_whole(
    bytes: &[u8],
    limits: &MessageLimits,
    request: &mut Request,
) -> Option<(usize, Result<ResponseConstraints, Violation>)> {
    // httparse fails if there are more than `FEW_FIELDS` fields. The scan then reads the head, and allocates room for
    // the number of fields that it has counted.
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
    // httparse accepts a bare LF as a line end and skips empty lines before the request line. The scan decides whether
    // such a head is a violation. This fast path therefore applies only if nothing precedes the method and a CRLF
    // precedes each field line.
    let crlf = |at: usize| head.get(at..at + 2) == Some(b"\r\n");
    let is_strict = place(head, method.as_bytes()).start() == 0
        // A field name begins directly after the previous line, so the two bytes before the name must be the CRLF of
        // that line.
        && headers.iter().all(|header| crlf(place(head, header.name.as_bytes()).start() - 2))
        && head.ends_with(b"\r\n\r\n");
    if !is_strict || !is_short(length, headers.len(), limits) || !is_target(target) {
        return None;
    }
    request.clear();
    Some((length, take_apart(head, line, headers, limits, request)))
}

/// True if a head of `length` bytes with this number of fields is within all limits, regardless of the lengths of its
/// lines.
fn is_short(length: usize, fields: usize, limits: &MessageLimits) -> bool {
    length <= limits.head.min(limits.start_line).min(limits.field_line) && fields <= limits.fields
}

/// Parses a head that [`HeadScan`] has found in `bytes`. `request` must be empty.
fn read(
    bytes: &[u8],
    found: &FoundHead<RequestLine>,
    limits: &MessageLimits,
    request: &mut Request,
) -> Result<ResponseConstraints, Violation> {
    let head = &bytes[found.start..found.end];
    let lines = &head[found.line.target_end as usize + HTTP_1_1.len() + 2..];
    // The scan has checked the number of fields against the limit, so a client cannot make this allocation too large.
    let mut room = vec![httparse::EMPTY_HEADER; found.fields];
    match parse_fields(lines, &mut room) {
        Ok(headers) => take_apart(head, found.line, headers, limits, request),
        Err(violation) => {
            copy_head(head, found.line, request);
            Err(violation)
        }
    }
}

/// The end of a request line, after the target. Only the length of this constant is used, because all versions have the
/// same length.
const HTTP_1_1: &[u8] = b" HTTP/1.1";

/// Fills `request` from a head whose lines have been parsed.
///
/// A head may have several violations. The order of the checks determines the status that the client gets: fields,
/// framing, host, target, length of the body.
fn take_apart(
    head: &[u8],
    line: RequestLine,
    headers: &[httparse::Header<'_>],
    limits: &MessageLimits,
    request: &mut Request,
) -> Result<ResponseConstraints, Violation> {
    copy_head(head, line, request);
    let mut controls = RequestControls::default();
    for header in headers {
        let (name, value) = (header.name.as_bytes(), trim_ows(header.value));
        let field = Field { name: place(head, name), value: place(head, value) };
        controls.note(header.name, value, field.value)?;
        request.fields.push(name, field);
    }
    // An absolute-form target replaces the authority from `Host`, so the target is parsed after `Host`.
    request.body = controls.body_length(line.version)?;
    request.authority = controls.host(&request.head, line.version)?;
    target::read(request, line.method_end as usize + 1, line.target_end as usize)?;
    check_body(request.body, limits)?;
    let constraints = controls.constraints(request);
    request.constraints = Some(constraints);
    Ok(constraints)
}

/// Checks the body length that the head announces against its limit. The length of a chunked body is checked chunk by
/// chunk.
fn check_body(body: BodyLength, limits: &MessageLimits) -> Result<(), Violation> {
    match body {
        BodyLength::Known(length) if !limits.allow_body(length) => Err(Violation::LargeBody),
        _ => Ok(()),
    }
}

/// Copies the head into `request`, and fills in the parts of the request line.
fn copy_head(head: &[u8], line: RequestLine, request: &mut Request) {
    let (method_end, target_end) = (line.method_end as usize, line.target_end as usize);
    request.head.extend_from_slice(head);
    request.line = Span::new(0, target_end + HTTP_1_1.len());
    request.target = Span::new(method_end + 1, target_end);
    request.method = Method::from_bytes(&head[..method_end]);
    request.version = line.version;
}

#[cfg(test)]
pub(in crate::http1::head) mod tests {
    use super::*;
    use crate::http::{Expect, Persistence};

    /// Parses a head without the fast paths, with `HeadScan` and then `read`.
    pub(in crate::http1::head) fn head(text: &str) -> Result<(Request, ResponseConstraints), Violation> {
        let limits = MessageLimits { body: 1000, ..MessageLimits::default() };
        let found = HeadScan::<RequestLine>::default().advance(text.as_bytes(), &limits)?.expect("a whole head");
        let mut request = Request::default();
        let constraints = read(text.as_bytes(), &found, &limits, &mut request)?;
        Ok((request, constraints))
    }

    #[test]
    fn a_request_has_the_parts_of_its_head() {
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
                persistence: Persistence::Close,
                expect: Expect::None
            }
        );
    }

    /// All values that were parsed from a head, for comparing two requests.
    fn known(request: &Request) -> impl PartialEq + std::fmt::Debug + use<> {
        let headers: Vec<_> = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let target = (text(request.target()), text(request.path()), request.query().map(text));
        let line = (text(request.request_line()), request.method().clone(), request.version());
        (line, target, request.authority().map(text), headers, request.body_length(), request.constraints)
    }

    #[test]
    fn both_parsers_read_a_head_alike_or_the_fast_one_declines() {
        let limits = MessageLimits { body: 1000, ..MessageLimits::default() };
        for (text, is_fast) in [
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
            assert_eq!(whole.is_some(), is_fast, "{text:?}");
            let Some((length, asked)) = whole else { continue };
            let found = HeadScan::<RequestLine>::default().advance(text.as_bytes(), &limits).unwrap().unwrap();
            let mut slow = Request::default();
            assert_eq!(read(text.as_bytes(), &found, &limits, &mut slow), asked, "{text:?}");
            assert_eq!((found.end, known(&slow)), (length, known(&request)), "{text:?}");
        }
    }

    #[test]
    fn nothing_of_the_previous_request_remains() {
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
    fn the_fast_parser_declines_a_head_that_may_be_beyond_a_limit() {
        let text = b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
        let whole = |limits: MessageLimits| read_whole(text, &limits, &mut Request::default()).is_some();
        assert!(whole(MessageLimits { head: text.len(), fields: 2, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { head: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { start_line: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { field_line: text.len() - 1, ..MessageLimits::default() }));
        assert!(!whole(MessageLimits { fields: 1, ..MessageLimits::default() }));
    }

    #[test]
    fn a_repeated_head_is_recognised_unless_the_limits_changed() {
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
        // A repeat of a rejected head must not be accepted.
        let mut refused = Request::default();
        let text = text.replace("Host", "Most");
        assert!(read_whole(text.as_bytes(), &MessageLimits::default(), &mut refused).unwrap().1.is_err());
        assert_eq!(read_again(text.as_bytes(), &MessageLimits::default(), &refused), None);
        assert_eq!(read_again(b"", &MessageLimits::default(), &Request::default()), None);
    }

    #[test]
    fn more_fields_than_the_fast_parser_takes_are_read() {
        let lines: String = (0..100).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let (request, _) = head(&format!("GET / HTTP/1.0\r\n{lines}\r\n")).unwrap();
        assert_eq!(request.headers().get("x-99"), Some(&b"99"[..]));
    }

    fn fields(fields: &str) -> Result<(Request, ResponseConstraints), Violation> {
        head(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    #[test]
    fn malformed_field_lines_are_refused() {
        for bad in [
            "no colon\r\n",
            ":\r\n",
            " A: b\r\n",
            "\tA: b\r\n",
            "A : b\r\n",
            "A\t: b\r\n",
            "A: b\r\n c\r\n",
            "A: b\rc\r\n",
            "A: b\r\n\rX: y\r\n",
            "A: \0\r\n",
            "A: \x01\r\n",
            "A: \x1b\r\n",
            "A: \x7f\r\n",
            "X A: b\r\n",
            "X\0A: b\r\n",
            "X(A: b\r\n",
            "X\u{e9}: b\r\n",
            "\"X\": b\r\n",
            "[X]: b\r\n",
            "X/A: b\r\n",
            "X=A: b\r\n",
            "X@A: b\r\n",
            "Content-Length 5\r\n",
        ] {
            assert_eq!(fields(bad).map(|_| ()), Err(Violation::Field), "{bad:?}");
        }
        assert!(fields("A: \u{e9}\t!\r\nB:\r\n").is_ok());
    }
}
