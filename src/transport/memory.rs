//! A connection in memory, for tests.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;

use super::{NoSource, Transport};

/// A connection in memory. Clones are the same connection.
#[derive(Debug, Clone, Default)]
pub struct Memory(Rc<RefCell<State>>, NoSource);

#[derive(Debug, Default)]
struct State {
    /// Bytes that the client has sent and the server has not read.
    sent: VecDeque<u8>,
    /// The client has closed its side.
    finished: bool,
    /// Bytes that the server has sent and the client has not taken.
    received: Vec<u8>,
    /// Bytes that the server may still send until the client opens the window again; `None` for no bound.
    window: Option<usize>,
    /// The server has shut its side.
    ended: bool,
}

impl Memory {
    /// Sends bytes to the server.
    pub fn send(&self, bytes: &[u8]) {
        self.0.borrow_mut().sent.extend(bytes);
    }

    /// Closes the client's side.
    pub fn finish(&self) {
        self.0.borrow_mut().finished = true;
    }

    /// Takes the bytes that the server has sent.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().received)
    }

    /// Lets the server send `bytes` more. The window is unbounded until the first call.
    pub fn open_window(&self, bytes: usize) {
        *self.0.borrow_mut().window.get_or_insert(0) += bytes;
    }

    /// True if the server has shut its side.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().ended
    }
}

impl Transport for Memory {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        // Without this, an empty queue would be read as the end of input.
        if state.sent.is_empty() && !state.finished {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.sent.read(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: bool) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let room = state.window.unwrap_or(usize::MAX);
        let count = room.min(first.len() + second.len());
        // A full window blocks, as the buffer of a socket does.
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // A short count may end within either part.
        let of_first = count.min(first.len());
        state.received.extend_from_slice(&first[..of_first]);
        state.received.extend_from_slice(&second[..count - of_first]);
        // An unbounded window stays unbounded.
        if let Some(window) = &mut state.window {
            *window -= count;
        }
        Ok(count)
    }

    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.borrow_mut().ended = true;
        Ok(())
    }

    /// A source without events: the caller runs the session itself when bytes have come.
    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.1
    }
}
