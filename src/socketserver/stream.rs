//! Servers for raw connections on TCP and Unix sockets, and the interface for their handlers.
//!
//! The session of a connection is in `stream_session.rs`.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::address::Address;
use super::listener::StreamListener;
use super::raw_handler::{BoxedErrors, RawHandler};
use super::socket_file::SocketFile;
use super::stream_session::{StreamSession, TlsCell};
use crate::coroutine::{
    CoroutineSettings, HandlerIo, HandlerResources, OutgoingConnector, OutgoingStream, Rfile, Shared, Wfile,
};
use crate::event_loop::{LoopCore, LoopMember, Registration, Served, Stopped};
use crate::failure::IntoError;
use crate::log::AccessLog;
use crate::log_hooks::LogHooks;
use crate::reactor::{Accept, Acceptor, Signals};
use crate::session::Session;
use crate::tls_info::TlsInfo;
#[cfg(feature = "tls")]
use crate::transport::tls::{TlsScratch, TlsStream};
use crate::{ListenOptions, Stopper};

/// A handler that serves one connection, like Python's `StreamRequestHandler`.
///
/// `E` is the error type of `handle`. The default is [`io::Error`]; other types, such as `anyhow::Error` or `Box<dyn
/// Error>`, are also allowed. See [`IntoError`].
///
/// ```
/// use std::error::Error;
/// use std::io::{BufRead, Write};
/// use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};
///
/// struct Double;
/// impl StreamRequestHandler<Box<dyn Error>> for Double {
///     fn handle(&mut self, x: &mut StreamRequest<'_>) -> Result<(), Box<dyn Error>> {
///         for line in x.rfile().lines() {
///             writeln!(x.wfile(), "{}", 2 * line?.parse::<i64>()?)?;
///         }
///         Ok(())
///     }
/// }
/// let server = TcpServer::bind("127.0.0.1:0")?.handler(|| Double);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait StreamRequestHandler<E = io::Error> {
    /// Handles a connection by reading from the client and writing to it. When this method returns, the bytes that it
    /// has written are sent, and the connection is closed.
    ///
    /// # Errors
    /// Any error closes the connection and is written to the log, unless it reports that the client has disconnected.
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> Result<(), E>;
}

impl<H: StreamRequestHandler<E>, E: IntoError<M>, M> StreamRequestHandler<Box<dyn Error>> for BoxedErrors<H, E, M> {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> Result<(), Box<dyn Error>> {
        self.0.handle(x).map_err(IntoError::into_error)
    }
}

/// A connection that a handler serves, with methods for reading, writing, waiting and logging.
pub struct StreamRequest<'y> {
    peer: Address,
    tls: Option<Arc<TlsInfo>>,
    io: HandlerIo<'y>,
}

impl StreamRequest<'_> {
    /// The address of the client.
    pub fn client_address(&self) -> &Address {
        &self.peer
    }

    /// The result of the TLS handshake; `None` if the connection is not encrypted.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// A reader for the bytes that the client sends. Returns EOF after the client has closed its sending side, or when
    /// the server stops.
    pub fn rfile(&self) -> Rfile<'_> {
        self.io.rfile()
    }

    /// A writer for the bytes sent to the client. Small writes are collected until the handler suspends or returns.
    pub fn wfile(&self) -> Wfile<'_> {
        self.io.wfile()
    }

    /// Suspends the handler for the duration `time`. Meanwhile, other clients are served.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.io.sleep(time)
    }

    /// Runs `work`, which can block or compute for a long time, on a worker thread, and suspends the handler until
    /// `work` returns. A server has at most 8 worker threads. If none of them is free, `work` starts later.
    ///
    /// # Errors
    /// Returns an error with the panic message if `work` panics. Returns an error of kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects first; `work` then still runs
    /// to completion, and its result is dropped.
    pub fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.io.offload(work)
    }

    /// Suspends the handler until `look` returns `Some` for the value of `shared`, and returns the value in that
    /// `Some`. Returns `None` if `timeout` passes first. `look` is called immediately, and again after each
    /// [`Shared::with`] on any thread. No change is missed, and waiting uses no processor time while the value does not
    /// change. The `look` functions of waiting handlers are called in the order in which the handlers began to wait.
    ///
    /// A wait that is in progress when the server begins to stop also ends with `None`, so that a handler that waits
    /// repeatedly can check [`is_stopping`](Self::is_stopping) between two waits.
    ///
    /// `look` may change the value when it returns `Some`, for example by taking an element from a queue. The other
    /// handlers that wait for `shared` then check the value again. A `look` that returns `None` should not change the
    /// value.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first, and of kind [`Deadlock`](io::ErrorKind::Deadlock) if called inside [`Shared::with`].
    pub fn wait_until<T, R>(
        &self,
        shared: &Shared<T>,
        timeout: Option<Duration>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        self.io.wait_until(shared, timeout, false, look)
    }

    /// True if the server is stopping. Every handler then reads EOF, and has 5 seconds to return. Also true if the
    /// client has disconnected.
    pub fn is_stopping(&self) -> bool {
        self.io.is_stopping()
    }

    /// Suspends the handler until the server is stopping or `timeout` has passed. Returns true if the server is
    /// stopping.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects
    /// first.
    pub fn wait_for_stop(&self, timeout: Duration) -> io::Result<bool> {
        self.io.wait_for_stop(timeout)
    }

    /// Connects to `HOST:PORT`. The calls of the returned connection block, but suspend only this handler. A host name
    /// is resolved on a worker thread, and its addresses are tried in turn. `timeout` limits the time for connecting,
    /// and then each wait on the connection ([`OutgoingStream::set_timeout`]). `None` means no limit.
    ///
    /// All handlers of a server together can have at most 1024 such connections open.
    ///
    /// # Errors
    /// Returns an error of kind [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`, of kind
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) at the limit on connections, or of kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects first. Also returns any error
    /// from the operating system.
    pub fn connect_tcp(&self, address: impl fmt::Display, timeout: Option<Duration>) -> io::Result<OutgoingStream<'_>> {
        self.io.connect_tcp(&address, timeout)
    }

    /// Returns a connector whose connections suspend only this handler. Use it for a connection that
    /// [`connect_tcp`](Self::connect_tcp) cannot open, such as an `HttpConnection` with the `client` feature.
    pub fn connector(&self) -> OutgoingConnector<'_> {
        self.io.connector()
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.io.log_message(text);
    }
}

