//! `ClientChannel`: the stream of a connection, with or without TLS.

use std::io;
use std::time::Instant;

#[cfg(feature = "client-tls")]
use super::tls::ClientTlsStream;
use super::{ClientStream, Readiness};

/// The stream that a [`Connector`](super::Connector) has opened, with or without TLS.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientChannel<S: ClientStream> {
    /// A stream without TLS.
    Plain(S),
    /// A stream with TLS.
    #[cfg(feature = "client-tls")]
    Tls(Box<ClientTlsStream<S>>),
}

impl<S: ClientStream> ClientChannel<S> {
    /// Replaces the stream with the one that `change` creates from it. The TLS state is kept.
    pub(super) fn over<T: ClientStream>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<ClientChannel<T>> {
        Ok(match self {
            ClientChannel::Plain(stream) => ClientChannel::Plain(change(stream)?),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => ClientChannel::Tls(Box::new(stream.over(change)?)),
        })
    }
}

impl<S: ClientStream> ClientStream for ClientChannel<S> {
    fn try_read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientChannel::Plain(stream) => stream.try_read(into),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.try_read(into),
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientChannel::Plain(stream) => stream.try_write(bytes),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.try_write(bytes),
        }
    }

    fn wait(&mut self, what: Readiness, until: Option<Instant>) -> io::Result<()> {
        match self {
            ClientChannel::Plain(stream) => stream.wait(what, until),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.wait(what, until),
        }
    }

    fn expect_input(&mut self) {
        match self {
            ClientChannel::Plain(stream) => stream.expect_input(),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.expect_input(),
        }
    }

    fn interrupt_reads(&mut self, on: bool) {
        match self {
            ClientChannel::Plain(stream) => stream.interrupt_reads(on),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.interrupt_reads(on),
        }
    }

    fn end_output(&mut self) -> io::Result<()> {
        match self {
            ClientChannel::Plain(stream) => stream.end_output(),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.end_output(),
        }
    }

    fn now(&self) -> Instant {
        match self {
            ClientChannel::Plain(stream) => stream.now(),
            #[cfg(feature = "client-tls")]
            ClientChannel::Tls(stream) => stream.now(),
        }
    }
}
