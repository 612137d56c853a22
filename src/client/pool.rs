//! `Pool`: connections that are kept open between requests, for several servers at once.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::places::{Places, PoolKey};
use super::{ClientSettings, Connector, Error, HttpConnection, HttpResponse, RequestBody, ThreadConnector, authority};
use crate::http::HeaderList;

/// Connections that are kept open between requests.
///
/// A connection is given to the next request for the same scheme, host and port after its response has been read to its end,
/// unless either side ends it. The one that was used last is used first. Requests beyond
/// [`PoolSettings::max_per_host`] wait in their order. Clones share their connections.
///
/// ```no_run
/// use serve_forever::client::{Error, Pool};
///
/// # fn main() -> Result<(), Error> {
/// let pool = Pool::new();
/// for page in ["/", "/next"] {
///     let mut response = pool.fetch("GET", &format!("http://www.example{page}"), (), &[])?;
///     println!("{} {} bytes", response.status().code(), response.read_all()?.len());
/// }
/// # Ok(()) }
/// ```
pub struct Pool<C: PoolConnector = ThreadConnector> {
    connector: C,
    settings: Arc<PoolSettings>,
    places: Arc<Places<C>>,
}

impl<C: PoolConnector> Clone for Pool<C> {
    fn clone(&self) -> Self {
        let (settings, places) = (Arc::clone(&self.settings), Arc::clone(&self.places));
        Pool { connector: self.connector.clone(), settings, places }
    }
}

impl<C: PoolConnector> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A [`Connector`] whose users can wait until one of them gives a connection back.
pub trait PoolConnector: Connector {
    /// A number that all users of a pool see, and on whose change they can wait.
    type Queue: Default;

    /// The current number.
    fn number(queue: &Self::Queue) -> u64;

    /// Increases the number, and wakes everything that waits for its change.
    fn notify(queue: &Self::Queue);

    /// Waits until the number differs from `seen`.
    ///
    /// # Errors
    /// `TimedOut` if `until` comes first; another error if waiting is not possible any more.
    fn wait_for_change(&self, queue: &Self::Queue, seen: u64, until: Option<Instant>) -> io::Result<()>;
}

/// The settings of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Connections that are kept without a request, for all servers together. The one that is idle longest is closed first.
    /// 100 by default; 0 keeps none.
    pub max_idle: usize,
    /// Connections in use for one server. Requests beyond them wait, for as long as a connection may take to open. 16 by
    /// default.
    pub max_per_host: usize,
    /// A connection that has been idle for longer is closed instead of used. 30 seconds by default, because many servers close
    /// idle connections after a minute.
    pub idle_timeout: Duration,
    /// The settings of the connections.
    pub connection: ClientSettings,
}

impl Default for PoolSettings {
    fn default() -> Self {
        PoolSettings {
            max_idle: 100,
            max_per_host: 16,
            idle_timeout: Duration::from_secs(30),
            connection: ClientSettings::default(),
        }
    }
}

impl Pool {
    /// A pool for threads with the default settings.
    pub fn new() -> Pool {
        Pool::with_connector(ThreadConnector, PoolSettings::default())
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new()
    }
}

impl<C: PoolConnector> Pool<C> {
    /// A pool whose connections are opened by `connector`.
    pub fn with_connector(connector: C, settings: PoolSettings) -> Pool<C> {
        Pool { connector, settings: Arc::new(settings), places: Arc::default() }
    }

    /// The same pool for another user: `connector` does its waiting, and opens its connections.
    pub fn for_connector(&self, connector: C) -> Pool<C> {
        Pool { connector, ..self.clone() }
    }

    /// The same connections under other settings.
    pub fn with_settings(&self, settings: PoolSettings) -> Pool<C> {
        Pool { settings: Arc::new(settings), ..self.clone() }
    }

