//! What the model knows of the loop and of the world.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use serve_forever::Stopper;
use serve_forever::reactor::{RunEnd, RunMode};
use serve_forever::session::Ready;

use crate::acceptors::Backlog;
use crate::common::seeds::Random;
use crate::script::{Fault, Happening};
use crate::sessions::{Client, Life};

/// How many newcomers an acceptor lets in during one turn, and how many idle sessions are sent away at a time.
pub const ACCEPT_BATCH: usize = 64;

/// How long an acceptor rests for which the system has no room.
pub const BACK_OFF: Duration = Duration::from_millis(100);

/// How many stalled sessions go in one turn.
pub const STALLED_BATCH: usize = 8;

/// How long a fruitless search for stalled sessions is good for.
pub const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// After how long without room a session counts as stalled.
pub const STALL: Duration = Duration::from_millis(300);

/// A token is a session's key and one of its slots.
pub const SLOTS: usize = 8;

pub const NOT_READY: Ready = Ready { read: false, write: false, read_closed: false, broken: false };

/// What the model knows, and what the script has made of the world.
pub struct World {
    pub fault: Option<Fault>,
    pub failure: Option<String>,
    pub random: Random,
    pub start: Instant,
    pub now: Instant,
    pub script: VecDeque<Happening>,
    /// How often the mailbox's bell rang since the loop last slept.
    pub rings: Arc<AtomicUsize>,
    pub stopper: Stopper,
    pub until: RunMode,
    pub grace: Duration,
    pub most: usize,
    /// With more sessions than this, a connection that is let in makes stalled sessions go.
    pub short: usize,
    /// No search for stalled sessions has to be made before.
    pub searched_until: Option<Instant>,
    pub acceptors: Vec<Backlog>,
    pub clients: Vec<Client>,
    /// The keys that are in the mailbox.
    pub mail: Vec<usize>,
    /// How long the loop may sleep at most, by what is done between turns.
    pub longest: Option<Duration>,
    pub asked: Option<Asked>,
    pub stopping: Option<Instant>,
    /// Why the run will be over, and when at the latest.
    pub ending: Option<(RunEnd, Option<Instant>)>,
    /// How many were let in or refused.
    pub served: usize,
    pub turns: u64,

    // Of this turn.
    /// What the loop slept for at most.
    pub timeout: Option<Duration>,
    /// It is over, and the next one has not begun.
    pub between: bool,
    /// Who has to be run, and who in the next turn.
    pub expected: BTreeSet<usize>,
    pub next: BTreeSet<usize>,
    pub stepped: Vec<usize>,
    /// Who was asked whether it is idle, said since when, and has nothing to read.
    pub scanned: Vec<(usize, Instant)>,
    pub sent_away: Vec<usize>,
    /// A session had to keep more memory than is good.
    pub memory_is_short: bool,
    /// A session was let in.
    pub let_in: bool,
    /// The sessions that were asked since when they have been stalled.
    pub asked_stalled: usize,
    /// Those that said so, and since when.
    pub stalled: Vec<(usize, Instant)>,
    /// Those that were told that they make room.
    pub evicted: Vec<usize>,
    /// The keys of those who are over.
    pub freed: Vec<usize>,
    pub asked_at_doors: usize,
    pub full_at_first: bool,
    /// The run began to end.
    pub begins_to_end: bool,
    /// The system had no room for a newcomer.
    pub exhausted: bool,
    /// It was begun for what is done between turns.
    pub hurried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Drain,
    Now,
}

impl World {
    pub fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.failure.is_none() {
            self.failure = Some(format!("turn {}: {}", self.turns, otherwise()));
        }
    }

    pub fn present(&self) -> usize {
        self.clients.iter().filter(|client| client.life != Life::Gone).count()
    }

    pub fn here(&self) -> impl Iterator<Item = usize> {
        (0..self.clients.len()).filter(|id| self.clients[*id].life == Life::Here)
    }

    pub fn owner(&self, key: usize) -> Option<usize> {
        self.here().find(|id| self.clients[*id].key == Some(key))
    }
}
