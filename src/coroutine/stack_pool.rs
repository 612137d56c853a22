//! A pool of the stacks that handlers run on. The number of stacks is limited, and stacks are reused. If all stacks are
//! in use, further handlers wait for one in the order of their arrival.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use corosensei::stack::DefaultStack;

use crate::session::Waker;

/// The maximum number of unused stacks that are kept. Creating a stack costs three system calls and several page
/// faults. The limit is enough for a normal load, even for a proxy whose handlers all wait at the same time. After a
/// peak, the extra stacks are freed.
const MAX_FREE: usize = 128;

/// A pool with a limited number of stacks. Each stack that is taken from the pool must be given back.
///
/// The mutex makes the pool `Sync`. Without it, a server, which holds the pool in an `Arc`, could not be moved to
/// another thread. The mutex is never contended.
#[derive(Debug)]
pub(crate) struct StackPool {
    /// The size of a stack in bytes.
    stack_size: usize,
    max_stacks: usize,
    state: Mutex<StackPoolState>,
}

#[derive(Default)]
struct StackPoolState {
    free: Vec<DefaultStack>,
    /// The number of stacks in use.
    taken: usize,
    /// The tickets that wait for a stack, oldest first. Dropped tickets are skipped.
    queue: VecDeque<(Weak<TicketSlot>, Waker)>,
    /// True if [`StackPool::shortage`] has reported a shortage. Reset when half of the stacks are unused.
    is_shortage_known: bool,
}

impl fmt::Debug for StackPoolState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} taken, {} free, {} waiting", self.taken, self.free.len(), self.queue.len())
    }
}

/// The stack that was handed to a ticket, until its connection takes it.
type TicketSlot = Mutex<Option<DefaultStack>>;

/// A place in the queue for a stack. Dropping the ticket gives up the place. If a stack was already handed to the
/// ticket, the stack goes back to the pool.
pub(crate) struct StackTicket {
    pool: Arc<StackPool>,
    slot: Arc<TicketSlot>,
}

impl StackPool {
    /// Creates a pool of at most `max_stacks` stacks of `stack_size` bytes, but at least one stack.
    pub(crate) fn new(max_stacks: usize, stack_size: usize) -> StackPool {
        // With a limit of 0, no handler could ever run.
        StackPool { stack_size, max_stacks: max_stacks.max(1), state: Mutex::default() }
    }

    /// Takes a stack. Returns `None` if all are in use or a ticket waits for one.
    ///
    /// # Errors
    /// Returns an error if there is no memory for a stack and no stack is in use, because then no stack would ever be
    /// given back.
    // Inlined, like every function here and in `task_runner` that runs for each request, because function calls would
    // account for half of the cost of obtaining and returning a stack.
    #[inline(always)]
    pub(crate) fn take(&self) -> io::Result<Option<DefaultStack>> {
        let mut state = self.lock();
        // Waiting tickets take precedence. A ticket can also be waiting while fewer than `max_stacks` stacks are in
        // use, because there was no memory for another one.
        if state.taken >= self.max_stacks || !state.queue.is_empty() {
            return Ok(None);
        }
        let stack = match state.free.pop() {
            Some(stack) => stack,
            None => match DefaultStack::new(self.stack_size) {
                Ok(stack) => stack,
                Err(error) if state.taken == 0 => return Err(error),
                // There is no memory for another stack, so the handler waits for one that is in use.
                Err(_) => return Ok(None),
            },
        };
        state.taken += 1;
        Ok(Some(stack))
    }

    /// Returns a stack to the pool, or hands it to the ticket that has waited longest.
    #[inline(always)]
    pub(crate) fn give_back(&self, stack: DefaultStack) {
        let mut state = self.lock();
        if !state.queue.is_empty() {
            return self.hand_on(state, stack);
        }
        state.taken -= 1;
        state.is_shortage_known &= state.taken > self.max_stacks / 2;
        // A stack beyond this limit is unmapped at the end of this function.
        if state.free.len() < MAX_FREE {
            state.free.push(stack);
        }
    }

