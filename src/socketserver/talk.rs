//! What a raw handler does, as a task on a coroutine.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::Address;
use crate::coroutine::{Task, WorkerPool, Yielder};
use crate::handler::{Line, Pipe, Room, Run, outcome_of};

/// A handler and whom it talks to.
struct Talk<F> {
    peer: Address,
    pipe: Rc<Pipe>,
    workers: Arc<WorkerPool>,
    /// Until it has begun.
    handle: Cell<Option<F>>,
}

/// A handler that takes a stack when it is first run, and what it shares with its session.
pub(super) fn talk<F>(room: &Room, peer: Address, handle: F) -> (Run, Rc<Pipe>)
where
    F: FnOnce(Line<'_>) -> io::Result<()> + 'static,
{
    let (pipe, workers) = (Rc::<Pipe>::default(), Arc::clone(&room.workers));
    let task = Talk { peer, pipe: Rc::clone(&pipe), workers, handle: Cell::new(Some(handle)) };
    let mut run = Run::new(Rc::new(task), Rc::clone(&pipe), room);
    run.queue();
    (run, pipe)
}

impl<F: FnOnce(Line<'_>) -> io::Result<()>> Task for Talk<F> {
    fn run(&self, yielder: &Yielder) {
        let Some(handle) = self.handle.take() else { return };
        let line = Line::new(yielder, &self.pipe, &self.workers);
        let outcome = outcome_of(catch_unwind(AssertUnwindSafe(|| handle(line))));
        self.pipe.0.borrow_mut().outcome = Some(outcome);
    }

    fn about(&self) -> String {
        format!("the handler of {}", self.peer)
    }
}
