//! The callbacks that the loop calls between two turns, and the limits of a run.

use std::time::Duration;

use super::RunMode;
use crate::listen::descriptor_capacity;
use crate::session::{TurnClock, before_short};

/// The callbacks that a loop calls between the turns of a run, at the end of the run, and on a reload.
pub trait TurnHooks {
    /// The limits of the run. Called before the first turn and after each [`reload`](TurnHooks::reload).
    fn limits(&self) -> RunLimits {
        RunLimits::default()
    }

    /// Called before the first turn and at the end of every turn. `clock` is the time of that turn. Returns the maximum
    /// time for which the loop may sleep before the next call. `None` means no limit.
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration>;

    /// Called for a signal with [`SignalAction::Reload`](super::SignalAction::Reload).
    fn reload(&mut self) {}

    /// Called once, as soon as it is decided that the run will end: when the lame-duck time
    /// ([`Lifetime::lame_duck`](super::Lifetime)) begins, when a drain begins, or before the run ends immediately.
    fn stopping(&mut self) {}

    /// Called once after the run, after all of its sessions have been dropped.
    fn after_run(&mut self, mode: RunMode) {
        _ = mode;
    }
}

/// The limits of a run, which a reload can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// The maximum number of simultaneous sessions. `None` means the number of descriptors that the process may open,
    /// minus a reserve.
    pub sessions: Option<usize>,
    /// The percentage of `sessions` above which an accepted connection makes the loop close stalled sessions.
    pub short: u8,
    /// The maximum duration of a drain. The sessions that remain after it are closed.
    pub grace: Duration,
    /// The maximum number of TLS handshake flights that are computed in one turn. A flight consists of the messages
    /// that one side sends before it waits for the other. 0 counts as 1.
    pub handshakes: usize,
}

impl Default for RunLimits {
    /// The number of sessions that the descriptors allow, a threshold of 90 percent, a grace period of 5 seconds, and 4
    /// handshake flights.
    fn default() -> Self {
        RunLimits { sessions: None, short: 90, grace: Duration::from_secs(5), handshakes: 4 }
    }
}

impl RunLimits {
    /// The combined limits of two servers on one loop. The grace period is the longer one, so that no session is closed
    /// sooner than its server allows. All other limits are the smaller ones, so that neither server exceeds its own
    /// limits.
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

/// The number of sessions at which the loop stops accepting, and the number above which it closes stalled sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// The maximum number of sessions. While there are this many, no connection is accepted.
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
