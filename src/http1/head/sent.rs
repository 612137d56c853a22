//! Checks and writes the head of a request that a client sends.

use std::fmt;

use super::fields::FramingFields;
use super::request_line::is_target;
use crate::http::{BodyLength, HeaderList, is_token};
use crate::http1::{Buffer, Encoder, Violation};

/// The head of a request that a client sends. Only the fields in `fields` are sent.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method, which must be a token.
    pub method: &'a str,
    /// The target, which is sent unchanged. It must consist of visible ASCII characters without `#`.
    pub target: &'a str,
    /// All fields, including the `Content-Length` or `Transfer-Encoding` that frames the body.
    pub fields: &'a HeaderList,
    /// True if the caller passes the body of a chunked request without chunk framing, so that the [`Encoder`] must add
    /// it. False if the caller passes a body that is already chunked.
    pub encode_chunked: bool,
}

/// The reason why a request was rejected before any byte of it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The method is not a token (RFC 9110 section 9.1).
    Method(String),
    /// The target is empty or contains a control character, a space, a `#` or a non-ASCII character (RFC 9112 section
    /// 3.2).
    Target(String),
    /// The fields contradict each other about the length or the encoding of the body (RFC 9112 section 6).
    Framing(Violation),
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidRequest::Method(method) => write!(f, "invalid method {method:?}"),
            InvalidRequest::Target(target) => write!(f, "invalid request target {target:?}"),
            InvalidRequest::Framing(Violation::TwoFramings) => {
                f.write_str("Content-Length and Transfer-Encoding in one request")
            }
            InvalidRequest::Framing(Violation::ContentLength) => {
                f.write_str("Content-Length is not one decimal number")
            }
            InvalidRequest::Framing(_) => f.write_str("Transfer-Encoding does not end in one chunked"),
        }
    }
}

impl std::error::Error for InvalidRequest {}

/// The properties that follow from a request's head: the framing of the body, and whether the connection can persist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentFraming {
    /// The encoder for the body; `None` if the request has no body.
    pub(crate) encoder: Option<Encoder>,
    /// True if the request announces that it is the last one on its connection (RFC 9112 section 9.6).
    pub(crate) closes: bool,
}

impl RequestHead<'_> {
    /// Checks the method, the target, and the fields that frame the body.
    ///
    /// # Errors
    /// Returns the first part that is not allowed.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        self.framing().map(drop)
    }

    /// Like [`RequestHead::check`], but also returns the framing of the body.
    pub(crate) fn framing(&self) -> Result<SentFraming, InvalidRequest> {
        if !is_token(self.method.as_bytes()) {
            return Err(InvalidRequest::Method(self.method.to_owned()));
        }
        // A space or a line end in the target would end the target early. The rest could then be parsed as a different
        // request.
        if self.target.is_empty() || !is_target(self.target.as_bytes()) {
            return Err(InvalidRequest::Target(self.target.to_owned()));
        }
        let mut framing = FramingFields::default();
        for (name, value) in self.fields.pairs() {
            framing.note(name, value).map_err(InvalidRequest::Framing)?;
        }
        let encoder = match framing.body_to_send().map_err(InvalidRequest::Framing)? {
            // There is no body to encode, so the request ends with its head.
            BodyLength::None | BodyLength::Known(0) => None,
            BodyLength::Known(length) => Some(Encoder::Counted(length)),
            BodyLength::Chunked if self.encode_chunked => Some(Encoder::Chunked),
            // The caller has already framed the body, so the encoder passes all bytes on unchanged.
            BodyLength::Chunked => Some(Encoder::UntilClose),
        };
        Ok(SentFraming { encoder, closes: framing.closes() })
    }
}

