//! A response body that is sent while the handler is still writing it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::exchange_state::ExchangeState;
use crate::coroutine::{TaskOutcome, TaskRunner};
use crate::service::Source;

/// A source of the bytes that a handler writes. If the handler has no unread output, a read first runs the handler.
pub(super) struct HandlerBody {
    runner: Rc<RefCell<TaskRunner>>,
    state: Rc<ExchangeState>,
}

impl HandlerBody {
    pub(super) fn new(runner: Rc<RefCell<TaskRunner>>, state: Rc<ExchangeState>) -> HandlerBody {
        HandlerBody { runner, state }
    }
}

impl Source for HandlerBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut runner = self.runner.borrow_mut();
        // If there is no output, the handler runs. The second iteration then returns the bytes that it wrote, or
        // detects that it has ended.
        for _ in 0..2 {
            let count = self.state.channel.state_mut().take_output(buf);
            if count > 0 {
                return Ok(count);
            }
            if runner.is_over() {
                return check_end(&self.state, || runner.describe()).map(|()| 0);
            }
            runner.run(None)?;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for HandlerBody {
    fn drop(&mut self) {
        self.runner.borrow_mut().cancel();
    }
}

/// Checks the outcome of a handler that ended after the head of its response had been sent. A failure is logged.
///
/// # Errors
/// Returns an error if the handler failed, or if the body does not have its declared length. The caller must then close
/// the connection.
fn check_end(state: &ExchangeState, name: impl Fn() -> String) -> io::Result<()> {
    let failure = state.channel.state_mut().outcome.take().as_ref().and_then(TaskOutcome::failure);
    let fault = failure.or_else(|| {
        let response = state.response.borrow();
        response.declared.and_then(|declared| response.length_mismatch(declared))
    });
    match fault {
        Some(fault) => {
            state.channel.log(format!("{}: {fault}", name()));
            Err(io::Error::other(fault))
        }
        None => Ok(()),
    }
}
