//! The stacks and threads that all handlers of a server share, and their limits.

use std::sync::Arc;
use std::time::Duration;

use super::stack_pool::StackPool;
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
}

impl Default for CoroutineSettings {
    fn default() -> Self {
        let slow_after = Duration::from_millis(100);
        CoroutineSettings { max_handlers: 1024, stack_size: 1024 * 1024, max_workers: 8, slow_after }
    }
}

/// The stacks and worker threads that all handlers of a server share.
#[derive(Debug, Clone)]
pub(crate) struct HandlerResources {
    pub(crate) stacks: Arc<StackPool>,
    pub(crate) workers: Arc<WorkerPool>,
    pub(crate) slow_after: Duration,
}

impl HandlerResources {
    pub(crate) fn new(settings: &CoroutineSettings) -> HandlerResources {
        let stacks = StackPool::new(settings.max_handlers, settings.stack_size);
        let workers = WorkerPool::new(settings.max_workers);
        HandlerResources { stacks: Arc::new(stacks), workers: Arc::new(workers), slow_after: settings.slow_after }
    }
}
