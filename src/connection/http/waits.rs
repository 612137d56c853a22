//! What a session waits for, and what becomes of it when that takes too long.

use std::time::{Duration, Instant};

use super::{HttpSession, Stage};
use crate::http::{Request, Status};
use crate::http1::Rejection;
use crate::service::Response;
use crate::session::{CloseReason, StepContext, TurnClock};
use crate::transport::Transport;

/// What a session waits for. Each kind has one deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For the first byte on a fresh connection: `head_timeout`.
    First,
    /// For the first byte of another request: `idle_timeout`, or `last_call` from when the server was asked to stop.
    Idle,
    /// For the rest of a head, counted from its first byte: `head_timeout`.
    Head,
    /// For more of a request's body, counted from the last that came: `stall_timeout`; and for all of it: `body_timeout`
    /// and `body_rate`.
    Body,
    /// For the client to take more of a response, counted from the last that it took: `send_timeout`. After
    /// `stall_timeout` the loop may close the session if room is short.
    Write,
    /// For an upstream to make a response: `answer_timeout`. It may have a deadline of its own, too.
    Upstream,
    /// For a source to make more of a response's body, which takes as long as it takes.
    Source,
    /// For the client to close: `linger_timeout`.
    Linger,
}

impl<T: Transport> HttpSession<'_, T> {
    /// Answers or closes if the current wait has lasted too long; true if there is something to do about it.
    pub(super) fn expire(&mut self, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        if self.own_deadline().is_none_or(|deadline| deadline > cx.clock.now) {
            return Ok(false);
        }
        match self.wait {
            Wait::First | Wait::Idle => Err(CloseReason::Idle),
            Wait::Linger => Err(match self.stage {
                Stage::Linger(reason) if reason != CloseReason::Complete => reason,
                _ => CloseReason::LingerOver,
            }),
            Wait::Write | Wait::Source => Err(CloseReason::Stalled),
            Wait::Upstream => {
                let Stage::Later(later) = std::mem::replace(&mut self.stage, Stage::Head) else {
                    return Err(CloseReason::Stalled);
                };
                if self.machine.in_body() {
                    self.machine.refuse();
                }
                self.respond(Response::error(Status::GATEWAY_TIMEOUT), &later.request, None, cx.clock);
                Ok(true)
            }
            Wait::Head | Wait::Body => {
                let request = match std::mem::replace(&mut self.stage, Stage::Head) {
                    Stage::Held(held) => held.request,
                    Stage::Later(later) => later.request,
                    Stage::Head => {
                        let (peer, local) = (self.peer, self.site.local);
                        let mut request = Request { peer, local, arrived: self.since, ..Request::default() };
                        self.machine.note_line(&self.input, &mut request);
                        request
                    }
                    _ => return Err(CloseReason::Stalled),
                };
                self.machine.refuse();
                self.reject(&Rejection::Timeout, &request, cx.clock);
                Ok(true)
            }
        }
    }

    /// Ends a connection that waits for a request while the server is being stopped and the last call is over. A
    /// response that left in this step may still be on its way, so its connection closes in stages: returns true.
    pub(super) fn check_stop(&mut self, sent: bool, clock: TurnClock) -> Result<bool, CloseReason> {
        let idle = matches!(self.wait, Wait::First | Wait::Idle);
        match self.last_call(clock) {
            Some(end) if end <= clock.now && idle => {
                if !sent {
                    return Err(CloseReason::Stopped);
                }
                self.machine.stop();
                self.stage = Stage::Closing(CloseReason::Stopped);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Until when a request is waited for although the server is being stopped.
    fn last_call(&self, clock: TurnClock) -> Option<Instant> {
        clock.stopping?.checked_add(self.limits.last_call)
    }

    /// Notes what is waited for, and since when.
    pub(super) fn note_wait(&mut self, moved: bool, clock: TurnClock) {
        let wait = match &self.stage {
            Stage::Linger(_) => Wait::Linger,
            _ if !self.output.is_empty() => Wait::Write,
            Stage::Head if !self.machine.is_idle() => Wait::Head,
            Stage::Head if self.wait == Wait::First => Wait::First,
            Stage::Head => Wait::Idle,
            Stage::Held(_) | Stage::Drain(_) => Wait::Body,
            Stage::Later(later) if !later.ended && self.hungry => Wait::Body,
            Stage::Later(_) => Wait::Upstream,
            // Whoever makes the body may be waiting for the client's: then the client is to blame.
            Stage::Answer(flight) if flight.waiting && self.hungry && flight.takes_body() => Wait::Body,
            Stage::Answer(flight) if flight.waiting => Wait::Source,
            Stage::Answer(_) | Stage::Closing(_) => Wait::Write,
        };
        let progress_counts = matches!(wait, Wait::Body | Wait::Write);
        if wait != self.wait || (moved && progress_counts) {
            if self.wait == Wait::Body {
                self.left = self.left.saturating_sub(nanos(clock.now.saturating_duration_since(self.since)));
            }
            self.wait = wait;
            self.since = if wait == Wait::Idle { clock.idle_from } else { clock.now };
        }
    }

    /// So many bytes have come. Those of a body that was waited for let it be waited for longer.
    pub(super) fn earn(&mut self, count: usize) {
        if self.wait == Wait::Body && self.limits.body_rate > 0 {
            self.left = self.left.saturating_add((count as u64).saturating_mul(SECOND) / self.limits.body_rate);
        }
    }

    /// When the current wait has lasted too long.
    pub(super) fn own_deadline(&self) -> Option<Instant> {
        let limits = &self.limits;
        let limit = match self.wait {
            Wait::First | Wait::Head => or_never(limits.head_timeout),
            Wait::Idle => or_never(limits.idle_timeout),
            Wait::Body if limits.body_rate > 0 && !limits.body_timeout.is_zero() => {
                or_never(limits.stall_timeout).min(Duration::from_nanos(self.left))
            }
            Wait::Body => or_never(limits.stall_timeout),
            Wait::Write => or_never(limits.send_timeout),
            Wait::Linger => limits.linger_timeout,
            Wait::Upstream => or_never(limits.answer_timeout),
            Wait::Source => return self.gone(),
        };
        let end = self.since.checked_add(limit);
        if self.wait == Wait::Upstream { end.into_iter().chain(self.gone()).min() } else { end }
    }

    /// When a client that has closed its side is taken for gone: nothing was sent since, by which it could be known.
    fn gone(&self) -> Option<Instant> {
        self.closed_at?.max(self.since).checked_add(or_never(self.limits.half_closed_timeout))
    }

    /// When a client that takes nothing of its response counts as stalled, if the response waits for the client.
    pub(super) fn stalls_at(&self) -> Option<Instant> {
        let waits = self.wait == Wait::Write;
        waits.then(|| self.since.checked_add(or_never(self.limits.stall_timeout))).flatten()
    }

    /// When to run again at the latest.
    pub(super) fn deadline(&self, clock: TurnClock) -> Option<Instant> {
        let upstream = match &self.stage {
            Stage::Later(later) => later.upstream.deadline(),
            Stage::Answer(flight) => flight.later.as_ref().and_then(|later| later.upstream.deadline()),
            _ => None,
        };
        let last_call = self.last_call(clock).filter(|_| matches!(self.wait, Wait::First | Wait::Idle));
        // Once, so that the loop finds this session stalled if it is short of room by then.
        let stalls = self.stalls_at().filter(|stalls| *stalls > clock.now);
        self.own_deadline().into_iter().chain(upstream).chain(last_call).chain(stalls).min()
    }
}

/// The duration of a time limit: zero means that there is no limit.
fn or_never(limit: Duration) -> Duration {
    if limit.is_zero() { Duration::MAX } else { limit }
}

/// The nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A duration in nanoseconds, or half a millennium if it is longer.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
