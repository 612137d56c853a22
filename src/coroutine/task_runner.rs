//! The connection's end of a task: starts the task on a stack, resumes it when it can continue, and cancels it.
//!
//! The bytes that a task reads and writes are in its channel.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corosensei::stack::DefaultStack;

use super::channel::{Channel, WaitReason};
use super::clock::now;
use super::fiber::{Fiber, Task};
use super::resources::HandlerResources;
use super::stack_pool::{StackPool, StackTicket};
use crate::session::Registrar;
use crate::watchdog::Watchdog;

/// Runs a task, once for each [`enqueue`](TaskRunner::enqueue) or [`start`](TaskRunner::start).
pub(crate) struct TaskRunner {
    stage: RunnerStage,
    task: Rc<dyn Task>,
    stacks: Arc<StackPool>,
    watchdog: Arc<Watchdog>,
    /// The time that a task may run without suspending. If it runs longer, a log line reports it.
    slow_after: Duration,
}

enum RunnerStage {
    /// The task has no stack. It has a ticket if it has requested a stack while none was available.
    Queued(Option<StackTicket>),
    /// The task has a stack, and is running or suspended.
    Running(Fiber),
    /// The task has ended, or was never started.
    Over,
}

impl TaskRunner {
    /// Creates a runner for a task, without starting the task.
    pub(crate) fn new(task: Rc<dyn Task>, resources: &HandlerResources) -> TaskRunner {
        let (stacks, watchdog) = (Arc::clone(&resources.stacks), Arc::clone(&resources.watchdog));
        TaskRunner { stage: RunnerStage::Over, task, stacks, watchdog, slow_after: resources.slow_after }
    }

    pub(crate) fn channel(&self) -> &Channel {
        self.task.channel()
    }

    /// The name of the task for the log, as [`Task::describe`] returns it.
    pub(crate) fn describe(&self) -> String {
        self.task.describe()
    }

    /// Queues the task. The next [`run`](TaskRunner::run) for which a stack is available starts it.
    pub(crate) fn enqueue(&mut self) {
        self.stage = RunnerStage::Queued(None);
    }

    /// Starts the task and runs it until it suspends or ends. If no stack is free, enqueues it instead.
    ///
    /// # Errors
    /// Returns an error if there is no memory for a stack.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        match self.stacks.take()? {
            Some(stack) => {
                self.set_running(stack);
                // `Service::call` has no registrar. If the handler now offloads a job or waits for a notice, the next
                // `run` starts the job or passes the waker to the notice. If the notice has been signalled by then, it
                // wakes the connection immediately.
                self.resume(None);
            }
            None => self.enqueue(),
        }
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, RunnerStage::Over)
    }

    /// Starts or resumes the task if it can run, and runs it until it suspends or ends. Without a registrar, no waker
    /// can be created for the connection. If the task needs a stack or a worker thread and has no waker, it is queued
    /// for one in the next call that has a registrar.
    ///
    /// # Errors
    /// Returns an error if there is no memory for a stack.
    pub(crate) fn run(&mut self, registrar: Option<&mut dyn Registrar>) -> io::Result<()> {
        let registrar = registrar.as_deref();
        self.wait_for_stack(registrar)?;
        self.resume(registrar);
        Ok(())
    }

    /// Resumes the task for as long as it has a stack and can continue.
    fn resume(&mut self, registrar: Option<&dyn Registrar>) {
        let RunnerStage::Running(fiber) = &mut self.stage else { return };
        let channel = self.task.channel();
        // The handler may have been suspended in a call without a registrar, which could not start its job. The job is
        // started now.
        channel.state_mut().provide(registrar);
        loop {
            let began = now();
            if !channel.state().is_ready(|| began) {
                return;
            }
            self.task.name(&mut |name| self.watchdog.begin(name));
            let over = fiber.resume();
            self.watchdog.end();
            let ended = now();
            // `ended` is compared with a sum, because computing the difference of two times takes many more
            // instructions.
            if began.checked_add(self.slow_after).is_some_and(|limit| ended >= limit) {
                let ran = ended.saturating_duration_since(began).as_millis();
                channel.log(format!("{} blocked the loop for {ran} ms", self.task.describe()));
            }
            if over {
                return self.end();
            }
            // The handler has been suspended again, and its new wait may need the registrar of this call.
            let mut state = channel.state_mut();
            state.provide(registrar);
            // With a registrar, the handle is available immediately, so a handler that waits for the handle is resumed
            // in this call.
            if state.wait != WaitReason::Handle || state.handle.is_none() {
                return;
            }
        }
    }

    /// Takes a stack for a queued task, or joins the pool's queue.
    fn wait_for_stack(&mut self, registrar: Option<&dyn Registrar>) -> io::Result<()> {
        let RunnerStage::Queued(ticket) = &mut self.stage else { return Ok(()) };
        let stack = match ticket {
            // The pool hands a stack to the ticket. Requesting another stack from the pool would lose the place in the
            // queue.
            Some(ticket) => ticket.redeem(),
            // There is no ticket yet, because the task was enqueued in a call without a registrar, where no waker could
            // be created.
            None => self.stacks.take()?,
        };
        match stack {
            Some(stack) => self.set_running(stack),
            None if ticket.is_none() => {
                *ticket = registrar.map(|registrar| self.stacks.queue(registrar.wake()));
                if let Some(most) = self.stacks.shortage() {
                    let name = self.task.describe();
                    self.task.channel().log(format!("{name} waits, because the limit of {most} handlers is reached"));
                }
            }
            // The ticket keeps its place in the queue. It wakes the connection when it receives a stack.
            None => {}
        }
        Ok(())
    }

    #[inline(always)]
    fn set_running(&mut self, stack: DefaultStack) {
        self.stage = RunnerStage::Running(Fiber::new(stack, Rc::clone(&self.task)));
    }

    /// Ends the task because its client has disconnected. From now on, the task's operations fail, and it is unwound if
    /// it suspends again.
    pub(crate) fn cancel(&mut self) {
        if let RunnerStage::Running(fiber) = &mut self.stage {
            self.task.channel().state_mut().client_gone = true;
            self.task.name(&mut |name| self.watchdog.begin(name));
            // The handler is resumed once, so that it can return the error with `?` instead of being unwound.
            fiber.resume();
            self.watchdog.end();
        }
        self.end();
    }

    /// Unwinds the task if it has not ended, and returns its stack to the pool.
    #[inline(always)]
    fn end(&mut self) {
        if let RunnerStage::Running(fiber) = std::mem::replace(&mut self.stage, RunnerStage::Over) {
            self.stacks.give_back(fiber.into_stack());
        }
    }
}

impl Drop for TaskRunner {
    fn drop(&mut self) {
        self.cancel();
    }
}
