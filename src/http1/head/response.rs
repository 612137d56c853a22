//! Writes the heads of responses: status line, fields, and the fields that frame the message.

use std::borrow::Cow;

use crate::http::{FieldBlock, Status, Version, is_field_value};
use crate::http1::Buffer;

/// The head of a response. The state machine adds the fields that frame the body.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status of the response.
    pub status: Status,
    /// The reason phrase; `None` for the standard phrase of the status. It is sent as Latin-1, with `?` for each
    /// character that is not in Latin-1 or is not allowed in a reason phrase.
    pub reason: Option<&'a str>,
    /// The fields of this response, in addition to the common ones.
    pub fields: &'a FieldBlock,
    /// The length of the body in bytes, if it is known before the body is sent. A `Content-Length` in `fields` takes
    /// precedence.
    pub length: Option<u64>,
    /// `Server`, `Date`, and the fields that the server adds to every response.
    pub common: &'a CommonHeaders,
}

/// The `Server` and `Date` field lines as bytes, with the other common lines between them. The `Server` or `Date` line
/// is left out if the response has its own field with that name. The other lines are always sent. The bytes are
/// prepared once per second, because all responses within a second share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommonHeaders {
    lines: Vec<u8>,
    /// The position in `lines` at which the `Server` line ends.
    server: usize,
    /// The position in `lines` at which the `Date` line begins.
    date: usize,
}

impl CommonHeaders {
    /// Creates the common lines. Each argument is a whole line including its CRLF, or empty to omit the line.
    pub fn new(server: &[u8], date: &[u8]) -> CommonHeaders {
        CommonHeaders::with_more(server, b"", date)
    }

    /// Like [`CommonHeaders::new`], with other common lines between `Server` and `Date`.
    pub fn with_more(server: &[u8], more: &[u8], date: &[u8]) -> CommonHeaders {
        CommonHeaders { lines: [server, more, date].concat(), server: server.len(), date: server.len() + more.len() }
    }

    /// The common lines without a `Server` or `Date` line that `fields` replaces. The result is always one slice,
    /// because only the first and the last line can be left out.
    fn beside(&self, fields: &FieldBlock) -> &[u8] {
        match (fields.has_server(), fields.has_date()) {
            (false, false) => &self.lines,
            (true, false) => &self.lines[self.server..],
            (false, true) => &self.lines[..self.date],
            (true, true) => &self.lines[self.server..self.date],
        }
    }
}

/// The version and the fields that the state machine adds to a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    /// The HTTP version in the status line.
    pub(crate) protocol: Version,
    /// The value of the `Content-Length` field. `None` if the response needs no such field or sets it itself.
    pub(crate) length: Option<u64>,
    /// If true, `Transfer-Encoding: chunked` is added.
    pub(crate) chunked: bool,
    /// The value of the `Connection` field. `None` if no such field is added.
    pub(crate) connection: Option<&'static str>,
}

/// Appends a complete head to `out`: status line, fields, and the empty line.
pub(crate) fn write_head(response: &ResponseHead<'_>, added: ResponseFraming, out: &mut Buffer) {
    write_status_line(added.protocol, response.status, response.reason, out);
    // The framing fields come last, because they depend on the request. The other fields are copied unchanged.
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
    // An `Upgrade` field takes effect only if `Connection` names it (RFC 9110 section 7.8).
    if added.connection.is_some() || response.fields.has_upgrade() {
        out.extend(b"Connection: ");
        out.extend(added.connection.unwrap_or_default().as_bytes());
        if response.fields.has_upgrade() {
            out.extend(if added.connection.is_some() { b", Upgrade" } else { b"Upgrade" });
        }
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
}

/// Appends an interim response to `out`. `Server` and `Date` are left out. RFC 9110 section 6.6.1 makes `Date` optional
/// in a 1xx response.
pub(crate) fn write_interim(protocol: Version, status: Status, fields: &FieldBlock, out: &mut Buffer) {
    write_status_line(protocol, status, None, out);
    out.extend(fields.lines());
    out.extend(b"\r\n");
}

fn write_status_line(protocol: Version, status: Status, reason: Option<&str>, out: &mut Buffer) {
    // Fast path: nearly all responses begin with one of these lines.
    match (protocol, status, reason) {
        (Version::Http11, Status::OK, None) => return out.extend(b"HTTP/1.1 200 OK\r\n"),
        (Version::Http11, Status::NOT_MODIFIED, None) => return out.extend(b"HTTP/1.1 304 Not Modified\r\n"),
        _ => {}
    }
    // A status code has exactly three digits (RFC 9110 section 15).
    let digit = |place: u16| b'0' + (status.code() / place % 10) as u8;
    out.extend(protocol.as_str().as_bytes());
    out.extend(&[b' ', digit(100), digit(10), digit(1), b' ']);
    out.extend(&reason.map_or(Cow::Borrowed(status.phrase().as_bytes()), one_line));
    out.extend(b"\r\n");
}

/// Converts a reason phrase to Latin-1, the encoding that Python uses. A character outside Latin-1 becomes `?`. A
/// control character also becomes `?`, because it could end the line and begin a header field.
fn one_line(text: &str) -> Cow<'_, [u8]> {
    // Fast path: nearly all reason phrases can be sent unchanged.
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
    fn common_headers_leave_out_what_the_response_has_set() {
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
    fn the_fast_status_lines_equal_the_general_ones() {
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
