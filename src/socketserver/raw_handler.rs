//! The handler of a raw connection or datagram while it runs, and its log.
//!
//! No code here uses a socket. The sessions move bytes between a socket and the channel of the handler.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::error::Error;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::SystemTime;

use super::address::Address;
use crate::coroutine::{Channel, ChannelState, HandlerIo, HandlerResources, Task, TaskOutcome, TaskRunner, Yielder};
use crate::log::AccessLog;
use crate::session::{CloseReason, StepContext};

/// The handler of one raw session, with its log.
pub(super) struct RawHandler<'s> {
    runner: TaskRunner,
    /// The client's address for log lines; `None` for a client on a Unix socket.
    peer: Option<SocketAddr>,
    log: &'s RefCell<AccessLog>,
}

impl<'s> RawHandler<'s> {
    /// Creates a handler, which is started by the first call to [`run`](Self::run). `peer` is the client's address in
    /// the form that is shown to users.
    pub(super) fn new<F>(
        resources: &HandlerResources,
        peer: Address,
        log: &'s RefCell<AccessLog>,
        handle: F,
    ) -> RawHandler<'s>
    where
        F: FnOnce(HandlerIo<'_>) -> Result<(), Box<dyn Error>> + 'static,
    {
        let net_peer = peer.net();
        let (resources_of_task, handle) = (resources.clone(), Cell::new(Some(handle)));
        let name = format!("the handler of {peer}");
        let task = RawTask { name, channel: Channel::default(), resources: resources_of_task, handle };
        let mut runner = TaskRunner::new(Rc::new(task), resources);
        runner.enqueue();
        RawHandler { runner, peer: net_peer, log }
    }

    /// Runs the handler until it suspends or ends, and then writes its messages to the log.
    ///
    /// # Errors
    /// Returns an error if there is no memory for the handler's stack.
    pub(super) fn run(&mut self, cx: &mut StepContext<'_>) -> Result<(), CloseReason> {
        self.runner.run(Some(cx.registrar)).map_err(|_| CloseReason::Memory)?;
        self.write_log(cx.clock.wall);
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.runner.is_over()
    }

    pub(super) fn state(&self) -> Ref<'_, ChannelState> {
        self.runner.channel().state()
    }

    pub(super) fn state_mut(&self) -> RefMut<'_, ChannelState> {
        self.runner.channel().state_mut()
    }

    /// Logs the error or panic with which the handler ended. Returns false if the handler ended without a failure, or
    /// if the failure has already been logged.
    pub(super) fn log_failure(&self, wall: SystemTime) -> bool {
        let outcome = self.state_mut().outcome.take();
        let failure = outcome.as_ref().and_then(TaskOutcome::failure);
        if let Some(text) = &failure {
            self.log.borrow_mut().message(self.peer, text, wall);
        }
        failure.is_some()
    }

    fn write_log(&self, wall: SystemTime) {
        let lines = self.state_mut().log.take();
        for line in lines {
            self.log.borrow_mut().message(self.peer, &line, wall);
        }
    }
}

impl Drop for RawHandler<'_> {
    fn drop(&mut self) {
        // The handler can still log messages while it is being cancelled, so the log is written afterwards.
        self.runner.cancel();
        self.write_log(SystemTime::now());
    }
}

/// A handler whose errors are boxed, so that a server does not depend on the type of the errors.
pub(super) struct BoxedErrors<H, E, M>(pub(super) H, PhantomData<fn() -> (E, M)>);

impl<H, E, M> BoxedErrors<H, E, M> {
    pub(super) fn new(handler: H) -> BoxedErrors<H, E, M> {
        BoxedErrors(handler, PhantomData)
    }
}

/// A task that calls a handler for one connection or datagram.
struct RawTask<F> {
    name: String,
    channel: Channel,
    resources: HandlerResources,
    /// The handler; `None` once it has been called.
    handle: Cell<Option<F>>,
}

impl<F: FnOnce(HandlerIo<'_>) -> Result<(), Box<dyn Error>>> Task for RawTask<F> {
    fn run(&self, yielder: &Yielder) {
        let Some(handle) = self.handle.take() else { return };
        let io = HandlerIo::new(yielder, &self.channel, &self.channel, &self.resources);
        let outcome = TaskOutcome::of(|| handle(io));
        self.channel.state_mut().outcome = Some(outcome);
    }

    fn channel(&self) -> &Channel {
        &self.channel
    }

    fn name(&self, see: &mut dyn FnMut(&[u8])) {
        see(self.name.as_bytes());
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
