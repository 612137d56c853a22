//! What connections come from: TCP and Unix listeners.

use std::io;

use mio::net::{TcpListener, UnixListener, UnixStream};

use super::address::Address;
use crate::listen::unmapped;
use crate::transport::Transport;

/// A listener that gives connections.
pub trait StreamListener: Send {
    /// A connection.
    #[doc(hidden)]
    type Stream: Transport + 'static;

    /// Takes one that is waiting.
    #[doc(hidden)]
    fn accept(&self) -> io::Result<(Self::Stream, Address)>;

    /// What is registered with the poll.
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
