//! A seeded simulation of the loop. It compares the bookkeeping of the loop with a plain model, on a selector and a
//! clock that a script controls.
//!
//! A seed determines a script of events: connections, refusals and failures at the acceptors; input, writability, ends
//! and resets at sessions; events that are late, repeated, spurious, or for a session that has ended; wake-ups from
//! other threads, also for keys of other sessions; sleeps that are interrupted or last too long; a stop in the middle.
//! For every turn the model predicts which sessions must run and with which readiness, how long the loop may sleep,
//! which connections may be accepted, which sessions may be closed, and when the run ends.
//!
//! `SEED=n` replays one seed, `SIM_STEPS=n` runs at least `n` turns. A failing script is shrunk before it is printed.
#![allow(clippy::unwrap_used)]

mod acceptors;
mod checks;
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod ends;
mod handshakes;
mod model;
mod script;
mod selector;
mod sessions;

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acceptors::{Backlog, Listening};
use common::seeds::{Random, shrink, simulate};
use mio::Poll;
use model::World;
use script::{Fault, Happening, script};
use selector::{ModelHooks, Script};
use serve_forever::Stopper;
use serve_forever::reactor::{Acceptor, Mailbox, Reactor, RunLimits, RunMode, StopFlag};

/// A number of turns that takes a few seconds in an unoptimised build.
const TURNS: u64 = 100_000;

#[test]
fn the_loop_does_what_the_model_does() {
    simulate(TURNS, script, |seed, script| run(seed, script, None));
}

/// Each of these represents a fault in the loop's bookkeeping that the simulation must find.
#[test]
fn planted_faults_of_the_loop_are_found() {
    for fault in [
        Fault::LosesEvents,
        Fault::LosesReadiness,
        Fault::RunsAnotherSession,
        Fault::LosesAcceptReadiness,
        Fault::LosesWakeUps,
        Fault::ForgetsDeadlines,
        Fault::RunsEarly,
        Fault::ForgetsNextAgain,
        Fault::KeepsEndedSessions,
        Fault::AcceptsOneTooMany,
        Fault::IgnoresBackOff,
        Fault::ForgetsToStop,
    ] {
        let found = (0..400).find(|seed| run(*seed, &script(*seed), Some(fault)).is_err());
        assert!(found.is_some(), "{fault:?} was not found");
    }
}

#[test]
fn a_failing_script_is_shrunk_to_the_steps_that_fail() {
    let run = |script: &[u64]| if script.iter().sum::<u64>() > 16 { Err(format!("{script:?}")) } else { Ok(1) };
    let (script, failure) = shrink((0..10).collect(), String::new(), run);
    assert_eq!((script, failure.as_str()), (vec![8, 9], "[8, 9]"));
}

/// Runs a script. Returns the number of turns, or the first difference between the loop and the model.
fn run(seed: u64, script: &[Happening], fault: Option<Fault>) -> Result<u64, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let most = [1, 2, 3, 8, 100, 1000][random.below(6)];
    let percent = [0, 50, 90, 100][random.below(4)];
    let short = most * percent / 100;
    let start = Instant::now();
    let mode = match random.below(16) {
        0 => RunMode::OneSession(None),
        1 => RunMode::OneSession(start.checked_add(Duration::from_millis(random.below(300) as u64))),
        _ => RunMode::UntilStopped,
    };
    let grace = Duration::from_millis([0, 100, 5000][random.below(3)]);
    let rings = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&rings);
    let mailbox = Arc::new(Mailbox::new(move || _ = bell.fetch_add(1, Ordering::Relaxed)));
    let stop = Arc::new(StopFlag::new(mailbox));
    let world = World {
        fault,
        failure: None,
        random,
        start,
        now: start,
        script: script.iter().copied().collect(),
        rings,
        stopper: Stopper::new(Arc::clone(&stop)),
        mode,
        grace,
        most,
        short,
        next_search: None,
        acceptors: Vec::new(),
        clients: Vec::new(),
        mailbox_keys: Vec::new(),
        longest: None,
        requested: None,
        stopping: None,
        end: None,
        served: 0,
        turns: 0,
        timeout: None,
        between: true,
        expected: BTreeSet::new(),
        next: BTreeSet::new(),
        stepped: Vec::new(),
        idle_asked: Vec::new(),
        evicted_idle: Vec::new(),
        memory_is_short: false,
        accepted: false,
        stalled_calls: 0,
        stalled: Vec::new(),
        evicted_stalled: Vec::new(),
        freed: Vec::new(),
        accept_calls: 0,
        full_at_first: false,
        drain_begins: false,
        exhausted: false,
        hook_due: false,
    };
    let world = Rc::new(RefCell::new(world));
    let mut selector = Script { poll: Poll::new().unwrap(), world: Rc::clone(&world) };
    let acceptors = (0..1 + seed as usize % 2).map(|number| {
        let acceptor = Backlog {
            token: None,
            waiting: VecDeque::new(),
            event_due: false,
            busy: true,
            retry_at: None,
            accepted: 0,
        };
        world.borrow_mut().acceptors.push(acceptor);
        Acceptor::new(Listening { world: Rc::clone(&world), number })
    });
    let acceptors = acceptors.collect();
    let most = if fault == Some(Fault::AcceptsOneTooMany) { most + 1 } else { most };
    let running = stop.begin();
    let limits = RunLimits { sessions: Some(most), short: percent as u8, grace, ..RunLimits::default() };
    let mut reactor = Reactor::new(&mut selector, &stop, None, acceptors, limits).unwrap();
    let ended = reactor.run(mode, &mut ModelHooks(Rc::clone(&world)));
    world.borrow_mut().end(ended);
    drop((reactor, running));
    let mut world = world.borrow_mut();
    let (left, shut) = (world.in_table(), world.acceptors.iter().all(|acceptor| acceptor.token.is_none()));
    world.check(left == 0 && shut, || format!("{left} sessions outlive the loop, acceptors deregistered: {shut}"));
    world.failure.take().map_or(Ok(world.turns), Err)
}
