//! The request to stop a run, which any thread can make.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::{Mailbox, SignalAction};

/// The state that a loop shares with its stoppers: the request to stop, and the thread on which the loop is running.
#[derive(Debug)]
pub struct StopFlag {
    request: AtomicU8,
    running_on: Mutex<Option<ThreadId>>,
    run_ended: Condvar,
    mailbox: Arc<Mailbox>,
}

// The values of `StopFlag::request`, in ascending order of strength. A request never replaces a stronger one.
const NONE: u8 = 0;
const DRAIN: u8 = 1;
const STOP: u8 = 2;

impl StopFlag {
    /// Creates a flag on which no stop is requested. A later request wakes the loop through `mailbox`.
    pub fn new(mailbox: Arc<Mailbox>) -> StopFlag {
        StopFlag { request: AtomicU8::new(NONE), running_on: Mutex::new(None), run_ended: Condvar::new(), mailbox }
    }

    /// Records that a run begins on this thread. Dropping the returned guard records the end of the run and clears the
    /// request.
    pub fn begin(self: &Arc<Self>) -> impl Drop + use<> {
        *self.running_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        RunGuard(Arc::clone(self))
    }

    /// The request, if one has been made since the last run ended.
    pub(super) fn requested(&self) -> Option<SignalAction> {
        match self.request.load(Ordering::Acquire) {
            NONE => None,
            DRAIN => Some(SignalAction::Drain),
            _ => Some(SignalAction::Stop),
        }
    }

    pub(super) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    fn set(&self, request: u8) {
        // If several threads make requests, the strongest one wins, regardless of their order.
        self.request.fetch_max(request, Ordering::AcqRel);
        self.mailbox.wake_loop();
    }
}

struct RunGuard(Arc<StopFlag>);

impl Drop for RunGuard {
    fn drop(&mut self) {
        let mut running_on = self.0.running_on.lock().unwrap_or_else(PoisonError::into_inner);
        *running_on = None;
        // The request is cleared while the lock is held, so that a waiting stopper sees both changes or neither.
        self.0.request.store(NONE, Ordering::Release);
        self.0.run_ended.notify_all();
    }
}

/// Stops a server from any thread, including the server's own, so handlers and services can use it too.
///
/// Clones stop the same server. If the server is not running, its next run is stopped in its first turn.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<StopFlag>);

impl Stopper {
    /// Creates a stopper for the runs that read `flag`. Users get a stopper from their server.
    #[doc(hidden)]
    pub fn new(flag: Arc<StopFlag>) -> Stopper {
        Stopper(flag)
    }

    /// Makes the run drain: no further connection is accepted, and responses in flight can be completed within the
    /// grace period. Does not wait for the end of the run.
    pub fn stop(&self) {
        self.0.set(DRAIN);
    }

    /// Ends the run and closes all connections without a grace period. Does not wait for the end of the run.
    pub fn stop_now(&self) {
        self.0.set(STOP);
    }

    /// Waits until the server is not running. On the thread that runs the server, this method returns immediately,
    /// because that thread would otherwise wait for itself.
    pub fn wait(&self) {
        let mut running_on = self.0.running_on.lock().unwrap_or_else(PoisonError::into_inner);
        // The condition is tested in a loop, because a wait on a condition variable can end spuriously, and because the
        // next run may already have begun.
        while running_on.is_some_and(|thread| thread != thread::current().id()) {
            running_on = self.0.run_ended.wait(running_on).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls [`stop`](Stopper::stop) and then [`wait`](Stopper::wait), like Python's `shutdown`. Unlike Python's, it
    /// never deadlocks.
    pub fn shutdown(&self) {
        self.stop();
        self.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    use super::*;

    fn flag() -> Arc<StopFlag> {
        Arc::new(StopFlag::new(Arc::new(Mailbox::new(|| {}))))
    }

    #[test]
    fn the_stronger_request_wins_until_the_run_ends() {
        let flag = flag();
        let stopper = Stopper::new(Arc::clone(&flag));
        assert_eq!(flag.requested(), None);
        let run = flag.begin();
        stopper.stop();
        assert_eq!(flag.requested(), Some(SignalAction::Drain));
        stopper.stop_now();
        stopper.stop();
        assert_eq!(flag.requested(), Some(SignalAction::Stop));
        drop(run);
        assert_eq!(flag.requested(), None);
    }

    #[test]
    fn shutdown_returns_after_the_run_on_another_thread_has_ended() {
        let (flag, has_ended) = (flag(), AtomicBool::new(false));
        let stopper = Stopper::new(Arc::clone(&flag));
        let (begins, begun) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let run = flag.begin();
                begins.send(()).unwrap();
                while flag.requested().is_none() {
                    thread::yield_now();
                }
                // The run continues for some time after the request. If `shutdown` did not wait for its end, it would
                // return too early.
                (0..1000).for_each(|_| thread::yield_now());
                has_ended.store(true, Ordering::Release);
                drop(run);
            });
            begun.recv().unwrap();
            stopper.shutdown();
            assert!(has_ended.load(Ordering::Acquire));
        });
    }

    #[test]
    fn shutdown_on_the_thread_of_the_run_does_not_wait_for_itself() {
        let flag = flag();
        let _run = flag.begin();
        Stopper::new(Arc::clone(&flag)).shutdown();
        assert_eq!(flag.requested(), Some(SignalAction::Drain));
    }
}
