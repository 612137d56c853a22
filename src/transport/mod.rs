//! Non-blocking byte streams, as sessions use them: TCP, Unix sockets, and memory for tests.
//!
//! The protocols that use the streams are in other modules. Only TLS is here, because it is a byte stream itself.

mod boxed;
mod memory;
mod narrow;
mod no_source;
mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
mod unix;

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::session::Ready;
use crate::tls_info::TlsInfo;

pub use memory::Memory;
pub use narrow::{Narrow, Pace, PaceGate, Paced};
pub use no_source::NoSource;

/// A non-blocking, bidirectional byte stream that can also send files.
///
/// The methods with a default implementation serve two purposes. [`cork`](Transport::cork) and
/// [`short_read_is_all`](Transport::short_read_is_all) expose capabilities of the system's socket. The others are for a
/// transport with a protocol of its own, such as TLS. Such a transport performs a handshake before the first byte, can
/// hold output that it has accepted but not sent, and announces the end of its output.
pub trait Transport {
    /// Reads into `buf`. Returns 0 at EOF.
    ///
    /// A transport that has decrypted more bytes than fit into `buf` returns the rest in the next calls, even if its
    /// socket is empty. `WouldBlock` means that neither the transport nor its socket has any bytes.
    ///
    /// # Errors
    /// Returns `WouldBlock` if nothing can be read now, and otherwise the error of the operating system.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends some of the bytes of both parts in one call, and returns the number of bytes accepted. `more` is true if a
    /// file or the end of the connection follows immediately, so that a partly filled packet can wait for it.
    ///
    /// # Errors
    /// Returns `WouldBlock` if nothing can be accepted now, for example because too much output is pending, and
    /// otherwise the error of the operating system.
    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize>;

    /// Sends some of `length` bytes of the file, starting at `offset`. Returns 0 if the file ends there.
    ///
    /// # Errors
    /// Returns `Unsupported` if this transport or this file does not support the operation. The caller then reads the
    /// file and sends the bytes itself.
    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64>;

    /// If `true`, a partly filled packet waits for the next bytes, so that several calls use no more packets than one
    /// call. If `false`, the waiting bytes are sent. Does nothing if the transport does not support corking.
    fn cork(&mut self, _on: bool) {}

    /// Shuts down the sending side of the socket. Called when no output is pending, and after
    /// [`Transport::announce_end`] if the close is orderly. After either call the transport sends nothing more, not
    /// even a message of its own protocol.
    ///
    /// # Errors
    /// Returns the error of the operating system, for example because the peer has already disconnected.
    fn end(&mut self) -> io::Result<()>;

    /// True if a read that does not fill its buffer has emptied the socket, so that no further read is needed until the
    /// poll reports the socket as readable again. Linux guarantees this for sockets in an edge-triggered epoll.
    fn short_read_is_all(&self) -> bool {
        false
    }

    /// The event source that is registered with the poll, which is usually the socket.
    fn source(&mut self) -> &mut dyn mio::event::Source;

    /// True if [`Transport::handshake`] must complete before bytes can be sent and received.
    fn needs_handshake(&self) -> bool {
        false
    }

    /// Continues the handshake by reading and sending as far as possible without blocking. Clears `ready.read` and
    /// `ready.write` when the socket returns `WouldBlock`.
    ///
    /// `left` is the number of flights that all sessions together may still compute in this turn. It is limited because
    /// the cryptography of one flight takes longer than many requests. Each flight decrements `left`. At 0 the
    /// handshake continues in the next turn.
    ///
    /// # Errors
    /// Returns an error if the handshake fails. An alert for the peer may then be pending. The error is `InvalidData`
    /// if the peer violates the protocol, or supports nothing that the configuration allows.
    fn handshake(&mut self, _ready: &mut Ready, _left: &mut usize) -> io::Result<Handshake> {
        Ok(Handshake::Complete)
    }

    /// True after [`handshake`](Transport::handshake) has returned [`Handshake::Text`].
    fn is_text(&self) -> bool {
        false
    }

    /// True if the transport holds unsent output: bytes that it has accepted, or messages of its own protocol.
    fn has_pending(&self) -> bool {
        false
    }

    /// Sends all pending output. Called when the socket may accept bytes.
    ///
    /// # Errors
    /// Returns `WouldBlock` if some of the output remains, and otherwise the error of the operating system. After a
    /// success the session tries to read again, because a transport may have to send before it can continue to read.
    fn flush_pending(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Adds the announcement of an orderly end to the pending output, if the transport's protocol has one (in TLS,
    /// `close_notify`), and tries to send it. The socket stays open, and further input is read and discarded. Further
    /// calls do nothing. A transport that is dropped without this call does not announce its end, so the peer can tell
    /// that the connection was truncated.
    ///
    /// # Errors
    /// Returns the errors of the operating system, except `WouldBlock`, after which the announcement is pending.
    fn announce_end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The number of sent bytes that the peer's system has not acknowledged. `None` if it is unknown.
    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        None
    }

    /// Makes dropping the transport reset the connection, if the protocol supports a reset.
    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {}

    /// The size of the memory that the transport owns for unread input and unsent output, in bytes.
    fn memory(&self) -> usize {
        0
    }

    /// The result of the TLS handshake, once it is complete. `None` if the bytes are not encrypted.
    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        None
    }
}

/// The result of [`Transport::handshake`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Bytes can be sent and received.
    Complete,
    /// The peer must first send or accept bytes.
    Waiting,
    /// The transport has used up its share of this turn, and continues in the next turn.
    NextTurn,
    /// The peer has sent unencrypted HTTP instead of a handshake. The transport passes all bytes through unchanged.
    Text,
}

/// Reads from a file at an offset, without moving the file's own position. May read fewer bytes than `buf` can hold;
/// returns 0 at EOF.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads from a file at an offset.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}
