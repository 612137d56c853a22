//! A histogram of durations with 64 buckets, and one for longer durations. The upper bound of each bucket is that of the
//! previous bucket multiplied by the square root of two.

use std::time::Duration;

use super::counter::Counter;

/// The number of buckets with an upper bound. The bounds of 64 buckets range from 125 ns to six minutes.
pub(super) const BUCKETS: usize = 64;

/// The upper bound of the first bucket in nanoseconds. The largest upper bound is six minutes.
const FIRST: u64 = 125;

/// The number of durations in each bucket, the sum of all durations, and the maximum duration in a window. The counts
/// never decrease. The count of a bucket in a window is the difference from its count at the beginning of the window.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [Counter; BUCKETS + 1],
    /// The counts at the beginning of the window.
    before: [Counter; BUCKETS + 1],
    /// The sum of all durations in nanoseconds.
    sum: Counter,
    /// The maximum duration in the window, in nanoseconds.
    largest: Counter,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let zeros = || std::array::from_fn(|_| Counter::default());
        Histogram { counts: zeros(), before: zeros(), sum: Counter::default(), largest: Counter::default() }
    }
}

impl Histogram {
    pub(super) fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)].add(1);
        self.sum.add(nanos);
        self.largest.raise_to(nanos);
    }

    /// Begins a new window, which contains no durations yet.
    pub(super) fn begin_window(&self) {
        for (before, count) in self.before.iter().zip(&self.counts) {
            before.set(count.get());
        }
        self.largest.set(0);
    }

    /// The sum of all durations.
    pub(super) fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum.get())
    }

    /// The maximum duration in the window.
    pub(super) fn largest(&self) -> Duration {
        Duration::from_nanos(self.largest.get())
    }

    /// A percentile of the durations in the window, such as the median if `percent` is 50. The result is rounded up to
    /// the upper bound of its bucket, but is not more than the maximum duration in the window. Zero if the window
    /// contains no durations.
    pub(super) fn percentile(&self, percent: u64) -> Duration {
        let counts = || {
            self.counts.iter().zip(&self.before).map(|(count, before)| {
                // The subtraction saturates, because another thread may begin a window between the two reads.
                count.get().saturating_sub(before.get())
            })
        };
        // The bucket for longer durations has no bound, so the maximum duration limits the result.
        let bound = |at| if at < BUCKETS { bound(at) } else { Duration::MAX };
        let rank = (counts().sum::<u64>() * percent).div_ceil(100);
        let mut sum = 0;
        let reaches = counts().position(|count| {
            sum += count;
            sum >= rank
        });
        reaches.map_or(Duration::ZERO, bound).min(self.largest())
    }

    /// The upper bound of each bucket, with the cumulative count of durations up to that bound. The last bucket has no
    /// bound, and its count is that of all durations.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let mut sum = 0;
        self.counts.iter().enumerate().map(move |(at, count)| {
            sum += count.get();
            ((at < BUCKETS).then(|| bound(at)), sum)
        })
    }
}

/// The index of the first bucket whose upper bound is not below the duration. [`BUCKETS`] is the index of the bucket for
/// longer durations, which has no bound.
fn bucket(nanos: u64) -> usize {
    // One is subtracted because a duration that is equal to an upper bound belongs to the bucket with this bound.
    let below = nanos.saturating_sub(1);
    let Some(octave) = (below / FIRST).checked_ilog2() else { return 0 };
    // Each octave has two buckets. The upper one contains the durations that are longer than the beginning of the
    // octave times the square root of two. Comparing the squares avoids the root.
    let begin = u128::from(FIRST) << octave;
    // Durations of more than a century are clamped, because all of them belong to the last bucket, and their squares
    // would overflow.
    let (begin, nanos) = (begin.min(1 << 62), u128::from(nanos.min(1 << 62)));
    let is_upper = nanos * nanos > 2 * begin * begin;
    (2 * octave as usize + 1 + usize::from(is_upper)).min(BUCKETS)
}

/// The upper bound of the bucket with this index.
fn bound(at: usize) -> Duration {
    let begin = FIRST << (at / 2);
    let square = u128::from(begin) * u128::from(begin);
    Duration::from_nanos(if at.is_multiple_of(2) { begin } else { (2 * square).isqrt() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        assert_eq!([bound(0), bound(1), bound(2)], [nanos(125), nanos(176), nanos(250)]);
        for at in 0..BUCKETS {
            let bound = u64::try_from(bound(at).as_nanos()).unwrap();
            assert_eq!(bucket(bound), at, "{bound}");
            // `bound` rounds down, so a duration that is one nanosecond longer always belongs to the next bucket.
            assert_eq!(bucket(bound + 1), at + 1, "{bound} + 1");
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BUCKETS));
    }

    #[test]
    fn a_duration_above_the_last_bound_counts_only_in_the_bucket_without_a_bound() {
        let histogram = Histogram::default();
        let longest = bound(BUCKETS - 1) + nanos(1);
        histogram.record(longest);
        let last: Vec<_> = histogram.cumulative().skip(BUCKETS - 1).collect();
        assert_eq!(last, [(Some(bound(BUCKETS - 1)), 0), (None, 1)]);
        assert_eq!(histogram.percentile(50), longest);
    }

    #[test]
    fn percentiles_and_the_largest_are_those_of_the_window() {
        let histogram = Histogram::default();
        assert_eq!((histogram.percentile(50), histogram.largest()), (Duration::ZERO, Duration::ZERO));
        for _ in 0..9 {
            histogram.record(nanos(200));
        }
        histogram.record(nanos(1_000_000));
        assert_eq!(
            [50, 90, 99].map(|percent| histogram.percentile(percent)),
            [nanos(250), nanos(250), nanos(1_000_000)]
        );
        histogram.begin_window();
        assert_eq!((histogram.percentile(99), histogram.largest()), (Duration::ZERO, Duration::ZERO));
        histogram.record(nanos(300));
        assert_eq!((histogram.percentile(50), histogram.largest()), (nanos(300), nanos(300)), "not above the largest");
        assert_eq!(histogram.cumulative().last(), Some((None, 11)), "the counts do not go down");
        assert_eq!(histogram.sum(), nanos(9 * 200 + 1_000_000 + 300));
    }
}
