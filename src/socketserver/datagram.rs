use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::Address;
use super::datagram_session::{DatagramSession, DatagramSocket};
use super::socket_file::SocketFile;
use super::talk::talk;
use crate::Stopper;
use crate::event_loop::{LoopCore, LoopMember, Registration, Served, Stopped};
use crate::handler::{Line, Room, Settings};
use crate::log::AccessLog;
use crate::log_hooks::LogHooks;
use crate::reactor::{Accept, Acceptor};
use crate::session::Session;

/// Serves one datagram. Python's `DatagramRequestHandler` (contract row SS35).
pub trait DatagramRequestHandler {
    /// Looks at a datagram, and may write a reply, which is sent as one datagram when this returns. Nothing is sent if
    /// nothing was written.
    ///
    /// # Errors
    /// Any error is written to the log, and no reply sent.
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> io::Result<()>;
}

/// One datagram, as its handler sees it.
pub struct DatagramRequest<'y> {
    packet: Vec<u8>,
    truncated: bool,
    peer: Address,
    line: Line<'y>,
}

impl DatagramRequest<'_> {
    /// Its bytes, up to the server's [`max_packet_size`](DatagramServer::max_packet_size).
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Whether it was longer, and the rest is lost. Python does not tell (contract row SS25).
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Who has sent it.
    pub fn client_address(&self) -> &Address {
        &self.peer
    }

    /// Its bytes, for what reads.
    pub fn rfile(&self) -> &[u8] {
        &self.packet
    }

    /// The reply.
    pub fn wfile(&self) -> DatagramWriter<'_> {
        DatagramWriter { line: &self.line }
    }

    /// Waits, and lets others be served meanwhile.
    ///
    /// # Errors
    /// Of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the server stops before the time is over.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.line.sleep(time)
    }

    /// Has work that blocks done by another thread; see [`Exchange::offload`](crate::handler::Exchange::offload).
    ///
    /// # Errors
    /// If the work panics, or the server stops first.
    pub fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.line.offload(work)
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.line.with(|state| state.notes.add(text.to_string()));
    }
}

impl fmt::Debug for DatagramRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatagramRequest of {} bytes from {}", self.packet.len(), self.peer)
    }
}

/// Gathers a reply.
pub struct DatagramWriter<'l> {
    line: &'l Line<'l>,
}

/// More bytes than these fit in no datagram.
const LARGEST: usize = 65_535;

impl Write for DatagramWriter<'_> {
    /// # Errors
    /// If the reply would be longer than any datagram.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.with(|state| {
            if state.outbox.len() + bytes.len() > LARGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a reply longer than any datagram"));
            }
            state.outbox.extend_from_slice(bytes);
            Ok(bytes.len())
        })
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

/// A server for datagrams, each of which has a handler of its own.
pub struct DatagramServer<S> {
    /// It stands before the socket because it goes first.
    _file: Option<SocketFile>,
    socket: S,
    factory: Option<Factory>,
    max_packet_size: usize,
    settings: Settings,
    log: RefCell<AccessLog>,
    core: LoopCore,
}

type Factory = Box<dyn Fn() -> Box<dyn DatagramRequestHandler> + Send>;

/// A server for UDP. Python's `UDPServer` (contract row SS25).
pub type UdpServer = DatagramServer<UdpSocket>;

/// A server for datagrams on a Unix socket. Python's `UnixDatagramServer`; the socket's file is removed when the server
/// is dropped (contract row SS26). Clients without a path of their own get no reply.
pub type UnixDatagramServer = DatagramServer<UnixDatagram>;

impl UdpServer {
    /// Binds the first of the addresses that can be bound.
    ///
    /// # Errors
    /// If none can be bound.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<UdpServer> {
        let socket = UdpSocket::bind(addresses)?;
        socket.set_nonblocking(true)?;
        DatagramServer::new(socket, None)
    }

    /// The address that it is bound to, with the real port.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn server_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl UnixDatagramServer {
    /// Binds a path, which must not exist.
    ///
    /// # Errors
    /// If it exists, or cannot be made.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagramServer> {
        let socket = UnixDatagram::bind(path.as_ref())?;
        socket.set_nonblocking(true)?;
        DatagramServer::new(socket, Some(path.as_ref().to_owned()))
    }
}

