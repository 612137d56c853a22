//! `ResponseControls`: the fields of a response that affect the client side of the protocol.

use super::fields::FramingFields;
use crate::http::{BodyLength, Status, Version, list_elements};
use crate::http1::{MessageLimits, Violation};

/// The values of the fields that frame a response and determine whether the connection persists, in the part of a head
/// that has been read.
#[derive(Default)]
pub(crate) struct ResponseControls {
    framing: FramingFields,
    /// True if there is a `Keep-Alive` field, or a `Proxy-Connection` field with the `keep-alive` option. This matters
    /// only in an HTTP/1.0 response.
    keeps_alive: bool,
}

/// The framing of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseBody {
    /// The response ends with its head, has a known length, or is chunked.
    Framed(BodyLength),
    /// The body is close-delimited.
    UntilClose,
}

impl ResponseControls {
    /// Stores the value of a field that affects the protocol. Other fields are ignored.
    pub(crate) fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Violation> {
        match name.len() {
            // HTTP/1.0 servers use these fields, and CPython honours them too (RFC 9112 appendix C.2.2).
            10 if name.eq_ignore_ascii_case("keep-alive") => self.keeps_alive = true,
            16 if name.eq_ignore_ascii_case("proxy-connection") => {
                self.keeps_alive |= list_elements([value].into_iter()).any(|o| o.eq_ignore_ascii_case(b"keep-alive"));
            }
            _ => return self.framing.note(name.as_bytes(), value),
        }
        Ok(())
    }

    /// The framing of the body (RFC 9112 section 6.3). `without_body` is true if the request excludes a body, as for
    /// HEAD.
    pub(crate) fn body(
        &self,
        status: Status,
        without_body: bool,
        limits: &MessageLimits,
    ) -> Result<ResponseBody, Violation> {
        // A response with a 1xx, 204 or 304 status, or whose request excludes a body, ends with its head, even if its
        // fields announce a body.
        if without_body || matches!(status.code(), 100..=199 | 204 | 304) {
            return Ok(ResponseBody::Framed(BodyLength::None));
        }
        // A server must not send a chunked HTTP/1.0 response. RFC 9112 section 6.1 lets a client process such a
        // response and then close the connection, so the version is not checked here.
        match self.framing.body_length(Version::Http11)? {
            BodyLength::None => Ok(ResponseBody::UntilClose),
            BodyLength::Known(length) if !limits.allow_body(length) => Err(Violation::LargeBody),
            length => Ok(ResponseBody::Framed(length)),
        }
    }

    /// True if the server keeps the connection open after this response (RFC 9112 section 9.3).
    pub(crate) fn persists(&self, version: Version, body: ResponseBody) -> bool {
        let is_framed = body != ResponseBody::UntilClose;
        match version {
            Version::Http11 => is_framed && !self.framing.closes(),
            Version::Http10 => {
                let is_chunked = body == ResponseBody::Framed(BodyLength::Chunked);
                let offered = self.keeps_alive || self.framing.keeps_alive();
                is_framed && !is_chunked && offered && !self.framing.closes()
            }
        }
    }
}
