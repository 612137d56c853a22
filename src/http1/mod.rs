//! HTTP/1.0 and HTTP/1.1 without a socket: bytes in, events out; a response in, bytes out.
//!
//! [`Machine`] is one connection's protocol. Bytes that came are put into a [`Buffer`]; [`Machine::receive`] takes
//! what it understands from it and says what that was. [`Machine::respond`] turns a response into the bytes of its
//! head and the [`Encoder`] for its body. Everything a client can do wrong is a [`Reject`], which has a status and a
//! name; everything that bounds a client is in [`Limits`].
//!
//! The parsing is strict, and there is no lenient switch: where RFC 9112 lets a recipient guess, this one refuses,
//! because two parsers that guess differently are how requests are smuggled.
//!
//! Invariant: nothing here reads a socket, a file or a clock, and no input makes it panic. Feeding the same bytes
//! whole or in pieces gives the same events.

mod chunk_ext;
mod chunked;
mod decode;
mod encode;
mod fields;
mod head;
mod host;
mod limits;
mod machine;
mod reject;
mod request_line;
mod scan;
mod target;

pub use crate::buffer::Buffer;
pub use chunked::ChunkedDecoder;
pub use decode::{Decoded, Decoder};
pub use encode::{CommonHeaders, Encoder, ResponseHead};
pub use limits::Limits;
pub use machine::{Event, HeadProgress, Machine, Recv, Send};
pub use reject::Reject;
