//! The mailbox through which other threads wake sessions.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mio::Token;

/// The keys of sessions to run. Any thread can put keys in, and the loop takes them out.
pub struct Mailbox {
    wake_loop: Box<dyn Fn() + Send + Sync>,
    keys: Mutex<Vec<usize>>,
    /// True if a key has been put into `keys` since the last call to `take`.
    full: AtomicBool,
}

impl Mailbox {
    /// The token of the event with which another thread wakes the loop.
    pub const TOKEN: Token = Token(usize::MAX - 1);

    /// Creates an empty mailbox. `wake_loop` must end the loop's sleep or, if the loop is awake, prevent its next
    /// sleep.
    pub fn new(wake_loop: impl Fn() + Send + Sync + 'static) -> Mailbox {
        Mailbox { wake_loop: Box::new(wake_loop), keys: Mutex::default(), full: AtomicBool::new(false) }
    }

    /// Makes the loop begin another turn.
    pub(super) fn wake_loop(&self) {
        (self.wake_loop)();
    }

    /// Puts a key into the mailbox and wakes the loop.
    pub(super) fn put(&self, key: usize) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        // Only the first of several keys needs the system call that wakes the loop. The loop takes all keys before it
        // sleeps again.
        if !self.full.swap(true, Ordering::AcqRel) {
            self.wake_loop();
        }
    }

    /// Takes the keys that have been put into the mailbox since the last call.
    pub(super) fn take(&self) -> Vec<usize> {
        // This method is called in every turn, but few turns find a key. Testing `full` first avoids taking the lock.
        // `full` is cleared before the keys are taken, so that it is set again if another thread adds a key in the
        // meantime.
        if !self.full.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn only_the_first_key_after_a_take_wakes_the_loop() {
        let wake_ups = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wake_ups);
        let mailbox = Mailbox::new(move || _ = counter.fetch_add(1, Ordering::Relaxed));
        let woken = || wake_ups.swap(0, Ordering::Relaxed);
        mailbox.put(3);
        mailbox.put(5);
        assert_eq!((woken(), mailbox.take()), (1, vec![3, 5]));
        mailbox.put(7);
        assert_eq!((woken(), mailbox.take(), mailbox.take()), (1, vec![7], vec![]));
        mailbox.wake_loop();
        assert_eq!(woken(), 1, "without a key");
    }
}
