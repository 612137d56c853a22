//! `Rfile` and `Wfile`: the bytes of a client as a reader and a writer of std.
//!
//! Not here: suspending the handler, which [`HandlerIo`] does.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use super::io::HandlerIo;
use super::shared::check_no_access;

/// The bytes from the client. Python's `rfile`.
///
/// Reading suspends the handler until there are bytes; other clients are served meanwhile. The input ends with the
/// request's body, however that is framed, or where the client of a raw connection stops sending. If the client
/// disconnects before that, reading is an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
///
/// A handler should use one `Rfile` at a time. A dropped `Rfile` returns the bytes that it has fetched and not given
/// out, and the next `Rfile` begins with them.
pub struct Rfile<'l> {
    io: &'l HandlerIo<'l>,
    chunk: InputChunk,
}

impl<'l> Rfile<'l> {
    /// A reader that begins with the bytes of `chunk`.
    pub(super) fn new(io: &'l HandlerIo<'l>, chunk: InputChunk) -> Rfile<'l> {
        Rfile { io, chunk }
    }
}

impl BufRead for Rfile<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.read < self.chunk.bytes.len() {
            // Refused although the bytes are there: otherwise only a request with a longer body would show the misuse.
            check_no_access()?;
        } else {
            self.io.fetch(&mut self.chunk)?;
        }
        Ok(&self.chunk.bytes[self.chunk.read..])
    }

    fn consume(&mut self, count: usize) {
        // `count` may be wrong in the caller's code. It must not move `read` beyond the bytes.
        self.chunk.read = (self.chunk.read + count).min(self.chunk.bytes.len());
    }
}

impl Read for Rfile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }

    /// If `buf` owns no memory, moves the chunk's allocation into it instead of copying.
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut total = 0;
        while !self.fill_buf()?.is_empty() {
            let InputChunk { bytes, read } = &mut self.chunk;
            total += bytes.len() - *read;
            // A caller that has reserved memory wants it to be used.
            if buf.capacity() == 0 && *read == 0 {
                *buf = std::mem::take(bytes);
            } else {
                buf.extend_from_slice(&bytes[*read..]);
                *read = bytes.len();
            }
        }
        Ok(total)
    }
}

impl Drop for Rfile<'_> {
    fn drop(&mut self) {
        // A handler may call `rfile` again for each line. The bytes after the line must not be lost between.
        self.io.keep_chunk(&mut self.chunk);
    }
}

impl fmt::Debug for Rfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rfile")
    }
}

/// The bytes to the client. Python's `wfile`.
///
/// Written bytes are sent when 32 KiB are gathered, when the handler suspends, and when it returns, so that many small
/// writes cost no more than one large write. Writing suspends the handler while the client is slow. If the client
/// disconnects, writing is an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Flushing does
/// nothing.
pub struct Wfile<'l> {
    io: &'l HandlerIo<'l>,
}

impl<'l> Wfile<'l> {
    pub(super) fn new(io: &'l HandlerIo<'l>) -> Wfile<'l> {
        Wfile { io }
    }
}

impl Write for Wfile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.io.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Wfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wfile")
    }
}

/// Input that was fetched from the channel, of which the bytes from `read` on have not been given out.
#[derive(Default)]
pub(super) struct InputChunk {
    pub(super) bytes: Vec<u8>,
    pub(super) read: usize,
}
