//! The methods that configure an [`HttpServer`] before it serves. The server is bound and run in `server.rs`.

use std::io;
use std::net::SocketAddr;
#[cfg(any(feature = "harness", feature = "tls"))]
use std::sync::Arc;
use std::time::Duration;

use super::{HttpServer, Reload};
use crate::handler::{HandlerError, Handlers, RequestHandler};
use crate::http::{ErrorPage, Version};
use crate::limits::Limits;
use crate::log::AccessLog;
use crate::reactor::{Lifetime, SignalAction};
use crate::service::IntoService;
#[cfg(feature = "harness")]
use crate::statistics::Statistics;
use crate::transport::Pace;
use crate::watchdog::Watchdog;

impl HttpServer {
    /// Sets the service that produces the responses: a [`Service`](crate::service::Service), or a closure that takes a
    /// request and returns a [`Response`](crate::service::Response) or a `Result`.
    ///
    /// ```
    /// use serve_forever::{HttpServer, http::Request, service::Response};
    /// # fn main() -> std::io::Result<()> {
    /// let server = HttpServer::bind("127.0.0.1:0")?.service(|request: &Request| -> anyhow::Result<Response> {
    ///     let bytes = std::fs::read("Cargo.toml")?;
    ///     Ok(Response::text(format!("{} {} bytes", request.method(), bytes.len())))
    /// });
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn service<M>(self, service: impl IntoService<M, Service: Send + 'static>) -> HttpServer {
        self.state.set_service(service.into_service());
        self
    }

    /// Serves each connection with its own handler, with the default settings of [`Handlers`].
    ///
    /// The factory is `Send`, because a server can be moved to another thread before it runs. A handler never leaves
    /// its server's thread, so it can contain an `Rc` or a `RefCell`. The factory must create such values itself, or
    /// they must be `Send`.
    pub fn handler<H, E, M>(self, factory: impl Fn() -> H + Send + 'static) -> HttpServer
    where
        H: RequestHandler<E> + 'static,
        E: HandlerError<M>,
        M: 'static,
    {
        self.service(Handlers::new(factory))
    }

    /// Sets the limits on clients: sizes, durations and the number of connections.
    pub fn limits(self, limits: Limits) -> HttpServer {
        self.state.set_limits(limits);
        self
    }

    /// Encrypts all connections with TLS. `config` is a rustls configuration, or any type that can be converted to one.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: impl Into<Arc<rustls::ServerConfig>>) -> HttpServer {
        self.state.set_tls(config.into());
        self
    }

    /// Adds `Strict-Transport-Security` with this duration to all responses over TLS, including errors. Browsers then
    /// use only HTTPS for this host (RFC 6797). With a duration of zero, browsers may use HTTP for this host again.
    /// With `None`, the default, the field is omitted.
    #[cfg(feature = "tls")]
    pub fn hsts(self, max_age: Option<Duration>) -> HttpServer {
        self.state.set_hsts(max_age);
        self
    }

    /// Sets the HTTP version in status lines. With [`Version::Http10`], a connection closes after every response,
    /// unless the response has `Connection: keep-alive`.
    pub fn protocol(self, protocol: Version) -> HttpServer {
        self.state.set_protocol(protocol);
        self
    }

    /// Sets the value of the `Server` field in all responses, like Python's `version_string`. An empty value omits the
    /// field.
    ///
    /// # Errors
    /// Returns an error if `name` contains a control character or a character above U+00FF, because these are not valid
    /// in a header field.
    pub fn server_name(self, name: &str) -> io::Result<HttpServer> {
        self.state.set_server_name(name)?;
        Ok(self)
    }

    /// Adds a header field to all responses, including errors. If a response already has a field with this name, both
    /// are sent.
    ///
    /// # Errors
    /// Returns an error if `name` and `value` do not form a valid header field.
    pub fn common_header(self, name: &str, value: &str) -> io::Result<HttpServer> {
        self.state.add_common_header(name, value)?;
        Ok(self)
    }

    /// Sets the page for error responses, like Python's `error_message_format` and `error_content_type`.
    pub fn error_page(mut self, page: impl ErrorPage + 'static) -> HttpServer {
        self.state.error_page = Box::new(page);
        self
    }

    /// Sets the server's log. By default, it is written to standard error.
    pub fn log(mut self, log: AccessLog) -> HttpServer {
        self.state.log = log.into();
        self
    }

