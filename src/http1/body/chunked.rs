//! `ChunkedDecoder`: decodes a body in chunked transfer coding (RFC 9112 section 7.1). The decoder is strict, because a
//! chunk size that two parsers interpret differently allows request smuggling.

use memchr::memchr;

use super::chunk_ext::is_chunk_ext;
use super::decoded::Decoded;
use crate::http::{HeaderList, is_field_value, is_token, trim_ows};
use crate::http1::{Buffer, MessageLimits, Violation};

/// Decodes a chunked body that arrives in pieces.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    state: ChunkState,
    /// The number of bytes of the current line that have already been searched for its end.
    scanned: usize,
    /// The number of bytes in chunk extensions and trailer fields so far.
    overhead: usize,
    /// The sum of all chunk sizes so far, in bytes.
    body: u64,
    /// The trailer fields. `None` if they are not kept.
    trailers: Option<HeaderList>,
}

/// The part of a chunked body that is expected next.
#[derive(Debug, Default, Clone, Copy)]
enum ChunkState {
    /// The line with the size of a chunk, and possibly extensions.
    #[default]
    Size,
    /// The data of a chunk, with the number of bytes that have not been consumed.
    Data(u64),
    /// The CRLF after the data of a chunk.
    DataEnd,
    /// A trailer field, or the empty line that ends the body.
    Trailer,
    /// The body is complete, so nothing is expected.
    End,
}

/// The number of hexadecimal digits in the largest `u64`. A size with more digits is malformed, even if they are
/// leading zeros.
const MOST_DIGITS: usize = 16;

impl ChunkedDecoder {
    /// Creates a decoder that keeps the trailer fields, for a client. A server ignores trailer fields, so its decoder
    /// does not keep them.
    pub(crate) fn keeping_trailers() -> ChunkedDecoder {
        ChunkedDecoder { trailers: Some(HeaderList::new()), ..ChunkedDecoder::default() }
    }

    /// The trailer fields that have arrived, in order. The list is complete once the body is complete.
    pub(crate) fn into_trailers(self) -> HeaderList {
        self.trailers.unwrap_or_default()
    }

    /// Consumes framing at the front of `input`, and reports the data that follows it.
    pub(crate) fn decode(&mut self, input: &mut Buffer, limits: &MessageLimits) -> Result<Decoded, Violation> {
        loop {
            match self.state {
                ChunkState::Data(_) if input.is_empty() => return Ok(Decoded::More),
                ChunkState::Data(left) => {
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    return Ok(Decoded::Data(input.len().min(left)));
                }
                ChunkState::End => return Ok(Decoded::End),
                ChunkState::DataEnd => match input.bytes() {
                    [b'\r', b'\n', ..] => {
                        input.consume(2);
                        self.state = ChunkState::Size;
                    }
                    // The CR may have arrived without the LF.
                    [] | [b'\r'] => return Ok(Decoded::More),
                    _ => return Err(Violation::Chunk),
                },
                ChunkState::Size | ChunkState::Trailer => {
                    let Some(length) = self.line(input.bytes(), limits)? else { return Ok(Decoded::More) };
                    self.read_line(&input.bytes()[..length], limits)?;
                    input.consume(length + 2);
                }
            }
        }
    }

    /// Records that the caller has consumed `count` bytes of data.
    pub(crate) fn took(&mut self, count: usize) {
        if let ChunkState::Data(left) = &mut self.state {
            *left -= count as u64;
            if *left == 0 {
                self.state = ChunkState::DataEnd;
            }
        }
    }

