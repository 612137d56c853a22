//! A counter that the loop's thread changes and that any thread can read.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter. Only the loop's thread increases it, so a change needs only a plain load and a plain store. Another
/// thread can reset the counters of a window; see [`Statistics::begin_window`](super::Statistics::begin_window).
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Raises the counter to `value` if the counter is lower.
    pub(super) fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }
}
