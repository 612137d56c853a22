//! `FramingFields`: the fields of a request or response that frame the message and determine whether the connection
//! persists.

use crate::http::{BodyLength, Persistence, Span, Version, is_token, list_elements};
use crate::http1::Violation;

/// The values of the `Content-Length`, `Transfer-Encoding` and `Connection` fields in the part of a head that has been
/// read.
#[derive(Default)]
pub(crate) struct FramingFields {
    length: Option<u64>,
    /// True if there is a `Transfer-Encoding` field, even with an empty list.
    has_coding: bool,
    codings: usize,
    /// The number of times that the list of codings contains `chunked`.
    chunked: usize,
    ends_chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl FramingFields {
    /// Stores the value of a `Content-Length`, `Transfer-Encoding` or `Connection` field, and ignores other fields.
    #[inline]
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        // Comparing the lengths first rules out nearly all other fields without comparing names.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in list_elements([value].into_iter()) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    /// The length of the body. [`BodyLength::None`] if no field frames the body: a request then has no body, and a
    /// response has a close-delimited body, unless its status or its request excludes a body (RFC 9112 section 6.3).
    pub(crate) fn body_length(&self, version: Version) -> Result<BodyLength, Violation> {
        match (self.length, self.has_coding) {
            (None, false) => Ok(BodyLength::None),
            (Some(length), false) => Ok(BodyLength::Known(length)),
            // The message has both framing fields. RFC 9112 section 6.1 allows a recipient to ignore `Content-Length`.
            // However, a proxy that ignored `Transfer-Encoding` instead would see a different body, which would allow
            // request smuggling.
            (Some(_), true) => Err(Violation::TwoFramings),
            // HTTP/1.0 has no transfer codings, so the framing is invalid (RFC 9112 section 6.1).
            (None, true) if version == Version::Http10 => Err(Violation::TransferEncodingInHttp10),
            (None, true) => match (self.codings, self.chunked, self.ends_chunked) {
                (1, 1, true) => Ok(BodyLength::Chunked),
                (_, 1, true) => Err(Violation::UnknownCoding),
                (1.., 0, _) => Err(Violation::UnknownCoding),
                // The list is empty, contains `chunked` twice, or has `chunked` before another coding (RFC 9112 section
                // 6.3).
                _ => Err(Violation::TransferEncoding),
            },
        }
    }

    /// The framing of a body to send, according to the fields of its head. The caller may have encoded the body before
    /// chunking it, so other codings may precede `chunked` (RFC 9112 section 6.1).
    pub(crate) fn body_to_send(&self) -> Result<BodyLength, Violation> {
        match (self.length, self.has_coding) {
            (Some(_), true) => Err(Violation::TwoFramings),
            (None, true) if (self.chunked, self.ends_chunked) == (1, true) => Ok(BodyLength::Chunked),
            (None, true) => Err(Violation::TransferEncoding),
            (Some(length), false) => Ok(BodyLength::Known(length)),
            (None, false) => Ok(BodyLength::None),
        }
    }

    /// Determines whether the sender of the message allows the connection to persist (RFC 9112 section 9.3).
    pub(crate) fn persistence(&self, version: Version, body: BodyLength) -> Persistence {
        match self.close {
            true if body.is_empty() => Persistence::LastRequest,
            false if version != Version::Http10 || self.keep_alive => Persistence::KeepAlive,
            _ => Persistence::Close,
        }
    }

    /// True if the `Connection` field has the `close` option.
    pub(crate) fn closes(&self) -> bool {
        self.close
    }

    /// True if the `Connection` field has the `keep-alive` option.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Stores the value of a `Content-Length` line, which is `1*DIGIT` (RFC 9110 section 8.6).
    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        // RFC 9110 section 8.6 lets a recipient accept several lines or a list if all numbers are the same. Both are
        // always rejected here, because they indicate a faulty sender, and because parsers that choose different
        // numbers allow request smuggling.
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) || self.length.is_some() {
            return Err(Violation::ContentLength);
        }
        // A number that is too large saturates to `u64::MAX`, which exceeds every limit.
        let length =
            value.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        self.length = Some(length);
        Ok(())
    }

    /// Stores the value of a `Transfer-Encoding` line. Several lines form one list (RFC 9110 section 5.2).
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        self.has_coding = true;
        for coding in list_elements([value].into_iter()) {
            // `chunked` has no parameters (RFC 9112 section 7.1), and no other coding is supported.
            if !is_token(coding) {
                return Err(Violation::TransferEncoding);
            }
            self.ends_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.chunked += usize::from(self.ends_chunked);
            self.codings += 1;
        }
        Ok(())
    }
}

/// Parses the field lines of a head that [`HeadScan`](super::scan::HeadScan) has found, including the empty line after
/// them. `room` must have one element for each line.
pub(crate) fn parse_fields<'h, 'b>(
    lines: &'b [u8],
    room: &'h mut [httparse::Header<'b>],
) -> Result<&'h [httparse::Header<'b>], Violation> {
    match httparse::parse_headers(lines, room) {
        // The scan has counted the fields, so `room` is large enough. If httparse and the scan disagree about the end
        // of the head, one of the lines is malformed.
        Ok(httparse::Status::Complete((length, headers))) if length == lines.len() => Ok(headers),
        _ => Err(Violation::Field),
    }
}

