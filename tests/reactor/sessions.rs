//! Sessions without sockets, which do what they like within what a session may do.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use serve_forever::service::Waker;
use serve_forever::session::{CloseReason, Next, Ready, Session, StepContext, TurnClock};

use crate::common::seeds::Random;
use crate::model::{BACK_OFF, NOT_READY, SLOTS, STALL, World};
use crate::script::Fault;

/// A session, as the model knows it.
pub struct Client {
    pub random: Random,
    pub life: Life,
    pub key: Option<usize>,
    pub registered: bool,
    /// It asked to be run again, and did not wait.
    pub goes_on: bool,
    /// What the loop has noted.
    pub ready: Ready,
    /// What happened and was not told.
    pub untold: Ready,
    pub deadline: Option<Instant>,
    pub wake: Option<Waker>,
    pub unread: usize,
    pub room: bool,
    pub closed: bool,
    pub broken: bool,
    pub idle_since: Option<Instant>,
    /// Since when there has been no room for what it sends.
    pub stuck_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Here,
    /// It has said so, and the turn is not over.
    Over,
    Gone,
}

impl Client {
    pub fn new(nature: u64) -> Client {
        let mut random = Random::new(nature);
        let unread = random.below(4);
        Client {
            random,
            life: Life::Here,
            key: None,
            registered: false,
            goes_on: false,
            ready: Ready::FRESH,
            untold: NOT_READY,
            deadline: None,
            wake: None,
            unread,
            room: true,
            closed: false,
            broken: false,
            idle_since: None,
            stuck_since: None,
        }
    }

    /// What a session does that reads a little at a time, believes only what it tries, and goes when it likes.
    pub fn decide(&mut self, now: Instant, stopping: bool, ready: &mut Ready) -> Next {
        let was_idle = self.idle_since.take();
        if (ready.broken && self.broken) || (stopping && !self.random.one_in(4)) || self.random.one_in(30) {
            return Next::Close(CloseReason::Complete);
        }
        // Some do not look at what came before they like.
        if ready.read && !self.random.one_in(6) {
            self.unread -= self.unread.min(2);
            ready.read = self.unread > 0;
            if self.unread == 0 && ready.read_closed {
                return Next::Close(CloseReason::ClientDone);
            }
        }
        if ready.write && self.random.one_in(3) {
            self.room = !self.room;
            ready.write = self.room;
            self.stuck_since = (!self.room).then_some(now);
        }
        if self.unread > 0 && ready.read && self.random.one_in(2) || self.random.one_in(12) {
            return Next::Again;
        }
        if self.unread == 0 && !stopping && self.random.one_in(2) {
            self.idle_since = Some(was_idle.unwrap_or(now));
        }
        let some = Duration::from_millis(self.random.below(2000) as u64);
        Next::Wait(match self.random.below(8) {
            0 => None,
            1 => now.checked_sub(some),
            2 => Some(now),
            3 => now.checked_add(Duration::from_secs(1_000_000)),
            _ => now.checked_add(some),
        })
    }
}

impl World {
    /// A session is run.
    pub fn step(&mut self, id: usize, ready: &mut Ready, turn: &mut StepContext<'_>) -> Next {
        self.stepped.push(id);
        let (now, stopping) = (self.now, self.stopping);
        let same = (turn.clock.now, turn.clock.stopping) == (now, stopping) && turn.registrar.now() == now;
        self.check(same && !self.between, || "it is another time".into());
        let client = &self.clients[id];
        let (life, noted) = (client.life, client.ready);
        self.check(life == Life::Here, || format!("{id} is run although it is over"));
        self.check(noted == *ready, || format!("{id} is told {ready:?} and not {noted:?}"));
        if self.clients[id].key.is_none() {
            self.meet(id, turn);
        }
        let next = self.clients[id].decide(now, stopping.is_some(), ready);
        let all = self.clients.len();
        let some = self.clients[id].random.below(all * 8);
        turn.memory_is_short = self.clients[id].random.one_in(50);
        self.memory_is_short |= turn.memory_is_short;
        self.wake(some);
        let client = &mut self.clients[id];
        client.ready = *ready;
        client.goes_on = next == Next::Again;
        match next {
            Next::Again => _ = self.next.insert(id),
            // Before the loop began is as good as then.
            Next::Wait(deadline) => client.deadline = deadline.map(|deadline| deadline.max(self.start)),
            Next::Close(_) => self.leave(id),
        }
        match (self.fault, next) {
            (Some(Fault::ForgetsDeadlines), Next::Wait(_)) => Next::Wait(None),
            (Some(Fault::RunsEarly), Next::Wait(Some(deadline))) => {
                Next::Wait(Some(now + (deadline.max(now) - now) / 2))
            }
            (Some(Fault::ForgetsWhoGoesOn), Next::Again) => Next::Wait(None),
            (Some(Fault::KeepsTheDead), Next::Close(_)) => Next::Wait(None),
            _ => next,
        }
    }