/// Appends a complete head to `out`: request line, fields, and the empty line.
pub(crate) fn write_request_head(head: &RequestHead<'_>, out: &mut Buffer) {
    let (method, target) = (head.method.as_bytes(), head.target.as_bytes());
    let parts = [method, b" ", target, b" HTTP/1.1\r\n", head.fields.lines(), b"\r\n"];
    // The buffer grows once, and not with each part.
    out.reserve(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head<'a>(method: &'a str, target: &'a str, fields: &'a HeaderList) -> RequestHead<'a> {
        RequestHead { method, target, fields, encode_chunked: false }
    }

    fn list(fields: &[(&str, &str)]) -> HeaderList {
        let mut list = HeaderList::new();
        fields.iter().for_each(|(name, value)| list.add(name, *value).unwrap());
        list
    }

    #[test]
    fn a_head_is_written_as_it_was_given() {
        let (mut out, fields) = (Buffer::default(), list(&[("hOST", "h"), ("X", "")]));
        write_request_head(&head("BREW", "http://h/pot?x", &fields), &mut out);
        assert_eq!(out.bytes(), b"BREW http://h/pot?x HTTP/1.1\r\nhOST: h\r\nX: \r\n\r\n");
    }

    #[test]
    fn methods_and_targets_that_could_split_a_request_are_refused() {
        let fields = HeaderList::new();
        for method in ["", "GE T", "GET\n", "G\0ET", "G\u{e9}T"] {
            assert_eq!(head(method, "/", &fields).check(), Err(InvalidRequest::Method(method.to_owned())));
        }
        for target in ["", "/a b", "/\r\nX: 1", "/\0", "/\x7f", "/caf\u{e9}", "/a#b"] {
            assert_eq!(head("GET", target, &fields).check(), Err(InvalidRequest::Target(target.to_owned())));
        }
        for target in ["*", "/", "http://h/", "h:443", "x"] {
            assert_eq!(head("GET", target, &fields).check(), Ok(()), "{target}");
        }
    }

    #[test]
    fn a_refusal_names_the_part_that_must_not_be_sent() {
        for (refusal, text) in [
            (InvalidRequest::Method("GE T".to_owned()), "invalid method \"GE T\""),
            (InvalidRequest::Target("/\n".to_owned()), "invalid request target \"/\\n\""),
            (InvalidRequest::Framing(Violation::TwoFramings), "Content-Length and Transfer-Encoding in one request"),
            (InvalidRequest::Framing(Violation::ContentLength), "Content-Length is not one decimal number"),
            (InvalidRequest::Framing(Violation::TransferEncoding), "Transfer-Encoding does not end in one chunked"),
        ] {
            assert_eq!(refusal.to_string(), text);
        }
    }

    #[test]
    fn the_fields_frame_the_body() {
        let (length, coding) = ("Content-Length", "Transfer-Encoding");
        for (fields, encode_chunked, encoder) in [
            (&[][..], true, None),
            (&[(length, "0")], false, None),
            (&[(length, "3")], true, Some(Encoder::Counted(3))),
            (&[(coding, "chunked")], true, Some(Encoder::Chunked)),
            (&[(coding, "gzip, chunked")], false, Some(Encoder::UntilClose)),
        ] {
            let fields = list(fields);
            let framing = RequestHead { encode_chunked, ..head("PUT", "/", &fields) }.framing();
            assert_eq!(framing, Ok(SentFraming { encoder, closes: false }), "{fields:?}");
        }
        for (fields, violation) in [
            (&[(length, "1x")][..], Violation::ContentLength),
            (&[(length, "1"), (length, "1")], Violation::ContentLength),
            (&[(length, "1"), (coding, "chunked")], Violation::TwoFramings),
            (&[(coding, "gzip")], Violation::TransferEncoding),
            (&[(coding, "chunked, chunked")], Violation::TransferEncoding),
        ] {
            let fields = list(fields);
            assert_eq!(head("PUT", "/", &fields).check(), Err(InvalidRequest::Framing(violation)), "{fields:?}");
        }
        let closing = list(&[("Connection", "x, Close")]);
        assert_eq!(head("GET", "/", &closing).framing(), Ok(SentFraming { encoder: None, closes: true }));
    }
}
