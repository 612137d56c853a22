//! The non-blocking byte streams that sessions use: TCP, Unix sockets, and memory for tests.
//!
//! Of the protocols, only TLS is implemented here, because it is a byte stream itself. All other protocols are in other
//! modules.

mod boxed;
mod file_section;
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

pub(crate) use file_section::FileSection;
pub use memory::Memory;
pub use narrow::{Narrow, Pace, PaceGate, Paced};
pub use no_source::NoSource;

/// A non-blocking, bidirectional byte stream that can also send files.
///
/// The methods with a default implementation serve two purposes. [`cork`](Transport::cork) and
/// [`short_read_is_all`](Transport::short_read_is_all) expose capabilities of the operating system's sockets. The
/// others are for transports that have a protocol of their own, such as TLS. Such a transport performs a handshake
/// before the first byte, can hold output that it has accepted but not sent, and announces the end of its output.
pub trait Transport {
    /// Reads into `buf`. Returns 0 at EOF.
    ///
    /// A transport that has decrypted more bytes than fit into `buf` returns the rest from the next calls, even if its
    /// socket is empty. `WouldBlock` means that neither the transport nor its socket has any bytes.
    ///
    /// # Errors
    /// Returns `WouldBlock` if nothing can be read now, and otherwise any error from the operating system or from the
    /// transport's own protocol.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends some of the bytes of `first`, followed by those of `second`, in one call. Returns the number of bytes
    /// accepted. `more` is true if a file or the end of the connection follows immediately, so that a partly filled
    /// packet can wait for it.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no byte can be accepted now, for example because too much output is pending, and
    /// otherwise any error from the operating system or from the transport's own protocol.
    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize>;

    /// Sends some of the `length` bytes that begin at `offset` in the file. Returns the number of bytes accepted, which
    /// is 0 if the file ends at `offset`.
    ///
    /// # Errors
    /// Returns `Unsupported` if this transport or this file does not support the operation. The caller must then read
    /// the file and send the bytes itself. All other errors are those of [`Transport::send`].
    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64>;

    /// Corks the transport if the argument is true, and otherwise uncorks it. While the transport is corked, a partly
    /// filled packet waits for more bytes, so that several calls use no more packets than one call. Uncorking sends the
    /// waiting bytes. Does nothing if the transport does not support corking.
    fn cork(&mut self, _on: bool) {}

    /// Shuts down the sending side of the socket. Called when no output is pending, and after
    /// [`Transport::announce_end`] if the close is orderly. After either call the transport sends nothing more, not
    /// even a message of its own protocol.
    ///
    /// # Errors
    /// Returns any error from the operating system, for example because the peer has already disconnected.
    fn end(&mut self) -> io::Result<()>;

    /// True if a read that does not fill its buffer has emptied the socket. No further read is then needed until the
    /// poll reports the socket as readable again. Linux guarantees this for sockets in an edge-triggered epoll.
    fn short_read_is_all(&self) -> bool {
        false
    }

    /// The event source to register with the poll, which is usually the socket.
    fn source(&mut self) -> &mut dyn mio::event::Source;

    /// True if [`Transport::handshake`] must complete before bytes can be sent and received.
    fn needs_handshake(&self) -> bool {
        false
    }

    /// Continues the handshake by reading and sending as far as possible without blocking. Clears `ready.read` and
    /// `ready.write` when the socket returns `WouldBlock`.
    ///
    /// `left` is the number of flights that all sessions together may still compute in this turn. Each flight
    /// decrements `left`. Once it is 0, the handshake continues in the next turn. Flights are limited because the
    /// cryptography of one flight takes longer than many requests.
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

    /// True if the transport holds output that has not been sent: bytes that it has accepted, or messages of its own
    /// protocol.
    fn has_pending(&self) -> bool {
        false
    }

    /// Sends all pending output. Called when the socket may accept bytes.
    ///
    /// # Errors
    /// Returns `WouldBlock` if some of the output remains, and otherwise any error from the operating system. After
    /// `Ok`, the session tries to read again, because a transport may have to send before it can continue to read.
    fn flush_pending(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Announces an orderly end of the output if the transport's protocol can do so, as TLS does with `close_notify`.
    /// The announcement is added to the pending output, and the method tries to send all of it. The socket stays open,
    /// and further input is read and discarded. Further calls do nothing. A transport that is dropped without this call
    /// does not announce its end, so the peer can tell that the connection was truncated.
    ///
    /// # Errors
    /// Returns any error from the operating system except `WouldBlock`, after which the announcement stays pending.
    fn announce_end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The number of sent bytes that the peer has not acknowledged, or an upper bound that is 0 only if there are none.
    /// `None` if it is unknown.
    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        None
    }

    /// Arranges for the connection to be reset when the transport is dropped, if the protocol supports a reset.
    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {}

    /// The number of bytes of memory that the transport owns for unread input and unsent output.
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
    /// The transport has used up its share of this turn and must continue in the next turn.
    NextTurn,
    /// The peer has sent unencrypted HTTP instead of a handshake. The transport passes all bytes through unchanged.
    Text,
}

/// Reads from a file at an offset, without moving the file's own position. May read fewer bytes than fit into `buf`.
/// Returns 0 at EOF.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads from a file at an offset. On Windows, this moves the file's own position.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}
