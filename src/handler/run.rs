//! A running handler, as its connection knows it: something that takes a body and makes a response.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;

use super::HttpError;
use super::pipe::{Answer, Outcome, Pipe, State, Wait};
use super::service::Room;
use crate::coroutine::{Fiber, Task};
use crate::coroutine::{StackPool, StackTicket};
use crate::http::{FieldBlock, Status};
use crate::service::{Body, Registrar, Reply, Response, Source, Upstream};

/// A handler that waits to run, runs, or is over.
pub(crate) struct Run {
    stage: Stage,
    task: Rc<dyn Task>,
    pipe: Rc<Pipe>,
    pool: Arc<StackPool>,
    /// How long it may run without waiting before that is worth a line in the log.
    slow: Duration,
}

enum Stage {
    /// It has no stack yet, and perhaps a place in the queue for one.
    Queued(Option<StackTicket>),
    /// It has begun.
    Running(Fiber),
    /// It has ended, or nobody has asked for it.
    Over,
}

impl Run {
    /// A handler that nobody has asked for.
    pub(crate) fn new(task: Rc<dyn Task>, pipe: Rc<Pipe>, room: &Room) -> Run {
        Run { stage: Stage::Over, task, pipe, pool: Arc::clone(&room.pool), slow: room.slow }
    }

    /// Has it take a stack, or a place in the queue for one, when it is next asked to go on.
    pub(crate) fn queue(&mut self) {
        self.stage = Stage::Queued(None);
    }

