//! The body of a message: taking it out of its framing, and putting it into one. Nothing here knows whether the message
//! is a request or a response.

mod chunk_ext;
mod chunked;
mod decoded;
mod decoder;
mod encoder;

pub use chunked::ChunkedDecoder;
pub use decoded::Decoded;
pub use decoder::Decoder;
pub use encoder::Encoder;
