//! `SharedLink`: the link that a connection shares with its current response. `link` moves the bytes.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::link::Link;
use super::{ClientStream, Error};

/// The part of a connection that an [`HttpConnection`](super::HttpConnection) shares with its response.
#[derive(Debug)]
pub(super) struct LinkState<S: ClientStream> {
    /// `None` once the connection is closed.
    pub(super) link: Option<Link<S>>,
    /// True while the caller has a response whose body has not been read completely.
    pub(super) is_reading: bool,
}

/// A link, shared between a connection and its current response.
pub(super) type SharedLink<S> = Arc<Mutex<LinkState<S>>>;

/// Borrows a link. Returns [`Error::InUse`] if the link is already borrowed. Waiting for it could deadlock: a link
/// stays borrowed while the borrower waits for the server, and on the event loop, the borrower can be another handler
/// on the same thread.
pub(super) fn borrow<S: ClientStream>(shared: &SharedLink<S>) -> Result<MutexGuard<'_, LinkState<S>>, Error> {
    match shared.try_lock() {
        Ok(guard) => Ok(guard),
        // A panic leaves the state machine in a valid state, so a poisoned mutex is ignored.
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(Error::InUse),
    }
}
