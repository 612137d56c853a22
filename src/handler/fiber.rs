//! A coroutine on a pooled stack.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::pool::Seat;

/// What a coroutine suspends itself with.
pub(crate) type Yielder = corosensei::Yielder<(), ()>;

/// Code that runs until it waits, and goes on where it stopped. It never leaves its thread.
///
/// When it is dropped before it is over, its stack is unwound, so that what it owns is dropped too.
pub(crate) struct Fiber {
    /// `None` only while it is being dropped.
    coroutine: Option<Coroutine<(), (), (), DefaultStack>>,
    seat: Seat,
}

impl Fiber {
    /// Something to run. It must not panic: whoever makes it catches what its user's code throws.
    pub(crate) fn new(mut seat: Seat, main: impl FnOnce(&Yielder) + 'static) -> Fiber {
        let coroutine = Coroutine::with_stack(seat.take_stack(), |yielder: &Yielder, ()| main(yielder));
        Fiber { coroutine: Some(coroutine), seat }
    }

    /// Runs until it waits (false) or is over (true).
    pub(crate) fn resume(&mut self) -> bool {
        match &mut self.coroutine {
            Some(coroutine) if !coroutine.done() => matches!(coroutine.resume(()), CoroutineResult::Return(())),
            _ => true,
        }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if let Some(mut coroutine) = self.coroutine.take() {
            coroutine.force_unwind();
            self.seat.put_stack(coroutine.into_stack());
        }
    }
}
