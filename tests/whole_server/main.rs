//! A seeded simulation of the whole server: the loop, HTTP sessions, files, handlers, the log, reloads and stops, with
//! many clients and another server, from which handlers fetch, on a network and a clock in memory.
//!
//! A seed determines a script of events: clients that connect, send and take a few bytes at a time, half-close, fall
//! silent, stop reading or reset; refused, interrupted and short calls; events that are late, repeated, in another
//! order, spurious, or for a session that has ended; work of another thread; responses of the other server, some of
//! which are late, cut or malformed; files that change; reloads, and a stop in the middle. After the script every
//! client continues according to its fate, and a few others connect. Each response that a client receives must be one
//! that a plain model allows, each request that has arrived must have its response and its log line, each connection
//! must end, and [`serve_forever::trace::faults`] must find no fault in the trace of the run.
//!
//! A third of the connections use TLS. The keys are random and do not depend on the seed, but all lengths are the same
//! in every run. Some TLS clients resume a session, end within the handshake, change a record on its way, or send
//! unencrypted HTTP.
//!
//! `tests/reactor` simulates the bookkeeping of the loop with sessions that behave in any permitted way. Offloaded work
//! and name resolution are not simulated, because they run on threads, whose order no seed determines; handlers connect
//! to addresses. CGI scripts are not simulated, because they are processes, and UDP and raw servers have no model here.
//! Signals come from a queue instead of the signal handlers of the process, so the flag by which these end a stuck
//! process is not simulated either.
//!
//! `SEED=n` replays one seed and writes its trace to a file, `SIM_STEPS=n` runs at least `n` turns of the loop, from
//! the seed `FIRST_SEED` on. A failing script is shrunk before it is printed, and its trace is written too.
#![allow(clippy::unwrap_used)]

mod asks;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod ending;
mod fetch;
mod script;
mod site;
mod tampered;
mod upstream;
mod wire;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use common::dialogue::SECOND;
use common::network::surroundings::SharedText;
use common::network::{Clock, Listener, Network, NetworkSelector};
use common::seeds::{Random, simulate};
use ending::{Ending, GRACE, SIGNALS};
use script::{Fault, Happening, script};
use serve_forever::Stopper;
use serve_forever::handler::SimulatedClock;
use serve_forever::reactor::{Acceptor, Lifetime, Reactor, RunEnd, RunLimits, RunMode, Signals, StopFlag};
use serve_forever::trace::{Recorder, faults};
use site::{Hooks, Lines, Parts, Tree, server};
use tampered::{TamperedListener, transports};
use world::World;

/// A number of turns that takes about half a second in an unoptimised build.
const TURNS: u64 = 1200;

#[test]
fn clients_receive_what_the_model_says() {
    let (runs, all_turns, all_events) = (Cell::new(0_u64), Cell::new(0), Cell::new(0));
    simulate(TURNS, script, |seed, script| {
        let Outcome { turns, events, failure, trace } = run(seed, script, None);
        runs.set(runs.get() + 1);
        all_turns.set(all_turns.get() + turns);
        all_events.set(all_events.get() + events);
        let path = std::env::temp_dir().join(format!("serve-forever-simulation-{seed}.json"));
        if failure.is_some() || std::env::var_os("SEED").is_some() {
            // Of the scripts that shrinking tries, the shortest one that fails is the last one that fails.
            std::fs::write(&path, trace).unwrap();
        }
        failure.map_or(Ok(turns), |failure| Err(format!("{failure}\nthe trace is {}", path.display())))
    });
    println!("{} seeds, {} turns, {} events, no difference", runs.get(), all_turns.get(), all_events.get());
}

#[test]
fn a_seed_makes_the_same_run_twice() {
    for seed in 0..3 {
        let [one, other] = [(); 2].map(|()| run(seed, &script(seed), None).trace);
        assert!(one == other, "seed {seed}");
    }
}

