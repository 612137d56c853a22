//! The counters of a server, and the values derived from them.

use std::time::{Duration, Instant, SystemTime};

use super::counter::Counter;
use super::histogram::Histogram;
use crate::service::FaultKind;
use crate::session::CloseReason;

/// The lowest status code that is counted.
const FIRST_STATUS: usize = 100;

/// The reasons for closing a connection, with their names in reports.
pub(super) const REASONS: [(CloseReason, &str); 10] = [
    (CloseReason::Complete, "complete"),
    (CloseReason::ClientDone, "client_done"),
    (CloseReason::InputCut, "request_cut"),
    (CloseReason::Broken, "broken"),
    (CloseReason::Idle, "idle"),
    (CloseReason::Stalled, "stalled"),
    (CloseReason::LingerOver, "linger_over"),
    (CloseReason::OutputCut, "body_cut"),
    (CloseReason::Memory, "memory"),
    (CloseReason::Stopped, "stopped"),
];

/// The counters of one server. The server changes them on its thread, and any thread can read them.
///
/// ```
/// use std::sync::Arc;
/// use serve_forever::statistics::{Statistics, StatisticsService};
/// use serve_forever::{HttpServer, http::Request, service::Response};
///
/// # fn main() -> std::io::Result<()> {
/// let statistics = Arc::new(Statistics::new(""));
/// let hello = |_: &Request| Response::text("hello");
/// let server = HttpServer::bind("127.0.0.1:0")?
///     .statistics(Arc::clone(&statistics))
///     .service(StatisticsService::new(Arc::clone(&statistics), hello));
/// assert_eq!(statistics.responses_sent(), 0);
/// # drop(server);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Statistics {
    pub(super) nonce: String,
    started: Instant,
    pub(super) started_at: SystemTime,
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    closed: [Counter; REASONS.len()],
    /// The number of requests whose head was complete, or that were rejected before that.
    begun: Counter,
    /// The number of requests whose response was sent in full.
    sent: Counter,
    /// The number of requests whose connection ended before their response was sent in full.
    cut: Counter,
    /// The number of final responses for each status, starting at [`FIRST_STATUS`].
    by_status: [Counter; 900],
    pub(super) bytes_in: Counter,
    pub(super) bytes_out: Counter,
    pub(super) read_would_block: Counter,
    pub(super) write_would_block: Counter,
    pub(super) short_writes: Counter,
    pub(super) turns: Counter,
    pub(super) events: Counter,
    pub(super) sleeps: Counter,
    pub(super) turn_times: Histogram,
    pub(super) most_runnable: Counter,
    /// The number of connections accepted in the current turn, and the maximum per turn (`most_accepted`).
    accepted_in_turn: Counter,
    pub(super) most_accepted: Counter,
    pub(super) buffers: Counter,
    pub(super) most_buffers: Counter,
    pub(super) log_dropped: Counter,
    /// The number of injected faults of each kind, in the order of [`FaultKind::ALL`].
    faults: [Counter; FaultKind::ALL.len()],
}

impl Statistics {
    /// Creates counters at zero. `nonce` is a string, possibly empty, by which clients can distinguish this run of the
    /// program from others.
    pub fn new(nonce: &str) -> Statistics {
        Statistics {
            nonce: nonce.to_owned(),
            started: Instant::now(),
            started_at: SystemTime::now(),
            accepted: Counter::default(),
            refused: Counter::default(),
            closed: std::array::from_fn(|_| Counter::default()),
            begun: Counter::default(),
            sent: Counter::default(),
            cut: Counter::default(),
            by_status: std::array::from_fn(|_| Counter::default()),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            read_would_block: Counter::default(),
            write_would_block: Counter::default(),
            short_writes: Counter::default(),
            turns: Counter::default(),
            events: Counter::default(),
            sleeps: Counter::default(),
            turn_times: Histogram::default(),
            most_runnable: Counter::default(),
            accepted_in_turn: Counter::default(),
            most_accepted: Counter::default(),
            buffers: Counter::default(),
            most_buffers: Counter::default(),
            log_dropped: Counter::default(),
            faults: Default::default(),
        }
    }