    /// The length of the line at the front of `bytes` without its CRLF; `None` if its end has not arrived.
    fn line(&mut self, bytes: &[u8], limits: &MessageLimits) -> Result<Option<usize>, Violation> {
        let newline = memchr(b'\n', &bytes[self.scanned..]).map(|at| self.scanned + at);
        // A size line must begin with a digit. A line that does not is rejected without waiting for its end.
        if matches!(self.state, ChunkState::Size) && bytes.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return Err(Violation::Chunk);
        }
        // The digits and the CR of a size line do not count as overhead, so the line may exceed the remaining overhead
        // by their length.
        let most = limits.chunk_overhead.saturating_sub(self.overhead) + MOST_DIGITS + 1;
        if newline.unwrap_or(bytes.len()) > most {
            return Err(Violation::ChunkOverhead);
        }
        let Some(newline) = newline else {
            self.scanned = bytes.len();
            return Ok(None);
        };
        // The caller consumes this line, so the search for the end of the next line begins at the front of the input.
        self.scanned = 0;
        match bytes[..newline] {
            [.., b'\r'] => Ok(Some(newline - 1)),
            _ => Err(Violation::Chunk),
        }
    }

    /// Parses a line without its CRLF: a size or a trailer field.
    fn read_line(&mut self, line: &[u8], limits: &MessageLimits) -> Result<(), Violation> {
        let overhead = match self.state {
            ChunkState::Trailer => self.trailer(line)?,
            _ => self.size(line, limits)?,
        };
        // This check of the limit is exact. The check in `line` allows a few more bytes, because it does not
        // distinguish the digits of a size line from extensions.
        self.overhead += overhead;
        if self.overhead > limits.chunk_overhead { Err(Violation::ChunkOverhead) } else { Ok(()) }
    }

    /// Parses `chunk-size [ chunk-ext ]`. Returns the length of the extensions, which are otherwise ignored (RFC 9112
    /// section 7.1.1).
    fn size(&mut self, line: &[u8], limits: &MessageLimits) -> Result<usize, Violation> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (number, extensions) = line.split_at(digits);
        if digits == 0 || digits > MOST_DIGITS || !is_chunk_ext(extensions) {
            return Err(Violation::Chunk);
        }
        let size = std::str::from_utf8(number).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let size = size.ok_or(Violation::Chunk)?;
        // A chunk counts towards the limit before its data arrives, so that no byte beyond the limit is passed on.
        self.body = self.body.saturating_add(size);
        if !limits.allow_body(self.body) {
            return Err(Violation::LargeBody);
        }
        self.state = if size == 0 { ChunkState::Trailer } else { ChunkState::Data(size) };
        Ok(extensions.len())
    }

    /// Checks a trailer field, and stores it if trailer fields are kept. Returns the length of the field line. Trailer
    /// fields are stored separately, because they must not be merged into the header fields (RFC 9110 section 6.5.1).
    fn trailer(&mut self, line: &[u8]) -> Result<usize, Violation> {
        // The empty line ends the trailer section, and with it the body.
        if line.is_empty() {
            self.state = ChunkState::End;
            return Ok(0);
        }
        // A token contains no white space, so white space around the name is rejected here. This also rejects folded
        // lines.
        let colon = memchr(b':', line).ok_or(Violation::Field)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_field_value(value) {
            return Err(Violation::Field);
        }
        if let Some(trailers) = &mut self.trailers {
            trailers.push(name, trim_ows(value));
        }
        Ok(line.len() + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BodyLength;
    use crate::http1::Decoder;

    fn limits() -> MessageLimits {
        MessageLimits { chunk_overhead: 100, body: 1 << 40, ..MessageLimits::default() }
    }

    /// Decodes the bytes in pieces of `step` bytes. Returns the body, and the number of bytes after its end if the end
    /// was found.
    fn decode(bytes: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>), Violation> {
        let mut decoder = Decoder::new(BodyLength::Chunked);
        let mut input = Buffer::default();
        let mut body = Vec::new();
        for piece in bytes.chunks(step) {
            input.extend(piece);
            loop {
                match decoder.decode(&mut input, &limits())? {
                    Decoded::More => break,
                    Decoded::End => return Ok((body, Some(input.len()))),
                    Decoded::Data(length) => {
                        let some = length.div_ceil(2);
                        body.extend_from_slice(&input.bytes()[..some]);
                        decoder.take(&mut input, some);
                    }
                }
            }
        }
        Ok((body, None))
    }

    #[test]
    fn a_chunked_body_is_the_data_of_its_chunks() {
        let all = usize::MAX;
        for (bytes, body, left) in [
            (&b"5\r\nhello\r\n0\r\n\r\nGET"[..], &b"hello"[..], Some(3)),
            (b"A\r\n0123456789\r\n00\r\n\r\n", b"0123456789", Some(0)),
            (b"a;x=\"y\" ; z\r\n0123456789\r\n0;q\r\nX: y\r\nZ:\r\n\r\n", b"0123456789", Some(0)),
            (b"1 ;x\r\n!\r\n0\r\n\r\n", b"!", Some(0)),
            (b"0\r\n\r", b"", None),
            (b"5\r\nhel", b"hel", None),
        ] {
            assert_eq!(decode(bytes, all), Ok((body.to_vec(), left)), "{}", bytes.escape_ascii());
            let (dripped, end) = decode(bytes, 1).unwrap();
            assert_eq!((dripped, end.is_some()), (body.to_vec(), left.is_some()), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn malformed_chunks_and_trailers_are_refused() {
        for size in [
            "",
            "g",
            "0x5",
            "+5",
            "-5",
            "5_",
            "5h",
            "\"5\"",
            "5.0",
            "5 5",
            " 5",
            "\t5",
            "5\x0b",
            "5\0",
            "5\u{a0}",
            "5 ",
            "5;",
            "5;bad[=x",
            "5;a=\"",
            "5;\x01",
            "5;a\rb",
            "5;a\nb",
            "10000000000000005",
            "00000000000000005",
        ] {
            let bytes = format!("{size}\r\nhello\r\n0\r\n\r\n");
            for step in [1, usize::MAX] {
                assert!(matches!(decode(bytes.as_bytes(), step), Err(Violation::Chunk)), "{size:?} by {step}");
            }
        }
        for bytes in [
            "5\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhelloXY0\r\n\r\n",
            "5\r\nhello!\r\n",
        ] {
            assert_eq!(decode(bytes.as_bytes(), usize::MAX), Err(Violation::Chunk), "{bytes:?}");
        }
        for size in ["ffffffffffffffff", "8000000000000000", "10000000001"] {
            let bytes = format!("{size}\r\n");
            assert_eq!(decode(bytes.as_bytes(), usize::MAX), Err(Violation::LargeBody), "{size}");
        }
        for trailer in ["no colon", ": x", "A : b", " A: b", "A: b\x01"] {
            let bytes = format!("0\r\n{trailer}\r\n\r\n");
            assert_eq!(decode(bytes.as_bytes(), usize::MAX), Err(Violation::Field), "{trailer:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_have_a_limit() {
        let whole = |bytes: &str| decode(bytes.as_bytes(), 1).map(|(_, left)| left.is_some());
        let exact = format!("0000000000000001;{}\r\n!\r\n0\r\n\r\n", "x".repeat(99));
        assert_eq!(whole(&exact), Ok(true), "an extension of 100 bytes after 16 digits");
        let exact = format!("0\r\n{}\r\n", "A: 12345\r\n".repeat(10));
        assert_eq!(whole(&exact), Ok(true), "ten trailer fields of 10 bytes");
        let long = format!("1;{}\r\n!\r\n0\r\n\r\n", "x".repeat(100));
        assert_eq!(decode(long.as_bytes(), usize::MAX), Err(Violation::ChunkOverhead));
        let endless = format!("1;{}", "x".repeat(200));
        assert_eq!(decode(endless.as_bytes(), 1), Err(Violation::ChunkOverhead));
        let flood = "1;xxxxxxxx\r\n!\r\n".repeat(12);
        assert_eq!(decode(flood.as_bytes(), usize::MAX), Err(Violation::ChunkOverhead));
        let trailers = format!("0\r\n{}\r\n", "A: 12345\r\n".repeat(11));
        assert_eq!(decode(trailers.as_bytes(), usize::MAX), Err(Violation::ChunkOverhead));
        let many = "1\r\n!\r\n".repeat(1000);
        assert_eq!(decode(many.as_bytes(), usize::MAX).unwrap().0.len(), 1000);
    }
}
