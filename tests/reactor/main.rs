//! A seeded simulation of the loop: its bookkeeping against a plain model, on a selector and a clock that a script moves.
//!
//! A seed makes a script of what happens: newcomers, refusals and failures at the acceptors; bytes, room, ends and resets
//! at sessions; events that come late, twice, for no reason or for somebody who is gone; wakes from elsewhere, also for
//! strangers; sleeps that are interrupted or last too long; a stop in the middle. The model says for every turn who has
//! to be run and what its socket is ready for, how long the loop may sleep, who may be let in and sent away, and when
//! the run is over.
//!
//! `SEED=n` replays one seed, `SIM_STEPS=n` runs so many turns. A failure is shrunk before it is shown.
#![allow(clippy::unwrap_used)]

mod acceptors;
#[path = "../common/mod.rs"]
mod common;
mod judge;
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
use selector::{Between, Script};
use serve_forever::Stopper;
use serve_forever::reactor::{Acceptor, Mailbox, Reactor, RunLimits, RunMode, StopFlag};

/// As many turns as take a few seconds unoptimised.
const TURNS: u64 = 100_000;

#[test]
fn the_loop_does_what_the_model_does() {
    simulate(TURNS, script, |seed, script| run(seed, script, None));
}

/// Each of these would be a fault of the loop's bookkeeping if it were there: the simulation has to see it.
#[test]
fn planted_faults_of_the_loop_are_found() {
    for fault in [
        Fault::LosesEvents,
        Fault::LosesReadiness,
        Fault::RunsAnother,
        Fault::LosesAcceptReadiness,
        Fault::LosesMail,
        Fault::ForgetsDeadlines,
        Fault::RunsEarly,
        Fault::ForgetsWhoGoesOn,
        Fault::KeepsTheDead,
        Fault::AcceptsOneTooMany,
        Fault::IgnoresBackOff,
        Fault::ForgetsToStop,
    ] {
        let found = (0..400).find(|seed| run(*seed, &script(*seed), Some(fault)).is_err());
        assert!(found.is_some(), "nobody noticed: {fault:?}");
    }
}

#[test]
fn a_script_that_fails_is_shrunk_to_what_it_needs() {
    let run = |script: &[u64]| if script.iter().sum::<u64>() > 16 { Err(format!("{script:?}")) } else { Ok(1) };
    let (script, failure) = shrink((0..10).collect(), String::new(), run);
    assert_eq!((script, failure.as_str()), (vec![8, 9], "[8, 9]"));
}

/// Runs a script; an error tells what went wrong. Otherwise returns how many turns the loop took.
fn run(seed: u64, script: &[Happening], fault: Option<Fault>) -> Result<u64, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let most = [1, 2, 3, 8, 100, 1000][random.below(6)];
    let percent = [0, 50, 90, 100][random.below(4)];
    let short = most * percent / 100;
    let start = Instant::now();
    let until = match random.below(16) {
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
        until,
        grace,
        most,
        short,
        searched_until: None,
        acceptors: Vec::new(),
        clients: Vec::new(),
        mail: Vec::new(),
        longest: None,
        asked: None,
        stopping: None,
        ending: None,
        served: 0,
        turns: 0,
        timeout: None,
        between: true,
        expected: BTreeSet::new(),
        next: BTreeSet::new(),
        stepped: Vec::new(),
        scanned: Vec::new(),
        sent_away: Vec::new(),
        memory_is_short: false,
        let_in: false,
        asked_stalled: 0,
        stalled: Vec::new(),
        evicted: Vec::new(),
        freed: Vec::new(),
        asked_at_doors: 0,
        full_at_first: false,
        begins_to_end: false,
        exhausted: false,
        hurried: false,
    };
    let world = Rc::new(RefCell::new(world));
    let mut selector = Script { poll: Poll::new().unwrap(), world: Rc::clone(&world) };
    let acceptors = (0..1 + seed as usize % 2).map(|number| {
        let acceptor =
            Backlog { token: None, waiting: VecDeque::new(), knocks: false, busy: true, rests: None, let_in: 0 };
        world.borrow_mut().acceptors.push(acceptor);
        Acceptor::new(Listening { world: Rc::clone(&world), number })
    });
    let acceptors = acceptors.collect();
    let most = if fault == Some(Fault::AcceptsOneTooMany) { most + 1 } else { most };
    let running = stop.begin();
    let limits = RunLimits { sessions: Some(most), short: percent as u8, grace };
    let mut reactor = Reactor::new(&mut selector, &stop, None, acceptors, limits).unwrap();
    let ended = reactor.run(until, &mut Between(Rc::clone(&world)));
    world.borrow_mut().end(ended);
    drop((reactor, running));
    let mut world = world.borrow_mut();
    let (left, shut) = (world.present(), world.acceptors.iter().all(|acceptor| acceptor.token.is_none()));
    world.check(left == 0 && shut, || format!("{left} sessions outlive the loop, acceptors are shut: {shut}"));
    world.failure.take().map_or(Ok(world.turns), Err)
}
