//! Eviction: closes idle sessions for a pending connection, and stalled sessions when descriptors or memory are short.

use std::time::{Duration, Instant};

use super::acceptor::ACCEPT_BATCH;
use super::hooks::Capacity;
use super::table::{SessionEntry, SessionTable};
use crate::observer::LoopObserver;
use crate::session::{CloseReason, TurnClock};

/// The most stalled sessions that are closed in one turn. Each one frees a descriptor and its buffers, so that the next
/// turn may have room enough.
const STALLED_BATCH: usize = 8;

/// The pause after a search that found no stalled session. A busy loop would ask every session in each turn otherwise.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// The reasons of one turn for closing stalled sessions.
#[derive(Default)]
pub(super) struct Eviction {
    /// A connection was accepted.
    accepted: bool,
    /// A connection is pending, there is no room for it, and no session is idle.
    connection_waits: bool,
    /// A session had to keep more memory, and little is left.
    memory_is_short: bool,
    /// The time before which no other search is made, unless a connection waits.
    next_search: Option<Instant>,
}

impl Eviction {
    pub(super) fn note_accepted(&mut self) {
        self.accepted = true;
    }

    pub(super) fn note_memory(&mut self, is_short: bool) {
        self.memory_is_short |= is_short;
    }

    /// Closes the sessions that have been idle longest, as many as one turn accepts connections: the search asks every
    /// session, so it should seldom be repeated.
    pub(super) fn evict_idle(&mut self, sessions: &mut SessionTable<'_>, observer: &mut impl LoopObserver) {
        let idle =
            |(key, entry): (usize, &SessionEntry<'_>)| Some((entry.session.idle_since()?, key, entry.ready.read));
        // An idle session whose socket may have input may have received a request. It runs in the next turn, and is
        // evicted later if it is still idle.
        let (unsure, mut idle): (Vec<_>, Vec<_>) = sessions.live().filter_map(idle).partition(|(_, _, read)| *read);
        // If no session is idle, only a stalled one can make room for the connection.
        self.connection_waits |= idle.is_empty() && unsure.is_empty();
        let count = ACCEPT_BATCH.min(idle.len());
        // Only the set of the oldest matters, not their order, so the idle sessions are not sorted.
        if count < idle.len() {
            idle.select_nth_unstable(count);
        }
        for (_, key, _) in &idle[..count] {
            sessions.finish(*key);
            observer.evicted(*key, CloseReason::Idle);
        }
        for (_, key, _) in unsure {
            sessions.queue(key);
        }
    }

    /// Closes the sessions that have been stalled longest, if descriptors or memory are short.
    pub(super) fn evict_stalled(
        &mut self,
        sessions: &mut SessionTable<'_>,
        capacity: Capacity,
        clock: TurnClock,
        observer: &mut impl LoopObserver,
    ) {
        let crowded = std::mem::take(&mut self.accepted) && sessions.len() > capacity.short;
        let urgent = std::mem::take(&mut self.connection_waits);
        let needed = std::mem::take(&mut self.memory_is_short) || crowded;
        if !urgent && (!needed || self.next_search.is_some_and(|next| clock.now < next)) {
            return;
        }
        let mut stalled = Vec::new();
        for (key, entry) in sessions.live() {
            // Set inside of the loop: an empty table was not searched, and needs no pause.
            self.next_search = Some(clock.now + SEARCH_PAUSE);
            let since = entry.session.stalled_since(clock.now);
            // A session that is queued for the next turn must keep its key until then: another session with the same
            // key would be run in its place.
            stalled.extend(since.filter(|_| !entry.is_queued()).map(|since| (since, key)));
        }
        if !stalled.is_empty() {
            self.next_search = None;
        }
        stalled.sort_unstable();
        for (_, key) in stalled.into_iter().take(STALLED_BATCH) {
            sessions.evict(key, clock);
            observer.evicted(key, CloseReason::Stalled);
        }
    }
}