impl fmt::Debug for StreamRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamRequest from {}", self.peer)
    }
}

/// A server for connections of any protocol. A new handler serves each connection.
#[must_use = "a server serves nothing until it runs"]
pub struct StreamServer<L> {
    /// Declared first, so that it is dropped first: the path is unlinked before the socket is closed.
    _file: Option<SocketFile>,
    listener: L,
    address: Address,
    /// The function that creates the handler for a connection. If it is `None`, connections are closed immediately.
    factory: Option<StreamHandlerFactory>,
    settings: CoroutineSettings,
    timeout: Duration,
    log: RefCell<AccessLog>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
    core: LoopCore,
}

type StreamHandlerFactory = Box<dyn Fn() -> Box<dyn StreamRequestHandler<Box<dyn Error>>> + Send>;

/// A TCP server, like Python's `TCPServer`, or like its `ThreadingTCPServer` without threads.
///
/// See the example `line_echo`.
pub type TcpServer = StreamServer<mio::net::TcpListener>;

/// A server on a Unix socket, like Python's `UnixStreamServer`. Dropping the server removes the socket's file.
pub type UnixStreamServer = StreamServer<mio::net::UnixListener>;

impl TcpServer {
    /// Creates a server on the first of `addresses` that can be bound, with the default [`ListenOptions`].
    ///
    /// # Errors
    /// Returns an error if no address can be bound. The error message contains the last address and the reason.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpServer> {
        TcpServer::from_listener(ListenOptions::default().bind(addresses)?)
    }

    /// Creates a server for a listener that the program has already bound.
    ///
    /// # Errors
    /// Returns an error if the listener cannot be made non-blocking.
    pub fn from_listener(listener: std::net::TcpListener) -> io::Result<TcpServer> {
        listener.set_nonblocking(true)?;
        let address = Address::Net(listener.local_addr()?);
        StreamServer::new(mio::net::TcpListener::from_std(listener), address)
    }

    /// Encrypts all connections with TLS. `config` is a rustls configuration, or a value that can be converted to one.
    /// The handler of a connection starts after the handshake, for which the client has 10 seconds, or the time set
    /// with [`timeout`](StreamServer::timeout) if that is shorter.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> TcpServer {
        self.tls = Some(config.into());
        self
    }

    /// The address of the listener. If the server was bound to port 0, the port is the one that the system chose.
    pub fn server_address(&self) -> SocketAddr {
        // NOTE(unwrap): only `from_listener` creates TCP servers, and it sets a network address.
        self.address.net().expect("a TCP server has a network address")
    }

    /// True if a TLS configuration is set, so that connections use TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

impl UnixStreamServer {
    /// Creates a server on the socket file `path`, which must not exist yet.
    ///
    /// # Errors
    /// Returns an error if the file exists or cannot be created.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixStreamServer> {
        let path = path.as_ref();
        let listener = mio::net::UnixListener::bind(path)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display())))?;
        StreamServer::new(listener, Address::Unix(Some(path.to_owned())))
    }
}

impl<L: StreamListener> StreamServer<L> {
    fn new(listener: L, address: Address) -> io::Result<StreamServer<L>> {
        let (settings, timeout) = (CoroutineSettings::default(), Duration::from_secs(300));
        let (log, core) = (AccessLog::unless_set().into(), LoopCore::new()?);
        Ok(StreamServer {
            _file: address.path().map(|path| SocketFile(path.to_owned())),
            listener,
            address,
            factory: None,
            settings,
            timeout,
            log,
            #[cfg(feature = "tls")]
            tls: None,
            core,
        })
    }

