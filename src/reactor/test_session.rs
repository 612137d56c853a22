//! A session for unit tests of the table and of eviction. The test sets its state, and no step changes it.

use std::time::Instant;

use crate::session::{Activity, Next, Ready, Session, StepContext};
use crate::transport::NoSource;

pub(super) struct TestSession {
    pub(super) idle_since: Option<Instant>,
    /// The time from which the session counts as stalled, which can be in the future.
    pub(super) stalled_since: Option<Instant>,
    pub(super) activity: Activity,
    source: NoSource,
}

impl TestSession {
    pub(super) fn new(activity: Activity) -> TestSession {
        TestSession { idle_since: None, stalled_since: None, activity, source: NoSource }
    }

    pub(super) fn idle(since: Instant) -> TestSession {
        TestSession { idle_since: Some(since), ..TestSession::new(Activity::Quiet(since)) }
    }

    pub(super) fn stalled(since: Instant) -> TestSession {
        TestSession { stalled_since: Some(since), ..TestSession::new(Activity::Responding) }
    }
}

impl Session for TestSession {
    fn step(&mut self, _: &mut Ready, _: &mut StepContext<'_>) -> Next {
        Next::Wait(None)
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        &mut self.source
    }

    fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    fn activity(&self) -> Activity {
        self.activity
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        self.stalled_since.filter(|since| *since <= now)
    }
}