    /// Sets how long a call to the service may run before the request line is written to standard error. Default: 5
    /// seconds. No other client is served during a call. The time is checked by a separate thread, which exists only
    /// while there are requests. This setting does not apply to [`FileService`](crate::files::FileService); for
    /// handlers, use [`Handlers::stuck_after`].
    pub fn stuck_after(mut self, time: Duration) -> HttpServer {
        self.state.watchdog = Some(Watchdog::new(time));
        self
    }

    /// Sets the maximum time for which the loop sleeps, like Python's `poll_interval`, so that
    /// [`service_actions`](HttpServer::service_actions) is called at least once in that time. Without this setting, an
    /// idle server sleeps until an event or a deadline.
    pub fn poll_interval(mut self, interval: Duration) -> HttpServer {
        self.poll_interval = Some(interval);
        self
    }

    /// Sets a callback that is called at the end of every turn of the loop.
    pub fn service_actions(mut self, actions: impl FnMut() + Send + 'static) -> HttpServer {
        self.service_actions = Some(Box::new(actions));
        self
    }

    /// Calls `work` once every `interval` while the server runs, between two turns of the loop. The first call is one
    /// interval after the beginning of the run. No client is served during a call. The minimum interval is a
    /// millisecond. Call this method again to add more work.
    ///
    /// ```
    /// use std::time::Duration;
    /// use serve_forever::{HttpServer, service::Response};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut server = HttpServer::bind("127.0.0.1:0")?.service(|_| Response::text("hello"));
    /// let (stopper, mut calls) = (server.stopper(), 0);
    /// server = server.every(Duration::from_millis(1), move || {
    ///     calls += 1;
    ///     if calls == 3 {
    ///         stopper.stop();
    ///     }
    /// });
    /// server.serve_forever()?;
    /// # Ok(()) }
    /// ```
    pub fn every(mut self, interval: Duration, work: impl FnMut() + Send + 'static) -> HttpServer {
        self.periodic.add(interval, work);
        self
    }

