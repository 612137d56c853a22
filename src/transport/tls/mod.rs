//! TLS over another byte stream: rustls implements the protocol, and [`TlsStream`] moves the bytes. Not here: HTTP and
//! the loop.
//!
//! The *unbuffered* interface of rustls is used, in which rustls owns no buffers: records are decrypted where they were
//! read, in memory that all streams of a thread share ([`TlsScratch`]). A stream owns memory only while it holds a
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
