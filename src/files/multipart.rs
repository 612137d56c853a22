//! Several ranges in one response: `multipart/byteranges` (RFC 9110 section 14.6), generated while it is sent. The
//! ranges are selected in `range`.

use std::io;
use std::ops::Range;

use super::content::Content;
use crate::service::Source;

/// The body of a multipart response. Its length is known before the content is read.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: String,
    /// The pieces that remain to be sent, in reverse order.
    pieces: Vec<MultipartPiece>,
    content: Content,
}

#[derive(Debug)]
enum MultipartPiece {
    /// A boundary line and the header fields of a part, as sent on the wire, and the number of these bytes that have
    /// already been sent.
    Text(Vec<u8>, usize),
    /// The positions of the bytes of a part that have not been sent yet.
    Bytes(Range<u64>),
}

impl Multipart {
    /// Creates the body for these ranges of a representation of `length` bytes. The boundary is made from the random
    /// number `secret`, which the author of the file cannot know, so the content does not contain the boundary.
    pub(crate) fn new(
        content: Content,
        ranges: &[Range<u64>],
        length: u64,
        content_type: &str,
        secret: u64,
    ) -> Multipart {
        let boundary = format!("{secret:016x}");
        let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
        for range in ranges {
            // The empty line before the first boundary is optional (RFC 2046 section 5.1.1), but clients such as zsync
            // discard the first line without checking it.
            let lines = format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{}/{length}\r\n\r\n",
                range.start,
                range.end - 1,
            );
            pieces.push(MultipartPiece::Text(lines.into_bytes(), 0));
            pieces.push(MultipartPiece::Bytes(range.clone()));
        }
        pieces.push(MultipartPiece::Text(format!("\r\n--{boundary}--\r\n").into_bytes(), 0));
        // `read` takes pieces from the end of the vector.
        pieces.reverse();
        Multipart { boundary, pieces, content }
    }

    /// Returns the value of the `Content-Type` field, which includes the boundary.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Returns the number of bytes that remain to be sent.
    pub(crate) fn length(&self) -> u64 {
        let length = |piece: &MultipartPiece| match piece {
            MultipartPiece::Text(text, from) => (text.len() - from) as u64,
            MultipartPiece::Bytes(range) => range.end - range.start,
        };
        self.pieces.iter().map(length).sum()
    }
}

impl Source for Multipart {
    /// Reads from the current piece. If the file has become shorter than the range, returns `UnexpectedEof`. The
    /// connection must then be closed, because the length has already been announced.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.last_mut() else { return Ok(0) };
        let (count, done) = match piece {
            MultipartPiece::Text(text, from) => {
                let count = buf.len().min(text.len() - *from);
                buf[..count].copy_from_slice(&text[*from..*from + count]);
                *from += count;
                (count, *from == text.len())
            }
            MultipartPiece::Bytes(range) => {
                let limit = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(buf.len());
                let count = self.content.read_at(&mut buf[..limit], range.start)?;
                if count == 0 && limit > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                range.start += count as u64;
                (count, range.is_empty())
            }
        };
        if done {
            self.pieces.pop();
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn read_all(source: &mut Multipart, step: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut buf = vec![0; step];
        loop {
            match source.read(&mut buf)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&buf[..count]),
            }
        }
    }

    #[test]
    fn parts_stand_between_boundaries_and_the_length_is_known() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let file = Arc::new(file);
        let content = Content::File(Arc::clone(&file));
        let expected = "\r\n--000000000000002a\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n\
                        --000000000000002a\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/10\r\n\r\n012\r\n\
                        --000000000000002a--\r\n";
        for step in [1, 7, 1000] {
            let mut source = Multipart::new(content.clone(), &[8..10, 0..3], 10, "text/plain", 42);
            assert_eq!(source.length(), expected.len() as u64);
            assert_eq!(source.content_type(), "multipart/byteranges; boundary=000000000000002a");
            assert_eq!(read_all(&mut source, step).unwrap(), expected.as_bytes());
            assert_eq!(source.length(), 0);
        }
        file.set_len(5).unwrap();
        let mut source = Multipart::new(content, &[8..10, 0..1], 10, "text/plain", 42);
        assert_eq!(read_all(&mut source, 100).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
