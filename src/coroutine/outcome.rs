//! How the code of a handler ended. Panics become values here, so that they end neither a coroutine nor the loop.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum TaskOutcome {
    /// The handler returned `Ok`.
    Returned,
    /// The handler returned this error.
    Failed(io::Error),
    /// The handler panicked with this text.
    Panicked(String),
}

impl TaskOutcome {
    /// Runs a handler and catches its panic.
    #[inline]
    pub(crate) fn of(handle: impl FnOnce() -> io::Result<()>) -> TaskOutcome {
        // A handler that panicked is not called again, so its broken state is never observed.
        match catch_unwind(AssertUnwindSafe(handle)) {
            Ok(Ok(())) => TaskOutcome::Returned,
            Ok(Err(error)) => TaskOutcome::Failed(error),
            Err(payload) => TaskOutcome::Panicked(panic_text(&*payload)),
        }
    }

    /// The log line for a handler that failed or panicked.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            TaskOutcome::Returned => None,
            TaskOutcome::Failed(error) => Some(format!("the handler failed: {error}")),
            TaskOutcome::Panicked(text) => Some(format!("the handler panicked: {text}")),
        }
    }
}

/// The text of a panic, or "no text" if its payload is not a string.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
