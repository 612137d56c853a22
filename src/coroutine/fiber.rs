//! `Fiber`: a coroutine on a stack from the pool. The task catches panics, and the runner decides when the coroutine is
//! resumed.

use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::channel::Channel;

/// The handle with which a running task suspends its own coroutine.
pub(crate) type Yielder = corosensei::Yielder<(), ()>;

/// Code that runs on a coroutine.
pub(crate) trait Task {
    /// Runs the code once. This method must not panic, so implementations must catch panics in user code.
    fn run(&self, yielder: &Yielder);

    /// The channel between this task and its connection.
    fn channel(&self) -> &Channel;

    /// Calls `see` with the name of this task, such as its request line. The implementation must not allocate.
    fn name(&self, see: &mut dyn FnMut(&[u8]));

    /// The name of this task for the log, such as the method and path of its request.
    fn describe(&self) -> String;
}

/// A task on its own stack. It runs until it suspends, and continues from there when it is resumed.
///
/// A fiber never moves to another thread. Dropping a suspended fiber unwinds its stack, so that the values on it are
/// dropped.
pub(crate) struct Fiber(Coroutine<(), (), (), DefaultStack>);

impl Fiber {
    /// Creates a fiber that has not started its task.
    pub(crate) fn new(stack: DefaultStack, task: Rc<dyn Task>) -> Fiber {
        Fiber(Coroutine::with_stack(stack, move |yielder: &Yielder, ()| task.run(yielder)))
    }

    /// Runs the task until it suspends or ends. Returns true if it has ended.
    #[inline]
    pub(crate) fn resume(&mut self) -> bool {
        // corosensei panics if a finished coroutine is resumed.
        self.0.done() || matches!(self.0.resume(()), CoroutineResult::Return(()))
    }

    /// Unwinds the task if it has not ended, and returns the stack.
    #[inline]
    pub(crate) fn into_stack(mut self) -> DefaultStack {
        // The stack can be taken only from a finished coroutine.
        self.0.force_unwind();
        self.0.into_stack()
    }
}
