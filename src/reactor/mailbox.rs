//! The mailbox in which other threads leave the keys of the sessions that they wake.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mio::Token;

/// Where other threads leave the keys of sessions that they want to have run.
pub struct Mailbox {
    bell: Box<dyn Fn() + Send + Sync>,
    keys: Mutex<Vec<usize>>,
    full: AtomicBool,
}

impl Mailbox {
    /// The token of what ends the loop's sleep when the bell rings.
    pub const TOKEN: Token = Token(usize::MAX - 1);

    /// A mailbox whose bell ends the loop's sleep, or keeps it from falling asleep.
    pub fn new(bell: impl Fn() + Send + Sync + 'static) -> Mailbox {
        Mailbox { bell: Box::new(bell), keys: Mutex::default(), full: AtomicBool::new(false) }
    }

    /// Has the loop begin a turn.
    pub(super) fn ring(&self) {
        (self.bell)();
    }

    pub(super) fn put(&self, key: usize) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        self.full.store(true, Ordering::Release);
        self.ring();
    }

    /// What was left since the last time.
    pub(super) fn take(&self) -> Vec<usize> {
        if !self.full.swap(false, Ordering::Acquire) {
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
