//! The world around the server: runs the script while the loop sleeps, lets all clients finish after it, and compares
//! with the model after every turn.

mod finishing;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::Token;
use serve_forever::Stopper;
use serve_forever::connection::ServerState;
use serve_forever::reactor::{Mailbox, SignalAction, SignalQueue, Signals};
use serve_forever::session::Ready;

use crate::asks::Facts;
use crate::client::{Client, Fate};
use crate::common::network::{Event, NOT_READY, Network, Script};
use crate::common::seeds::Random;
use crate::ending::{Ending, SIGNALS};
use crate::script::{Failure, Fault, Happening, Sleep};
use crate::site::{Parts, Tree};
use crate::upstream::OtherServer;
use crate::wire::Sessions;

/// More turns than any script needs.
const MOST_TURNS: u64 = 2000;

/// The longest timeout of a loop that has work of its own. Longer timeouts are time limits for clients.
const SOON: Duration = Duration::from_secs(1);

/// The progress after the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The script runs.
    Playing,
    /// Every client sends and reads what its fate allows, until no further event occurs without a deadline.
    Finishing,
    /// The deadlines close the connections that are left.
    WaitingForDeadlines,
    /// The server is told to drain.
    Stopping,
}

pub struct World<'s> {
    pub failure: Option<String>,
    pub turns: u64,
    /// The number of the script's events, and of the events that sleeps reported.
    pub events: u64,
    pub clients: Vec<Client>,
    sessions: Sessions,
    pub ending: Ending,
    /// The signals that the loop has not read, and true if no sleep has reported them.
    pub signals: SignalQueue,
    has_signal: bool,
    pub script: VecDeque<Happening>,
    pub tree: Tree,
    /// The number of reloads.
    pub generation: Rc<Cell<usize>>,
    pub parts: Parts,
    pub state: &'s ServerState,
    pub stopper: Stopper,
    /// The server from which handlers fetch.
    pub other: OtherServer,
    pub random: Random,
    pub fault: Option<Fault>,
    /// Connections may be closed to make room for others.
    pub is_crowded: bool,
    phase: Phase,
}

