//! Callbacks that a program has registered to be called at intervals between the turns of the loop. The loop is in
//! `reactor`.

use std::time::{Duration, Instant};

use crate::reactor::TurnHooks;
use crate::session::TurnClock;

/// The callbacks that are called repeatedly, each at its own interval.
#[derive(Default)]
pub(crate) struct Periodic(Vec<RepeatedWork>);

struct RepeatedWork {
    interval: Duration,
    /// The time of the next call. `None` until the first turn of the first run.
    next: Option<Instant>,
    work: Box<dyn FnMut() + Send>,
}

/// The minimum interval. With an interval of zero, the loop would never sleep.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

impl Periodic {
    pub(crate) fn add(&mut self, interval: Duration, work: impl FnMut() + Send + 'static) {
        self.0.push(RepeatedWork { interval: interval.max(LEAST_INTERVAL), next: None, work: Box::new(work) });
    }

    /// Makes the calls that are due at `now`. Returns the time until the next call. `None` means that no call will
    /// follow.
    pub(crate) fn run(&mut self, now: Instant) -> Option<Duration> {
        self.0.iter_mut().filter_map(|repeated| repeated.run(now)).min()
    }
}

impl RepeatedWork {
    /// Like [`Periodic::run`], but for a single callback. Returns `None` if the clock cannot represent the time of the
    /// next call.
    fn run(&mut self, now: Instant) -> Option<Duration> {
        let after_now = now.checked_add(self.interval)?;
        let next = self.next.get_or_insert(after_now);
        if *next <= now {
            // The interval is counted from `now`, so that a turn that took several intervals is followed by only one
            // call.
            *next = after_now;
            (self.work)();
        }
        Some(next.saturating_duration_since(now))
    }
}

/// The hooks for the callbacks of the loop itself. The callbacks of a server are called by the hooks of that server.
pub(super) struct PeriodicHooks<'p>(pub(super) &'p mut Periodic);

impl TurnHooks for PeriodicHooks<'_> {
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        self.0.run(clock.now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn work_is_done_once_an_interval_and_not_made_up_for() {
        let calls = Arc::new(AtomicU32::new(0));
        let (mut periodic, count) = (Periodic::default(), Arc::clone(&calls));
        assert_eq!(periodic.run(Instant::now()), None);
        periodic.add(Duration::from_secs(10), move || _ = count.fetch_add(1, Ordering::Relaxed));
        periodic.add(Duration::MAX, || panic!("an interval longer than time"));
        let began = Instant::now();
        for (at, left, expected) in
            [(0, 10, 0), (9, 1, 0), (10, 10, 1), (11, 9, 1), (55, 10, 2), (64, 1, 2), (65, 10, 3)]
        {
            let time = periodic.run(began + Duration::from_secs(at));
            assert_eq!((time, calls.load(Ordering::Relaxed)), (Some(Duration::from_secs(left)), expected), "at {at}");
        }
    }

    #[test]
    fn an_interval_of_zero_is_a_millisecond() {
        let mut periodic = Periodic::default();
        periodic.add(Duration::ZERO, || {});
        assert_eq!(periodic.run(Instant::now()), Some(LEAST_INTERVAL));
    }
}