    /// Hands the stack to the first ticket that has not been dropped. The stack still counts as in use.
    #[cold]
    fn hand_on(&self, mut state: MutexGuard<'_, StackPoolState>, stack: DefaultStack) {
        while let Some((slot, waker)) = state.queue.pop_front() {
            // A ticket that can no longer be upgraded was dropped together with its connection.
            let Some(slot) = slot.upgrade() else { continue };
            // The mutex is unlocked first, because the waker is the caller's code and may use this pool.
            drop(state);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(stack);
            return waker.wake();
        }
        drop(state);
        // The queue is now empty, so `give_back` does not call this function again.
        self.give_back(stack);
    }

    /// Reports a shortage of stacks once. Returns the maximum number of stacks if all of them are in use; `None` if
    /// they are not, or if this shortage has already been reported. The next shortage is reported only after half of
    /// the stacks have been unused, so that a server at its limit does not fill its log.
    pub(crate) fn shortage(&self) -> Option<usize> {
        let mut state = self.lock();
        let is_new = state.taken >= self.max_stacks && !std::mem::replace(&mut state.is_shortage_known, true);
        is_new.then_some(self.max_stacks)
    }

    /// Adds a ticket to the queue. `waker` is called when a stack has been assigned to the ticket.
    pub(crate) fn queue(self: &Arc<Self>, waker: Waker) -> StackTicket {
        let slot = Arc::new(Mutex::new(None));
        self.lock().queue.push_back((Arc::downgrade(&slot), waker));
        StackTicket { pool: Arc::clone(self), slot }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, StackPoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of stacks in use, for tests that check for leaked stacks.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken
    }
}

impl StackTicket {
    /// Takes the stack if the pool has handed one to this ticket.
    pub(crate) fn redeem(&self) -> Option<DefaultStack> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for StackTicket {
    fn drop(&mut self) {
        // The connection may end before it has taken the stack that was handed to its ticket.
        if let Some(stack) = self.redeem() {
            self.pool.give_back(stack);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn free_stacks_are_used_again_and_kept_up_to_a_bound() {
        let pool = StackPool::new(MAX_FREE + 8, 16 * 1024);
        for _ in 0..2 {
            let stacks: Vec<_> =
                (0..MAX_FREE + 8).map(|_| pool.take().unwrap().expect("a stack within the cap")).collect();
            assert!(pool.lock().free.is_empty(), "a free stack is used before another is made");
            stacks.into_iter().for_each(|stack| pool.give_back(stack));
            assert_eq!((pool.taken(), pool.lock().free.len()), (0, MAX_FREE));
        }
    }

    #[test]
    fn a_stack_goes_to_the_ticket_that_has_waited_longest() {
        let pool = Arc::new(StackPool::new(1, 16 * 1024));
        let woken = Arc::new(AtomicUsize::new(0));
        let waker = |number| {
            let woken = Arc::clone(&woken);
            Waker::new(move || woken.store(number, Ordering::Relaxed))
        };
        let first = pool.take().unwrap().unwrap();
        assert!(pool.take().unwrap().is_none(), "there is one stack");
        let gone = pool.queue(waker(1));
        let second = pool.queue(waker(2));
        let third = pool.queue(waker(3));
        drop(gone);
        pool.give_back(first);
        assert_eq!(woken.load(Ordering::Relaxed), 2, "a dropped ticket is skipped");
        assert!(third.redeem().is_none());
        assert!(pool.take().unwrap().is_none(), "a stack is not taken while a ticket waits");
        pool.give_back(second.redeem().unwrap());
        assert_eq!(woken.load(Ordering::Relaxed), 3);
        drop(third);
        assert_eq!(pool.taken(), 0, "a stack that was granted and not taken is given back");
        assert!(pool.take().unwrap().is_some());
    }
}
