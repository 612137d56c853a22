//! The bytes between a handler and its connection in both directions, and what a suspended handler waits for.
//!
//! Not here: the meaning of the bytes. Status, header fields and framing of HTTP are in `handler/`.

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

/// The most bytes that may wait in each direction: as many as the connection moves at a time. More would only use memory.
pub(crate) const CHANNEL_CAPACITY: usize = 32 * 1024;

/// An empty buffer with more capacity than this is freed while the handler is suspended.
const KEPT_CAPACITY: usize = 512;

/// The least capacity of a new output buffer: enough for a small response in many small writes.
const MIN_OUTPUT_CAPACITY: usize = 64;

/// The state that a handler shares with its connection.
///
/// Invariant: a borrow never lives across a suspension, so the handler and the connection, which run in turns on one
/// thread, never find the state borrowed.
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

/// Takes the bytes that a handler writes.
pub(crate) trait HandlerOutput {
    /// Takes some of `bytes`, which are not empty, and returns how many; 0 means that there is no space now.
    ///
    /// # Errors
    /// If the handler must not write these bytes now.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
}

/// A raw connection has no protocol: every byte goes to the client.
impl HandlerOutput for Channel {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.state_mut().push_output(bytes))
    }
}

/// The bytes and marks that a handler and its connection exchange through a [`Channel`].
#[derive(Default)]
pub(crate) struct ChannelState {
    /// Bytes from the client that the handler has not fetched.
    pub(crate) input: Vec<u8>,
    /// True if no more bytes will be added to `input`.
    pub(crate) input_ended: bool,
    /// True if the handler has fetched input, or waited for it.
    pub(crate) read_begun: bool,
    /// Bytes from the handler that the connection has not taken.
    pub(crate) output: Vec<u8>,
    /// The reason of the handler's suspension.
    pub(crate) wait: WaitReason,
    /// A job whose end the handler waits for. It stays here unstarted until there is a waker.
    pub(crate) job: Option<Job>,
    /// A notice that the handler waits for.
    pub(crate) notice: Option<Arc<ResumeNotice>>,
    /// The connection's handle of the loop, once the handler has needed it.
    pub(crate) handle: Option<Rc<dyn SessionHandle>>,
    /// Wakes the connection from another thread.
    pub(crate) waker: Option<Waker>,
    /// True if the connection will neither send nor receive for this handler any more.
    pub(crate) client_gone: bool,
    /// How the handler ended; `None` while it has not, and after the connection has taken the outcome.
    pub(crate) outcome: Option<TaskOutcome>,
    /// Lines for the server's log.
    pub(crate) log: TaskLog,
}

/// The condition that resumes a suspended handler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// The handler is not suspended, or has not started.
    #[default]
    NotWaiting,
    /// Bytes from the client, or their end.
    Input,
    /// Space in the output buffer.
    OutputSpace,
    /// The time of the end of a sleep.
    Until(Instant),
    /// The end of the job on a worker thread, or this time.
    Job(Option<Instant>),
    /// An event of one of the handler's sources, or this time.
    Source(Option<Instant>),
    /// The connection's handle of the loop.
    Handle,
    /// The notice, this time, the stop of the loop, or bytes from the client or their end.
    Notice { deadline: Option<Instant>, or_stop: bool, or_input: bool },
}

impl WaitReason {
    /// The time at which the handler continues even if nothing else happens.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            WaitReason::Until(time) => Some(time),
            WaitReason::Job(deadline) | WaitReason::Source(deadline) | WaitReason::Notice { deadline, .. } => deadline,
            WaitReason::NotWaiting | WaitReason::Input | WaitReason::OutputSpace | WaitReason::Handle => None,
        }
    }
}

impl ChannelState {
    /// Prepares the state for the next task of a connection: drops unread and unsent bytes, and keeps log lines.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.input.clear();
        self.output.clear();
        (self.input_ended, self.read_begun, self.client_gone) = (false, false, false);
        self.wait = WaitReason::NotWaiting;
        // After most tasks there is no job. This test is cheaper than dropping `None`.
        if self.job.is_some() {
            self.job = None;
        }
        if self.notice.is_some() {
            self.notice = None;
        }
        // The next request may come in another session's step, so the handle of this one must not outlive it.
        (self.handle, self.waker) = (None, None);
        self.outcome = None;
    }

    /// Takes the text of the handler's panic. Another outcome is dropped.
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
            // The end of the input resumes the handler, too: its read returns 0 bytes.
            WaitReason::Input => self.has_input(),
            // Space for one byte is enough, since a write may be short.
            WaitReason::OutputSpace => self.output.len() < CHANNEL_CAPACITY,
            WaitReason::Until(time) => time <= now(),
            WaitReason::Job(deadline) => {
                self.job.as_ref().is_some_and(Job::is_done) || deadline.is_some_and(|deadline| deadline <= now())
            }
            // The loop does not say which event has run the session. The handler tries again and believes only `WouldBlock`.
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

    /// Begins the input of another protocol, after that of the request has ended.
    pub(crate) fn begin_upgrade(&mut self) {
        (self.input_ended, self.read_begun) = (false, true);
    }

    /// True if there is input, or its end.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty() || self.input_ended
    }

    /// How many more bytes of input fit.
    pub(crate) fn input_space(&self) -> usize {
        CHANNEL_CAPACITY.saturating_sub(self.input.len())
    }

    /// Adds as many of the bytes to the input as fit, and returns how many.
    pub(crate) fn push_input(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.input_space());
        match self.input.capacity() {
            // Allocates exactly what a small body needs, since no more may follow.
            0 => self.input = bytes[..count].to_vec(),
            _ => self.input.extend_from_slice(&bytes[..count]),
        }
        count
    }

    /// Adds as many of the bytes to the output as fit, and returns how many.
    #[inline]
    pub(crate) fn push_output(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(CHANNEL_CAPACITY.saturating_sub(self.output.len()));
        // A handler that has not written owns no output buffer. Most responses fit in what their first write allocates.
        if self.output.capacity() == 0 {
            self.output = Vec::with_capacity(count.max(MIN_OUTPUT_CAPACITY));
        }
        self.output.extend_from_slice(&bytes[..count]);
        count
    }

    /// Moves output to `buf`, and returns how many bytes that was.
    pub(crate) fn take_output(&mut self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.output.len());
        buf[..count].copy_from_slice(&self.output[..count]);
        // Mostly all of it: the connection's buffer is at least as large as the channel.
        self.output.drain(..count);
        count
    }

    /// Frees the memory of empty buffers. Called when the handler suspends, since it may stay suspended for long.
    pub(crate) fn shrink(&mut self) {
        // A small buffer is kept: the next read or write would allocate it again.
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() && buffer.capacity() > KEPT_CAPACITY {
                *buffer = Vec::new();
            }
        }
    }

    /// Makes the handle and the waker that the handler's wait needs, if there is a registrar or a handle, and starts the
    /// job. Each is made once for a request, because making one allocates.
    pub(crate) fn provide(&mut self, registrar: Option<&dyn Registrar>) {
        let needs_waker = self.job.is_some() || self.notice.is_some();
        // The usual handler waits for its client only, and the connection resumes it without a waker.
        if !needs_waker && self.wait != WaitReason::Handle {
            return;
        }
        if self.handle.is_none() {
            self.handle = registrar.map(|registrar| registrar.handle());
        }
        // Without a waker neither job nor notice would resume the handler, so both wait for one.
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
