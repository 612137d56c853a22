//! A coroutine on a pooled stack.

use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

/// What a coroutine suspends itself with.
pub(crate) type Yielder = corosensei::Yielder<(), ()>;

/// What a coroutine does.
pub(crate) trait Task {
    /// Does it, once. It must not panic: whoever writes it catches what its user's code throws.
    fn run(&self, yielder: &Yielder);

    /// What it is about, for the log.
    fn about(&self) -> String;
}

/// Code that runs until it waits, and goes on where it stopped. It never leaves its thread.
///
/// When it is dropped before it is over, its stack is unwound, so that what it owns is dropped too.
pub(crate) struct Fiber(Coroutine<(), (), (), DefaultStack>);

impl Fiber {
    /// A task that has not begun.
    pub(crate) fn new(stack: DefaultStack, task: Rc<dyn Task>) -> Fiber {
        Fiber(Coroutine::with_stack(stack, move |yielder: &Yielder, ()| task.run(yielder)))
    }

    /// Runs until it waits (false) or is over (true).
    #[inline]
    pub(crate) fn resume(&mut self) -> bool {
        self.0.done() || matches!(self.0.resume(()), CoroutineResult::Return(()))
    }

    /// Ends it, and gives its stack to the next.
    #[inline]
    pub(crate) fn into_stack(mut self) -> DefaultStack {
        self.0.force_unwind();
        self.0.into_stack()
    }
}