    /// Sets a callback for signals with [`SignalAction::Reload`]. It is called between two turns, before the log file
    /// is reopened. The changes that it makes apply to requests that begin afterwards.
    ///
    /// ```
    /// use serve_forever::{HttpServer, http::Request, service::Response};
    ///
    /// fn texts(text: String) -> impl Fn(&Request) -> Response + Send {
    ///     move |_: &Request| Response::text(text.clone())
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let server = HttpServer::bind("127.0.0.1:0")?.service(texts("hello".into())).on_reload(|server| {
    ///     match std::fs::read_to_string("text") {
    ///         Ok(text) => server.set_service(texts(text)),
    ///         Err(error) => server.message(&format!("cannot read 'text': {error}")),
    ///     }
    /// });
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn on_reload(mut self, reload: impl FnMut(&Reload<'_>) + Send + 'static) -> HttpServer {
        self.on_reload = Some(Box::new(reload));
        self
    }

    /// Sets a callback that is called as soon as it is certain that the run will end: when the server begins to drain,
    /// at the beginning of [`Lifetime::lame_duck`], or before an immediate end. It is called once per run, between two
    /// turns.
    pub fn on_stopping(mut self, stopping: impl FnMut() + Send + 'static) -> HttpServer {
        self.on_stopping = Some(Box::new(stopping));
        self
    }

    /// Sets how long [`serve_forever`](HttpServer::serve_forever) runs before it drains by itself, and how long it
    /// keeps running after a signal.
    ///
    /// ```
    /// use std::time::Duration;
    /// use serve_forever::{HttpServer, Lifetime, Stopped};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let lifetime = Lifetime { duration: Some(Duration::from_millis(1)), ..Lifetime::default() };
    /// let mut server = HttpServer::bind("127.0.0.1:0")?.lifetime(lifetime);
    /// assert_eq!(server.serve_forever()?, Stopped::ByLifetime);
    /// # Ok(()) }
    /// ```
    pub fn lifetime(mut self, lifetime: Lifetime) -> HttpServer {
        self.core.set_lifetime(lifetime);
        self
    }

    /// Makes the server and its companion count their activity. The same counters can be passed to a
    /// [`StatisticsService`](crate::statistics::StatisticsService). In an [`EventLoop`](crate::EventLoop), connections
    /// and turns are not counted, because they belong to the loop and not to one of its servers. Counters that were set
    /// for the companion itself are replaced.
    #[cfg(feature = "harness")]
    pub fn statistics(mut self, statistics: Arc<Statistics>) -> HttpServer {
        if let Some(companion) = &mut self.companion {
            companion.statistics = Some(Arc::clone(&statistics));
        }
        self.statistics = Some(statistics);
        self
    }

    /// Stops the server, like [`Stopper::stop`](crate::Stopper::stop), when this pipe or socket reports EOF or an
    /// error. This usually means that the process at the other end has exited. Bytes that arrive on it are discarded.
    #[cfg(unix)]
    pub fn stop_at_end_of(mut self, input: impl Into<std::os::fd::OwnedFd>) -> HttpServer {
        self.core.stop_at_end_of(input.into());
        self
    }

    /// Sets a predicate for client addresses. If it returns false, the connection is closed without sending a byte.
    pub fn verify_request(mut self, verify: impl Fn(SocketAddr) -> bool + Send + 'static) -> HttpServer {
        self.verify_request = Some(Box::new(verify));
        self
    }

    /// Makes every connection read and write only a few bytes at a time, and pause between reads and writes. Use it to
    /// test services and clients with messages that are split at any position, and to watch the loop. Timeouts are not
    /// changed. A pace that limits neither reads nor writes has no effect.
    pub fn pace(mut self, pace: Pace) -> HttpServer {
        let is_limited = pace.max_read.is_some() || pace.max_write.is_some();
        self.pace = Some(pace).filter(|_| is_limited);
        self
    }

    /// Runs another server, the companion, on the loop of this server. The companion can, for example, redirect clients
    /// to this server. The companion starts and ends together with this server, and keeps its address, service, log,
    /// limits and callbacks, as in an [`EventLoop`](crate::EventLoop). It keeps its own counters if this server has none.
    /// The companion's own signals, [`stopper`](HttpServer::stopper), [`lifetime`](HttpServer::lifetime) and trace have no
    /// effect. [`handle_request`](HttpServer::handle_request) does not serve the companion.
    ///
    /// ```
    /// use serve_forever::{HttpServer, HttpsRedirect, http::Request, service::Response};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let redirect = HttpServer::bind("127.0.0.1:0")?.service(HttpsRedirect::to_port(8443));
    /// let server = HttpServer::bind("127.0.0.1:0")?.service(|_: &Request| Response::text("hello"));
    /// let server = server.with_companion(redirect);
    /// # drop(server);
    /// # Ok(()) }
    /// ```
    pub fn with_companion(mut self, companion: HttpServer) -> HttpServer {
        #[cfg(feature = "harness")]
        let companion = HttpServer { statistics: self.statistics.clone().or(companion.statistics), ..companion };
        self.companion = Some(Box::new(companion));
        self
    }

    /// Makes the server handle these signals while it runs. Each signal has its own action.
    ///
    /// # Errors
    /// Returns an error if a handler for one of the signals cannot be installed.
    pub fn stop_on_signals(mut self, actions: &[(i32, SignalAction)]) -> io::Result<HttpServer> {
        self.core.stop_on_signals(actions)?;
        Ok(self)
    }

    /// If true, the listeners are closed when a run begins to drain. New connections then go to another process that
    /// listens on the same port, instead of waiting for this one. The server cannot be run again after such a run.
    pub fn release_on_drain(mut self, release: bool) -> HttpServer {
        self.release_on_drain = release;
        self
    }

    /// Makes SIGINT and SIGTERM stop [`serve_forever`](HttpServer::serve_forever): no further connections are accepted,
    /// and responses in flight can be completed within [`Limits::grace`]. A second signal closes all connections
    /// immediately.
    ///
    /// # Errors
    /// Returns an error if a handler for one of the signals cannot be installed.
    pub fn stop_on_termination(mut self) -> io::Result<HttpServer> {
        self.core.stop_on_termination()?;
        Ok(self)
    }
}

#[cfg(all(test, feature = "harness"))]
mod tests {
    use super::*;

    #[test]
    fn a_companion_keeps_its_counters_unless_its_server_has_some() {
        let server = || HttpServer::bind("127.0.0.1:0").unwrap();
        let (own, shared) = (Arc::new(Statistics::new("own")), Arc::new(Statistics::new("shared")));
        let counters_of = |main: HttpServer| {
            let main = main.with_companion(server().statistics(Arc::clone(&own)));
            main.companion.and_then(|companion| companion.statistics).unwrap()
        };
        assert!(Arc::ptr_eq(&counters_of(server()), &own));
        assert!(Arc::ptr_eq(&counters_of(server().statistics(Arc::clone(&shared))), &shared));
    }
}
