//! `HeadScan`: finds the end of a head that arrives in pieces, and checks its limits. The scan does not parse fields.
//! Requests and responses both use it.

use memchr::{memchr, memchr_iter};

use super::start_line::StartLine;
use crate::http1::{MessageLimits, Violation};

/// A scan for the end of a head.
///
/// Each call continues where the last one stopped, so a head that arrives byte by byte takes linear time. The start
/// line is parsed as soon as it is complete, so that a malformed one is rejected without waiting for the rest of the
/// head.
#[derive(Debug)]
pub(crate) struct HeadScan<L> {
    /// The number of bytes that have been searched for line ends.
    scanned: usize,
    /// The start of the current line.
    line_start: usize,
    /// The start of the head, after any empty lines.
    head_start: usize,
    empty_lines: u8,
    start_line: Option<L>,
    fields: u32,
}

/// The result of a scan: the positions of a complete head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FoundHead<L> {
    /// The position of the start line in the scanned bytes.
    pub(crate) start: usize,
    /// The end of the head, after its empty line.
    pub(crate) end: usize,
    pub(crate) line: L,
    /// The number of field lines in the head.
    pub(crate) fields: usize,
}

impl<L> Default for HeadScan<L> {
    fn default() -> Self {
        HeadScan { scanned: 0, line_start: 0, head_start: 0, empty_lines: 0, start_line: None, fields: 0 }
    }
}

impl<L: StartLine> HeadScan<L> {
    /// Continues the scan. Returns the complete head, or `None` if its end has not arrived. `bytes` must begin with the
    /// bytes of the last call; new bytes may follow.
    pub(crate) fn advance(&mut self, bytes: &[u8], limits: &MessageLimits) -> Result<Option<FoundHead<L>>, Violation> {
        let from = self.scanned;
        for newline in memchr_iter(b'\n', &bytes[from..]).map(|at| from + at) {
            self.scanned = newline + 1;
            if let Some(found) = self.line(bytes, newline, limits)? {
                return Ok(Some(found));
            }
            self.line_start = self.scanned;
        }
        // The remaining bytes are an incomplete line. If it already exceeds a limit, it is rejected without waiting for
        // its end.
        let checked = self.scanned - self.line_start;
        self.scanned = bytes.len();
        self.partial_line(&bytes[self.line_start..], checked, limits)?;
        Ok(None)
    }

    /// The part of the start line that has arrived, without its CRLF. The log identifies a rejected message by this
    /// line.
    pub(crate) fn start_line<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let line = &bytes[self.head_start.min(bytes.len())..];
        let line = memchr(b'\n', line).map_or(line, |end| &line[..end]);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Checks the line that ends at `newline`. Returns the complete head if the line is the empty line at the end of
    /// the head.
    fn line(
        &mut self,
        bytes: &[u8],
        newline: usize,
        limits: &MessageLimits,
    ) -> Result<Option<FoundHead<L>>, Violation> {
        let with_end = &bytes[self.line_start..=newline];
        let without_lf = &with_end[..with_end.len() - 1];
        let Some(start_line) = self.start_line else {
            // A line that arrives in pieces can be rejected before its end arrives. The same line must cause the same
            // violation when it arrives in one piece, so the check for partial lines takes precedence.
            return self
                .first_line(with_end, limits)
                .map_err(|violation| L::check_start(without_lf, 0, limits).err().unwrap_or(violation))
                .map(|()| None);
        };
        // As for the start line, the check for partial lines takes precedence.
        self.partial_line(without_lf, 0, limits)?;
        match with_end.strip_suffix(b"\r\n") {
            // RFC 9112 section 2.2 allows a recipient to accept a bare LF. It is rejected here, because two parsers
            // that disagree about it allow request smuggling.
            None => Err(Violation::BareLf),
            Some([]) => {
                let (start, end) = (self.head_start, self.scanned);
                self.check_head(end, limits)?;
                Ok(Some(FoundHead { start, end, line: start_line, fields: self.fields as usize }))
            }
            Some(_) => self.field_line(limits).map(|()| None),
        }
    }

    /// Checks the start line, or an empty line before it.
    fn first_line(&mut self, with_end: &[u8], limits: &MessageLimits) -> Result<(), Violation> {
        match with_end.strip_suffix(b"\r\n") {
            // If the start line is malformed and has no CR, the violation is the malformed start line.
            None => Err(L::parse(&with_end[..with_end.len() - 1]).err().unwrap_or(Violation::BareLf)),
            Some([]) if self.empty_lines == L::MOST_EMPTY_LINES => Err(Violation::EmptyLines),
            Some([]) => {
                self.empty_lines += 1;
                self.head_start = self.scanned;
                Ok(())
            }
            Some(_) if with_end.len() > limits.start_line => Err(L::too_long(limits.start_line)),
            Some(line) => {
                self.start_line = Some(L::parse(line)?);
                Ok(())
            }
        }
    }