    /// The first step: a session learns its key, which nobody else may have had in this turn.
    pub fn meet(&mut self, id: usize, turn: &mut StepContext<'_>) {
        let mut tap = Tap(None);
        let slot = 1 + id % (SLOTS - 1);
        turn.registrar.register(&mut tap, slot as u8, Interest::READABLE).unwrap();
        let token = tap.0.unwrap().0;
        let key = token / SLOTS;
        let taken = self.freed.contains(&key)
            || self.clients.iter().any(|other| other.life != Life::Gone && other.key == Some(key));
        self.check(token % SLOTS == slot && !taken, || format!("{id} has a key that another has: {key}"));
        self.clients[id].key = Some(key);
        self.clients[id].wake = Some(turn.registrar.wake());
    }

    pub fn leave(&mut self, id: usize) {
        let client = &mut self.clients[id];
        client.life = Life::Over;
        client.deadline = None;
        client.idle_since = None;
        client.stuck_since = None;
        self.freed.extend(client.key);
    }
}

pub struct Guest {
    pub socket: Socket,
}

impl Session for Guest {
    fn step(&mut self, ready: &mut Ready, turn: &mut StepContext<'_>) -> Next {
        self.socket.world.borrow_mut().step(self.socket.id, ready, turn)
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.socket
    }

    fn idle_since(&self) -> Option<Instant> {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        let client = &world.clients[id];
        let (since, readable, life) = (client.idle_since?, client.ready.read, client.life);
        let full = world.present() >= world.most && world.acceptors.iter().any(|acceptor| !acceptor.waiting.is_empty());
        let exhausted = world.acceptors.iter().any(|acceptor| acceptor.rests == Some(world.now + BACK_OFF));
        let needed = life == Life::Here && !world.between && (full || exhausted);
        world.check(needed, || "there is no need to send anybody away".into());
        if readable {
            world.expected.insert(id);
        } else {
            world.scanned.push((id, since));
        }
        Some(since)
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        world.asked_stalled += 1;
        let in_turn = now == world.now && !world.between && world.clients[id].life == Life::Here;
        let paused = world.searched_until.is_some_and(|end| now < end);
        let needed = world.is_short() && !paused || world.keeps_out();
        world.check(in_turn && needed, || "stalled sessions are looked for without need".into());
        let since = world.clients[id].stuck_since.filter(|since| *since + STALL <= now)?;
        if !world.next.contains(&id) {
            world.stalled.push((id, since));
        }
        Some(since)
    }

    fn evict(&mut self, clock: TurnClock) {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        let is_stalled = clock.now == world.now && world.stalled.iter().any(|(other, _)| *other == id);
        world.check(is_stalled, || format!("{id} makes room and is not stalled"));
        world.evicted.push(id);
        world.next.remove(&id);
        world.leave(id);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        let life = world.clients[id].life;
        if life == Life::Here && !world.between {
            let idle = world.scanned.iter().any(|(other, _)| *other == id);
            world.check(idle, || format!("{id} was sent away and is not idle"));
            world.sent_away.push(id);
            world.leave(id);
        }
        world.clients[id].life = Life::Gone;
    }
}

/// A connection without a socket.
pub struct Socket {
    pub world: Rc<RefCell<World>>,
    pub id: usize,
}

impl Source for Socket {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        let (mut world, id) = (self.world.borrow_mut(), self.id);
        let client = &mut world.clients[id];
        if client.random.one_in(40) {
            world.leave(id);
            return Err(io::Error::other("no room in the selector"));
        }
        // What is ready already is told once.
        client.untold.add(Ready { read: client.unread > 0, write: client.room, ..NOT_READY });
        client.untold.add(Ready { read_closed: client.closed, broken: client.broken, ..NOT_READY });
        let in_order = !client.registered
            && !client.goes_on
            && client.key == Some(token.0 / SLOTS)
            && token.0.is_multiple_of(SLOTS);
        client.registered = true;
        world.check(in_order, || format!("{id} is registered wrongly as {token:?}"));
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the token that it is registered with.
pub struct Tap(pub Option<Token>);

impl Source for Tap {
    fn register(&mut self, _: &Registry, token: Token, _: Interest) -> io::Result<()> {
        self.0 = Some(token);
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}
