//! The selector and the clock of the simulation: every sleep of the loop goes on with the script.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Poll, Registry, Token};
use serve_forever::reactor::{Mailbox, Selector, TurnHooks};
use serve_forever::session::{Ready, TurnClock};

use crate::acceptors::{Arrival, Backlog};
use crate::model::{Asked, NOT_READY, SLOTS, World};
use crate::script::{Fault, Happening, Sleep};
use crate::sessions::Life;

/// The selector of the simulation. Its poll is there for its registry; nobody polls it.
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

pub struct Between(pub Rc<RefCell<World>>);

impl TurnHooks for Between {
    fn after_turn(&mut self, clock: TurnClock) -> Option<Duration> {
        let mut world = self.0.borrow_mut();
        let same = clock.now == world.now && clock.wall == UNIX_EPOCH + (world.now - world.start);
        world.check(same, || "it is another time".into());
        world.between = true;
        world.longest
    }
}

impl World {
    /// Begins a turn: the script goes on to the next sleep. Returns the events, or that the sleep was interrupted.
    pub fn sleep(&mut self, timeout: Option<Duration>) -> io::Result<Vec<(Token, Ready)>> {
        let over = self.turn_over();
        self.check(over.is_none(), || format!("the run goes on and should be over: {over:?}"));
        let wanted = self.may_sleep();
        self.check(timeout == wanted, || format!("the loop sleeps {timeout:?} and not {wanted:?}"));
        self.check(self.turns < 5000, || "the loop runs in a circle".into());
        if self.failure.is_some() {
            return Err(io::Error::other("the simulation has failed"));
        }
        self.turns += 1;
        self.timeout = timeout;
        self.hurried = self.longest == Some(Duration::ZERO);
        let mut events = Vec::new();
        let how = self.play(timeout, &mut events);
        self.expected = std::mem::take(&mut self.next);
        self.between = false;
        self.stepped.clear();
        self.scanned.clear();
        self.sent_away.clear();
        (self.memory_is_short, self.let_in, self.asked_stalled) = (false, false, 0);
        self.stalled.clear();
        self.evicted.clear();
        self.freed.clear();
        self.asked_at_doors = 0;
        self.exhausted = false;
        self.acceptors.iter_mut().for_each(|acceptor| acceptor.let_in = 0);
        self.full_at_first = self.present() >= self.most;
        if matches!(how, Sleep::Deaf | Sleep::Interrupted) {
            events.clear();
        } else {
            self.gather(&mut events);
            if how == Sleep::Twice {
                events.extend(events.clone());
            }
        }
        events.iter().for_each(|(token, ready)| self.note(*token, *ready));
        for key in std::mem::take(&mut self.mail) {
            self.expected.extend(self.owner(key));
        }
        for id in 0..self.clients.len() {
            let client = &mut self.clients[id];
            if client.life == Life::Here && client.deadline.is_some_and(|deadline| deadline <= self.now) {
                client.deadline = None;
                self.expected.insert(id);
            }
        }
        self.heed();
        self.spoil(&mut events);
        if how == Sleep::Interrupted { Err(io::ErrorKind::Interrupted.into()) } else { Ok(events) }
    }

