//! `Channel`: the input and output buffers between a handler and its connection, and the condition that a suspended
//! handler waits for.
//!
//! The channel does not interpret the bytes. HTTP's status, header fields and framing are in `handler/`.

use std::cell::{Ref, RefCell, RefMut};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::notice::ResumeNotice;
use super::outcome::TaskOutcome;
use super::task_log::TaskLog;
use super::workers::Job;
use crate::session::{Registrar, SessionHandle, Waker};

/// The maximum number of bytes that are buffered in each direction. The connection moves at most this number of bytes
/// at a time, so a larger channel would only use more memory.
pub(crate) const CHANNEL_CAPACITY: usize = 32 * 1024;

/// An empty buffer with more capacity than this is freed while the handler is suspended.
const KEPT_CAPACITY: usize = 512;

/// The minimum capacity of a new output buffer, which is enough for a small response that is written in many small
/// pieces.
const MIN_OUTPUT_CAPACITY: usize = 64;

/// The state that a handler shares with its connection.
///
/// Invariant: no borrow is held across a suspension. The handler and the connection run alternately on one thread, so
/// neither can borrow the state while the other holds a borrow.
#[derive(Default)]
pub(crate) struct Channel(RefCell<ChannelState>);

impl Channel {
    #[inline]
    pub(crate) fn state(&self) -> Ref<'_, ChannelState> {
        self.0.borrow()
    }

    #[inline]
    pub(crate) fn state_mut(&self) -> RefMut<'_, ChannelState> {
        self.0.borrow_mut()
    }

    /// Queues a line for the server's log.
    pub(crate) fn log(&self, line: String) {
        self.state_mut().log.add(line);
    }
}

/// A destination for the bytes that a handler writes.
pub(crate) trait HandlerOutput {
    /// Accepts some of `bytes`, which must not be empty. Returns the number of bytes accepted, which is 0 if there is
    /// currently no space.
    ///
    /// # Errors
    /// Returns an error if the handler is not allowed to write these bytes now.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// A raw connection has no protocol, so every byte is sent to the client unchanged.
impl HandlerOutput for Channel {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.state_mut().push_output(bytes))
    }
}

/// The state of a [`Channel`]: the buffers and flags that a handler and its connection share, and the wait of the
/// suspended handler.
#[derive(Default)]
pub(crate) struct ChannelState {
    /// Bytes from the client that the handler has not fetched yet.
    pub(crate) input: Vec<u8>,
    /// True if no more bytes will be added to `input`.
    pub(crate) input_ended: bool,
    /// True if the handler has fetched input or has waited for input.
    pub(crate) read_begun: bool,
    /// Bytes from the handler that the connection has not taken yet.
    pub(crate) output: Vec<u8>,
    /// The condition that the suspended handler waits for.
    pub(crate) wait: WaitReason,
    /// A job that the handler waits for. It is stored here until a waker is available, and then started.
    pub(crate) job: Option<Job>,
    /// The notice of the shared value that the handler waits for; `None` during any other wait.
    pub(crate) notice: Option<Arc<ResumeNotice>>,
    /// The connection's handle to the loop. It is set when the handler first needs it.
    pub(crate) handle: Option<Rc<dyn SessionHandle>>,
    /// Wakes the connection from another thread.
    pub(crate) waker: Option<Waker>,
    /// True if the connection no longer sends or receives bytes for this handler.
    pub(crate) client_gone: bool,
    /// The outcome of the handler. `None` before the handler has ended, and again once the connection has taken the
    /// outcome.
    pub(crate) outcome: Option<TaskOutcome>,
    /// Lines for the server's log that the connection has not written yet.
    pub(crate) log: TaskLog,
}

/// The condition that resumes a suspended handler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// The handler is not suspended, or has not started.
    #[default]
    NotWaiting,
    /// The handler waits for input from the client, or for the end of the input.
    Input,
    /// The handler waits for space in the output buffer.
    OutputSpace,
    /// The handler sleeps until this time.
    Until(Instant),
    /// The handler waits until its job on a worker thread has ended.
    Job,
    /// The handler waits for an event of one of its outgoing connections, or for this deadline.
    Source(Option<Instant>),
    /// The handler waits for the connection's handle to the loop.
    Handle,
    /// The handler waits for the notice or the deadline. If `or_stop` is true, the wait also ends when the loop begins
    /// to drain. If `or_input` is true, the wait also ends when input arrives or the input ends.
    Notice { deadline: Option<Instant>, or_stop: bool, or_input: bool },
}

impl WaitReason {
    /// The time at which the handler continues even if nothing else resumes it.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            WaitReason::Until(time) => Some(time),
            WaitReason::Source(deadline) | WaitReason::Notice { deadline, .. } => deadline,
            WaitReason::NotWaiting
            | WaitReason::Input
            | WaitReason::OutputSpace
            | WaitReason::Job
            | WaitReason::Handle => None,
        }
    }
}

