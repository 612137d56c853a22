//! The selector and the clock of the simulation. Every sleep of the loop runs the script up to its next sleep.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Poll, Registry, Token};
use serve_forever::reactor::{Mailbox, Selector, TurnHooks};
use serve_forever::session::{Ready, TurnClock};

use crate::acceptors::{Arrival, Backlog};
use crate::model::{NOT_READY, SLOTS, StopRequest, World};
use crate::script::{Fault, Happening, Sleep};
use crate::sessions::Life;

/// The selector of the simulation. Its poll only provides a registry and is never polled.
pub struct Script {
    pub poll: Poll,
    pub world: Rc<RefCell<World>>,
}

impl Selector for Script {
    type Events = Vec<(Token, Ready)>;

    fn events(&self) -> Self::Events {
        Vec::new()
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn select(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        *events = self.world.borrow_mut().sleep(timeout)?;
        Ok(())
    }

    fn happened(events: &Self::Events) -> impl Iterator<Item = (Token, Ready)> {
        events.iter().copied()
    }

    fn clock(&self) -> (Instant, SystemTime) {
        let world = self.world.borrow();
        (world.now, UNIX_EPOCH + (world.now - world.start))
    }
}

pub struct ModelHooks(pub Rc<RefCell<World>>);

impl TurnHooks for ModelHooks {
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let mut world = self.0.borrow_mut();
        let same = clock.now == world.now && clock.wall == UNIX_EPOCH + (world.now - world.start);
        world.check(same, || "the hooks get another time than the turn's".into());
        world.between = true;
        world.longest
    }
}

impl World {
    /// Begins a turn: plays the script up to the next sleep. Returns the events of that sleep, or `Interrupted`.
    pub fn sleep(&mut self, timeout: Option<Duration>) -> io::Result<Vec<(Token, Ready)>> {
        let over = self.turn_over();
        self.check(over.is_none(), || format!("the run goes on and should have ended: {over:?}"));
        let wanted = self.may_sleep();
        self.check(timeout == wanted, || format!("the timeout is {timeout:?}, expected: {wanted:?}"));
        self.check(self.turns < 5000, || "the run does not end".into());
        if self.failure.is_some() {
            return Err(io::Error::other("the simulation has failed"));
        }
        self.turns += 1;
        self.timeout = timeout;
        self.hook_due = self.longest == Some(Duration::ZERO);
        let mut events = Vec::new();
        let how = self.play(timeout, &mut events);
        self.expected = std::mem::take(&mut self.next);
        self.between = false;
        self.stepped.clear();
        self.idle_asked.clear();
        self.evicted_idle.clear();
        (self.memory_is_short, self.accepted, self.stalled_calls) = (false, false, 0);
        self.stalled.clear();
        self.evicted_stalled.clear();
        self.freed.clear();
        self.accept_calls = 0;
        self.exhausted = false;
        self.acceptors.iter_mut().for_each(|acceptor| acceptor.accepted = 0);
        self.full_at_first = self.in_table() >= self.most;
        if matches!(how, Sleep::Withheld | Sleep::Interrupted) {
            events.clear();
        } else {
            self.gather(&mut events);
            if how == Sleep::Twice {
                events.extend(events.clone());
            }
        }
        events.iter().for_each(|(token, ready)| self.mark(*token, *ready));
        for key in std::mem::take(&mut self.mailbox_keys) {
            self.expected.extend(self.owner(key));
        }
        for id in 0..self.clients.len() {
            let client = &mut self.clients[id];
            if client.life == Life::Live && client.deadline.is_some_and(|deadline| deadline <= self.now) {
                client.deadline = None;
                self.expected.insert(id);
            }
        }
        self.apply_stop();
        self.inject_fault(&mut events);
        if how == Sleep::Interrupted { Err(io::ErrorKind::Interrupted.into()) } else { Ok(events) }
    }

    /// Plays the script until the loop wakes. Returns how the sleep ends.
    pub fn play(&mut self, timeout: Option<Duration>, events: &mut Vec<(Token, Ready)>) -> Sleep {
        while let Some(happening) = self.script.pop_front() {
            if let Happening::Sleep { time, how } = happening {
                let rang = self.rings.load(Ordering::Relaxed) > 0;
                let time = if rang { Duration::ZERO } else { time };
                self.now += timeout.map_or(time, |timeout| timeout.min(time));
                if let Sleep::Late(time) = how {
                    self.now += time;
                }
                return how;
            }
            self.happen(happening, events);
        }
        // After the script no further event occurs, and the run is told to drain.
        self.longest = None;
        if self.requested.is_none() {
            self.ask(StopRequest::Drain);
        } else if self.rings.load(Ordering::Relaxed) == 0
            && self.clients.iter().all(|client| client.unreported == NOT_READY)
        {
            self.check(timeout.is_some(), || "the timeout is infinite although nothing can end the sleep".into());
            self.now += timeout.unwrap_or_default();
        }
        Sleep::Normal
    }

    pub fn ask(&mut self, what: StopRequest) {
        self.requested = Some(if self.requested == Some(StopRequest::Now) { StopRequest::Now } else { what });
        match what {
            _ if self.fault == Some(Fault::ForgetsToStop) => {}
            StopRequest::Drain => self.stopper.stop(),
            StopRequest::Now => self.stopper.stop_now(),
        }
    }

