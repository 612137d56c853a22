//! `HttpServer`: binding and serving. The settings of a server are in `server/configure.rs`. The loop is in `reactor/`,
//! and the protocol in `http1/`.

mod configure;
mod hooks;
mod reload;
mod sessions;
mod watch;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(feature = "harness")]
use std::sync::Arc;
use std::time::Duration;

use crate::connection::ServerState;
use crate::event_loop::{LoopCore, LoopMember, Periodic, Registration, Served, Stopped};
use crate::http::{Request, Status};
use crate::listen::ListenOptions;
use crate::reactor::{Acceptor, Signals, Stopper};
use crate::service::Response;
#[cfg(feature = "harness")]
use crate::statistics::{LoopMeter, Statistics};
use crate::transport::Pace;
use crate::watchdog::{STUCK_AFTER, Watchdog};
#[cfg(feature = "harness")]
use hooks::MeteredHooks;
use hooks::{Callbacks, HttpHooks};
use reload::OnReload;
pub use reload::Reload;
use sessions::HttpSessions;
use watch::{PreparedRun, Watch, WatchedServer};

/// An HTTP server that runs on one thread, like Python's `HTTPServer`, and serves many clients at the same time, like
/// Python's `ThreadingHTTPServer`.
///
/// ```
/// use serve_forever::{HttpServer, http::Request, service::Response};
///
/// # fn main() -> std::io::Result<()> {
/// let mut server = HttpServer::bind("127.0.0.1:0")?.service(|_: &Request| Response::text("hello"));
/// println!("listening on {}", server.server_address());
/// let stopper = server.stopper();
/// # stopper.stop();
/// server.serve_forever()?; // until another thread or a handler calls stopper.stop()
/// # Ok(()) }
/// ```
#[must_use = "a server serves nothing until it runs"]
pub struct HttpServer {
    /// The listeners. A listener that was closed because of `release_on_drain` is `None`.
    listeners: Vec<Option<mio::net::TcpListener>>,
    release_on_drain: bool,
    address: SocketAddr,
    state: ServerState,
    core: LoopCore,
    poll_interval: Option<Duration>,
    service_actions: Option<Box<dyn FnMut() + Send>>,
    on_reload: Option<Box<OnReload>>,
    periodic: Periodic,
    on_stopping: Option<Box<dyn FnMut() + Send>>,
    verify_request: Option<Box<dyn Fn(SocketAddr) -> bool + Send>>,
    companion: Option<Box<HttpServer>>,
    pace: Option<Pace>,
    #[cfg(feature = "harness")]
    statistics: Option<Arc<Statistics>>,
    watch: WatchedServer,
}

