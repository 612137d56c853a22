use crate::http::{Version, is_token};
use crate::http1::{MessageLimits, Violation};

/// Where the parts of a request line are: `method SP target SP version` (RFC 9112 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method_end: u32,
    pub(crate) target_end: u32,
    pub(crate) version: Version,
}

impl RequestLine {
    /// Reads a request line without its CRLF. There is exactly one SP between the parts, and nothing in the target
    /// but visible ASCII without `#`; HTTP/0.9 is refused (contract rows HB12 to HB18 have what CPython accepts).
    pub(crate) fn parse(line: &[u8]) -> Result<RequestLine, Violation> {
        let bad = || Violation::RequestLine(Violation::quote(line));
        let method_end = line.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
        let target_end =
            line.iter().rposition(|byte| *byte == b' ').filter(|at| *at > method_end + 1).ok_or_else(bad)?;
        if !is_token(&line[..method_end]) || !is_target(&line[method_end + 1..target_end]) {
            return Err(bad());
        }
        let version = version(&line[target_end + 1..])?;
        Ok(RequestLine { method_end: method_end as u32, target_end: target_end as u32, version })
    }

    /// Whether this unfinished line can still become a request line, so that a TLS hello or binary garbage is refused
    /// at once and not waited on. Its first `known` bytes were found good before, and are not looked at again: a line
    /// that is dripped byte by byte would cost quadratic time. Of a line that is too long only as much is looked at as
    /// shows that.
    pub(crate) fn may_begin(partial: &[u8], known: usize, limits: &MessageLimits) -> Result<(), Violation> {
        let limit = limits.start_line;
        let first = &partial[..partial.len().min(limit.saturating_sub(1))];
        check_text(first, known, limit)?;
        if first.len() < partial.len() { check_text(&partial[..limit], known, limit) } else { Ok(()) }
    }
}

/// Checks what has come of a line; a CR at its end may belong to the line's end.
fn check_text(partial: &[u8], known: usize, limit: usize) -> Result<(), Violation> {
    let (text, last) = match partial {
        [text @ .., b'\r'] => (text, 1),
        text => (text, 0),
    };
    // A CR that came last before is only good if the LF came behind it, and then nobody would constraints.
    let new = &text[known.saturating_sub(1).min(text.len())..];
    if !new.iter().all(|byte| is_target_byte(*byte) || matches!(byte, b' ' | b'#')) {
        return Err(Violation::RequestLine(Violation::quote(text)));
    }
    // The LF is still to come, and a CR unless it is there.
    if text.len() + last.max(1) >= limit { Err(Violation::LongRequestLine) } else { Ok(()) }
}

/// Whether a target consists of [`is_target_byte`].
pub(crate) fn is_target(target: &[u8]) -> bool {
    // Without an early end, because targets are nearly always valid, and looked at many bytes at a time then.
    target.iter().fold(true, |valid, byte| valid & is_target_byte(*byte))
}

/// Visible ASCII but `#`, which would begin a fragment: clients must not send one (RFC 9112 section 3.2).
fn is_target_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b'#'
}

/// `HTTP/` DIGIT `.` DIGIT (RFC 9112 section 2.3); a minor version above 1 is served as 1 (RFC 9110 section 6.2).
fn version(text: &[u8]) -> Result<Version, Violation> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => match major {
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
    fn lines_that_are_requests() {
        let line = RequestLine::parse(b"GET /a?b HTTP/1.1").unwrap();
        assert_eq!(line, RequestLine { method_end: 3, target_end: 8, version: Version::Http11 });
        assert_eq!(RequestLine::parse(b"RICK! * HTTP/1.9").unwrap().version, Version::Http11);
        assert_eq!(RequestLine::parse(b"GET / HTTP/1.0").unwrap().version, Version::Http10);
    }

    #[test]
    fn lines_that_are_none() {
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
