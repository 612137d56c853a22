//! Worker threads for code that blocks. The threads are started on demand, up to a limit, and end when they have been
//! idle for a while.
//!
//! This file does not use the loop. When a job has ended, its [`Waker`] is called.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::failure::panic_text;
use crate::session::Waker;

/// The time for which an idle thread waits for a job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads that each run one job at a time, in the order in which the jobs were started.
///
/// Dropping the pool ends idle threads immediately. The other threads end when the queue of jobs is empty.
#[derive(Debug)]
pub(crate) struct WorkerPool {
    max_threads: usize,
    idle_timeout: Duration,
    shared: Arc<PoolShared>,
}

/// The state that a pool shares with its threads.
#[derive(Default)]
struct PoolShared {
    state: Mutex<PoolState>,
    /// Notified when there is a job for an idle thread, and when `closed` is set.
    changed: Condvar,
}

impl fmt::Debug for PoolShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolShared")
    }
}

#[derive(Default)]
struct PoolState {
    jobs: VecDeque<BoxedJob>,
    /// The number of threads, including idle ones.
    threads: usize,
    idle_threads: usize,
    /// True once the pool has been dropped. No more jobs are then added.
    closed: bool,
}

pub(super) type BoxedJob = Box<dyn FnOnce() + Send>;

/// A job for a worker thread. If the job has been started, dropping this value does not stop it.
pub(crate) struct Job {
    done: Arc<AtomicBool>,
    pool: Arc<WorkerPool>,
    /// The closure to run; `None` once the job has been started.
    work: Option<BoxedJob>,
}

/// A handle to a job's result. A panic in the job becomes an error.
pub(crate) struct JobHandle<T>(Arc<Mutex<Option<thread::Result<T>>>>);

impl WorkerPool {
    /// Creates a pool of at most `max_threads` threads, but at least one.
    pub(crate) fn new(max_threads: usize) -> WorkerPool {
        WorkerPool { max_threads: max_threads.max(1), idle_timeout: IDLE_TIMEOUT, shared: Arc::default() }
    }

    /// Creates a job. [`Job::start`] starts it.
    pub(crate) fn job<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> (Job, JobHandle<T>) {
        let (done, result) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (done_by_job, result_of_job) = (Arc::clone(&done), Arc::clone(&result));
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            // The result is stored before the flag is set, so that a handler that sees the flag also finds the result.
            *result_of_job.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            done_by_job.store(true, Ordering::Release);
        };
        (Job { done, pool: Arc::clone(self), work: Some(Box::new(work)) }, JobHandle(result))
    }

    /// Queues a job, and starts a thread if no idle thread is available for it.
    pub(super) fn run(&self, job: BoxedJob) {
        let mut state = self.shared.lock();
        state.jobs.push_back(job);
        // `idle_threads` also counts threads that were notified of earlier jobs and have not woken yet. A new thread is
        // unnecessary only if there is an idle thread for each queued job.
        if state.idle_threads >= state.jobs.len() || state.threads >= self.max_threads {
            // The lock is released first, so that the woken thread does not have to wait for it.
            drop(state);
            self.shared.changed.notify_one();
            return;
        }
        let (shared, idle_timeout) = (Arc::clone(&self.shared), self.idle_timeout);
        let spawned = thread::Builder::new().name("offload".to_owned()).spawn(move || shared.work(idle_timeout));
        // The new thread needs the lock that is held here, so it cannot end before it is counted.
        if spawned.is_ok() {
            state.threads += 1;
        } else if state.threads == 0 {
            // No thread exists and none can be started. The job then runs here and blocks the loop, because otherwise
            // it would never run.
            let job = state.jobs.pop_back();
            drop(state);
            job.into_iter().for_each(|job| job());
        }
    }
}

