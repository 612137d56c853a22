//! `ClientStream` and `Connector`: the operations that a client needs from its environment, which is either a thread or
//! a handler on the event loop. All other client code is the same for both.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::Error;

/// A connected byte stream. A client uses it as it would use a blocking stream.
///
/// The calls that move bytes never wait; only [`ClientStream::wait`] does. It blocks a thread or suspends a handler.
/// Dropping the stream closes it.
pub trait ClientStream {
    /// Reads some of the bytes that have arrived into `into`, which must not be empty. Returns 0 at the end of the
    /// stream.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no byte has arrived, or the error of the connection.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes`, which must not be empty. Returns their number.
    ///
    /// # Errors
    /// Returns `WouldBlock` if the stream accepts no bytes now, or the error of the connection.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the stream may be ready for `what`. The caller then tries again. Readiness is a hint: only
    /// `WouldBlock` shows that the stream is not ready.
    ///
    /// # Errors
    /// Returns `TimedOut` if `until` passes first (`None` means no limit), or another error if waiting is no longer
    /// possible, for example because the handler's client has disconnected.
    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()>;

    /// Ensures that the next [`try_read`](Self::try_read) makes a system call. Only a stream that would otherwise
    /// return `WouldBlock` until an event reports input needs to implement this.
    fn expect_input(&mut self) {}

    /// Ends the output, so that the peer reads EOF after the last byte. Bytes from the peer can still be read. Never
    /// waits.
    ///
    /// # Errors
    /// Returns the error of the connection, or an error of kind [`Unsupported`](io::ErrorKind::Unsupported) if the
    /// stream does not implement this.
    fn end_output(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The current time, for the deadlines of waits.
    fn now(&self) -> Instant;
}

/// The events that [`ClientStream::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Input has arrived or the stream has ended.
    Input,
    /// The stream accepts output.
    Output,
    /// Input has arrived, the stream has ended, or the stream accepts output.
    Either,
}

/// Opens connections. Threads and handlers have different implementations.
pub trait Connector: Clone {
    /// The type of the connections that this connector opens.
    type Stream: ClientStream;

    /// Resolves the name of the host, and tries its addresses in turn until one succeeds.
    ///
    /// # Errors
    /// Returns [`Error::Resolve`] if the name has no address, [`Error::Io`] of kind `TimedOut` if `until` passes first,
    /// or the error of the last address.
    fn connect(&self, to: &ServerAddress, until: Option<Instant>) -> Result<Self::Stream, Error>;

    /// The current time, for the deadlines of waits.
    fn now(&self) -> Instant;
}

/// The server that a [`Connector`] connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// The local address. The system chooses the address if this is `None`, and the port if that is 0.
    pub source: Option<SocketAddr>,
}
