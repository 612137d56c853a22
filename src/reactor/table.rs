//! The table of sessions. It also contains the state that the loop keeps for each session, the queue of sessions to
//! run, and the keys to free.
//!
//! Invariant: a key is in the queue at most once, and is freed only by [`SessionTable::reap`].

use std::time::Instant;

use slab::Slab;

use super::deadlines::Deadlines;
use crate::observer::LoopState;
use crate::session::{Activity, Ready, Session, TurnClock};

/// All sessions of a loop, indexed by key.
pub(super) struct SessionTable<'s> {
    entries: Slab<SessionEntry<'s>>,
    deadlines: Deadlines,
    /// The keys of the sessions to run, in the order in which they were marked.
    runnable: Vec<usize>,
    /// The keys of the sessions that ended in this turn.
    finished: Vec<usize>,
    /// The start of the last turn in which a session was dropped. Initially the beginning of the run.
    last_end: Instant,
}

/// A session, and the state that the loop keeps for it.
pub(super) struct SessionEntry<'s> {
    pub(super) session: Box<dyn Session + 's>,
    pub(super) ready: Ready,
    /// True if the session's socket is registered with the poll.
    pub(super) registered: bool,
    /// True if the session's key is in the queue.
    queued: bool,
    /// True if the session ended in this turn and must not be run again.
    finished: bool,
}

impl<'s> SessionTable<'s> {
    /// Creates an empty table. Deadlines before `start` count as `start`.
    pub(super) fn new(start: Instant) -> SessionTable<'s> {
        SessionTable {
            entries: Slab::new(),
            deadlines: Deadlines::new(start),
            runnable: Vec::new(),
            finished: Vec::new(),
            last_end: start,
        }
    }

    /// The time since which no request has been in progress and no session has begun or ended. `None` while a request
    /// is in progress.
    pub(super) fn inactive_since(&self) -> Option<Instant> {
        let since = |entry: &SessionEntry<'_>| match entry.session.activity() {
            Activity::Quiet(since) => Some(since),
            Activity::Receiving | Activity::Responding => None,
        };
        self.live().try_fold(self.last_end, |latest, (_, entry)| Some(latest.max(since(entry)?)))
    }

    /// The number of sessions that are producing or sending a response.
    pub(super) fn responding(&self) -> usize {
        self.live().filter(|(_, entry)| entry.session.activity() == Activity::Responding).count()
    }

    /// The number of sessions. Those that ended in this turn are included, because they own their descriptors until
    /// they are dropped.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The numbers that are reported to an observer: all sessions, sessions that will run in the next turn, and entries
    /// in the deadline heap.
    pub(super) fn state(&self) -> LoopState {
        LoopState { sessions: self.len(), runnable: self.runnable.len(), deadlines: self.deadlines.entries() }
    }

    /// Adds a session and queues it. Returns its key.
    pub(super) fn insert(&mut self, session: Box<dyn Session + 's>) -> usize {
        let entry = SessionEntry { session, ready: Ready::FRESH, registered: false, queued: true, finished: false };
        let key = self.entries.insert(entry);
        self.runnable.push(key);
        key
    }

    /// The sessions that have not ended, with their keys.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &SessionEntry<'s>)> {
        self.entries.iter().filter(|(_, entry)| !entry.finished)
    }

    /// Queues a session, unless it is already in the queue or has ended. Does nothing if no session has this key,
    /// because a wake-up can arrive after its session has been dropped.
    pub(super) fn queue(&mut self, key: usize) {
        if let Some(entry) = self.entries.get_mut(key)
            && !entry.queued
            && !entry.finished
        {
            entry.queued = true;
            self.runnable.push(key);
        }
    }

    /// Queues every session.
    pub(super) fn queue_all(&mut self) {
        let keys: Vec<usize> = self.entries.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.queue(key));
    }

    /// Queues every session whose deadline has passed, and calls `tell` with the key of each.
    pub(super) fn queue_due(&mut self, now: Instant, mut tell: impl FnMut(usize)) {
        while let Some(key) = self.deadlines.due(now) {
            tell(key);
            self.queue(key);
        }
    }

    /// Queues a session because one of its sources has an event.
    pub(super) fn mark_ready(&mut self, key: usize, slot: usize, ready: Ready) {
        // Readiness is stored only for slot 0, which is the session's socket. The other slots belong to upstreams,
        // which do not need it: after any event, they try to read from and write to their sources.
        if slot == 0
            && let Some(entry) = self.entries.get_mut(key)
        {
            // Flags are added and never replaced, because an edge-triggered poll reports a change only once. If a flag
            // were lost before the session had acted on it, the session would wait forever for another report. The
            // session clears a flag when a call returns `WouldBlock`. A TCP session may also clear the read flag after
            // a read that did not fill its buffer, because the socket is then empty.
            entry.ready.add(ready);
        }
        self.queue(key);
    }

    pub(super) fn has_runnable(&self) -> bool {
        !self.runnable.is_empty()
    }

    /// Takes the queue. Sessions that are queued while these sessions run will run in the next turn.
    pub(super) fn take_runnable(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.runnable)
    }

    /// Returns the memory of the queue that [`take_runnable`](Self::take_runnable) took, so that it can be reused.
    pub(super) fn return_runnable(&mut self, mut keys: Vec<usize>) {
        // Few sessions are queued while others run, so copying their keys is cheaper than allocating in every turn.
        keys.append(&mut self.runnable);
        self.runnable = keys;
    }

    /// Returns the session whose key was taken from the queue, and marks it as no longer queued. Returns `None` if the
    /// session has ended since it was queued.
    pub(super) fn begin_step(&mut self, key: usize) -> Option<&mut SessionEntry<'s>> {
        let entry = self.entries.get_mut(key).filter(|entry| !entry.finished)?;
        // The flag is cleared before the step, so that an event or wake-up during the step queues the session again.
        entry.queued = false;
        Some(entry)
    }

    /// Sets or removes the deadline of a session.
    pub(super) fn set_deadline(&mut self, key: usize, deadline: Option<Instant>) {
        self.deadlines.set(key, deadline);
    }

    /// The earliest deadline of all sessions.
    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Ends a session. Its key stays in use until [`reap`](Self::reap) is called.
    pub(super) fn finish(&mut self, key: usize) {
        self.entries[key].finished = true;
        self.finished.push(key);
        // The deadline is removed, because it would otherwise apply to the next session that gets this key.
        self.deadlines.set(key, None);
    }

    /// Ends a stalled session to make room for others, after giving it the opportunity to log the reason.
    pub(super) fn evict(&mut self, key: usize, clock: TurnClock) {
        self.entries[key].session.evict(clock);
        self.finish(key);
    }

    /// The keys of the sessions that ended in this turn.
    pub(super) fn finished(&self) -> &[usize] {
        &self.finished
    }

    /// Drops the sessions that have ended and frees their keys.
    ///
    /// Must be called only at the end of a turn. Until then, events, wake-ups and queue entries of this turn may still
    /// contain the keys, and would reach another session if the keys were reused.
    pub(super) fn reap(&mut self, now: Instant) {
        if !self.finished.is_empty() {
            self.last_end = now;
        }
        for key in self.finished.drain(..) {
            self.entries.remove(key);
        }
    }
}

