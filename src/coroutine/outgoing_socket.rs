//! `OutgoingSocket`: the socket of a connection that a handler opens. It is a socket of the operating system or of a
//! simulation.
//!
//! Registration with the poll is in `registered_socket.rs`, and waiting in `outgoing.rs`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

#[cfg(feature = "internals")]
use super::simulated::{SimulatedSocket, connect_simulated};

/// A non-blocking socket that is connecting or connected to another server.
#[derive(Debug)]
pub(super) enum OutgoingSocket {
    Tcp(TcpStream),
    #[cfg(feature = "internals")]
    Simulated(Box<dyn SimulatedSocket>),
}

impl OutgoingSocket {
    /// Creates a socket and begins to connect it.
    pub(super) fn begin_connect(address: SocketAddr, source: Option<SocketAddr>) -> io::Result<OutgoingSocket> {
        #[cfg(feature = "internals")]
        if let Some(connected) = connect_simulated(address) {
            return connected.map(OutgoingSocket::Simulated);
        }
        begin_connect_tcp(address, source).map(OutgoingSocket::Tcp)
    }

    /// True once the connection is established.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match self {
            OutgoingSocket::Tcp(socket) => is_tcp_connected(socket),
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(socket) => socket.is_connected(),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            OutgoingSocket::Tcp(socket) => socket.shutdown(how),
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(socket) => socket.shutdown(how),
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            OutgoingSocket::Tcp(socket) => socket.read(into),
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(socket) => socket.read(into),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            OutgoingSocket::Tcp(socket) => socket.write(bytes),
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(socket) => socket.write(bytes),
        }
    }

    /// The event source to register with the poll.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            OutgoingSocket::Tcp(socket) => socket,
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(socket) => socket.source(),
        }
    }

    /// The socket of the operating system.
    ///
    /// # Errors
    /// Returns an error of kind `Unsupported` for a simulated socket, which has neither addresses nor options.
    pub(super) fn tcp(&self) -> io::Result<&TcpStream> {
        match self {
            OutgoingSocket::Tcp(socket) => Ok(socket),
            #[cfg(feature = "internals")]
            OutgoingSocket::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn begin_connect_tcp(address: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(address) };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&source.into())?;
    match socket.connect(&address.into()) {
        // The connection attempt continues in the background. `is_connected` checks its result later.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        result => result?,
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn is_tcp_connected(socket: &TcpStream) -> io::Result<bool> {
    // A failed connection attempt also makes the socket writable. The system stores the error in the socket.
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    // Only a connected socket has a peer address. An event is not sufficient, because it can be spurious.
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
