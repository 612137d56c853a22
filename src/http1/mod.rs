//! HTTP/1.0 and HTTP/1.1 without a socket: bytes in, events out; a response in, bytes out.
//!
//! [`ServerMachine`] is one connection's protocol. Bytes that came are put into a [`Buffer`]; [`ServerMachine::receive`] takes
//! what it understands from it and says what that was. [`ServerMachine::respond`] turns a response into the bytes of its
//! head and the [`Encoder`] for its body. Everything that can be wrong with a message is a [`Violation`]; a
//! server answers it as its [`Rejection`] says. The sizes of a message are bounded by [`MessageLimits`].
//!
//! The parsing is strict, and there is no lenient switch: where RFC 9112 lets a recipient guess, this one refuses,
//! because two parsers that guess differently are how requests are smuggled.
//!
//! Invariant: nothing here reads a socket, a file or a clock, and no input makes it panic. Feeding the same bytes
//! whole or in pieces gives the same events.

mod body;
mod head;
mod limits;
mod rejection;
mod server;
mod violation;

pub use crate::buffer::Buffer;
pub use body::{ChunkedDecoder, Decoded, Decoder, Encoder};
pub use head::{CommonHeaders, ResponseHead};
pub use limits::MessageLimits;
pub use rejection::Rejection;
pub use server::{HeadProgress, ReceiveState, RequestEvent, SendState, ServerMachine};
pub use violation::Violation;
