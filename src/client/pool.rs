//! `Pool`: connections to several servers, kept open between requests. The type of a connection in use is in
//! `pooled.rs`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::places::{Places, PoolKey};
use super::pooled::{PooledConnection, PooledResponse};
use super::{ClientSettings, ClientStream, Connector, Error, HttpConnection, RequestBody, ThreadConnector, authority};
use crate::http::HeaderList;

/// Connections that are kept open between requests.
///
/// A connection whose response has been read completely is used for the next request with the same scheme, host and
/// port, unless either side closes it. The most recently used connection is used first. Requests beyond
/// [`PoolSettings::max_per_host`] wait in order of arrival. Clones share their connections.
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
///
/// By default, `https` is not configured, and, as in Python, there are no time limits, so a call blocks forever if the
/// server never responds. Set both in [`PoolSettings::connection`]:
///
/// ```no_run
/// # #[cfg(feature = "client-tls")] {
/// use std::time::Duration;
/// use serve_forever::client::{ClientTls, Error, Pool, PoolSettings};
///
/// # fn main() -> Result<(), Error> {
/// let mut settings = PoolSettings::default();
/// settings.connection.timeout = Some(Duration::from_secs(30));
/// settings.connection.tls = Some(ClientTls::system_roots()?);
/// let pool = Pool::new().with_settings(settings);
/// println!("{}", pool.fetch("GET", "https://www.example/", (), &[])?.status());
/// # Ok(()) }
/// # }
/// ```
///
/// For the pool of HTTP handlers, set them with [`Handlers::pool`](crate::handler::Handlers::pool).
pub struct Pool<C: PoolConnector = ThreadConnector> {
    pub(super) connector: C,
    pub(super) settings: Arc<PoolSettings>,
    pub(super) places: Arc<Places<C::Parked, C::Queue>>,
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

/// A [`Connector`] whose idle connections a pool can pass from one user to another. A user is a thread or a handler.
pub trait PoolConnector: Connector {
    /// The type of an idle connection, which belongs to no user.
    type Parked: ClientStream;

    /// Detaches an idle connection from its user, so that the pool can keep it.
    ///
    /// # Errors
    /// Returns an error if the connection cannot be kept. The connection is then closed.
    fn park(stream: Self::Stream) -> io::Result<Self::Parked>;

    /// Attaches an idle connection to the user of this connector.
    ///
    /// # Errors
    /// Returns an error if the user cannot use a connection now. The connection is then closed.
    fn unpark(&self, parked: Self::Parked) -> io::Result<Self::Stream>;

    /// The type of the counter that wakes the users waiting for a connection.
    type Queue: PoolQueue;

    /// Waits until the counter of `queue` differs from `seen`.
    ///
    /// # Errors
    /// Returns `TimedOut` if `until` passes first; another error if waiting is no longer possible.
    fn wait_for_change(&self, queue: &Self::Queue, seen: u64, until: Option<Instant>) -> io::Result<()>;
}

/// A counter that all users of a pool share. A user that needs a connection waits until the counter changes, and then
/// tries again.
pub trait PoolQueue: Default {
    /// The current value of the counter.
    fn number(&self) -> u64;

    /// Increments the counter, and wakes all users that wait for it to change.
    fn notify(&self);
}

/// The settings of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// The maximum number of idle connections to all servers together. If there are more, the connection that has been
    /// idle longest is closed. 0 means that no idle connection is kept. Default: 100.
    pub max_idle: usize,
    /// The maximum number of connections to one server that are in use at the same time. Further requests wait, but not
    /// longer than the time limit for opening a connection. 0 allows no connection: every request fails immediately
    /// with [`Error::PoolFull`]. Default: 16.
    pub max_per_host: usize,
    /// The time after which an idle connection is no longer used. Default: 30 seconds, because many servers close idle
    /// connections after a minute.
    pub idle_timeout: Duration,
    /// The settings of the connections. By default, there are no time limits, and TLS is not configured.
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
    /// Creates a connection pool with the default settings. The methods of the pool block the calling thread.
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
    /// Creates a pool that opens its connections with `connector`.
    pub fn with_connector(connector: C, settings: PoolSettings) -> Pool<C> {
        Pool { connector, settings: Arc::new(settings), places: Arc::default() }
    }

    /// Returns a handle to this pool for another user. The new handle waits and opens connections with `connector`.
    pub fn for_connector<D>(&self, connector: D) -> Pool<D>
    where
        D: PoolConnector<Parked = C::Parked, Queue = C::Queue>,
    {
        Pool::from_parts(connector, Arc::clone(&self.settings), Arc::clone(&self.places))
    }

