//! The stacks that handlers run on: how many there may be, which of them can be used again, and who is next.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use corosensei::stack::DefaultStack;

use crate::service::Wake;

/// As many stacks as are kept for the next handlers. More than run at a time in a quiet hour, and what a crowd once
/// needed is given back.
const KEPT: usize = 32;

/// A bounded number of seats, each with a stack.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Bytes of a stack.
    size: usize,
    most: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    free: Vec<DefaultStack>,
    /// How many seats are taken.
    taken: usize,
    /// Who waits for one, in the order in which they came.
    waiting: VecDeque<(Weak<Mutex<Granted>>, Wake)>,
}

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} taken, {} free, {} waiting", self.taken, self.free.len(), self.waiting.len())
    }
}

/// A seat that was handed to somebody who waits for one, and was not taken yet.
type Granted = Option<Seat>;

/// A seat that is taken. It is given back, and to whoever waits longest, when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pool: Arc<Pool>,
    stack: Stack,
}

/// Keeps the stack while nobody runs on it.
struct Stack(Option<DefaultStack>);

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Stack" } else { "Stack in use" })
    }
}

/// A place in the queue.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Mutex<Granted>>);

impl Pool {
    /// At most so many seats, each with a stack of so many bytes.
    pub(crate) fn new(most: usize, size: usize) -> Pool {
        Pool { size, most: most.max(1), seats: Mutex::default() }
    }

    /// A seat, if one is free and nobody waits for it.
    ///
    /// # Errors
    /// If the system has no memory for a stack, and nobody will give one back.
    pub(crate) fn seat(self: &Arc<Self>) -> io::Result<Option<Seat>> {
        let mut seats = self.seats();
        if seats.taken >= self.most || !seats.waiting.is_empty() {
            return Ok(None);
        }
        let stack = match seats.free.pop().map_or_else(|| DefaultStack::new(self.size), Ok) {
            Ok(stack) => stack,
            Err(error) if seats.taken == 0 => return Err(error),
            Err(_) => return Ok(None),
        };
        seats.taken += 1;
        Ok(Some(Seat { pool: Arc::clone(self), stack: Stack(Some(stack)) }))
    }

    /// A place in the queue. The wake is called when the ticket is good for a seat.
    pub(crate) fn queue(&self, wake: Wake) -> Ticket {
        let granted = Arc::new(Mutex::new(None));
        self.seats().waiting.push_back((Arc::downgrade(&granted), wake));
        Ticket(granted)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many seats are taken, for tests of what is left behind.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.seats().taken
    }
}

impl Ticket {
    /// The seat, once it is this ticket's turn.
    pub(crate) fn redeem(&self) -> Option<Seat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Seat {
    /// Takes the stack to run on.
    pub(super) fn take_stack(&mut self) -> DefaultStack {
        // NOTE(unwrap): a seat has its stack until the one fiber that owns the seat takes it, and gets it back then.
        self.stack.0.take().expect("a seat's stack is taken once")
    }

    /// Puts the stack back.
    pub(super) fn put_stack(&mut self, stack: DefaultStack) {
        self.stack.0 = Some(stack);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut stack = self.stack.0.take();
        let mut seats = self.pool.seats();
        while let Some((ticket, wake)) = seats.waiting.pop_front() {
            let Some(ticket) = ticket.upgrade() else { continue };
            drop(seats);
            let seat = Seat { pool: Arc::clone(&self.pool), stack: Stack(stack.take()) };
            *ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(seat);
            wake.wake();
            return;
        }
        seats.taken -= 1;
        if seats.free.len() < KEPT {
            seats.free.extend(stack);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn who_waits_longest_is_next() {
        let pool = Arc::new(Pool::new(1, 16 * 1024));
        let woken = Arc::new(AtomicUsize::new(0));
        let wake = |number| {
            let woken = Arc::clone(&woken);
            Wake::new(move || woken.store(number, Ordering::Relaxed))
        };
        let first = pool.seat().unwrap().unwrap();
        assert!(pool.seat().unwrap().is_none(), "there is one seat");
        let gone = pool.queue(wake(1));
        let second = pool.queue(wake(2));
        let third = pool.queue(wake(3));
        drop(gone);
        drop(first);
        assert_eq!(woken.load(Ordering::Relaxed), 2, "who left the queue is passed over");
        assert!(third.redeem().is_none());
        assert!(pool.seat().unwrap().is_none(), "a newcomer does not take the seat of who waits");
        let seat = second.redeem().unwrap();
        drop(seat);
        assert_eq!(woken.load(Ordering::Relaxed), 3);
        drop(third);
        assert_eq!(pool.taken(), 0, "a seat that was granted and not taken is given back");
        assert!(pool.seat().unwrap().is_some());
    }
}
