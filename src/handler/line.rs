//! The handler's end of its connection: reading, writing and waiting, each of which may suspend it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::HttpError;
use super::pipe::{Pipe, ROOM, State, Wait};
use crate::coroutine::WorkerPool;
use crate::coroutine::Yielder;
use crate::http::Status;

/// What a handler talks to its client through.
pub(crate) struct Line<'y> {
    yielder: &'y Yielder,
    pipe: &'y Pipe,
    workers: &'y Arc<WorkerPool>,
    /// Bytes that were fetched and not read.
    chunk: RefCell<Chunk>,
    /// How many bytes more may come.
    limit: Cell<u64>,
    /// How often the handler was told that its client is gone.
    told: Cell<u32>,
}

#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    at: usize,
}

/// How often a handler is told that its client is gone before it is ended without being asked.
const PATIENCE: u32 = 100;

impl<'y> Line<'y> {
    pub(crate) fn new(yielder: &'y Yielder, pipe: &'y Pipe, workers: &'y Arc<WorkerPool>) -> Line<'y> {
        let (chunk, limit, told) = (RefCell::default(), Cell::new(u64::MAX), Cell::new(0));
        Line { yielder, pipe, workers, chunk, limit, told }
    }

    /// Looks at, or changes, what it shares with the connection.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.pipe.0.borrow_mut())
    }

    pub(crate) fn rfile(&self) -> Rfile<'_> {
        Rfile { line: self, chunk: self.chunk.take() }
    }

    pub(crate) fn wfile(&self) -> Wfile<'_> {
        Wfile { line: self }
    }

    /// Bounds how many bytes more may be fetched.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.set(limit);
    }

    pub(crate) fn sleep(&self, time: Duration) -> io::Result<()> {
        self.check()?;
        let Some(end) = Instant::now().checked_add(time) else { return self.wait(Wait::Until(far_future())) };
        while Instant::now() < end {
            self.wait(Wait::Until(end))?;
        }
        Ok(())
    }

    pub(crate) fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.check()?;
        let (job, outlook) = self.workers.job(work);
        self.with(|state| {
            state.job = Some(job);
            state.send_job();
        });
        let result = loop {
            if let Some(result) = outlook.take() {
                break result;
            }
            if let Err(error) = self.wait(Wait::Job) {
                break Err(error);
            }
        };
        self.with(|state| state.job = None);
        result
    }

    /// Puts what was fetched and not read back, for whoever reads on.
    pub(crate) fn give_back(&self) {
        let chunk = self.chunk.borrow();
        if chunk.at < chunk.bytes.len() {
            self.with(|state| state.inbox.splice(..0, chunk.bytes[chunk.at..].iter().copied()).for_each(drop));
        }
    }

    /// Suspends the handler until there is something to go on with, or the client is gone.
    fn wait(&self, wait: Wait) -> io::Result<()> {
        self.check()?;
        // To switch to other code while the thread counts a panic would confuse that code about its own.
        if thread::panicking() {
            return Err(io::Error::other("a handler cannot wait while it panics"));
        }
        self.with(|state| {
            state.wait = wait;
            state.shrink();
        });
        self.yielder.suspend(());
        self.with(|state| state.wait = Wait::Nothing);
        self.check()
    }

    /// An error once the client is gone.
    #[inline]
    fn check(&self) -> io::Result<()> {
        if self.with(|state| state.gone) { Err(self.tell()) } else { Ok(()) }
    }

    /// Tells the handler that its client is gone. One that goes on regardless is ended: its stack is unwound.
    #[cold]
    fn tell(&self) -> io::Error {
        self.told.set(self.told.get() + 1);
        if self.told.get() > PATIENCE && !thread::panicking() {
            self.yielder.suspend(());
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, "the client is gone")
    }

    /// Fetches more of what the client sends into an empty chunk. It stays empty at the end.
    fn fill(&self, chunk: &mut Chunk) -> io::Result<()> {
        loop {
            self.check()?;
            let ended = self.with(|state| {
                (state.reads, state.holds_back) = (true, false);
                chunk.bytes.clear();
                chunk.at = 0;
                std::mem::swap(&mut state.inbox, &mut chunk.bytes);
                state.ended
            });
            let left = self.limit.get().checked_sub(chunk.bytes.len() as u64);
            self.limit.set(left.ok_or_else(|| io::Error::from(HttpError::new(Status::CONTENT_TOO_LARGE)))?);
            if ended || !chunk.bytes.is_empty() {
                return Ok(());
            }
            chunk.bytes = Vec::new();
            self.wait(Wait::Input)?;
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            self.check()?;
            if let Some(count) = self.with(|state| put(state, bytes))? {
                return Ok(count);
            }
            self.wait(Wait::Room)?;
        }
    }
}

