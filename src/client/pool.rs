//! `Pool`: connections that are kept open between requests, for several servers. Not here: a connection in use
//! (`pooled.rs`).

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
/// Once its response has been read to its end, a connection is used for the next request with the same scheme, host and
/// port, unless either side ends it. The most recently used connection is taken first. Requests beyond
/// [`PoolSettings::max_per_host`] wait in order. Clones share their connections.
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
/// Without further settings there is no https, and no limit of time, as in Python: a server that says nothing keeps its
/// caller for ever. [`PoolSettings::connection`] sets both:
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
/// In a handler, [`Handlers::pool`](crate::handler::Handlers::pool) changes these settings.
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

/// A [`Connector`] whose connections a pool can pass from one user to another.
pub trait PoolConnector: Connector {
    /// An idle connection, which has no user.
    type Parked: ClientStream;

    /// Takes an idle connection from its user.
    ///
    /// # Errors
    /// If the connection cannot be kept. It is then closed.
    fn park(stream: Self::Stream) -> io::Result<Self::Parked>;

    /// Gives an idle connection to the user of this connector.
    ///
    /// # Errors
    /// If the user cannot take a connection now. It is then closed.
    fn unpark(&self, parked: Self::Parked) -> io::Result<Self::Stream>;

    /// The number whose changes users wait for.
    type Queue: PoolQueue;

    /// Waits until the number differs from `seen`.
    ///
    /// # Errors
    /// `TimedOut` if `until` passes first; another error if waiting is no longer possible.
    fn wait_for_change(&self, queue: &Self::Queue, seen: u64, until: Option<Instant>) -> io::Result<()>;
}

/// A number that all users of a pool share. They can wait for its changes.
pub trait PoolQueue: Default {
    /// The number.
    fn number(&self) -> u64;

    /// Increases the number, and wakes all users that wait for a change.
    fn notify(&self);
}

/// The settings of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// The maximum number of idle connections, for all servers together. The one that has been idle longest is closed
    /// first. Default: 100. 0 keeps none.
    pub max_idle: usize,
    /// The maximum number of connections in use for one server. Default: 16. Further requests wait, with the same time
    /// limit as for opening a connection.
    pub max_per_host: usize,
    /// The time after which an idle connection is closed instead of used. Default: 30 seconds, because many servers
    /// close idle connections after a minute.
    pub idle_timeout: Duration,
    /// The settings of the connections: their times, which are unlimited by default, and TLS for `https`, which is not set by
    /// default.
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
    /// Creates a pool for threads with the default settings.
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
    /// Creates a pool whose connections `connector` opens.
    pub fn with_connector(connector: C, settings: PoolSettings) -> Pool<C> {
        Pool { connector, settings: Arc::new(settings), places: Arc::default() }
    }

    /// The same pool for another user, with `connector` for its waits and new connections.
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

    /// The same pool with other settings. An idle connection is used only with the TLS settings and addresses with
    /// which it was opened.
    pub fn with_settings(&self, settings: PoolSettings) -> Pool<C> {
        Pool { settings: Arc::new(settings), ..self.clone() }
    }

    /// Sends a request to the server of an absolute URL, and waits for the response. The arguments are those of
    /// [`HttpConnection::request`].
    ///
    /// A server can close an idle connection just when the next request is sent over it. So a request is repeated once
    /// over a new connection if all of this holds: it was sent over a used connection that ended before the first byte
    /// of the response, its method is idempotent, and its body can be sent again (RFC 9112 section 9.3.1).
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] if the URL is not absolute; [`Error::PoolFull`] if no connection became free in time; and
    /// those of [`HttpConnection::request`] and [`HttpConnection::getresponse`].
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
    /// The same as for [`Pool::fetch`].
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

    /// Takes a connection to the server of an absolute URL. The path of the URL is ignored. Dropping the connection
    /// returns it to the pool. It can be used again only if its response has been read to the end.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] or [`Error::PoolFull`], in the same cases as for [`Pool::fetch`].
    pub fn connection(&self, url: &str) -> Result<PooledConnection<C>, Error> {
        self.take(authority::split_url(url)?.0, false)
    }

    /// Closes the connections that have been idle for too long. Otherwise this happens when a connection to the same
    /// server is next used.
    pub fn close_idle(&self) {
        _ = self.places.close_idle(self.connector.now(), self.settings.idle_timeout);
    }

    /// Takes a place and a connection for it. The connection is a new one if `fresh` is true or none is idle.
    pub(super) fn take(&self, mut key: PoolKey, fresh: bool) -> Result<PooledConnection<C>, Error> {
        let settings = connection_settings(&self.settings.connection, key.is_secure)?;
        key.route = settings.route();
        let until =
            settings.connect_timeout.or(settings.timeout).and_then(|wait| self.connector.now().checked_add(wait));
        self.places.enter(&self.connector, &key, self.settings.max_per_host, until)?;
        let made = self.open(&key, settings, fresh);
        if made.is_err() {
            self.places.leave(&key);
        }
        Ok(PooledConnection::new(made?, key, self.clone()))
    }

    /// Opens a connection for a place that was taken.
    fn open(&self, key: &PoolKey, settings: ClientSettings, fresh: bool) -> Result<HttpConnection<C>, Error> {
        let idle = match fresh {
            true => None,
            false => self.places.take_idle(key, self.connector.now(), self.settings.idle_timeout),
        };
        let link = idle.map(|idle| idle.over(|parked| self.connector.unpark(parked))).transpose()?;
        let made = HttpConnection::with_connector(self.connector.clone(), &key.host, Some(key.port))?;
        Ok(made.settings(settings).with_open_link(link))
    }
}

/// The settings for an `http` or `https` server.
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
    // The caller cannot open a pool's connections itself, so requests must do it.
    settings.auto_open = true;
    Ok(settings)
}