    /// What happens until the loop wakes, and how it does.
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
        // When the script is over the world holds still, and the run is asked to end.
        self.longest = None;
        if self.asked.is_none() {
            self.ask(Asked::Drain);
        } else if self.rings.load(Ordering::Relaxed) == 0
            && self.clients.iter().all(|client| client.untold == NOT_READY)
        {
            self.check(timeout.is_some(), || "the loop sleeps for ever".into());
            self.now += timeout.unwrap_or_default();
        }
        Sleep::Sound
    }

    pub fn ask(&mut self, what: Asked) {
        self.asked = Some(if self.asked == Some(Asked::Now) { Asked::Now } else { what });
        match what {
            _ if self.fault == Some(Fault::ForgetsToStop) => {}
            Asked::Drain => self.stopper.stop(),
            Asked::Now => self.stopper.stop_now(),
        }
    }

    pub fn happen(&mut self, happening: Happening, events: &mut Vec<(Token, Ready)>) {
        let acceptors = self.acceptors.len();
        let here: Vec<usize> = self.here().collect();
        let at = |whom: usize| here.get(whom % here.len().max(1)).copied();
        match happening {
            Happening::Come { acceptor, count, nature } => {
                let comers = (0..count as u64).map(|number| Arrival::Client(nature ^ (number << 32)));
                self.acceptors[acceptor % acceptors].come(comers);
            }
            Happening::ComesInVain { acceptor } => self.acceptors[acceptor % acceptors].come([Arrival::Unwanted]),
            Happening::Fails { acceptor, how } => self.acceptors[acceptor % acceptors].come([Arrival::Failure(how)]),
            Happening::Arrive { whom, count } => at(whom).into_iter().for_each(|id| {
                self.clients[id].unread += count;
                self.clients[id].untold.read = true;
            }),
            Happening::HasRoom { whom } => at(whom).into_iter().for_each(|id| {
                self.clients[id].room = true;
                self.clients[id].untold.write = true;
            }),
            Happening::Ends { whom } => at(whom).into_iter().for_each(|id| {
                self.clients[id].closed = true;
                self.clients[id].untold.add(Ready { read: true, read_closed: true, ..NOT_READY });
            }),
            Happening::Breaks { whom } => at(whom).into_iter().for_each(|id| {
                self.clients[id].broken = true;
                self.clients[id].untold = Ready { read: true, write: true, read_closed: true, broken: true };
            }),
            Happening::Spurious { whom, ready } => {
                let key = at(whom).and_then(|id| self.clients[id].key);
                events.extend(key.map(|key| (Token(key * SLOTS), ready)));
            }
            Happening::ForKey { key, slot } => {
                events.push((Token(key * SLOTS + slot), Ready { read: true, ..NOT_READY }))
            }
            Happening::Wakes { whom } => {
                let all = self.clients.len();
                self.wake(whom % all.max(1));
            }
            Happening::Longest(time) => self.longest = time,
            Happening::Stop => self.ask(Asked::Drain),
            Happening::StopNow => self.ask(Asked::Now),
            Happening::Sleep { .. } => unreachable!("it was looked at before"),
        }
    }

    /// Has somebody woken, who may be gone.
    pub fn wake(&mut self, whom: usize) {
        let Some(client) = self.clients.get(whom) else { return };
        let (Some(wake), Some(key)) = (&client.wake, client.key) else { return };
        self.mail.push(key);
        if self.fault != Some(Fault::LosesMail) {
            wake.wake();
        }
    }

    /// Tells what was not told yet.
    pub fn gather(&mut self, events: &mut Vec<(Token, Ready)>) {
        for acceptor in &mut self.acceptors {
            if let (true, Some(token)) = (std::mem::take(&mut acceptor.knocks), acceptor.token) {
                events.push((token, Ready { read: true, ..NOT_READY }));
            }
        }
        for client in &mut self.clients {
            if client.registered && client.life == Life::Here && client.untold != NOT_READY {
                let untold = std::mem::replace(&mut client.untold, NOT_READY);
                events.extend(client.key.map(|key| (Token(key * SLOTS), untold)));
            } else if client.life != Life::Here {
                client.untold = NOT_READY;
            }
        }
        if self.rings.swap(0, Ordering::Relaxed) > 0 {
            events.push((Mailbox::TOKEN, Ready { read: true, ..NOT_READY }));
        }
    }

    /// What the loop has to make of an event.
    pub fn note(&mut self, token: Token, ready: Ready) {
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

    /// Does to the events what the fault does.
    pub fn spoil(&mut self, events: &mut Vec<(Token, Ready)>) {
        let of_door = |acceptors: &[Backlog], token| acceptors.iter().any(|acceptor| acceptor.token == Some(token));
        match self.fault {
            Some(Fault::LosesEvents) if self.random.one_in(3) => _ = events.pop(),
            Some(Fault::LosesReadiness) => events.iter_mut().for_each(|(_, ready)| *ready = NOT_READY),
            Some(Fault::RunsAnother) => {
                let sessions = events.iter_mut().filter(|(token, _)| token.0 < usize::MAX / 2);
                sessions.for_each(|(token, _)| token.0 += SLOTS);
            }
            Some(Fault::LosesAcceptReadiness) => events.retain(|(token, _)| !of_door(&self.acceptors, *token)),
            _ => {}
        }
    }
}