    /// Has it begin at once, if there is a stack.
    ///
    /// # Errors
    /// If there is no memory for its stack.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match self.pool.take()? {
            Some(stack) => {
                self.sit_down(stack);
                self.resume(None);
            }
            None => self.queue(),
        }
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Runs it as far as it gets without waiting.
    ///
    /// # Errors
    /// If there is no memory for its stack.
    pub(crate) fn go(&mut self, registrar: Option<&mut dyn Registrar>) -> io::Result<()> {
        let registrar = registrar.as_deref();
        self.wait_for_stack(registrar)?;
        self.resume(registrar);
        Ok(())
    }

    /// Runs it on, if it has begun.
    fn resume(&mut self, registrar: Option<&dyn Registrar>) {
        let Stage::Running(fiber) = &mut self.stage else { return };
        let began = Instant::now();
        if !self.pipe.0.borrow().is_ready(|| began) {
            return self.send_job(registrar);
        }
        let over = fiber.resume();
        let ended = Instant::now();
        // A sum, because the difference of two times costs much more.
        if began.checked_add(self.slow).is_some_and(|limit| ended >= limit) {
            let ran = ended.saturating_duration_since(began).as_millis();
            let note = format!("{} kept the loop for {ran} ms", self.task.about());
            self.pipe.0.borrow_mut().notes.add(note);
        }
        if over {
            self.end();
        } else {
            self.send_job(registrar);
        }
    }

    /// Sends work for another thread there, if the handler waits for some and it is known how to come back.
    fn send_job(&self, registrar: Option<&dyn Registrar>) {
        let mut state = self.pipe.0.borrow_mut();
        if state.job.is_some() {
            if let Some(registrar) = registrar.filter(|_| state.wake.is_none()) {
                state.wake = Some(registrar.wake());
            }
            state.send_job();
        }
    }

    /// Takes a stack if it has none yet, or a place in the queue for one.
    fn wait_for_stack(&mut self, registrar: Option<&dyn Registrar>) -> io::Result<()> {
        let Stage::Queued(ticket) = &mut self.stage else { return Ok(()) };
        let stack = match ticket {
            Some(ticket) => ticket.redeem(),
            None => self.pool.take()?,
        };
        match stack {
            Some(stack) => self.sit_down(stack),
            None if ticket.is_none() => *ticket = registrar.map(|registrar| self.pool.queue(registrar.wake())),
            None => {}
        }
        Ok(())
    }

    #[inline(always)]
    fn sit_down(&mut self, stack: DefaultStack) {
        self.stage = Stage::Running(Fiber::new(stack, Rc::clone(&self.task)));
    }

    /// Tells the handler that its client is gone, and lets it come to its end. One that does not is unwound.
    pub(crate) fn cancel(&mut self) {
        if let Stage::Running(fiber) = &mut self.stage {
            self.pipe.0.borrow_mut().gone = true;
            fiber.resume();
        }
        self.end();
    }

    /// Gives its stack to the next.
    #[inline(always)]
    fn end(&mut self) {
        if let Stage::Running(fiber) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.pool.give_back(fiber.into_stack());
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What has become of a handler for an HTTP request that is over: its answer, whole.
pub(crate) fn conclude(pipe: &Pipe) -> Reply {
    let mut state = pipe.0.borrow_mut();
    match outcome(&mut state) {
        Reply::Now(response) => of_user(response, &mut state).into(),
        later => later,
    }
}

/// The response with the user that the handler has named, unless the service that made the response named one.
fn of_user(mut response: Response, state: &mut State) -> Response {
    if response.user.is_none() {
        response.user = state.user.take();
    }
    response
}

fn outcome(state: &mut State) -> Reply {
    match state.outcome.take() {
        Some(Outcome::Done) | None => match state.answer.take() {
            Answer::Head(status, head) => with_body(status, head, state).into(),
            Answer::Whole(reply) => *reply,
            Answer::None => {
                state.notes.add("the handler sent no response".to_owned());
                Response::error(Status::INTERNAL_SERVER_ERROR).into()
            }
        },
        Some(Outcome::Failed(error)) => match HttpError::find(&error) {
            Some(error) => error.response().into(),
            None => {
                state.notes.add(format!("the handler failed: {error}"));
                Response::error(Status::INTERNAL_SERVER_ERROR).into()
            }
        },
        Some(Outcome::Panicked(text)) => {
            state.notes.add(format!("the handler panicked: {text}"));
            // Its instance may be in any state, and goes with the connection.
            Response::error(Status::INTERNAL_SERVER_ERROR).close().into()
        }
    }
}

/// A response whose head is known, with the body that was written for it.
fn with_body(status: Status, mut head: FieldBlock, state: &mut State) -> Response {
    let declared = head.content_length();
    let body = if state.mute {
        if state.written > 0 && declared.is_none() && !status.is_bodiless() {
            head.put("Content-Length", state.written);
        }
        match status.is_bodiless() {
            true => Body::Empty,
            // Not an empty body, which would get a length that the handler did not mean.
            false => Body::Stream(Box::new(Rest::default())),
        }
    } else {
        let body = std::mem::take(&mut state.outbox);
        match declared {
            Some(declared) if declared != state.written || state.overran => {
                state.notes.add(mismatch(state, declared));
                head.put("Connection", "close");
                Body::Stream(Box::new(Rest(io::Cursor::new(body))))
            }
            _ => Body::Bytes(body.into()),
        }
    };
    Response { head, body, ..Response::new(status) }
}

/// A body that is as long as it is, whatever was announced.
#[derive(Default)]
struct Rest(io::Cursor<Vec<u8>>);

impl Source for Rest {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// What is to be said of a body that is not as long as was announced.
fn mismatch(state: &State, declared: u64) -> String {
    let (more, written) = (if state.overran { "more than " } else { "" }, state.written);
    format!("the handler wrote {more}{written} bytes with a Content-Length of {declared}")
}

/// A running handler as an upstream.
pub(crate) struct Handling {
    run: Rc<RefCell<Run>>,
    pipe: Rc<Pipe>,
    /// Whom the handler has handed its request to.
    delegate: Option<Delegate>,
}

/// Somebody who has a request instead of the handler.
struct Delegate {
    upstream: Box<dyn Upstream>,
    /// It knows that the body is complete.
    told: bool,
}

impl Delegate {
    /// Brings it what had come before; true once there is nothing left of that.
    fn catch_up(&mut self, pipe: &Pipe) -> io::Result<bool> {
        let mut state = pipe.0.borrow_mut();
        while !state.inbox.is_empty() {
            let count = self.upstream.feed(&state.inbox)?;
            if count == 0 {
                return Ok(false);
            }
            state.inbox.drain(..count);
        }
        if state.ended && !self.told {
            self.told = true;
            self.upstream.end()?;
        }
        Ok(true)
    }
}

impl Handling {
    pub(crate) fn new(run: Rc<RefCell<Run>>, pipe: Rc<Pipe>) -> Handling {
        Handling { run, pipe, delegate: None }
    }

    /// The head of an answer whose body is still being made, if it is time for that.
    fn release(&self, registrar: &dyn Registrar) -> Option<Response> {
        let mut state = self.pipe.0.borrow_mut();
        if state.mute || state.declared == Some(0) {
            return None;
        }
        let Answer::Head(status, head) = &mut state.answer else { return None };
        let mut response = Response { head: std::mem::take(head), ..Response::new(*status) };
        response.user = state.user.take();
        state.answer.take();
        state.wake.get_or_insert_with(|| registrar.wake());
        let flow = Flow { run: Rc::clone(&self.run), pipe: Rc::clone(&self.pipe) };
        Some(response.body(Body::Stream(Box::new(flow))))
    }
}

impl Upstream for Handling {
    fn wants_body(&self) -> bool {
        match &self.delegate {
            Some(delegate) => delegate.upstream.wants_body(),
            None => self.pipe.0.borrow().wants_input() && !self.run.borrow().is_over(),
        }
    }

    /// A handler that has begun to read is expected to read on until it returns.
    fn reads_on(&self) -> bool {
        match &self.delegate {
            Some(delegate) => delegate.upstream.reads_on(),
            None => self.pipe.0.borrow().reads && !self.run.borrow().is_over(),
        }
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        match &mut self.delegate {
            None => Ok(self.pipe.0.borrow_mut().feed(body)),
            Some(delegate) => match delegate.catch_up(&self.pipe)? {
                true => delegate.upstream.feed(body),
                false => Ok(0),
            },
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.pipe.0.borrow_mut().ended = true;
        self.delegate.as_mut().map_or(Ok(()), |delegate| delegate.catch_up(&self.pipe).map(drop))
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let delegate = match &mut self.delegate {
            Some(delegate) => delegate,
            None => {
                let mut run = self.run.borrow_mut();
                run.go(Some(registrar))?;
                if !run.is_over() {
                    drop(run);
                    return Ok(self.release(registrar));
                }
                match conclude(&self.pipe) {
                    Reply::Now(response) => return Ok(Some(response)),
                    Reply::Later(upstream) => self.delegate.insert(Delegate { upstream, told: false }),
                }
            }
        };
        delegate.catch_up(&self.pipe)?;
        let response = delegate.upstream.poll(registrar)?;
        Ok(response.map(|response| of_user(response, &mut self.pipe.0.borrow_mut())))
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        let own = self.pipe.0.borrow_mut().interim.pop_front();
        own.or_else(|| self.delegate.as_mut()?.upstream.take_interim())
    }

    fn deadline(&self) -> Option<Instant> {
        match (&self.delegate, self.pipe.0.borrow().wait) {
            (Some(delegate), _) => delegate.upstream.deadline(),
            (None, Wait::Until(time)) => Some(time),
            (None, _) => None,
        }
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.run.borrow_mut().cancel();
    }
}

/// The body of an answer that is made while it is sent.
struct Flow {
    run: Rc<RefCell<Run>>,
    pipe: Rc<Pipe>,
}

impl Source for Flow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut run = self.run.borrow_mut();
        // Twice, because a handler that ends may leave something to send.
        for _ in 0..2 {
            let count = self.pipe.0.borrow_mut().fetch(buf);
            if count > 0 {
                return Ok(count);
            }
            if run.is_over() {
                return ended(&self.pipe).map(|()| 0);
            }
            run.go(None)?;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.run.borrow_mut().cancel();
    }
}

/// Whether a handler whose answer is out by its head has kept what it announced.
fn ended(pipe: &Pipe) -> io::Result<()> {
    let mut state = pipe.0.borrow_mut();
    let fault = match (state.outcome.take(), state.declared) {
        (Some(Outcome::Failed(error)), _) => format!("the handler failed: {error}"),
        (Some(Outcome::Panicked(text)), _) => format!("the handler panicked: {text}"),
        (_, Some(declared)) if declared != state.written || state.overran => mismatch(&state, declared),
        _ => return Ok(()),
    };
    state.notes.add(fault.clone());
    Err(io::Error::other(fault))
}
