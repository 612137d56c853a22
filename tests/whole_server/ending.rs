//! The plain model of the end of a run: the requests of stoppers and signals, the lame-duck period, and the drain. The
//! effects on clients are in `client.rs`.

use std::time::Duration;

use serve_forever::reactor::{RunEnd, SignalAction};

/// The longest time of a drain.
pub const GRACE: Duration = Duration::from_secs(5);

/// The time within which the loop must have noticed a request.
const NOTICE: Duration = Duration::from_secs(1);

/// The signals that the server handles.
pub const SIGNALS: [(i32, SignalAction); 4] =
    [(1, SignalAction::Reload), (2, SignalAction::Drain), (3, SignalAction::Stop), (15, SignalAction::Drain)];

/// The phase of the end that the run must have reached.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    LameDuck { until: Duration },
    Draining { until: Duration },
    Over { since: Duration },
}

pub struct Ending {
    phase: Phase,
    /// The time from the first signal that stops until the drain.
    lame_duck: Duration,
    /// The time at which a stopper began the drain.
    stopped_at: Option<Duration>,
    /// The reasons that the end of the run may have.
    reasons: Vec<RunEnd>,
}

impl Ending {
    pub fn new(lame_duck: Duration) -> Ending {
        Ending { phase: Phase::Running, lame_duck, stopped_at: None, reasons: Vec::new() }
    }

    /// A stopper requests the end.
    pub fn stop(&mut self, action: SignalAction, now: Duration) {
        self.pass_until(now);
        self.reasons.push(RunEnd::Stopped);
        // A drain is not begun twice.
        if action == SignalAction::Stop || !matches!(self.phase, Phase::Draining { .. }) {
            self.begin(action, now);
            self.stopped_at = Some(now);
        }
    }

    /// A signal arrives.
    pub fn signal(&mut self, signal: i32, action: SignalAction, now: Duration) {
        if action == SignalAction::Reload {
            return;
        }
        self.pass_until(now);
        self.reasons.push(RunEnd::Signal(signal));
        match self.phase {
            Phase::Running if !self.lame_duck.is_zero() => {
                self.phase = Phase::LameDuck { until: now + self.lame_duck };
            }
            Phase::Running | Phase::LameDuck { .. } => self.begin(action, now),
            // The turn that reads both reads the signal first. It then begins the drain, or the lame duck, which the stopper ends.
            Phase::Draining { .. } if self.stopped_at == Some(now) && self.is_first_signal_gentle(action) => {}
            Phase::Draining { .. } => self.begin(SignalAction::Stop, now),
            Phase::Over { .. } => {}
        }
    }

    /// True if the first signal does not end the run immediately.
    fn is_first_signal_gentle(&self, action: SignalAction) -> bool {
        action == SignalAction::Drain || !self.lame_duck.is_zero()
    }

    fn begin(&mut self, action: SignalAction, now: Duration) {
        self.phase = match (action, self.phase) {
            (_, Phase::Over { since }) => Phase::Over { since },
            (SignalAction::Stop, _) => Phase::Over { since: now },
            _ => Phase::Draining { until: now + GRACE },
        };
    }

    fn pass_until(&mut self, now: Duration) {
        if let Phase::LameDuck { until } = self.phase
            && until <= now
        {
            self.phase = Phase::Draining { until: until + GRACE };
        }
    }

    /// True if the end was requested.
    pub fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::Running)
    }

    /// True if connections may end because the run does.
    pub fn closes_connections(&mut self, now: Duration) -> bool {
        self.pass_until(now);
        matches!(self.phase, Phase::Draining { .. } | Phase::Over { .. })
    }

    /// Compares the end of the run with the expected end.
    pub fn check(&mut self, end: RunEnd, now: Duration) -> Result<(), String> {
        self.pass_until(now);
        let latest = match self.phase {
            Phase::Running => return Err("the run ends without a request to stop".to_owned()),
            Phase::LameDuck { .. } => return Err("the run ends within the time of the lame duck".to_owned()),
            Phase::Draining { until } | Phase::Over { since: until } => until + NOTICE,
        };
        if now > latest {
            return Err(format!("the run ends at {now:?}, and not by {latest:?}"));
        }
        if self.reasons.contains(&end) { Ok(()) } else { Err(format!("{end:?} is none of {:?}", self.reasons)) }
    }
}
