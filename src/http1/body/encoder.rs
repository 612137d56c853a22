use crate::http1::Buffer;

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
}
