use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::RequestHandler;
use super::crew::{Crew, panic_text};
use super::exchange::{Exchange, NO_HEAD, expects_continue};
use super::fiber::Yielder;
use super::line::Line;
use super::pipe::{Outcome, Pipe};
use super::pool::Pool;
use super::run::{Handling, Run, conclude};
use crate::http::{Request, Status};
use crate::service::{Reply, Response, Service};

/// A service whose requests are answered by [`RequestHandler`]s: one of them for each connection, made by a factory.
///
/// [`HttpServer::handler`](crate::HttpServer::handler) makes one with the defaults.
///
/// ```
/// use serve_forever::{HttpServer, handler::{Handlers, RequestHandler}};
///
/// struct Nothing;
/// impl RequestHandler for Nothing {}
///
/// # fn main() -> std::io::Result<()> {
/// let handlers = Handlers::new(|| Nothing).most(100).stack_size(256 * 1024);
/// let server = HttpServer::bind("127.0.0.1:0")?.service(handlers);
/// # Ok(()) }
/// ```
pub struct Handlers<F> {
    factory: F,
    settings: Settings,
    /// Made when the first client comes.
    room: OnceCell<Room>,
}

/// How handlers are run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) most: usize,
    pub(crate) stack_size: usize,
    pub(crate) workers: usize,
    pub(crate) slow: Duration,
}

/// What all handlers of a server share.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) pool: Arc<Pool>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) slow: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { most: 1024, stack_size: 1024 * 1024, workers: 8, slow: Duration::from_millis(100) }
    }
}

impl Settings {
    pub(crate) fn room(&self) -> Room {
        let (pool, crew) = (Pool::new(self.most, self.stack_size), Crew::new(self.workers));
        Room { pool: Arc::new(pool), crew: Arc::new(crew), slow: self.slow }
    }
}

impl<F, H> Handlers<F>
where
    F: Fn() -> H,
    H: RequestHandler + 'static,
{
    /// Has every connection answered by a handler of its own that the factory makes before the first request.
    pub fn new(factory: F) -> Handlers<F> {
        Handlers { factory, settings: Settings::default(), room: OnceCell::new() }
    }

    /// How many handlers may be running or waiting at a time: 1024 unless set. The next wait for one of them to end.
    pub fn most(mut self, most: usize) -> Handlers<F> {
        self.settings.most = most;
        self
    }

    /// Bytes of the stack that a handler runs on: 1 MiB unless set, of which it owns only what it has used, and a
    /// guard page more. A handler that needs more ends the process, as any thread does.
    pub fn stack_size(mut self, bytes: usize) -> Handlers<F> {
        self.settings.stack_size = bytes;
        self
    }

    /// How many threads there may be for [`Exchange::offload`]: 8 unless set. They are made when there is work.
    pub fn workers(mut self, workers: usize) -> Handlers<F> {
        self.settings.workers = workers;
        self
    }

    /// How long a handler may run without waiting before the log says so, with its method and path: 100 ms unless
    /// set. It cannot be interrupted, and nobody else is served meanwhile.
    pub fn slow_after(mut self, time: Duration) -> Handlers<F> {
        self.settings.slow = time;
        self
    }

    fn serving(&self) -> Serving<H> {
        let room = self.room.get_or_init(|| self.settings.room()).clone();
        let handler = Rc::new(RefCell::new((self.factory)()));
        Serving { handler, pipe: RefCell::default(), request: RefCell::default(), room }
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> &Room {
        self.room.get_or_init(|| self.settings.room())
    }
}

impl<F, H> Service for Handlers<F>
where
    F: Fn() -> H,
    H: RequestHandler + 'static,
{
    /// Answers a request by a handler that is made for it alone.
    fn call(&self, request: &Request) -> Reply {
        self.serving().call(request)
    }

    fn connect(&self) -> Option<Box<dyn Service>> {
        Some(Box::new(self.serving()))
    }
}

impl<F> fmt::Debug for Handlers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The handler of one connection.
struct Serving<H> {
    handler: Rc<RefCell<H>>,
    /// What it shares with the connection; used again for the next request.
    pipe: RefCell<Rc<Pipe>>,
    /// The memory of the last request, for the next one.
    request: RefCell<Rc<Request>>,
    room: Room,
}

impl<H: RequestHandler + 'static> Service for Serving<H> {
    fn call(&self, request: &Request) -> Reply {
        self.run(request).unwrap_or_else(|error| {
            self.pipe.borrow().0.borrow_mut().notes.add(format!("no handler: {error}"));
            Response::error(Status::SERVICE_UNAVAILABLE).into()
        })
    }

    fn take_notes(&self) -> Vec<String> {
        let pipe = self.pipe.borrow();
        let notes = &mut pipe.0.borrow_mut().notes;
        if notes.is_empty() { Vec::new() } else { notes.take() }
    }
}

