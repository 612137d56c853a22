//! Decides when a run drains and when it ends, from its mode, its phase and its deadlines. Sessions and sockets are
//! handled in `mod.rs`.

use std::time::{Duration, Instant};

/// Determines how a run ends, apart from a [`Stopper`](super::Stopper) or a signal, which can end any run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// The run ends only on request or at the end of its [`Lifetime`].
    UntilStopped,
    /// The run ends when its first connection has been served or refused, or at the deadline if none has arrived by
    /// then. `None` means no deadline.
    OneSession(Option<Instant>),
}

/// The reason why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// A [`Stopper`](super::Stopper) requested the end, or the watched input ended.
    Stopped,
    /// This signal requested the end.
    Signal(i32),
    /// [`Lifetime::duration`] or [`Lifetime::idle`] has elapsed.
    Expired,
    /// The run was in [`RunMode::OneSession`], and its session has ended.
    Served,
    /// The run was in [`RunMode::OneSession`], and its connection was refused.
    Refused,
    /// The run was in [`RunMode::OneSession`], and no connection arrived before the deadline.
    TimedOut,
}

/// How long a run lasts before it drains by itself, and how long it continues after a signal. These settings have no
/// effect in a run for one session, such as that of `handle_request`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// The time from the beginning of the run to the drain. `None` means no limit.
    pub duration: Option<Duration>,
    /// The time without activity after which the run drains. Activity is a request in progress, or a connection that is
    /// accepted or closed. An open connection without a request in progress does not count as activity. `None` means no
    /// limit.
    pub idle: Option<Duration>,
    /// The time from the first signal with [`SignalAction::Drain`](super::SignalAction::Drain) or
    /// [`SignalAction::Stop`](super::SignalAction::Stop) to the drain. Until then the run continues as before, so that
    /// a load balancer has time to detect that the server is shutting down. Another signal ends this time early.
    pub lame_duck: Duration,
}

impl RunEnd {
    /// The signal that requested the end. `None` if the run ended for another reason.
    pub(super) fn signal(self) -> Option<i32> {
        match self {
            RunEnd::Signal(signal) => Some(signal),
            _ => None,
        }
    }
}

/// The mode and the phase of a run, and the times that determine its end.
pub(super) struct Shutdown {
    phase: Phase,
    mode: RunMode,
    /// The maximum duration of a drain.
    grace: Duration,
    lifetime: Lifetime,
    /// The time at which [`Lifetime::duration`] elapses. `None` means no limit.
    expires_at: Option<Instant>,
    /// The next time at which [`Lifetime::idle`] may have elapsed. `None` means no limit.
    idle_check: Option<Instant>,
}

enum Phase {
    /// Connections are being accepted.
    Accepting,
    /// The connection for [`RunMode::OneSession`] was accepted, and its session is running. No other connection is
    /// accepted.
    OneAccepted,
    /// The connection for [`RunMode::OneSession`] was refused.
    OneRefused,
    /// A signal requested the end of the run, but the run continues as before until `until`.
    LameDuck { end: RunEnd, until: Instant },
    /// The end of the run was requested or is due. No connection is accepted. The sessions that remain at `deadline`
    /// are closed. `deadline` is `None` if the clock cannot represent the end of the grace period.
    Draining { end: RunEnd, deadline: Option<Instant> },
}

impl Shutdown {
    /// Creates the state for a new run in the mode [`RunMode::UntilStopped`].
    pub(super) fn new(grace: Duration) -> Shutdown {
        let (expires_at, idle_check) = (None, None);
        let lifetime = Lifetime::default();
        Shutdown { phase: Phase::Accepting, mode: RunMode::UntilStopped, grace, lifetime, expires_at, idle_check }
    }

    /// Sets the lifetime of the run, which begins at `now`.
    pub(super) fn set_lifetime(&mut self, lifetime: Lifetime, now: Instant) {
        self.lifetime = lifetime;
        // A time beyond the range of the clock means no limit.
        self.expires_at = lifetime.duration.and_then(|duration| now.checked_add(duration));
        self.idle_check = lifetime.idle.and_then(|idle| now.checked_add(idle));
    }