impl<'s> World<'s> {
    pub fn new(script: &[Happening], state: &'s ServerState, parts: Parts, tree: Tree, stopper: Stopper) -> World<'s> {
        World {
            failure: None,
            turns: 0,
            events: 0,
            clients: Vec::new(),
            sessions: Sessions::new(),
            ending: Ending::new(Duration::ZERO),
            signals: SignalQueue::default(),
            has_signal: false,
            script: script.iter().copied().collect(),
            tree,
            generation: Rc::default(),
            parts,
            state,
            stopper,
            other: OtherServer::default(),
            random: Random::new(script.len() as u64),
            fault: None,
            is_crowded: false,
            phase: Phase::Playing,
        }
    }

    pub fn check(&mut self, result: Result<(), String>) {
        if let (Err(text), None) = (result, &self.failure) {
            self.failure = Some(format!("turn {}: {text}", self.turns));
        }
    }

    fn facts(&mut self, network: &Network) -> Facts {
        let time = network.clock.elapsed();
        let is_stopping = self.ending.closes_connections(time);
        Facts {
            versions: self.tree.versions,
            generation: self.generation.get(),
            works: self.parts.works(),
            time,
            is_stopping,
        }
    }

    fn has(&mut self, fault: Fault) -> bool {
        self.fault == Some(fault) && self.random.one_in(4)
    }

    fn happen(&mut self, network: &mut Network, happening: Happening, events: &mut Vec<Event>) {
        let count = self.clients.len().max(1);
        match happening {
            Happening::Connect { seed } => {
                let client = Client::new(seed, &self.sessions);
                network.connect(client.shares());
                self.clients.push(client);
            }
            Happening::AcceptFails(Failure::Aborted) => {
                network.backlog.borrow_mut().come(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Happening::AcceptFails(Failure::NoDescriptor) => {
                let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
                network.backlog.borrow_mut().come(Err(error));
                self.is_crowded = true;
            }
            Happening::Send { target, most } => {
                let (facts, loses_byte) = (self.facts(network), self.has(Fault::LosesReceivedByte));
                self.clients
                    .get_mut(target % count)
                    .into_iter()
                    .for_each(|client| client.send(most, facts, loses_byte));
            }
            Happening::Take { target, most } => self.take(network, target % count, most),
            Happening::Reset { target } => {
                if let Some(client) = self.clients.get_mut(target % count) {
                    client.fate = Fate::Resets;
                    client.line.borrow_mut().reset();
                }
            }
            Happening::Spurious { target, read, write } => {
                let token = self.clients.get(target % count).and_then(|client| client.line.borrow().token);
                events.extend(token.map(|token| (token, Ready { read, write, ..NOT_READY })));
            }
            Happening::Stale { token } => events.push((Token(token), Ready { read: true, ..NOT_READY })),
            Happening::Work => self.parts.work(),
            Happening::Serve { most } => self.other.serve(most),
            Happening::Change { file } => self.tree.change(file, self.fault),
            Happening::Reload => {
                self.generation.set(self.generation.get() + 1);
                if self.fault != Some(Fault::ForgetsReload) {
                    self.state.set_service(self.parts.service(self.generation.get()));
                }
            }
            Happening::Stop => self.stop(network, SignalAction::Drain),
            Happening::StopNow => self.stop(network, SignalAction::Stop),
            Happening::Signal { number } => self.signal(network, number),
            Happening::Sleep { .. } => unreachable!("sleep handles it"),
        }
    }

    fn stop(&mut self, network: &Network, action: SignalAction) {
        self.ending.stop(action, network.clock.elapsed());
        match action {
            _ if self.fault == Some(Fault::IgnoresStop) => {}
            SignalAction::Stop => self.stopper.stop_now(),
            _ => self.stopper.stop(),
        }
    }

    /// A signal of [`SIGNALS`] arrives.
    fn signal(&mut self, network: &Network, number: usize) {
        let (signal, action) = SIGNALS[number];
        self.ending.signal(signal, action, network.clock.elapsed());
        self.signals.lock().unwrap().push_back(signal);
        self.has_signal = true;
    }

    /// A client reads bytes, and checks the complete responses.
    fn take(&mut self, network: &Network, number: usize, most: usize) {
        let Some(client) = self.clients.get(number) else { return };
        let mut bytes = client.take(most);
        if bytes.is_empty() {
            return;
        }
        let (facts, mut to) = (self.facts(network), number);
        if self.has(Fault::LosesSentByte) {
            bytes.pop();
        } else if self.has(Fault::DoublesBytes) {
            bytes = bytes.repeat(2);
        } else if self.has(Fault::CrossesConnections) {
            to = (number + 1) % self.clients.len();
        }
        let received = self.clients[to].receive(&bytes, &facts, &self.other);
        self.check(received.map_err(|text| format!("client {}: {text}", to + 1)));
    }

    /// The events of a sleep, except those that the planted fault loses.
    fn take_events(&mut self, network: &mut Network) -> Vec<Event> {
        let mut events = network.take_events();
        let mut of_handlers = self.other.take_events(network.clock.elapsed());
        if self.fault == Some(Fault::LosesUpstreamEvents) {
            of_handlers.retain(|_| !self.random.one_in(4));
        }
        events.extend(of_handlers);
        if std::mem::take(&mut self.has_signal) {
            events.push((Signals::TOKEN, Ready { read: true, ..NOT_READY }));
        }
        let listener = network.backlog.borrow().token;
        events.retain_mut(|(token, ready)| match self.fault {
            Some(Fault::LosesReadable) => {
                ready.read &= !self.random.one_in(4);
                true
            }
            Some(Fault::LosesWritable) => {
                ready.write &= !self.random.one_in(4);
                true
            }
            Some(Fault::LosesWakeUps) => *token != Mailbox::TOKEN || self.ending.has_begun(),
            Some(Fault::LosesSignals) => *token != Signals::TOKEN,
            Some(Fault::LosesArrivals) => Some(*token) != listener,
            _ => true,
        });
        events
    }

    /// Ends a sleep of the script.
    fn wake(
        &mut self,
        network: &mut Network,
        timeout: Option<Duration>,
        (time, how): (Duration, Sleep),
        mut events: Vec<Event>,
    ) -> io::Result<Vec<Event>> {
        let now = network.clock.elapsed();
        let late = if let Sleep::Late(late) = how { late } else { Duration::ZERO };
        network.clock.pass_until(now + timeout.map_or(time, |timeout| timeout.min(time)) + late);
        match how {
            Sleep::Interrupted => return Err(io::ErrorKind::Interrupted.into()),
            Sleep::Withheld => return Ok(events),
            _ => events.extend(self.take_events(network)),
        }
        if how == Sleep::Twice {
            events.extend(events.clone());
        } else if how == Sleep::Reversed {
            events.reverse();
        }
        Ok(events)
    }

    /// Compares the connections that have ended with the expected responses of each client.
    fn look(&mut self, network: &Network) {
        let is_ending = self.ending.closes_connections(network.clock.elapsed())
            || matches!(self.phase, Phase::WaitingForDeadlines | Phase::Stopping);
        for number in 0..self.clients.len() {
            if !self.clients[number].line.borrow().is_dropped || self.clients[number].fate == Fate::Resets {
                continue;
            }
            // The kernel still has the bytes that the client has not accepted.
            self.take(network, number, usize::MAX);
            let judged = self.clients[number].judge_end(!is_ending && !self.is_crowded);
            self.check(judged.map_err(|text| format!("client {}: {text}", number + 1)));
            let client = &mut self.clients[number];
            if is_ending || client.may_be_closed() {
                continue;
            }
            let is_evicted = self.is_crowded && client.is_idle();
            // There is no connection for its further requests.
            client.fate = Fate::Resets;
            let result = if is_evicted { Ok(()) } else { Err(format!("the connection of client {} ends", number + 1)) };
            self.check(result);
        }
    }
}

impl Script for World<'_> {
    fn sleep(&mut self, network: &mut Network, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let events = self.play(network, timeout)?;
        self.events += events.len() as u64;
        Ok(events)
    }
}

impl World<'_> {
    /// Plays until a sleep ends.
    fn play(&mut self, network: &mut Network, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        self.turns += 1;
        self.look(network);
        if self.turns > MOST_TURNS {
            self.check(Err("the run does not end".to_owned()));
        }
        if self.failure.is_some() {
            return Err(io::Error::other("the simulation has failed"));
        }
        let mut events = Vec::new();
        while let Some(happening) = self.script.pop_front() {
            self.events += 1;
            if let Happening::Sleep { time, how } = happening {
                return self.wake(network, timeout, (time, how), events);
            }
            self.happen(network, happening, &mut events);
        }
        events.extend(self.finish(network, timeout));
        Ok(events)
    }
}
