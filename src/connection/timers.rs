//! The timer of a session: the kind of its current wait, when it began, and when it ends. Not here: the consequences of a
//! time-out, which depend on the stage.

use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::observer::ObservedWait;
use crate::session::TurnClock;

/// The kinds of waits. Each has one deadline, from the limit that its comment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the end of the transport's handshake, counted from the accept: `head_timeout`.
    Handshake,
    /// For the first byte on a fresh connection: `head_timeout`.
    First,
    /// For the first byte of another request: `idle_timeout`, or `last_call` from when the server was asked to stop.
    Idle,
    /// For the rest of a head, counted from its first byte: `head_timeout`.
    Head,
    /// For more of a request's body, counted from the last part: `stall_timeout`. All parts together have
    /// `body_timeout`, which `body_rate` extends.
    Body,
    /// For the client to take more of a response, counted from the last part that it took: `send_timeout`. After
    /// `stall_timeout` the loop may close the session if room is short.
    Write,
    /// For an upstream to produce a response: `answer_timeout`. The upstream may have a deadline of its own, too.
    Upstream,
    /// For a source to produce more of a body. Without a deadline, except `half_closed_timeout` after the client has
    /// closed its side, or has taken bytes after that.
    Source,
    /// For the client to close its side: `linger_timeout`.
    Linger,
}

impl Wait {
    /// The name of the kind for an observer.
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

/// The current wait of a session.
pub(super) struct Timers {
    wait: Wait,
    /// When the current wait began. For `Body` and `Write`: when it last made progress.
    since: Instant,
    /// Nanoseconds that the body of the current request may still be waited for, as of `since`.
    body_budget: u64,
    /// When the client was first seen to have closed its side, whether or not all that it sent has been read; or when it
    /// last took bytes after that.
    closed_at: Option<Instant>,
}

impl Timers {
    pub(super) fn new(wait: Wait, now: Instant) -> Timers {
        Timers { wait, since: now, body_budget: 0, closed_at: None }
    }

    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// True if no byte of the next request has arrived: closing the connection then loses nothing.
    pub(super) fn awaits_request(&self) -> bool {
        matches!(self.wait, Wait::Handshake | Wait::First | Wait::Idle)
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Notes that the client has closed its side.
    pub(super) fn note_closed(&mut self, now: Instant) {
        self.closed_at.get_or_insert(now);
    }

    /// Notes that the client has taken bytes. If it has closed its side, that shows that it is still there.
    pub(super) fn note_sent(&mut self, now: Instant) {
        if let Some(at) = &mut self.closed_at {
            *at = now;
        }
    }

    /// Begins the waits of an exchange, whose head is complete.
    pub(super) fn begin_exchange(&mut self, limits: &Limits, now: Instant) {
        // The next wait is a new one even if it is of the same kind as the last.
        (self.wait, self.since) = (Wait::Upstream, now);
        self.body_budget = nanos(limits.body_timeout);
    }

    /// Sets the current wait. Progress extends a wait for a body or for a write; the deadline of the other kinds is absolute.
    pub(super) fn set_wait(&mut self, wait: Wait, has_progress: bool, clock: TurnClock) {
        // A client that drips a head must not extend its deadline with every byte, so only these two kinds are extended.
        let extends = has_progress && matches!(wait, Wait::Body | Wait::Write);
        if wait == self.wait && !extends {
            return;
        }
        // The budget pays only for time that was spent waiting for the client, not for time that an upstream took.
        if self.wait == Wait::Body {
            let waited = nanos(clock.now.saturating_duration_since(self.since));
            self.body_budget = self.body_budget.saturating_sub(waited);
        }
        self.wait = wait;
        // `idle_from` is the same for many turns, so that the deadline of a connection that is kept busy seldom moves.
        self.since = if wait == Wait::Idle { clock.idle_from } else { clock.now };
    }

    /// Credits received bytes of a body that was waited for: each extends the body's deadline by 1/`body_rate` seconds.
    pub(super) fn credit_body(&mut self, count: usize, limits: &Limits) {
        if self.wait == Wait::Body && limits.body_rate > 0 {
            let credit = (count as u64).saturating_mul(NANOS_PER_SECOND) / limits.body_rate;
            self.body_budget = self.body_budget.saturating_add(credit);
        }
    }

    /// The time at which the current wait has lasted too long.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let limit = match self.wait {
            Wait::Handshake | Wait::First | Wait::Head => or_never(limits.head_timeout),
            Wait::Idle => or_never(limits.idle_timeout),
            // The stricter of the two: no byte for `stall_timeout`, or all of the budget used up.
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
        // Sending the response is the only way to learn whether a half-closed client is still there.
        if self.wait == Wait::Upstream { end.into_iter().chain(self.presumed_gone(limits)).min() } else { end }
    }

    /// The current wait, as reported to an observer.
    pub(super) fn observed(&self, limits: &Limits) -> ObservedWait {
        let limit = self.deadline(limits).map(|deadline| deadline.saturating_duration_since(self.since));
        ObservedWait { kind: self.wait.name(), since: self.since, limit }
    }

    /// When a client that has closed its side is presumed gone. It may still be waiting for the response, but no bytes that it
    /// took prove this.
    fn presumed_gone(&self, limits: &Limits) -> Option<Instant> {
        self.closed_at?.max(self.since).checked_add(or_never(limits.half_closed_timeout))
    }

    /// When a client that takes nothing of its response counts as stalled, if the session waits for that.
    pub(super) fn stalls_at(&self, limits: &Limits) -> Option<Instant> {
        let waits = self.wait == Wait::Write;
        waits.then(|| self.since.checked_add(or_never(limits.stall_timeout))).flatten()
    }
}

/// The duration of a time limit: zero stands for no limit.
fn or_never(limit: Duration) -> Duration {
    if limit.is_zero() { Duration::MAX } else { limit }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A duration in nanoseconds, at most `u64::MAX` (584 years).
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
