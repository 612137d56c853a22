//! The byte stream of a connection: TCP, a Unix socket, or TLS over TCP. Its calls never block.

use std::io::{self, Read, Write};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::options::LoadOptions;
use super::plan::Plan;
use super::target_url::LoadAddress;

/// A stream of bytes to the server.
#[derive(Debug)]
pub(super) enum LoadStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// Opens connections to the server of a plan, with TLS if the plan requires it.
#[derive(Debug)]
pub(super) struct LoadConnector {
    #[cfg(feature = "tls")]
    tls: Option<super::trust::TlsClient>,
}

impl LoadConnector {
    /// Creates a connector for the server of a plan.
    ///
    /// # Errors
    /// Returns an error if TLS is required and cannot be set up, for example because the certificate file cannot be
    /// read.
    pub(super) fn new(plan: &Plan, options: &LoadOptions) -> io::Result<LoadConnector> {
        #[cfg(feature = "tls")]
        let connector = LoadConnector {
            tls: plan.tls_name.as_ref().map(|name| super::trust::TlsClient::new(name, options)).transpose()?,
        };
        #[cfg(not(feature = "tls"))]
        let connector = match (&plan.tls_name, options) {
            (None, _) => LoadConnector {},
            (Some(_), _) => return Err(io::Error::other("https: load-forever was built without TLS")),
        };
        Ok(connector)
    }

    /// Starts connecting. The poll reports the stream as writable when connecting has succeeded or failed.
    pub(super) fn connect(&self, server: &LoadAddress) -> io::Result<LoadStream> {
        let stream = match server {
            LoadAddress::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                stream
            }
            LoadAddress::Unix(path) => return UnixStream::connect(path).map(LoadStream::Unix),
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wrap(stream).map(|stream| LoadStream::Tls(Box::new(stream)));
        }
        Ok(LoadStream::Tcp(stream))
    }
}

impl LoadStream {
    /// Returns an error if the attempt to connect has failed.
    pub(super) fn take_error(&self) -> io::Result<()> {
        let error = match self {
            LoadStream::Tcp(stream) => stream.take_error()?,
            LoadStream::Unix(stream) => stream.take_error()?,
            #[cfg(feature = "tls")]
            LoadStream::Tls(stream) => stream.sock.take_error()?,
        };
        error.map_or(Ok(()), Err)
    }

    /// True if a read that does not fill its buffer is known to have emptied the socket. False for TLS, where plaintext
    /// may still be buffered.
    pub(super) fn short_read_is_all(&self) -> bool {
        matches!(self, LoadStream::Tcp(_) | LoadStream::Unix(_))
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            LoadStream::Tcp(stream) => stream,
            LoadStream::Unix(stream) => stream,
            #[cfg(feature = "tls")]
            LoadStream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Registers the stream for both directions (edge-triggered).
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }
}

impl Read for LoadStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            LoadStream::Tcp(stream) => stream.read(buf),
            LoadStream::Unix(stream) => stream.read(buf),
            #[cfg(feature = "tls")]
            LoadStream::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for LoadStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            LoadStream::Tcp(stream) => stream.write(buf),
            LoadStream::Unix(stream) => stream.write(buf),
            #[cfg(feature = "tls")]
            LoadStream::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            LoadStream::Tcp(stream) => stream.flush(),
            LoadStream::Unix(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            LoadStream::Tls(stream) => stream.flush(),
        }
    }
}
