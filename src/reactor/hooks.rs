//! The callbacks that a program runs between two turns, and the limits that it sets for a run.

use std::time::Duration;

use super::RunMode;
use crate::listen::descriptor_capacity;
use crate::session::{TurnClock, before_short};

/// The callbacks that a loop makes between the turns of a run, at its end, and on a reload.
pub trait TurnHooks {
    /// The limits of the run. Called before the first turn and after each [`reload`](TurnHooks::reload).
    fn limits(&self) -> RunLimits {
        RunLimits::default()
    }

    /// Called before the first turn and at the end of every turn. `clock` is the time of that turn. Returns the maximum
    /// time for which the loop may sleep before the next call; `None` means no limit.
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration>;

    /// Called for a signal with [`SignalAction::Reload`](super::SignalAction::Reload).
    fn reload(&mut self) {}

    /// Called once as soon as the end of the run has been decided: at the beginning of
    /// [`Lifetime::lame_duck`](super::Lifetime), at the beginning of a drain, or before an immediate end.
    fn stopping(&mut self) {}

    /// Called once after the run, when all of its sessions have been dropped.
    fn after_run(&mut self, mode: RunMode) {
        _ = mode;
    }
}

/// The limits of a run, which a reload can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// The maximum number of sessions at the same time. `None` means the number of descriptors of the process, minus a
    /// reserve.
    pub sessions: Option<usize>,
    /// The percentage of `sessions` that may be in use before an accepted connection makes the loop close stalled
    /// sessions.
    pub short: u8,
    /// The time from a request to stop to the closing of the remaining sessions.
    pub grace: Duration,
    /// The maximum number of handshake flights that are computed in one turn.
    pub handshakes: usize,
}

impl Default for RunLimits {
    /// No limit on sessions, 90 percent, a grace period of 5 seconds, and 4 handshake flights.
    fn default() -> Self {
        RunLimits { sessions: None, short: 90, grace: Duration::from_secs(5), handshakes: 4 }
    }
}

impl RunLimits {
    /// The combined limits of two servers on one loop: the smaller number of sessions, so that neither server exceeds
    /// its own limit; the longer grace period, so that no session is closed sooner than its server allows; and the
    /// smaller number of flights.
    pub(crate) fn and(self, other: RunLimits) -> RunLimits {
        RunLimits {
            sessions: self.sessions.into_iter().chain(other.sessions).min(),
            short: self.short.min(other.short),
            grace: self.grace.max(other.grace),
            handshakes: self.handshakes.min(other.handshakes),
        }
    }

    pub(crate) fn capacity(self) -> Capacity {
        let most = self.sessions.unwrap_or_else(descriptor_capacity);
        Capacity { most, short: before_short(most, self.short) }
    }
}

/// The numbers of sessions at which the loop stops accepting or starts closing stalled sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// The maximum number of sessions. While it is reached, no connection is accepted.
    pub(crate) most: usize,
    /// If there are more sessions than this, an accepted connection makes the loop close stalled sessions.
    pub(crate) short: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_on_one_loop_have_the_stricter_limits_and_the_longer_grace() {
        let seconds = Duration::from_secs;
        let one = RunLimits { sessions: Some(10), short: 80, grace: seconds(1), handshakes: 3 };
        let other = RunLimits { sessions: Some(20), short: 70, grace: seconds(2), handshakes: 2 };
        let both = RunLimits { sessions: Some(10), short: 70, grace: seconds(2), handshakes: 2 };
        assert_eq!((one.and(other), other.and(one)), (both, both));
        let unlimited = RunLimits { sessions: None, ..other };
        assert_eq!((one.and(unlimited), unlimited.and(one)), (both, both));
    }
}
