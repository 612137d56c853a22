//! Ways in without sockets.

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
use crate::sessions::{Client, Guest, Socket};

/// What is outside of an acceptor, and what the loop has to know of it.
pub struct Backlog {
    pub token: Option<Token>,
    pub waiting: VecDeque<Arrival>,
    /// Somebody came, and the loop was not told yet.
    pub knocks: bool,
    /// Somebody may be there, as far as the loop was told.
    pub busy: bool,
    pub rests: Option<Instant>,
    /// How many this turn.
    pub let_in: usize,
}

pub enum Arrival {
    Client(u64),
    Unwanted,
    Failure(Failure),
}

impl Backlog {
    pub fn come(&mut self, comers: impl IntoIterator<Item = Arrival>) {
        self.waiting.extend(comers);
        self.knocks = true;
    }

    /// Whether somebody may be there who can be let in.
    pub fn may_open(&self, now: Instant) -> bool {
        self.busy && self.rests.is_none_or(|end| end <= now)
    }
}

impl World {
    /// Somebody is to be let in.
    pub fn admit(&mut self, number: usize) -> io::Result<Option<usize>> {
        self.asked_at_doors += 1;
        let once = self.until != RunMode::UntilStopped;
        let begins_to_end = self.begins_to_end && self.stepped.is_empty() && !once;
        self.check(!self.between, || "somebody is let in between two turns".into());
        self.check(self.present() < self.most, || "somebody is let in although there is no room".into());
        self.check(self.ending.is_none() || begins_to_end, || "somebody is let in although the run ends".into());
        self.check(!once || self.served == 0, || "more than one is let in".into());
        let (acceptor, now) = (&self.acceptors[number], self.now);
        let (open, let_in) = (acceptor.may_open(now), acceptor.let_in);
        self.check(open, || "somebody looked outside, where nobody is or a rest is not over".into());
        self.check(begins_to_end || let_in < ACCEPT_BATCH, || "too many are let in in one turn".into());

        let acceptor = &mut self.acceptors[number];
        acceptor.rests = None;
        match acceptor.waiting.pop_front() {
            None => {
                acceptor.busy = false;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Arrival::Failure(failure)) => {
                if failure.exhausted() {
                    self.exhausted |= !begins_to_end;
                    acceptor.rests = Some(now + BACK_OFF);
                    if self.fault == Some(Fault::IgnoresBackOff) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                }
                Err(failure.error())
            }
            Some(Arrival::Unwanted) => {
                acceptor.let_in += 1;
                self.served += 1;
                if once {
                    self.ending = Some((RunEnd::Refused, None));
                }
                Ok(None)
            }
            Some(Arrival::Client(nature)) => {
                acceptor.let_in += 1;
                self.served += 1;
                if once {
                    self.ending = Some((RunEnd::Served, None));
                }
                self.let_in = true;
                let id = self.clients.len();
                self.clients.push(Client::new(nature));
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
        let full = world.present() >= world.most;
        world.check(full, || "somebody looked whether anybody is there instead of asking them in".into());
        let acceptor = &mut world.acceptors[self.number];
        acceptor.busy = !acceptor.waiting.is_empty();
        acceptor.busy
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let mut world = self.world.borrow_mut();
        let same = now == world.now;
        world.check(same, || "it is another time".into());
        let id = world.admit(self.number)?;
        let made =
            |id| Box::new(Guest { socket: Socket { world: Rc::clone(&self.world), id } }) as Box<dyn Session + 's>;
        Ok(id.map(made))
    }
}
