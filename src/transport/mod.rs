//! Byte streams that do not block, as a session sees them: TCP, Unix sockets, and memory for tests.
//!
//! Nothing here knows the protocol that is spoken on a stream.

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

/// A byte stream in both directions that does not block, with a way to send a file.
///
/// The methods with a body serve two purposes. [`cork`](Transport::cork) and
/// [`short_read_is_all`](Transport::short_read_is_all) tell what the system's socket can do. The others are for a transport with a
/// protocol of its own, such as TLS: it has a handshake before the first byte, it may hold output that it has accepted but not
/// sent, and it announces the end of what it sends.
pub trait Transport {
    /// Reads into `buf`. 0 is the end.
    ///
    /// A transport that has decrypted more than fits into `buf` returns the rest in the next calls, although its socket is
    /// empty: `WouldBlock` means that neither the transport nor its socket has anything.
    ///
    /// # Errors
    /// `WouldBlock` if nothing can be read now; otherwise those of the operating system.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends some of the bytes of both parts, in one call, and returns how many it has accepted. `more` says that a file or the
    /// end of the connection follows at once, so a packet which is not full may wait for it.
    ///
    /// # Errors
    /// `WouldBlock` if nothing can be accepted now, for example because too much output is pending; otherwise those of the
    /// operating system.
    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize>;

    /// Sends some of `length` bytes of the file, from `offset` on. 0 means that the file ends there.
    ///
    /// # Errors
    /// `Unsupported` if this transport or this file cannot do it: the caller then reads and sends itself.
    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64>;

    /// With `true`, a packet that is not full waits for what is sent next, so that what is sent in several calls takes no more
    /// packets than in one. With `false`, sends what waits. Does nothing unless a transport can do it.
    fn cork(&mut self, _on: bool) {}

    /// Shuts the sending side of the socket. Called when no output is pending; [`Transport::announce_end`] comes before it if
    /// the end is an orderly one. The transport sends nothing after either of them, not even an answer of its own protocol.
    ///
    /// # Errors
    /// Those of the operating system; the peer may be gone already.
    fn end(&mut self) -> io::Result<()>;

    /// True if a read that filled less than its buffer has taken everything, so the next one need not be tried before the poll
    /// reports the socket again. Linux's epoll, edge-triggered, guarantees that for sockets.
    fn short_read_is_all(&self) -> bool {
        false
    }

    /// The source that is registered with the poll.
    fn source(&mut self) -> &mut dyn mio::event::Source;

    /// True if [`Transport::handshake`] has to complete before bytes can be sent and received.
    fn needs_handshake(&self) -> bool {
        false
    }

    /// Continues the handshake: reads and sends what it needs, as far as that does not block. It clears `ready.read`
    /// and `ready.write` when the socket returns `WouldBlock`.
    ///
    /// `left` is the number of flights that may still be computed in this turn, for all sessions together: the cryptography of
    /// one takes longer than many requests. Each flight reduces it by one. At 0 the handshake continues in the next turn.
    ///
    /// # Errors
    /// If the handshake fails. An alert for the peer may then be pending. `InvalidData` if the peer has made a mistake, or has
    /// nothing in common with the configuration.
    fn handshake(&mut self, _ready: &mut Ready, _left: &mut usize) -> io::Result<Handshake> {
        Ok(Handshake::Complete)
    }

    /// True after [`Handshake::Text`].
    fn is_text(&self) -> bool {
        false
    }

    /// True if the transport holds output that has not left: bytes that it accepted, or messages of its own protocol.
    fn has_pending(&self) -> bool {
        false
    }

    /// Sends all pending output. Called when the socket may take bytes.
    ///
    /// # Errors
    /// `WouldBlock` if some of it is left; otherwise those of the operating system. After a success the session tries to read
    /// again: a transport may have to send before it can keep reading.
    fn flush_pending(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Adds the announcement of an orderly end to the pending output, if the transport's protocol has one (`close_notify` of
    /// TLS), and tries to send it. The socket stays as it is, and what the peer still sends is discarded as it is read. Further
    /// calls do nothing. A transport that is dropped without this call ends unannounced, so that its peer can tell a cut
    /// connection.
    ///
    /// # Errors
    /// Those of the operating system, except `WouldBlock`: the announcement is pending then.
    fn announce_end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that were sent and that the peer's system has not acknowledged. `None` if that is not known.
    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        None
    }

    /// Makes the drop of the transport reset the connection, if its protocol has a reset.
    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {}

    /// Bytes of memory that the transport owns for input and output that wait.
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
    /// The peer has to send or to take something first.
    Waiting,
    /// The transport has used its share of this turn, and continues in the next one.
    NextTurn,
    /// The peer does not begin a handshake, but sends unencrypted HTTP. The transport passes bytes on as they are.
    Text,
}

/// Reads from a place in a file, which does not move the file's position.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads from a place in a file.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}
