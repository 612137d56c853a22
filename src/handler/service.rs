use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::RequestHandler;
use super::exchange::{Exchange, NO_HEAD};
use super::line::Line;
use super::pipe::{Outcome, Pipe};
use super::run::{Handling, Run, conclude};
use crate::coroutine::StackPool;
use crate::coroutine::{Task, Yielder};
use crate::coroutine::{WorkerPool, panic_text};
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
    pub(crate) pool: Arc<StackPool>,
    pub(crate) workers: Arc<WorkerPool>,
    pub(crate) slow: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { most: 1024, stack_size: 1024 * 1024, workers: 8, slow: Duration::from_millis(100) }
    }
}

impl Settings {
    pub(crate) fn room(&self) -> Room {
        let (pool, workers) = (StackPool::new(self.most, self.stack_size), WorkerPool::new(self.workers));
        Room { pool: Arc::new(pool), workers: Arc::new(workers), slow: self.slow }
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

    fn serving(&self, server_name: &str) -> Serving<H> {
        let room = self.room.get_or_init(|| self.settings.room()).clone();
        let handler = Rc::new(RefCell::new((self.factory)()));
        let desk = Desk::new(handler, server_name.into(), &room);
        Serving { desk: RefCell::new(desk), room }
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
        self.serving(concat!("serve-forever/", env!("CARGO_PKG_VERSION"))).call(request)
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        Some(Box::new(self.serving(server_name)))
    }
}

impl<F> fmt::Debug for Handlers<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The handler of one connection.
struct Serving<H> {
    /// Used again for the next request, unless somebody still has what became of the last.
    desk: RefCell<Desk<H>>,
    room: Room,
}

/// A request and its handler, and how they are run.
struct Desk<H> {
    task: Rc<Answering<H>>,
    run: Rc<RefCell<Run>>,
}

impl<H: RequestHandler + 'static> Desk<H> {
    fn new(handler: Rc<RefCell<H>>, server_name: Rc<str>, room: &Room) -> Desk<H> {
        let (pipe, workers, request) = (Rc::<Pipe>::default(), Arc::clone(&room.workers), RefCell::default());
        let task = Rc::new(Answering { handler, server_name, request, pipe: Rc::clone(&pipe), workers });
        let run = Run::new(Rc::clone(&task) as Rc<dyn Task>, pipe, room);
        Desk { task, run: Rc::new(RefCell::new(run)) }
    }

    /// One for the same handler.
    fn another(&self, room: &Room) -> Desk<H> {
        Desk::new(Rc::clone(&self.task.handler), Rc::clone(&self.task.server_name), room)
    }

    /// Whether nobody has anything of the last request.
    fn is_free(&self) -> bool {
        Rc::strong_count(&self.run) == 1
    }

    /// What runs, as an upstream.
    fn handling(&self) -> Reply {
        Reply::Later(Box::new(Handling::new(Rc::clone(&self.run), Rc::clone(&self.task.pipe))))
    }
}

/// What runs on the handler's stack: a request is answered.
struct Answering<H> {
    handler: Rc<RefCell<H>>,
    /// What the server is called.
    server_name: Rc<str>,
    request: RefCell<Request>,
    pipe: Rc<Pipe>,
    workers: Arc<WorkerPool>,
}

impl<H: RequestHandler> Answering<H> {
    /// What a request is answered with whose handler panicked after its last answer was out, or while it was told that
    /// nobody waits for that any more: its instance may be in any state, and goes with the connection.
    fn refuse(&self) -> Option<Response> {
        let mut state = self.pipe.0.borrow_mut();
        let text = state.take_panic()?;
        state.notes.add(format!("the handler panicked: {text}"));
        Some(Response::error(Status::INTERNAL_SERVER_ERROR).close())
    }

    /// Takes a copy of a request, in the memory of the last one.
    fn take_up(&self, request: &Request) {
        self.request.borrow_mut().copy_from(request);
        let mut state = self.pipe.0.borrow_mut();
        state.renew(Some(NO_HEAD));
        state.ended = request.body_length().is_empty();
        state.holds_back = request.expects_continue();
    }
}

impl<H: RequestHandler> Task for Answering<H> {
    fn run(&self, yielder: &Yielder) {
        let request = self.request.borrow();
        let line = Line::new(yielder, &self.pipe, &self.workers);
        let mut exchange = Exchange::new(&request, &self.server_name, line);
        let handle = AssertUnwindSafe(|| self.handler.borrow_mut().handle_one_request(&mut exchange));
        let outcome = outcome_of(catch_unwind(handle));
        exchange.close();
        self.pipe.0.borrow_mut().outcome = Some(outcome);
    }

    fn about(&self) -> String {
        let request = self.request.borrow();
        format!("{} {}", request.method(), String::from_utf8_lossy(request.target()))
    }
}

impl<H: RequestHandler + 'static> Service for Serving<H> {
    /// Has the handler begin at once if it can do so without waiting: there is a stack, and no body is still to come.
    fn call(&self, request: &Request) -> Reply {
        if !self.desk.borrow().is_free() {
            self.desk.replace_with(|desk| desk.another(&self.room));
        }
        let desk = self.desk.borrow();
        if let Some(refusal) = desk.task.refuse() {
            return refusal.into();
        }
        desk.task.take_up(request);
        let mut run = desk.run.borrow_mut();
        if !request.body_length().is_empty() {
            run.queue();
            return desk.handling();
        }
        if let Err(error) = run.begin() {
            desk.task.pipe.0.borrow_mut().notes.add(format!("no handler: {error}"));
            return Response::error(Status::SERVICE_UNAVAILABLE).into();
        }
        // What is to be sent before the answer can only be fetched from an upstream.
        match run.is_over() && desk.task.pipe.0.borrow().interim.is_empty() {
            true => conclude(&desk.task.pipe),
            false => desk.handling(),
        }
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        let desk = self.desk.borrow();
        let notes = &mut desk.task.pipe.0.borrow_mut().notes;
        if !notes.is_empty() {
            notes.take().iter().for_each(|line| note(line));
        }
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
