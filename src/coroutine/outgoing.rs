//! Connections that a handler opens. Their operations block the handler but not the thread: the socket is non-blocking
//! and registered with the poll, and the handler is suspended until the socket is ready.
//!
//! `client/` implements the protocols, and decides which connections outlive their handler.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use super::clock::now;
use super::io::{HandlerIo, deadline_after, is_past};
use super::outgoing_socket::OutgoingSocket;
#[cfg(feature = "client")]
use super::registered_socket::ParkedStream;
use super::registered_socket::RegisteredSocket;
use super::resources::OutgoingPermit;
use super::shared::Shared;
use crate::session::SessionHandle;

/// A TCP connection that a handler has opened; see [`Exchange::connect_tcp`](crate::handler::Exchange::connect_tcp).
///
/// Reading and writing suspend only this handler, until the other side has sent or accepted bytes. If the handler's
/// client disconnects, the operation fails with an error of kind
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Crates that work with any [`Read`] and [`Write`] can use
/// the stream. Dropping the stream closes the connection.
pub struct OutgoingStream<'h> {
    io: &'h HandlerIo<'h>,
    socket: RegisteredSocket,
    timeout: Option<Duration>,
    _permit: OutgoingPermit,
}

/// Opens connections for one handler. Waits on these connections suspend the handler.
///
/// With the `client` feature, this type implements `client::Connector`, so a handler can use an `HttpConnection`.
#[derive(Clone, Copy)]
pub struct OutgoingConnector<'h> {
    io: &'h HandlerIo<'h>,
}

