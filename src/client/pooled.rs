//! `PooledConnection` and `PooledResponse`: a connection taken from a pool, and its response.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::{Deref, DerefMut};

use super::places::{KeptLink, PoolKey};
use super::{ClientChannel, Error, HttpConnection, HttpResponse, Pool, PoolConnector, RequestBody, ThreadConnector};
use crate::http::HeaderList;

/// True for the idempotent methods of RFC 9110 section 9.2.2, which may be repeated.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// The maximum length in bytes of a body that [`PooledResponse::read_ahead`] reads into memory.
const MOST_AHEAD: u64 = 1 << 30;

/// A connection taken from a [`Pool`]. Dropping it returns it to the pool.
pub struct PooledConnection<C: PoolConnector = ThreadConnector> {
    connection: HttpConnection<C>,
    key: PoolKey,
    pool: Pool<C>,
}

impl<C: PoolConnector> PooledConnection<C> {
    pub(super) fn new(connection: HttpConnection<C>, key: PoolKey, pool: Pool<C>) -> Self {
        PooledConnection { connection, key, pool }
    }

    /// True if the connection came from the pool's idle connections and has therefore carried earlier requests. Becomes
    /// false when a request finds the connection closed and opens it again.
    pub fn was_used(&self) -> bool {
        self.connection.has_used_link
    }

    /// Sends a request and waits for its response. The request may be repeated over a new connection, as with
    /// [`Pool::fetch`].
    ///
    /// # Errors
    /// Returns the errors of [`HttpConnection::request`] and [`HttpConnection::getresponse`].
    pub fn fetch_with(
        mut self,
        method: &str,
        target: &str,
        body: RequestBody<'_>,
        headers: &HeaderList,
    ) -> Result<PooledResponse<C>, Error> {
        let again = body.repeated().filter(|_| is_idempotent(method));
        let result = self.exchange(method, target, body, headers);
        let may_be_stale = self.was_used() && self.connection.failed_unanswered();
        if let (Err(_), true, Some(body)) = (&result, may_be_stale, again) {
            let (pool, key) = (self.pool.clone(), self.key.clone());
            // Dropping the connection frees its place. Otherwise, `take` would wait for that place if all others are
            // taken.
            drop(self);
            let mut connection = pool.take(key, true)?;
            let response = connection.exchange(method, target, body, headers)?;
            return Ok(PooledResponse::new(response, connection));
        }
        Ok(PooledResponse::new(result?, self))
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        body: RequestBody<'_>,
        headers: &HeaderList,
    ) -> Result<HttpResponse<C::Stream>, Error> {
        self.connection.request_with(method, target, body, headers, false)?;
        self.connection.getresponse()
    }
}

impl<C: PoolConnector> fmt::Debug for PooledConnection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection")
            .field("to", &self.key)
            .field("was_used", &self.was_used())
            .finish_non_exhaustive()
    }
}

impl<C: PoolConnector> Deref for PooledConnection<C> {
    type Target = HttpConnection<C>;

    fn deref(&self) -> &HttpConnection<C> {
        &self.connection
    }
}

impl<C: PoolConnector> DerefMut for PooledConnection<C> {
    fn deref_mut(&mut self) -> &mut HttpConnection<C> {
        &mut self.connection
    }
}

impl<C: PoolConnector> Drop for PooledConnection<C> {
    fn drop(&mut self) {
        let Pool { connector, settings, places } = &self.pool;
        let link = self.connection.take_idle_link().and_then(|link| link.over(C::park).ok());
        places
            .leave(&self.key, link.map(|link| KeptLink { link, since: connector.now(), max_idle: settings.max_idle }));
    }
}

/// The response to [`Pool::fetch`], with its connection. Dropping the response returns the connection to the pool.
pub struct PooledResponse<C: PoolConnector = ThreadConnector> {
    // Declared before `connection`, so that it is dropped first: the connection must be idle or closed when it returns
    // to the pool.
    response: HttpResponse<C::Stream>,
    /// The connection; `None` after it has been returned to the pool.
    connection: Option<PooledConnection<C>>,
    was_reused: bool,
}

impl<C: PoolConnector> PooledResponse<C> {
    fn new(response: HttpResponse<C::Stream>, connection: PooledConnection<C>) -> PooledResponse<C> {
        let was_reused = connection.was_used();
        PooledResponse { response, connection: Some(connection), was_reused }
    }

    /// True if the connection of this response had already carried another request.
    pub fn was_reused(&self) -> bool {
        self.was_reused
    }

    /// Reads the body into memory and returns the connection to the pool, if the length of the body is known and
    /// exceeds neither `most` bytes nor 1 GiB. Returns true in that case. Later reads return the body from memory.
    ///
    /// A proxy calls this before it responds, so that the connection can serve other requests while the proxy's client
    /// slowly reads the response.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpResponse::read_all`].
    pub fn read_ahead(&mut self, most: u64) -> Result<bool, Error> {
        if self.response.length().is_none_or(|length| length > most.min(MOST_AHEAD)) {
            return Ok(false);
        }
        self.response.read_ahead()?;
        self.connection = None;
        Ok(true)
    }

    /// Returns the stream if this response switched the connection to another protocol; see
    /// [`HttpResponse::into_upgraded`]. The connection leaves the pool and no longer counts towards
    /// [`PoolSettings::max_per_host`](super::PoolSettings::max_per_host).
    pub fn into_upgraded(self) -> Option<(ClientChannel<C::Stream>, Vec<u8>)> {
        self.response.into_upgraded()
    }
}

impl<C: PoolConnector> fmt::Debug for PooledResponse<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledResponse").field("status", &self.response.status()).finish_non_exhaustive()
    }
}

impl<C: PoolConnector> Deref for PooledResponse<C> {
    type Target = HttpResponse<C::Stream>;

    fn deref(&self) -> &HttpResponse<C::Stream> {
        &self.response
    }
}

impl<C: PoolConnector> DerefMut for PooledResponse<C> {
    fn deref_mut(&mut self) -> &mut HttpResponse<C::Stream> {
        &mut self.response
    }
}

impl<C: PoolConnector> Read for PooledResponse<C> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.response.read(into)
    }
}

impl<C: PoolConnector> BufRead for PooledResponse<C> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.response.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.response.consume(count);
    }
}
