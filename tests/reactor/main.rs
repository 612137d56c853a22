//! A seeded simulation of the loop: its bookkeeping against a plain model, on a selector and a clock that a script moves.
//!
//! A seed makes a script of what happens: newcomers, refusals and failures at the doors; bytes, room, ends and resets
//! at sessions; events that come late, twice, for no reason or for somebody who is gone; wakes from elsewhere, also for
//! strangers; sleeps that are interrupted or last too long; a stop in the middle. The model says for every turn who has
//! to be run and what its socket is ready for, how long the loop may sleep, who may be let in and sent away, and when
//! the run is over.
//!
//! `SEED=n` replays one seed, `SIM_STEPS=n` runs so many turns. A failure is shrunk before it is shown.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod doors;
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

use common::random::Random;
use doors::{Gate, Outside};
use mio::Poll;
use model::World;
use script::{Fault, Happening, script};
use selector::{Between, Script};
use serve_forever::Stopper;
use serve_forever::reactor::{Door, Mailbox, Reactor, Stop, Until};

/// As many turns as take a few seconds unoptimised.
const TURNS: u64 = 100_000;

#[test]
fn the_loop_does_what_the_model_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        report(seed);
        return;
    }
    let (mut turns, mut seed) = (0, 0);
    while turns < number("SIM_STEPS").unwrap_or(TURNS) {
        turns += report(seed);
        seed += 1;
    }
}

/// Each of these would be a fault of the loop's bookkeeping if it were there: the simulation has to see it.
#[test]
fn planted_faults_of_the_loop_are_found() {
    for fault in [
        Fault::LosesEvents,
        Fault::LosesReadiness,
        Fault::RunsAnother,
        Fault::LosesKnocks,
        Fault::LosesMail,
        Fault::ForgetsDeadlines,
        Fault::RunsEarly,
        Fault::ForgetsWhoGoesOn,
        Fault::KeepsTheDead,
        Fault::LetsInOneTooMany,
        Fault::KnowsNoRest,
        Fault::ForgetsToStop,
    ] {
        let found = (0..400).find(|seed| run(*seed, &script(*seed), Some(fault)).is_err());
        assert!(found.is_some(), "nobody noticed: {fault:?}");
    }
}

/// Runs one seed and returns how many turns it took; a failure is shrunk and shown.
fn report(seed: u64) -> u64 {
    let mut list = script(seed);
    let mut failure = match run(seed, &list, None) {
        Ok(turns) => return turns,
        Err(failure) => failure,
    };
    while let Some((shorter, other)) = (0..list.len()).find_map(|without| {
        let mut shorter = list.clone();
        shorter.remove(without);
        Some((shorter.clone(), run(seed, &shorter, None).err()?))
    }) {
        (list, failure) = (shorter, other);
    }
    panic!("SEED={seed}: {failure}\nwith {list:?}");
}

/// Runs a script; an error tells what went wrong. Otherwise returns how many turns the loop took.
fn run(seed: u64, script: &[Happening], fault: Option<Fault>) -> Result<u64, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let most = [1, 2, 3, 8, 100, 1000][random.below(6)];
    let start = Instant::now();
    let until = match random.below(16) {
        0 => Until::OneSession(None),
        1 => Until::OneSession(start.checked_add(Duration::from_millis(random.below(300) as u64))),
        _ => Until::Stopped,
    };
    let grace = Duration::from_millis([0, 100, 5000][random.below(3)]);
    let rings = Arc::new(AtomicUsize::new(0));
    let bell = Arc::clone(&rings);
    let mailbox = Arc::new(Mailbox::new(move || _ = bell.fetch_add(1, Ordering::Relaxed)));
    let stop = Arc::new(Stop::new(Arc::clone(&mailbox)));
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
        doors: Vec::new(),
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
        freed: Vec::new(),
        asked_at_doors: 0,
        full_at_first: false,
        begins_to_end: false,
        exhausted: false,
        hurried: false,
    };
    let world = Rc::new(RefCell::new(world));
    let doors = (0..1 + seed as usize % 2).map(|number| {
        let door = Outside { token: None, waiting: VecDeque::new(), knocks: false, busy: true, rests: None, let_in: 0 };
        world.borrow_mut().doors.push(door);
        Door::new(Gate { world: Rc::clone(&world), number })
    });
    let doors = doors.collect();
    let mut selector = Script { poll: Poll::new().unwrap(), world: Rc::clone(&world) };
    let most = if fault == Some(Fault::LetsInOneTooMany) { most + 1 } else { most };
    let running = stop.begin();
    let mut reactor = Reactor::new(&mut selector, mailbox, None, doors, most).unwrap();
    let ended = reactor.run(&stop, until, grace, &mut Between(Rc::clone(&world)));
    world.borrow_mut().end(ended);
    drop((reactor, running));
    let mut world = world.borrow_mut();
    let (left, shut) = (world.present(), world.doors.iter().all(|door| door.token.is_none()));
    world.check(left == 0 && shut, || format!("{left} sessions outlive the loop, doors are shut: {shut}"));
    world.failure.take().map_or(Ok(world.turns), Err)
}
