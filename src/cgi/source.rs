//! The body of a response, as a script writes it.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use mio::unix::pipe::Receiver;

use super::nursery::{Fate, Nursery};
use crate::service::Source;

/// A child's tie to its connection: when the last of those that hold it goes, so does the child, unless its output was
/// complete.
pub(super) struct Leash {
    nursery: Arc<Nursery>,
    key: usize,
    output_complete: Cell<bool>,
}

impl Leash {
    pub(super) fn new(nursery: Arc<Nursery>, key: usize) -> Rc<Leash> {
        Rc::new(Leash { nursery, key, output_complete: Cell::new(false) })
    }

    pub(super) fn fate(&self) -> Fate {
        self.nursery.fate(self.key)
    }

    /// Has the child ended although its connection goes on.
    pub(super) fn end(&self, why: &str) {
        self.nursery.end(self.key, why);
    }

    /// Nothing of the child's output is waited for any more.
    pub(super) fn complete(&self) {
        self.output_complete.set(true);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.output_complete.get()
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.nursery.release(self.key, self.output_complete.get());
    }
}

/// What a script writes to its standard output.
pub(super) struct Output {
    pipe: Receiver,
    leash: Rc<Leash>,
}

impl Output {
    pub(super) fn new(pipe: Receiver, leash: Rc<Leash>) -> Output {
        Output { pipe, leash }
    }

    /// The tie to the script that writes this.
    pub(super) fn leash(&self) -> &Rc<Leash> {
        &self.leash
    }

    /// Reads what there is. The end is where the pipe ends, or where it is empty and the script has ended: a process
    /// that it left behind may hold the pipe open for ever.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing yet, `TimedOut` if the script was ended because it took too long.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // Asked before the pipe is read, so that nothing can be written between the two.
        let fate = self.leash.fate();
        let read = loop {
            match self.pipe.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && fate == Fate::Ended => break Ok(0),
                other => break other,
            }
        };
        match (read, fate) {
            (Ok(0) | Err(_), Fate::Overdue) => Err(io::ErrorKind::TimedOut.into()),
            (Ok(0), _) => {
                self.leash.complete();
                Ok(0)
            }
            (read, _) => read,
        }
    }
}

/// A body of unknown length that nobody will see: it keeps the response to HEAD from announcing that it is empty.
pub(super) struct Unseen;

impl Source for Unseen {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// The body of a script's response.
pub(super) struct ScriptBody {
    /// What came together with the head.
    early: io::Cursor<Vec<u8>>,
    output: Output,
    /// How much of the length that the script has announced is still to come.
    left: Option<u64>,
}

impl ScriptBody {
    pub(super) fn new(early: Vec<u8>, output: Output, length: Option<u64>) -> ScriptBody {
        ScriptBody { early: io::Cursor::new(early), output, left: length }
    }
}

impl Source for ScriptBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = self.left.map_or(buf.len(), |left| buf.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if room == 0 {
            // What goes beyond the announced length is nobody's (RFC 9112 section 6.3).
            self.output.leash.complete();
            return Ok(0);
        }
        let count = match self.early.read(&mut buf[..room])? {
            0 => self.output.read(&mut buf[..room])?,
            count => count,
        };
        self.left = self.left.map(|left| left - count as u64);
        if self.left == Some(0) {
            self.output.leash.complete();
        }
        Ok(count)
    }
}
