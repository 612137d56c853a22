//! The model: the state of the simulated world, and the loop's expected knowledge of it.

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

/// The maximum number of connections that an acceptor accepts in one turn, and of idle sessions that are closed at a
/// time.
pub const ACCEPT_BATCH: usize = 64;

/// The time for which an acceptor waits after the system had no descriptor or memory left.
pub const BACK_OFF: Duration = Duration::from_millis(100);

/// The maximum number of stalled sessions that are closed in one turn.
pub const STALLED_BATCH: usize = 8;

/// The pause after a search that found no stalled session.
pub const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// A session counts as stalled after it could not write for this time.
pub const STALL: Duration = Duration::from_millis(300);

/// The number of slots of a session. A token is `key * SLOTS + slot`.
pub const SLOTS: usize = 8;

pub const NOT_READY: Ready = Ready { read: false, write: false, read_closed: false, broken: false };

/// The state of the model and of the world.
pub struct World {
    pub fault: Option<Fault>,
    pub failure: Option<String>,
    pub random: Random,
    pub start: Instant,
    pub now: Instant,
    pub script: VecDeque<Happening>,
    /// The number of times that the mailbox woke the loop since its last sleep.
    pub rings: Arc<AtomicUsize>,
    pub stopper: Stopper,
    pub mode: RunMode,
    pub grace: Duration,
    pub most: usize,
    /// With more sessions than this, an accepted connection makes the loop close stalled sessions.
    pub short: usize,
    /// Before this time, the loop need not search for stalled sessions.
    pub next_search: Option<Instant>,
    pub acceptors: Vec<Backlog>,
    pub clients: Vec<Client>,
    /// The keys in the mailbox.
    pub mailbox_keys: Vec<usize>,
    /// The longest sleep that the hooks allow.
    pub longest: Option<Duration>,
    pub requested: Option<StopRequest>,
    pub stopping: Option<Instant>,
    /// The end that the run has begun, and its deadline.
    pub end: Option<(RunEnd, Option<Instant>)>,
    /// The number of connections that were accepted or refused.
    pub served: usize,
    pub turns: u64,

    // The state of one turn.
    /// The timeout of the sleep.
    pub timeout: Option<Duration>,
    /// The turn has ended, and the next one has not begun.
    pub between: bool,
    /// The sessions that must run in this turn, and those that must run in the next.
    pub expected: BTreeSet<usize>,
    pub next: BTreeSet<usize>,
    pub stepped: Vec<usize>,
    /// The sessions that the loop asked for their idle time, with that time. Those with input are left out.
    pub idle_asked: Vec<(usize, Instant)>,
    pub evicted_idle: Vec<usize>,
    /// A session reported that memory is short.
    pub memory_is_short: bool,
    /// A connection was accepted.
    pub accepted: bool,
    /// The number of sessions that the loop asked since when they are stalled.
    pub stalled_calls: usize,
    /// The stalled sessions among them, with that time.
    pub stalled: Vec<(usize, Instant)>,
    /// The sessions on which the loop called `evict`.
    pub evicted_stalled: Vec<usize>,
    /// The keys of the sessions that ended in this turn.
    pub freed: Vec<usize>,
    pub accept_calls: usize,
    pub full_at_first: bool,
    /// The run began to drain.
    pub drain_begins: bool,
    /// An `accept` failed for lack of descriptors or memory.
    pub exhausted: bool,
    /// The hooks allowed no sleep before it.
    pub hook_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopRequest {
    Drain,
    Now,
}

impl World {
    pub fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds && self.failure.is_none() {
            self.failure = Some(format!("turn {}: {}", self.turns, otherwise()));
        }
    }

    pub fn in_table(&self) -> usize {
        self.clients.iter().filter(|client| client.life != Life::Dropped).count()
    }

    pub fn live(&self) -> impl Iterator<Item = usize> {
        (0..self.clients.len()).filter(|id| self.clients[*id].life == Life::Live)
    }

    pub fn owner(&self, key: usize) -> Option<usize> {
        self.live().find(|id| self.clients[*id].key == Some(key))
    }
}