    /// Sends a request to the server of an absolute URL, and waits for the response. The request has the same form as that of
    /// [`HttpConnection::request`].
    ///
    /// A server may close an idle connection at the moment in which the next request is sent over it. So a request is sent once
    /// more, over a new connection, if it went over a used one that ended without a byte of a response, its method is
    /// idempotent, and its body can be sent again (RFC 9112 section 9.3.1).
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if the URL is not absolute, [`Error::PoolFull`] if no connection became free in time, or as for
    /// [`HttpConnection::request`] and [`HttpConnection::getresponse`].
    pub fn fetch<'b>(
        &self,
        method: &str,
        url: &str,
        body: impl Into<RequestBody<'b>>,
        headers: &[(&str, &str)],
    ) -> Result<PooledResponse<C>, Error> {
        let mut fields = HeaderList::new();
        for (name, value) in headers {
            fields.add(name, *value)?;
        }
        self.fetch_with(method, url, body.into(), &fields)
    }

    /// As [`Pool::fetch`], with fields whose values are bytes.
    ///
    /// # Errors
    /// As for [`Pool::fetch`].
    pub fn fetch_with(
        &self,
        method: &str,
        url: &str,
        body: RequestBody<'_>,
        headers: &HeaderList,
    ) -> Result<PooledResponse<C>, Error> {
        let (key, target) = authority::split_url(url)?;
        let mut connection = self.take(key.clone(), false)?;
        let again = body.repeated().filter(|_| connection.was_used && is_idempotent(method));
        match connection.exchange(method, target, body, headers) {
            Err(_) if connection.failed_unanswered() && again.is_some() => {
                drop(connection);
                let mut connection = self.take(key, true)?;
                let response = connection.exchange(method, target, again.unwrap_or_default(), headers)?;
                Ok(PooledResponse { response, connection })
            }
            result => Ok(PooledResponse { response: result?, connection }),
        }
    }

    /// A connection to the server of an absolute URL, whose path plays no part. It is given back when it is dropped. A response
    /// that is not read to its end by then keeps it from being used again.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] or [`Error::PoolFull`], as for [`Pool::fetch`].
    pub fn connection(&self, url: &str) -> Result<PooledConnection<C>, Error> {
        self.take(authority::split_url(url)?.0, false)
    }

    /// Closes the connections that have been idle for too long. Without it this happens when the next one of the same server is
    /// used.
    pub fn close_idle(&self) {
        self.places.close_idle(self.connector.now(), self.settings.idle_timeout);
    }

    /// Takes a place, and with it a connection that is idle unless `fresh`.
    fn take(&self, key: PoolKey, fresh: bool) -> Result<PooledConnection<C>, Error> {
        let settings = connection_settings(&self.settings.connection, key.is_secure)?;
        let now = self.connector.now();
        let until = settings.connect_timeout.or(settings.timeout).and_then(|wait| now.checked_add(wait));
        self.places.enter(&self.connector, &key, self.settings.max_per_host, until)?;
        let link = if fresh { None } else { self.places.idle_link(&key, now, self.settings.idle_timeout) };
        let was_used = link.is_some();
        let made = HttpConnection::with_connector(self.connector.clone(), &key.host, Some(key.port));
        let connection = made.map(|made| made.settings(settings).with_open_link(link));
        if connection.is_err() {
            self.places.leave(&key);
        }
        Ok(PooledConnection { connection: connection?, key, was_used, pool: self.clone() })
    }
}

/// The settings for a server of `http` or `https`.
fn connection_settings(given: &ClientSettings, is_secure: bool) -> Result<ClientSettings, Error> {
    if is_secure && !given.is_secure() {
        return Err(Error::Tls("the pool has no settings for https".to_owned()));
    }
    let mut settings = given.clone();
    #[cfg(feature = "client-tls")]
    if !is_secure {
        settings.tls = None;
    }
    // The program does not open the connections of a pool itself.
    settings.auto_open = true;
    Ok(settings)
}

/// True for the methods that may be repeated (RFC 9110 section 9.2.2).
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// A connection of a [`Pool`]. It is given back when it is dropped.
pub struct PooledConnection<C: PoolConnector = ThreadConnector> {
    connection: HttpConnection<C>,
    key: PoolKey,
    was_used: bool,
    pool: Pool<C>,
}

impl<C: PoolConnector> PooledConnection<C> {
    /// True if another request was sent over the connection before.
    pub fn was_used(&self) -> bool {
        self.was_used
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
            .field("was_used", &self.was_used)
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
        if let Some(link) = self.connection.take_idle_link() {
            self.pool.places.keep(&self.key, link, self.pool.connector.now(), self.pool.settings.max_idle);
        }
        self.pool.places.leave(&self.key);
    }
}

/// The response to [`Pool::fetch`], with its connection, which is given back when this is dropped.
pub struct PooledResponse<C: PoolConnector = ThreadConnector> {
    // The response is dropped first: the connection is then idle, or closed.
    response: HttpResponse<C::Stream>,
    connection: PooledConnection<C>,
}

impl<C: PoolConnector> PooledResponse<C> {
    /// True if another request was sent over the connection before.
    pub fn was_reused(&self) -> bool {
        self.connection.was_used
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
