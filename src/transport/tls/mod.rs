//! TLS over another byte stream: rustls implements the protocol, and [`TlsStream`] moves the bytes. Not here: HTTP and
//! the loop.
//!
//! rustls has no buffers here (its *unbuffered* interface): records are decrypted where they were read, in memory that
//! all streams of a thread share ([`TlsScratch`]). A stream owns memory only while it holds a partial record, decrypted
//! bytes that have not been read yet, or records that the socket did not accept.

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
