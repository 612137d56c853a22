//! TLS over another byte stream. rustls implements the protocol, and [`TlsStream`] transports the bytes. This module
//! depends neither on HTTP nor on the loop.
//!
//! The streams use the *unbuffered* interface of rustls, in which rustls owns no buffers. Records are decrypted in
//! place in memory that all streams of a thread share ([`TlsScratch`]). A stream owns memory only while it holds a
//! partial record, decrypted bytes that have not been read yet, or records that the socket has not accepted.

mod hello;
mod records;
mod scratch;
mod sending;
mod side;
mod stream;
#[cfg(test)]
mod tests;
mod verbs;

pub use scratch::TlsScratch;
pub use side::{ServerSide, TlsSide};
pub use stream::TlsStream;
