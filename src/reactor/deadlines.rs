//! The deadlines of sessions, in a heap that is updated lazily, because nearly every request moves a deadline but few
//! deadlines are ever reached.
//!
//! Invariant: for every key with a deadline, the heap has an entry at that time or earlier.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::time::{Duration, Instant};

/// A set of deadlines, at most one for each key.
///
/// Moving a deadline to a later time only stores the new time. The old entry stays in the heap, and moves to the new
/// time once it reaches the top. The entry of a removed deadline is discarded when it reaches the top, and never wakes
/// the loop.
///
/// Every connection has an entry, so times are stored compactly, as nanoseconds since the loop started.
#[derive(Debug)]
pub(super) struct Deadlines {
    start: Instant,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// The deadline and the scheduled time of each key, indexed by key.
    times: Vec<KeyTimes>,
}

#[derive(Debug, Clone, Copy)]
struct KeyTimes {
    /// The deadline of the key, or `NEVER` if it has none.
    deadline: u64,
    /// The time of the earliest entry for the key in the heap, or `NEVER` if the heap has no entry for it.
    scheduled: u64,
}

/// Stands for a missing deadline or a missing entry. It compares as later than every time.
const NEVER: u64 = u64::MAX;

const NO_TIMES: KeyTimes = KeyTimes { deadline: NEVER, scheduled: NEVER };

impl Deadlines {
    /// Creates an empty set. A deadline before `start` counts as `start`.
    pub(super) fn new(start: Instant) -> Deadlines {
        Deadlines { start, heap: BinaryHeap::new(), times: Vec::new() }
    }

    /// Sets or removes the deadline of a key.
    pub(super) fn set(&mut self, key: usize, deadline: Option<Instant>) {
        if key >= self.times.len() {
            self.times.resize(key + 1, NO_TIMES);
        }
        let deadline = deadline.map_or(NEVER, |deadline| self.nanos(deadline));
        let times = &mut self.times[key];
        times.deadline = deadline;
        // A later deadline needs no new entry, because the scheduled entry reaches the top first and then moves to the
        // new time. An earlier deadline gets a second entry, which makes the old entry stale.
        if deadline < times.scheduled {
            times.scheduled = deadline;
            self.heap.push(Reverse((deadline, key as u32)));
        }
    }

    /// Returns the earliest deadline, after discarding or moving stale entries.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.first().map(|nanos| self.start + Duration::from_nanos(nanos))
    }

    /// Returns a key whose deadline has passed at `now`, and removes that deadline.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        if self.first()? > self.nanos(now) {
            return None;
        }
        // `first` has corrected stale entries, so the time of the first entry is the key's actual deadline.
        let Reverse((_, key)) = self.heap.pop()?;
        self.times[key as usize] = NO_TIMES;
        Some(key as usize)
    }

    /// The number of entries in the heap, including stale ones.
    pub(super) fn entries(&self) -> usize {
        self.heap.len()
    }

    fn nanos(&self, time: Instant) -> u64 {
        // A time more than 584 years after the start does not fit into 64 bits and is clamped to the last value before
        // `NEVER`.
        u64::try_from(time.saturating_duration_since(self.start).as_nanos()).unwrap_or(NEVER - 1)
    }

    /// Corrects stale entries at the top of the heap and returns the earliest deadline.
    fn first(&mut self) -> Option<u64> {
        loop {
            let Reverse((time, key)) = *self.heap.peek()?;
            if self.times[key as usize].deadline == time {
                return Some(time);
            }
            self.correct_first(time, key);
        }
    }

    /// Corrects the first entry of the heap, which must be `(time, key)`. Moves the entry to the current deadline of
    /// the key, or removes it if it is stale or the key has no deadline.
    fn correct_first(&mut self, time: u64, key: u32) {
        let Some(mut first) = self.heap.peek_mut() else { return };
        let times = &mut self.times[key as usize];
        // An entry whose time differs from the scheduled time is stale. The scheduled entry is still in the heap.
        let is_scheduled = times.scheduled == time;
        if is_scheduled {
            times.scheduled = times.deadline;
        }
        if is_scheduled && times.deadline != NEVER {
            // Replacing the entry in place sifts the heap once, whereas a removal and an insertion would sift it twice.
            *first = Reverse((times.deadline, key));
        } else {
            PeekMut::pop(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_last_deadline_of_a_key_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::new(start);
        deadlines.set(0, Some(at(5)));
        deadlines.set(3, Some(at(7)));
        deadlines.set(0, Some(at(9)));
        assert_eq!(deadlines.next(), Some(at(7)), "the entry at 5 does not count");
        deadlines.set(0, Some(at(2)));
        assert_eq!(deadlines.next(), Some(at(2)));
        assert_eq!(deadlines.due(at(1)), None);
        assert_eq!(deadlines.due(at(2)), Some(0));
        assert_eq!(deadlines.due(at(6)), None);
        deadlines.set(3, None);
        assert_eq!(deadlines.next(), None);
        assert_eq!(deadlines.due(at(100)), None);
    }

    #[test]
    fn a_deadline_beyond_the_reach_of_the_heap_is_its_last_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        // More than 600 years. The number of nanoseconds does not fit into 64 bits.
        deadlines.set(0, start.checked_add(Duration::from_secs(20_000_000_000)));
        assert_eq!(deadlines.next(), Some(start + Duration::from_nanos(NEVER - 1)));
        deadlines.set(0, Some(start));
        assert_eq!(deadlines.entries(), 2, "the entry that does not count any more is still there");
    }

    #[test]
    fn random_deadlines_agree_with_a_plain_table() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        let mut table = [None; 8];
        let mut random = 1_u64;
        for round in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (random >> 33) as usize % table.len();
            let is_set = !(random >> 40).is_multiple_of(5);
            table[key] = is_set.then(|| start + Duration::from_millis(round + (random >> 45) % 50));
            deadlines.set(key, table[key]);
            let now = start + Duration::from_millis(round);
            while let Some(key) = deadlines.due(now) {
                assert!(table[key].take().is_some_and(|time| time <= now));
            }
            assert!(table.iter().flatten().all(|time| *time > now));
            assert_eq!(deadlines.next(), table.iter().flatten().min().copied());
        }
        assert!(deadlines.heap.len() < 1000, "leftovers pile up: {}", deadlines.heap.len());
    }
}
