//! `Pool`: connections that are kept open between requests, for several servers at once. A connection in use is in `pooled.rs`.

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

/// A [`Connector`] whose connections and waits a pool can pass from one user to another.
pub trait PoolConnector: Connector {
    /// An idle connection, which has no user.
    type Parked: ClientStream;

    /// Takes an idle connection from its user.
    ///
    /// # Errors
    /// If it cannot be kept; it is closed then.
    fn park(stream: Self::Stream) -> io::Result<Self::Parked>;

    /// Gives an idle connection to the user of this connector.
    ///
    /// # Errors
    /// If the user cannot have a connection now; it is closed then.
    fn unpark(&self, parked: Self::Parked) -> io::Result<Self::Stream>;

    /// The number on whose change users wait.
    type Queue: PoolQueue;

    /// Waits until the number differs from `seen`.
    ///
    /// # Errors
    /// `TimedOut` if `until` comes first; another error if waiting is not possible any more.
    fn wait_for_change(&self, queue: &Self::Queue, seen: u64, until: Option<Instant>) -> io::Result<()>;
}

/// A number that all users of a pool see, and on whose change they can wait.
pub trait PoolQueue: Default {
    /// The number.
    fn number(&self) -> u64;

    /// Increases the number, and wakes everything that waits for its change.
    fn notify(&self);
}

/// The settings of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Connections that are kept without a request, for all servers together. The one that is idle longest is closed first.
    /// 100 by default; 0 keeps none.
    pub max_idle: usize,
    /// The most connections in use for one server: 16 by default. Requests beyond them wait, for as long as a connection may take
    /// to open.
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

    /// The same pool under other settings. An idle connection is used only under the TLS settings and addresses that it was opened with.
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
        self.take(key, false)?.fetch_with(method, target, body, headers)
    }

    /// A connection to the server of an absolute URL. The path of the URL is ignored. It is given back when it is
    /// dropped. A response that is not read to its end by then keeps it from being used again.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`] or [`Error::PoolFull`], as for [`Pool::fetch`].
    pub fn connection(&self, url: &str) -> Result<PooledConnection<C>, Error> {
        self.take(authority::split_url(url)?.0, false)
    }

    /// Closes the connections that have been idle for too long. Without it this happens when the next one of the same server is
    /// used.
    pub fn close_idle(&self) {
        _ = self.places.close_idle(self.connector.now(), self.settings.idle_timeout);
    }

    /// Takes a place, and with it a connection that is idle unless `fresh`.
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

    /// A connection for a place that was taken.
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