    pub(super) fn set_mode(&mut self, mode: RunMode) {
        self.mode = mode;
    }

    /// Sets the grace period of the next drain. A drain that has already begun keeps its deadline.
    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    pub(super) fn is_accepting(&self) -> bool {
        matches!(self.phase, Phase::Accepting | Phase::LameDuck { .. })
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// True if the connections that are pending at the beginning of a drain are accepted before the listeners are
    /// closed.
    pub(super) fn drains_backlog(&self) -> bool {
        self.mode == RunMode::UntilStopped
    }

    /// The time at which the run must end or drain even if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.phase, self.mode) {
            (Phase::Accepting, RunMode::OneSession(deadline)) => deadline,
            (Phase::Accepting, RunMode::UntilStopped) => self.expires_at.into_iter().chain(self.idle_check).min(),
            (Phase::LameDuck { until, .. }, _) => Some(*until),
            (Phase::Draining { deadline, .. }, _) => *deadline,
            // The timeout of `handle_request` applies only until the connection is accepted. After that, the session
            // has deadlines of its own.
            _ => None,
        }
    }

    pub(super) fn connection_accepted(&mut self) {
        // `RunEnd::Served` is not decided here, because the session must end first, and a drain may begin before that.
        if self.mode != RunMode::UntilStopped {
            self.phase = Phase::OneAccepted;
        }
    }

    pub(super) fn connection_refused(&mut self) {
        if self.mode != RunMode::UntilStopped {
            self.phase = Phase::OneRefused;
        }
    }

    /// Begins the lame-duck time, during which the run continues after a signal. Returns false if this time is zero, if
    /// the run is for one session, or if the run is already ending.
    pub(super) fn begin_lame_duck(&mut self, end: RunEnd, now: Instant) -> bool {
        let is_first = matches!((&self.phase, self.mode), (Phase::Accepting, RunMode::UntilStopped));
        // With the default of zero, the caller begins the drain immediately.
        let until = now.checked_add(self.lifetime.lame_duck).filter(|until| is_first && *until > now);
        until.inspect(|until| self.phase = Phase::LameDuck { end, until: *until }).is_some()
    }

    /// The reason for a drain that is due at `now`, if any. This does not include [`Lifetime::idle`], which `idle_end`
    /// checks.
    pub(super) fn drain_due(&self, now: Instant) -> Option<RunEnd> {
        match (&self.phase, self.mode) {
            (Phase::LameDuck { end, until }, _) => (*until <= now).then_some(*end),
            (Phase::Accepting, RunMode::UntilStopped) => {
                self.expires_at.filter(|expires| *expires <= now).map(|_| RunEnd::Expired)
            }
            _ => None,
        }
    }

    /// True if it is time to check whether the sessions have been inactive for [`Lifetime::idle`].
    pub(super) fn is_idle_check_due(&self, now: Instant) -> bool {
        let counts = matches!((&self.phase, self.mode), (Phase::Accepting, RunMode::UntilStopped));
        counts && self.idle_check.is_some_and(|check| check <= now)
    }

    /// Returns the reason for a drain if there has been no activity for [`Lifetime::idle`]. If there has, sets the time
    /// of the next check and returns `None`. `since` is the time of the last activity, or `None` while a request is in
    /// progress.
    pub(super) fn idle_end(&mut self, since: Option<Instant>, now: Instant) -> Option<RunEnd> {
        // A request in progress counts as activity at `now`, so the next check is due `lifetime.idle` after `now`.
        self.idle_check = since.unwrap_or(now).checked_add(self.lifetime.idle?);
        self.idle_check.filter(|check| *check <= now).map(|_| RunEnd::Expired)
    }

    /// Begins a drain for the reason `end`.
    pub(super) fn begin_drain(&mut self, end: RunEnd, now: Instant) {
        // The drain has no deadline if the clock cannot represent the end of the grace period.
        self.phase = Phase::Draining { end, deadline: now.checked_add(self.grace) };
    }

    /// The reason why the run ends at `now`, given the number of sessions in the table. `None` if the run continues.
    pub(super) fn run_end(&self, now: Instant, sessions: usize) -> Option<RunEnd> {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
        match self.phase {
            Phase::Accepting if self.mode == RunMode::UntilStopped => None,
            Phase::Accepting => is_late.then_some(RunEnd::TimedOut),
            // The end of the lame-duck time begins a drain (see `drain_due`), and does not end the run itself.
            Phase::LameDuck { .. } => None,
            Phase::OneAccepted => (sessions == 0).then_some(RunEnd::Served),
            // A refused connection has no session to wait for.
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

    #[test]
    fn a_new_grace_is_that_of_the_next_drain() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::UntilStopped);
        shutdown.set_grace(GRACE * 2);
        shutdown.begin_drain(RunEnd::Stopped, now);
        assert_eq!(shutdown.deadline(), Some(now + GRACE * 2));
    }

    #[test]
    fn a_refused_connection_ends_only_a_run_for_one_session() {
        let now = Instant::now();
        for (mode, end) in [(RunMode::OneSession(None), Some(RunEnd::Refused)), (RunMode::UntilStopped, None)] {
            let mut shutdown = shutdown(mode);
            shutdown.connection_refused();
            assert_eq!(shutdown.run_end(now, 0), end, "{mode:?}");
        }
    }

    #[test]
    fn the_end_of_a_run_names_the_signal_that_requested_it() {
        assert_eq!(RunEnd::Signal(15).signal(), Some(15));
        assert_eq!(RunEnd::Stopped.signal(), None);
    }

    #[test]
    fn a_run_drains_when_its_duration_is_over() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::UntilStopped);
        shutdown.set_lifetime(Lifetime { duration: Some(GRACE), ..Lifetime::default() }, now);
        assert_eq!((shutdown.deadline(), shutdown.drain_due(now)), (Some(now + GRACE), None));
        assert_eq!(shutdown.drain_due(now + GRACE), Some(RunEnd::Expired));
        assert_eq!(shutdown.run_end(now + GRACE, 0), None, "the loop begins the drain first");
    }

    #[test]
    fn a_run_drains_when_it_was_idle_for_long_enough() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::UntilStopped);
        shutdown.set_lifetime(Lifetime { idle: Some(GRACE), ..Lifetime::default() }, now);
        assert!(!shutdown.is_idle_check_due(now));
        let check = now + GRACE;
        assert!(shutdown.is_idle_check_due(check));
        assert_eq!((shutdown.idle_end(None, check), shutdown.deadline()), (None, Some(check + GRACE)), "in progress");
        let since = now + Duration::from_secs(2);
        assert_eq!((shutdown.idle_end(Some(since), check), shutdown.deadline()), (None, Some(since + GRACE)));
        assert_eq!(shutdown.idle_end(Some(since), since + GRACE), Some(RunEnd::Expired));
    }

    #[test]
    fn a_lame_duck_accepts_until_its_time_is_over_and_begins_once() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::UntilStopped);
        assert!(!shutdown.begin_lame_duck(RunEnd::Signal(15), now), "without a time for it");
        shutdown.set_lifetime(Lifetime { lame_duck: GRACE, ..Lifetime::default() }, now);
        assert!(shutdown.begin_lame_duck(RunEnd::Signal(15), now));
        assert!(shutdown.is_accepting() && !shutdown.is_draining());
        assert!(!shutdown.begin_lame_duck(RunEnd::Signal(2), now), "another signal ends it");
        assert_eq!((shutdown.run_end(now, 0), shutdown.deadline()), (None, Some(now + GRACE)));
        assert_eq!(shutdown.drain_due(now), None);
        assert_eq!(shutdown.drain_due(now + GRACE), Some(RunEnd::Signal(15)));
    }

    #[test]
    fn a_run_for_one_session_has_no_lifetime() {
        let now = Instant::now();
        let mut shutdown = shutdown(RunMode::OneSession(None));
        let lifetime = Lifetime { duration: Some(GRACE), idle: Some(GRACE), lame_duck: GRACE };
        shutdown.set_lifetime(lifetime, now);
        assert_eq!((shutdown.deadline(), shutdown.drain_due(now + GRACE)), (None, None));
        assert!(!shutdown.is_idle_check_due(now + GRACE) && !shutdown.begin_lame_duck(RunEnd::Signal(15), now));
    }
}
