//! `SharedLink`: the link that a connection shares with its current response, and the end of a response. `link` moves
//! the bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::link::Link;
use super::settings::WaitLimits;
use super::{ClientChannel, ClientStream, Error, WaitPhase};
use crate::http::HeaderList;
use crate::http1::{Buffer, ResponseEvent};

/// A link, shared between a connection and its current response.
pub(super) type SharedLink<S> = Arc<LinkCell<S>>;

/// The state of a shared link, and the mutex that protects it.
#[derive(Debug)]
pub(super) struct LinkCell<S: ClientStream> {
    state: Mutex<LinkState<S>>,
    /// True if a response was dropped while the link was borrowed. The next call to [`borrow`] ends that response.
    is_abandoned: AtomicBool,
}

/// The part of a connection that an [`HttpConnection`](super::HttpConnection) shares with its response.
#[derive(Debug)]
pub(super) struct LinkState<S: ClientStream> {
    /// `None` once the connection is closed.
    pub(super) link: Option<Link<S>>,
    /// True while the caller has a response whose body has not been read completely.
    pub(super) is_reading: bool,
}

/// The values that a response gets at its end.
#[derive(Debug)]
pub(super) struct ResponseEnd<S: ClientStream> {
    pub(super) trailers: HeaderList,
    /// The stream and the bytes that arrived after the head, if the response switched the connection to another
    /// protocol.
    pub(super) upgraded: Option<(ClientChannel<S>, Buffer)>,
}

/// Makes a link shareable.
pub(super) fn share<S: ClientStream>(link: Link<S>) -> SharedLink<S> {
    let state = Mutex::new(LinkState { link: Some(link), is_reading: false });
    Arc::new(LinkCell { state, is_abandoned: AtomicBool::new(false) })
}

/// Takes the link out. Returns `None` if the link is closed, or still shared with a response that is being read.
pub(super) fn unshare<S: ClientStream>(shared: SharedLink<S>) -> Option<Link<S>> {
    Arc::try_unwrap(shared).ok()?.state.into_inner().ok()?.link
}

/// Borrows a link. Returns [`Error::InUse`] if the link is already borrowed. Waiting for it could deadlock: a link
/// stays borrowed while the borrower waits for the server, and on the event loop, the borrower can be another handler
/// on the same thread.
pub(super) fn borrow<S: ClientStream>(shared: &SharedLink<S>) -> Result<MutexGuard<'_, LinkState<S>>, Error> {
    let mut state = match shared.state.try_lock() {
        Ok(guard) => guard,
        // A panic leaves the state machine in a valid state, so a poisoned mutex is ignored.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(Error::InUse),
    };
    if shared.is_abandoned.swap(false, Ordering::Relaxed) {
        state.end_unread();
    }
    Ok(state)
}

/// Ends a response that is not read to its end. If the link is borrowed, the response ends when the link is next
/// borrowed.
pub(super) fn abandon<S: ClientStream>(shared: &SharedLink<S>) {
    match borrow(shared) {
        Ok(mut state) => state.end_unread(),
        Err(_) => shared.is_abandoned.store(true, Ordering::Relaxed),
    }
}

impl<S: ClientStream> LinkState<S> {
    /// Closes the link. The unread rest of a response is lost.
    pub(super) fn close(&mut self) {
        self.link = None;
        self.is_reading = false;
    }

    /// Passes the next bytes of the body to `take`: at most `most` bytes, all from the same chunk. Returns the number
    /// of bytes, and the end of the response if there are no more. An error closes the link, because the position of
    /// the next response in the stream is unknown.
    pub(super) fn read_body(
        &mut self,
        waits: WaitLimits,
        most: usize,
        take: impl FnOnce(&[u8]),
    ) -> Result<(usize, Option<ResponseEnd<S>>), Error> {
        let Some(link) = &mut self.link else { return Ok((0, Some(self.end()))) };
        // A read into an empty buffer returns at once instead of waiting for bytes.
        if most == 0 {
            return Ok((0, None));
        }
        let error = match link.event(waits, WaitPhase::Body) {
            Ok(ResponseEvent::Data(length)) => {
                let count = length.min(most);
                take(&link.input.bytes()[..count]);
                link.machine.take(&mut link.input, count);
                return Ok((count, self.end_if_complete()));
            }
            Ok(ResponseEvent::End) => return Ok((0, Some(self.end()))),
            Ok(_) => Error::IncompleteRead { partial: Vec::new(), expected: link.machine.body_left() },
            Err(error) => error,
        };
        self.close();
        Err(error)
    }

    /// Ends the response if its last body byte has been read and, for a chunked body, the trailer section has arrived.
    pub(super) fn end_if_complete(&mut self) -> Option<ResponseEnd<S>> {
        let is_complete = self.link.as_mut().is_some_and(Link::ends_here);
        is_complete.then(|| self.end())
    }

    /// Releases the link after the end of the response, so that the next response can be read from it.
    fn end(&mut self) -> ResponseEnd<S> {
        self.is_reading = false;
        let mut end = ResponseEnd { trailers: HeaderList::new(), upgraded: None };
        if let Some(link) = &self.link {
            end.trailers = link.machine.trailers().clone();
            let has_left_http = link.machine.has_left_http();
            if !link.machine.persists() {
                end.upgraded = self.link.take().filter(|_| has_left_http).map(Link::into_parts);
            }
        }
        end
    }

    /// Ends a response that has not been read to its end. The link is closed, unless the rest of the body is short and
    /// has already arrived.
    fn end_unread(&mut self) {
        self.is_reading = false;
        if !self.link.as_mut().is_some_and(Link::drain) {
            self.link = None;
        }
    }
}
