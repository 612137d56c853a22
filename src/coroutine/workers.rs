//! Worker threads for work that blocks: few, bounded, made when there is work and gone when there was none for long.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::session::Waker;

/// How long a thread of a server waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(5);

/// Up to so many threads that do what they are given, one thing at a time each.
#[derive(Debug)]
pub(crate) struct WorkerPool {
    most: usize,
    /// How long a thread waits for more work before it ends.
    idle: Duration,
    shared: Arc<PoolShared>,
}

#[derive(Default)]
struct PoolShared {
    state: Mutex<PoolState>,
    more: Condvar,
}

impl std::fmt::Debug for PoolShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PoolShared")
    }
}

#[derive(Default)]
struct PoolState {
    work: VecDeque<BoxedJob>,
    threads: usize,
    idle: usize,
    /// Nobody will give more.
    over: bool,
}

type BoxedJob = Box<dyn FnOnce() + Send>;

/// A piece of work of one handler.
pub(crate) struct Job {
    done: Arc<AtomicBool>,
    pool: Arc<WorkerPool>,
    /// Until it was sent to a thread.
    work: Option<BoxedJob>,
}

/// Where the result of a piece of work appears: a panic is an error.
pub(crate) struct JobHandle<T>(Arc<Mutex<Option<thread::Result<T>>>>);

impl WorkerPool {
    pub(crate) fn new(most: usize) -> WorkerPool {
        WorkerPool { most: most.max(1), idle: IDLE, shared: Arc::default() }
    }

    /// Prepares a piece of work.
    pub(crate) fn job<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> (Job, JobHandle<T>) {
        let (done, result) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (mark, slot) = (Arc::clone(&done), Arc::clone(&result));
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            mark.store(true, Ordering::Release);
        };
        (Job { done, pool: Arc::clone(self), work: Some(Box::new(work)) }, JobHandle(result))
    }

    fn send(&self, work: BoxedJob) {
        let mut state = self.shared.state();
        state.work.push_back(work);
        if state.idle >= state.work.len() || state.threads >= self.most {
            drop(state);
            self.shared.more.notify_one();
            return;
        }
        let (shared, idle) = (Arc::clone(&self.shared), self.idle);
        let spawned = thread::Builder::new().name("offload".to_owned()).spawn(move || shared.work(idle));
        if spawned.is_ok() {
            state.threads += 1;
        } else if state.threads == 0 {
            // Nobody else will do it: better slowly than not at all.
            let work = state.work.pop_back();
            drop(state);
            work.into_iter().for_each(|work| work());
        }
    }
}

impl Drop for WorkerPool {
    /// Lets the threads end. What they are at is not waited for.
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.more.notify_all();
    }
}

impl PoolShared {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs on each thread: does work until there was none for as long as `idle`, or the pool is dropped.
    fn work(&self, idle: Duration) {
        let mut state = self.state();
        loop {
            if let Some(work) = state.work.pop_front() {
                drop(state);
                // What the work itself throws is caught; this is for a result that nobody wants any more.
                _ = catch_unwind(AssertUnwindSafe(work));
                state = self.state();
                continue;
            }
            if state.over {
                break;
            }
            state.idle += 1;
            let (woken, timeout) = self.more.wait_timeout(state, idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.work.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Job {
    /// Has it done, unless that was asked before, and the connection woken afterwards.
    pub(crate) fn send(&mut self, wake: &Waker) {
        if let Some(work) = self.work.take() {
            let wake = wake.clone();
            self.pool.send(Box::new(move || {
                work();
                wake.wake();
            }));
        }
    }

    /// Whether its result is there.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

impl<T> JobHandle<T> {
    /// The result, once there is one.
    pub(crate) fn take(&self) -> Option<io::Result<T>> {
        let result = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(result.map_err(|payload| io::Error::other(format!("offloaded work panicked: {}", panic_text(&*payload)))))
    }
}

/// The text that somebody panicked with.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    use super::*;

    /// Longer than anything here takes, so that a test which waits in vain fails and does not hang.
    const PATIENCE: Duration = Duration::from_secs(30);

    thread_local! {
        /// Dropped when the thread ends, which its receiver learns.
        static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
    }

    fn pool(most: usize, idle: Duration) -> Arc<WorkerPool> {
        Arc::new(WorkerPool { most, idle, shared: Arc::default() })
    }

    /// Runs a job on a worker thread, and returns a receiver that is disconnected once its thread has ended.
    fn thread_of(pool: &Arc<WorkerPool>) -> Receiver<()> {
        let (alive, ended) = channel();
        let (done, result) = channel();
        let work = move || {
            ALIVE.set(Some(alive));
            _ = done.send(());
        };
        pool.job(work).0.send(&Waker::new(|| {}));
        result.recv_timeout(PATIENCE).expect("the work is done");
        ended
    }

    #[test]
    fn an_idle_thread_ends_and_more_work_gets_another() {
        let pool = pool(1, Duration::from_millis(1));
        for _ in 0..2 {
            let ended = thread_of(&pool);
            assert_eq!(ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it waits for ever");
            let state = pool.shared.state();
            assert_eq!((state.threads, state.idle), (0, 0));
        }
    }

    #[test]
    fn idle_threads_end_with_their_crew() {
        let pool = pool(1, Duration::from_secs(3600));
        let ended = thread_of(&pool);
        assert_eq!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty), "it waits for more work");
        drop(pool);
        assert_eq!(ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn more_work_than_there_may_be_threads_waits_its_turn() {
        let pool = pool(2, Duration::from_secs(3600));
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (done, results) = channel();
        for number in 0..5 {
            let (gate, done) = (Arc::clone(&gate), done.clone());
            let work = move || {
                // Disconnected when the gate opens.
                _ = gate.lock().unwrap().recv_timeout(PATIENCE);
                _ = done.send(number);
            };
            pool.job(work).0.send(&Waker::new(|| {}));
            assert_eq!(pool.shared.state().threads, 2.min(number + 1));
        }
        assert!(results.try_recv().is_err(), "all of it waits");
        drop(open);
        let mut numbers: Vec<_> = (0..5).map(|_| results.recv_timeout(PATIENCE).expect("a result")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(pool.shared.state().threads, 2);
    }
}
