//! `RequestLine`: the first line of a request, and the checks that reject a line before it is complete.

use super::start_line::{StartLine, will_exceed};
use crate::http::{Version, is_token};
use crate::http1::{MessageLimits, Violation};

/// The positions at which the parts of a request line end: `method SP target SP version` (RFC 9112 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method_end: u32,
    pub(crate) target_end: u32,
    pub(crate) version: Version,
}

impl StartLine for RequestLine {
    /// Some clients send an extra CRLF after a body. RFC 9112 section 2.2 asks servers to ignore at least one such
    /// empty line.
    const MOST_EMPTY_LINES: u8 = 4;

    /// Requires exactly one SP between the parts, and a target of visible ASCII without `#`. A line without a version,
    /// which would be HTTP/0.9, is rejected.
    fn parse(line: &[u8]) -> Result<RequestLine, Violation> {
        let malformed = || Violation::RequestLine(Violation::quote(line));
        let method_end = line.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        // The last SP ends the target. Any further SP is then part of the target, which is rejected because a target
        // must not contain SP.
        let target_end =
            line.iter().rposition(|byte| *byte == b' ').filter(|at| *at > method_end + 1).ok_or_else(malformed)?;
        if !is_token(&line[..method_end]) || !is_target(&line[method_end + 1..target_end]) {
            return Err(malformed());
        }
        let version = version(&line[target_end + 1..])?;
        Ok(RequestLine { method_end: method_end as u32, target_end: target_end as u32, version })
    }

    /// Rejects a TLS ClientHello or other binary data at its first byte, instead of waiting for the end of the line.
    /// Only the bytes after `checked` are checked, so that a line that arrives byte by byte does not take quadratic
    /// time.
    fn check_start(partial: &[u8], checked: usize, limits: &MessageLimits) -> Result<(), Violation> {
        let limit = limits.start_line;
        // An invalid byte within the limit takes precedence over the length, because a line that arrives byte by byte
        // would also be rejected for that byte. Bytes beyond the limit are not checked.
        let within = &partial[..partial.len().min(limit.saturating_sub(1))];
        check_text(within, checked, limit)?;
        if within.len() < partial.len() { check_text(&partial[..limit], checked, limit) } else { Ok(()) }
    }

    fn too_long(_: usize) -> Violation {
        Violation::LongRequestLine
    }
}

/// Checks a partial line: its length, and its bytes except the first `checked`, which an earlier call has accepted.
fn check_text(partial: &[u8], checked: usize, limit: usize) -> Result<(), Violation> {
    // A CR at the end may be the first half of the CRLF.
    let text = partial.strip_suffix(b"\r").unwrap_or(partial);
    // The input of the earlier call may have ended with the CR of a CRLF. The CR is valid only before an LF, so it is
    // checked again. `#` is accepted here because a method can contain it. A target with `#` is rejected later.
    let unchecked = &text[checked.saturating_sub(1).min(text.len())..];
    if !unchecked.iter().all(|byte| is_target_byte(*byte) || matches!(byte, b' ' | b'#')) {
        return Err(Violation::RequestLine(Violation::quote(text)));
    }
    if will_exceed(partial, limit) { Err(Violation::LongRequestLine) } else { Ok(()) }
}

/// True if every byte is allowed in a request target.
pub(crate) fn is_target(target: &[u8]) -> bool {
    // Nearly all targets are valid, so this uses `fold` instead of `all`. Without an early exit, the compiler can
    // vectorise the loop.
    target.iter().fold(true, |valid, byte| valid & is_target_byte(*byte))
}

/// Visible ASCII except `#`, which begins a fragment. Clients do not send fragments (RFC 9112 section 3.2).
fn is_target_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b'#'
}

/// Parses `HTTP/` DIGIT `.` DIGIT (RFC 9112 section 2.3).
fn version(text: &[u8]) -> Result<Version, Violation> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => match major {
            // A higher minor version is treated as the highest one that this server supports (RFC 9110 section 6.2).
            b'1' => Ok(Version::Http11),
            _ => Err(Violation::UnsupportedVersion(format!("{}.{}", char::from(*major), char::from(*minor)))),
        },
        other => Err(Violation::Version(Violation::quote(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_request_line_are_found() {
        let line = RequestLine::parse(b"GET /a?b HTTP/1.1").unwrap();
        assert_eq!(line, RequestLine { method_end: 3, target_end: 8, version: Version::Http11 });
        assert_eq!(RequestLine::parse(b"RICK! * HTTP/1.9").unwrap().version, Version::Http11);
        assert_eq!(RequestLine::parse(b"GET / HTTP/1.0").unwrap().version, Version::Http10);
    }

    #[test]
    fn malformed_request_lines_and_versions_are_refused() {
        for line in [
            "",
            "GET",
            "GET ",
            "GET /",
            "GET  HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET /a b HTTP/1.1",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GE(T / HTTP/1.1",
            "GET /\x01 HTTP/1.1",
            "GET /\x7f HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET /\r HTTP/1.1",
        ] {
            assert!(matches!(RequestLine::parse(line.as_bytes()), Err(Violation::RequestLine(_))), "{line:?}");
        }
        for version in
            ["HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/01.1", "http/1.1", "HTTP/1.1x", "FUBAR", "HTTP/+1.1"]
        {
            let line = format!("GET / {version}");
            assert_eq!(RequestLine::parse(line.as_bytes()), Err(Violation::Version(version.into())));
        }
        for version in ["2.0", "0.9", "9.9", "3.0"] {
            let line = format!("GET / HTTP/{version}");
            assert_eq!(RequestLine::parse(line.as_bytes()), Err(Violation::UnsupportedVersion(version.into())));
        }
    }
}
