use std::borrow::Cow;

use super::Buffer;
use crate::http::{Head, Status, Version, is_field_value};

/// What the head of a response is made from.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: Status,
    /// The reason phrase; what may not stand in one is replaced by `?`.
    pub reason: &'a str,
    /// The fields that whoever answers has set.
    pub fields: &'a Head,
    /// The bytes of the body, if they can be counted now.
    pub length: Option<u64>,
    /// The line of `Server` with its CRLF, which is left out if the fields have one; empty for none at all.
    pub server: &'a [u8],
    /// The line of `Date` with its CRLF, which is left out if the fields have one.
    pub date: &'a [u8],
}

/// How the body of a message is framed while it is sent (RFC 9112 section 6). It does not know whether the message is
/// a request or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// So many bytes are still due: no more will be sent, and fewer cut the connection.
    Counted(u64),
    /// Chunks, and an empty one at the end.
    Chunked,
    /// The end of the connection is the end of the body.
    UntilClose,
}

impl Encoder {
    /// Appends a part of the body. Of a counted body, what goes beyond the count is left out; returns how many bytes
    /// were taken.
    pub fn write(&mut self, data: &[u8], out: &mut Buffer) -> usize {
        match self {
            Encoder::Counted(left) => {
                let count = data.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                out.extend(&data[..count]);
                count
            }
            Encoder::Chunked if data.is_empty() => 0,
            Encoder::Chunked => {
                let mut line = [0; 18];
                out.extend(hex_line(data.len(), &mut line));
                out.extend(data);
                out.extend(b"\r\n");
                data.len()
            }
            Encoder::UntilClose => {
                out.extend(data);
                data.len()
            }
        }
    }

    /// Notes that bytes of a counted body left by another way than [`Encoder::write`].
    pub fn sent(&mut self, count: u64) {
        if let Encoder::Counted(left) = self {
            *left -= count;
        }
    }

    /// Appends what marks the end. False if a counted body is not complete: the connection must then be cut, since
    /// the client cannot be told otherwise.
    pub fn finish(self, out: &mut Buffer) -> bool {
        match self {
            Encoder::Counted(left) => left == 0,
            Encoder::Chunked => {
                out.extend(b"0\r\n\r\n");
                true
            }
            Encoder::UntilClose => true,
        }
    }
}

/// The size line of a chunk: hexadecimal digits and CRLF.
fn hex_line(mut size: usize, line: &mut [u8; 18]) -> &[u8] {
    let mut at = line.len() - 2;
    line[at..].copy_from_slice(b"\r\n");
    loop {
        at -= 1;
        line[at] = b"0123456789abcdef"[size % 16];
        size /= 16;
        if size == 0 {
            return &line[at..];
        }
    }
}

/// What the connection adds to a response's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Added {
    /// The version in the status line.
    pub(super) protocol: Version,
    /// `Content-Length`, unless the fields have it.
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) connection: Option<&'static str>,
}

/// Appends a status line, the fields, and the empty line.
pub(super) fn write_head(response: &ResponseHead<'_>, added: Added, out: &mut Buffer) {
    let mut digits = itoa::Buffer::new();
    out.extend(added.protocol.as_str().as_bytes());
    out.extend(b" ");
    out.extend(digits.format(response.status.code()).as_bytes());
    out.extend(b" ");
    out.extend(&reason(response.reason));
    out.extend(b"\r\n");
    if !response.fields.has_server() {
        out.extend(response.server);
    }
    if !response.fields.has_date() {
        out.extend(response.date);
    }
    out.extend(response.fields.lines());
    if let Some(length) = added.length {
        out.extend(b"Content-Length: ");
        out.extend(digits.format(length).as_bytes());
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

/// A reason phrase must not end its line early, whatever a handler made it from (contract row HB32).
fn reason(text: &str) -> Cow<'_, [u8]> {
    if is_field_value(text.as_bytes()) {
        Cow::Borrowed(text.as_bytes())
    } else {
        let filtered = text.bytes().map(|byte| if is_field_value(&[byte]) { byte } else { b'?' });
        Cow::Owned(filtered.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let mut out = Buffer::default();
        let mut chunked = Encoder::Chunked;
        assert_eq!(chunked.write(&[b'x'; 26], &mut out), 26);
        assert_eq!(chunked.write(b"", &mut out), 0, "an empty chunk would end the body");
        assert!(chunked.finish(&mut out));
        assert_eq!(out.bytes(), b"1a\r\nxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");

        let mut out = Buffer::default();
        let mut counted = Encoder::Counted(5);
        assert_eq!(counted.write(b"abc", &mut out), 3);
        assert!(!counted.finish(&mut out), "two bytes are missing");
        assert_eq!(counted.write(b"defg", &mut out), 2);
        assert!(counted.finish(&mut out));
        assert_eq!(out.bytes(), b"abcde");
    }

    #[test]
    fn a_head() {
        let mut fields = Head::new();
        fields.put("X", "y");
        let mut out = Buffer::default();
        let response = ResponseHead {
            status: Status::OK,
            reason: "Fine\r\nX-Evil: 1",
            fields: &fields,
            length: Some(3),
            server: b"Server: s\r\n",
            date: b"Date: d\r\n",
        };
        let added = Added { protocol: Version::Http11, length: Some(3), chunked: false, connection: Some("close") };
        write_head(&response, added, &mut out);
        let expected = "HTTP/1.1 200 Fine??X-Evil: 1\r\nServer: s\r\nDate: d\r\nX: y\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(out.bytes()), expected);
    }
}
