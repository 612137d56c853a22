//! Upgrades a connection to another protocol: a 101 response, and then a stream of bytes in both directions.
//!
//! The connection transfers the bytes between the stream and the client.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use super::exchange::Exchange;
use super::response_state::misuse;
use crate::coroutine::{HandlerIo, Rfile, Shared};
use crate::http::{HttpError, Status};

impl Exchange<'_> {
    /// Switches this connection to another protocol, such as `websocket`: sends 101 with the fields that have been set,
    /// and returns the stream of bytes. When the handler returns, the connection closes after all written bytes have
    /// been sent.
    ///
    /// Bytes that the client has already sent after its request are not lost. When the client closes its sending side
    /// or the server stops, reading returns EOF. When the connection ends, the log gets one line for the request, with
    /// status 101.
    ///
    /// ```
    /// use std::io::{self, Read, Write};
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::testing::answer;
    ///
    /// /// Sends back every byte in the other case.
    /// struct Swap;
    ///
    /// impl RequestHandler for Swap {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         let mut stream = x.upgrade("swap")?;
    ///         let mut byte = [0];
    ///         while stream.read(&mut byte)? > 0 {
    ///             stream.write_all(&[byte[0] ^ 0x20])?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: swap\r\nConnection: upgrade\r\n\r\nHello";
    /// let bytes = answer(Handlers::new(|| Swap), request);
    /// assert!(bytes.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n") && bytes.ends_with(b"\r\n\r\nhELLO"));
    /// ```
    ///
    /// The example `websocket_echo` performs the WebSocket handshake and runs the `tungstenite` crate on the stream.
    ///
    /// # Errors
    /// Returns an [`HttpError`] with status 426 if the request does not ask for this protocol (see
    /// [`Request::asks_for_upgrade`](crate::http::Request::asks_for_upgrade)). The `Upgrade` field of that response
    /// names the protocol. Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if a response has
    /// already begun, or a `Content-Length` was set.
    pub fn upgrade(&self, protocol: &str) -> io::Result<Upgraded<'_>> {
        if !self.request().asks_for_upgrade(protocol) {
            // 426 must name a protocol that is accepted (RFC 9110 section 15.5.22).
            return Err(HttpError::new(Status::UPGRADE_REQUIRED).header("Upgrade", protocol)?.into());
        }
        {
            let mut state = self.unbegun()?;
            if state.head.content_length().is_some() {
                return Err(misuse("101 has no Content-Length"));
            }
            state.head.add("Upgrade", protocol)?;
            state.status = Some(Status::SWITCHING_PROTOCOLS);
            state.begin_body(false);
        }
        // The limit on the request's body does not apply to the bytes of the other protocol.
        self.io.set_input_limit(u64::MAX, || io::ErrorKind::InvalidData.into());
        // The connection switches protocols while the handler is suspended, so from here on the stream carries the
        // other protocol.
        self.io.yield_now()?;
        Ok(Upgraded { io: &self.io, rfile: self.io.rfile() })
    }
}

/// The byte stream of a connection that has switched to another protocol. [`Exchange::upgrade`] returns it.
///
/// Reading and writing work as with [`Rfile`] and [`Wfile`](super::Wfile): both can suspend the handler, and other
/// clients are then served. Small writes are buffered until the handler suspends or returns. As with a
/// [`TcpStream`](std::net::TcpStream), reads can have a timeout.
pub struct Upgraded<'x> {
    pub(super) io: &'x HandlerIo<'x>,
    pub(super) rfile: Rfile<'x>,
}

impl Upgraded<'_> {
    /// Sets the maximum time for which a read waits for bytes. A read that times out fails with an error of kind
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) and can be tried again. `None`, the default, means no limit.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.io.set_read_timeout(timeout);
    }

    /// With `true`, a read never waits: it fails with an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if
    /// there are no bytes. Writing still waits for the client. `true` is the same as a read timeout of zero, and
    /// `false` is the same as no read timeout.
    pub fn set_nonblocking(&self, nonblocking: bool) {
        self.io.set_read_timeout(nonblocking.then_some(Duration::ZERO));
    }

    /// Waits for a change of a shared value, like [`Exchange::wait_until`], and for the client at the same time. Also
    /// returns `None` when bytes have arrived or the client has closed its sending side. Together with
    /// [`set_nonblocking`](Upgraded::set_nonblocking), this lets a handler send the messages of other handlers
    /// immediately and also read from its client. The example `websocket_chat` does this.
    ///
    /// # Errors
    /// Returns the same errors as [`Exchange::wait_until`].
    pub fn wait_until<T, R>(
        &self,
        shared: &Shared<T>,
        timeout: Option<Duration>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        self.io.wait_until(shared, timeout, true, look)
    }
}

impl Read for Upgraded<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.rfile.read(buf)
    }
}

impl BufRead for Upgraded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.rfile.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.rfile.consume(count);
    }
}

impl Write for Upgraded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.io.wfile().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Upgraded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}