    pub(crate) fn from_parts(
        connector: C,
        settings: Arc<PoolSettings>,
        places: Arc<Places<C::Parked, C::Queue>>,
    ) -> Pool<C> {
        Pool { connector, settings, places }
    }

    /// Returns a handle to this pool with other settings. An idle connection is used only if it was opened with the
    /// same values of `tls`, `source` and `connect_to`.
    pub fn with_settings(&self, settings: PoolSettings) -> Pool<C> {
        Pool { settings: Arc::new(settings), ..self.clone() }
    }

    /// Sends a request to the server of an absolute URL, and waits for the response. The arguments are those of
    /// [`HttpConnection::request`].
    ///
    /// A server can close an idle connection just as the next request is sent. A request is therefore repeated once,
    /// over a new connection, if all of the following hold: a previously used connection ended before the first byte of
    /// the response; the method is idempotent; and the body can be sent again (RFC 9112 section 9.3.1).
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] if the URL is not absolute; [`Error::PoolFull`] if no connection became free in
    /// time; and the errors of [`HttpConnection::request`] and [`HttpConnection::getresponse`].
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

    /// Like [`Pool::fetch`], with field values as bytes.
    ///
    /// # Errors
    /// Returns the same errors as [`Pool::fetch`].
    pub fn fetch_with(
        &self,
        method: &str,
        url: &str,
        body: RequestBody<'_>,
        headers: &HeaderList,
    ) -> Result<PooledResponse<C>, Error> {
        let (key, target) = authority::split_url(url)?;
        self.take(key, false)?.fetch_with(method, target, body, headers)
    }

    /// Returns a connection to the server of an absolute URL: an idle one from the pool, or a new one that the
    /// first request opens. The path of the URL is ignored. Dropping the connection returns it to the
    /// pool, which reuses it only if the last response was read completely.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] or [`Error::PoolFull`], in the same cases as for [`Pool::fetch`].
    pub fn connection(&self, url: &str) -> Result<PooledConnection<C>, Error> {
        self.take(authority::split_url(url)?.0, false)
    }

    /// Closes the connections that have been idle for [`PoolSettings::idle_timeout`]. Without a call to this method,
    /// such a connection is closed only when the pool next needs a connection to the same server.
    pub fn close_idle(&self) {
        _ = self.places.close_idle(self.connector.now(), self.settings.idle_timeout);
    }

    /// Waits for a place if necessary, takes it, and returns an idle connection. If `fresh` is true or no connection is
    /// idle, returns a new one.
    pub(super) fn take(&self, mut key: PoolKey, fresh: bool) -> Result<PooledConnection<C>, Error> {
        let settings = connection_settings(&self.settings.connection, key.is_secure)?;
        key.route = settings.route();
        let until =
            settings.connect_timeout.or(settings.timeout).and_then(|wait| self.connector.now().checked_add(wait));
        self.places.enter(&self.connector, &key, self.settings.max_per_host, until)?;
        let made = self.open(&key, settings, fresh);
        if made.is_err() {
            self.places.leave(&key, None);
        }
        Ok(PooledConnection::new(made?, key, self.clone()))
    }

    /// Returns an idle connection, or a new one that the first request opens. The caller must have taken a place.
    fn open(&self, key: &PoolKey, settings: ClientSettings, fresh: bool) -> Result<HttpConnection<C>, Error> {
        let idle = match fresh {
            true => None,
            false => self.places.take_idle(key, self.connector.now(), self.settings.idle_timeout),
        };
        let link = idle.map(|idle| idle.over(|parked| self.connector.unpark(parked))).transpose()?;
        let made = HttpConnection::of_server(self.connector.clone(), key.host.clone(), Some(key.port));
        Ok(made.settings(settings).with_open_link(link))
    }
}

/// The settings for an `https` connection if `is_secure` is true; otherwise, those for an `http` connection. Fails for
/// `https` if TLS is not configured.
fn connection_settings(given: &ClientSettings, is_secure: bool) -> Result<ClientSettings, Error> {
    if is_secure && !given.is_secure() {
        let missing = match cfg!(feature = "client-tls") {
            true => "the pool has no settings for https: set PoolSettings::connection.tls",
            false => "https needs the feature client-tls of serve-forever, and PoolSettings::connection.tls",
        };
        return Err(Error::Tls(missing.to_owned()));
    }
    let mut settings = given.clone();
    #[cfg(feature = "client-tls")]
    if !is_secure {
        settings.tls = None;
    }
    // A pool has no method that opens a connection, so the first request must open it.
    settings.auto_open = true;
    Ok(settings)
}
