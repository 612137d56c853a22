//! Implements `Transport` for boxed transports, which a server uses if the type of its transport is known only at run
//! time.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::{Handshake, Transport};
use crate::session::Ready;
use crate::tls_info::TlsInfo;

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (**self).recv(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        (**self).send(first, second, more)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        (**self).send_file(file, offset, length)
    }

    fn cork(&mut self, on: bool) {
        (**self).cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        (**self).end()
    }

    fn short_read_is_all(&self) -> bool {
        (**self).short_read_is_all()
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        (**self).source()
    }

    fn needs_handshake(&self) -> bool {
        // Methods with a default implementation must be forwarded too. Otherwise the default would replace the method
        // of the inner transport.
        (**self).needs_handshake()
    }

    fn handshake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        (**self).handshake(ready, left)
    }

    fn has_pending(&self) -> bool {
        (**self).has_pending()
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        (**self).flush_pending()
    }

    fn announce_end(&mut self) -> io::Result<()> {
        (**self).announce_end()
    }

    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        (**self).unacknowledged()
    }

    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {
        (**self).reset_on_drop();
    }

    fn memory(&self) -> usize {
        (**self).memory()
    }

    fn is_text(&self) -> bool {
        (**self).is_text()
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        (**self).tls()
    }
}
