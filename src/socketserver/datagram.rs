//! Datagram servers on UDP and Unix sockets, and the interface for their handlers.
//!
//! The session of a datagram is in `datagram_session.rs`.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::address::Address;
use super::datagram_session::{DatagramSession, DatagramSocket};
use super::raw_handler::{BoxedErrors, RawHandler};
use super::socket_file::SocketFile;
use crate::Stopper;
use crate::coroutine::{CoroutineSettings, HandlerIo, HandlerResources, OutgoingStream, Shared};
use crate::event_loop::{LoopCore, LoopMember, Registration, Served, Stopped};
use crate::failure::IntoError;
use crate::log::AccessLog;
use crate::log_hooks::LogHooks;
use crate::reactor::{Accept, Acceptor, Signals};
use crate::session::Session;

/// A handler that serves one datagram, like Python's `DatagramRequestHandler`.
///
/// `E` is the error type of `handle`. The default is [`io::Error`]; see [`IntoError`] for the other types that are
/// allowed.
pub trait DatagramRequestHandler<E = io::Error> {
    /// Handles a datagram. When this method returns, the bytes that it has written are sent to the client as one
    /// datagram, the reply. If it has written nothing, no reply is sent.
    ///
    /// # Errors
    /// Any error is written to the log, and no reply is sent.
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> Result<(), E>;
}

impl<H: DatagramRequestHandler<E>, E: IntoError<M>, M> DatagramRequestHandler<Box<dyn Error>> for BoxedErrors<H, E, M> {
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> Result<(), Box<dyn Error>> {
        self.0.handle(x).map_err(IntoError::into_error)
    }
}

/// A datagram that a handler serves, with methods for replying, waiting and logging.
pub struct DatagramRequest<'y> {
    packet: Vec<u8>,
    truncated: bool,
    peer: Address,
    io: HandlerIo<'y>,
}

impl DatagramRequest<'_> {
    /// The bytes of the datagram, truncated to the server's [`max_packet_size`](DatagramServer::max_packet_size).
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// True if the datagram was longer than [`max_packet_size`](DatagramServer::max_packet_size). The rest of the
    /// datagram is lost. Python does not report this.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The address of the sender.
    pub fn client_address(&self) -> &Address {
        &self.peer
    }

    /// A reader for the bytes of the datagram.
    pub fn rfile(&self) -> &[u8] {
        &self.packet
    }

    /// A writer for the bytes of the reply.
    pub fn wfile(&self) -> DatagramWriter<'_> {
        DatagramWriter { io: &self.io }
    }

    /// Suspends the handler for the duration `time`. Meanwhile, other clients are served.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server stops first.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.io.sleep(time)
    }

    /// Runs `work`, which can block or compute for a long time, on a worker thread, and suspends the handler until
    /// `work` returns. A server has at most 8 worker threads. If none of them is free, `work` starts later.
    ///
    /// # Errors
    /// Returns an error with the panic message if `work` panics. Returns an error of kind
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server stops first.
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
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server stops first, and
    /// of kind [`Deadlock`](io::ErrorKind::Deadlock) if called inside [`Shared::with`].
    pub fn wait_until<T, R>(
        &self,
        shared: &Shared<T>,
        timeout: Option<Duration>,
        look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        self.io.wait_until(shared, timeout, false, look)
    }

    /// True if the server is stopping. Handlers then have 5 seconds to return.
    pub fn is_stopping(&self) -> bool {
        self.io.is_stopping()
    }

    /// Suspends the handler until the server is stopping or `timeout` has passed. Returns true if the server is
    /// stopping.
    ///
    /// # Errors
    /// Returns an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server ends first.
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
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server stops first. Also returns any error from
    /// the operating system.
    pub fn connect_tcp(&self, address: impl fmt::Display, timeout: Option<Duration>) -> io::Result<OutgoingStream<'_>> {
        self.io.connect_tcp(&address, timeout)
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.io.log_message(text);
    }
}

impl fmt::Debug for DatagramRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatagramRequest of {} bytes from {}", self.packet.len(), self.peer)
    }
}

/// A writer that collects the bytes of a reply until the handler returns.
pub struct DatagramWriter<'l> {
    io: &'l HandlerIo<'l>,
}

/// The maximum size of a reply in bytes, given by the 16-bit length field of UDP.
const MAX_REPLY: usize = 65_535;

impl Write for DatagramWriter<'_> {
    /// # Errors
    /// Returns an error if the reply would exceed the maximum size of a datagram.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let output = &mut self.io.channel().state_mut().output;
        if output.len() + bytes.len() > MAX_REPLY {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a reply longer than any datagram"));
        }
        // The capacity of the channel does not apply, because a reply is sent as a whole and the writer never waits.
        output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for DatagramWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatagramWriter")
    }
}

/// A server for datagrams. A new handler serves each datagram.
#[must_use = "a server serves nothing until it runs"]
pub struct DatagramServer<S> {
    /// Declared first, so that it is dropped first: the path is unlinked before the socket is closed.
    _file: Option<SocketFile>,
    socket: S,
    address: Address,
    factory: Option<DatagramHandlerFactory>,
    max_packet_size: usize,
    settings: CoroutineSettings,
    log: RefCell<AccessLog>,
    core: LoopCore,
}

type DatagramHandlerFactory = Box<dyn Fn() -> Box<dyn DatagramRequestHandler<Box<dyn Error>>> + Send>;

/// A UDP server, like Python's `UDPServer`.
///
/// See the example `udp_upper`.
pub type UdpServer = DatagramServer<UdpSocket>;

/// A server for datagrams on a Unix socket, like Python's `UnixDatagramServer`. Dropping the server removes the
/// socket's file. A client whose socket is not bound to a path gets no reply.
pub type UnixDatagramServer = DatagramServer<UnixDatagram>;

