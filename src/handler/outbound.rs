//! HTTP requests that handlers send to other servers, through a connector for [`client`](crate::client). Waits on these
//! connections suspend the handler.
//!
//! The protocol is in `client`, and the socket in `coroutine/outgoing.rs`.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use crate::client::{
    ClientStream, Connector, Error, HttpConnection, Places, Pool, PoolConnector, PoolQueue, PoolSettings,
    PooledResponse, Readiness, RequestBody, ServerAddress,
};
use crate::coroutine::{OutgoingConnector, OutgoingStream, ParkedStream, Shared};
use crate::http::{HttpError, Status};

impl Exchange<'_> {
    /// Creates a connection to another server, as [`HttpConnection::new`] does for a thread. Waits on the connection
    /// suspend only this handler. No socket is opened yet. If the handler's client disconnects, the next operation on
    /// the connection fails, and the connection is closed when the handler ends.
    ///
    /// ```
    /// use std::io;
    /// use serve_forever::handler::{Exchange, HttpError, RequestHandler};
    ///
    /// /// The page of another server.
    /// struct Mirror;
    ///
    /// impl RequestHandler for Mirror {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         let mut origin = x.connect("www.example").map_err(HttpError::from)?;
    ///         origin.request("GET", x.path(), (), &[]).map_err(HttpError::from)?;
    ///         let mut page = origin.getresponse().map_err(HttpError::from)?;
    ///         x.send_response(page.status())?;
    ///         x.end_headers()?;
    ///         io::copy(&mut page, &mut x.wfile()).map(drop)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`HttpConnection::new`].
    pub fn connect(&self, host: &str) -> Result<HttpConnection<OutgoingConnector<'_>>, Error> {
        HttpConnection::with_connector(self.connector(), host, None)
    }

    /// The pool of connections to other servers that the handlers of this server keep between requests. After one
    /// handler has returned a connection to the pool, the next handler that sends a request to the same server uses it.
    /// The first handler may have ended by then. The settings are those of [`Handlers::pool`](super::Handlers::pool).
    ///
    /// The loop closes connections that have been idle for too long. A connection that the other server has closed is
    /// detected when it is next used; see [`Pool::fetch`] for what happens to a request that fails for this reason.
    /// When this server stops, idle connections are closed.
    ///
    /// ```
    /// use std::io;
    /// use serve_forever::client::RequestBody;
    /// use serve_forever::handler::{Exchange, HttpError, RequestHandler};
    ///
    /// /// Passes requests without a body on to another server.
    /// struct Proxy;
    ///
    /// impl RequestHandler for Proxy {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         let origin = x.pool().connection("http://127.0.0.1:9000").map_err(HttpError::from)?;
    ///         let fetched = origin.fetch_with("GET", x.path(), RequestBody::Empty, &x.headers().end_to_end());
    ///         let mut page = fetched.map_err(HttpError::from)?;
    ///         x.send_response(page.status())?;
    ///         x.end_headers()?;
    ///         io::copy(&mut page, &mut x.wfile()).map(drop)
    ///     }
    /// }
    /// ```
    pub fn pool(&self) -> Pool<OutgoingConnector<'_>> {
        let HandlerPool { settings, places } = self.pool;
        Pool::from_parts(self.connector(), Arc::clone(settings), Arc::clone(places))
    }

    /// Sends a request to the server of an absolute URL over a connection from [`pool`](Exchange::pool), and waits for
    /// the response, like [`Pool::fetch`].
    ///
    /// # Errors
    /// Returns the same errors as [`Pool::fetch`].
    pub fn fetch<'b>(
        &self,
        method: &str,
        url: &str,
        body: impl Into<RequestBody<'b>>,
        headers: &[(&str, &str)],
    ) -> Result<PooledResponse<OutgoingConnector<'_>>, Error> {
        self.pool().fetch(method, url, body, headers)
    }
}

/// The pool that the handlers of a server share.
#[derive(Clone)]
pub(super) struct HandlerPool {
    settings: Arc<PoolSettings>,
    places: Arc<Places<ParkedStream, HandlerQueue>>,
}

impl HandlerPool {
    pub(super) fn new(settings: PoolSettings) -> HandlerPool {
        HandlerPool { settings: Arc::new(settings), places: Arc::default() }
    }

