//! TLS over another byte stream: rustls decides and encrypts, [`TlsStream`] moves the bytes. It knows neither HTTP nor the loop.
//!
//! rustls has no buffers here (its *unbuffered* interface): records are decrypted where they were read, in memory that all
//! streams of a thread share ([`TlsScratch`]). A stream owns memory only while a part of a record, decrypted bytes that nothing
//! has read yet, or records that the socket did not take wait in it.

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
