//! `ClientStream` and `Connector`: the operations that a client needs from its environment, which is a thread or a
//! handler on the event loop. No other client code depends on the environment.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::Error;

/// A connected byte stream, which a client uses like a blocking stream.
///
/// The methods that transfer bytes never wait. Only [`ClientStream::wait`] does, by blocking a thread or suspending a
/// handler. Dropping the stream closes it.
pub trait ClientStream {
    /// Reads bytes that have already arrived, and stores them in `into`, which must not be empty. Returns the number of
    /// bytes read, or 0 at the end of the stream.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no byte has arrived, or any error of the connection.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes as many of `bytes` as the stream accepts, and returns their number. `bytes` must not be empty.
    ///
    /// # Errors
    /// Returns `WouldBlock` if the stream accepts no bytes now, or any error of the connection.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the stream may be ready for `what`. The caller then tries again, and must be prepared for another
    /// `WouldBlock`, because readiness is only a hint.
    ///
    /// # Errors
    /// Returns `TimedOut` if `until` passes first (`None` means no limit), or another error if waiting is no longer
    /// possible, for example because the handler's client has disconnected.
    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()>;

    /// Ensures that the next [`try_read`](Self::try_read) makes a system call. A stream must implement this method if
    /// its `try_read` returns `WouldBlock` without a system call until an event reports input. Does nothing by default.
    fn expect_input(&mut self) {}

    /// Enables or disables the interruption of reads from the body of the handler's own request. While interruption is
    /// enabled, such a read fails with an error of kind [`Interrupted`](io::ErrorKind::Interrupted) in two cases: the
    /// first time that it would wait after this call, and later whenever there may be an event on one of the handler's
    /// outgoing streams. The client can then process a response that arrives while the read waits for more of the body.
    /// Only the streams of handlers implement this method; reads on a thread are not interrupted.
    fn interrupt_reads(&mut self, on: bool) {
        _ = on;
    }

    /// Shuts down the sending side, so that the peer reads EOF after the last byte. Bytes from the peer can still be
    /// read. Never waits.
    ///
    /// # Errors
    /// Returns any error of the connection, or an error of kind [`Unsupported`](io::ErrorKind::Unsupported) if the
    /// stream does not implement this.
    fn end_output(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The current time, for the deadlines of waits.
    fn now(&self) -> Instant;
}

/// The event that [`ClientStream::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Input has arrived or the stream has ended.
    Input,
    /// The stream accepts output.
    Output,
    /// Input has arrived, the stream has ended, or the stream accepts output.
    Either,
}

/// Opens connections. There is one implementation for threads and one for handlers.
pub trait Connector: Clone {
    /// The stream of a connection that this connector opens.
    type Stream: ClientStream;

    /// Resolves the host name, and connects to the first of its addresses that accepts the connection.
    ///
    /// # Errors
    /// Returns [`Error::Resolve`] if the name has no address, [`Error::Io`] of kind `TimedOut` if `until` passes first,
    /// or the error for the last address.
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
    /// The local address to bind. If this is `None`, the system chooses the address and the port; if its port is 0, the
    /// system chooses the port.
    pub source: Option<SocketAddr>,
}
