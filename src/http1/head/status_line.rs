//! `StatusLine`: the first line of a response.

use super::start_line::{StartLine, will_exceed};
use crate::http::{Status, Version, is_field_value};
use crate::http1::{MessageLimits, Violation};

/// The parts of a status line: `version SP status [ SP reason ]` (RFC 9112 section 4). The reason phrase is everything
/// after the first [`StatusLine::WITHOUT_REASON`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusLine {
    pub(crate) version: Version,
    pub(crate) status: Status,
}

impl StatusLine {
    /// The length of `HTTP/1.1 200`, without the SP that precedes a reason phrase.
    pub(crate) const WITHOUT_REASON: usize = "HTTP/1.1 200".len();
}

/// The beginning of every status line. Anything else, such as the body of an HTTP/0.9 response, is rejected at the
/// first byte that differs.
const PREFIX: &[u8] = b"HTTP/";

impl StartLine for StatusLine {
    /// A response must not begin with an empty line. CPython rejects one too.
    const MOST_EMPTY_LINES: u8 = 0;

    /// Requires exactly one SP between the parts. The SP after the status may be missing if there is no reason phrase,
    /// because several servers omit it.
    fn parse(line: &[u8]) -> Result<StatusLine, Violation> {
        let malformed = || Violation::StatusLine(Violation::quote(line));
        let rest = line.strip_prefix(PREFIX).ok_or_else(malformed)?;
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let (version, after) = (&rest[..space], &rest[space + 1..]);
        let (code, reason) = after.split_at_checked(3).ok_or_else(malformed)?;
        if !code.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ', ..]) || !is_field_value(reason) {
            return Err(malformed());
        }
        let code = code.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        let status = Status::new(code).ok_or_else(malformed)?;
        match version {
            b"1.0" => Ok(StatusLine { version: Version::Http10, status }),
            // A higher minor version is treated as the highest one that this client supports (RFC 9110 section 6.2).
            [b'1', b'.', b'1'..=b'9'] => Ok(StatusLine { version: Version::Http11, status }),
            // RFC 9112 requires two digits in a version. Servers may write `HTTP/3` nevertheless, so one digit is also
            // recognised as an unsupported version.
            [b'2'..=b'9'] | [b'2'..=b'9', b'.', b'0'..=b'9'] => {
                Err(Violation::UnsupportedVersion(String::from_utf8_lossy(version).into_owned()))
            }
            _ => Err(malformed()),
        }
    }

    fn check_start(partial: &[u8], _: usize, limits: &MessageLimits) -> Result<(), Violation> {
        let known = partial.len().min(PREFIX.len());
        // At most five bytes are compared, so a line that arrives byte by byte takes linear time.
        if partial[..known] != PREFIX[..known] {
            return Err(Violation::StatusLine(Violation::quote(partial)));
        }
        if will_exceed(partial, limits.start_line) { Err(StatusLine::too_long(limits.start_line)) } else { Ok(()) }
    }

    fn too_long(limit: usize) -> Violation {
        Violation::LongStatusLine(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_has_a_version_a_status_and_perhaps_a_reason() {
        for (line, version, code) in [
            ("HTTP/1.1 200 OK", Version::Http11, 200),
            ("HTTP/1.1 200 ", Version::Http11, 200),
            ("HTTP/1.1 200", Version::Http11, 200),
            ("HTTP/1.0 999 d\u{e9}j\u{e0}\tvu", Version::Http10, 999),
            ("HTTP/1.9 100 Continue", Version::Http11, 100),
        ] {
            let status = Status::new(code).unwrap();
            assert_eq!(StatusLine::parse(line.as_bytes()), Ok(StatusLine { version, status }), "{line}");
        }
    }

    #[test]
    fn other_status_lines_are_refused() {
        for line in [
            "",
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 200OK",
            "HTTP/1.1 +200 OK",
            "HTTP/1.1 2_0 OK",
            "HTTP/1.1 099 Low",
            "HTTP/1.1  200 OK",
            "HTTP/1.1\t200 OK",
            "HTTP/1.1 200\tOK",
            "HTTP/1.1 abc",
            "HTTP/1.1 200 O\0K",
            "HTTP/1.1 200 O\rK",
            "HTTP/0.9 200 OK",
            "HTTP/1.x 200 OK",
            "HTTP/1 200 OK",
            "HTTP/1.10 200 OK",
            "HTTP/ 200 OK",
            "HTTP/2.0 abc",
            " HTTP/1.1 200 OK",
            "http/1.1 200 OK",
            "<html>hello</html>",
        ] {
            assert!(matches!(StatusLine::parse(line.as_bytes()), Err(Violation::StatusLine(_))), "{line:?}");
        }
        for version in ["2", "2.0", "3", "9.9"] {
            let line = format!("HTTP/{version} 200 OK");
            let violation = Violation::UnsupportedVersion(version.to_owned());
            assert_eq!(StatusLine::parse(line.as_bytes()), Err(violation), "{line}");
        }
    }

    #[test]
    fn a_partial_line_is_refused_if_it_cannot_become_a_status_line() {
        let limits = MessageLimits { start_line: 20, ..MessageLimits::default() };
        for good in ["", "H", "HTTP/", "HTTP/1.1 200 OKOKO", "HTTP/1.1 200 OKOKO\r"] {
            assert_eq!(StatusLine::check_start(good.as_bytes(), 0, &limits), Ok(()), "{good}");
        }
        for bad in ["<", "h", "HTTP1", "\r", "SSH-2.0"] {
            let checked = StatusLine::check_start(bad.as_bytes(), 0, &limits);
            assert!(matches!(checked, Err(Violation::StatusLine(_))), "{bad}");
        }
        let long = StatusLine::check_start(b"HTTP/1.1 200 OKOKOK", 0, &limits);
        assert_eq!(long, Err(Violation::LongStatusLine(20)), "19 bytes and CRLF");
    }
}
