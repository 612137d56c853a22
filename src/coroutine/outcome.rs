//! The outcome of a handler's code. A panic is caught here and converted to a value, so that it ends neither the
//! coroutine nor the loop.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::{error_chain, panic_text};

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum TaskOutcome {
    /// The handler returned `Ok`.
    Returned,
    /// The handler returned this error.
    Failed(Box<dyn Error>),
    /// The handler panicked with this message.
    Panicked(String),
}

impl TaskOutcome {
    /// Runs a handler. If the handler panics, the panic is caught and becomes the outcome.
    #[inline]
    pub(crate) fn of<E: Into<Box<dyn Error>>>(handle: impl FnOnce() -> Result<(), E>) -> TaskOutcome {
        // A handler that has panicked is not called again, so its inconsistent state is never observed.
        match catch_unwind(AssertUnwindSafe(handle)) {
            Ok(Ok(())) => TaskOutcome::Returned,
            Ok(Err(error)) => TaskOutcome::Failed(error.into()),
            Err(payload) => TaskOutcome::Panicked(panic_text(&*payload)),
        }
    }

    /// The log line for a handler that failed or panicked. For a failure, it includes the sources of the error. `None`
    /// if the handler returned `Ok`.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            TaskOutcome::Returned => None,
            TaskOutcome::Failed(error) => Some(format!("the handler failed: {}", error_chain(&**error))),
            TaskOutcome::Panicked(text) => Some(format!("the handler panicked: {text}")),
        }
    }
}
