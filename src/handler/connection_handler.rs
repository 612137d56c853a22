//! `ConnectionHandler`: a [`Service`] that owns the handler of one connection and starts it for each request.
//!
//! `service` creates the handler and sets its limits. The methods that write a response are in `respond`.

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use super::context::HandlerContext;
use super::exchange::Exchange;
use super::exchange_state::ExchangeState;
use super::final_response::final_reply;
use super::request_handler::RequestHandler;
use super::upstream::HandlerUpstream;
use crate::coroutine::{Channel, Task, TaskOutcome, TaskRunner, Yielder};
use crate::http::{Request, Status};
use crate::service::{Reply, Response, Service};
use crate::watchdog::Watchdog;

/// The service of one connection. It starts the connection's handler for each request.
pub(super) struct ConnectionHandler<H> {
    /// The handler's task, which is reused for the next request unless an upstream or a body of the last request still
    /// exists.
    slot: RefCell<HandlerSlot<H>>,
    context: HandlerContext,
}

impl<H: RequestHandler<Box<dyn Error>> + 'static> ConnectionHandler<H> {
    pub(super) fn new(handler: H, server_name: &str, context: HandlerContext) -> ConnectionHandler<H> {
        let slot = HandlerSlot::new(Rc::new(RefCell::new(handler)), server_name.into(), &context);
        ConnectionHandler { slot: RefCell::new(slot), context }
    }
}

impl<H: RequestHandler<Box<dyn Error>> + 'static> Service for ConnectionHandler<H> {
    /// Starts the handler immediately if the request has no body and a stack is free. Otherwise queues the handler.
    fn call(&self, request: &Request) -> Reply {
        if !self.slot.borrow().is_free() {
            self.slot.replace_with(|slot| slot.for_same_handler(&self.context));
        }
        let slot = self.slot.borrow();
        if let Some(refusal) = slot.task.refuse_after_panic() {
            return refusal.into();
        }
        slot.task.set_request(request);
        let mut runner = slot.runner.borrow_mut();
        if !request.body_length().is_empty() {
            runner.enqueue();
            return slot.upstream();
        }
        if let Err(error) = runner.start() {
            slot.task.state.channel.log(format!("{}: no handler: {error}", request.name()));
            return Response::error(Status::SERVICE_UNAVAILABLE).into();
        }
        // A `Reply::Now` cannot contain interim responses. If there are any, even a complete response is therefore
        // returned through an upstream.
        match runner.is_over() && slot.task.state.response.borrow().interim.is_empty() {
            true => final_reply(&slot.task.state, || slot.task.describe()),
            false => slot.upstream(),
        }
    }

    fn call_watched(&self, request: &Request, _: Option<&Watchdog>) -> Reply {
        // This watchdog is not needed, because the handler's runner has its own. The runner tells that watchdog when
        // each run of the handler begins and ends, including the run during this call.
        self.call(request)
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        let slot = self.slot.borrow();
        let log = &mut slot.task.state.channel.state_mut().log;
        if !log.is_empty() {
            log.take().iter().for_each(|line| note(line));
        }
    }
}

/// The task and coroutine of one connection's handler. They are reused for all requests of the connection.
struct HandlerSlot<H> {
    task: Rc<HandlerTask<H>>,
    runner: Rc<RefCell<TaskRunner>>,
}

impl<H: RequestHandler<Box<dyn Error>> + 'static> HandlerSlot<H> {
    fn new(handler: Rc<RefCell<H>>, server_name: Rc<str>, context: &HandlerContext) -> HandlerSlot<H> {
        let (request, state) = (RefCell::default(), Rc::default());
        let task = Rc::new(HandlerTask { handler, server_name, request, state, context: context.clone() });
        let runner = TaskRunner::new(Rc::clone(&task) as Rc<dyn Task>, &context.resources);
        HandlerSlot { task, runner: Rc::new(RefCell::new(runner)) }
    }

    /// Creates another slot for the same handler, for use while the last request still needs this slot.
    fn for_same_handler(&self, context: &HandlerContext) -> HandlerSlot<H> {
        HandlerSlot::new(Rc::clone(&self.task.handler), Rc::clone(&self.task.server_name), context)
    }

    /// True if the upstream and the body of the last request have both been dropped. Each of them holds a reference to
    /// the runner.
    fn is_free(&self) -> bool {
        Rc::strong_count(&self.runner) == 1
    }

    fn upstream(&self) -> Reply {
        Reply::Later(Box::new(HandlerUpstream::new(Rc::clone(&self.runner), Rc::clone(&self.task.state))))
    }
}

/// The task that runs on the handler's stack and calls the handler for one request.
struct HandlerTask<H> {
    handler: Rc<RefCell<H>>,
    /// The value of the `Server` field; empty if the server sends none.
    server_name: Rc<str>,
    request: RefCell<Request>,
    state: Rc<ExchangeState>,
    context: HandlerContext,
}

impl<H: RequestHandler<Box<dyn Error>>> HandlerTask<H> {
    /// If the handler panicked after its previous response had been sent, or while it was being cancelled, returns a
    /// 500 that closes the connection, because the state of such a handler cannot be trusted.
    fn refuse_after_panic(&self) -> Option<Response> {
        let text = self.state.channel.state_mut().take_panic()?;
        // `describe` still returns the name of the request in which the handler panicked.
        self.state.channel.log(format!("{}: the handler panicked: {text}", self.describe()));
        Some(Response::error(Status::INTERNAL_SERVER_ERROR).close())
    }

    /// Copies the request, because a handler can outlive the call. The memory of the previous copy is reused.
    fn set_request(&self, request: &Request) {
        self.request.borrow_mut().copy_from(request);
        self.state.reset(request);
    }
}

impl<H: RequestHandler<Box<dyn Error>>> Task for HandlerTask<H> {
    fn run(&self, yielder: &Yielder) {
        let request = self.request.borrow();
        let mut exchange = Exchange::new(&request, &self.server_name, &self.state, yielder, &self.context);
        let outcome = TaskOutcome::of(|| self.handler.borrow_mut().handle_one_request(&mut exchange));
        exchange.close();
        self.state.channel.state_mut().outcome = Some(outcome);
    }

    fn channel(&self) -> &Channel {
        &self.state.channel
    }

    fn name(&self, see: &mut dyn FnMut(&[u8])) {
        see(self.request.borrow().request_line());
    }

    fn describe(&self) -> String {
        self.request.borrow().name()
    }
}
