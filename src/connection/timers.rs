//! The timer of a session: the kind of its current wait, when it began, and when it times out. The consequences of a
//! timeout depend on the stage and are in `stages/timeout.rs`.

use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::observer::ObservedWait;
use crate::session::TurnClock;

/// The kinds of waits. The comment of each kind names the limits that determine its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Waiting for the transport's handshake to complete, measured from when the connection was accepted:
    /// `head_timeout`.
    Handshake,
    /// Waiting for the first byte on a new connection: `head_timeout`.
    First,
    /// Waiting for the first byte of another request: `idle_timeout`, or `last_call`, measured from when the server was
    /// told to stop.
    Idle,
    /// Waiting for the rest of a head, measured from its first byte: `head_timeout`.
    Head,
    /// Waiting for more of a request's body, measured from the last part: `stall_timeout`. For the whole body the limit
    /// is `body_timeout`, which `body_rate` extends.
    Body,
    /// Waiting for the client to accept more of a response, measured from the last part that it accepted:
    /// `send_timeout`. After `stall_timeout`, the loop can close the session if descriptors or memory are short.
    Write,
    /// Waiting for an upstream to produce a response: `answer_timeout`. The upstream can also have a deadline of its
    /// own.
    Upstream,
    /// Waiting for a source to produce more of a body. There is no deadline until the client has closed its sending
    /// side. Then `half_closed_timeout` applies, measured from the close or from the last bytes that the client
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
    /// The beginning of the current wait. For `Body` and `Write`, the time of the last progress.
    since: Instant,
    /// The time that was left at `since` for receiving the body of the current request, in nanoseconds.
    body_budget: u64,
    /// The time at which the client was first seen to have closed its sending side, even if not all of its bytes have
    /// been read. Later, the last time at which the client accepted bytes after that.
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

    /// Records that the client has accepted bytes. If it has closed its sending side, this shows that it is still
    /// receiving.
    pub(super) fn note_sent(&mut self, now: Instant) {
        if let Some(at) = &mut self.closed_at {
            *at = now;
        }
    }

    /// Begins the wait for the response when the head of a request is complete, and sets the time budget for the body.
    pub(super) fn begin_exchange(&mut self, limits: &Limits, now: Instant) {
        // The next wait is a new one even if it is of the same kind as the last.
        (self.wait, self.since) = (Wait::Upstream, now);
        self.body_budget = nanos(limits.body_timeout);
    }

    /// Sets the current wait. Progress extends a wait for a body or for a write; the deadlines of the other kinds do
    /// not move.
    pub(super) fn set_wait(&mut self, wait: Wait, has_progress: bool, clock: TurnClock) {
        // Only these two kinds are extended. A client that sends a head byte by byte must not be able to extend its
        // deadline with every byte.
        let extends = has_progress && matches!(wait, Wait::Body | Wait::Write);
        if wait == self.wait && !extends {
            return;
        }
        // Only time spent waiting for the client counts against the budget. Time spent in an upstream does not.
        if self.wait == Wait::Body {
            let waited = nanos(clock.now.saturating_duration_since(self.since));
            self.body_budget = self.body_budget.saturating_sub(waited);
        }
        self.wait = wait;
        // `idle_from` stays the same for many turns, so that the deadline of a busy connection rarely moves.
        self.since = if wait == Wait::Idle { clock.idle_from } else { clock.now };
    }

    /// Counts received bytes of the body that the session waits for: each byte extends the body's deadline by
    /// 1/`body_rate` seconds.
    pub(super) fn credit_body(&mut self, count: usize, limits: &Limits) {
        if self.wait == Wait::Body && limits.body_rate > 0 {
            let credit = (count as u64).saturating_mul(NANOS_PER_SECOND) / limits.body_rate;
            self.body_budget = self.body_budget.saturating_add(credit);
        }
    }

    /// The time at which the current wait times out.
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
        // Only sending the response can show whether a half-closed client is still receiving.
        if self.wait == Wait::Upstream { end.into_iter().chain(self.presumed_gone(limits)).min() } else { end }
    }

    /// The current wait, in the form that is reported to an observer.
    pub(super) fn observed(&self, limits: &Limits) -> ObservedWait {
        let limit = self.deadline(limits).map(|deadline| deadline.saturating_duration_since(self.since));
        ObservedWait { kind: self.wait.name(), since: self.since, limit }
    }

    /// The time from which a client that has closed its sending side is presumed to have disconnected. It may still be
    /// waiting for the response, but it has not accepted any bytes that would show this.
    fn presumed_gone(&self, limits: &Limits) -> Option<Instant> {
        self.closed_at?.max(self.since).checked_add(or_never(limits.half_closed_timeout))
    }

    /// The time from which the client counts as stalled, because it has not accepted any of its response. `None` unless
    /// the session waits for the client to accept output.
    pub(super) fn stalls_at(&self, limits: &Limits) -> Option<Instant> {
        let waits = self.wait == Wait::Write;
        waits.then(|| self.since.checked_add(or_never(limits.stall_timeout))).flatten()
    }
}

/// Converts a time limit to a duration. A limit of zero means no limit and becomes `Duration::MAX`.
fn or_never(limit: Duration) -> Duration {
    if limit.is_zero() { Duration::MAX } else { limit }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
