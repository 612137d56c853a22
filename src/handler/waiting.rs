//! The methods of an exchange that wait for anything other than the client. `coroutine/` suspends the handler.

use std::fmt;
use std::io;
use std::time::Duration;

use super::exchange::Exchange;
use crate::coroutine::{OutgoingConnector, OutgoingStream, Shared};

impl Exchange<'_> {
    /// Suspends the handler for the duration `time`, during which other clients are served. Like Python's `time.sleep(0)`,
    /// a sleep of zero lets the other connections run once.
    ///
    /// The example `deferred` delays a response in this way.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.io.sleep(time)
    }

    /// Runs blocking code or a long computation on a worker thread, and suspends the handler until it returns. Other
    /// clients are served during that time. This replaces Python's `ThreadingMixIn`. If all worker threads (see
    /// [`Handlers::workers`](super::Handlers::workers)) are busy, `work` waits until one is free.
    ///
    /// # Errors
    /// Returns an error with the panic message if `work` panics. Returns an error of kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects first; `work` then still runs
    /// to completion, and its result is dropped.
    pub fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.io.offload(work)
    }

    /// Suspends the handler until `look` returns `Some` for the value of `shared`, and returns that result. Returns
    /// `None` when `timeout` has passed. `look` is called immediately, and again after each [`Shared::with`] on any
    /// thread. No change is missed, and waiting costs nothing while the value does not change. The `look` functions of
    /// waiting handlers are called in the order in which the handlers began to wait.
    ///
    /// A wait that is in progress when the server begins to stop also ends with `None`, so that a handler that waits
    /// repeatedly can check [`is_stopping`](Self::is_stopping) between two waits.
    ///
    /// `look` may change the value when it returns `Some`, for example by taking an element from a queue. The other
    /// handlers that wait for `shared` then check it again. When `look` returns `None`, it should not change the value.
    ///
    /// If the head of the response has not been sent yet, the client gets 504 after
    /// [`Limits::answer_timeout`](crate::Limits::answer_timeout), 60 seconds by default, and the handler ends. A longer
    /// `timeout` requires a longer limit.
    ///
    /// The example `live_reload` sends each change to a page as a server-sent event.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first, and of kind [`Deadlock`](io::ErrorKind::Deadlock) inside [`Shared::with`].
    pub fn wait_until<T, R>(
        &self,
        shared: &Shared<T>,
        timeout: Option<Duration>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        self.io.wait_until(shared, timeout, false, look)
    }

    /// True if the server is stopping: it is finishing the responses in flight, and will close their connections after
    /// [`Limits::grace`](crate::Limits::grace). Also true if the client has disconnected.
    pub fn is_stopping(&self) -> bool {
        self.io.is_stopping()
    }

    /// Suspends the handler until the server begins to stop or `timeout` has passed. Returns true if the server is
    /// stopping. A handler whose response never ends can wait in this way between two parts of the response, so that it
    /// does not delay a server that is stopping:
    ///
    /// ```
    /// use std::io::{self, Write};
    /// use std::time::{Duration, SystemTime};
    /// use serve_forever::handler::{Exchange, RequestHandler};
    ///
    /// /// Server-sent events: the time of day, once a second.
    /// struct Clock;
    ///
    /// impl RequestHandler for Clock {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         x.send_response(200)?;
    ///         x.send_header("Content-Type", "text/event-stream")?;
    ///         x.end_headers()?;
    ///         while !x.wait_for_stop(Duration::from_secs(1))? {
    ///             write!(x.wfile(), "data: {}\n\n", x.date_time_string(Some(SystemTime::now())))?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first.
    pub fn wait_for_stop(&self, timeout: Duration) -> io::Result<bool> {
        self.io.wait_for_stop(timeout)
    }

    /// Connects to `HOST:PORT`. The returned connection is blocking, but it suspends only this handler. A host name is
    /// resolved on a worker thread, and its addresses are tried in turn. `timeout` limits the time until the connection
    /// is established, and then each wait on the connection ([`OutgoingStream::set_timeout`]). `None` means no limit.
    ///
    /// [`Handlers::outgoing`](super::Handlers::outgoing) limits the total number of connections that are open across a
    /// server's handlers.
    ///
    /// ```
    /// use std::io::{self, BufRead, BufReader, Write};
    /// use std::time::Duration;
    /// use serve_forever::handler::{Exchange, RequestHandler};
    ///
    /// /// Asks a server that answers each line with a line.
    /// struct Ask;
    ///
    /// impl RequestHandler for Ask {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         let mut server = x.connect_tcp("127.0.0.1:7000", Some(Duration::from_secs(5)))?;
    ///         writeln!(server, "GET {}", x.path())?;
    ///         let mut answer = String::new();
    ///         BufReader::new(server).read_line(&mut answer)?;
    ///         x.send_response(200)?;
    ///         x.end_headers()?;
    ///         x.wfile().write_all(answer.as_bytes())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns an error of kind [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`, of kind
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) at the limit on connections, or of kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects first. Also returns any error
    /// from the operating system.
    pub fn connect_tcp(&self, address: impl fmt::Display, timeout: Option<Duration>) -> io::Result<OutgoingStream<'_>> {
        self.io.connect_tcp(&address, timeout)
    }

    /// A connector that opens connections for this handler. With the `client` feature, an `HttpConnection` can use it.
    /// For a plain TCP connection, [`connect_tcp`](Self::connect_tcp) is sufficient.
    pub fn connector(&self) -> OutgoingConnector<'_> {
        self.io.connector()
    }
}
