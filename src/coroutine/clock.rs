//! The clock of handlers: that of the system, or that of a simulation. Not here: deadlines.

#[cfg(feature = "internals")]
use std::cell::RefCell;
use std::time::Instant;

/// The time for the handlers of this thread. It is not the time at which the turn began: a handler that has computed for a while
/// and then sleeps must not be resumed too early.
#[inline]
pub(super) fn now() -> Instant {
    #[cfg(feature = "internals")]
    if let Some(now) = SIMULATED.with_borrow(|read| read.as_ref().map(|read| read())) {
        return now;
    }
    Instant::now()
}

#[cfg(feature = "internals")]
thread_local! {
    static SIMULATED: RefCell<Option<Box<dyn Fn() -> Instant>>> = const { RefCell::new(None) };
}

/// Replaces the clock of the handlers of this thread until it is dropped.
#[cfg(feature = "internals")]
#[must_use]
pub struct SimulatedClock(());

#[cfg(feature = "internals")]
impl SimulatedClock {
    /// Handlers read the time from `read` from now on.
    pub fn set(read: impl Fn() -> Instant + 'static) -> SimulatedClock {
        SIMULATED.set(Some(Box::new(read)));
        SimulatedClock(())
    }
}

#[cfg(feature = "internals")]
impl Drop for SimulatedClock {
    fn drop(&mut self) {
        SIMULATED.set(None);
    }
}