    /// Sets the factory that creates a handler for each connection. Without a factory, connections are closed
    /// immediately.
    pub fn handler<H, E, M>(mut self, factory: impl Fn() -> H + Send + 'static) -> Self
    where
        H: StreamRequestHandler<E> + 'static,
        E: IntoError<M> + 'static,
        M: 'static,
    {
        self.factory = Some(Box::new(move || Box::new(BoxedErrors::new(factory()))));
        self
    }

    /// Sets the maximum number of handlers that run or are suspended at the same time. Further connections wait until a
    /// handler ends. Default: 1024.
    pub fn most(mut self, most: usize) -> Self {
        self.settings.max_handlers = most;
        self
    }

    /// Sets the maximum time for which a handler waits for a client that neither sends nor reads. The connection is
    /// then closed. Default: 5 minutes. Corresponds to Python's `timeout`, which is unlimited by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the log for the messages and failures of handlers. Default: standard error.
    pub fn log(mut self, log: AccessLog) -> Self {
        self.log = log.into();
        self
    }

    /// Makes [`serve_forever`](StreamServer::serve_forever) return on SIGINT and SIGTERM.
    ///
    /// # Errors
    /// Returns an error if a signal handler cannot be installed.
    pub fn stop_on_termination(mut self) -> io::Result<Self> {
        self.core.stop_on_termination()?;
        Ok(self)
    }

    /// Returns a handle with which another thread or a handler can stop this server.
    pub fn stopper(&self) -> Stopper {
        self.core.stopper()
    }

    /// Serves until a [`Stopper`] or a signal stops the server. Every handler then reads EOF, and has 5 seconds to
    /// return.
    ///
    /// # Errors
    /// Returns an error if the system's selector fails. Errors caused by clients are not returned.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let (core, registration) = self.prepare();
        core.serve_forever(vec![registration])
    }

    /// Waits for one connection, for at most `timeout`, and serves it until it ends. `None` means no limit.
    ///
    /// # Errors
    /// Returns the same errors as [`serve_forever`](StreamServer::serve_forever).
    pub fn handle_request(&mut self, timeout: Option<Duration>) -> io::Result<Served> {
        let (core, registration) = self.prepare();
        core.handle_request(timeout, registration)
    }

    /// Returns the loop, and this server's acceptor and hooks for one run of the loop.
    fn prepare(&mut self) -> (&mut LoopCore, Registration<'_>) {
        let accept = StreamAccept {
            listener: &mut self.listener,
            factory: &self.factory,
            resources: HandlerResources::new(&self.settings),
            timeout: self.timeout,
            log: &self.log,
            #[cfg(feature = "tls")]
            tls: self.tls.clone().map(|config| (config, Rc::default())),
        };
        (&mut self.core, Registration::new(vec![Acceptor::new(accept)], LogHooks(&self.log)))
    }
}

impl<L: StreamListener> LoopMember for StreamServer<L> {
    fn register(&mut self) -> Registration<'_> {
        self.prepare().1
    }

    fn take_signals(&mut self) -> Option<Signals> {
        self.core.take_signals()
    }

    fn quieten(&mut self) {
        self.log.get_mut().quieten();
    }
}

impl<L> fmt::Debug for StreamServer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The acceptor of a stream server. Creates a session for each connection.
struct StreamAccept<'s, L> {
    listener: &'s mut L,
    factory: &'s Option<StreamHandlerFactory>,
    resources: HandlerResources,
    timeout: Duration,
    log: &'s RefCell<AccessLog>,
    #[cfg(feature = "tls")]
    tls: Option<(Arc<rustls::ServerConfig>, Rc<TlsScratch>)>,
}

impl<'s, L: StreamListener> Accept<'s> for StreamAccept<'s, L> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.listener.source(), token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) {
        _ = registry.deregister(self.listener.source());
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let (stream, peer) = self.listener.accept()?;
        let Some(factory) = self.factory else { return Ok(None) };
        // If the factory panics, only this connection is closed.
        let Ok(mut handler) = catch_unwind(AssertUnwindSafe(factory)) else { return Ok(None) };
        let (client, tls) = (peer.clone(), TlsCell::default());
        let agreed = Rc::clone(&tls);
        let handle = move |io: HandlerIo<'_>| {
            let tls = agreed.get().cloned();
            handler.handle(&mut StreamRequest { peer: client, tls, io })
        };
        let handler = RawHandler::new(&self.resources, peer, self.log, handle);
        #[cfg(feature = "tls")]
        if let Some((config, scratch)) = &self.tls {
            let stream = TlsStream::accept(stream, Arc::clone(config), Rc::clone(scratch)).map_err(io::Error::other)?;
            return Ok(Some(Box::new(StreamSession::new(stream, handler, tls, self.timeout, now))));
        }
        Ok(Some(Box::new(StreamSession::new(stream, handler, tls, self.timeout, now))))
    }
}