impl<'h> OutgoingConnector<'h> {
    pub(super) fn new(io: &'h HandlerIo<'h>) -> OutgoingConnector<'h> {
        OutgoingConnector { io }
    }

    /// Connects to `HOST:PORT` within `timeout`, which is then also the timeout of each wait on the stream.
    pub(super) fn connect(self, address: &str, timeout: Option<Duration>) -> io::Result<OutgoingStream<'h>> {
        let deadline = deadline_after(timeout);
        let connect = || {
            // An IP address needs no name resolution and therefore no worker thread.
            let addresses = match address.parse() {
                Ok(address) => vec![address],
                Err(_) => {
                    // The last colon precedes the port. An IPv6 address in brackets, which contains other colons, has
                    // been parsed above.
                    let (host, port) = address.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
                    self.resolve(host, port_number(port).ok_or(io::ErrorKind::InvalidInput)?, deadline)?
                }
            };
            self.open_first(addresses, None, deadline)
        };
        let mut stream = connect().map_err(|error: io::Error| match error.kind() {
            // These errors are about the handler and not about the address: its client has disconnected, or it must not
            // wait here.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::Deadlock => error,
            kind => io::Error::new(kind, format!("cannot connect to {address}: {error}")),
        })?;
        stream.timeout = timeout;
        Ok(stream)
    }

    /// The addresses of a host. A name is resolved on a worker thread, because the system's resolver blocks. An IP
    /// address needs no name resolution.
    pub(crate) fn resolve(self, host: &str, port: u16, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        self.io.check()?;
        let lookup = self.io.resources().lookups.start(host, &self.io.resources().workers);
        let found = loop {
            match self.wait_until(&lookup, deadline, |result| result.clone())? {
                Some(found) => break found,
                None if is_past(deadline) => return Err(timed_out()),
                // The wait was interrupted because the server has begun to stop. The handler waits again, and this time
                // is not interrupted.
                None => {}
            }
        };
        let mut addresses = found.map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        addresses.iter_mut().for_each(|address| address.set_port(port));
        Ok(addresses)
    }

    /// Tries the addresses in order, and connects to the first one that accepts the connection.
    pub(crate) fn open_first(
        self,
        addresses: Vec<SocketAddr>,
        source: Option<SocketAddr>,
        deadline: Option<Instant>,
    ) -> io::Result<OutgoingStream<'h>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match self.open(address, source, deadline) {
                Err(error) if !ends_search(&error, deadline) => last = error,
                result => return result,
            }
        }
        Err(last)
    }

    fn open(
        self,
        address: SocketAddr,
        source: Option<SocketAddr>,
        deadline: Option<Instant>,
    ) -> io::Result<OutgoingStream<'h>> {
        let stream =
            self.add(|handle| RegisteredSocket::new(OutgoingSocket::begin_connect(address, source)?, handle))?;
        while !stream.socket.get_ref().is_connected()? {
            stream.wait(deadline)?;
        }
        // Most protocols write a whole message in one call. With `TCP_NODELAY`, the system sends a message without
        // waiting until the previous one has been acknowledged.
        if let Ok(socket) = stream.socket.get_ref().tcp() {
            socket.set_nodelay(true)?;
        }
        Ok(stream)
    }

    /// Converts a parked connection into a stream for this handler.
    #[cfg(feature = "client")]
    pub(crate) fn unpark(self, parked: ParkedStream) -> io::Result<OutgoingStream<'h>> {
        self.add(|handle| parked.give_to(handle))
    }

    /// Creates a stream for the socket that `open` registers. Fails at the limit on the handlers' connections.
    fn add(
        self,
        open: impl FnOnce(&dyn SessionHandle) -> io::Result<RegisteredSocket>,
    ) -> io::Result<OutgoingStream<'h>> {
        let io = self.io;
        io.check()?;
        // The handle is obtained before the permit. The handler may be suspended until the handle is available, and
        // should hold no permit during that time.
        let (handle, permit) = (io.handle()?, io.resources().outgoing.permit()?);
        Ok(OutgoingStream { io, socket: open(&*handle)?, timeout: None, _permit: permit })
    }

    /// Suspends the handler until `look` returns `Some` for the shared value, until the time `until`, or until the
    /// server begins to drain.
    pub(crate) fn wait_until<T, R>(
        self,
        shared: &Shared<T>,
        until: Option<Instant>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        let timeout = until.map(|until| until.saturating_duration_since(now()));
        self.io.wait_until(shared, timeout, false, look)
    }

    /// Sets whether reads of the handler's input can be interrupted; see [`HandlerIo::interrupt_reads`].
    #[cfg(feature = "client")]
    pub(crate) fn interrupt_reads(self, on: bool) {
        self.io.interrupt_reads(on);
    }

    /// The current time on the handlers' clock, which may be simulated.
    #[cfg(feature = "client")]
    pub(crate) fn now(self) -> Instant {
        now()
    }
}

impl fmt::Debug for OutgoingConnector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutgoingConnector")
    }
}

/// Parses a port number (RFC 3986 section 3.2.3).
fn port_number(text: &str) -> Option<u16> {
    // The digits are checked, because `parse` alone would accept a plus sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// True if the other addresses would cause an error too: the deadline has passed, or the client has disconnected. An
/// error of kind `TimedOut` alone does not end the search, because the kernel returns it for an address without a
/// response.
fn ends_search(error: &io::Error, deadline: Option<Instant>) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted || is_past(deadline)
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "timed out")
}

