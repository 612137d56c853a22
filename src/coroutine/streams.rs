//! `Rfile` and `Wfile`: a `std` reader for the bytes from a client, and a `std` writer for the bytes sent to the
//! client.
//!
//! This file suspends no handler; [`HandlerIo`] does.

use std::fmt;
use std::io::{self, BufRead, Read, Write};

use super::io::HandlerIo;
use super::shared::check_no_access;

/// A reader for the bytes from the client, like Python's `rfile`.
///
/// Reading suspends the handler until there are bytes, while other clients are served. The input ends with the
/// request's body, regardless of its framing. On a raw connection it ends when the client shuts down its sending side.
/// If the client disconnects earlier, reading fails with an error of kind
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
///
/// A handler should use one `Rfile` at a time. Bytes that a dropped `Rfile` had fetched, but the handler had not read,
/// are returned by the next `Rfile`.
pub struct Rfile<'l> {
    io: &'l HandlerIo<'l>,
    chunk: InputChunk,
}

impl<'l> Rfile<'l> {
    /// Creates a reader that begins with the bytes of `chunk`.
    pub(super) fn new(io: &'l HandlerIo<'l>, chunk: InputChunk) -> Rfile<'l> {
        Rfile { io, chunk }
    }
}

impl BufRead for Rfile<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.read < self.chunk.bytes.len() {
            // Reading inside `Shared::with` is an error even if bytes have already been fetched. Otherwise, only a
            // request with a longer body would reveal this misuse.
            check_no_access()?;
        } else {
            self.io.fetch(&mut self.chunk)?;
        }
        Ok(&self.chunk.bytes[self.chunk.read..])
    }

    fn consume(&mut self, count: usize) {
        // `min` is needed because a caller may pass a `count` that is too large.
        self.chunk.read = (self.chunk.read + count).min(self.chunk.bytes.len());
    }
}

impl Read for Rfile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }

    /// If `buf` owns no memory, moves the chunk's allocation into it instead of copying the bytes.
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut total = 0;
        while !self.fill_buf()?.is_empty() {
            let InputChunk { bytes, read } = &mut self.chunk;
            total += bytes.len() - *read;
            // If the caller has already reserved memory, the bytes are copied into that memory.
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
        // A handler may call `rfile` again for each line, so the bytes after a line must not be lost.
        self.io.keep_chunk(&mut self.chunk);
    }
}

impl fmt::Debug for Rfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rfile")
    }
}

/// A writer for the bytes sent to the client, like Python's `wfile`.
///
/// Written bytes are buffered, and sent when 32 KiB have accumulated, when the handler suspends, and when it returns.
/// Many small writes therefore need no more system calls than one large write. If the client reads slowly, writing
/// suspends the handler. If the client disconnects, writing fails with an error of kind
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Flushing has no effect.
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

/// Input that was fetched from the channel. The handler has already read the bytes before the index `read`.
#[derive(Default)]
pub(super) struct InputChunk {
    pub(super) bytes: Vec<u8>,
    pub(super) read: usize,
}