    pub fn happen(&mut self, happening: Happening, events: &mut Vec<(Token, Ready)>) {
        let acceptors = self.acceptors.len();
        let live: Vec<usize> = self.live().collect();
        let at = |target: usize| live.get(target % live.len().max(1)).copied();
        match happening {
            Happening::Come { acceptor, count, seed } => {
                let arrivals = (0..count as u64).map(|number| Arrival::Client(seed ^ (number << 32)));
                self.acceptors[acceptor % acceptors].come(arrivals);
            }
            Happening::ComesUnwanted { acceptor } => self.acceptors[acceptor % acceptors].come([Arrival::Unwanted]),
            Happening::Fails { acceptor, how } => self.acceptors[acceptor % acceptors].come([Arrival::Failure(how)]),
            Happening::Arrive { target, count } => at(target).into_iter().for_each(|id| {
                self.clients[id].unread += count;
                self.clients[id].unreported.read = true;
            }),
            Happening::Writable { target } => at(target).into_iter().for_each(|id| {
                self.clients[id].room = true;
                self.clients[id].unreported.write = true;
            }),
            Happening::Ends { target } => at(target).into_iter().for_each(|id| {
                self.clients[id].closed = true;
                self.clients[id].unreported.add(Ready { read: true, read_closed: true, ..NOT_READY });
            }),
            Happening::Breaks { target } => at(target).into_iter().for_each(|id| {
                self.clients[id].broken = true;
                self.clients[id].unreported = Ready { read: true, write: true, read_closed: true, broken: true };
            }),
            Happening::Spurious { target, ready } => {
                let key = at(target).and_then(|id| self.clients[id].key);
                events.extend(key.map(|key| (Token(key * SLOTS), ready)));
            }
            Happening::ForKey { key, slot } => {
                events.push((Token(key * SLOTS + slot), Ready { read: true, ..NOT_READY }))
            }
            Happening::Wakes { target } => {
                let all = self.clients.len();
                self.wake(target % all.max(1));
            }
            Happening::Longest(time) => self.longest = time,
            Happening::Stop => self.ask(StopRequest::Drain),
            Happening::StopNow => self.ask(StopRequest::Now),
            Happening::Sleep { .. } => unreachable!("play handles it"),
        }
    }

    /// Uses the waker of a session that may have ended.
    pub fn wake(&mut self, target: usize) {
        let Some(client) = self.clients.get(target) else { return };
        let (Some(wake), Some(key)) = (&client.wake, client.key) else { return };
        self.mailbox_keys.push(key);
        if self.fault != Some(Fault::LosesWakeUps) {
            wake.wake();
        }
    }

    /// Collects the events that were not reported yet.
    pub fn gather(&mut self, events: &mut Vec<(Token, Ready)>) {
        for acceptor in &mut self.acceptors {
            if let (true, Some(token)) = (std::mem::take(&mut acceptor.event_due), acceptor.token) {
                events.push((token, Ready { read: true, ..NOT_READY }));
            }
        }
        for client in &mut self.clients {
            if client.registered && client.life == Life::Live && client.unreported != NOT_READY {
                let unreported = std::mem::replace(&mut client.unreported, NOT_READY);
                events.extend(client.key.map(|key| (Token(key * SLOTS), unreported)));
            } else if client.life != Life::Live {
                client.unreported = NOT_READY;
            }
        }
        if self.rings.swap(0, Ordering::Relaxed) > 0 {
            events.push((Mailbox::TOKEN, Ready { read: true, ..NOT_READY }));
        }
    }

    /// Applies an event to the model, as the loop must.
    pub fn mark(&mut self, token: Token, ready: Ready) {
        if token == Mailbox::TOKEN {
        } else if let Some(acceptor) = self.acceptors.iter_mut().find(|acceptor| acceptor.token == Some(token)) {
            acceptor.busy = true;
        } else if let Some(id) = self.owner(token.0 / SLOTS) {
            if token.0.is_multiple_of(SLOTS) {
                self.clients[id].ready.add(ready);
            }
            self.expected.insert(id);
        }
    }

    /// Applies the planted fault to the events.
    pub fn inject_fault(&mut self, events: &mut Vec<(Token, Ready)>) {
        let of_acceptor = |acceptors: &[Backlog], token| acceptors.iter().any(|acceptor| acceptor.token == Some(token));
        match self.fault {
            Some(Fault::LosesEvents) if self.random.one_in(3) => _ = events.pop(),
            Some(Fault::LosesReadiness) => events.iter_mut().for_each(|(_, ready)| *ready = NOT_READY),
            Some(Fault::RunsAnotherSession) => {
                let sessions = events.iter_mut().filter(|(token, _)| token.0 < usize::MAX / 2);
                sessions.for_each(|(token, _)| token.0 += SLOTS);
            }
            Some(Fault::LosesAcceptReadiness) => events.retain(|(token, _)| !of_acceptor(&self.acceptors, *token)),
            _ => {}
        }
    }
}