/// The planted faults, and the number of seeds within which each is found.
const PLANTED: [(Fault, u64); 32] = [
    (Fault::LosesReadable, 10),
    (Fault::LosesWritable, 10),
    (Fault::LosesWakeUps, 10),
    (Fault::LosesArrivals, 10),
    (Fault::ForgetsDeadlines, 10),
    (Fault::ForgetsNextAgain, 10),
    (Fault::NeverWaits, 10),
    (Fault::IgnoresStop, 10),
    (Fault::LosesSignals, 10),
    (Fault::EndsLameDuck, 30),
    (Fault::LosesSentByte, 10),
    (Fault::DoublesBytes, 10),
    (Fault::CrossesConnections, 10),
    (Fault::LosesReceivedByte, 10),
    (Fault::HidesTheEnd, 10),
    (Fault::ForgetsToFlush, 10),
    (Fault::HidesPlaintext, 100),
    (Fault::ForgetsNextTurn, 30),
    (Fault::EndsUnannounced, 10),
    (Fault::ForgetsSessions, 10),
    (Fault::ReusesClosed, 30),
    (Fault::ForgetsFetchTimeout, 10),
    (Fault::TakesShortBody, 10),
    (Fault::LosesUpstreamEvents, 30),
    (Fault::ServesOldFile, 10),
    (Fault::TearsFile, 10),
    (Fault::LosesPart, 10),
    (Fault::SleepsTooShort, 10),
    (Fault::TimesOutEarly, 30),
    (Fault::ForgetsReload, 10),
    (Fault::LosesLogLine, 10),
    (Fault::DoublesLogLine, 10),
];

#[test]
fn planted_faults_of_a_server_are_found_within_their_number_of_seeds() {
    for (fault, seeds) in PLANTED {
        let failure = |seed| run(seed, &script(seed), Some(fault)).failure.map(|failure| (seed, failure));
        let found = (0..seeds).find_map(failure);
        let Some((seed, failure)) = found else { panic!("{fault:?} was not found in {seeds} seeds") };
        println!("{fault:?} is found in seed {seed}: {}", failure.lines().next().unwrap_or_default());
        assert!(run(seed, &script(seed), None).failure.is_none(), "seed {seed} fails without {fault:?}");
    }
}

/// The planted faults of the loop that the trace shows, and the number of seeds within which it does.
const SHOWN_BY_TRACE: [(Fault, u64); 3] =
    [(Fault::ForgetsDeadlines, 10), (Fault::ForgetsNextAgain, 10), (Fault::NeverWaits, 10)];

#[test]
fn planted_faults_of_the_loop_are_found_in_the_trace_alone() {
    for (fault, seeds) in SHOWN_BY_TRACE {
        let found = (0..seeds).find(|seed| !faults(&run(*seed, &script(*seed), Some(fault)).trace).is_empty());
        let Some(seed) = found else { panic!("{fault:?} was not found in {seeds} seeds") };
        println!("the trace shows {fault:?} in seed {seed}");
    }
}

/// The outcome of a run.
struct Outcome {
    turns: u64,
    /// The number of the script's events, and of the events that sleeps reported.
    events: u64,
    /// The first difference from the model, or the first fault in the trace.
    failure: Option<String>,
    trace: String,
}