/// The position of `part` within `head`.
pub(super) fn place(head: &[u8], part: &[u8]) -> Span {
    // The position is computed from the addresses, because httparse returns slices of its input instead of positions.
    let start = part.as_ptr() as usize - head.as_ptr() as usize;
    Span::new(start, start + part.len())
}

#[cfg(test)]
mod tests {
    use crate::http::{BodyLength, Request, ResponseConstraints};
    use crate::http1::Violation;
    use crate::http1::head::request::tests::head;

    fn fields(fields: &str) -> Result<(Request, ResponseConstraints), Violation> {
        head(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    #[test]
    fn a_head_that_ends_before_the_last_of_its_lines_is_malformed() {
        let parse =
            |lines: &str| super::parse_fields(lines.as_bytes(), &mut [httparse::EMPTY_HEADER; 4]).map(<[_]>::len);
        assert_eq!(parse("A: 1\r\nB: 2\r\n\r\n"), Ok(2));
        assert_eq!(parse("A: 1\r\n\r\nB: 2\r\n\r\n"), Err(Violation::Field));
    }

    #[test]
    fn content_length_is_one_decimal_number() {
        assert_eq!(fields("Content-Length: 0010\r\n").unwrap().0.body_length(), BodyLength::Known(10));
        assert_eq!(fields("CONTENT-LENGTH:\t10 \r\n").unwrap().0.body_length(), BodyLength::Known(10));
        assert_eq!(fields("Content_Length: 10\r\n").unwrap().0.body_length(), BodyLength::None);
        for bad in [
            "", "+5", "-5", "0x5", "5a", "5.0", "5e0", "5 5", "5_0", "\"5\"", "5;", "5, 5", ",", "5, 6", "\u{a0}5",
            "５",
        ] {
            let line = format!("Content-Length: {bad}\r\n");
            assert_eq!(fields(&line).map(|_| ()), Err(Violation::ContentLength), "{bad:?}");
        }
        assert_eq!(fields("Content-Length: 5\r\nContent-Length: 5\r\n").map(|_| ()), Err(Violation::ContentLength));
        for large in ["1001", "9223372036854775808", "18446744073709551616", "18446744073709551621", &"9".repeat(40)] {
            let line = format!("Content-Length: {large}\r\n");
            assert_eq!(fields(&line).map(|_| ()), Err(Violation::LargeBody), "{large}");
        }
    }

    #[test]
    fn transfer_encoding_is_chunked_and_nothing_else() {
        for good in ["chunked", "CHUNKED", "cHuNkEd", "\tchunked\t", ", chunked", "chunked,", ",,chunked ,"] {
            let line = format!("Transfer-Encoding: {good}\r\n");
            assert_eq!(fields(&line).unwrap().0.body_length(), BodyLength::Chunked, "{good:?}");
        }
        for (bad, violation) in [
            ("", Violation::TransferEncoding),
            (",", Violation::TransferEncoding),
            ("chunked, gzip", Violation::TransferEncoding),
            ("chunked, identity", Violation::TransferEncoding),
            ("chunked, chunked", Violation::TransferEncoding),
            ("chunked;q=1", Violation::TransferEncoding),
            ("\"chunked\"", Violation::TransferEncoding),
            ("chun ked", Violation::TransferEncoding),
            ("\u{a0}chunked", Violation::TransferEncoding),
            ("gzip, chunked", Violation::UnknownCoding),
            ("gzip", Violation::UnknownCoding),
            ("identity", Violation::UnknownCoding),
            ("xchunked", Violation::UnknownCoding),
            ("chunkedx", Violation::UnknownCoding),
        ] {
            let line = format!("Transfer-Encoding: {bad}\r\n");
            assert_eq!(fields(&line).map(|_| ()), Err(violation), "{bad:?}");
        }
        assert_eq!(fields("Transfer-Encoding: \x0bchunked\r\n").map(|_| ()), Err(Violation::Field));
        // This name has the same length as `Transfer-Encoding`.
        assert_eq!(fields("If-Modified-Since: chunked\r\n").unwrap().0.body_length(), BodyLength::None);
        let two = "Transfer-Encoding: chunked\r\n";
        assert_eq!(fields(&two.repeat(2)).map(|_| ()), Err(Violation::TransferEncoding));
        assert_eq!(fields(&format!("{two}Content-Length: 5\r\n")).map(|_| ()), Err(Violation::TwoFramings));
        let old = head(&format!("GET / HTTP/1.0\r\n{two}\r\n"));
        assert_eq!(old.map(|_| ()), Err(Violation::TransferEncodingInHttp10));
    }

    #[test]
    fn close_takes_precedence_and_http10_needs_keep_alive() {
        let keep = |version: &str, lines: &str| {
            head(&format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n")).unwrap().1.keep_alive()
        };
        assert!(keep("1.1", "") && keep("1.9", ""));
        assert!(!keep("1.1", "Connection: CLOSE\r\n"));
        assert!(!keep("1.1", "Connection: foo, close ,bar\r\n"));
        assert!(!keep("1.1", "Connection: keep-alive\r\nconnection: close\r\n"));
        assert!(!keep("1.0", "") && keep("1.0", "Connection: Keep-Alive\r\n"));
        assert!(!keep("1.0", "Connection: keep-alive, close\r\n"));
        // This name has the same length as `Connection`.
        assert!(keep("1.1", "User-Agent: close\r\n"));
    }
}
