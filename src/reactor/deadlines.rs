use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::time::{Duration, Instant};

/// When each key wants to be run at the latest.
///
/// A deadline moves with nearly every request, and hardly one is ever reached. So moving it later only notes the new
/// time; the heap has at most one live entry a key, which is put right when it comes up. An entry that nobody waits
/// for any more never wakes the loop.
///
/// Every connection has an entry here, so times are kept small: as nanoseconds since the loop began.
#[derive(Debug)]
pub(super) struct Deadlines {
    start: Instant,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// By key.
    times: Vec<Times>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    wanted: u64,
    /// The earliest entry in the heap.
    scheduled: u64,
}

/// No time at all: later than all others.
const NEVER: u64 = u64::MAX;

const NO_TIMES: Times = Times { wanted: NEVER, scheduled: NEVER };

impl Deadlines {
    /// No deadlines yet; none will be before `start`.
    pub(super) fn new(start: Instant) -> Deadlines {
        Deadlines { start, heap: BinaryHeap::new(), times: Vec::new() }
    }

    /// Sets or removes the deadline of a key.
    pub(super) fn set(&mut self, key: usize, wanted: Option<Instant>) {
        if key >= self.times.len() {
            self.times.resize(key + 1, NO_TIMES);
        }
        let wanted = wanted.map_or(NEVER, |wanted| self.nanos(wanted));
        let times = &mut self.times[key];
        times.wanted = wanted;
        if wanted < times.scheduled {
            times.scheduled = wanted;
            self.heap.push(Reverse((wanted, key as u32)));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.first().map(|nanos| self.start + Duration::from_nanos(nanos))
    }

    /// Takes a key whose deadline has come; it then has none until it is set again.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        if self.first()? > self.nanos(now) {
            return None;
        }
        let Reverse((_, key)) = self.heap.pop()?;
        self.times[key as usize] = NO_TIMES;
        Some(key as usize)
    }

    fn nanos(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.start).as_nanos()).unwrap_or(NEVER - 1)
    }

    /// The time of the first entry that somebody waits for.
    fn first(&mut self) -> Option<u64> {
        loop {
            let Reverse((time, key)) = *self.heap.peek()?;
            if self.times[key as usize].wanted == time {
                return Some(time);
            }
            self.put_right(time, key);
        }
    }

    /// Replaces the first entry, which has this time and key, by what its key wants now.
    fn put_right(&mut self, time: u64, key: u32) {
        let Some(mut first) = self.heap.peek_mut() else { return };
        let times = &mut self.times[key as usize];
        // An older entry than the scheduled one is a leftover; the scheduled one is still in the heap.
        let is_live = times.scheduled == time;
        if is_live {
            times.scheduled = times.wanted;
        }
        if is_live && times.wanted != NEVER {
            *first = Reverse((times.wanted, key));
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
    fn a_moved_deadline_counts_at_its_last_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::new(start);
        deadlines.set(0, Some(at(5)));
        deadlines.set(3, Some(at(7)));
        deadlines.set(0, Some(at(9)));
        assert_eq!(deadlines.next(), Some(at(7)), "the entry at 5 wakes nobody");
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
    fn it_agrees_with_a_plain_table() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        let mut table = [None; 8];
        let mut random = 1_u64;
        for round in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (random >> 33) as usize % table.len();
            let wanted = !(random >> 40).is_multiple_of(5);
            table[key] = wanted.then(|| start + Duration::from_millis(round + (random >> 45) % 50));
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
