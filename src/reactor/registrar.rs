//! How upstreams and other threads reach a session: tokens and registrations.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::Mailbox;
use crate::session::{Registrar, Waker};

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

/// The wires of one session for one step.
pub(super) struct SessionRegistrar<'w> {
    pub(super) registry: &'w Registry,
    pub(super) mailbox: &'w Arc<Mailbox>,
    pub(super) key: usize,
    pub(super) now: Instant,
}

impl Registrar for SessionRegistrar<'_> {
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