    /// The default settings of the pool: those of [`PoolSettings`], but without a limit on the connections to one host.
    pub(super) fn default_settings() -> PoolSettings {
        // The number of connections to a host is not limited, because a proxy may need one for each of its clients.
        // With a limit, a few slow clients would delay all others.
        PoolSettings { max_per_host: usize::MAX, ..PoolSettings::default() }
    }

    /// Closes the connections that have been idle for too long. Returns the time until the next connection must be
    /// closed; `None` if no connection is idle.
    pub(super) fn close_idle(&self, now: Instant) -> Option<Duration> {
        self.places.close_idle(now, self.settings.idle_timeout)
    }

    /// Closes all idle connections.
    pub(super) fn close_all(&self) {
        self.places.close_all();
    }
}

impl<'h> Connector for OutgoingConnector<'h> {
    type Stream = OutgoingStream<'h>;

    /// Resolves the host name on a worker thread and then connects.
    fn connect(&self, to: &ServerAddress, until: Option<Instant>) -> Result<OutgoingStream<'h>, Error> {
        let addresses = self.resolve(&to.host, to.port, until).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::ConnectionAborted => Error::Io(error),
            _ => Error::Resolve(error),
        })?;
        self.open_first(addresses, to.source, until).map_err(Error::Io)
    }

    fn now(&self) -> Instant {
        OutgoingConnector::now(*self)
    }
}

/// The queue in which handlers wait for a connection of a [`Pool`](crate::client::Pool).
#[derive(Debug, Default)]
pub struct HandlerQueue {
    number: AtomicU64,
    /// Handlers that wait for a change of `number` wait on this shared value, which contains no data. A call of
    /// [`Shared::with`] makes all of them compare `number` again, so it follows each change of `number`.
    changed: Shared<()>,
}

impl PoolQueue for HandlerQueue {
    fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    fn notify(&self) {
        self.number.fetch_add(1, Ordering::AcqRel);
        self.changed.with(|()| ());
    }
}

impl<'h> PoolConnector for OutgoingConnector<'h> {
    type Queue = HandlerQueue;
    type Parked = ParkedStream;

    fn park(stream: OutgoingStream<'h>) -> io::Result<ParkedStream> {
        Ok(stream.park())
    }

    fn unpark(&self, parked: ParkedStream) -> io::Result<OutgoingStream<'h>> {
        OutgoingConnector::unpark(*self, parked)
    }

    fn wait_for_change(&self, queue: &HandlerQueue, seen: u64, until: Option<Instant>) -> io::Result<()> {
        let look = |(): &mut ()| (queue.number() != seen).then_some(());
        match self.wait_until(&queue.changed, until, look)? {
            None if until.is_some_and(|until| until <= self.now()) => Err(io::ErrorKind::TimedOut.into()),
            // The wait also ends when the server begins to stop, although `number` has not changed. The pool then waits
            // again.
            _ => Ok(()),
        }
    }
}

impl ClientStream for OutgoingStream<'_> {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        OutgoingStream::try_read(self, into)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        OutgoingStream::try_write(self, bytes)
    }

    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()> {
        self.wait_for(what != Readiness::Output, what != Readiness::Input, until)
    }

    fn expect_input(&mut self) {
        OutgoingStream::expect_input(self);
    }

    fn interrupt_reads(&mut self, on: bool) {
        self.connector().interrupt_reads(on);
    }

    fn end_output(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn now(&self) -> Instant {
        OutgoingConnector::now(self.connector())
    }
}

/// The stream of an idle connection. The pool uses it only to check whether the connection is still usable.
impl ClientStream for ParkedStream {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        ParkedStream::try_read(self, into)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        ParkedStream::try_write(self, bytes)
    }

    /// Returns an error, because there is no handler that could be suspended.
    fn wait(&mut self, _: Readiness, _: Option<Instant>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Instant {
        self.time()
    }
}

impl From<Error> for HttpError {
    /// Converts an error from another server to the status that a gateway sends: 504 after a timeout, otherwise 502
    /// (RFC 9110 sections 15.6.3 and 15.6.5). The error becomes the [`cause`](HttpError::cause), so it is logged.
    fn from(error: Error) -> Self {
        let is_late = error.kind() == io::ErrorKind::TimedOut;
        HttpError::new(if is_late { Status::GATEWAY_TIMEOUT } else { Status::BAD_GATEWAY }).cause(error)
    }
}