impl<S: DatagramSocket> DatagramServer<S> {
    fn new(socket: S, file: Option<PathBuf>) -> io::Result<DatagramServer<S>> {
        let (settings, max_packet_size) = (Settings::default(), 8192);
        let (log, core) = (AccessLog::stderr().into(), LoopCore::new()?);
        Ok(DatagramServer { socket, factory: None, max_packet_size, settings, log, core, _file: file.map(SocketFile) })
    }

    /// Has every datagram served by a handler of its own. Until this is called, datagrams are thrown away.
    pub fn handler<H: DatagramRequestHandler + 'static>(mut self, factory: impl Fn() -> H + Send + 'static) -> Self {
        self.factory = Some(Box::new(move || Box::new(factory())));
        self
    }

    /// How many bytes of a datagram are kept: 8192 unless set, as in Python. Of a longer one, the rest is lost, and
    /// [`DatagramRequest::is_truncated`] says so.
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// Where messages and failures of handlers are logged: to standard error unless this says otherwise.
    pub fn log(mut self, log: AccessLog) -> Self {
        self.log = log.into();
        self
    }

    /// Has SIGINT and SIGTERM end [`serve_forever`](DatagramServer::serve_forever).
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

    /// Serves until a [`Stopper`] or a signal asks for the end. Handlers that wait have 5 seconds then.
    ///
    /// # Errors
    /// If the system's selector fails. Whatever clients do is no error.
    pub fn serve_forever(&mut self) -> io::Result<Stopped> {
        let registration = register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log);
        self.core.serve_forever(vec![registration])
    }

    /// Waits for one datagram, for as long as `timeout` says, and serves it.
    ///
    /// # Errors
    /// As [`serve_forever`](DatagramServer::serve_forever).
    pub fn handle_request(&mut self, timeout: Option<Duration>) -> io::Result<Served> {
        let registration = register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log);
        self.core.handle_request(timeout, registration)
    }
}

impl<S: DatagramSocket> LoopMember for DatagramServer<S> {
    fn register(&mut self) -> Registration<'_> {
        register(&self.socket, &self.factory, self.max_packet_size, &self.settings, &self.log)
    }
}

impl<S> fmt::Debug for DatagramServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramServer").field("max_packet_size", &self.max_packet_size).finish_non_exhaustive()
    }
}

/// Lends the loop a server's acceptor and hooks for one run.
fn register<'s, S: DatagramSocket>(
    socket: &'s S,
    factory: &'s Option<Factory>,
    max_packet_size: usize,
    settings: &Settings,
    log: &'s RefCell<AccessLog>,
) -> Registration<'s> {
    // One byte more than is kept shows that there was more.
    let memory = vec![0; max_packet_size + 1];
    let acceptor = Acceptor::new(Datagrams { socket, factory, memory, room: settings.room(), log });
    Registration::new(vec![acceptor], LogHooks(log))
}

/// A socket as a way in: every datagram is a newcomer.
struct Datagrams<'s, S> {
    socket: &'s S,
    factory: &'s Option<Factory>,
    memory: Vec<u8>,
    room: Room,
    log: &'s RefCell<AccessLog>,
}

impl<'s, S: DatagramSocket> Accept<'s> for Datagrams<'s, S> {
    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.socket.as_raw_fd()), token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) {
        _ = registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()));
    }

    fn accept(&mut self, _: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let (count, peer) = self.socket.receive(&mut self.memory)?;
        let Some(factory) = self.factory else { return Ok(None) };
        // A factory that panics has refused its client.
        let Ok(mut handler) = catch_unwind(AssertUnwindSafe(factory)) else { return Ok(None) };
        let kept = count.min(self.memory.len() - 1);
        let packet = self.memory[..kept].to_vec();
        let (client, truncated) = (peer.unmapped(), kept < count);
        let (run, pipe) = talk(&self.room, client.clone(), move |line| {
            handler.handle(&mut DatagramRequest { packet, truncated, peer: client, line })
        });
        Ok(Some(Box::new(DatagramSession::new(self.socket, run, pipe, peer, self.log))))
    }
}
