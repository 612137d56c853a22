//! `Watchdog`: reports a handler, or a request to a service, that blocks the loop. It uses a separate thread, because
//! the blocked loop cannot report anything.
//!
//! The thread writes to standard error and not to the server's log, which only the loop's thread can use.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// The number of consecutive samples in which the thread must find the same handler running before it reports that
/// handler. After the same number of consecutive samples without a running handler, the thread ends.
const SAMPLES: u32 = 5;

/// The default time for which a handler must run without suspending before it is reported.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The size in bytes of one of the atomic words in which the name of a handler is stored. With atomic words, the loop
/// can write the name and the thread can read it without a lock.
const WORD: usize = size_of::<u64>();

/// The maximum length of a name in bytes. Longer names are truncated.
const MAX_NAME: usize = 16 * WORD;

/// Publishes the name of the running handler to the watchdog's thread, which reports a handler that runs for too long.
/// A call to a service counts as the resumption of a handler.
///
/// Each resumption costs the loop a few stores, but no system call, lock or allocation. The thread is started by the
/// first resumption, sleeps between its samples, and ends when no handler has run for a while.
#[derive(Debug)]
#[doc(hidden)]
pub struct Watchdog {
    running: Arc<Running>,
    interval: Duration,
}

#[derive(Debug, Default)]
struct Running {
    /// A counter that is incremented when a handler is resumed and again when it is suspended. It is odd while a
    /// handler runs.
    count: AtomicU64,
    name: [AtomicU64; MAX_NAME / WORD],
    name_length: AtomicUsize,
    /// True while the watchdog's thread exists.
    watched: AtomicBool,
}

impl Watchdog {
    /// Creates a watchdog that reports a handler that runs for `stuck_after` without suspending.
    pub(crate) fn new(stuck_after: Duration) -> Watchdog {
        // The minimum prevents the thread from using the processor continuously. The maximum ensures that the thread
        // ends within seconds after the last handler.
        let interval = (stuck_after / SAMPLES).clamp(Duration::from_millis(1), Duration::from_secs(1));
        Watchdog { running: Arc::default(), interval }
    }

    /// Records that a handler with this name is being resumed.
    #[inline]
    pub(crate) fn begin(&self, name: &[u8]) {
        let running = &*self.running;
        running.set_name(&name[..name.len().min(MAX_NAME)]);
        running.advance();
        if !running.watched.load(Ordering::Relaxed) {
            self.start_thread();
        }
    }

    /// Records that the running handler has been suspended or has ended.
    #[inline]
    pub(crate) fn end(&self) {
        self.running.advance();
    }

    /// Runs `call`, and watches it like a handler with this name.
    pub(crate) fn watch<R>(&self, name: &[u8], call: impl FnOnce() -> R) -> R {
        self.begin(name);
        // The guard is dropped even if `call` panics, because the connection catches the panic and the loop continues.
        let _end = WatchEnd(self);
        call()
    }

    #[cold]
    fn start_thread(&self) {
        if !self.running.watched.swap(true, Ordering::AcqRel) {
            let (running, interval) = (Arc::downgrade(&self.running), self.interval);
            // If the thread cannot be started, the server runs without a watchdog.
            _ = thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch(&running, interval));
        }
    }
}

/// A guard that ends a watched call when it is dropped.
struct WatchEnd<'w>(&'w Watchdog);

impl Drop for WatchEnd<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Running {
    /// Stores the name. The next call of [`advance`](Running::advance) makes it visible to the watchdog's thread.
    fn set_name(&self, name: &[u8]) {
        let (words, rest) = name.as_chunks::<WORD>();
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        for (to, word) in self.name.iter().zip(words.iter().chain([&last])) {
            to.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        self.name_length.store(name.len(), Ordering::Relaxed);
    }

    fn name(&self) -> Vec<u8> {
        let mut name: Vec<u8> = self.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        name.truncate(self.name_length.load(Ordering::Relaxed));
        name
    }

    /// Marks the beginning or the end of a resumption. Only the loop's thread calls this, so a plain store suffices.
    fn advance(&self) {
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// The main function of the watchdog's thread, which samples the running handler.
fn watch(running: &Weak<Running>, interval: Duration) {
    let (mut last, mut same) = (0, 0);
    loop {
        thread::sleep(interval);
        // The watchdog holds the only strong reference. If that reference is gone, the server has been dropped.
        let Some(running) = running.upgrade() else { return };
        let count = running.count.load(Ordering::Acquire);
        same = if count == last { same + 1 } else { 0 };
        last = count;
        if count % 2 == 1 && same == SAMPLES {
            report(&running.name(), interval * SAMPLES);
        }
        if count % 2 == 0 && same >= SAMPLES {
            running.watched.store(false, Ordering::Release);
            // Just before this store, the loop may have resumed a handler, read `watched` as true, and therefore
            // started no thread. The increment of `count` is visible after this sleep, and this thread then continues.
            thread::sleep(interval);
            // If the loop resumed a handler after this thread cleared `watched`, it has set `watched` again and started
            // another thread, so this one ends.
            if running.count.load(Ordering::Acquire) == count || running.watched.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

fn report(name: &[u8], after: Duration) {
    // An error is ignored. If the write blocks, it blocks only this thread and not the loop.
    _ = writeln!(
        io::stderr(),
        "serve-forever: {} has blocked the loop for {after:?}, and no other client is served; a lock that a suspended \
         handler holds can cause this",
        name.escape_ascii()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_stored_in_words_and_cut_at_its_bound() {
        let running = Running::default();
        let long = "x".repeat(MAX_NAME);
        for name in ["", "GET /a", "GET /abc", "GET /abcd", &long] {
            running.set_name(name.as_bytes());
            assert_eq!(running.name(), name.as_bytes());
        }
        let watchdog = Watchdog::new(Duration::from_secs(5));
        watchdog.begin(&[b'y'; 2 * MAX_NAME]);
        assert_eq!(watchdog.running.name(), [b'y'; MAX_NAME]);
    }

    #[test]
    fn the_thread_ends_when_no_handler_runs_and_a_later_handler_starts_another() {
        let watchdog = Watchdog::new(Duration::ZERO);
        for _ in 0..2 {
            watchdog.begin(b"a");
            assert!(watchdog.running.watched.load(Ordering::Acquire));
            watchdog.end();
            // Only the thread holds a weak reference, so the count is 0 once the thread has ended.
            while Arc::weak_count(&watchdog.running) > 0 {
                thread::yield_now();
            }
            assert!(!watchdog.running.watched.load(Ordering::Acquire));
        }
    }
}
