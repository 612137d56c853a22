//! What the fields that frame a message say together.

use super::host::is_authority;
use crate::http::{BodyLength, Expect, Method, Request, ResponseConstraints, Span, Version, is_token, list_elements};
use crate::http1::Violation;

/// What was learned from the fields on the way through them.
#[derive(Default)]
pub(crate) struct FramingFields {
    framing: Framing,
    host: Option<Span>,
    hosts: usize,
    close: bool,
    keep_alive: bool,
    expect: Expect,
}

impl FramingFields {
    /// Learns from a field whose value stands at `place`.
    pub(crate) fn note(&mut self, name: &str, value: &[u8], place: Span) -> Result<(), Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                self.hosts += 1;
                self.host = Some(place);
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                let known = value.eq_ignore_ascii_case(b"100-continue") && self.expect != Expect::Unknown;
                self.expect = if known { Expect::Continue } else { Expect::Unknown };
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                for option in list_elements([value].into_iter()) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => self.framing.content_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.framing.transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    /// How long the body is.
    pub(crate) fn body_length(&self, version: Version) -> Result<BodyLength, Violation> {
        self.framing.body_length(version)
    }

    /// Exactly one valid `Host` in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 section 3.2).
    pub(crate) fn host(&self, head: &[u8], version: Version) -> Result<Option<Span>, Violation> {
        if self.hosts > 1 || (self.hosts == 0 && version == Version::Http11) {
            return Err(Violation::HostCount);
        }
        match self.host {
            Some(host) if !is_authority(host.slice(head)) => Err(Violation::Host),
            host => Ok(host),
        }
    }

    /// What the request asks of the connection.
    pub(crate) fn constraints(&self, request: &Request) -> ResponseConstraints {
        let is_http10 = request.version == Version::Http10;
        ResponseConstraints {
            is_head: request.method == Method::Head,
            is_http10,
            keep_alive: !self.close && (!is_http10 || self.keep_alive),
            is_last: self.close && request.body.is_empty(),
            expect: if is_http10 { Expect::None } else { self.expect },
        }
    }
}

/// `Content-Length` and `Transfer-Encoding`, as far as they were seen (RFC 9112 section 6).
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    coded: bool,
    /// Codings in all, how many of them are `chunked`, and whether the last one is.
    codings: usize,
    chunked: usize,
    ends_chunked: bool,
}

impl Framing {
    /// One line, `1*DIGIT`, nothing else: a second line is refused even if it agrees, as are lists.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) || self.length.is_some() {
            return Err(Violation::ContentLength);
        }
        let length =
            value.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        self.length = Some(length);
        Ok(())
    }

    /// Lists over several lines are one list; parameters and anything else that is no token are refused, since
    /// `chunked` has none (RFC 9112 section 7.1) and no other coding is known.
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        self.coded = true;
        for coding in list_elements([value].into_iter()) {
            if !is_token(coding) {
                return Err(Violation::TransferEncoding);
            }
            self.ends_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.chunked += usize::from(self.ends_chunked);
            self.codings += 1;
        }
        Ok(())
    }

    fn body_length(&self, version: Version) -> Result<BodyLength, Violation> {
        match (self.length, self.coded) {
            (None, false) => Ok(BodyLength::None),
            (Some(length), false) => Ok(BodyLength::Known(length)),
            (Some(_), true) => Err(Violation::TwoFramings),
            (None, true) if version == Version::Http10 => Err(Violation::TransferEncodingInHttp10),
            (None, true) => match (self.codings, self.chunked, self.ends_chunked) {
                (1, 1, true) => Ok(BodyLength::Chunked),
                (_, 1, true) => Err(Violation::UnknownCoding),
                (1.., 0, _) => Err(Violation::UnknownCoding),
                _ => Err(Violation::TransferEncoding),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::head::request::tests::head;

    fn fields(fields: &str) -> Result<(Request, ResponseConstraints), Violation> {
        head(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    #[test]
    fn field_lines_that_are_none() {
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

    #[test]
    fn content_length() {
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
    fn transfer_encoding() {
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
        let two = "Transfer-Encoding: chunked\r\n";
        assert_eq!(fields(&two.repeat(2)).map(|_| ()), Err(Violation::TransferEncoding));
        assert_eq!(fields(&format!("{two}Content-Length: 5\r\n")).map(|_| ()), Err(Violation::TwoFramings));
        let old = head(&format!("GET / HTTP/1.0\r\n{two}\r\n"));
        assert_eq!(old.map(|_| ()), Err(Violation::TransferEncodingInHttp10));
    }

    #[test]
    fn host() {
        for (text, violation) in [
            ("GET / HTTP/1.1\r\n\r\n", Violation::HostCount),
            ("GET http://h/ HTTP/1.1\r\n\r\n", Violation::HostCount),
            ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", Violation::HostCount),
            ("GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", Violation::HostCount),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Violation::Host),
            ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Violation::Host),
            ("GET http://h/ HTTP/1.1\r\nHost: a/b\r\n\r\n", Violation::Host),
        ] {
            assert_eq!(head(text).map(|_| ()), Err(violation), "{text:?}");
        }
        let (request, _) = head("GET http://other/ HTTP/1.1\r\nHost: \tsame \r\n\r\n").unwrap();
        assert_eq!(request.authority(), Some(&b"other"[..]));
        assert_eq!(request.headers().get("host"), Some(&b"same"[..]));
        assert!(head("GET / HTTP/1.0\r\n\r\n").is_ok());
    }

    #[test]
    fn connection_and_expect() {
        let keep = |version: &str, lines: &str| {
            head(&format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n")).unwrap().1.keep_alive
        };
        assert!(keep("1.1", "") && keep("1.9", ""));
        assert!(!keep("1.1", "Connection: CLOSE\r\n"));
        assert!(!keep("1.1", "Connection: foo, close ,bar\r\n"));
        assert!(!keep("1.1", "Connection: keep-alive\r\nconnection: close\r\n"));
        assert!(!keep("1.0", "") && keep("1.0", "Connection: Keep-Alive\r\n"));
        assert!(!keep("1.0", "Connection: keep-alive, close\r\n"));
        let expect = |value: &str| fields(&format!("Expect: {value}\r\n")).unwrap().1.expect;
        assert_eq!(expect("100-Continue"), Expect::Continue);
        assert_eq!(expect("200-ok"), Expect::Unknown);
        let (_, constraints) = head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap();
        assert_eq!(constraints.expect, Expect::None);
    }
}
