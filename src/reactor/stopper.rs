use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::{Mailbox, SignalAction};

/// Whether a run is wanted to end, and which thread it is on.
#[derive(Debug)]
pub struct StopFlag {
    asked: AtomicU8,
    running_on: Mutex<Option<ThreadId>>,
    ended: Condvar,
    mailbox: Arc<Mailbox>,
}

const NOT_ASKED: u8 = 0;
const DRAIN: u8 = 1;
const NOW: u8 = 2;

impl StopFlag {
    /// Nothing is wanted yet.
    pub fn new(mailbox: Arc<Mailbox>) -> StopFlag {
        StopFlag { asked: AtomicU8::new(NOT_ASKED), running_on: Mutex::new(None), ended: Condvar::new(), mailbox }
    }

    pub(super) fn asked(&self) -> Option<SignalAction> {
        match self.asked.load(Ordering::Acquire) {
            NOT_ASKED => None,
            DRAIN => Some(SignalAction::Drain),
            _ => Some(SignalAction::Stop),
        }
    }

    /// Notes that a run begins on this thread; it ends when the guard is dropped, and what was asked is forgotten.
    pub fn begin(self: &Arc<Self>) -> impl Drop + use<> {
        *self.running_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        Running(Arc::clone(self))
    }

    fn ask(&self, what: u8) {
        self.asked.fetch_max(what, Ordering::AcqRel);
        self.mailbox.ring();
    }
}

struct Running(Arc<StopFlag>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut running_on = self.0.running_on.lock().unwrap_or_else(PoisonError::into_inner);
        *running_on = None;
        self.0.asked.store(NOT_ASKED, Ordering::Release);
        self.0.ended.notify_all();
    }
}

/// Stops a server, from any thread, a handler or its own service included (contract rows SS05, B04).
///
/// Clones stop the same server. Asking a server to stop that is not running makes its next run end at once.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<StopFlag>);

impl Stopper {
    /// What stops the runs that look at this.
    pub fn new(stop: Arc<StopFlag>) -> Stopper {
        Stopper(stop)
    }

    /// Has nobody let in any more; answers in flight may end within the grace period. Returns at once.
    pub fn stop(&self) {
        self.0.ask(DRAIN);
    }

    /// Has the run end without waiting for anything. Returns at once.
    pub fn stop_now(&self) {
        self.0.ask(NOW);
    }

    /// Waits until the server does not run. Returns at once on the thread that runs it, which could wait for ever.
    pub fn wait(&self) {
        let mut running_on = self.0.running_on.lock().unwrap_or_else(PoisonError::into_inner);
        while running_on.is_some_and(|thread| thread != thread::current().id()) {
            running_on = self.0.ended.wait(running_on).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Python's `shutdown`: [`stop`](Stopper::stop), then [`wait`](Stopper::wait). It never deadlocks.
    pub fn shutdown(&self) {
        self.stop();
        self.wait();
    }
}
