//! `RequestControls`: the fields of a request that affect the protocol.

use super::fields::FramingFields;
use super::host::is_authority;
use crate::http::{BodyLength, Expect, Method, Request, ResponseConstraints, Span, Version};
use crate::http1::Violation;

/// The values of the `Host` and `Expect` fields, and of the fields that frame a message, in the part of a head that has
/// been read.
#[derive(Default)]
pub(crate) struct RequestControls {
    framing: FramingFields,
    host: Option<Span>,
    hosts: usize,
    expect: Expect,
}

impl RequestControls {
    /// Stores the value of a field that affects the protocol. `place` is the position of the value in the head.
    pub(crate) fn note(&mut self, name: &str, value: &[u8], place: Span) -> Result<(), Violation> {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => {
                self.hosts += 1;
                self.host = Some(place);
            }
            6 if name.eq_ignore_ascii_case("expect") => {
                // An unknown expectation counts even if a known one is also present, because the server would have to
                // meet both (RFC 9110 section 10.1.1).
                let known = value.eq_ignore_ascii_case(b"100-continue") && self.expect != Expect::Unknown;
                self.expect = if known { Expect::Continue } else { Expect::Unknown };
            }
            _ => return self.framing.note(name.as_bytes(), value),
        }
        Ok(())
    }

    /// The length of the body according to `Content-Length` and `Transfer-Encoding`.
    pub(crate) fn body_length(&self, version: Version) -> Result<BodyLength, Violation> {
        self.framing.body_length(version)
    }

    /// The position of the `Host` field's value. HTTP/1.1 requires exactly one `Host` field, and HTTP/1.0 allows at
    /// most one (RFC 9112 section 3.2).
    pub(crate) fn host(&self, head: &[u8], version: Version) -> Result<Option<Span>, Violation> {
        // `Host` is required even if the target is in absolute form (RFC 9112 section 3.2.2).
        if self.hosts > 1 || (self.hosts == 0 && version == Version::Http11) {
            return Err(Violation::HostCount);
        }
        match self.host {
            Some(host) if !is_authority(host.slice(head)) => Err(Violation::Host),
            host => Ok(host),
        }
    }

    /// The constraints on the response to `request`. The other parts of `request` must already have been parsed.
    pub(crate) fn constraints(&self, request: &Request) -> ResponseConstraints {
        let is_http10 = request.version == Version::Http10;
        ResponseConstraints {
            is_head: request.method == Method::Head,
            is_http10,
            persistence: self.framing.persistence(request.version, request.body),
            // A server ignores 100-continue in an HTTP/1.0 request (RFC 9110 section 10.1.1).
            expect: if is_http10 { Expect::None } else { self.expect },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::{Expect, Request, ResponseConstraints};
    use crate::http1::Violation;
    use crate::http1::head::request::tests::head;

    fn fields(fields: &str) -> Result<(Request, ResponseConstraints), Violation> {
        head(&format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    }

    #[test]
    fn host_is_one_valid_authority() {
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
    fn an_unknown_expectation_stays_and_http10_ignores_the_field() {
        let expect = |value: &str| fields(&format!("Expect: {value}\r\n")).unwrap().1.expect;
        assert_eq!(expect("100-Continue"), Expect::Continue);
        assert_eq!(expect("200-ok"), Expect::Unknown);
        let (_, constraints) = head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap();
        assert_eq!(constraints.expect, Expect::None);
        // Another field whose name has the same length is not an expectation.
        assert_eq!(fields("Origin: 100-continue\r\n").unwrap().1.expect, Expect::None);
    }
}
