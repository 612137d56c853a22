//! `NoSource`, the event source of a session that has no descriptor.

use std::io;

use mio::event::Source;
use mio::{Interest, Registry, Token};

/// The event source of a session that has no descriptor. Registering it does nothing, and it never has an event.
///
/// It is used for datagrams, which share one socket, and for in-memory connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSource;

impl Source for NoSource {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}
