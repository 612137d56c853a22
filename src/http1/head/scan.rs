use memchr::{memchr, memchr_iter};

use super::request_line::RequestLine;
use crate::http1::{MessageLimits, Violation};

/// Finds the end of a head in bytes that come piece by piece.
///
/// It goes on where the last call stopped, so a head that is dripped byte by byte costs linear time; and it looks at
/// the request line as soon as that is there, so that a bad one is refused without waiting for the rest.
#[derive(Debug, Default)]
pub(crate) struct HeadScan {
    /// How far line ends were looked for.
    scanned: usize,
    /// Where the line begins that is being looked at.
    line_start: usize,
    /// Where the request line begins: behind the empty lines that may stand before it.
    request_start: usize,
    empty_lines: u8,
    request_line: Option<RequestLine>,
    fields: u32,
}

/// A complete head: all spans count from `start`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FoundHead {
    /// Where the request line begins in the bytes that were scanned.
    pub(crate) start: usize,
    /// Where the head ends, behind its empty line.
    pub(crate) end: usize,
    pub(crate) line: RequestLine,
    /// How many field lines there are.
    pub(crate) fields: usize,
}

/// Empty lines before a request line are left over from the request before it, whose client ended a body with one
/// that does not count. At least one has to be ignored (RFC 9112 section 2.2).
const MOST_EMPTY_LINES: u8 = 4;

impl HeadScan {
    /// Looks at what has come since the last call; `bytes` begins where it began then.
    pub(crate) fn advance(&mut self, bytes: &[u8], limits: &MessageLimits) -> Result<Option<FoundHead>, Violation> {
        let from = self.scanned;
        for newline in memchr_iter(b'\n', &bytes[from..]).map(|at| from + at) {
            self.scanned = newline + 1;
            if let Some(found) = self.line(bytes, newline, limits)? {
                return Ok(Some(found));
            }
            self.line_start = self.scanned;
        }
        let known = self.scanned - self.line_start;
        self.scanned = bytes.len();
        self.partial(&bytes[self.line_start..], known, limits)?;
        Ok(None)
    }

    /// What there is of the request line, for a log that has to name a refused request.
    pub(crate) fn request_line<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let line = &bytes[self.request_start.min(bytes.len())..];
        let line = memchr(b'\n', line).map_or(line, |end| &line[..end]);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Looks at a complete line. What its beginning is refused for without its end, it is refused for with it as well,
    /// so that the answer does not depend on how the bytes came.
    fn line(&mut self, bytes: &[u8], newline: usize, limits: &MessageLimits) -> Result<Option<FoundHead>, Violation> {
        let with_end = &bytes[self.line_start..=newline];
        let Some(request_line) = self.request_line else {
            let begins = || RequestLine::may_begin(&with_end[..with_end.len() - 1], 0, limits);
            return self
                .first_line(with_end, limits)
                .map_err(|violation| begins().err().unwrap_or(violation))
                .map(|()| None);
        };
        self.partial(&with_end[..with_end.len() - 1], 0, limits)?;
        match with_end.strip_suffix(b"\r\n") {
            None => Err(Violation::BareLf),
            Some([]) => {
                let (start, end) = (self.request_start, self.scanned);
                self.check_head(end, limits)?;
                Ok(Some(FoundHead { start, end, line: request_line, fields: self.fields as usize }))
            }
            Some(_) => self.field_line(limits).map(|()| None),
        }
    }

    /// The request line, or an empty one before it.
    fn first_line(&mut self, with_end: &[u8], limits: &MessageLimits) -> Result<(), Violation> {
        match with_end.strip_suffix(b"\r\n") {
            // Whatever else is wrong with a request line, it is told apart from a mere missing CR.
            None => Err(RequestLine::parse(&with_end[..with_end.len() - 1]).err().unwrap_or(Violation::BareLf)),
            Some([]) if self.empty_lines == MOST_EMPTY_LINES => Err(Violation::EmptyLines),
            Some([]) => {
                self.empty_lines += 1;
                self.request_start = self.scanned;
                Ok(())
            }
            Some(_) if with_end.len() > limits.start_line => Err(Violation::LongRequestLine),
            Some(line) => {
                self.request_line = Some(RequestLine::parse(line)?);
                Ok(())
            }
        }
    }

