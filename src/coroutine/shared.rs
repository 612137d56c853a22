//! `Shared`: a value that handlers and threads share, and whose changes handlers can wait for.
//!
//! This file suspends no handler; [`HandlerIo`](super::HandlerIo) does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::notice::ResumeNotice;

/// A value that handlers share with each other and with threads. Clones refer to the same value.
///
/// [`with`](Shared::with) reads or changes the value. A handler waits for a change with
/// [`Exchange::wait_until`](crate::handler::Exchange::wait_until). Together they replace a mutex, a condition variable
/// and, with a `Shared<VecDeque<_>>`, a channel.
///
/// A handler cannot be suspended while it has access to the value. With a [`Mutex`] guard it could be suspended, and
/// the next handler that locks the mutex would block the only thread on which the first handler could be resumed.
///
/// ```
/// use std::io::{self, Write};
/// use std::time::Duration;
/// use serve_forever::HttpServer;
/// use serve_forever::handler::{Exchange, RequestHandler, Shared};
///
/// /// A long poll: the response is the first value after the one that the client has, within half a minute.
/// struct Poll(Shared<u64>);
///
/// impl RequestHandler for Poll {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
///         let seen = x.query().iter().find(|(name, _)| name == "seen").and_then(|(_, seen)| seen.parse().ok());
///         let newer = |value: &mut u64| (Some(*value) != seen).then_some(*value);
///         let text = match x.wait_until(&self.0, Some(Duration::from_secs(30)), newer)? {
///             Some(value) => value.to_string(),
///             None => "nothing new".to_owned(),
///         };
///         x.send_response(200)?;
///         x.end_headers()?;
///         x.wfile().write_all(text.as_bytes())
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let value = Shared::new(0);
/// let handlers_value = value.clone();
/// let server = HttpServer::bind("127.0.0.1:0")?.handler(move || Poll(handlers_value.clone()));
/// // Any thread may change the value. Every long poll that waits then has its response.
/// value.with(|value| *value += 1);
/// # drop(server);
/// # Ok(()) }
/// ```
pub struct Shared<T>(Arc<SharedValue<T>>);

struct SharedValue<T> {
    /// The thread that currently has access, identified by [`this_thread`]; 0 if no thread has access.
    holder: AtomicUsize,
    state: Mutex<SharedState<T>>,
}

struct SharedState<T> {
    value: T,
    /// The notices of the waiting handlers. The next change signals all of them. A wait that began earlier has a
    /// smaller key.
    waits: BTreeMap<u64, Arc<ResumeNotice>>,
    next_wait: u64,
}

thread_local! {
    /// The number of accesses to shared values that are in progress on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// An id of this thread: a number that is not 0 and differs from the id of every other running thread.
fn this_thread() -> usize {
    DEPTH.with(|depth| std::ptr::from_ref(depth).addr())
}

/// Returns an error if this thread currently has access to a shared value, because a handler must not be suspended in
/// that state.
#[inline]
pub(super) fn check_no_access() -> io::Result<()> {
    if DEPTH.get() == 0 { Ok(()) } else { Err(wait_inside_access()) }
}

#[cold]
fn wait_inside_access() -> io::Error {
    io::Error::new(io::ErrorKind::Deadlock, "a handler cannot read, write or wait inside Shared::with")
}

impl<T> Shared<T> {
    /// Creates a value that handlers and threads can share by cloning the `Shared`.
    pub fn new(value: T) -> Shared<T> {
        let state = SharedState { value, waits: BTreeMap::new(), next_wait: 0 };
        Shared(Arc::new(SharedValue { holder: AtomicUsize::new(0), state: Mutex::new(state) }))
    }

    /// Calls `access` with the value and returns its result. No other thread has access while it runs. Afterwards every
    /// handler that waits for this value checks it again, even if `access` changed nothing.
    ///
    /// A handler must read and write outside `access`: inside, operations that can suspend the handler fail with an
    /// error of kind [`Deadlock`](io::ErrorKind::Deadlock). `access` should not block in any other way, because the
    /// server's thread serves no client during that time.
    ///
    /// # Panics
    /// Panics if called inside another access to the same value. If `access` panics, its changes up to that point
    /// remain.
    pub fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        let mut guard = self.access();
        access(guard.value())
    }

    fn access(&self) -> SharedAccess<'_, T> {
        let SharedValue { holder, state } = &*self.0;
        // Only this thread ever stores its own id, so `holder` can be equal to it only inside an access by this thread.
        assert_ne!(
            holder.load(Ordering::Relaxed),
            this_thread(),
            "access to a Shared inside an access to the same Shared"
        );
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        holder.store(this_thread(), Ordering::Relaxed);
        DEPTH.set(DEPTH.get() + 1);
        SharedAccess { holder, state: Some(state), changed: true }
    }

    /// Begins a wait for a change of this value. [`SharedWait::look`] then checks the value.
    pub(super) fn begin_wait(&self) -> SharedWait<'_, T> {
        SharedWait { shared: self, place: Cell::new(None), notice: Arc::default(), is_listed: Cell::new(false) }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Shared::new(T::default())
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another thread may be using the value, and formatting must not wait for a lock.
        f.write_str("Shared")
    }
}

