use super::chunked::ChunkedDecoder;
use crate::http::BodyLength;
use crate::http1::{Buffer, MessageLimits, Violation};

/// Takes the body out of a message, by its framing (RFC 9112 section 6). It does not know whether the message is a
/// request or a response.
#[derive(Debug)]
pub enum Decoder {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks, until one of them is empty. Few bodies have them, and every connection has room for a decoder.
    Chunked(Box<ChunkedDecoder>),
}

/// What a [`Decoder`] found at the front of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Nothing yet: more bytes are needed.
    More,
    /// So many bytes of body, at the front of the buffer. [`Decoder::take`] tells how many of them were used.
    Data(usize),
    /// The body is complete.
    End,
}

impl Decoder {
    /// A decoder for a body of this length.
    pub fn new(length: BodyLength) -> Decoder {
        match length {
            BodyLength::None => Decoder::Length(0),
            BodyLength::Known(length) => Decoder::Length(length),
            BodyLength::Chunked => Decoder::Chunked(Box::default()),
        }
    }

    /// Says what is at the front of `input`, after consuming what only frames it.
    pub fn decode(&mut self, input: &mut Buffer, limits: &MessageLimits) -> Result<Decoded, Violation> {
        match self {
            Decoder::Length(0) => Ok(Decoded::End),
            Decoder::Length(_) if input.is_empty() => Ok(Decoded::More),
            Decoder::Length(left) => Ok(Decoded::Data(input.len().min(usize::try_from(*left).unwrap_or(usize::MAX)))),
            Decoder::Chunked(chunked) => chunked.decode(input, limits),
        }
    }

    /// Consumes the first `count` bytes of the data that [`Decoder::decode`] has just announced.
    pub fn take(&mut self, input: &mut Buffer, count: usize) {
        input.consume(count);
        match self {
            Decoder::Length(left) => *left -= count as u64,
            Decoder::Chunked(chunked) => chunked.took(count),
        }
    }
}
