//! The stacks and threads that all handlers of a server share, and their limits.

use std::sync::Arc;
use std::time::Duration;

use super::stack_pool::StackPool;
use super::watchdog::Watchdog;
use super::workers::WorkerPool;

/// Limits of a server's handlers.
#[derive(Debug, Clone)]
pub(crate) struct CoroutineSettings {
    /// How many handlers may run or be suspended at a time.
    pub(crate) max_handlers: usize,
    /// Size of a handler's stack in bytes.
    pub(crate) stack_size: usize,
    /// How many worker threads may run offloaded jobs.
    pub(crate) max_workers: usize,
    /// A handler that runs this long without suspending is named in the log.
    pub(crate) slow_after: Duration,
    /// A handler that runs this long without suspending is named on standard error while it runs.
    pub(crate) stuck_after: Duration,
}

impl Default for CoroutineSettings {
    fn default() -> Self {
        CoroutineSettings {
            max_handlers: 1024,
            stack_size: 1024 * 1024,
            max_workers: 8,
            slow_after: Duration::from_millis(100),
            stuck_after: Duration::from_secs(5),
        }
    }
}

/// The stacks and worker threads that all handlers of a server share.
#[derive(Debug, Clone)]
pub(crate) struct HandlerResources {
    pub(crate) stacks: Arc<StackPool>,
    pub(crate) workers: Arc<WorkerPool>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) slow_after: Duration,
}

impl HandlerResources {
    pub(crate) fn new(settings: &CoroutineSettings) -> HandlerResources {
        HandlerResources {
            stacks: Arc::new(StackPool::new(settings.max_handlers, settings.stack_size)),
            workers: Arc::new(WorkerPool::new(settings.max_workers)),
            watchdog: Arc::new(Watchdog::new(settings.stuck_after)),
            slow_after: settings.slow_after,
        }
    }
}
