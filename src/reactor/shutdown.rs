//! The end of a run: its mode, its phase and its deadlines. This file knows neither sessions nor sockets.

use std::time::{Duration, Instant};

/// Which event ends a run, beside a [`Stopper`](super::Stopper) and a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// No other event.
    UntilStopped,
    /// The end of the first session, or the deadline if no connection arrives before it. `None` stands for no deadline.
    OneSession(Option<Instant>),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// A [`Stopper`](super::Stopper) requested it.
    Stopped,
    /// This signal requested it.
    Signal(i32),
    /// [`RunMode::OneSession`]: the session has ended.
    Served,
    /// [`RunMode::OneSession`]: the connection was refused.
    Refused,
    /// [`RunMode::OneSession`]: no connection arrived before the deadline.
    TimedOut,
}

/// How far a run is on the way to its end.
pub(super) struct Shutdown {
    phase: Phase,
    mode: RunMode,
    /// The longest duration of a drain.
    grace: Duration,
}

enum Phase {
    /// Connections are accepted.
    Accepting,
    /// The connection of [`RunMode::OneSession`] was accepted; its session runs. No other connection is accepted.
    OneAccepted,
    /// The connection of [`RunMode::OneSession`] was refused.
    OneRefused,
    /// A stopper or a signal requested the end. No connection is accepted; the sessions end, or are closed at the
    /// deadline. `None` is a grace that no clock reaches.
    Draining { end: RunEnd, deadline: Option<Instant> },
}

impl Shutdown {
    /// The state of a run that begins, in the mode [`RunMode::UntilStopped`].
    pub(super) fn new(grace: Duration) -> Shutdown {
        Shutdown { phase: Phase::Accepting, mode: RunMode::UntilStopped, grace }
    }

    pub(super) fn set_mode(&mut self, mode: RunMode) {
        self.mode = mode;
    }

    /// Sets the grace of a drain that begins later. A drain that has begun keeps its deadline.
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    pub(super) fn is_accepting(&self) -> bool {
        matches!(self.phase, Phase::Accepting)
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// True if the beginning of a drain accepts the connections that are pending then.
    pub(super) fn drains_backlog(&self) -> bool {
        self.mode == RunMode::UntilStopped
    }

    /// The time at which [`run_end`](Self::run_end) ends the run although no session changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.phase, self.mode) {
            (Phase::Accepting, RunMode::OneSession(deadline)) => deadline,
            (Phase::Draining { deadline, .. }, _) => *deadline,
            // An accepted session has deadlines of its own: the timeout of `handle_request` is for the connection only.
            _ => None,
        }
    }

    pub(super) fn connection_accepted(&mut self) {
        // Not yet `RunEnd::Served`: the session has to end first, and a drain may begin meanwhile.
        if self.mode != RunMode::UntilStopped {
            self.phase = Phase::OneAccepted;
        }
    }

    pub(super) fn connection_refused(&mut self) {
        if self.mode != RunMode::UntilStopped {
            self.phase = Phase::OneRefused;
        }
    }

    /// Begins a drain, whose reason is `end`.
    pub(super) fn begin_drain(&mut self, end: RunEnd, now: Instant) {
        // A grace of years overflows the clock. It is then no deadline instead of one that has passed.
        self.phase = Phase::Draining { end, deadline: now.checked_add(self.grace) };
    }

    /// Why the run is over at `now` with `sessions` in the table; `None` if it goes on.
    pub(super) fn run_end(&self, now: Instant, sessions: usize) -> Option<RunEnd> {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
        match self.phase {
            Phase::Accepting => is_late.then_some(RunEnd::TimedOut),
            Phase::OneAccepted => (sessions == 0).then_some(RunEnd::Served),
            // A refused connection has no session, so the run ends without waiting for one.
            Phase::OneRefused => Some(RunEnd::Refused),
            Phase::Draining { end, .. } => (is_late || sessions == 0).then_some(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn shutdown(mode: RunMode) -> Shutdown {
        let mut shutdown = Shutdown::new(GRACE);
        shutdown.set_mode(mode);
        shutdown
    }

    #[test]
    fn a_run_for_one_session_has_served_it_only_when_it_has_ended() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::OneSession(Some(now)));
        assert_eq!(shutdown.run_end(now, 0), Some(RunEnd::TimedOut));
        shutdown.connection_accepted();
        assert!(!shutdown.is_accepting() && !shutdown.is_draining());
        assert_eq!((shutdown.run_end(now, 1), shutdown.deadline()), (None, None));
        assert_eq!(shutdown.run_end(now, 0), Some(RunEnd::Served));
    }

    #[test]
    fn a_drain_ends_with_the_last_session_or_at_its_deadline() {
        let now = Instant::now();
        for mode in [RunMode::UntilStopped, RunMode::OneSession(None)] {
            let mut shutdown = shutdown(mode);
            shutdown.connection_accepted();
            shutdown.begin_drain(RunEnd::Signal(15), now);
            shutdown.set_grace(GRACE * 2);
            assert_eq!((shutdown.run_end(now, 1), shutdown.deadline()), (None, Some(now + GRACE)));
            assert_eq!(shutdown.run_end(now, 0), Some(RunEnd::Signal(15)));
            assert_eq!(shutdown.run_end(now + GRACE, 1), Some(RunEnd::Signal(15)));
        }
    }
}
