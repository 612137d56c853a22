//! The figures of a run: latencies, counts and errors. Also computes the summary from which the reports are written.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The maximum latency in a histogram, in microseconds. Longer latencies are clamped to it.
const LONGEST: u64 = 60_000_000;

/// The number of significant digits that a histogram keeps for a latency.
const DIGITS: u8 = 3;

/// The percentiles that the reports show.
pub(super) const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];

/// Creates a histogram of durations in microseconds.
pub(super) fn histogram() -> Histogram<u64> {
    // NOTE(unwrap): the bounds are constants that the histogram accepts.
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("the bounds of a histogram")
}

/// Adds a duration to a histogram.
pub(super) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
    histogram.saturating_record(micros.clamp(1, LONGEST));
}

/// The CPU time of this thread.
pub(super) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The measurements of a run.
#[derive(Debug)]
pub(super) struct Figures {
    /// The latencies of responses that were completed after the warm-up and before the end of the run.
    pub(super) latency: Histogram<u64>,
    /// The durations of successful attempts to connect in the whole run, without TLS handshakes.
    pub(super) connect: Histogram<u64>,
    /// The number of responses during the measurement, by status.
    pub(super) statuses: BTreeMap<u16, u64>,
    /// The number of requests without a complete response in the whole run, by kind of error.
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// The number of responses during the measurement.
    pub(super) responses: u64,
    /// The number of body bytes in responses during the measurement.
    pub(super) body_bytes: u64,
    /// The number of bytes read in the whole run.
    pub(super) read_bytes: u64,
    /// The number of requests sent in the whole run, and the number of those that received a response (`answered`).
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// The number of connections that were established in the whole run.
    pub(super) connections: u64,
    /// The number of requests that were sent more than a millisecond after they were due, although a connection was
    /// free.
    pub(super) late: u64,
    /// The duration of the measurement.
    pub(super) measured: Duration,
    /// The CPU time of this thread during the measurement.
    pub(super) cpu: Duration,
    /// The maximum number of requests in flight, summed over all connections.
    pub(super) slots: u64,
    /// True if latencies count from the time at which a request was due.
    pub(super) is_open: bool,
}

impl Figures {
    /// Creates figures in which all counts are zero.
    pub(super) fn new(slots: u64, is_open: bool) -> Figures {
        Figures {
            latency: histogram(),
            connect: histogram(),
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            responses: 0,
            body_bytes: 0,
            read_bytes: 0,
            sent: 0,
            answered: 0,
            connections: 0,
            late: 0,
            measured: Duration::ZERO,
            cpu: Duration::ZERO,
            slots,
            is_open,
        }
    }

    /// Counts an error for each of `requests` requests.
    pub(super) fn fail(&mut self, kind: &'static str, requests: u64) {
        if requests > 0 {
            *self.errors.entry(kind).or_default() += requests;
        }
    }
}

/// The figures of a run, and the values that are derived from them for the reports.
#[derive(Debug)]
pub(super) struct LoadSummary<'f> {
    pub(super) figures: &'f Figures,
    /// The corrected latencies of a closed loop: if a response took longer than the expected interval between requests,
    /// the requests that could not be sent meanwhile are counted too. `None` in an open loop, which needs no
    /// correction.
    pub(super) corrected: Option<Histogram<u64>>,
    /// The expected interval between requests in microseconds, for correcting coordinated omission.
    pub(super) expected_interval: u64,
    pub(super) responses: u64,
    /// Responses per second.
    pub(super) rate: f64,
    pub(super) errors: u64,
    /// The CPU time of this thread as a fraction of the duration of the measurement, usually from 0 to 1.
    pub(super) cpu_share: f64,
    /// The fraction of the requests that this program sent late, from 0 to 1.
    pub(super) late_share: f64,
}

/// The share of CPU time above which the generator itself is considered the bottleneck.
const BUSY: f64 = 0.9;

/// The share of late requests above which the generator is considered too slow for its schedule.
const LATE: f64 = 0.01;

impl LoadSummary<'_> {
    /// Computes the derived values from the measurements.
    pub(super) fn new(figures: &Figures) -> LoadSummary<'_> {
        let seconds = figures.measured.as_secs_f64().max(f64::MIN_POSITIVE);
        // A slot is one of the requests that can be in flight at the same time. The next request of a slot is sent when
        // the response to the previous one is complete, so this is the mean interval between the requests of a slot.
        let expected_interval = (seconds * 1e6 * figures.slots as f64 / figures.responses.max(1) as f64) as u64;
        let corrected = (!figures.is_open).then(|| figures.latency.clone_correct(expected_interval.max(1)));
        LoadSummary {
            figures,
            corrected,
            expected_interval,
            responses: figures.responses,
            rate: figures.responses as f64 / seconds,
            errors: figures.errors.values().sum(),
            cpu_share: figures.cpu.as_secs_f64() / seconds,
            late_share: figures.late as f64 / figures.sent.max(1) as f64,
        }
    }

    /// Returns a warning about the figures if the generator itself was the bottleneck.
    pub(super) fn bottleneck(&self) -> Option<String> {
        if self.late_share > LATE {
            return Some(format!(
                "load-forever was the bottleneck: {:.1} % of the requests were sent more than 1 ms late",
                self.late_share * 100.0
            ));
        }
        (self.cpu_share > BUSY)
            .then(|| format!("load-forever was the bottleneck: it used {:.0} % of a processor", self.cpu_share * 100.0))
    }

    /// The number of responses during the measurement with a status of 400 or above.
    pub(super) fn refused(&self) -> u64 {
        self.figures.statuses.range(400..).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(is_open: bool) -> Figures {
        let mut figures = Figures::new(1, is_open);
        figures.measured = Duration::from_secs(2);
        for _ in 0..999 {
            record(&mut figures.latency, Duration::from_millis(1));
        }
        record(&mut figures.latency, Duration::from_secs(1));
        (figures.responses, figures.sent) = (1000, 1000);
        figures
    }

    #[test]
    fn a_stall_in_a_closed_loop_shows_in_the_corrected_percentiles() {
        let figures = figures(false);
        let summary = LoadSummary::new(&figures);
        assert!(figures.latency.value_at_percentile(99.0) < 1_100, "one slow response of a thousand hides");
        assert!(summary.corrected.as_ref().unwrap().value_at_percentile(99.0) > 900_000);
        assert_eq!((summary.rate, summary.expected_interval), (500.0, 2_000));
    }

    #[test]
    fn an_open_loop_is_not_corrected() {
        assert!(LoadSummary::new(&figures(true)).corrected.is_none());
    }

    #[test]
    fn a_generator_that_is_busy_or_late_says_so() {
        let mut figures = figures(true);
        assert_eq!(LoadSummary::new(&figures).bottleneck(), None);
        figures.cpu = Duration::from_millis(1_900);
        assert!(LoadSummary::new(&figures).bottleneck().unwrap().contains("95 % of a processor"));
        figures.late = 20;
        assert!(LoadSummary::new(&figures).bottleneck().unwrap().contains("2.0 % of the requests"));
    }

    #[test]
    fn a_time_beyond_the_histogram_counts_as_its_longest() {
        let mut times = histogram();
        record(&mut times, Duration::from_secs(3_600));
        assert_eq!(times.len(), 1);
        assert!(times.max() >= 59_000_000);
    }
}
