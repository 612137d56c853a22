//! The standard output of a script, as a stream of bytes and as the body of a response.
//!
//! The head of the output is parsed in `output`, and the child is reaped in `reaper`.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use mio::unix::pipe::Receiver;

use super::child::ChildState;
use super::reaper::ChildReaper;
use crate::service::Source;

/// A connection's handle to its child. Dropping the last reference terminates the child unless its output is complete.
pub(super) struct ChildHandle {
    reaper: Arc<ChildReaper>,
    key: usize,
    output_complete: Cell<bool>,
}

impl ChildHandle {
    pub(super) fn new(reaper: Arc<ChildReaper>, key: usize) -> Rc<ChildHandle> {
        Rc::new(ChildHandle { reaper, key, output_complete: Cell::new(false) })
    }

    pub(super) fn state(&self) -> ChildState {
        self.reaper.state(self.key)
    }

    /// Terminates the child and logs the reason.
    pub(super) fn terminate(&self, reason: &str) {
        self.reaper.terminate(self.key, reason);
    }

    /// Records that no more of the child's output is needed.
    pub(super) fn set_complete(&self) {
        self.output_complete.set(true);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.output_complete.get()
    }
}

impl Drop for ChildHandle {
    fn drop(&mut self) {
        self.reaper.release(self.key, self.output_complete.get());
    }
}

/// The standard output of a script, and the handle to the child that writes it.
pub(super) struct ScriptOutput {
    pipe: Receiver,
    child: Rc<ChildHandle>,
}

impl ScriptOutput {
    pub(super) fn new(pipe: Receiver, child: Rc<ChildHandle>) -> ScriptOutput {
        ScriptOutput { pipe, child }
    }

    /// The handle to the script that writes the output.
    pub(super) fn child(&self) -> &Rc<ChildHandle> {
        &self.child
    }

    /// Reads the bytes in the pipe. The output ends at EOF on the pipe. It also ends when the script has exited and the
    /// pipe is empty, because a process that the script left behind can keep the pipe open. Returns 0 at the end.
    ///
    /// # Errors
    /// Returns `WouldBlock` if no output is available yet, and `TimedOut` if the script was terminated because it ran
    /// for too long.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // The state is fetched before the read. If the script has exited before the read and the read finds the pipe
        // empty, no output of the script is left.
        let state = self.child.state();
        let read = loop {
            match self.pipe.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && state == ChildState::Ended => break Ok(0),
                other => break other,
            }
        };
        match (read, state) {
            // SIGTERM has truncated the output. This is an error, because the client must not mistake it for the
            // complete output.
            (Ok(0) | Err(_), ChildState::TimedOut) => Err(io::ErrorKind::TimedOut.into()),
            (Ok(0), _) => {
                self.child.set_complete();
                Ok(0)
            }
            (read, _) => read,
        }
    }
}

/// The body of a response to HEAD. It yields no bytes. `Body::Empty` would announce `Content-Length: 0`, which is not
/// the length of the response to GET.
pub(super) struct OmittedBody;

impl Source for OmittedBody {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// The body of a script's response.
pub(super) struct ScriptBody {
    /// The bytes of the body that were read together with the head.
    early: io::Cursor<Vec<u8>>,
    output: ScriptOutput,
    /// The number of bytes still to be sent, according to the script's `Content-Length` field. `None` if the script has
    /// sent no such field.
    left: Option<u64>,
}

impl ScriptBody {
    pub(super) fn new(early: Vec<u8>, output: ScriptOutput, length: Option<u64>) -> ScriptBody {
        ScriptBody { early: io::Cursor::new(early), output, left: length }
    }
}

impl Source for ScriptBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = self.left.map_or(buf.len(), |left| buf.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        if room == 0 {
            // The body ends after the announced length (RFC 9112 section 6.3), so further output is dropped.
            self.output.child.set_complete();
            return Ok(0);
        }
        let count = match self.early.read(&mut buf[..room])? {
            0 => self.output.read(&mut buf[..room])?,
            count => count,
        };
        self.left = self.left.map(|left| left - count as u64);
        // The response is complete, so the script may keep running after its client's connection has closed.
        if self.left == Some(0) {
            self.output.child.set_complete();
        }
        Ok(count)
    }
}
