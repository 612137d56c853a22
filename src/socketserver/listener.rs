//! What connections come from: TCP and Unix listeners.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::{TcpListener, UnixListener, UnixStream};

use super::Address;
use crate::connection::Transport;
use crate::listen::unmapped;

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

impl Transport for UnixStream {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: bool) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
    }

    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}
