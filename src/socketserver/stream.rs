use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::socket_file::SocketFile;
use super::stream_session::StreamSession;
use super::talk::talk;
use super::{Address, StreamListener};
use crate::event_loop::{LoopCore, LoopMember, Registration, Served, Stopped};
use crate::handler::{Line, Rfile, Room, Settings, Wfile};
use crate::log::AccessLog;
use crate::log_hooks::LogHooks;
use crate::reactor::{Accept, Acceptor};
use crate::session::Session;
use crate::{ListenOptions, Stopper};

/// Serves one connection. Python's `StreamRequestHandler` (contract rows SS31 to SS34).
pub trait StreamRequestHandler {
    /// Talks to the client until one of the two has no more to say. When it returns, what was written is sent and the
    /// connection closed.
    ///
    /// # Errors
    /// Any error ends the connection too, and is written to the log; that of a client which is gone is not.
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()>;
}

/// One connection, as its handler sees it.
pub struct StreamRequest<'y> {
    peer: Address,
    line: Line<'y>,
}

impl StreamRequest<'_> {
    /// Who is at the other end.
    pub fn client_address(&self) -> &Address {
        &self.peer
    }

    /// What the client sends. It ends when the client closes its side, or when the server is being stopped.
    pub fn rfile(&self) -> Rfile<'_> {
        self.line.rfile()
    }

    /// What goes to the client. Small writes are gathered until the handler waits for something, or returns.
    pub fn wfile(&self) -> Wfile<'_> {
        self.line.wfile()
    }

    /// Waits, and lets others be served meanwhile.
    ///
    /// # Errors
    /// Of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client goes before the time is over.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.line.sleep(time)
    }

    /// Has work that blocks done by another thread; see [`Exchange::offload`](crate::handler::Exchange::offload).
    ///
    /// # Errors
    /// If the work panics, or the client goes first.
    pub fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.line.offload(work)
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.line.with(|state| state.notes.add(text.to_string()));
    }
}

impl fmt::Debug for StreamRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamRequest from {}", self.peer)
    }
}

/// A server for connections of any protocol.
pub struct StreamServer<L> {
    /// It stands before the socket because it goes first.
    _file: Option<SocketFile>,
    listener: L,
    /// Makes the handler of a connection.
    factory: Option<Factory>,
    settings: Settings,
    timeout: Duration,
    log: RefCell<AccessLog>,
    core: LoopCore,
}

type Factory = Box<dyn Fn() -> Box<dyn StreamRequestHandler> + Send>;

/// A server for TCP connections. Python's `TCPServer`, and its `ThreadingTCPServer` without the threads.
pub type TcpServer = StreamServer<mio::net::TcpListener>;

/// A server on a Unix socket. Python's `UnixStreamServer`; the socket's file is removed when the server is dropped
/// (contract row SS26).
pub type UnixStreamServer = StreamServer<mio::net::UnixListener>;

impl TcpServer {
    /// Binds the first of the addresses that can be bound, with the default [`ListenOptions`].
    ///
    /// # Errors
    /// If none can be bound: the error names the last address and says why.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<TcpServer> {
        TcpServer::from_listener(ListenOptions::default().bind(addresses)?)
    }

    /// Serves on a listener that was bound elsewhere.
    ///
    /// # Errors
    /// If it cannot be used without blocking.
    pub fn from_listener(listener: std::net::TcpListener) -> io::Result<TcpServer> {
        listener.set_nonblocking(true)?;
        StreamServer::new(mio::net::TcpListener::from_std(listener), None)
    }

    /// The address that it is bound to, with the real port.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn server_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl UnixStreamServer {
    /// Binds a path, which must not exist.
    ///
    /// # Errors
    /// If it exists, or cannot be made.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixStreamServer> {
        let path = path.as_ref();
        let listener = mio::net::UnixListener::bind(path)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display())))?;
        StreamServer::new(listener, Some(path.to_owned()))
    }
}

