//! The observer that updates the counters for the loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Statistics;
use crate::observer::{Awakening, LoopObserver};
use crate::session::{CloseReason, Next};

/// Counts the turns of a loop and its closed connections.
#[derive(Debug)]
pub(crate) struct LoopMeter {
    statistics: Arc<Statistics>,
    /// The time at which the last sleep ended. `None` before the first sleep.
    woken_at: Option<Instant>,
    /// The number of times that a session has run in this turn.
    steps: u64,
}

impl LoopMeter {
    pub(crate) fn new(statistics: Arc<Statistics>) -> LoopMeter {
        LoopMeter { statistics, woken_at: None, steps: 0 }
    }
}

impl LoopObserver for LoopMeter {
    fn turn_begins(&mut self, timeout: Option<Duration>) {
        // The duration of a turn is measured from the end of one sleep to the beginning of the next, so it does not
        // include the sleep.
        let busy = self.woken_at.take().map(|woken| woken.elapsed());
        self.statistics.turn_began(busy, timeout != Some(Duration::ZERO), std::mem::take(&mut self.steps));
    }

    fn woken(&mut self, tell: impl Fn() -> Awakening) {
        self.woken_at = Some(Instant::now());
        self.statistics.events.add(tell().events as u64);
    }

    fn accepted(&mut self, _: usize) {
        self.statistics.connection_accepted();
    }

    fn refused(&mut self) {
        self.statistics.refused.add(1);
    }

    fn step_begins(&mut self, _: usize) {
        self.steps += 1;
    }

    fn step_ends(&mut self, _: usize, next: Next) {
        if let Next::Close(reason) = next {
            self.statistics.connections_closed(reason, 1);
        }
    }

    fn evicted(&mut self, _: usize, reason: CloseReason) {
        self.statistics.connections_closed(reason, 1);
    }

    fn run_ends(&mut self) {
        let left = self.statistics.open_connections();
        self.statistics.connections_closed(CloseReason::Stopped, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::WokenBy;

    #[test]
    fn every_accepted_connection_is_closed_for_one_reason() {
        let statistics = Arc::new(Statistics::new(""));
        let mut meter = LoopMeter::new(Arc::clone(&statistics));
        (0..5).for_each(|key| meter.accepted(key));
        meter.refused();
        meter.step_ends(0, Next::Again);
        meter.step_ends(0, Next::Close(CloseReason::Complete));
        meter.evicted(1, CloseReason::Idle);
        assert_eq!(statistics.open_connections(), 3);
        meter.run_ends();
        let closed: Vec<_> = statistics.closed().filter(|(_, count)| *count > 0).collect();
        assert_eq!(closed, [("complete", 1), ("idle", 1), ("stopped", 3)]);
        assert_eq!((statistics.open_connections(), statistics.refused.get()), (0, 1));
    }

    #[test]
    fn turns_events_and_maxima_are_counted_and_only_the_maxima_begin_anew() {
        let statistics = Arc::new(Statistics::new(""));
        let mut meter = LoopMeter::new(Arc::clone(&statistics));
        let turn = |meter: &mut LoopMeter, timeout, events, steps| {
            meter.turn_begins(timeout);
            meter.woken(|| Awakening { events, by: WokenBy::Event });
            (0..steps).for_each(|key| meter.step_begins(key));
            (0..steps).for_each(|key| meter.accepted(key));
        };
        turn(&mut meter, None, 3, 4);
        turn(&mut meter, Some(Duration::ZERO), 2, 1);
        meter.turn_begins(None);
        let counts = || (statistics.turns.get(), statistics.sleeps.get(), statistics.events.get());
        assert_eq!(counts(), (3, 2, 5));
        assert_eq!((statistics.most_runnable.get(), statistics.most_accepted.get()), (4, 4));
        statistics.begin_window();
        turn(&mut meter, None, 1, 2);
        meter.turn_begins(None);
        assert_eq!(counts(), (5, 4, 6));
        assert_eq!((statistics.most_runnable.get(), statistics.most_accepted.get()), (2, 2));
        assert_eq!(statistics.turn_times.cumulative().last().unwrap().1, 3, "the first turn follows no sleep");
    }
}