impl<H: RequestHandler + 'static> Serving<H> {
    /// Has the handler begin at once if it can do so without waiting: it has a seat, and no body is still to come.
    fn run(&self, request: &Request) -> io::Result<Reply> {
        let pipe = self.fresh_pipe();
        let request = self.copy(request);
        let (about, room) = (Rc::clone(&request), &self.room);
        let no_body = request.body_length().is_empty();
        {
            let mut state = pipe.0.borrow_mut();
            state.ended = no_body;
            state.holds_back = expects_continue(&request);
        }
        let seat = if no_body { room.pool.seat()? } else { None };
        let main = self.main(request, Rc::clone(&pipe));
        let Some(seat) = seat else {
            let run = Run::queued(Arc::clone(&room.pool), Box::new(main), Rc::clone(&pipe), about, room.slow);
            return Ok(Reply::Later(Box::new(Handling::new(run, pipe))));
        };
        let mut run = Run::seated(seat, main, Rc::clone(&pipe), about, room.slow);
        run.go(None)?;
        Ok(if run.is_over() { conclude(&pipe) } else { Reply::Later(Box::new(Handling::new(run, pipe))) })
    }

    /// What runs on the handler's stack.
    fn main(&self, request: Rc<Request>, pipe: Rc<Pipe>) -> impl FnOnce(&Yielder) + 'static {
        let (handler, crew) = (Rc::clone(&self.handler), Arc::clone(&self.room.crew));
        move |yielder: &Yielder| {
            let mut exchange = Exchange::new(request, Line::new(yielder, Rc::clone(&pipe), crew));
            let handle = AssertUnwindSafe(|| handler.borrow_mut().handle_one_request(&mut exchange));
            let outcome = outcome_of(catch_unwind(handle));
            exchange.close();
            pipe.0.borrow_mut().outcome = Some(outcome);
        }
    }

    /// A copy of a request, in the memory of the last one if nobody has that any more.
    fn copy(&self, request: &Request) -> Rc<Request> {
        let mut copy = self.request.borrow_mut();
        match Rc::get_mut(&mut copy) {
            Some(copy) => copy.copy_from(request),
            None => *copy = Rc::new(request.clone()),
        }
        Rc::clone(&copy)
    }

    /// The pipe of the last request, if nobody has it any more.
    fn fresh_pipe(&self) -> Rc<Pipe> {
        let mut pipe = self.pipe.borrow_mut();
        if Rc::strong_count(&pipe) > 1 {
            *pipe = Rc::default();
        }
        pipe.0.borrow_mut().renew(Some(NO_HEAD));
        Rc::clone(&pipe)
    }
}

/// How something ended that was watched for panics.
pub(crate) fn outcome_of(result: std::thread::Result<io::Result<()>>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(error)) => Outcome::Failed(error),
        Err(payload) => Outcome::Panicked(panic_text(&*payload)),
    }
}
