//! The stacks that handlers run on: how many there may be, which of them can be used again, and who is next.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use corosensei::stack::DefaultStack;

use crate::session::Waker;

/// As many stacks as are kept for the next handlers. More than run at a time in a quiet hour, and what a crowd once
/// needed is given back.
const KEPT: usize = 32;

/// A bounded number of stacks. Whoever takes one gives it back.
#[derive(Debug)]
pub(crate) struct StackPool {
    /// Bytes of a stack.
    size: usize,
    most: usize,
    stacks: Mutex<StackPoolState>,
}

#[derive(Default)]
struct StackPoolState {
    free: Vec<DefaultStack>,
    /// How many are taken.
    taken: usize,
    /// Who waits for one, in the order in which they came.
    waiting: VecDeque<(Weak<Mutex<GrantedStack>>, Waker)>,
}

impl std::fmt::Debug for StackPoolState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} taken, {} free, {} waiting", self.taken, self.free.len(), self.waiting.len())
    }
}

/// A stack that was handed to somebody who waits for one, and was not taken yet.
type GrantedStack = Option<DefaultStack>;

/// A place in the queue. A stack that it is good for is given back when it is dropped.
pub(crate) struct StackTicket {
    pool: Arc<StackPool>,
    granted: Arc<Mutex<GrantedStack>>,
}

impl StackPool {
    /// At most so many stacks, each of so many bytes.
    pub(crate) fn new(most: usize, size: usize) -> StackPool {
        StackPool { size, most: most.max(1), stacks: Mutex::default() }
    }

    /// A stack, if there may be one more and nobody waits for it.
    ///
    /// # Errors
    /// If the system has no memory for it, and nobody will give one back.
    // Inlined, like all that every request goes through here and in `run`: half of its cost would be the calls.
    #[inline(always)]
    pub(crate) fn take(&self) -> io::Result<Option<DefaultStack>> {
        let mut stacks = self.stacks();
        if stacks.taken >= self.most || !stacks.waiting.is_empty() {
            return Ok(None);
        }
        let stack = match stacks.free.pop() {
            Some(stack) => stack,
            None => match DefaultStack::new(self.size) {
                Ok(stack) => stack,
                Err(error) if stacks.taken == 0 => return Err(error),
                Err(_) => return Ok(None),
            },
        };
        stacks.taken += 1;
        Ok(Some(stack))
    }

    /// Takes a stack back, or hands it on to whoever waits longest.
    #[inline(always)]
    pub(crate) fn give_back(&self, stack: DefaultStack) {
        let mut stacks = self.stacks();
        if !stacks.waiting.is_empty() {
            return self.hand_on(stacks, stack);
        }
        stacks.taken -= 1;
        if stacks.free.len() < KEPT {
            stacks.free.push(stack);
        }
    }

    #[cold]
    fn hand_on(&self, mut stacks: MutexGuard<'_, StackPoolState>, stack: DefaultStack) {
        while let Some((ticket, wake)) = stacks.waiting.pop_front() {
            let Some(ticket) = ticket.upgrade() else { continue };
            drop(stacks);
            *ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(stack);
            return wake.wake();
        }
        drop(stacks);
        self.give_back(stack);
    }

    /// A place in the queue. The wake is called when the ticket is good for a stack.
    pub(crate) fn queue(self: &Arc<Self>, wake: Waker) -> StackTicket {
        let granted = Arc::new(Mutex::new(None));
        self.stacks().waiting.push_back((Arc::downgrade(&granted), wake));
        StackTicket { pool: Arc::clone(self), granted }
    }

    #[inline]
    fn stacks(&self) -> MutexGuard<'_, StackPoolState> {
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many stacks are taken, for tests of what is left behind.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.stacks().taken
    }
}

impl StackTicket {
    /// The stack, once it is this ticket's turn.
    pub(crate) fn redeem(&self) -> Option<DefaultStack> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for StackTicket {
    fn drop(&mut self) {
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
    fn of_the_stacks_of_a_crowd_a_few_are_kept_and_used_again() {
        let pool = StackPool::new(KEPT + 8, 16 * 1024);
        for _ in 0..2 {
            let stacks: Vec<_> = (0..KEPT + 8).map(|_| pool.take().unwrap().expect("a stack within the cap")).collect();
            assert!(pool.stacks().free.is_empty(), "a kept stack is used before another is made");
            stacks.into_iter().for_each(|stack| pool.give_back(stack));
            assert_eq!((pool.taken(), pool.stacks().free.len()), (0, KEPT));
        }
    }

    #[test]
    fn who_waits_longest_is_next() {
        let pool = Arc::new(StackPool::new(1, 16 * 1024));
        let woken = Arc::new(AtomicUsize::new(0));
        let wake = |number| {
            let woken = Arc::clone(&woken);
            Waker::new(move || woken.store(number, Ordering::Relaxed))
        };
        let first = pool.take().unwrap().unwrap();
        assert!(pool.take().unwrap().is_none(), "there is one stack");
        let gone = pool.queue(wake(1));
        let second = pool.queue(wake(2));
        let third = pool.queue(wake(3));
        drop(gone);
        pool.give_back(first);
        assert_eq!(woken.load(Ordering::Relaxed), 2, "who left the queue is passed over");
        assert!(third.redeem().is_none());
        assert!(pool.take().unwrap().is_none(), "a newcomer does not take the stack of who waits");
        pool.give_back(second.redeem().unwrap());
        assert_eq!(woken.load(Ordering::Relaxed), 3);
        drop(third);
        assert_eq!(pool.taken(), 0, "a stack that was granted and not taken is given back");
        assert!(pool.take().unwrap().is_some());
    }
}