impl<L: StreamListener> StreamServer<L> {
    fn new(listener: L, file: Option<PathBuf>) -> io::Result<StreamServer<L>> {
        let (settings, timeout) = (Settings::default(), Duration::from_secs(300));
        let (log, core) = (AccessLog::stderr().into(), LoopCore::new()?);
        Ok(StreamServer { listener, factory: None, settings, timeout, log, core, _file: file.map(SocketFile) })
    }

    /// Has every connection served by a handler of its own. Until this is called, connections are closed at once.
    pub fn handler<H: StreamRequestHandler + 'static>(mut self, factory: impl Fn() -> H + Send + 'static) -> Self {
        self.factory = Some(Box::new(move || Box::new(factory())));
        self
    }

    /// How many handlers may be running or waiting at a time: 1024 unless set. The next wait for one of them to end.
    pub fn most(mut self, most: usize) -> Self {
        self.settings.most = most;
        self
    }

    /// How long a client may neither send what is waited for nor take what is sent, before it counts as gone: 5
    /// minutes unless set. Python's `timeout`, which is for ever there.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where messages and failures of handlers are logged: to standard error unless this says otherwise.
    pub fn log(mut self, log: AccessLog) -> Self {
        self.log = log.into();
        self
    }

    /// Has SIGINT and SIGTERM end [`serve_forever`](StreamServer::serve_forever).
    ///
    /// # Errors
    /// If the system does not let one of them be handled.
    pub fn stop_on_termination(mut self) -> io::Result<Self> {
        self.core.stop_on_termination()?;
        Ok(self)
    }

    /// What stops this server from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.core.stopper()
    }

    /// Serves until a [`Stopper`] or a signal asks for the end. Handlers then read the end of what their clients send,
    /// and have 5 seconds to come to their own.
    ///
    /// # Errors
    /// If the system's selector fails. Whatever clients do is no error.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let registration = register(&mut self.listener, &self.factory, &self.settings, self.timeout, &self.log);
        self.core.serve_forever(vec![registration])
    }

    /// Waits for one connection, for as long as `timeout` says, and serves it to its end.
    ///
    /// # Errors
    /// As [`serve_forever`](StreamServer::serve_forever).
    pub fn handle_request(&mut self, timeout: Option<Duration>) -> io::Result<Served> {
        let registration = register(&mut self.listener, &self.factory, &self.settings, self.timeout, &self.log);
        self.core.handle_request(timeout, registration)
    }
}

impl<L: StreamListener> LoopMember for StreamServer<L> {
    fn register(&mut self) -> Registration<'_> {
        register(&mut self.listener, &self.factory, &self.settings, self.timeout, &self.log)
    }
}

impl<L> fmt::Debug for StreamServer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Lends the loop a server's acceptor and hooks for one run.
fn register<'s, L: StreamListener>(
    listener: &'s mut L,
    factory: &'s Option<Factory>,
    settings: &Settings,
    timeout: Duration,
    log: &'s RefCell<AccessLog>,
) -> Registration<'s> {
    let acceptor = Acceptor::new(Streams { listener, factory, room: settings.room(), timeout, log });
    Registration::new(vec![acceptor], LogHooks(log))
}

/// A listener as a way in.
struct Streams<'s, L> {
    listener: &'s mut L,
    factory: &'s Option<Factory>,
    room: Room,
    timeout: Duration,
    log: &'s RefCell<AccessLog>,
}

impl<'s, L: StreamListener> Accept<'s> for Streams<'s, L> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.listener.source(), token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) {
        _ = registry.deregister(self.listener.source());
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let (stream, peer) = self.listener.accept()?;
        let Some(factory) = self.factory else { return Ok(None) };
        // A factory that panics has refused its client.
        let Ok(mut handler) = catch_unwind(AssertUnwindSafe(factory)) else { return Ok(None) };
        let client = peer.clone();
        let (run, pipe) =
            talk(&self.room, peer.clone(), move |line| handler.handle(&mut StreamRequest { peer: client, line }));
        Ok(Some(Box::new(StreamSession::new(stream, run, pipe, peer.net(), self.log, self.timeout, now))))
    }
}