    /// The number of final responses whose last byte the system has accepted. Responses that were cut short are not
    /// counted.
    pub fn responses_sent(&self) -> u64 {
        self.sent.get()
    }

    /// The number of open connections.
    pub fn open_connections(&self) -> u64 {
        let closed: u64 = self.closed.iter().map(Counter::get).sum();
        // The subtraction saturates, because another thread may read the counters while they change.
        self.accepted.get().saturating_sub(closed)
    }

    /// Begins a new window: the percentiles of turn durations and all maxima are reset. The counters are kept.
    ///
    /// The reset is exact if this method is called on the server's thread, for example by a handler. If another thread
    /// calls this method while the server runs, a maximum of the old window may remain, or the first maximum of the new
    /// window may be lost.
    pub fn begin_window(&self) {
        self.turn_times.begin_window();
        self.most_runnable.set(0);
        self.most_accepted.set(0);
        self.most_buffers.set(self.buffers.get());
    }

    /// Records the number of lines that the log has dropped. A companion server shares these counters but has its own
    /// log, so the larger of the two numbers is kept.
    pub(crate) fn note_log_dropped(&self, lines: u64) {
        self.log_dropped.raise_to(lines);
    }

    /// Records the number of injected faults of each kind, in the order of [`FaultKind::ALL`].
    pub(crate) fn note_faults(&self, counts: impl Iterator<Item = u64>) {
        self.faults.iter().zip(counts).for_each(|(counter, count)| counter.raise_to(count));
    }

    /// Counts a new turn, and records the work of the previous turn: `busy` is its duration, and `steps` is the number
    /// of times that a session ran.
    pub(super) fn turn_began(&self, busy: Option<Duration>, sleeps: bool, steps: u64) {
        if let Some(busy) = busy {
            self.turn_times.record(busy);
        }
        self.turns.add(1);
        self.sleeps.add(u64::from(sleeps));
        self.most_runnable.raise_to(steps);
        self.accepted_in_turn.set(0);
    }

    pub(super) fn connection_accepted(&self) {
        self.accepted.add(1);
        self.accepted_in_turn.add(1);
        self.most_accepted.raise_to(self.accepted_in_turn.get());
    }

    pub(super) fn connections_closed(&self, reason: CloseReason, count: u64) {
        let place = REASONS.iter().position(|(known, _)| *known == reason);
        if let Some(place) = place {
            self.closed[place].add(count);
        }
    }

    #[inline]
    pub(super) fn request_began(&self) {
        self.begun.add(1);
    }

    #[inline]
    pub(super) fn response_began(&self, status: u16) {
        if let Some(counter) = self.by_status.get(usize::from(status).wrapping_sub(FIRST_STATUS)) {
            counter.add(1);
        }
    }

    #[inline]
    pub(super) fn responses_ended(&self, count: u32) {
        self.sent.add(u64::from(count));
    }

    pub(super) fn responses_cut(&self, count: u32) {
        self.cut.add(u64::from(count));
    }

    /// Updates one connection's share of the total buffer memory.
    pub(super) fn buffers_change(&self, before: usize, now: usize) {
        self.buffers.set(self.buffers.get() - before as u64 + now as u64);
        self.most_buffers.raise_to(self.buffers.get());
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.begun.get().saturating_sub(self.sent.get() + self.cut.get())
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The name of each reason for closing a connection, and the number of connections that ended for this reason.
    pub(super) fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.closed).map(|((_, name), counter)| (*name, counter.get()))
    }

    /// The statuses that occurred, with their counts.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.by_status.iter().enumerate().map(|(at, counter)| (at + FIRST_STATUS, counter.get()));
        all.filter(|(_, count)| *count > 0)
    }

    /// The kinds of faults that occurred, with their counts.
    pub(super) fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = FaultKind::ALL.into_iter().zip(&self.faults).map(|(kind, counter)| (kind.name(), counter.get()));
        all.filter(|(_, count)| *count > 0)
    }
}
