//! The timer of a session: the kind of its current wait, the time at which it began, and its deadline. The consequences
//! of a timeout depend on the stage and are in `stages/timeout.rs`.

use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::observer::ObservedWait;
use crate::session::TurnClock;

/// The kind of wait. The comment on each variant names the limits that determine the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Waiting for the transport's handshake to complete: `head_timeout`, measured from the time at which the
    /// connection was accepted.
    Handshake,
    /// Waiting for the first byte on a new connection: `head_timeout`.
    First,
    /// Waiting for the first byte of another request: `idle_timeout`. While the server is stopping, `last_call` also
    /// applies, measured from the time at which it was told to stop.
    Idle,
    /// Waiting for the rest of a head: `head_timeout`, measured from its first byte.
    Head,
    /// Waiting for more of a request's body: `stall_timeout`, measured from the last bytes that arrived. The whole body
    /// is limited by `body_timeout`, which each byte extends according to `body_rate`. If either of them is 0, the
    /// whole body has no time limit.
    Body,
    /// Waiting for the client to accept more of a response: `send_timeout`, measured from the last bytes that it
    /// accepted. After `stall_timeout`, the loop can close the session if the process is short of descriptors or
    /// memory.
    Write,
    /// Waiting for an upstream to produce a response: `answer_timeout`. The upstream can also have a deadline of its
    /// own.
    Upstream,
    /// Waiting for a source to produce more of a body. There is no deadline until the client has closed its sending
    /// side. Then `half_closed_timeout` applies, measured from that time or from the last bytes that the client
    /// accepted after it.
    Source,
    /// Waiting for the client to close its side: `linger_timeout`.
    Linger,
}

impl Wait {
    /// The name of this kind of wait, for an observer.
    fn name(self) -> &'static str {
        match self {
            Wait::Handshake => "Handshake",
            Wait::First => "First",
            Wait::Idle => "Idle",
            Wait::Head => "Head",
            Wait::Body => "Body",
            Wait::Write => "Write",
            Wait::Upstream => "Upstream",
            Wait::Source => "Source",
            Wait::Linger => "Linger",
        }
    }
}

/// The current wait of a session, and the times from which its deadlines are computed.
pub(super) struct Timers {
    wait: Wait,
    /// The time at which the current wait began. In a `Body` or `Write` wait, the time of the last progress. In an
    /// `Idle` wait, up to [`TurnClock::IDLE_GRAIN`] after the wait began.
    since: Instant,
    /// The time that the client still has for sending the current request's body, in nanoseconds. The duration of a
    /// `Body` wait is deducted when that wait is restarted or ends.
    body_budget: u64,
    /// The time at which an event first showed that the client has closed its sending side, even if some of its bytes
    /// have not been read yet. Updated whenever the client accepts bytes after that. `None` until the client closes its
    /// sending side.
    closed_at: Option<Instant>,
}