impl Drop for WorkerPool {
    /// Tells the threads to end, and does not wait for them.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl PoolShared {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The main function of each thread: runs jobs until none has arrived for `idle_timeout`, or the pool is closed.
    fn work(&self, idle_timeout: Duration) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // The job catches its own panics. This `catch_unwind` catches a panic in the destructor of the job's
                // result, which runs here if the `JobHandle` has been dropped.
                _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            // `closed` is checked only when the queue is empty, so that jobs that were queued before the pool was
            // dropped still run.
            if state.closed {
                break;
            }
            state.idle_threads += 1;
            let (woken, timeout) =
                self.changed.wait_timeout(state, idle_timeout).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle_threads -= 1;
            // A job may have been queued after the timeout and before the lock was taken again.
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Job {
    /// Starts the job unless it has already been started. `waker` is called when the job has ended.
    pub(crate) fn start(&mut self, waker: &Waker) {
        if let Some(work) = self.work.take() {
            let waker = waker.clone();
            self.pool.run(Box::new(move || {
                work();
                // The waker is called after `work` has stored the result, because the woken handler immediately tries
                // to take it.
                waker.wake();
            }));
        }
    }

    /// True once the job has ended and its result can be taken.
    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

impl<T> JobHandle<T> {
    /// Takes the result, if the job has ended.
    pub(crate) fn take(&self) -> Option<io::Result<T>> {
        let result = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(result.map_err(|payload| io::Error::other(format!("offloaded work panicked: {}", panic_text(&*payload)))))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    use super::*;

    /// A timeout that is longer than any step of these tests. A test that would hang fails after this time.
    const PATIENCE: Duration = Duration::from_secs(30);

    thread_local! {
        /// A sender that is dropped when the thread ends. This disconnects the receiver.
        static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
    }

    fn pool(max_threads: usize, idle_timeout: Duration) -> Arc<WorkerPool> {
        Arc::new(WorkerPool { max_threads, idle_timeout, shared: Arc::default() })
    }

    /// Runs a job on a worker thread, and returns a receiver that is disconnected when that thread ends.
    fn thread_of(pool: &Arc<WorkerPool>) -> Receiver<()> {
        let (alive, ended) = channel();
        let (done, result) = channel();
        let work = move || {
            ALIVE.set(Some(alive));
            _ = done.send(());
        };
        pool.job(work).0.start(&Waker::new(|| {}));
        result.recv_timeout(PATIENCE).expect("the work is done");
        ended
    }

    #[test]
    fn an_idle_thread_ends_after_its_timeout_and_a_later_job_starts_another() {
        let pool = pool(1, Duration::from_millis(1));
        for _ in 0..2 {
            let ended = thread_of(&pool);
            assert_eq!(
                ended.recv_timeout(PATIENCE),
                Err(RecvTimeoutError::Disconnected),
                "the idle thread does not end"
            );
            let state = pool.shared.lock();
            assert_eq!((state.threads, state.idle_threads), (0, 0));
        }
    }

    #[test]
    fn an_idle_thread_ends_when_its_pool_is_dropped() {
        let pool = pool(1, Duration::from_secs(3600));
        let ended = thread_of(&pool);
        assert_eq!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty), "the thread waits for a job");
        drop(pool);
        assert_eq!(ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_job_beyond_the_thread_limit_waits_for_a_free_thread() {
        let pool = pool(2, Duration::from_secs(3600));
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let (done, results) = channel();
        for number in 0..5 {
            let (gate, done) = (Arc::clone(&gate), done.clone());
            let work = move || {
                // The wait ends when the test opens the gate by dropping the sender.
                _ = gate.lock().unwrap().recv_timeout(PATIENCE);
                _ = done.send(number);
            };
            pool.job(work).0.start(&Waker::new(|| {}));
            assert_eq!(pool.shared.lock().threads, 2.min(number + 1));
        }
        assert!(results.try_recv().is_err(), "every job waits for the gate");
        drop(open);
        let mut numbers: Vec<_> = (0..5).map(|_| results.recv_timeout(PATIENCE).expect("a result")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(pool.shared.lock().threads, 2);
    }
}
