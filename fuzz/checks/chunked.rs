//! Checks that the meaning of a chunked body does not depend on how its bytes are split, and that decoding reverses
//! encoding.
//!
//! The data is the position of the split (two bytes), the size of the pieces to encode (one byte) and a body. The body
//! is decoded as it is, and is also encoded and then decoded.

use serve_forever::http::BodyLength;
use serve_forever::http1::{Buffer, Decoded, Decoder, Encoder, MessageLimits, Violation};

use super::feeding::{read_alike, split_place, ways};

pub fn check(data: &[u8]) {
    let (place, rest) = split_place(data);
    let whole = read_alike(rest, place, |pieces| decode(pieces, usize::MAX));
    assert_eq!(whole, decode(&[rest], 1), "taken byte by byte");

    let [size, body @ ..] = rest else { return };
    let mut encoded = Buffer::default();
    let mut encoder = Encoder::Chunked;
    for piece in body.chunks(usize::from(*size) + 1) {
        assert_eq!(encoder.write(piece, &mut encoded), piece.len());
    }
    assert!(encoder.finish(&mut encoded));
    encoded.extend(b"next");
    let expected = Outcome { body: body.to_vec(), end: Some(Ok(4)) };
    for pieces in ways(encoded.bytes(), place) {
        assert_eq!(decode(&pieces, 7), expected);
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    body: Vec<u8>,
    /// The number of bytes after the end, or the error; `None` if the body is incomplete.
    end: Option<Result<usize, Violation>>,
}

/// Decodes these pieces, and accepts a limited number of bytes at a time.
fn decode(pieces: &[&[u8]], most: usize) -> Outcome {
    // The limits are small, so that the fuzzer can exceed them.
    let limits = MessageLimits { chunk_overhead: 64, body: 1 << 20, ..MessageLimits::default() };
    let mut decoder = Decoder::new(BodyLength::Chunked);
    let (mut input, mut body, mut end) = (Buffer::default(), Vec::new(), None);
    for piece in pieces {
        input.extend(piece);
        while end.is_none() {
            match decoder.decode(&mut input, &limits) {
                Ok(Decoded::More) => break,
                Ok(Decoded::Data(length)) => {
                    let some = length.min(most);
                    assert!((1..=input.len()).contains(&some), "data that is there");
                    body.extend_from_slice(&input.bytes()[..some]);
                    decoder.take(&mut input, some);
                }
                Ok(Decoded::End) => end = Some(Ok(0)),
                Err(violation) => end = Some(Err(violation)),
            }
        }
    }
    Outcome { body, end: end.map(|end| end.map(|_| input.len())) }
}
