//! `HandlerUpstream`: presents a handler to its connection as an [`Upstream`], which accepts a body and produces a
//! response.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::body::HandlerBody;
use super::delegate::Delegate;
use super::exchange_state::ExchangeState;
use super::final_response::final_reply;
use super::response_state::ResponseStage;
use crate::coroutine::{CHANNEL_CAPACITY, TaskRunner, WaitReason};
use crate::http::{FieldBlock, Status};
use crate::service::{Body, Registrar, Reply, Response, Upstream};

/// A handler that is queued, running or suspended. Dropping this value cancels the handler.
pub(super) struct HandlerUpstream {
    runner: Rc<RefCell<TaskRunner>>,
    state: Rc<ExchangeState>,
    /// The upstream of the service to which the handler has passed its request; `None` until then.
    delegate: Option<Delegate>,
}

impl HandlerUpstream {
    pub(super) fn new(runner: Rc<RefCell<TaskRunner>>, state: Rc<ExchangeState>) -> HandlerUpstream {
        HandlerUpstream { runner, state, delegate: None }
    }

    /// Returns the response, with a body that the handler is still writing. Returns `None` if the head is not complete,
    /// or if the response cannot be sent before the handler has ended.
    fn begin_streaming(&self, registrar: &dyn Registrar) -> Option<Response> {
        let mut state = self.state.response.borrow_mut();
        // A response without a body is not sent before the handler has ended, because the response to HEAD announces
        // the number of bytes written.
        if !matches!(state.stage, ResponseStage::Body) || state.omit_body || state.declared == Some(0) {
            return None;
        }
        state.stage = ResponseStage::Streaming;
        // The handle for later waits is created now, because `Source::read` has no registrar.
        self.state.channel.state_mut().handle.get_or_insert_with(|| registrar.handle());
        let body = Box::new(HandlerBody::new(Rc::clone(&self.runner), Rc::clone(&self.state)));
        let body = match state.is_upgrade() {
            true => {
                self.state.channel.state_mut().begin_upgrade();
                Body::Upgrade(body)
            }
            false => Body::Stream(body),
        };
        let mut response = state.take_head(body);
        response.user = state.user.take();
        Some(response)
    }
}

impl Upstream for HandlerUpstream {
    fn wants_body(&self) -> bool {
        match &self.delegate {
            Some(delegate) => delegate.upstream.wants_body(),
            None => {
                let has_space = self.state.channel.state().input.len() < CHANNEL_CAPACITY;
                has_space && !self.state.holds_body_back() && !self.runner.borrow().is_over()
            }
        }
    }

    /// True if the handler has begun to read the body. The handler is then expected to read on until the body ends.
    fn reads_on(&self) -> bool {
        match &self.delegate {
            Some(delegate) => delegate.upstream.reads_on(),
            None => self.state.channel.state().read_begun && !self.runner.borrow().is_over(),
        }
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        match &mut self.delegate {
            None => Ok(self.state.channel.state_mut().push_input(body)),
            // The bytes in the channel are older, so the delegate must receive them before the new ones.
            Some(delegate) => match delegate.catch_up(&self.state.channel)? {
                true => delegate.upstream.feed(body),
                false => Ok(0),
            },
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.state.channel.state_mut().input_ended = true;
        self.delegate.as_mut().map_or(Ok(()), |delegate| delegate.catch_up(&self.state.channel).map(drop))
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let delegate = match &mut self.delegate {
            Some(delegate) => delegate,
            // The handler has requested an upgrade. It stays suspended until its connection has switched to the other
            // protocol.
            None if self.state.response.borrow().is_upgrade() => return Ok(self.begin_streaming(registrar)),
            None => {
                let mut runner = self.runner.borrow_mut();
                runner.run(Some(registrar))?;
                if !runner.is_over() {
                    drop(runner);
                    return Ok(self.begin_streaming(registrar));
                }
                match final_reply(&self.state, || runner.describe()) {
                    Reply::Now(response) => return Ok(Some(response)),
                    Reply::Later(upstream) => self.delegate.insert(Delegate::new(upstream)),
                }
            }
        };
        // The delegate receives the body before its first poll, as if it had handled the request from the start.
        delegate.catch_up(&self.state.channel)?;
        let mut response = delegate.upstream.poll(registrar)?;
        if let Some(response) = &mut response {
            self.state.response.borrow_mut().set_user(response);
        }
        Ok(response)
    }

    /// Resumes a handler that waits for its outgoing connections. A handler that waits for anything else is resumed
    /// only when the response's [`Source`](crate::service::Source) is read.
    fn step_upgraded(&mut self) -> io::Result<()> {
        if let Some(delegate) = &mut self.delegate {
            return delegate.upstream.step_upgraded();
        }
        let waits_for_source = matches!(self.state.channel.state().wait, WaitReason::Source(_));
        if waits_for_source { self.runner.borrow_mut().run(None) } else { Ok(()) }
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        let own = self.state.response.borrow_mut().interim.pop_front();
        own.or_else(|| self.delegate.as_mut()?.upstream.take_interim())
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.delegate {
            Some(delegate) => delegate.upstream.deadline(),
            None => self.state.channel.state().wait.deadline(),
        }
    }
}

impl Drop for HandlerUpstream {
    fn drop(&mut self) {
        self.runner.borrow_mut().cancel();
    }
}