    fn field_line(&mut self, limits: &MessageLimits) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields as usize > limits.fields {
            return Err(Violation::ManyFields(limits.fields));
        }
        self.check_head(self.scanned, limits)
    }

    fn check_head(&self, end: usize, limits: &MessageLimits) -> Result<(), Violation> {
        if end - self.request_start > limits.head { Err(Violation::LongHead(limits.head)) } else { Ok(()) }
    }

    /// A line without its end must not grow beyond what the whole line may have. Its first `known` bytes were here
    /// before.
    fn partial(&self, line: &[u8], known: usize, limits: &MessageLimits) -> Result<(), Violation> {
        if self.request_line.is_none() {
            return RequestLine::may_begin(line, known, limits);
        }
        // The limit that the line meets first is the one that it is refused for.
        let left_of_head = limits.head.saturating_sub(self.line_start - self.request_start);
        if line.len() >= limits.field_line && limits.field_line <= left_of_head + 1 {
            return Err(Violation::LongField(limits.field_line));
        }
        self.check_head(self.line_start + line.len(), limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes whole, then one by one: both must come to the same.
    fn scan(bytes: &[u8], limits: &MessageLimits) -> Result<Option<FoundHead>, Violation> {
        let whole = HeadScan::default().advance(bytes, limits);
        let mut scan = HeadScan::default();
        let mut dripped = Ok(None);
        for end in 1..=bytes.len() {
            dripped = scan.advance(&bytes[..end], limits);
            if !matches!(dripped, Ok(None)) {
                break;
            }
        }
        match (&whole, &dripped) {
            // A line that is refused early is named by as much of it as had come.
            (Err(Violation::RequestLine(_)), Err(Violation::RequestLine(_))) => {}
            _ => assert_eq!(whole, dripped),
        }
        whole
    }

    #[test]
    fn the_end_is_found_behind_the_empty_line() {
        let limits = MessageLimits::default();
        let found = scan(b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest", &limits).unwrap().unwrap();
        assert_eq!((found.start, found.end, found.fields), (2, 26, 1));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n\r", &limits), Ok(None));
        assert_eq!(scan(b"", &limits), Ok(None));
    }

    #[test]
    fn what_can_never_be_a_head_is_refused_at_once() {
        let limits = MessageLimits::default();
        for (bytes, violation) in [
            (&b"\r\n\r\n\r\n\r\n\r\n"[..], Violation::EmptyLines),
            (b"GET / HTTP/1.1\n", Violation::BareLf),
            (b"GET / HTTP/1.1\r\nA: b\n", Violation::BareLf),
            (b"GET / HTTP/1.1\r\n\n", Violation::BareLf),
            (b"GET / HTTP/2.0\r\n", Violation::UnsupportedVersion("2.0".into())),
        ] {
            assert_eq!(scan(bytes, &limits), Err(violation), "{:?}", bytes.escape_ascii().to_string());
        }
        for bytes in [&b"\x16\x03\x01"[..], b"GET /\x00", b"G\xc9T", b"GET /\n", b"GET /\r\n"] {
            assert!(matches!(scan(bytes, &limits), Err(Violation::RequestLine(_))), "{bytes:?}");
        }
    }

    #[test]
    fn limits_are_exact() {
        let limits = MessageLimits { start_line: 20, field_line: 10, head: 60, fields: 3, ..MessageLimits::default() };
        let line = |target: &str| format!("GET /{target} HTTP/1.1\r\n\r\n");
        assert!(scan(line("abcd").as_bytes(), &limits).unwrap().is_some(), "20 bytes");
        assert_eq!(scan(line("abcde").as_bytes(), &limits), Err(Violation::LongRequestLine));
        assert_eq!(scan(b"GET /abcdefghijklmno", &limits), Err(Violation::LongRequestLine));
        let fields = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert!(scan(fields("A: 45678\r\n").as_bytes(), &limits).unwrap().is_some(), "10 bytes");
        assert_eq!(scan(fields("A: 456789\r\n").as_bytes(), &limits), Err(Violation::LongField(10)));
        assert!(scan(fields("A:\r\nB:\r\nC:\r\n").as_bytes(), &limits).unwrap().is_some());
        assert_eq!(scan(fields("A:\r\nB:\r\nC:\r\nD:\r\n").as_bytes(), &limits), Err(Violation::ManyFields(3)));
        // What is wrong first counts, also where a line's end shows something else to be wrong with it.
        assert_eq!(scan(b"GET /abcdefghijklmno\n", &limits), Err(Violation::LongRequestLine));
        assert_eq!(scan(b"GET /abcdefghijklmno\x01\r\n", &limits), Err(Violation::LongRequestLine));
        assert!(matches!(scan(b"GET / HTTP/\x9f2.0\r\n", &limits), Err(Violation::RequestLine(_))));
        assert_eq!(scan(fields("A: 4567890\n").as_bytes(), &limits), Err(Violation::LongField(10)));
        let short = MessageLimits { head: 30, ..limits };
        assert!(scan(fields("A: 45678\r\n").as_bytes(), &short).unwrap().is_some(), "28 bytes");
        assert_eq!(scan(fields("A: 45\r\nB: 3\r\n").as_bytes(), &short), Err(Violation::LongHead(30)));
        assert_eq!(scan(fields("A: 45\r\nB: 3456789\r\n").as_bytes(), &short), Err(Violation::LongHead(30)));
    }
}