    /// Counts a complete field line, and checks the limits on the number of field lines and on the length of the head.
    fn field_line(&mut self, limits: &MessageLimits) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields as usize > limits.fields {
            return Err(Violation::ManyFields(limits.fields));
        }
        self.check_head(self.scanned, limits)
    }

    /// Checks that the head up to `end` is within its limit.
    fn check_head(&self, end: usize, limits: &MessageLimits) -> Result<(), Violation> {
        if end - self.head_start > limits.head { Err(Violation::LongHead(limits.head)) } else { Ok(()) }
    }

    /// Checks a line without its LF. The first `checked` bytes were accepted by an earlier call.
    fn partial_line(&self, line: &[u8], checked: usize, limits: &MessageLimits) -> Result<(), Violation> {
        if self.start_line.is_none() {
            return L::check_start(line, checked, limits);
        }
        // A line can exceed two limits. It is rejected for the limit that it reaches first, so that the status does not
        // depend on the sizes of the reads.
        let left_of_head = limits.head.saturating_sub(self.line_start - self.head_start);
        if line.len() >= limits.field_line && limits.field_line <= left_of_head + 1 {
            return Err(Violation::LongField(limits.field_line));
        }
        self.check_head(self.line_start + line.len(), limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::head::request_line::RequestLine;

    /// Scans the bytes all at once, and then one by one. Asserts that both have the same result.
    fn scan(bytes: &[u8], limits: &MessageLimits) -> Result<Option<FoundHead<RequestLine>>, Violation> {
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
            // A violation quotes the part of the line that has arrived.
            (Err(Violation::RequestLine(_)), Err(Violation::RequestLine(_))) => {}
            _ => assert_eq!(whole, dripped),
        }
        whole
    }

    #[test]
    fn a_head_ends_after_its_empty_line() {
        let limits = MessageLimits::default();
        let found = scan(b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest", &limits).unwrap().unwrap();
        assert_eq!((found.start, found.end, found.fields), (2, 26, 1));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n\r", &limits), Ok(None));
        assert_eq!(scan(b"", &limits), Ok(None));
    }

    #[test]
    fn a_head_is_refused_at_the_first_line_that_is_wrong() {
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
        for bytes in [&b"\x16\x03\x01"[..], b"GET /\x00", b"G\xc9T", b"\r\nG\xc9T", b"GET /\n", b"GET /\r\n"] {
            assert!(matches!(scan(bytes, &limits), Err(Violation::RequestLine(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_of_exactly_a_limit_passes_and_a_longer_one_does_not() {
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
        // The first violation is reported, even if the rest of the line has another one.
        assert_eq!(scan(b"GET /abcdefghijklmno\n", &limits), Err(Violation::LongRequestLine));
        assert_eq!(scan(b"GET /abcdefghijklmno\x01\r\n", &limits), Err(Violation::LongRequestLine));
        assert!(matches!(scan(b"GET / HTTP/\x9f2.0\r\n", &limits), Err(Violation::RequestLine(_))));
        assert!(matches!(scan(b"GET /abcdefghijklm\rx", &limits), Err(Violation::RequestLine(_))), "the CR is byte 19");
        assert_eq!(scan(fields("A: 4567890\n").as_bytes(), &limits), Err(Violation::LongField(10)));
        let short = MessageLimits { head: 30, ..limits };
        assert!(scan(fields("A: 45678\r\n").as_bytes(), &short).unwrap().is_some(), "28 bytes");
        assert_eq!(scan(fields("A: 45\r\nB: 3\r\n").as_bytes(), &short), Err(Violation::LongHead(30)));
        assert_eq!(scan(fields("A: 45\r\nB: 3456789\r\n").as_bytes(), &short), Err(Violation::LongHead(30)));
        // Empty lines before the head do not count towards its limit.
        assert_eq!(scan(b"\r\n\r\nGET / HTTP/1.1\r\nA: 456789\r\n", &short), Err(Violation::LongField(10)));
        // If the same byte exceeds both limits, the violation is that of the line.
        let both = MessageLimits { field_line: 15, ..short };
        assert_eq!(scan(fields("A: 456789012345\r\n").as_bytes(), &both), Err(Violation::LongField(15)));
    }

    /// A start line that is only a word. As with a status line, no empty line may precede it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Word;

    impl StartLine for Word {
        const MOST_EMPTY_LINES: u8 = 0;

        fn parse(line: &[u8]) -> Result<Word, Violation> {
            if line == b"word" { Ok(Word) } else { Err(Violation::Version(Violation::quote(line))) }
        }

        fn check_start(_: &[u8], _: usize, _: &MessageLimits) -> Result<(), Violation> {
            Ok(())
        }

        fn too_long(_: usize) -> Violation {
            Violation::Chunk
        }
    }

    #[test]
    fn the_rules_for_the_start_line_are_those_of_its_type() {
        let scan = |bytes: &[u8], limits| HeadScan::<Word>::default().advance(bytes, &limits);
        let found = FoundHead { start: 0, end: 14, line: Word, fields: 1 };
        assert_eq!(scan(b"word\r\nA: b\r\n\r\n", MessageLimits::default()), Ok(Some(found)));
        assert_eq!(scan(b"verb\r\n", MessageLimits::default()), Err(Violation::Version("verb".into())));
        assert_eq!(scan(b"\r\nword\r\n", MessageLimits::default()), Err(Violation::EmptyLines));
        let limits = MessageLimits { start_line: 5, ..MessageLimits::default() };
        assert_eq!(scan(b"word\r\n", limits), Err(Violation::Chunk));
    }
}