impl UdpServer {
    /// Creates a server on the first of `addresses` that can be bound.
    ///
    /// # Errors
    /// Returns an error if no address can be bound.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<UdpServer> {
        let socket = UdpSocket::bind(addresses)?;
        socket.set_nonblocking(true)?;
        let address = Address::Net(socket.local_addr()?);
        DatagramServer::new(socket, address)
    }

    /// The address of the socket. If the server was bound to port 0, the port is the one that the system chose.
    pub fn server_address(&self) -> SocketAddr {
        // NOTE(unwrap): only `bind` creates UDP servers, and it sets a network address.
        self.address.net().expect("a UDP server has a network address")
    }
}

impl UnixDatagramServer {
    /// Creates a server on the socket file `path`, which must not exist yet.
    ///
    /// # Errors
    /// Returns an error if the file exists or cannot be created.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagramServer> {
        let socket = UnixDatagram::bind(path.as_ref())?;
        socket.set_nonblocking(true)?;
        DatagramServer::new(socket, Address::Unix(Some(path.as_ref().to_owned())))
    }
}

impl<S: DatagramSocket> DatagramServer<S> {
    fn new(socket: S, address: Address) -> io::Result<DatagramServer<S>> {
        let (settings, max_packet_size) = (CoroutineSettings::default(), 8192);
        let (log, core) = (AccessLog::unless_set().into(), LoopCore::new()?);
        let _file = address.path().map(|path| SocketFile(path.to_owned()));
        Ok(DatagramServer { socket, address, factory: None, max_packet_size, settings, log, core, _file })
    }

    /// Sets the factory that creates a handler for each datagram. Without a factory, datagrams are discarded.
    pub fn handler<H, E, M>(mut self, factory: impl Fn() -> H + Send + 'static) -> Self
    where
        H: DatagramRequestHandler<E> + 'static,
        E: IntoError<M> + 'static,
        M: 'static,
    {
        self.factory = Some(Box::new(move || Box::new(BoxedErrors::new(factory()))));
        self
    }

    /// Sets the maximum size of a datagram in bytes. Default: 8192, as in Python. The rest of a longer datagram is
    /// lost, and [`DatagramRequest::is_truncated`] is true.
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// Sets the log for the messages and failures of handlers. Default: standard error.
    pub fn log(mut self, log: AccessLog) -> Self {
        self.log = log.into();
        self
    }

    /// Makes [`serve_forever`](DatagramServer::serve_forever) return on SIGINT and SIGTERM.
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

    /// Serves until a [`Stopper`] or a signal stops the server. Suspended handlers then have 5 seconds to return.
    ///
    /// # Errors
    /// Returns an error if the system's selector fails. Errors caused by clients are not returned.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let registration = register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log);
        self.core.serve_forever(vec![registration])
    }

    /// Waits for one datagram, for at most `timeout`, and serves it. `None` means no limit.
    ///
    /// # Errors
    /// Returns the same errors as [`serve_forever`](DatagramServer::serve_forever).
    pub fn handle_request(&mut self, timeout: Option<Duration>) -> io::Result<Served> {
        let registration = register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log);
        self.core.handle_request(timeout, registration)
    }
}

impl<S: DatagramSocket> LoopMember for DatagramServer<S> {
    fn register(&mut self) -> Registration<'_> {
        register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log)
    }

    fn take_signals(&mut self) -> Option<Signals> {
        self.core.take_signals()
    }

    fn quieten(&mut self) {
        self.log.get_mut().quieten();
    }
}

impl<S> fmt::Debug for DatagramServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramServer").field("max_packet_size", &self.max_packet_size).finish_non_exhaustive()
    }
}

/// Creates the acceptor and the hooks of a server for one run of the loop.
fn register<'s, S: DatagramSocket>(
    socket: &'s S,
    factory: &'s Option<DatagramHandlerFactory>,
    max_packet_size: usize,
    settings: &CoroutineSettings,
    log: &'s RefCell<AccessLog>,
) -> Registration<'s> {
    // The system silently truncates a datagram to the size of the buffer. If the additional byte is filled, the
    // datagram was too long.
    let memory = vec![0; max_packet_size + 1];
    let resources = HandlerResources::new(settings);
    let acceptor = Acceptor::new(DatagramAccept { socket, factory, memory, resources, log });
    Registration::new(vec![acceptor], LogHooks(log))
}

/// The acceptor of a datagram server. Creates a session for each datagram.
struct DatagramAccept<'s, S> {
    socket: &'s S,
    factory: &'s Option<DatagramHandlerFactory>,
    memory: Vec<u8>,
    resources: HandlerResources,
    log: &'s RefCell<AccessLog>,
}

impl<'s, S: DatagramSocket> Accept<'s> for DatagramAccept<'s, S> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.socket.as_raw_fd()), token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) {
        _ = registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()));
    }

    fn accept(&mut self, _: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let (count, peer) = self.socket.receive(&mut self.memory)?;
        let Some(factory) = self.factory else { return Ok(None) };
        // If the factory panics, only this datagram is discarded.
        let Ok(mut handler) = catch_unwind(AssertUnwindSafe(factory)) else { return Ok(None) };
        let kept = count.min(self.memory.len() - 1);
        let packet = self.memory[..kept].to_vec();
        let (client, truncated) = (peer.unmapped(), kept < count);
        let shown = client.clone();
        let handle =
            move |io: HandlerIo<'_>| handler.handle(&mut DatagramRequest { packet, truncated, peer: client, io });
        let handler = RawHandler::new(&self.resources, shown, self.log, handle);
        Ok(Some(Box::new(DatagramSession::new(self.socket, handler, peer))))
    }
}
