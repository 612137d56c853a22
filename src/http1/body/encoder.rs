//! `Encoder`: adds the framing to the body of a message.

use crate::http::FieldBlock;
use crate::http1::Buffer;

/// Adds the framing to the body of a request or a response (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    /// A body of known length. Contains the number of bytes that remain to be sent.
    Counted(u64),
    /// A chunked body. The end of the body is marked by an empty chunk.
    Chunked,
    /// A close-delimited body.
    UntilClose,
}

impl Encoder {
    /// Appends a part of the body to `out`. Returns the number of bytes appended, which is less than the length of
    /// `data` if the body would otherwise exceed its known length.
    pub fn write(&mut self, data: &[u8], out: &mut Buffer) -> usize {
        match self {
            // Bytes beyond the announced length are not sent, because the peer would parse them as the next message.
            Encoder::Counted(left) => {
                let count = data.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                out.extend(&data[..count]);
                count
            }
            // An empty chunk would end the body, so it is not written.
            Encoder::Chunked if data.is_empty() => 0,
            Encoder::Chunked => {
                // The array has room for 16 digits and the CRLF.
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

    /// Records that `count` bytes of the body were sent without [`Encoder::write`]. This must not be used for a chunked
    /// body.
    pub fn sent(&mut self, count: u64) {
        if let Encoder::Counted(left) = self {
            *left -= count;
        }
    }

    /// Appends the end of the body to `out`. Returns false if a body of known length is incomplete. The connection must
    /// then be closed, because the peer cannot otherwise detect that bytes are missing.
    pub fn finish(self, out: &mut Buffer) -> bool {
        self.finish_with(&FieldBlock::new(), out)
    }

    /// Appends the end of the body with trailer fields (RFC 9112 section 7.1.2). Only a chunked body can have trailer
    /// fields; for other bodies they are omitted.
    pub fn finish_with(self, trailers: &FieldBlock, out: &mut Buffer) -> bool {
        match self {
            // No marker is needed at the end, because the head has announced the length.
            Encoder::Counted(left) => left == 0,
            Encoder::Chunked => {
                out.extend(b"0\r\n");
                out.extend(trailers.lines());
                out.extend(b"\r\n");
                true
            }
            Encoder::UntilClose => true,
        }
    }
}

/// The size line of a chunk: hexadecimal digits, in upper case as CPython's client sends them, and CRLF. The line is
/// written backwards, because the number of digits is not known in advance.
fn hex_line(mut size: usize, line: &mut [u8; 18]) -> &[u8] {
    let mut at = line.len() - 2;
    line[at..].copy_from_slice(b"\r\n");
    loop {
        at -= 1;
        line[at] = b"0123456789ABCDEF"[size % 16];
        size /= 16;
        if size == 0 {
            return &line[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_framed_and_a_known_length_is_not_exceeded() {
        let mut out = Buffer::default();
        let mut chunked = Encoder::Chunked;
        assert_eq!(chunked.write(&[b'x'; 26], &mut out), 26);
        assert_eq!(chunked.write(b"", &mut out), 0, "an empty chunk would end the body");
        assert!(chunked.finish(&mut out));
        assert_eq!(out.bytes(), b"1A\r\nxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");

        let mut out = Buffer::default();
        let mut counted = Encoder::Counted(5);
        assert_eq!(counted.write(b"abc", &mut out), 3);
        assert!(!counted.finish(&mut out), "two bytes are missing");
        assert_eq!(counted.write(b"defg", &mut out), 2);
        assert!(counted.finish(&mut out));
        assert_eq!(out.bytes(), b"abcde");
    }
}