impl Timers {
    pub(super) fn new(wait: Wait, now: Instant) -> Timers {
        Timers { wait, since: now, body_budget: 0, closed_at: None }
    }

    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// True if no byte of the next request has arrived, so that the connection can be closed without loss.
    pub(super) fn awaits_request(&self) -> bool {
        matches!(self.wait, Wait::Handshake | Wait::First | Wait::Idle)
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Records that the client has closed its sending side.
    pub(super) fn note_closed(&mut self, now: Instant) {
        self.closed_at.get_or_insert(now);
    }

    /// Records that the client has accepted bytes. After the client has closed its sending side, this shows that it is
    /// still receiving.
    pub(super) fn note_sent(&mut self, now: Instant) {
        if let Some(at) = &mut self.closed_at {
            *at = now;
        }
    }

    /// Called when the head of a request is complete. Begins the wait for the response and sets the time budget for the
    /// body.
    pub(super) fn begin_exchange(&mut self, limits: &Limits, now: Instant) {
        // The fields are assigned directly, because `set_wait` does not restart a wait of the same kind.
        (self.wait, self.since) = (Wait::Upstream, now);
        self.body_budget = nanos(limits.body_timeout);
    }

    /// Sets the kind of the current wait. Progress restarts a `Body` or `Write` wait, whereas the deadlines of all
    /// other kinds do not move.
    pub(super) fn set_wait(&mut self, wait: Wait, has_progress: bool, clock: TurnClock) {
        // Only `Body` and `Write` waits are restarted. A client that sends a head byte by byte must not be able to move
        // its deadline with every byte.
        let extends = has_progress && matches!(wait, Wait::Body | Wait::Write);
        if wait == self.wait && !extends {
            return;
        }
        // Only time spent waiting for the client is deducted from the budget. Time spent in an upstream is not.
        if self.wait == Wait::Body {
            let waited = nanos(clock.now.saturating_duration_since(self.since));
            self.body_budget = self.body_budget.saturating_sub(waited);
        }
        self.wait = wait;
        // `idle_from` stays the same for many turns, so that the deadline of a busy connection rarely moves.
        self.since = if wait == Wait::Idle { clock.idle_from } else { clock.now };
    }

    /// Records that `count` bytes of the body have arrived while the session was waiting for them. Each byte extends
    /// the body's deadline by 1/`body_rate` seconds.
    pub(super) fn credit_body(&mut self, count: usize, limits: &Limits) {
        if self.wait == Wait::Body && limits.body_rate > 0 {
            let credit = (count as u64).saturating_mul(NANOS_PER_SECOND) / limits.body_rate;
            self.body_budget = self.body_budget.saturating_add(credit);
        }
    }

    /// The time at which the current wait times out. `None` if the wait has no limit.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let limit = match self.wait {
            Wait::Handshake | Wait::First | Wait::Head => or_never(limits.head_timeout),
            Wait::Idle => or_never(limits.idle_timeout),
            // The earlier of two deadlines applies: `stall_timeout` since the last byte, or the end of the budget.
            Wait::Body if limits.body_rate > 0 && !limits.body_timeout.is_zero() => {
                or_never(limits.stall_timeout).min(Duration::from_nanos(self.body_budget))
            }
            Wait::Body => or_never(limits.stall_timeout),
            Wait::Write => or_never(limits.send_timeout),
            Wait::Linger => limits.linger_timeout,
            Wait::Upstream => or_never(limits.answer_timeout),
            Wait::Source => return self.presumed_gone(limits),
        };
        let end = self.since.checked_add(limit);
        // A client that has closed its sending side may have disconnected. Only sending the response would show this,
        // so the wait for the response is also limited by `half_closed_timeout`.
        if self.wait == Wait::Upstream { end.into_iter().chain(self.presumed_gone(limits)).min() } else { end }
    }

    /// The current wait, as an observer receives it.
    pub(super) fn observed(&self, limits: &Limits) -> ObservedWait {
        let limit = self.deadline(limits).map(|deadline| deadline.saturating_duration_since(self.since));
        ObservedWait { kind: self.wait.name(), since: self.since, limit }
    }

    /// The time at which a client that has closed its sending side is presumed to have disconnected, unless it accepts
    /// bytes before then. A client that is merely waiting for its response cannot be distinguished from one that has
    /// disconnected. `None` if the client has not closed its sending side, or if the wait has no limit.
    fn presumed_gone(&self, limits: &Limits) -> Option<Instant> {
        self.closed_at?.max(self.since).checked_add(or_never(limits.half_closed_timeout))
    }

    /// The time at which the client counts as stalled, unless it accepts more of its response before then. `None`
    /// unless the session is waiting for the client to accept output and `stall_timeout` limits that wait.
    pub(super) fn stalls_at(&self, limits: &Limits) -> Option<Instant> {
        let waits = self.wait == Wait::Write;
        waits.then(|| self.since.checked_add(or_never(limits.stall_timeout))).flatten()
    }
}

/// Converts a limit of zero, which means no limit, to `Duration::MAX`.
fn or_never(limit: Duration) -> Duration {
    if limit.is_zero() { Duration::MAX } else { limit }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
