//! The handler's end of its channel: reading, writing, sleeping and offloading, each of which may suspend the handler.
//!
//! The connection's end is [`TaskRunner`](super::TaskRunner).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::channel::{Channel, HandlerOutput, WaitReason};
use super::clock::now;
use super::fiber::Yielder;
use super::outgoing::{OutgoingConnector, OutgoingStream};
use super::resources::HandlerResources;
use super::shared::{Shared, check_no_access};
use super::streams::{InputChunk, Rfile, Wfile};
use crate::session::SessionHandle;

/// The operations that may suspend a handler.
pub(crate) struct HandlerIo<'y> {
    yielder: &'y Yielder,
    channel: &'y Channel,
    /// The destination of the bytes that the handler writes: either the channel itself, or a protocol that writes to
    /// the channel.
    output: &'y dyn HandlerOutput,
    resources: &'y HandlerResources,
    /// Input that a dropped [`Rfile`] had fetched but not returned to the handler.
    chunk: RefCell<InputChunk>,
    /// The number of bytes of input that have been fetched.
    fetched: Cell<u64>,
    /// The number of bytes of input that may be fetched in total. Fetching more fails with the result of `limit_error`.
    input_limit: Cell<u64>,
    limit_error: Cell<fn() -> io::Error>,
    /// The maximum duration of a wait for input; `None` means no limit. A wait that times out fails with an error of
    /// kind `WouldBlock`.
    read_timeout: Cell<Option<Duration>>,
    /// The condition that interrupts a wait for input without a time limit.
    #[cfg(feature = "client")]
    interrupt: Cell<InputInterrupt>,
    /// The number of operations that have failed because the client has disconnected.
    gone_errors: Cell<u32>,
    /// The number of bytes that the handler may still read from and write to its outgoing connections in this turn.
    budget: Cell<usize>,
}

/// The number of operations that may fail because the client has disconnected. If the handler ignores all of these
/// errors, its next operation unwinds it.
const MAX_GONE_ERRORS: u32 = 100;

/// The condition that interrupts a wait for input. The read then fails with an error of kind `Interrupted`, and can be
/// repeated.
#[cfg(feature = "client")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum InputInterrupt {
    /// The wait lasts until there is input.
    #[default]
    Never,
    /// The next wait fails before it begins. All later waits are interrupted as with `OnEvent`.
    BeforeWait,
    /// A wait ends when input arrives, or when one of the handler's outgoing connections may have an event.
    OnEvent,
}

/// The maximum number of bytes that a handler may read from and write to its outgoing connections in one turn.
const TURN_BUDGET: usize = 256 * 1024;