/// The least memory that is made for what a handler writes: enough for a small answer in many small writes.
const LEAST: usize = 64;

/// Takes what fits of what the handler writes; `None` if there is no room at all.
fn put(state: &mut State, bytes: &[u8]) -> io::Result<Option<usize>> {
    let misuse = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    if let Some(reason) = state.shut {
        return Err(misuse(reason.to_owned()));
    }
    let left = state.declared.map_or(u64::MAX, |declared| declared - state.written);
    if left == 0 {
        state.overran = true;
        return Err(misuse(format!("body longer than its Content-Length of {}", state.written)));
    }
    let wanted = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let count = if state.mute { wanted } else { wanted.min(ROOM.saturating_sub(state.outbox.len())) };
    if !state.mute {
        if state.outbox.capacity() == 0 {
            state.outbox = Vec::with_capacity(count.max(LEAST));
        }
        state.outbox.extend_from_slice(&bytes[..count]);
    }
    state.written += count as u64;
    Ok((count > 0).then_some(count))
}

/// A time that never comes.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(30 * 365 * 24 * 3600)
}

/// What the client sends. Python's `rfile` (contract row SS34).
///
/// Reading suspends the handler until bytes are there; other clients are served meanwhile. The end is the end of the
/// request's body, however it is framed, or of what a raw connection sends. If the client goes before that, reading is
/// an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
///
/// Only one `Rfile` of a handler should be in use at a time; bytes that one has fetched and not given out are put back
/// when it is dropped.
pub struct Rfile<'l> {
    line: &'l Line<'l>,
    chunk: Chunk,
}

impl BufRead for Rfile<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.at == self.chunk.bytes.len() {
            self.line.fill(&mut self.chunk)?;
        }
        Ok(&self.chunk.bytes[self.chunk.at..])
    }

    fn consume(&mut self, count: usize) {
        self.chunk.at = (self.chunk.at + count).min(self.chunk.bytes.len());
    }
}

impl Read for Rfile<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }

    /// Takes what was fetched as it is if there is nothing before it, instead of copying it.
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut total = 0;
        while !self.fill_buf()?.is_empty() {
            let Chunk { bytes, at } = &mut self.chunk;
            total += bytes.len() - *at;
            if buf.capacity() == 0 && *at == 0 {
                *buf = std::mem::take(bytes);
            } else {
                buf.extend_from_slice(&bytes[*at..]);
                *at = bytes.len();
            }
        }
        Ok(total)
    }
}

impl Drop for Rfile<'_> {
    fn drop(&mut self) {
        let mut kept = self.line.chunk.borrow_mut();
        if kept.at == kept.bytes.len() {
            *kept = std::mem::take(&mut self.chunk);
        }
    }
}

impl fmt::Debug for Rfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rfile")
    }
}

/// What goes to the client. Python's `wfile` (contract row SS34).
///
/// What is written leaves when 32 KiB are gathered, when the handler waits for something, and when it returns; so many
/// small writes cost no more than one large. Writing suspends the handler while the client is slow. If the client
/// goes, writing is an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Flushing does nothing.
pub struct Wfile<'l> {
    line: &'l Line<'l>,
}

impl Write for Wfile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.write(bytes)
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
