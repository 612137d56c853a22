//! A thread that wakes sessions at requested times. It exists only while alarms are pending.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::service::Waker;

/// The pending alarms, each with a time and a waker. Dropping `Alarms` ends the thread.
#[derive(Default)]
pub(super) struct Alarms(Arc<AlarmShared>);

#[derive(Default)]
struct AlarmShared {
    state: Mutex<AlarmState>,
    /// Notified when an alarm is added, and when the alarms are dropped.
    changed: Condvar,
}

#[derive(Default)]
struct AlarmState {
    /// The wakers to call, ordered by time. The second part of a key is unique, so several alarms can have the same
    /// time.
    alarms: BTreeMap<(Instant, u64), Waker>,
    added: u64,
    is_running: bool,
    is_closed: bool,
}

impl Alarms {
    /// Adds an alarm that calls `waker` at this time. Starts the thread if it is not running.
    pub(super) fn add(&self, time: Instant, waker: Waker) {
        let mut state = self.0.lock();
        state.added += 1;
        let key = (time, state.added);
        state.alarms.insert(key, waker);
        if !state.is_running {
            let shared = Arc::clone(&self.0);
            // If the thread cannot be started, all alarms are delayed until a later call starts it.
            state.is_running = thread::Builder::new().name("alarms".to_owned()).spawn(move || shared.run()).is_ok();
        }
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl AlarmShared {
    fn lock(&self) -> MutexGuard<'_, AlarmState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on the alarm thread. Wakes each session at its time, and returns when no alarm is left or the alarms have been
    /// dropped.
    fn run(&self) {
        let mut state = self.lock();
        // The alarms may have been dropped before this thread could wait, so the flag is checked before each wait.
        while !state.is_closed
            && let Some(next) = state.alarms.first_entry()
        {
            let (time, _) = *next.key();
            let now = Instant::now();
            if time <= now {
                next.remove().wake();
                continue;
            }
            state = self.changed.wait_timeout(state, time - now).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_running = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_thread_ends_if_the_alarms_were_dropped_before_it_ran() {
        let mut state = AlarmState { is_closed: true, ..AlarmState::default() };
        state.alarms.insert((Instant::now() + Duration::from_secs(3600), 1), Waker::new(|| {}));
        let shared = AlarmShared { state: Mutex::new(state), changed: Condvar::new() };
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            shared.run();
            sender.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