impl<'y> HandlerIo<'y> {
    pub(crate) fn new(
        yielder: &'y Yielder,
        channel: &'y Channel,
        output: &'y dyn HandlerOutput,
        resources: &'y HandlerResources,
    ) -> HandlerIo<'y> {
        HandlerIo {
            yielder,
            channel,
            output,
            resources,
            chunk: RefCell::default(),
            fetched: Cell::new(0),
            input_limit: Cell::new(u64::MAX),
            limit_error: Cell::new(|| io::ErrorKind::InvalidData.into()),
            read_timeout: Cell::new(None),
            #[cfg(feature = "client")]
            interrupt: Cell::default(),
            gone_errors: Cell::new(0),
            budget: Cell::new(TURN_BUDGET),
        }
    }

    pub(crate) fn channel(&self) -> &'y Channel {
        self.channel
    }

    pub(super) fn resources(&self) -> &'y HandlerResources {
        self.resources
    }

    pub(crate) fn rfile(&self) -> Rfile<'_> {
        Rfile::new(self, self.chunk.take())
    }

    pub(crate) fn wfile(&self) -> Wfile<'_> {
        Wfile::new(self)
    }

    /// The number of bytes of input that have been fetched, whether or not the handler has read them.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.get()
    }

    /// Limits the number of bytes of input that may be fetched in total, including those that have already been
    /// fetched. Fetching more fails with the result of `error`.
    pub(crate) fn set_input_limit(&self, limit: u64, error: fn() -> io::Error) {
        self.input_limit.set(limit);
        self.limit_error.set(error);
    }

    /// Sets the maximum duration of every wait for input; `None` means no limit.
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) {
        self.read_timeout.set(timeout);
    }

    /// If `on` is true, the next read that would wait for input without a time limit fails with an error of kind
    /// `Interrupted` instead. Later reads wait, but fail in the same way when one of the handler's outgoing connections
    /// may have an event. If `on` is false, reads wait for input only.
    #[cfg(feature = "client")]
    pub(crate) fn interrupt_reads(&self, on: bool) {
        self.interrupt.set(if on { InputInterrupt::BeforeWait } else { InputInterrupt::Never });
    }

    /// Suspends the handler once, so that its connection can run.
    pub(crate) fn yield_now(&self) -> io::Result<()> {
        self.suspend(WaitReason::Until(now()))
    }

    pub(crate) fn sleep(&self, time: Duration) -> io::Result<()> {
        self.check()?;
        // If the end of the sleep overflows the clock, the handler sleeps until the client disconnects.
        let Some(end) = now().checked_add(time) else { return self.suspend(WaitReason::Until(far_future())) };
        loop {
            // Even a sleep of zero suspends the handler, so that a handler that polls in a loop does not block the
            // other connections.
            self.suspend(WaitReason::Until(end))?;
            // The runner does not resume the handler before `end`, but this loop does not rely on that.
            if now() >= end {
                return Ok(());
            }
        }
    }

    pub(crate) fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.check()?;
        let (job, handle) = self.resources.workers.job(work);
        {
            let mut state = self.channel.state_mut();
            // The job is stored in the channel, because it cannot be started without a waker, and only the runner can
            // provide one.
            state.job = Some(job);
            state.provide(None);
        }
        let result = loop {
            // A short job may already have ended, in which case the handler is not suspended.
            if let Some(result) = handle.take() {
                break result;
            }
            if let Err(error) = self.suspend(WaitReason::Job) {
                break Err(error);
            }
        };
        // After an error, the job may still be running. Its result is then dropped.
        self.channel.state_mut().job = None;
        result
    }

    pub(crate) fn connector(&self) -> OutgoingConnector<'_> {
        OutgoingConnector::new(self)
    }

    pub(crate) fn connect_tcp(
        &self,
        address: &impl fmt::Display,
        timeout: Option<Duration>,
    ) -> io::Result<OutgoingStream<'_>> {
        self.connector().connect(&address.to_string(), timeout)
    }

    /// Suspends the handler until one of its outgoing connections has an event, or until the deadline. The handler can
    /// be resumed earlier, because it is resumed whenever its connection runs.
    pub(crate) fn wait_for_source(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.suspend(WaitReason::Source(deadline))
    }

    /// Reduces the handler's budget by `count` bytes that it has read from or written to an outgoing connection. A
    /// handler that has used up its budget is suspended until the next turn. Otherwise, an outgoing connection that
    /// always has more bytes would block the loop.
    pub(super) fn spend(&self, count: usize) -> io::Result<()> {
        let left = self.budget.get().saturating_sub(count);
        self.budget.set(left);
        if left > 0 {
            return Ok(());
        }
        // The wait must not depend on an event, because outgoing connections that are already ready may cause no
        // further event. The session is therefore scheduled explicitly.
        self.handle()?.wake().wake();
        self.suspend(WaitReason::Source(None))
    }

    /// Suspends the handler until `look` returns `Some` for the value, the timeout has passed, or the server begins to
    /// drain. If `or_input` is true, the wait also ends when there is input or the input has ended.
    pub(crate) fn wait_until<T, R>(
        &self,
        shared: &Shared<T>,
        timeout: Option<Duration>,
        or_input: bool,
        mut look: impl FnMut(&mut T) -> Option<R>,
    ) -> io::Result<Option<R>> {
        self.check()?;
        let handle = self.handle()?;
        // Only the beginning of a drain ends a wait. If a wait that begins during a drain also ended immediately, a
        // handler that waits in a loop would never be suspended during the drain.
        let or_stop = !handle.is_stopping();
        let deadline = deadline_after(timeout);
        let wait = shared.begin_wait();
        loop {
            // The value is checked before the deadline, so that a change at the last moment is not missed.
            if let Some(result) = wait.look(&mut look) {
                return Ok(Some(result));
            }
            if is_past(deadline) || (or_stop && handle.is_stopping()) || (or_input && self.channel.state().has_input())
            {
                return Ok(None);
            }
            self.channel.state_mut().notice = Some(Arc::clone(wait.notice()));
            let resumed = self.suspend(WaitReason::Notice { deadline, or_stop, or_input });
            self.channel.state_mut().notice = None;
            resumed?;
        }
    }

    /// True if the server is draining, or the client has disconnected.
    pub(crate) fn is_stopping(&self) -> bool {
        match self.handle() {
            Ok(handle) => handle.is_stopping(),
            // An error other than `ConnectionAborted` means that the handler must not wait here, for example because it
            // is inside `Shared::with`.
            Err(error) => error.kind() == io::ErrorKind::ConnectionAborted,
        }
    }

    /// Suspends the handler until the server begins to drain or the timeout has passed. Returns true if the server is
    /// draining.
    pub(crate) fn wait_for_stop(&self, timeout: Duration) -> io::Result<bool> {
        self.check()?;
        let handle = self.handle()?;
        let deadline = deadline_after(Some(timeout));
        while !handle.is_stopping() && !is_past(deadline) {
            self.suspend(WaitReason::Notice { deadline, or_stop: true, or_input: false })?;
        }
        Ok(handle.is_stopping())
    }

    /// The connection's handle to the loop. If the handler runs within `Service::call`, it is suspended until the
    /// handle is available.
    pub(super) fn handle(&self) -> io::Result<Rc<dyn SessionHandle>> {
        loop {
            if let Some(handle) = &self.channel.state().handle {
                return Ok(Rc::clone(handle));
            }
            self.suspend(WaitReason::Handle)?;
        }
    }

    /// Queues a line for the server's log.
    pub(crate) fn log_message(&self, text: impl fmt::Display) {
        self.channel.log(text.to_string());
    }

    /// Keeps the chunk of a dropped [`Rfile`] for the next `Rfile`.
    pub(super) fn keep_chunk(&self, chunk: &mut InputChunk) {
        let mut kept = self.chunk.borrow_mut();
        // If the unread bytes of another dropped `Rfile` are already kept, this chunk is discarded, because the order
        // of the two chunks is unknown.
        if kept.read == kept.bytes.len() {
            *kept = std::mem::take(chunk);
        }
    }

    /// Returns unread input to the channel, so that the service to which the handler has passed its request can read
    /// it.
    pub(crate) fn return_unread(&self) {
        let chunk = self.chunk.borrow();
        if chunk.read < chunk.bytes.len() {
            // The unread bytes are older than the bytes in the channel, so they are inserted at its front.
            let unread = chunk.bytes[chunk.read..].iter().copied();
            self.channel.state_mut().input.splice(..0, unread).for_each(drop);
        }
    }

    /// Suspends the handler until it can continue.
    ///
    /// # Errors
    /// Returns an error if the client has disconnected, before or after the suspension, or if the handler is panicking.
    fn suspend(&self, wait: WaitReason) -> io::Result<()> {
        self.check()?;
        // An unwinding handler must not suspend, because `thread::panicking` applies to the whole thread and would then
        // be true for other handlers too.
        if thread::panicking() {
            return Err(io::Error::other("a handler cannot wait while it panics"));
        }
        {
            let mut state = self.channel.state_mut();
            state.wait = wait;
            state.shrink();
        }
        self.yielder.suspend(());
        self.budget.set(TURN_BUDGET);
        self.channel.state_mut().wait = WaitReason::NotWaiting;
        // A handler is also resumed when its client has disconnected.
        self.check()
    }

    /// Returns an error if the handler must not wait, because the client has disconnected or the handler is inside
    /// [`Shared::with`].
    ///
    /// Every operation that can suspend the handler makes this check, even when it does not need to suspend. Misuse is
    /// then detected on the first call, and not only when the operation happens to wait.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        check_no_access()?;
        if self.channel.state().client_gone { Err(self.gone_error()) } else { Ok(()) }
    }

    /// The error for a disconnected client. A handler that has ignored this error [`MAX_GONE_ERRORS`] times is unwound
    /// instead.
    #[cold]
    fn gone_error(&self) -> io::Error {
        self.gone_errors.set(self.gone_errors.get() + 1);
        if self.gone_errors.get() > MAX_GONE_ERRORS && !thread::panicking() {
            // The runner has cancelled this handler. After this suspension, the runner unwinds the handler instead of
            // resuming it.
            self.yielder.suspend(());
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, "the client has disconnected")
    }

    /// Replaces the bytes of `chunk` with input from the channel. The handler must have read all bytes of the chunk.
    /// Suspends the handler until there is input. If the input has ended, the chunk is empty afterwards.
    pub(super) fn fetch(&self, chunk: &mut InputChunk) -> io::Result<()> {
        loop {
            self.check()?;
            chunk.bytes.clear();
            chunk.read = 0;
            let ended = self.take_input(&mut chunk.bytes)?;
            if ended || !chunk.bytes.is_empty() {
                return Ok(());
            }
            // The chunk's memory is freed first, so that a suspended handler owns no input buffer.
            chunk.bytes = Vec::new();
            self.wait_for_input()?;
        }
    }

    /// Moves input from the channel to `bytes`, which must be empty. Input beyond the limit stays in the channel.
    /// Returns true if the input has ended.
    ///
    /// # Errors
    /// Returns the result of `limit_error` if the limit has been reached and there is more input.
    fn take_input(&self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut state = self.channel.state_mut();
        state.read_begun = true;
        let left = self.input_limit.get().saturating_sub(self.fetched.get());
        if state.input.len() as u64 <= left {
            // The buffers are swapped, so no byte is copied and both allocations are reused.
            std::mem::swap(&mut state.input, bytes);
        } else if left > 0 {
            // The handler receives all bytes within the limit before the error, whatever the sizes of the fetches.
            bytes.extend(state.input.drain(..left as usize));
        } else {
            return Err((self.limit_error.get())());
        }
        self.fetched.set(self.fetched.get() + bytes.len() as u64);
        Ok(state.input_ended)
    }

    /// Suspends the handler until there is input, or the input has ended.
    ///
    /// # Errors
    /// Returns an error of kind `WouldBlock` if the wait times out, and one of kind `Interrupted` if it is interrupted.
    /// Also returns any error from `suspend`.
    fn wait_for_input(&self) -> io::Result<()> {
        let Some(timeout) = self.read_timeout.get() else {
            #[cfg(feature = "client")]
            if self.interrupt.get() != InputInterrupt::Never {
                return self.wait_for_input_or_source();
            }
            return self.suspend(WaitReason::Input);
        };
        let deadline = now().checked_add(timeout);
        // With a timeout of zero, the handler is not suspended, and receives only input that has already arrived.
        if !timeout.is_zero() {
            self.suspend(WaitReason::Notice { deadline, or_stop: false, or_input: true })?;
        }
        if self.channel.state().has_input() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    #[cfg(feature = "client")]
    fn wait_for_input_or_source(&self) -> io::Result<()> {
        // Only the first read fails immediately. Many functions of `std` repeat an interrupted read. If every read
        // failed, they would loop without ever suspending the handler.
        if self.interrupt.replace(InputInterrupt::OnEvent) == InputInterrupt::OnEvent {
            self.suspend(WaitReason::Source(None))?;
        }
        if self.channel.state().has_input() { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    }

    /// Writes as many of the bytes as currently fit. `bytes` must not be empty.
    #[cfg(feature = "client")]
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.output.write(bytes)
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // `Write::write` must return 0 for an empty slice. The slice is not passed to `output`, because a count of 0
        // from `output` means that its buffer is full.
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            self.check()?;
            // The count may be smaller than `bytes.len()`; `Write::write_all` then calls again with the rest.
            let count = self.output.write(bytes)?;
            if count > 0 {
                return Ok(count);
            }
            self.suspend(WaitReason::OutputSpace)?;
        }
    }
}

/// The deadline of a wait that begins now. `None` if there is no timeout, or if the deadline overflows the clock.
pub(super) fn deadline_after(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| now().checked_add(timeout))
}

/// True if the deadline has passed. A wait without a deadline never expires.
pub(super) fn is_past(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= now())
}

/// The end of a sleep whose duration overflows an [`Instant`]: 30 years from now.
fn far_future() -> Instant {
    now() + Duration::from_secs(30 * 365 * 24 * 3600)
}
