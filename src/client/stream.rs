//! `ClientStream` and `Connector`: all that a client needs from the place where it runs, an ordinary thread or a handler on the
//! event loop. Everything above them is the same in both.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::Error;

/// A connected byte stream that a client reads and writes in blocking style.
///
/// The two calls that move bytes never wait; [`ClientStream::wait`] is the only one that does. In a thread it blocks the
/// thread, in a handler it suspends the handler. Dropping the stream closes it.
pub trait ClientStream {
    /// Reads some of the bytes that have arrived into `into`, which is not empty. 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if no byte has arrived, or the error of the connection.
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes`, which is not empty. Returns their number.
    ///
    /// # Errors
    /// `WouldBlock` if the stream takes no byte now, or the error of the connection.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits until the stream may be ready for `what`. The caller tries again after it: readiness is a hint, and only
    /// `WouldBlock` says that the stream is not ready.
    ///
    /// # Errors
    /// `TimedOut` if `until` comes first; without it there is no limit. Another error if waiting is not possible any more, for
    /// example because the client of the handler has left.
    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()>;

    /// Makes the next [`try_read`](Self::try_read) ask the system. For a stream that otherwise returns `WouldBlock` until an
    /// event announces input; others need not implement it.
    fn expect_input(&mut self) {}

    /// The time, for the deadlines of waits.
    fn now(&self) -> Instant;
}

/// The events that [`ClientStream::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Input has arrived, or the stream has ended.
    Input,
    /// The stream takes output.
    Output,
    /// Input or output.
    Either,
}

/// Opens connections. A thread and a handler have one each.
pub trait Connector: Clone {
    /// The connections that it opens.
    type Stream: ClientStream;

    /// Resolves the name of the host, and connects to its addresses in turn until one succeeds.
    ///
    /// # Errors
    /// [`Error::Resolve`] if the name has no address, `TimedOut` as [`Error::Io`] if `until` comes first, or the error of the
    /// last address.
    fn connect(&self, to: &ServerAddress, until: Option<Instant>) -> Result<Self::Stream, Error>;

    /// The time, for the deadlines of waits.
    fn now(&self) -> Instant;
}

/// The server that a [`Connector`] connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address of this side; the system chooses it if it is `None`, and the port if that is 0.
    pub source: Option<SocketAddr>,
}
