//! `MovableSource`, the registration of an event source, such as a socket, that can pass from one session to another
//! without being registered with the poll again.
//!
//! The poll is in `reactor`. The source itself belongs to the code that registers it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use super::Ready;

/// Takes the place of a session's key if a source belongs to no session.
const NO_SESSION: usize = usize::MAX;

/// The movable sources of one loop, by index. The loop registers each source with a token that contains its index.
#[derive(Default)]
pub(crate) struct SourceTable(Mutex<Slab<Arc<SourceState>>>);

/// The session to which a source belongs, and the readiness of the source. Only the loop's thread accesses the fields.
/// They are atomic because a service can keep sources between two runs, for example idle connections to other servers,
/// and the program may move that service to another thread.
struct SourceState {
    session: AtomicUsize,
    read: AtomicBool,
    write: AtomicBool,
    read_closed: AtomicBool,
}

/// The registration of a source whose session can change. An event runs the session to which the source belongs at that
/// time. If the source belongs to no session, the event only updates the readiness of the source.
///
/// The registration must be dropped after the source itself, because the events of the source contain the index of the
/// registration.
pub struct MovableSource {
    table: Arc<SourceTable>,
    number: usize,
    state: Arc<SourceState>,
}

impl SourceTable {
    /// Adds a source that belongs to the session with the key `session`. The source is not ready until an event reports
    /// it.
    pub(crate) fn add(self: &Arc<Self>, session: usize) -> MovableSource {
        let [read, write, read_closed] = [const { AtomicBool::new(false) }; 3];
        let state = Arc::new(SourceState { session: AtomicUsize::new(session), read, write, read_closed });
        let number = self.lock().insert(Arc::clone(&state));
        MovableSource { table: Arc::clone(self), number, state }
    }

    /// Adds the readiness that an event reports for the source with the index `number`. Returns the key of the session
    /// to run.
    pub(crate) fn mark(&self, number: usize, ready: Ready) -> Option<usize> {
        let sources = self.lock();
        // A source that was dropped in this turn may still have an event. If another source has the same index now, the
        // only effect is an unnecessary system call on that source.
        let state = sources.get(number)?;
        for (flag, is_set) in [
            (&state.read, ready.read || ready.broken),
            (&state.write, ready.write || ready.broken),
            (&state.read_closed, ready.read_closed || ready.broken),
        ] {
            if is_set {
                flag.store(true, Ordering::Relaxed);
            }
        }
        Some(state.session.load(Ordering::Relaxed)).filter(|session| *session != NO_SESSION)
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<SourceState>>> {
        // No code of a caller runs while the lock is held, so the data of a poisoned lock is still valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MovableSource {
    /// The index of the source in its table, which is part of its token.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// True if the source belongs to this table.
    pub(crate) fn is_in(&self, table: &Arc<SourceTable>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    /// Makes later events run the session with the key `session`, or no session if it is `None`.
    pub(crate) fn set_session(&self, session: Option<usize>) {
        self.state.session.store(session.unwrap_or(NO_SESSION), Ordering::Relaxed);
    }

    /// True if a read may return bytes or EOF, as far as the events show.
    pub(crate) fn can_read(&self) -> bool {
        self.state.read.load(Ordering::Relaxed)
    }

    /// True if the source may accept bytes, as far as the events show.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn can_write(&self) -> bool {
        self.state.write.load(Ordering::Relaxed)
    }

    /// Makes `can_read` return true even if no event has reported input.
    #[cfg(any(test, feature = "client"))]
    pub(crate) fn expect_input(&self) {
        self.state.read.store(true, Ordering::Relaxed);
    }

    /// Records that a read has returned `WouldBlock`. An event will report the next input.
    pub(crate) fn read_blocked(&self) {
        self.state.read.store(false, Ordering::Relaxed);
    }

    /// Records that a write has returned `WouldBlock`. An event will report when there is space again.
    pub(crate) fn write_blocked(&self) {
        self.state.write.store(false, Ordering::Relaxed);
    }

    /// Records that a read has emptied the source. An event will report the next input, unless an event has already
    /// reported EOF.
    pub(crate) fn read_emptied(&self) {
        if !self.state.read_closed.load(Ordering::Relaxed) {
            self.read_blocked();
        }
    }
}

impl Drop for MovableSource {
    fn drop(&mut self) {
        _ = self.table.lock().try_remove(self.number);
    }
}

impl fmt::Debug for MovableSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovableSource").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Ready = Ready { read: false, write: false, read_closed: false, broken: false };
    const INPUT: Ready = Ready { read: true, ..NOTHING };

    #[test]
    fn an_event_runs_the_session_that_has_the_source_at_that_time() {
        let table = Arc::new(SourceTable::default());
        let source = table.add(3);
        assert_eq!(table.mark(source.number(), INPUT), Some(3));
        source.set_session(None);
        assert_eq!(table.mark(source.number(), INPUT), None);
        source.set_session(Some(5));
        assert_eq!(table.mark(source.number(), NOTHING), Some(5));
        let number = source.number();
        drop(source);
        assert_eq!(table.mark(number, INPUT), None, "the source has ended");
    }

    #[test]
    fn readiness_is_kept_until_a_call_blocks() {
        let table = Arc::new(SourceTable::default());
        let source = table.add(0);
        assert!(!source.can_read() && !source.can_write());
        table.mark(source.number(), Ready { write: true, ..INPUT });
        table.mark(source.number(), NOTHING);
        assert!(source.can_read() && source.can_write(), "a report is added to the last");
        source.read_emptied();
        source.write_blocked();
        assert!(!source.can_read() && !source.can_write());
        table.mark(source.number(), Ready { read_closed: true, ..INPUT });
        source.read_emptied();
        assert!(source.can_read(), "the end is still to be read");
        source.read_blocked();
        source.expect_input();
        assert!(source.can_read());
        source.read_blocked();
        table.mark(source.number(), Ready { broken: true, ..NOTHING });
        assert!(source.can_read() && source.can_write(), "a call returns the error");
    }

    #[test]
    fn a_source_belongs_to_one_table() {
        let (table, other) = (Arc::new(SourceTable::default()), Arc::new(SourceTable::default()));
        let source = table.add(0);
        assert!(source.is_in(&table) && !source.is_in(&other));
    }
}
