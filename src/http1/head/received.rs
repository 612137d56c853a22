//! Parses the head of a response into a [`ReceivedHead`].

use std::borrow::Cow;

use super::fields::{parse_fields, place};
use super::response_fields::ResponseControls;
use super::scan::{FoundHead, HeadScan};
use super::status_line::StatusLine;
use crate::http::{Field, HeaderList, Status, Version, latin1, trim_ows};
use crate::http1::{MessageLimits, Violation};

/// The head of a response, as a client has received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedHead {
    version: Version,
    status: Status,
    reason: Vec<u8>,
    headers: HeaderList,
}

impl Default for ReceivedHead {
    /// An empty head, which the parser fills in. Its status is 200, and it has no reason phrase and no fields.
    fn default() -> Self {
        let (reason, headers) = (Vec::new(), HeaderList::new());
        ReceivedHead { version: Version::Http11, status: Status::OK, reason, headers }
    }
}

impl ReceivedHead {
    /// The HTTP version in the status line. Every minor version above 1 counts as [`Version::Http11`].
    pub fn version(&self) -> Version {
        self.version
    }

    /// The status in the status line.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The reason phrase, decoded as Latin-1 and without white space around it. It may be empty.
    pub fn reason(&self) -> Cow<'_, str> {
        latin1(&self.reason)
    }

    /// The header fields. Values have no white space around them.
    pub fn headers(&self) -> &HeaderList {
        &self.headers
    }

    /// Parses a head that the scan has found in `bytes`.
    fn read(&mut self, bytes: &[u8], found: &FoundHead<StatusLine>) -> Result<ResponseControls, Violation> {
        let head = &bytes[found.start..found.end];
        // The scan has accepted the status line, so the line has at least a version and a status, and ends in CRLF.
        let line_end = head.iter().position(|byte| *byte == b'\r').unwrap_or(head.len());
        (self.version, self.status) = (found.line.version, found.line.status);
        self.reason.clear();
        self.reason.extend_from_slice(trim_ows(&head[StatusLine::WITHOUT_REASON..line_end]));
        self.headers.clear();
        self.headers.reserve(found.fields, head.len());

        // The usual number of fields fits into an array. Only a larger number needs an allocation.
        let (mut few, mut many) = ([httparse::EMPTY_HEADER; FEW_FIELDS], Vec::new());
        let room = match few.get_mut(..found.fields) {
            Some(room) => room,
            None => {
                many.resize(found.fields, httparse::EMPTY_HEADER);
                &mut many[..]
            }
        };
        let mut controls = ResponseControls::default();
        for header in parse_fields(&head[line_end + 2..], room)? {
            let (name, value) = (header.name.as_bytes(), trim_ows(header.value));
            controls.note(header.name, value)?;
            self.headers.push_from(head, Field { name: place(head, name), value: place(head, value) });
        }
        Ok(controls)
    }
}

/// The number of fields that can be parsed without an allocation for their positions. Most responses have no more.
const FEW_FIELDS: usize = 32;

/// The scan of a response's head that has not arrived in full.
#[derive(Debug, Default)]
pub(crate) struct ResponseProgress(HeadScan<StatusLine>);

impl ResponseProgress {
    /// Reads the head at the front of `bytes` into `head`. Returns the length of the head and its [`ResponseControls`],
    /// or `None` if the end of the head has not arrived. `bytes` must begin with the bytes of the last call.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        limits: &MessageLimits,
        head: &mut ReceivedHead,
    ) -> Result<Option<(usize, ResponseControls)>, Violation> {
        // Unlike for requests, there is no fast path, because a client parses few responses, and the network takes far
        // longer than the parser.
        let Some(found) = self.0.advance(bytes, limits)? else { return Ok(None) };
        head.read(bytes, &found).map(|controls| Some((found.end, controls)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<ReceivedHead, Violation> {
        let mut head = ReceivedHead::default();
        let (length, _) = ResponseProgress::default().read(text, &MessageLimits::default(), &mut head)?.unwrap();
        assert_eq!(length, text.len());
        Ok(head)
    }

    #[test]
    fn a_head_keeps_its_reason_and_its_fields() {
        let head = read(b"HTTP/1.0 404  d\xe9j\xe0  \r\nX-A:   \tin between\t \r\nx-a: 2\r\nEmpty:\r\n\r\n").unwrap();
        assert_eq!((head.version(), head.status()), (Version::Http10, Status::NOT_FOUND));
        assert_eq!(head.reason(), "d\u{e9}j\u{e0}");
        assert_eq!(head.headers().lines(), b"X-A: in between\r\nx-a: 2\r\nEmpty: \r\n");
        assert_eq!(read(b"HTTP/1.1 204\r\n\r\n").unwrap().reason(), "");
    }

    #[test]
    fn a_head_may_have_more_fields_than_most() {
        for count in [FEW_FIELDS - 1, FEW_FIELDS, FEW_FIELDS + 1, 100] {
            let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
            assert_eq!(read(text.as_bytes()).unwrap().headers().len(), count);
        }
    }

    #[test]
    fn malformed_field_lines_are_refused() {
        for line in ["what is this", "X : 1", "X: a\rEvil: 1", ": 1", "X(y): 1", "X: a\r\n b", " X: 1", "X: \0"] {
            let text = format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n");
            assert_eq!(read(text.as_bytes()), Err(Violation::Field), "{line:?}");
        }
        assert_eq!(read(b"HTTP/1.1 200 OK\nX: 1\n\n"), Err(Violation::BareLf));
    }
}