impl HttpServer {
    /// Binds the first address that can be bound, with the options of [`ListenOptions::http`]. Port 0 means any free
    /// port; [`HttpServer::server_address`] returns it.
    ///
    /// Until [`service`](HttpServer::service) or [`handler`](HttpServer::handler) is called, every response is 501, as
    /// with Python's `BaseHTTPRequestHandler`.
    ///
    /// # Errors
    /// Returns an error if no address can be bound. The error names the last address and the reason.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<HttpServer> {
        HttpServer::from_listeners(vec![ListenOptions::http().bind(addresses)?])
    }

    /// Binds all of these addresses, with the options of [`ListenOptions::http`].
    ///
    /// # Errors
    /// Returns an error if one of the addresses cannot be bound. The error names this address, and the addresses that
    /// were bound before it are released.
    pub fn bind_all(addresses: &[SocketAddr]) -> io::Result<HttpServer> {
        let options = ListenOptions::http();
        HttpServer::from_listeners(addresses.iter().map(|address| options.bind(address)).collect::<Result<_, _>>()?)
    }

    /// Creates a server for listeners that are already bound, by [`ListenOptions`] or by a parent process.
    ///
    /// # Errors
    /// Returns an error if `listeners` is empty, if one of them cannot be made non-blocking, or if the system cannot
    /// create a poll for the loop.
    pub fn from_listeners(listeners: Vec<TcpListener>) -> io::Result<HttpServer> {
        let first = listeners.first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no listener"))?;
        let address = first.local_addr()?;
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let mut state = ServerState::new(unsupported, address);
        state.watchdog = Some(Watchdog::new(STUCK_AFTER));
        Ok(HttpServer {
            listeners: listeners.into_iter().map(|listener| Some(mio::net::TcpListener::from_std(listener))).collect(),
            release_on_drain: false,
            address,
            state,
            core: LoopCore::new()?,
            poll_interval: None,
            service_actions: None,
            on_reload: None,
            periodic: Periodic::default(),
            on_stopping: None,
            verify_request: None,
            companion: None,
            pace: None,
            #[cfg(feature = "harness")]
            statistics: None,
            watch: WatchedServer::default(),
        })
    }

    /// The address of the first listener. If port 0 was bound, it contains the port that the system has chosen.
    pub fn server_address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses of all listeners.
    pub fn server_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().flatten().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// A handle through which another thread or a handler can stop this server.
    pub fn stopper(&self) -> Stopper {
        self.core.stopper()
    }

    /// The number of responses that were cut short at the end of the last run, because
    /// [`Limits::grace`](crate::Limits::grace) had passed or the run was ended immediately.
    pub fn cut_responses(&self) -> usize {
        self.core.cut_responses()
    }

    /// Serves until a [`Stopper`] or a signal stops the server. The server then accepts no further connections, and
    /// responses in flight can be completed within [`Limits::grace`](crate::Limits::grace). The server can be run
    /// again.
    ///
    /// # Errors
    /// Returns an error if the system's selector fails. Clients cannot cause this error.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        self.prepare(false)?.serve_forever()
    }

    /// Serves with a [`poll_interval`](HttpServer::poll_interval), like Python's `serve_forever(poll_interval)`.
    ///
    /// # Errors
    /// Returns the same errors as [`serve_forever`](HttpServer::serve_forever).
    pub fn serve_forever_polling(&mut self, interval: Duration) -> io::Result<Stopped> {
        self.poll_interval = Some(interval);
        self.serve_forever()
    }

    /// Waits for one connection, for at most `timeout` if it is set, and serves the first request on the connection.
    ///
    /// # Errors
    /// Returns the same errors as [`serve_forever`](HttpServer::serve_forever).
    pub fn handle_request(&mut self, timeout: Option<Duration>) -> io::Result<Served> {
        self.prepare(true)?.handle_request(timeout)
    }

    /// Prepares a run: creates this server's acceptors and hooks for the loop. If `once` is true, sessions close after
    /// their first response.
    fn prepare(&mut self, once: bool) -> io::Result<PreparedRun<'_>> {
        if self.listeners.iter().all(Option::is_none) {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the listeners were released"));
        }
        Ok(self.split(once, true))
    }

    /// True if a TLS configuration is set, so that new connections use TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.state.tls().is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// True if the server writes a log.
    #[cfg(test)]
    pub(crate) fn is_logging(&self) -> bool {
        self.state.log.borrow().is_on()
    }

    /// Borrows the parts of the server for a run: its loop, its acceptors and hooks, and its recorder if `watched` is
    /// true.
    fn split(&mut self, once: bool, watched: bool) -> PreparedRun<'_> {
        let addresses = self.server_addresses();
        let watch = if watched { self.watch.begin_run(&addresses) } else { Watch::default() };
        let callbacks = Callbacks {
            service_actions: self.service_actions.as_deref_mut(),
            poll_interval: self.poll_interval,
            on_reload: self.on_reload.as_deref_mut(),
            on_stopping: self.on_stopping.as_deref_mut(),
            periodic: Some(&mut self.periodic),
        };
        let hooks = HttpHooks::new(&self.state, callbacks);
        let verify = self.verify_request.as_deref();
        let sessions = HttpSessions::new(&self.state, verify, self.pace, watch, once);
        #[cfg(feature = "harness")]
        let sessions = sessions.counted_by(self.statistics.as_ref());
        let acceptors = acceptors(&mut self.listeners, sessions, self.release_on_drain);
        #[cfg(not(feature = "harness"))]
        let own = Registration::new(acceptors, hooks);
        #[cfg(feature = "harness")]
        let own = match self.statistics.as_deref() {
            Some(statistics) => Registration::new(acceptors, MeteredHooks { hooks, statistics }),
            None => Registration::new(acceptors, hooks),
        };
        let companion = self.companion.as_deref_mut().filter(|_| !once).map(LoopMember::register);
        let registration = match companion {
            Some(companion) => own.and(companion),
            None => own,
        };
        PreparedRun {
            core: &mut self.core,
            registration,
            watch,
            #[cfg(feature = "harness")]
            meter: self.statistics.as_ref().map(|statistics| LoopMeter::new(Arc::clone(statistics))),
        }
    }
}

impl LoopMember for HttpServer {
    fn register(&mut self) -> Registration<'_> {
        self.split(false, false).registration
    }

    fn take_signals(&mut self) -> Option<Signals> {
        self.core.take_signals()
    }

    fn quieten(&mut self) {
        self.state.log.get_mut().quieten();
        self.companion.iter_mut().for_each(|companion| companion.quieten());
    }
}

/// Creates an acceptor for each listener. `sessions` creates the sessions of their connections.
fn acceptors<'s>(
    listeners: &'s mut [Option<mio::net::TcpListener>],
    sessions: HttpSessions<'s>,
    release_on_drain: bool,
) -> Vec<Acceptor<'s>> {
    let acceptor = |listener| {
        let sessions = sessions.clone();
        let make_session = move |stream, peer, now| sessions.make(stream, peer, now);
        Acceptor::listener(listener, Box::new(make_session), release_on_drain)
    };
    listeners.iter_mut().map(acceptor).collect()
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("server_address", &self.address).finish_non_exhaustive()
    }
}

/// Creates the response that Python's handler sends if it lacks a `do_` method for the method of the request.
fn unsupported(request: &Request) -> Response {
    let method: String = request.method().as_str().chars().take(64).collect();
    Response::error(Status::NOT_IMPLEMENTED).message(format!("Unsupported method ('{method}')"))
}
