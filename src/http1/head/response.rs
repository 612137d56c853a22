use std::borrow::Cow;

use crate::http::{FieldBlock, Status, Version, is_field_value};
use crate::http1::Buffer;

/// What the head of a response is made from.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: Status,
    /// The reason phrase, if it is not the usual one of the status. It is sent as Latin-1; a character that Latin-1 does
    /// not have, or that may not stand in a reason phrase, becomes `?`.
    pub reason: Option<&'a str>,
    /// The fields that whoever answers has set.
    pub fields: &'a FieldBlock,
    /// The bytes of the body, if they can be counted now.
    pub length: Option<u64>,
    /// What every response says of where and when it was made.
    pub common: &'a CommonHeaders,
}

/// The lines of `Server` and `Date`, which every response has unless its own fields say otherwise: prepared, because
/// they change once a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommonHeaders {
    lines: Vec<u8>,
    /// Where `Date` begins.
    date: usize,
}

impl CommonHeaders {
    /// A stamp of two lines, each with its CRLF, or empty for none.
    pub fn new(server: &[u8], date: &[u8]) -> CommonHeaders {
        CommonHeaders { lines: [server, date].concat(), date: server.len() }
    }

    /// Those of the lines that the fields do not have.
    fn beside(&self, fields: &FieldBlock) -> &[u8] {
        match (fields.has_server(), fields.has_date()) {
            (false, false) => &self.lines,
            (true, false) => &self.lines[self.date..],
            (false, true) => &self.lines[..self.date],
            (true, true) => &[],
        }
    }
}

/// What the connection adds to a response's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    /// The version in the status line.
    pub(crate) protocol: Version,
    /// `Content-Length`, unless the fields have it.
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) connection: Option<&'static str>,
}

/// Appends a status line, the fields, and the empty line.
pub(crate) fn write_head(response: &ResponseHead<'_>, added: ResponseFraming, out: &mut Buffer) {
    write_status_line(added.protocol, response.status, response.reason, out);
    out.extend(response.common.beside(response.fields));
    out.extend(response.fields.lines());
    if let Some(length) = added.length {
        out.extend(b"Content-Length: ");
        out.extend(itoa::Buffer::new().format(length).as_bytes());
        out.extend(b"\r\n");
    }
    if added.chunked {
        out.extend(b"Transfer-Encoding: chunked\r\n");
    }
    if let Some(option) = added.connection {
        out.extend(b"Connection: ");
        out.extend(option.as_bytes());
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
}

/// Appends an interim response, of which nobody asks when it was made and by whom.
pub(crate) fn write_interim(protocol: Version, status: Status, fields: &FieldBlock, out: &mut Buffer) {
    write_status_line(protocol, status, None, out);
    out.extend(fields.lines());
    out.extend(b"\r\n");
}

fn write_status_line(protocol: Version, status: Status, reason: Option<&str>, out: &mut Buffer) {
    // What nearly all responses begin with.
    match (protocol, status, reason) {
        (Version::Http11, Status::OK, None) => return out.extend(b"HTTP/1.1 200 OK\r\n"),
        (Version::Http11, Status::NOT_MODIFIED, None) => return out.extend(b"HTTP/1.1 304 Not Modified\r\n"),
        _ => {}
    }
    // A code has three digits (RFC 9110 section 15).
    let digit = |place: u16| b'0' + (status.code() / place % 10) as u8;
    out.extend(protocol.as_str().as_bytes());
    out.extend(&[b' ', digit(100), digit(10), digit(1), b' ']);
    out.extend(&reason.map_or(Cow::Borrowed(status.phrase().as_bytes()), one_line));
    out.extend(b"\r\n");
}

/// A reason phrase as it is sent: Latin-1, as Python sends it, with `?` for a character that Latin-1 does not have and
/// for one that would end the line early.
fn one_line(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() && is_field_value(text.as_bytes()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let sent = |character| u8::try_from(character).ok().filter(|byte| is_field_value(&[*byte])).unwrap_or(b'?');
    Cow::Owned(text.chars().map(sent).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head() {
        let mut fields = FieldBlock::new();
        fields.put("X", "y");
        let common = CommonHeaders::new(b"Server: s\r\n", b"Date: d\r\n");
        let reason = Some("Fine\r\nX-Evil: 1");
        let response = ResponseHead { status: Status::OK, reason, fields: &fields, length: Some(3), common: &common };
        let added =
            ResponseFraming { protocol: Version::Http11, length: Some(3), chunked: false, connection: Some("close") };
        let written = |response: &ResponseHead<'_>| {
            let mut out = Buffer::default();
            write_head(response, added, &mut out);
            String::from_utf8_lossy(out.bytes()).into_owned()
        };
        let rest = "Content-Length: 3\r\nConnection: close\r\n\r\n";
        let expected = format!("HTTP/1.1 200 Fine??X-Evil: 1\r\nServer: s\r\nDate: d\r\nX: y\r\n{rest}");
        assert_eq!(written(&response), expected);

        let mut own = FieldBlock::new();
        own.put("Server", "t");
        assert_eq!(
            written(&ResponseHead { reason: None, fields: &own, ..response }),
            format!("HTTP/1.1 200 OK\r\nDate: d\r\nServer: t\r\n{rest}")
        );
        own.put("Date", "e");
        assert_eq!(
            written(&ResponseHead { status: Status::NOT_FOUND, reason: None, fields: &own, ..response }),
            format!("HTTP/1.1 404 Not Found\r\nServer: t\r\nDate: e\r\n{rest}")
        );
        let mut own = FieldBlock::new();
        own.put("Date", "e");
        assert_eq!(
            written(&ResponseHead { status: Status::NOT_MODIFIED, reason: None, fields: &own, ..response }),
            format!("HTTP/1.1 304 Not Modified\r\nServer: s\r\nDate: e\r\n{rest}")
        );
    }

    #[test]
    fn a_reason_phrase_is_latin1_on_one_line() {
        for (reason, sent) in [
            ("Schön\u{ff}", &b"Sch\xf6n\xff"[..]),
            ("€ 日本", b"? ??"),
            ("a\u{10d}\u{10a}b\r\nc\0d\x7f", b"a??b??c?d?"),
            ("tab\tstays", b"tab\tstays"),
        ] {
            let mut out = Buffer::default();
            write_status_line(Version::Http11, Status::OK, Some(reason), &mut out);
            assert_eq!(out.bytes(), [b"HTTP/1.1 200 ", sent, b"\r\n"].concat(), "{reason:?}");
        }
    }

    #[test]
    fn prepared_status_lines_are_those_that_would_be_written() {
        for status in [Status::OK, Status::NOT_MODIFIED, Status::PARTIAL_CONTENT] {
            let line = |reason| {
                let mut out = Buffer::default();
                write_status_line(Version::Http11, status, reason, &mut out);
                out.bytes().to_vec()
            };
            assert_eq!(line(None), line(Some(status.phrase())));
        }
    }
}
