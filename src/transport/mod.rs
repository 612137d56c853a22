//! Byte streams that do not block, as a session sees them: TCP, Unix sockets, and memory for tests.
//!
//! Nothing here knows the protocol that is spoken on a stream.

mod memory;
mod no_source;
mod tcp;
#[cfg(unix)]
mod unix;

use std::fs::File;
use std::io;

pub use memory::Memory;
pub use no_source::NoSource;

/// A non-blocking byte stream in both directions, with a way to send a file.
pub trait Transport {
    /// Reads into `buf`; 0 is the end, `WouldBlock` means not now.
    ///
    /// # Errors
    /// Those of the operating system.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends some of the bytes of both parts, in one call. `more` says that something follows at once, a file or the end
    /// of the connection, so that a packet which is not full may wait for it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize>;

    /// Sends some of `length` bytes of the file from `offset` on; 0 means that the file ends there.
    ///
    /// # Errors
    /// `Unsupported` if this transport or this file cannot do it: the caller then reads and sends itself.
    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64>;

    /// From `true` on, a packet that is not full waits for what is sent next, so that what is sent in several calls takes
    /// no more packets than if it were sent in one; `false` sends what waits. Does nothing unless a transport can do it.
    fn cork(&mut self, _on: bool) {}

    /// Says that no more will be sent.
    ///
    /// # Errors
    /// Those of the operating system; the peer may be gone already.
    fn end(&mut self) -> io::Result<()>;

    /// Whether a read that filled less than its buffer has taken all there was, so that the next one need not be
    /// tried before the poll reports something new. True for Linux's epoll, edge-triggered.
    fn short_read_is_all(&self) -> bool {
        false
    }

    /// What is registered with the poll.
    fn source(&mut self) -> &mut dyn mio::event::Source;
}
