//! The client's side in handlers: a connector of [`client`](crate::client) whose waits suspend the handler.
//!
//! The protocol stays out, and so does the socket (`coroutine/outgoing.rs`).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::event::PollFlags;

use super::exchange::Exchange;
use crate::client::{ClientStream, Connector, Error, HttpConnection, PoolConnector, Readiness, ServerAddress};
use crate::coroutine::{OutgoingConnector, OutgoingStream, Shared};
use crate::http::{HttpError, Status};

impl Exchange<'_> {
    /// A connection to another server, as [`HttpConnection::new`] makes it for a thread: its waits suspend this handler, and no
    /// other. Nothing is opened yet. If the client of the handler disconnects, what the handler does next with the connection is
    /// an error, and the connection closes with it.
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
    /// As [`HttpConnection::new`].
    pub fn connect(&self, host: &str) -> Result<HttpConnection<OutgoingConnector<'_>>, Error> {
        HttpConnection::with_connector(self.connector(), host, None)
    }
}

impl<'h> Connector for OutgoingConnector<'h> {
    type Stream = OutgoingStream<'h>;

    /// Resolves the name on a worker thread.
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

/// The queue of a [`Pool`](crate::client::Pool) for handlers.
#[derive(Debug, Default)]
pub struct HandlerQueue {
    number: AtomicU64,
    /// Announces a change of the number. Only a change may use `with`, because it resumes the handlers that wait.
    changed: Shared<()>,
}

impl PoolConnector for OutgoingConnector<'_> {
    type Queue = HandlerQueue;

    fn number(queue: &HandlerQueue) -> u64 {
        queue.number.load(Ordering::Acquire)
    }

    fn notify(queue: &HandlerQueue) {
        queue.number.fetch_add(1, Ordering::AcqRel);
        queue.changed.with(|()| ());
    }

    fn wait_for_change(&self, queue: &HandlerQueue, seen: u64, until: Option<Instant>) -> io::Result<()> {
        let look = |(): &mut ()| (Self::number(queue) != seen).then_some(());
        match self.wait_until(&queue.changed, until, look)? {
            None if until.is_some_and(|until| until <= self.now()) => Err(io::ErrorKind::TimedOut.into()),
            // A server that begins to stop ends the wait, too. The pool then waits again.
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
        let conditions = match what {
            Readiness::Input => PollFlags::IN,
            Readiness::Output => PollFlags::OUT,
            Readiness::Either => PollFlags::IN | PollFlags::OUT,
        };
        self.wait_for(conditions, until)
    }

    fn now(&self) -> Instant {
        OutgoingConnector::now(self.connector())
    }
}

impl From<Error> for HttpError {
    /// The status of a gateway for another server that fails: 504 if that takes too long, otherwise 502 (RFC 9110 sections
    /// 15.6.3 and 15.6.5).
    fn from(error: Error) -> Self {
        let is_late = matches!(error, Error::Timeout(_)) || io::Error::from(error).kind() == io::ErrorKind::TimedOut;
        HttpError::new(if is_late { Status::GATEWAY_TIMEOUT } else { Status::BAD_GATEWAY })
    }
}
