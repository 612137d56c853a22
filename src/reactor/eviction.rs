//! Eviction, which closes idle sessions to make room for a pending connection, and stalled sessions if descriptors or
//! memory are short.

use std::time::{Duration, Instant};

use super::acceptor::ACCEPT_BATCH;
use super::hooks::Capacity;
use super::table::{SessionEntry, SessionTable};
use crate::observer::LoopObserver;
use crate::session::{CloseReason, TurnClock};

/// The maximum number of stalled sessions that are closed in one turn. Closing a session frees its descriptor and its
/// buffers, so the next turn may have enough room.
const STALLED_BATCH: usize = 8;

/// The minimum time between a search that found no stalled session and the next search. Without it, a busy loop would
/// query every session in each turn.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Determines at the end of a turn if stalled sessions are closed. The flags record the reasons that have arisen during
/// the turn.
#[derive(Default)]
pub(super) struct Eviction {
    /// True if a connection was accepted in this turn.
    accepted: bool,
    /// True if there is no room for a pending connection and no idle session can be closed for it.
    connection_waits: bool,
    /// True if a session needed more memory while the memory of all sessions together was close to its limit.
    memory_is_short: bool,
    /// The earliest time of the next search for stalled sessions. Ignored while a connection is waiting. `None` if the
    /// last search found stalled sessions, or if no search has taken place.
    next_search: Option<Instant>,
}

impl Eviction {
    pub(super) fn note_accepted(&mut self) {
        self.accepted = true;
    }

    pub(super) fn note_memory(&mut self, is_short: bool) {
        self.memory_is_short |= is_short;
    }

    /// Closes the sessions that have been idle longest, up to the number of connections that one turn accepts. The
    /// search queries every session. Closing several sessions at once makes searches rare.
    pub(super) fn evict_idle(&mut self, sessions: &mut SessionTable<'_>, observer: &mut impl LoopObserver) {
        let idle =
            |(key, entry): (usize, &SessionEntry<'_>)| Some((entry.session.idle_since()?, key, entry.ready.read));
        // If the socket of an idle session may have input, that input could be a request. Such a session runs in the
        // next turn, and may be evicted later if it is still idle.
        let (unsure, mut idle): (Vec<_>, Vec<_>) = sessions.live().filter_map(idle).partition(|(_, _, read)| *read);
        // If no session is idle, only closing a stalled one can make room for the connection.
        self.connection_waits |= idle.is_empty() && unsure.is_empty();
        let count = ACCEPT_BATCH.min(idle.len());
        // Only the set of the sessions that have been idle longest matters and not their order, so they need not be
        // sorted.
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

    /// Closes the sessions that have been stalled longest, if a connection is waiting or descriptors or memory are
    /// short.
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
            // `next_search` is set inside the loop, so that an empty table, which costs nothing to search, does not
            // delay the next search.
            self.next_search = Some(clock.now + SEARCH_PAUSE);
            let since = entry.session.stalled_since(clock.now);
            // A session that is queued for the next turn is not closed. Its key would be freed, and a new session with
            // the same key would run in its place.
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::observer::Unobserved;
    use crate::reactor::test_session::TestSession;
    use crate::session::Activity;

    const CAPACITY: Capacity = Capacity { most: 100, short: 90 };

    /// A table of sessions that wait for an event, as after a step that has read all input.
    fn waiting(sessions: impl IntoIterator<Item = TestSession>) -> SessionTable<'static> {
        let mut table = SessionTable::new(Instant::now());
        for session in sessions {
            let key = table.insert(Box::new(session));
            table.begin_step(key).unwrap().ready.read = false;
        }
        table.take_runnable();
        table
    }

    fn evict_stalled(eviction: &mut Eviction, table: &mut SessionTable<'_>, now: Instant) -> Vec<usize> {
        eviction.evict_stalled(table, CAPACITY, TurnClock::new(now, UNIX_EPOCH), &mut Unobserved);
        table.finished().to_vec()
    }

    #[test]
    fn the_sessions_that_were_idle_longest_are_closed() {
        let start = Instant::now();
        // The first session of the table became idle last.
        let since = (0..=ACCEPT_BATCH as u64).rev().map(|seconds| start + Duration::from_secs(seconds));
        let mut table = waiting(since.map(TestSession::idle));
        Eviction::default().evict_idle(&mut table, &mut Unobserved);
        assert_eq!(table.finished().len(), ACCEPT_BATCH);
        assert!(!table.finished().contains(&0));
    }

    #[test]
    fn a_stalled_session_is_closed_for_a_connection_only_if_no_session_is_idle() {
        let now = Instant::now();
        for (has_idle, has_input, closed) in [(false, false, vec![0]), (true, false, vec![1]), (true, true, vec![])] {
            let idle = has_idle.then(|| TestSession::idle(now));
            let mut table = waiting([TestSession::stalled(now)].into_iter().chain(idle));
            if has_input {
                table.begin_step(1).unwrap().ready.read = true;
            }
            let mut eviction = Eviction::default();
            eviction.evict_idle(&mut table, &mut Unobserved);
            assert_eq!(evict_stalled(&mut eviction, &mut table, now), closed, "idle {has_idle}, input {has_input}");
        }
    }

    #[test]
    fn a_stalled_session_is_closed_if_any_session_found_memory_short() {
        let now = Instant::now();
        for (notes, closed) in [(vec![], vec![]), (vec![false], vec![]), (vec![true, false], vec![0])] {
            let (mut table, mut eviction) = (waiting([TestSession::stalled(now)]), Eviction::default());
            notes.iter().for_each(|is_short| eviction.note_memory(*is_short));
            assert_eq!(evict_stalled(&mut eviction, &mut table, now), closed, "{notes:?}");
        }
    }

    #[test]
    fn after_a_search_without_a_result_the_next_one_waits_for_the_pause() {
        let now = Instant::now();
        let just_less = SEARCH_PAUSE - Duration::from_millis(1);
        let mut table = waiting([TestSession::stalled(now + just_less), TestSession::new(Activity::Receiving)]);
        let mut eviction = Eviction::default();
        for (time, closed) in [(now, vec![]), (now + just_less, vec![]), (now + SEARCH_PAUSE, vec![0])] {
            eviction.note_memory(true);
            assert_eq!(evict_stalled(&mut eviction, &mut table, time), closed);
        }
    }
}
