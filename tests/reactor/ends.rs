//! The ends of a run that no stopper requests: at a time, at the end of an input, and after a signal.

use std::collections::VecDeque;
use std::io::PipeWriter;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mio::Poll;
use serve_forever::reactor::{InputEnd, Mailbox, Reactor, RunEnd, RunLimits, RunMode, Signals, StopFlag, TurnHooks};
use serve_forever::session::TurnClock;
use serve_forever::{Lifetime, SignalAction};
use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::low_level::raise;

/// This is longer than any test takes.
const HOUR: Duration = Duration::from_secs(3600);

/// Closes a pipe after the second turn, raises signals after the following turns, and counts the calls.
#[derive(Default)]
struct Hooks {
    writer: Option<PipeWriter>,
    signals: Vec<i32>,
    turns: usize,
    stopping: usize,
    reloads: usize,
}

impl TurnHooks for Hooks {
    fn after_turn(&mut self, _: TurnClock) -> Option<Duration> {
        self.turns += 1;
        assert!(self.turns < 1000, "the run does not end");
        if self.turns == 3 {
            self.writer = None;
        } else if self.turns > 3 && !self.signals.is_empty() {
            raise(self.signals.remove(0)).unwrap();
        }
        Some(Duration::ZERO)
    }

    fn reload(&mut self) {
        self.reloads += 1;
    }

    fn stopping(&mut self) {
        self.stopping += 1;
    }
}

/// Runs a loop without acceptors. Returns the end of the run.
fn run(lifetime: Lifetime, input: Option<&mut InputEnd>, hooks: &mut Hooks) -> RunEnd {
    let actions = [(SIGUSR1, SignalAction::Drain), (SIGUSR2, SignalAction::Reload)];
    let mut signals = (!hooks.signals.is_empty()).then(|| Signals::new(&actions).unwrap());
    let stop = Arc::new(StopFlag::new(Arc::new(Mailbox::new(|| {}))));
    let mut poll = Poll::new().unwrap();
    let mut reactor = Reactor::new(&mut poll, &stop, signals.as_mut(), Vec::new(), RunLimits::default()).unwrap();
    reactor.set_lifetime(lifetime);
    if let Some(input) = input {
        reactor.drain_at_end_of(input).unwrap();
    }
    let end = reactor.run(RunMode::UntilStopped, hooks).unwrap();
    assert_eq!(hooks.stopping, 1, "the end is announced once");
    end
}

#[test]
fn a_run_ends_when_its_duration_or_its_idle_time_is_over() {
    let over = Some(Duration::ZERO);
    for (duration, idle) in [(over, None), (None, over), (Some(HOUR), over), (over, Some(HOUR))] {
        let lifetime = Lifetime { duration, idle, ..Lifetime::default() };
        assert_eq!(run(lifetime, None, &mut Hooks::default()), RunEnd::Expired, "{lifetime:?}");
    }
}

/// Never shortens a sleep.
struct Patient;

impl TurnHooks for Patient {
    fn after_turn(&mut self, _: TurnClock) -> Option<Duration> {
        None
    }
}

#[test]
fn of_two_signals_that_arrive_together_the_second_is_read_without_another_event() {
    let actions = [(1, SignalAction::Drain), (2, SignalAction::Drain)];
    let queue = Arc::new(Mutex::new(VecDeque::from([1, 2])));
    let mut signals = Signals::simulated(&actions, queue);
    let stop = Arc::new(StopFlag::new(Arc::new(Mailbox::new(|| {}))));
    let mut poll = Poll::new().unwrap();
    let mut reactor = Reactor::new(&mut poll, &stop, Some(&mut signals), Vec::new(), RunLimits::default()).unwrap();
    // The first signal begins it, and the second ends it.
    reactor.set_lifetime(Lifetime { lame_duck: Duration::from_secs(2), ..Lifetime::default() });
    assert_eq!(reactor.run(RunMode::UntilStopped, &mut Patient).unwrap(), RunEnd::Signal(2));
}

#[test]
fn a_run_ends_with_its_input() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut hooks = Hooks { writer: Some(writer), ..Hooks::default() };
    assert_eq!(run(Lifetime::default(), Some(&mut InputEnd::new(reader.into())), &mut hooks), RunEnd::Stopped);
    assert!(hooks.turns >= 3, "the input had not ended before");
}

/// One test for all signals, because they are those of the process.
#[test]
fn a_run_ends_by_a_signal_and_its_lame_duck_by_another() {
    for (lame_duck, signals) in
        [(Duration::ZERO, vec![SIGUSR2, SIGUSR2, SIGUSR1]), (HOUR, vec![SIGUSR1, SIGUSR2, SIGUSR1])]
    {
        let reloads = signals.iter().filter(|signal| **signal == SIGUSR2).count();
        let mut hooks = Hooks { signals, ..Hooks::default() };
        let lifetime = Lifetime { lame_duck, ..Lifetime::default() };
        assert_eq!(run(lifetime, None, &mut hooks), RunEnd::Signal(SIGUSR1));
        assert_eq!((hooks.reloads, hooks.signals.len()), (reloads, 0));
    }
}
