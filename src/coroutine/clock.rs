//! The clock that handlers use: the system's clock or, in a simulation, a simulated one. Deadlines are not stored here.

#[cfg(feature = "internals")]
use std::cell::RefCell;
use std::time::Instant;

/// The current time for the handlers of this thread. This is not the time at which the turn began, because a handler
/// that has computed for a while and then sleeps must not be resumed too early.
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

/// Replaces the clock for the handlers of this thread until this value is dropped.
#[cfg(feature = "internals")]
#[must_use]
pub struct SimulatedClock(());

#[cfg(feature = "internals")]
impl SimulatedClock {
    /// Replaces the clock. Handlers then get the time from `read`.
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
