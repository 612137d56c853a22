//! `Decoder`: removes the framing from the body of a message, for all three kinds of framing.

use super::chunked::ChunkedDecoder;
use super::decoded::Decoded;
use crate::http::BodyLength;
use crate::http1::{Buffer, MessageLimits, Violation};

/// Removes the framing from the body of a request or a response (RFC 9112 section 6).
#[derive(Debug)]
pub enum Decoder {
    /// A body of known length. Contains the number of bytes that have not been consumed.
    Length(u64),
    /// A chunked body. The decoder is boxed, because few bodies are chunked but every connection reserves space for a
    /// `Decoder`.
    Chunked(Box<ChunkedDecoder>),
    /// A close-delimited body (RFC 9112 section 6.3), which only a response can have.
    UntilClose {
        /// The number of bytes consumed so far.
        taken: u64,
        /// True if the connection has ended, so that the body ends with the bytes in the input.
        has_ended: bool,
    },
}

impl Decoder {
    /// Creates a decoder for a body whose framing is given in the head. [`BodyLength::None`] means an empty body. For a
    /// close-delimited body, use [`Decoder::until_close`].
    pub fn new(length: BodyLength) -> Decoder {
        match length {
            BodyLength::None => Decoder::Length(0),
            BodyLength::Known(length) => Decoder::Length(length),
            BodyLength::Chunked => Decoder::Chunked(Box::default()),
        }
    }

    /// Creates a decoder for a close-delimited body of a response.
    pub fn until_close() -> Decoder {
        Decoder::UntilClose { taken: 0, has_ended: false }
    }

    /// Consumes the framing at the front of `input`, and reports the body bytes that follow it.
    ///
    /// # Errors
    /// Returns the first violation: a malformed chunk, or a body beyond a limit.
    pub fn decode(&mut self, input: &mut Buffer, limits: &MessageLimits) -> Result<Decoded, Violation> {
        match self {
            Decoder::Length(0) => Ok(Decoded::End),
            Decoder::UntilClose { has_ended: true, .. } if input.is_empty() => Ok(Decoded::End),
            Decoder::Length(_) | Decoder::UntilClose { .. } if input.is_empty() => Ok(Decoded::More),
            // On a 32-bit target, the remaining length can exceed the range of `usize`, but the length of the input
            // cannot.
            Decoder::Length(left) => Ok(Decoded::Data(input.len().min(usize::try_from(*left).unwrap_or(usize::MAX)))),
            Decoder::Chunked(chunked) => chunked.decode(input, limits),
            // The length is not known in advance, so the limit is checked as the bytes arrive. All bytes within the
            // limit are passed on before the error, so that the result does not depend on the sizes of the reads.
            Decoder::UntilClose { taken, .. } => match limits.body_left(*taken) {
                0 => Err(Violation::LargeBody),
                left => Ok(Decoded::Data(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)))),
            },
        }
    }

    /// Consumes the first `count` of the bytes that the last call of [`Decoder::decode`] reported.
    pub fn take(&mut self, input: &mut Buffer, count: usize) {
        input.consume(count);
        match self {
            Decoder::Length(left) => *left -= count as u64,
            Decoder::Chunked(chunked) => chunked.took(count),
            Decoder::UntilClose { taken, .. } => *taken += count as u64,
        }
    }

    /// Records that the connection has ended, so that no bytes follow those in the input. A close-delimited body ends
    /// with these bytes. Any other body is incomplete if [`Decoder::decode`] still returns [`Decoded::More`].
    pub fn end_of_input(&mut self) {
        if let Decoder::UntilClose { has_ended, .. } = self {
            *has_ended = true;
        }
    }

    /// The number of bytes of the body that have not been consumed; `None` if the length is not known in advance.
    pub fn remaining(&self) -> Option<u64> {
        match self {
            Decoder::Length(left) => Some(*left),
            Decoder::Chunked(_) | Decoder::UntilClose { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        let (mut decoder, mut input, limits) = (Decoder::until_close(), Buffer::default(), MessageLimits::default());
        assert_eq!(decoder.decode(&mut input, &limits), Ok(Decoded::More));
        input.extend(b"hello");
        assert_eq!(decoder.decode(&mut input, &limits), Ok(Decoded::Data(5)));
        decoder.take(&mut input, 3);
        assert_eq!(decoder.remaining(), None);
        decoder.end_of_input();
        assert_eq!((decoder.remaining(), decoder.decode(&mut input, &limits)), (None, Ok(Decoded::Data(2))));
        decoder.take(&mut input, 2);
        assert_eq!(decoder.decode(&mut input, &limits), Ok(Decoded::End));
    }

    #[test]
    fn a_body_without_a_length_has_the_limit_of_bodies() {
        let limits = MessageLimits { body: 5, ..MessageLimits::default() };
        for has_ended in [false, true] {
            let (mut decoder, mut input) = (Decoder::until_close(), Buffer::default());
            input.extend(b"hello!");
            if has_ended {
                decoder.end_of_input();
            }
            assert_eq!(decoder.decode(&mut input, &limits), Ok(Decoded::Data(5)));
            decoder.take(&mut input, 5);
            assert_eq!(decoder.decode(&mut input, &limits), Err(Violation::LargeBody), "has_ended: {has_ended}");
        }
    }

    #[test]
    fn a_body_with_a_length_is_incomplete_if_the_connection_ends_before_it() {
        for length in [BodyLength::Known(5), BodyLength::Chunked] {
            let (mut decoder, mut input) = (Decoder::new(length), Buffer::default());
            decoder.end_of_input();
            assert_eq!(decoder.decode(&mut input, &MessageLimits::default()), Ok(Decoded::More), "{length:?}");
        }
    }
}