impl ChannelState {
    /// Prepares the state for the connection's next task: drops unread and unsent bytes, and keeps log lines.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.input.clear();
        self.output.clear();
        (self.input_ended, self.read_begun, self.client_gone) = (false, false, false);
        self.wait = WaitReason::NotWaiting;
        // There is usually no job and no notice. Testing for each is cheaper than assigning `None`, which also drops
        // the old value.
        if self.job.is_some() {
            self.job = None;
        }
        if self.notice.is_some() {
            self.notice = None;
        }
        // The channel may next be used in another session, so the handle of this session must not be kept.
        (self.handle, self.waker) = (None, None);
        self.outcome = None;
    }

    /// Takes the outcome. Returns the panic message if the handler panicked; otherwise `None`.
    pub(crate) fn take_panic(&mut self) -> Option<String> {
        match self.outcome.take() {
            Some(TaskOutcome::Panicked(text)) => Some(text),
            // A handler that returned, even with an error, is intact and can serve the next request.
            _ => None,
        }
    }

    /// True if the handler can continue.
    pub(crate) fn is_ready(&self, now: impl FnOnce() -> Instant) -> bool {
        match self.wait {
            WaitReason::NotWaiting => true,
            // EOF also resumes the handler, whose read then returns 0 bytes.
            WaitReason::Input => self.has_input(),
            // Space for one byte is enough, because a write may accept only some of the bytes.
            WaitReason::OutputSpace => self.output.len() < CHANNEL_CAPACITY,
            WaitReason::Until(time) => time <= now(),
            WaitReason::Job => self.job.as_ref().is_some_and(Job::is_done),
            // The channel does not know which event ran the connection. The handler is therefore always resumed,
            // retries its operation, and waits again if that returns `WouldBlock`.
            WaitReason::Source(_) => true,
            WaitReason::Handle => self.handle.is_some(),
            WaitReason::Notice { deadline, or_stop, or_input } => {
                self.notice.as_ref().is_some_and(|notice| notice.is_given())
                    || deadline.is_some_and(|deadline| deadline <= now())
                    || (or_stop && self.handle.as_ref().is_some_and(|handle| handle.is_stopping()))
                    || (or_input && self.has_input())
            }
        }
    }

    /// Reopens the input, which ended with the request, so that the bytes of another protocol can follow.
    pub(crate) fn begin_upgrade(&mut self) {
        (self.input_ended, self.read_begun) = (false, true);
    }

    /// True if there is input, or the input has ended.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty() || self.input_ended
    }

    /// The free space for input, in bytes.
    pub(crate) fn input_space(&self) -> usize {
        CHANNEL_CAPACITY.saturating_sub(self.input.len())
    }

    /// Adds as many of the bytes to the input as fit, and returns the number added.
    pub(crate) fn push_input(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.input_space());
        match self.input.capacity() {
            // The first allocation fits these bytes exactly, because they are often the whole of a small body.
            0 => self.input = bytes[..count].to_vec(),
            _ => self.input.extend_from_slice(&bytes[..count]),
        }
        count
    }

    /// Adds as many of the bytes to the output as fit, and returns the number added.
    #[inline]
    pub(crate) fn push_output(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(CHANNEL_CAPACITY.saturating_sub(self.output.len()));
        // A handler that has not written anything owns no output buffer. Most responses fit into the first allocation.
        if self.output.capacity() == 0 {
            self.output = Vec::with_capacity(count.max(MIN_OUTPUT_CAPACITY));
        }
        self.output.extend_from_slice(&bytes[..count]);
        count
    }

    /// Moves output to `buf`, and returns the number of bytes moved.
    pub(crate) fn take_output(&mut self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.output.len());
        buf[..count].copy_from_slice(&self.output[..count]);
        // This usually moves all of the output, because the connection's buffer is at least as large as the channel.
        self.output.drain(..count);
        count
    }

    /// Frees the memory of empty buffers. Called when the handler suspends, because it may stay suspended for a long
    /// time.
    pub(crate) fn shrink(&mut self) {
        // A small buffer is kept, because the next read or write would allocate it again.
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() && buffer.capacity() > KEPT_CAPACITY {
                *buffer = Vec::new();
            }
        }
    }

    /// Prepares the handler's wait: obtains the handle and the waker if the wait requires them, starts the stored job,
    /// and passes the waker to the notice. A handle can be obtained only from a registrar, so a call without one does
    /// nothing unless an earlier call has obtained the handle. The handle and the waker are created only once per
    /// request, because each is an allocation.
    pub(crate) fn provide(&mut self, registrar: Option<&dyn Registrar>) {
        let needs_waker = self.job.is_some() || self.notice.is_some();
        // Most handlers wait only for their client. The connection resumes such a handler, so no waker is needed.
        if !needs_waker && self.wait != WaitReason::Handle {
            return;
        }
        if self.handle.is_none() {
            self.handle = registrar.map(|registrar| registrar.handle());
        }
        // A job or a notice resumes the handler through a waker, and only the handle can create the waker.
        let Some(handle) = self.handle.as_ref().filter(|_| needs_waker) else { return };
        let waker = self.waker.get_or_insert_with(|| handle.wake());
        if let Some(job) = &mut self.job {
            job.start(waker);
        }
        if let Some(notice) = &self.notice {
            notice.set_waker(waker);
        }
    }
}