fn run(seed: u64, script: &[Happening], fault: Option<Fault>) -> Outcome {
    let clock = Clock::new();
    let handlers_clock = clock.clone();
    let _simulated = SimulatedClock::set(move || handlers_clock.now());
    let (trace, lines) = (SharedText::default(), Lines::default());
    let recorder = RefCell::new(recorder(&clock, &trace));
    let tree = Tree::new();
    let parts = Parts::new(&tree, fault);
    let state = server(parts.service(0), &lines, fault);
    let (network, mailbox) = Network::new(clock.clone());
    let stop = Arc::new(StopFlag::new(mailbox));
    let mut world = World::new(script, &state, parts.clone(), tree, Stopper::new(Arc::clone(&stop)));
    let mut random = Random::new(seed ^ 0x5eed);
    let (sessions, handshakes) = ([2, 5, 1000][random.below(3)], 1 + random.below(4));
    let lame_duck = Duration::from_millis([0, 300, 3000][random.below(3)]);
    (world.is_crowded, world.random, world.fault) = (sessions < 1000, random, fault);
    world.ending = Ending::new(lame_duck);
    world.other.hides_end = fault == Some(Fault::ReusesClosed);
    let _connections = world.other.receive_connections(Random::new(seed ^ 0xfe7c));
    let mut signals = Signals::simulated(&SIGNALS, Arc::clone(&world.signals));
    let generation = Rc::clone(&world.generation);
    let (backlog, make_transport) = (Rc::clone(&network.backlog), transports(fault));
    let listener = Listener { state: &state, recorder: Some(&recorder), backlog, make_transport: &make_transport };
    let running = stop.begin();
    let mut selector = NetworkSelector::new(network, world);
    let acceptor = Acceptor::new(TamperedListener { listener, fault });
    let limits = RunLimits { sessions: Some(sessions), grace: GRACE, handshakes, ..RunLimits::default() };
    let mut reactor =
        Reactor::observed(&mut selector, &stop, Some(&mut signals), vec![acceptor], limits, &recorder).unwrap();
    let lame_duck = if fault == Some(Fault::EndsLameDuck) { Duration::ZERO } else { lame_duck };
    reactor.set_lifetime(Lifetime { lame_duck, ..Lifetime::default() });
    let ended = reactor.run(RunMode::UntilStopped, &mut Hooks { state: &state, parts, limits, generation });
    drop((reactor, running));
    state.log.borrow_mut().finish();
    let (world, trace) = (&mut selector.script, trace.text());
    let checked = match ended {
        Ok(end) => check_end(world, end, clock.elapsed()),
        Err(error) => Err(format!("the loop fails: {error}")),
    };
    world.check(checked);
    let logged = check_log(world, &lines.lock().unwrap());
    world.check(logged);
    world.check(faults(&trace).into_iter().next().map_or(Ok(()), |fault| Err(format!("the trace: {fault}"))));
    Outcome { turns: world.turns, events: world.events, failure: world.failure.take(), trace }
}

fn recorder(clock: &Clock, trace: &SharedText) -> Recorder {
    let readings = clock.clone();
    let mut recorder = Recorder::with_clock(move || readings.read());
    recorder.trace_to(trace.clone());
    recorder.set_connections(u32::MAX);
    recorder.begin_run(&["192.0.2.80:80".parse().unwrap()], UNIX_EPOCH + Duration::from_secs(SECOND));
    recorder
}

/// Checks that the run has ended in time and has left no connection open.
fn check_end(world: &mut World<'_>, end: RunEnd, now: Duration) -> Result<(), String> {
    world.ending.check(end, now)?;
    world.other.check_end()?;
    let is_open = |line: &common::network::line::Line| line.is_accepted && !line.is_dropped;
    let open = world.clients.iter().filter(|client| is_open(&client.line.borrow())).count();
    if open > 0 { Err(format!("{open} connections outlive the run")) } else { Ok(()) }
}

/// Checks that every response that a client has received has a line in the log, and that no request has two.
fn check_log(world: &World<'_>, lines: &[String]) -> Result<(), String> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for client in &world.clients {
        for (number, request) in client.requests.iter().enumerate() {
            let (least, most) = counts.entry(format!("\"request\":\"{} HTTP/1.1\"", request.line())).or_default();
            // The log line of an incomplete request is cut.
            *least += usize::from(number < client.statuses.len().min(client.asked()));
            *most += 1;
        }
    }
    for (key, (least, most)) in counts {
        let count = lines.iter().filter(|line| line.contains(&key)).count();
        if !(least..=most).contains(&count) {
            return Err(format!("the log has {count} lines for {least} to {most} requests with {key}: {lines:?}"));
        }
    }
    Ok(())
}
