//! The listeners of raw stream servers: TCP and Unix sockets.

use std::io;

use mio::net::{TcpListener, UnixListener, UnixStream};

use super::address::Address;
use crate::listen::unmapped;
use crate::transport::Transport;

/// A TCP or Unix listener that a stream server can serve.
pub trait StreamListener: Send {
    /// The stream of an accepted connection.
    #[doc(hidden)]
    type Stream: Transport + 'static;

    /// Accepts a pending connection. Returns `WouldBlock` if no connection is pending.
    #[doc(hidden)]
    fn accept(&self) -> io::Result<(Self::Stream, Address)>;

    /// The listener as an event source, for registration with the poll.
    #[doc(hidden)]
    fn source(&mut self) -> &mut dyn mio::event::Source;
}

impl StreamListener for TcpListener {
    type Stream = mio::net::TcpStream;

    fn accept(&self) -> io::Result<(Self::Stream, Address)> {
        TcpListener::accept(self).map(|(stream, peer)| (stream, Address::Net(unmapped(peer))))
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}

impl StreamListener for UnixListener {
    type Stream = UnixStream;

    fn accept(&self) -> io::Result<(Self::Stream, Address)> {
        let (stream, peer) = UnixListener::accept(self)?;
        Ok((stream, Address::Unix(peer.as_pathname().map(Into::into))))
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}
