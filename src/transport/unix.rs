//! Unix stream sockets, which work like TCP streams. They send no packets, so no bytes are held back to fill one.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::net::UnixStream;

use super::Transport;

impl Transport for UnixStream {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: bool) -> io::Result<usize> {
        // `more` is ignored, because holding bytes back would save nothing without packets.
        self.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
    }

    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        // The caller reads the file and sends the bytes itself.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self
    }
}
