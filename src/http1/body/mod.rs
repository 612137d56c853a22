//! The body of a message: taking it out of its framing, and putting it into one. Nothing here knows whether the message
//! is a request or a response.

mod chunk_ext;
mod chunked;
mod decoder;
mod encoder;

pub use chunked::ChunkedDecoder;
pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
