//! Acceptors without sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use mio::{Registry, Token};
use serve_forever::reactor::{Accept, RunEnd, RunMode};
use serve_forever::session::Session;

use crate::model::{ACCEPT_BATCH, BACK_OFF, World};
use crate::script::{Failure, Fault};
use crate::sessions::{Client, SimulatedSession, Socket};

/// The pending connections of an acceptor, and the loop's expected knowledge of them.
pub struct Backlog {
    pub token: Option<Token>,
    pub waiting: VecDeque<Arrival>,
    /// True if a connection has arrived for which the loop has had no event.
    pub event_due: bool,
    /// True if, according to what the loop knows, a connection may be pending.
    pub busy: bool,
    pub retry_at: Option<Instant>,
    /// The number of connections that were accepted or refused in this turn.
    pub accepted: usize,
}

pub enum Arrival {
    Client(u64),
    Unwanted,
    Failure(Failure),
}

impl Backlog {
    pub fn come(&mut self, arrivals: impl IntoIterator<Item = Arrival>) {
        self.waiting.extend(arrivals);
        self.event_due = true;
    }

    /// True if the loop may call `accept`.
    pub fn may_accept(&self, now: Instant) -> bool {
        self.busy && self.retry_at.is_none_or(|end| end <= now)
    }
}

impl World {
    /// The loop calls `accept`. Returns the id of the new client, or `None` for a refused connection.
    pub fn admit(&mut self, number: usize) -> io::Result<Option<usize>> {
        self.accept_calls += 1;
        let once = self.mode != RunMode::UntilStopped;
        let drain_begins = self.drain_begins && self.stepped.is_empty() && !once;
        self.check(!self.between, || "accept is called between two turns".into());
        self.check(self.in_table() < self.most, || "accept is called although the table is full".into());
        self.check(self.end.is_none() || drain_begins, || "accept is called although the run ends".into());
        self.check(!once || self.served == 0, || "a second connection is accepted".into());
        let (acceptor, now) = (&self.acceptors[number], self.now);
        let (open, accepted) = (acceptor.may_accept(now), acceptor.accepted);
        self.check(open, || "accept is called although no connection is pending or the back-off has not ended".into());
        self.check(drain_begins || accepted < ACCEPT_BATCH, || "too many connections are accepted in one turn".into());

        let acceptor = &mut self.acceptors[number];
        acceptor.retry_at = None;
        match acceptor.waiting.pop_front() {
            None => {
                acceptor.busy = false;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Arrival::Failure(failure)) => {
                if failure.exhausted() {
                    self.exhausted |= !drain_begins;
                    acceptor.retry_at = Some(now + BACK_OFF);
                    if self.fault == Some(Fault::IgnoresBackOff) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                }
                Err(failure.error())
            }
            Some(Arrival::Unwanted) => {
                acceptor.accepted += 1;
                self.served += 1;
                if once {
                    self.end = Some((RunEnd::Refused, None));
                }
                Ok(None)
            }
            Some(Arrival::Client(seed)) => {
                acceptor.accepted += 1;
                self.served += 1;
                if once {
                    self.end = Some((RunEnd::Served, None));
                }
                self.accepted = true;
                let id = self.clients.len();
                self.clients.push(Client::new(seed));
                self.expected.insert(id);
                Ok(Some(id))
            }
        }
    }
}

pub struct Listening {
    pub world: Rc<RefCell<World>>,
    pub number: usize,
}

impl<'s> Accept<'s> for Listening {
    fn register(&mut self, _: &Registry, token: Token) -> io::Result<()> {
        self.world.borrow_mut().acceptors[self.number].token = Some(token);
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) {
        self.world.borrow_mut().acceptors[self.number].token = None;
    }

    fn has_pending(&self) -> bool {
        let mut world = self.world.borrow_mut();
        let full = world.in_table() >= world.most;
        world.check(full, || "the loop asks for a pending connection although it could accept it".into());
        let acceptor = &mut world.acceptors[self.number];
        acceptor.busy = !acceptor.waiting.is_empty();
        acceptor.busy
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let mut world = self.world.borrow_mut();
        let same = now == world.now;
        world.check(same, || "accept gets another time than the turn's".into());
        let id = world.admit(self.number)?;
        let made = |id| {
            Box::new(SimulatedSession { socket: Socket { world: Rc::clone(&self.world), id } }) as Box<dyn Session + 's>
        };
        Ok(id.map(made))
    }
}
