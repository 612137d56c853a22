//! A running handler, as its connection knows it: something that takes a body and makes a response.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::HttpError;
use super::fiber::{Fiber, Yielder};
use super::pipe::{Outcome, Pipe, State, Wait};
use super::pool::{Pool, Seat, Ticket};
use crate::http::{Request, Status};
use crate::service::{Body, Reply, Response, Source, Upstream, Wires};

/// A handler that waits to run, runs, or is over.
pub(crate) struct Run {
    stage: Stage,
    pipe: Rc<Pipe>,
    about: Rc<dyn About>,
    /// How long it may run without waiting before that is worth a line in the log.
    slow: Duration,
}

/// What a handler runs.
pub(crate) type Main = Box<dyn FnOnce(&Yielder)>;

enum Stage {
    /// It has no seat yet.
    Queued { pool: Arc<Pool>, main: Main, ticket: Option<Ticket> },
    /// It has begun.
    Running(Fiber),
    /// It has ended.
    Over,
}

/// What a handler is about, for the log.
pub(crate) trait About {
    fn about(&self) -> String;
}

impl About for Request {
    fn about(&self) -> String {
        format!("{} {}", self.method(), String::from_utf8_lossy(self.target()))
    }
}

impl Run {
    /// A handler that has its seat.
    pub(crate) fn seated(
        seat: Seat,
        main: impl FnOnce(&Yielder) + 'static,
        pipe: Rc<Pipe>,
        about: Rc<dyn About>,
        slow: Duration,
    ) -> Run {
        Run { stage: Stage::Running(Fiber::new(seat, main)), pipe, about, slow }
    }

    /// A handler that will take a seat when it is run.
    pub(crate) fn queued(pool: Arc<Pool>, main: Main, pipe: Rc<Pipe>, about: Rc<dyn About>, slow: Duration) -> Run {
        Run { stage: Stage::Queued { pool, main, ticket: None }, pipe, about, slow }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Runs it as far as it gets without waiting.
    ///
    /// # Errors
    /// If there is no memory for its stack.
    pub(crate) fn go(&mut self, wires: Option<&mut dyn Wires>) -> io::Result<()> {
        let wires = wires.as_deref();
        self.sit_down(wires)?;
        let Stage::Running(fiber) = &mut self.stage else { return Ok(()) };
        let began = Instant::now();
        let ready = self.pipe.0.borrow().is_ready(|| began);
        let over = ready && fiber.resume();
        let ran = began.elapsed();
        let mut state = self.pipe.0.borrow_mut();
        if ready && ran >= self.slow {
            state.notes.add(format!("{} kept the loop for {} ms", self.about.about(), ran.as_millis()));
        }
        if over {
            self.stage = Stage::Over;
        } else if state.job.is_some() {
            if let Some(wires) = wires.filter(|_| state.wake.is_none()) {
                state.wake = Some(wires.wake());
            }
            state.send_job();
        }
        Ok(())
    }

    /// Takes a seat, or a place in the queue for one.
    fn sit_down(&mut self, wires: Option<&dyn Wires>) -> io::Result<()> {
        let Stage::Queued { pool, ticket, .. } = &mut self.stage else { return Ok(()) };
        let seat = match ticket {
            Some(ticket) => ticket.redeem(),
            None => pool.seat()?,
        };
        match seat {
            Some(seat) => {
                if let Stage::Queued { main, .. } = std::mem::replace(&mut self.stage, Stage::Over) {
                    self.stage = Stage::Running(Fiber::new(seat, main));
                }
            }
            None if ticket.is_none() => *ticket = wires.map(|wires| pool.queue(wires.wake())),
            None => {}
        }
        Ok(())
    }

    /// Tells the handler that its client is gone, and lets it come to its end. One that does not is unwound.
    pub(crate) fn cancel(&mut self) {
        if let Stage::Running(mut fiber) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.pipe.0.borrow_mut().gone = true;
            fiber.resume();
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
    match state.outcome.take() {
        Some(Outcome::Done) | None => match state.reply.take() {
            Some(mut reply) => {
                if let Reply::Now(response) = &mut reply
                    && !state.complete
                {
                    put_body(response, &mut state);
                }
                reply
            }
            None => {
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

/// Gives a response the body that was written for it.
fn put_body(response: &mut Response, state: &mut State) {
    let declared = response.head.content_length();
    response.body = if state.mute {
        if state.written > 0 && declared.is_none() && !response.status.is_bodiless() {
            response.head.put("Content-Length", state.written);
        }
        match response.status.is_bodiless() {
            true => Body::Empty,
            // Not an empty body, which would get a length that the handler did not mean.
            false => Body::Stream(Box::new(Rest::default())),
        }
    } else {
        let body = std::mem::take(&mut state.outbox);
        match declared {
            Some(declared) if declared != state.written || state.overran => {
                state.notes.add(mismatch(state, declared));
                response.head.put("Connection", "close");
                Body::Stream(Box::new(Rest(io::Cursor::new(body))))
            }
            _ => Body::Bytes(body.into()),
        }
    };
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

impl Handling {
    pub(crate) fn new(run: Run, pipe: Rc<Pipe>) -> Handling {
        Handling { run: Rc::new(RefCell::new(run)), pipe, delegate: None }
    }

    /// Brings whom the request was handed to what had come before.
    fn catch_up(&mut self) -> io::Result<bool> {
        let Some(delegate) = &mut self.delegate else { return Ok(false) };
        let mut state = self.pipe.0.borrow_mut();
        while !state.inbox.is_empty() {
            let count = delegate.upstream.feed(&state.inbox)?;
            if count == 0 {
                return Ok(false);
            }
            state.inbox.drain(..count);
        }
        if state.ended && !delegate.told {
            delegate.told = true;
            delegate.upstream.end()?;
        }
        Ok(true)
    }

    /// The head of an answer whose body is still being made, if it is time for that.
    fn release(&self, wires: &dyn Wires) -> Option<Response> {
        let mut state = self.pipe.0.borrow_mut();
        if state.mute || state.declared == Some(0) || state.complete {
            return None;
        }
        let Reply::Now(response) = state.reply.take()? else { return None };
        state.wake.get_or_insert_with(|| wires.wake());
        let flow = Flow { run: Rc::clone(&self.run), pipe: Rc::clone(&self.pipe) };
        Some(response.body(Body::Stream(Box::new(flow))))
    }
}

impl Upstream for Handling {
    fn wants_body(&self) -> bool {
        match &self.delegate {
            Some(delegate) => delegate.upstream.wants_body(),
            None => self.pipe.0.borrow().wants_input(),
        }
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        match self.catch_up()? {
            true => self.delegate.as_mut().map_or(Ok(0), |delegate| delegate.upstream.feed(body)),
            false if self.delegate.is_some() => Ok(0),
            false => Ok(self.pipe.0.borrow_mut().feed(body)),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.pipe.0.borrow_mut().ended = true;
        self.catch_up().map(drop)
    }

    fn poll(&mut self, wires: &mut dyn Wires) -> io::Result<Option<Response>> {
        if self.delegate.is_none() {
            let mut run = self.run.borrow_mut();
            run.go(Some(wires))?;
            if !run.is_over() {
                drop(run);
                return Ok(self.release(wires));
            }
            match conclude(&self.pipe) {
                Reply::Now(response) => return Ok(Some(response)),
                Reply::Later(upstream) => self.delegate = Some(Delegate { upstream, told: false }),
            }
        }
        self.catch_up()?;
        self.delegate.as_mut().map_or(Ok(None), |delegate| delegate.upstream.poll(wires))
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