impl<'h> OutgoingStream<'h> {
    /// Sets the maximum duration of each wait on this connection, which is initially the `timeout` passed to
    /// `connect_tcp`. `None` means no limit. A wait that times out fails with an error of kind
    /// [`TimedOut`](io::ErrorKind::TimedOut).
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// Returns any error from the operating system.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().tcp()?.peer_addr()
    }

    /// The local address.
    ///
    /// # Errors
    /// Returns any error from the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().tcp()?.local_addr()
    }

    /// Shuts down one direction of the connection, or both. After [`Shutdown::Write`], the peer reads EOF.
    ///
    /// # Errors
    /// Returns any error from the operating system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.get_ref().shutdown(how)
    }

    /// A connector for the handler that owns the stream.
    #[cfg(feature = "client")]
    pub(crate) fn connector(&self) -> OutgoingConnector<'h> {
        OutgoingConnector { io: self.io }
    }

    /// Suspends the handler until an event has reported input (if `input` is true) or space for output (if `output` is
    /// true). The last read or write must have returned `WouldBlock`.
    #[cfg(feature = "client")]
    pub(crate) fn wait_for(&self, input: bool, output: bool, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            self.wait(deadline)?;
            // Events of other sources also resume the handler, but must not end this wait. The caller computes a new
            // deadline for each wait, so such events would extend the time limit.
            if self.socket.is_ready(input, output) {
                return Ok(());
            }
        }
    }

    /// Makes the next read perform a system call even if no event has reported input, because bytes may have arrived
    /// since the last poll.
    #[cfg(feature = "client")]
    pub(crate) fn expect_input(&self) {
        self.socket.expect_input();
    }

    /// Suspends the handler until the socket may be ready, or the session runs for another reason. The caller then
    /// tries again.
    fn wait(&self, deadline: Option<Instant>) -> io::Result<()> {
        if is_past(deadline) {
            return Err(timed_out());
        }
        self.io.wait_for_source(deadline)
    }

    /// Reads without waiting for the other side. If the read uses up the handler's budget of bytes for this turn, the
    /// handler is suspended until the next turn.
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.moved(|socket| socket.try_read(into))
    }

    /// Writes without waiting for the other side. Like [`try_read`](Self::try_read), this can suspend the handler until
    /// the next turn.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.moved(|socket| socket.try_write(bytes))
    }

    /// Detaches the connection from its handler and parks it.
    #[cfg(feature = "client")]
    pub(crate) fn park(self) -> ParkedStream {
        ParkedStream::new(self.socket)
    }

    fn moved(&mut self, call: impl FnOnce(&mut RegisteredSocket) -> io::Result<usize>) -> io::Result<usize> {
        // This check is made even if the call would succeed, because a handler whose client has disconnected must end.
        self.io.check()?;
        let count = call(&mut self.socket)?;
        self.io.spend(count)?;
        Ok(count)
    }

    /// Repeats a read or a write, and suspends the handler in between, until the call succeeds or fails with an error
    /// other than `WouldBlock`.
    fn until_ready(&mut self, mut call: impl FnMut(&mut Self) -> io::Result<usize>) -> io::Result<usize> {
        let mut deadline = None;
        loop {
            match call(self) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The first wait sets the deadline. Spurious events do not extend the deadline, and a call that
                    // does not wait does not read the clock.
                    let deadline = *deadline.get_or_insert_with(|| deadline_after(self.timeout));
                    self.wait(deadline)?;
                }
                result => return result,
            }
        }
    }
}

impl Read for OutgoingStream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A read into an empty buffer makes no system call, because its result of 0 bytes would be mistaken for EOF.
        if buf.is_empty() {
            return Ok(0);
        }
        self.until_ready(|stream| stream.try_read(buf))
    }
}

impl Write for OutgoingStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_ready(|stream| stream.try_write(bytes))
    }

    /// Does nothing, because the stream does not buffer written bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for OutgoingStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingStream").field("socket", self.socket.get_ref()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_only_digits() {
        assert_eq!(["80", "0", "65535"].map(port_number), [Some(80), Some(0), Some(65535)]);
        assert_eq!(["", "+80", "-1", "65536", "8 0"].map(port_number), [None; 5]);
    }

    #[test]
    fn the_next_address_is_tried_unless_the_deadline_has_passed_or_the_client_has_disconnected() {
        let later = Some(now() + Duration::from_secs(3600));
        for kind in [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionRefused] {
            let error = kind.into();
            assert!(!ends_search(&error, later) && !ends_search(&error, None), "{kind:?}");
            assert!(ends_search(&error, Some(now())), "{kind:?}");
        }
        assert!(ends_search(&io::ErrorKind::ConnectionAborted.into(), later));
    }
}