impl SessionEntry<'_> {
    pub(super) fn is_queued(&self) -> bool {
        self.queued
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reactor::test_session::TestSession;

    #[test]
    fn a_session_that_ended_is_in_the_table_until_it_is_reaped() {
        let start = Instant::now();
        let [end, later] = [1, 2].map(|seconds| start + Duration::from_secs(seconds));
        let mut table = SessionTable::new(start);
        let key = table.insert(Box::new(TestSession::idle(start)));
        assert_eq!((table.finished().len(), table.inactive_since()), (0, Some(start)));
        table.finish(key);
        assert_eq!((table.finished(), table.len()), (&[key][..], 1));
        table.reap(end);
        assert_eq!((table.finished().len(), table.len()), (0, 0));
        assert_eq!(table.inactive_since(), Some(end), "a session ended");
        table.reap(later);
        assert_eq!(table.inactive_since(), Some(end), "no session has ended since");
    }

    #[test]
    fn a_table_is_inactive_since_the_last_of_its_sessions_became_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut table = SessionTable::new(start);
        for since in [at(5), at(3)] {
            table.insert(Box::new(TestSession::new(Activity::Quiet(since))));
        }
        assert_eq!((table.inactive_since(), table.responding()), (Some(at(5)), 0));
        table.insert(Box::new(TestSession::new(Activity::Receiving)));
        assert_eq!((table.inactive_since(), table.responding()), (None, 0));
        for _ in 0..2 {
            table.insert(Box::new(TestSession::new(Activity::Responding)));
        }
        assert_eq!((table.inactive_since(), table.responding()), (None, 2));
    }
}
