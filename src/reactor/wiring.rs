//! How upstreams and other threads reach a session: tokens, registrations, and a mailbox.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::service::{Registrar, Waker};

/// How many sources a session may have: its own socket, and seven of its upstream.
const SLOTS: usize = 8;

/// The token of a session's source.
pub(super) fn token(key: usize, slot: usize) -> Token {
    Token(key * SLOTS + slot)
}

/// Key and slot of a token.
pub(super) fn parts(token: Token) -> (usize, usize) {
    (token.0 / SLOTS, token.0 % SLOTS)
}

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

    fn put(&self, key: usize) {
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

/// The wires of one session for one step.
pub(super) struct Wiring<'w> {
    pub(super) registry: &'w Registry,
    pub(super) mailbox: &'w Arc<Mailbox>,
    pub(super) key: usize,
    pub(super) now: Instant,
}

impl Registrar for Wiring<'_> {
    fn register(&mut self, source: &mut dyn Source, slot: u8, interest: Interest) -> io::Result<()> {
        let slot = usize::from(slot);
        if !(1..SLOTS).contains(&slot) {
            let text = format!("slot {slot} is not in 1..{SLOTS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.registry.register(source, token(self.key, slot), interest)
    }

    fn wake(&self) -> Waker {
        let (mailbox, key) = (Arc::clone(self.mailbox), self.key);
        Waker::new(move || mailbox.put(key))
    }

    fn now(&self) -> Instant {
        self.now
    }
}