/// Exclusive access to a shared value. If the value may have changed, dropping the access signals the notices of all
/// waiting handlers.
struct SharedAccess<'s, T> {
    holder: &'s AtomicUsize,
    /// The lock on the state; `None` only while the access is being dropped.
    state: Option<MutexGuard<'s, SharedState<T>>>,
    /// True if the access may have changed the value. An access that only checked the value must not resume other
    /// handlers.
    changed: bool,
}

impl<T> SharedAccess<'_, T> {
    fn state(&mut self) -> &mut SharedState<T> {
        // NOTE(unwrap): the guard is removed only when the access is dropped.
        self.state.as_mut().expect("an access has its guard")
    }

    fn value(&mut self) -> &mut T {
        &mut self.state().value
    }
}

impl<T> Drop for SharedAccess<'_, T> {
    fn drop(&mut self) {
        // The whole list is taken. Each woken handler checks the value again, and adds itself to the list again if it
        // must wait longer.
        let waits = if self.changed { std::mem::take(&mut self.state().waits) } else { BTreeMap::new() };
        self.holder.store(0, Ordering::Relaxed);
        DEPTH.set(DEPTH.get() - 1);
        // The lock is released first, so that a woken thread does not have to wait for it.
        self.state = None;
        waits.values().for_each(|notice| notice.give());
    }
}

/// The wait of one handler for a shared value. Dropping it ends the wait.
pub(super) struct SharedWait<'s, T> {
    shared: &'s Shared<T>,
    /// The position of this wait in the order of all waits; `None` until the first check of the value.
    place: Cell<Option<u64>>,
    notice: Arc<ResumeNotice>,
    /// True if the wait was added to the list. A change may have removed it since then.
    is_listed: Cell<bool>,
}

impl<T> SharedWait<'_, T> {
    pub(super) fn notice(&self) -> &Arc<ResumeNotice> {
        &self.notice
    }

    /// Calls `look` with the value. If the result is `None`, adds the wait to the list, so that the next change resumes
    /// the handler.
    pub(super) fn look<R>(&self, look: &mut impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        // The notice is cleared before the check. If it were cleared afterwards, a change made in between could be
        // lost.
        self.notice.clear();
        let mut access = self.shared.access();
        let result = look(access.value());
        // A successful check may have changed the value, for example by taking an element. Other handlers may be
        // waiting for such a change.
        access.changed = result.is_some();
        let state = access.state();
        // A wait keeps its position across all checks, so that waits are served in the order in which they began.
        let place = self.place.get().unwrap_or_else(|| {
            state.next_wait += 1;
            state.next_wait
        });
        self.place.set(Some(place));
        match result {
            // The wait is added to the list under the same lock as the check, so that no change can occur in between.
            None => _ = state.waits.insert(place, Arc::clone(&self.notice)),
            Some(_) => _ = state.waits.remove(&place),
        }
        self.is_listed.set(result.is_none());
        result
    }
}

impl<T> Drop for SharedWait<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place.get().filter(|_| self.is_listed.get()) {
            let mut access = self.shared.access();
            access.state().waits.remove(&place);
            access.changed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Returns a `look` function that returns `Some` once the value is at least `least`.
    fn at_least(least: u32) -> impl FnMut(&mut u32) -> Option<u32> {
        move |value| (*value >= least).then_some(*value)
    }

    #[test]
    fn an_access_ends_the_waits_for_its_value_only() {
        let (one, other) = (Shared::new(0), Shared::new(0));
        let (of_one, of_other) = (one.begin_wait(), other.begin_wait());
        assert_eq!((of_one.look(&mut at_least(2)), of_other.look(&mut at_least(1))), (None, None));
        one.with(|value| *value += 1);
        assert!(of_one.notice().is_given() && !of_other.notice().is_given());
        assert_eq!(of_one.look(&mut at_least(2)), None);
        assert!(!of_one.notice().is_given(), "a look that fails is no change");
        one.with(|value| *value += 1);
        assert!(of_one.notice().is_given());
        assert_eq!(of_one.look(&mut at_least(2)), Some(2));
    }

    #[test]
    fn a_look_that_takes_the_value_ends_the_waits_of_others() {
        let shared = Shared::new(0);
        let (room, element) = (shared.begin_wait(), shared.begin_wait());
        shared.with(|value| *value = 1);
        assert_eq!(room.look(&mut |value| (*value == 0).then_some(())), None);
        assert_eq!(element.look(&mut |value| (*value == 1).then(|| *value = 0)), Some(()));
        assert!(room.notice().is_given());
    }

    #[test]
    fn a_dropped_wait_leaves_the_list() {
        let shared = Shared::new(0);
        let wait = shared.begin_wait();
        assert_eq!(wait.look(&mut at_least(1)), None);
        let kept = shared.begin_wait();
        assert_eq!(kept.look(&mut at_least(1)), None);
        assert_eq!(kept.look(&mut at_least(1)), None);
        drop(wait);
        assert_eq!(shared.access().state().waits.len(), 1, "a second look has the same place");
    }

    #[test]
    fn a_nested_access_to_the_same_value_panics_and_to_another_does_not() {
        let (one, other) = (Shared::new(1), Shared::new(2));
        assert_eq!(one.with(|one| other.with(|other| *one + *other)), 3);
        let nested = catch_unwind(AssertUnwindSafe(|| one.with(|_| one.with(|_| ()))));
        assert!(nested.is_err());
        assert!(check_no_access().is_ok(), "the panic ended the access");
        one.with(|value| *value += 1);
        assert_eq!(one.with(|value| *value), 2, "the value is usable after a panic");
    }
}
