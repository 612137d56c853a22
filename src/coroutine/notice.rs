//! `ResumeNotice`: resumes one suspended handler, once, from any thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::Waker;

/// Resumes the handler that waits for this notice. The notice can be signalled with [`give`](ResumeNotice::give) even
/// before the waker of the handler's connection is set.
#[derive(Default)]
pub(crate) struct ResumeNotice(Mutex<NoticeState>);

#[derive(Default)]
struct NoticeState {
    given: bool,
    waker: Option<Waker>,
}

impl ResumeNotice {
    /// Signals the notice. Wakes the connection, unless the notice was already signalled.
    pub(crate) fn give(&self) {
        let mut state = self.lock();
        if !state.given {
            // The flag is set even if there is a waker, because the runner checks the flag to decide whether the
            // handler can continue.
            state.given = true;
            state.waker.iter().for_each(Waker::wake);
        }
    }

    /// True if the notice has been signalled since the last [`clear`](ResumeNotice::clear).
    pub(crate) fn is_given(&self) -> bool {
        self.lock().given
    }

    /// Resets the notice. A handler must call this before it checks the shared value, and not afterwards, so that it
    /// does not miss a change.
    pub(crate) fn clear(&self) {
        self.lock().given = false;
    }

    /// Sets the waker, unless one is already set.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut state = self.lock();
        if state.waker.is_none() {
            state.waker = Some(waker.clone());
            // A notice that was signalled before it had a waker could not wake the connection, so the connection is
            // woken now.
            if state.given {
                waker.wake();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, NoticeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_notice_wakes_once_also_if_it_is_given_before_the_waker_is_known() {
        let wakes = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&wakes);
        let waker = Waker::new(move || _ = counter.fetch_add(1, Ordering::Relaxed));
        let notice = ResumeNotice::default();
        notice.give();
        notice.give();
        assert!(notice.is_given());
        notice.set_waker(&waker);
        assert_eq!(wakes.load(Ordering::Relaxed), 1, "the waker came after the notice");
        notice.give();
        assert_eq!(wakes.load(Ordering::Relaxed), 1, "the notice was given before");
        notice.clear();
        assert!(!notice.is_given());
        notice.give();
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }
}
