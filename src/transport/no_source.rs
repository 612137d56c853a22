//! The event source of a session without a descriptor.

use std::io;

use mio::event::Source;
use mio::{Interest, Registry, Token};

/// The source of a session that no descriptor belongs to: registering it does nothing, and no event comes of it.
///
/// It serves datagrams, which share one socket, and connections in memory.
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
