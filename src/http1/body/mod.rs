//! The framing of message bodies: decoding and encoding. This module does not distinguish between requests and
//! responses.

mod chunk_ext;
mod chunked;
mod decoded;
mod decoder;
mod encoder;

pub use chunked::ChunkedDecoder;
pub use decoded::Decoded;
pub use decoder::Decoder;
pub use encoder::Encoder;
