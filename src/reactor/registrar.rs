//! The tokens of sessions, and the registration of descriptors that a session has in addition to its socket.

use std::cell::{Cell, OnceCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::Mailbox;
use crate::session::{MovableSource, Registrar, SessionHandle, SourceTable, Waker};

/// The number of slots of a session. Slot 0 is for its socket, and the others are for the sources of its upstream.
const SLOTS: usize = 8;

/// The token of the first movable source. The tokens of the other movable sources count upwards from it. The tokens of
/// sessions are far below this range, and those of the loop's own sources are far above it.
pub(super) const FIRST_MOVABLE: usize = 1 << (usize::BITS - 2);

/// The token of the source in `slot` of a session.
pub(super) fn token(key: usize, slot: usize) -> Token {
    Token(key * SLOTS + slot)
}

/// The key and the slot of a token. This is the inverse of [`token`].
pub(super) fn key_and_slot(token: Token) -> (usize, usize) {
    (token.0 / SLOTS, token.0 % SLOTS)
}

/// The token of a source that a session has in addition to its socket. Returns an error if there is no such slot.
fn source_token(key: usize, slot: u8) -> io::Result<Token> {
    let slot = usize::from(slot);
    // Slot 0 is the session's socket, and the token of a slot above the range would belong to the next session.
    if !(1..SLOTS).contains(&slot) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("slot {slot} is not in 1..{SLOTS}")));
    }
    Ok(token(key, slot))
}

/// The part of the loop's state that the handles of its sessions share.
pub(super) struct LoopLink {
    pub(super) mailbox: Arc<Mailbox>,
    /// The sources that can move from one session to another.
    pub(super) sources: Arc<SourceTable>,
    /// True once the loop has begun to drain.
    pub(super) stopping: Cell<bool>,
    /// A clone of the loop's registry, made when the first handle is created. Contains `None` if the registry could not
    /// be cloned for lack of a descriptor.
    registry: OnceCell<Option<Registry>>,
}

impl LoopLink {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Rc<LoopLink> {
        Rc::new(LoopLink { mailbox, sources: Arc::default(), stopping: Cell::new(false), registry: OnceCell::new() })
    }

    fn waker(&self, key: usize) -> Waker {
        // The waker may outlive the session, and its key may then belong to another session or to none. Even then, a
        // wake-up is harmless, because its only effect is an unnecessary step.
        let mailbox = Arc::clone(&self.mailbox);
        Waker::new(move || mailbox.put(key))
    }
}

/// The registrar that one session gets for one step.
pub(super) struct SessionRegistrar<'r> {
    pub(super) registry: &'r Registry,
    pub(super) link: &'r Rc<LoopLink>,
    pub(super) key: usize,
    pub(super) now: Instant,
}

impl Registrar for SessionRegistrar<'_> {
    fn register(&mut self, source: &mut dyn Source, slot: u8, interest: Interest) -> io::Result<()> {
        self.registry.register(source, source_token(self.key, slot)?, interest)
    }

    fn wake(&self) -> Waker {
        self.link.waker(self.key)
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn handle(&self) -> Rc<dyn SessionHandle> {
        // The handles share a clone of the registry, because the selector's registry is borrowed only for this step.
        // The clone costs one descriptor per run.
        self.link.registry.get_or_init(|| self.registry.try_clone().ok());
        Rc::new(KeyHandle { link: Rc::clone(self.link), key: self.key })
    }
}

/// A handle for the session whose key is `key`.
struct KeyHandle {
    link: Rc<LoopLink>,
    key: usize,
}

impl KeyHandle {
    fn registry(&self) -> io::Result<&Registry> {
        let registry = self.link.registry.get().and_then(Option::as_ref);
        registry.ok_or_else(|| io::Error::other("the system had no descriptor for the registry"))
    }
}

impl SessionHandle for KeyHandle {
    fn register(&self, source: &mut dyn Source, interest: Interest) -> io::Result<MovableSource> {
        let movable = self.link.sources.add(self.key);
        self.registry()?.register(source, Token(FIRST_MOVABLE + movable.number()), interest)?;
        Ok(movable)
    }

    fn adopt(&self, source: &MovableSource) -> io::Result<()> {
        if !source.is_in(&self.link.sources) {
            return Err(io::Error::other("another loop has registered the source"));
        }
        source.set_session(Some(self.key));
        Ok(())
    }

    fn wake(&self) -> Waker {
        self.link.waker(self.key)
    }

    fn is_stopping(&self) -> bool {
        self.link.stopping.get()
    }
}
