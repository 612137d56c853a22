//! Sessions without sockets. Each makes random choices that the contract of a session permits.

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

/// A session of the model.
pub struct Client {
    pub random: Random,
    pub life: Life,
    pub key: Option<usize>,
    pub registered: bool,
    /// True if its last step returned `Next::Again`.
    pub runs_again: bool,
    /// The readiness that the loop must know.
    pub ready: Ready,
    /// The readiness that was not reported yet.
    pub unreported: Ready,
    pub deadline: Option<Instant>,
    pub wake: Option<Waker>,
    pub unread: usize,
    pub room: bool,
    pub closed: bool,
    pub broken: bool,
    pub idle_since: Option<Instant>,
    /// The time since which it cannot write.
    pub stalled_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Live,
    /// True if it has ended in this turn and is not dropped yet.
    Ended,
    Dropped,
}

impl Client {
    pub fn new(seed: u64) -> Client {
        let mut random = Random::new(seed);
        let unread = random.below(4);
        Client {
            random,
            life: Life::Live,
            key: None,
            registered: false,
            runs_again: false,
            ready: Ready::FRESH,
            unreported: NOT_READY,
            deadline: None,
            wake: None,
            unread,
            room: true,
            closed: false,
            broken: false,
            idle_since: None,
            stalled_since: None,
        }
    }

    /// One step: reads a little, clears the readiness of what is exhausted, and ends at random.
    pub fn decide(&mut self, now: Instant, stopping: bool, ready: &mut Ready) -> Next {
        let was_idle = self.idle_since.take();
        if (ready.broken && self.broken) || (stopping && !self.random.one_in(4)) || self.random.one_in(30) {
            return Next::Close(CloseReason::Complete);
        }
        // A session may leave input unread, and the loop must then report it again.
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
            self.stalled_since = (!self.room).then_some(now);
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
    /// The loop runs a session.
    pub fn step(&mut self, id: usize, ready: &mut Ready, turn: &mut StepContext<'_>) -> Next {
        self.stepped.push(id);
        let (now, stopping) = (self.now, self.stopping);
        let same = (turn.clock.now, turn.clock.stopping) == (now, stopping) && turn.registrar.now() == now;
        self.check(same && !self.between, || "a step gets another time than the turn's".into());
        let client = &self.clients[id];
        let (life, noted) = (client.life, client.ready);
        self.check(life == Life::Live, || format!("{id} is run although it has ended"));
        self.check(noted == *ready, || format!("{id} gets {ready:?}, expected: {noted:?}"));
        if self.clients[id].key.is_none() {
            self.take_key(id, turn);
        }
        let next = self.clients[id].decide(now, stopping.is_some(), ready);
        let all = self.clients.len();
        let some = self.clients[id].random.below(all * 8);
        turn.memory_is_short = self.clients[id].random.one_in(50);
        self.memory_is_short |= turn.memory_is_short;
        self.wake(some);
        let client = &mut self.clients[id];
        client.ready = *ready;
        client.runs_again = next == Next::Again;
        match next {
            Next::Again => _ = self.next.insert(id),
            // A deadline before the start of the loop counts as the start.
            Next::Wait(deadline) => client.deadline = deadline.map(|deadline| deadline.max(self.start)),
            Next::Close(_) => self.leave(id),
        }
        match (self.fault, next) {
            (Some(Fault::ForgetsDeadlines), Next::Wait(_)) => Next::Wait(None),
            (Some(Fault::RunsEarly), Next::Wait(Some(deadline))) => {
                Next::Wait(Some(now + (deadline.max(now) - now) / 2))
            }
            (Some(Fault::ForgetsNextAgain), Next::Again) => Next::Wait(None),
            (Some(Fault::KeepsEndedSessions), Next::Close(_)) => Next::Wait(None),
            _ => next,
        }
    }

    /// The first step: finds the key of the session, which no other session may have had in this turn.
    pub fn take_key(&mut self, id: usize, turn: &mut StepContext<'_>) {
        let mut tap = TokenProbe(None);
        let slot = 1 + id % (SLOTS - 1);
        turn.registrar.register(&mut tap, slot as u8, Interest::READABLE).unwrap();
        let token = tap.0.unwrap().0;
        let key = token / SLOTS;
        let taken = self.freed.contains(&key)
            || self.clients.iter().any(|other| other.life != Life::Dropped && other.key == Some(key));
        self.check(token % SLOTS == slot && !taken, || format!("{id} has the key of another session: {key}"));
        self.clients[id].key = Some(key);
        self.clients[id].wake = Some(turn.registrar.wake());
    }

    pub fn leave(&mut self, id: usize) {
        let client = &mut self.clients[id];
        client.life = Life::Ended;
        client.deadline = None;
        client.idle_since = None;
        client.stalled_since = None;
        self.freed.extend(client.key);
    }
}

pub struct SimulatedSession {
    pub socket: Socket,
}

impl Session for SimulatedSession {
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
        let full =
            world.in_table() >= world.most && world.acceptors.iter().any(|acceptor| !acceptor.waiting.is_empty());
        let exhausted = world.acceptors.iter().any(|acceptor| acceptor.retry_at == Some(world.now + BACK_OFF));
        let needed = life == Life::Live && !world.between && (full || exhausted);
        world.check(needed, || "an idle session is looked for without need".into());
        if readable {
            world.expected.insert(id);
        } else {
            world.idle_asked.push((id, since));
        }
        Some(since)
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        world.stalled_calls += 1;
        let in_turn = now == world.now && !world.between && world.clients[id].life == Life::Live;
        let paused = world.next_search.is_some_and(|end| now < end);
        let needed = world.is_short() && !paused || world.connection_waits();
        world.check(in_turn && needed, || "stalled sessions are looked for without need".into());
        let since = world.clients[id].stalled_since.filter(|since| *since + STALL <= now)?;
        if !world.next.contains(&id) {
            world.stalled.push((id, since));
        }
        Some(since)
    }

    fn evict(&mut self, clock: TurnClock) {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        let is_stalled = clock.now == world.now && world.stalled.iter().any(|(other, _)| *other == id);
        world.check(is_stalled, || format!("{id} is evicted and is not stalled"));
        world.evicted_stalled.push(id);
        world.next.remove(&id);
        world.leave(id);
    }
}

impl Drop for SimulatedSession {
    fn drop(&mut self) {
        let (mut world, id) = (self.socket.world.borrow_mut(), self.socket.id);
        let life = world.clients[id].life;
        if life == Life::Live && !world.between {
            let idle = world.idle_asked.iter().any(|(other, _)| *other == id);
            world.check(idle, || format!("{id} was closed and is not idle"));
            world.evicted_idle.push(id);
            world.leave(id);
        }
        world.clients[id].life = Life::Dropped;
    }
}

/// The source of a simulated session.
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
        // The registration itself reports the current readiness, once.
        client.unreported.add(Ready { read: client.unread > 0, write: client.room, ..NOT_READY });
        client.unreported.add(Ready { read_closed: client.closed, broken: client.broken, ..NOT_READY });
        let in_order = !client.registered
            && !client.runs_again
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

/// A source that stores the token of its registration.
pub struct TokenProbe(pub Option<Token>);

impl Source for TokenProbe {
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
