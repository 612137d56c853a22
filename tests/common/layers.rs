//! The transports of a simulation over one socket in memory: unencrypted, in records without encryption, or TLS.

use std::fs::File;
use std::io;
use std::sync::Arc;

use serve_forever::TlsInfo;
use serve_forever::session::Ready;
#[cfg(feature = "tls")]
use serve_forever::transport::tls::{ServerSide, TlsStream};
use serve_forever::transport::{Handshake, Transport};

use super::lagging::Lagging;

/// A transport over a socket `T`.
pub enum Layers<T> {
    /// The transport of `lagging.rs`, with or without records.
    Lagging(Lagging<T>),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<T, ServerSide>>),
}

/// Calls a method of the transport in use.
macro_rules! both {
    ($layers:expr, $transport:ident => $call:expr) => {
        match $layers {
            Layers::Lagging($transport) => $call,
            #[cfg(feature = "tls")]
            Layers::Tls($transport) => $call,
        }
    };
}

impl<T: Transport> Layers<T> {
    /// The socket below the transport.
    pub fn socket(&mut self) -> &mut T {
        match self {
            Layers::Lagging(lagging) => &mut lagging.socket,
            #[cfg(feature = "tls")]
            Layers::Tls(tls) => tls.socket(),
        }
    }
}

impl<T: Transport> Transport for Layers<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        both!(self, transport => transport.recv(buf))
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        both!(self, transport => transport.send(first, second, more))
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        both!(self, transport => transport.send_file(file, offset, length))
    }

    fn cork(&mut self, on: bool) {
        both!(self, transport => transport.cork(on));
    }

    fn end(&mut self) -> io::Result<()> {
        both!(self, transport => transport.end())
    }

    fn short_read_is_all(&self) -> bool {
        both!(self, transport => transport.short_read_is_all())
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        both!(self, transport => transport.source())
    }

    fn needs_handshake(&self) -> bool {
        both!(self, transport => transport.needs_handshake())
    }

    fn handshake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        both!(self, transport => transport.handshake(ready, left))
    }

    fn is_text(&self) -> bool {
        both!(self, transport => transport.is_text())
    }

    fn has_pending(&self) -> bool {
        both!(self, transport => transport.has_pending())
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        both!(self, transport => transport.flush_pending())
    }

    fn announce_end(&mut self) -> io::Result<()> {
        both!(self, transport => transport.announce_end())
    }

    fn memory(&self) -> usize {
        both!(self, transport => transport.memory())
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        both!(self, transport => transport.tls())
    }
}
