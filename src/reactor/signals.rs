//! Delivers signals as the readiness of a file descriptor, so that a signal is handled in the next turn and not in the
//! middle of other work.

#[cfg(feature = "internals")]
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "internals")]
use std::sync::{Mutex, PoisonError};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use signal_hook::{SigId, flag, low_level};
use signal_hook_mio::v1_0::Signals as SystemSignals;

/// The process signals that a loop handles.
pub struct Signals {
    delivery: Delivery,
    actions: Vec<(i32, SignalAction)>,
    /// True if the descriptor may have an unread signal.
    ready: bool,
    /// True from the arrival of a stop signal until the next time that the loop reads a signal.
    unread_stop: Arc<AtomicBool>,
    /// The signal handlers that test and set `unread_stop`. Dropping the signals unregisters them.
    registered: Vec<SigId>,
}

/// The effect of a signal on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalAction {
    /// No further connection is accepted, responses in flight can be completed within the grace period, and then the
    /// run ends.
    Drain,
    /// The run ends immediately and closes all connections.
    Stop,
    /// The run continues. The settings are re-read and the log file is reopened between two turns.
    Reload,
}

/// The simulated signals that the loop has not read yet, in order of arrival.
#[cfg(feature = "internals")]
pub type SignalQueue = Arc<Mutex<VecDeque<i32>>>;

/// The origin of the signals: the process, or the queue of a simulation.
enum Delivery {
    System(SystemSignals),
    #[cfg(feature = "internals")]
    Simulated(SignalQueue),
}

impl Delivery {
    /// Takes the next signal that has arrived, if any.
    fn next(&mut self) -> Option<i32> {
        match self {
            Delivery::System(signals) => signals.pending().next(),
            #[cfg(feature = "internals")]
            Delivery::Simulated(queue) => queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front(),
        }
    }

    /// The descriptor that becomes readable when a signal arrives. `None` in a simulation.
    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Delivery::System(signals) => Some(signals),
            #[cfg(feature = "internals")]
            Delivery::Simulated(_) => None,
        }
    }
}

impl Signals {
    /// The token of the descriptor for signals. The tokens of sessions count upwards from 0, and those of the loop's
    /// own sources are at the other end of the range.
    pub const TOKEN: Token = Token(usize::MAX - 2);

    /// Installs handlers for the signals in `actions`. If the loop is stuck and a second stop signal arrives before the
    /// first has been read, the second signal terminates the process as if there were no handler.
    ///
    /// # Errors
    /// Returns an error if a handler for one of the signals cannot be installed.
    pub fn new(actions: &[(i32, SignalAction)]) -> io::Result<Signals> {
        let delivery = Delivery::System(SystemSignals::new(actions.iter().map(|(signal, _)| *signal))?);
        let (unread_stop, registered) = (Arc::new(AtomicBool::new(false)), Vec::new());
        // The descriptor starts as ready, because a signal may arrive before the descriptor is registered with a poll.
        let mut signals = Signals { delivery, actions: actions.to_vec(), ready: true, unread_stop, registered };
        for (signal, _) in actions.iter().filter(|(_, action)| *action != SignalAction::Reload) {
            // The handler that tests the flag is registered first, so that it runs before the one that sets the flag.
            // In the opposite order, every signal would find the flag set and terminate the process.
            let unread_stop = &signals.unread_stop;
            signals.registered.push(flag::register_conditional_default(*signal, Arc::clone(unread_stop))?);
            signals.registered.push(flag::register(*signal, Arc::clone(unread_stop))?);
        }
        Ok(signals)
    }

    /// Creates the signals of a simulation. For each signal, the simulation must add its number to `queue` and report
    /// an event with [`Signals::TOKEN`].
    #[cfg(feature = "internals")]
    pub fn simulated(actions: &[(i32, SignalAction)], queue: SignalQueue) -> Signals {
        let (unread_stop, registered) = (Arc::default(), Vec::new());
        let delivery = Delivery::Simulated(queue);
        Signals { delivery, actions: actions.to_vec(), ready: true, unread_stop, registered }
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        let source = self.delivery.source();
        source.map_or(Ok(()), |source| registry.register(source, Signals::TOKEN, Interest::READABLE))
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // An error is ignored, because it means that the descriptor is no longer registered.
        _ = self.delivery.source().map(|source| registry.deregister(source));
    }

    /// Records that the poll has reported an event of the descriptor.
    pub(super) fn mark_ready(&mut self) {
        self.ready = true;
    }

    /// True if the descriptor may have an unread signal.
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Returns the next signal that has arrived, and its action.
    pub(super) fn next(&mut self) -> Option<(i32, SignalAction)> {
        // The descriptor is read only after an event, because reading it is a system call.
        if !self.ready {
            return None;
        }
        let Some(signal) = self.delivery.next() else {
            self.ready = false;
            return None;
        };
        let found = self.actions.iter().find(|(known, _)| *known == signal).copied();
        // A stop signal that arrived together with a reload is still unread after the reload has been read.
        if found.is_some_and(|(_, action)| action != SignalAction::Reload) {
            self.unread_stop.store(false, Ordering::SeqCst);
        }
        found
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.registered.drain(..).for_each(|id| _ = low_level::unregister(id));
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::{SIGURG, SIGUSR1, SIGUSR2, SIGWINCH};
    use signal_hook::low_level::raise;

    use super::*;

    /// Uses signals that the other tests of this process do not use.
    #[test]
    fn a_reload_leaves_a_stop_signal_that_arrived_with_it_unread() {
        let actions = [(SIGURG, SignalAction::Reload), (SIGWINCH, SignalAction::Drain)];
        let mut signals = Signals::new(&actions).unwrap();
        raise(SIGWINCH).unwrap();
        raise(SIGURG).unwrap();
        signals.mark_ready();
        // Pending signals are read in the order of their numbers.
        for (expected, is_stop_unread) in [(actions[0], true), (actions[1], false)] {
            assert_eq!(signals.next(), Some(expected));
            assert_eq!(signals.unread_stop.load(Ordering::SeqCst), is_stop_unread);
        }
    }

    /// The default action of both signals terminates the process, so a signal that takes it by mistake ends the test.
    #[test]
    fn only_a_second_unread_stop_signal_has_its_default_action() {
        let actions = [(SIGUSR1, SignalAction::Drain), (SIGUSR2, SignalAction::Reload)];
        let mut signals = Signals::new(&actions).unwrap();
        assert_eq!(signals.next(), None);
        for _ in 0..2 {
            raise(SIGUSR1).unwrap();
            assert_eq!(signals.next(), None, "it is not read before an event of its descriptor");
            signals.mark_ready();
            assert_eq!(signals.next(), Some(actions[0]));
            assert_eq!(signals.next(), None);
        }
        raise(SIGUSR2).unwrap();
        raise(SIGUSR2).unwrap();
        signals.mark_ready();
        assert_eq!(signals.next(), Some(actions[1]));
        drop(signals);
        // Handlers for signals that no loop reads do nothing.
        raise(SIGUSR1).unwrap();
        raise(SIGUSR1).unwrap();
    }
}
