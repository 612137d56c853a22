//! The stacks and threads that all handlers of a server share, and the limits on them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::lookups::NameLookups;
use super::stack_pool::StackPool;
use super::workers::WorkerPool;
use crate::watchdog::{STUCK_AFTER, Watchdog};

/// The limits on a server's handlers.
#[derive(Debug, Clone)]
pub(crate) struct CoroutineSettings {
    /// The maximum number of handlers that are running or suspended at the same time.
    pub(crate) max_handlers: usize,
    /// The size of a handler's stack in bytes.
    pub(crate) stack_size: usize,
    /// The maximum number of worker threads for offloaded jobs.
    pub(crate) max_workers: usize,
    /// The maximum number of connections that all handlers together may have open at the same time.
    pub(crate) max_outgoing: usize,
    /// The time that a handler may run without suspending. If it runs longer, a log line reports it.
    pub(crate) slow_after: Duration,
    /// The time that a handler may run without suspending before a message on standard error reports it. The message is
    /// written while the handler is still running.
    pub(crate) stuck_after: Duration,
}

impl Default for CoroutineSettings {
    fn default() -> Self {
        CoroutineSettings {
            max_handlers: 1024,
            stack_size: 1024 * 1024,
            max_workers: 8,
            max_outgoing: 1024,
            slow_after: Duration::from_millis(100),
            stuck_after: STUCK_AFTER,
        }
    }
}

/// The stacks, worker threads and limits that all handlers of a server share.
#[derive(Debug, Clone)]
pub(crate) struct HandlerResources {
    pub(crate) stacks: Arc<StackPool>,
    pub(crate) workers: Arc<WorkerPool>,
    pub(crate) lookups: NameLookups,
    pub(crate) outgoing: Arc<OutgoingLimit>,
    pub(crate) watchdog: Arc<Watchdog>,
    pub(crate) slow_after: Duration,
}

impl HandlerResources {
    pub(crate) fn new(settings: &CoroutineSettings) -> HandlerResources {
        HandlerResources {
            stacks: Arc::new(StackPool::new(settings.max_handlers, settings.stack_size)),
            workers: Arc::new(WorkerPool::new(settings.max_workers)),
            lookups: NameLookups::new(),
            outgoing: Arc::new(OutgoingLimit { most: settings.max_outgoing, open: AtomicUsize::new(0) }),
            watchdog: Arc::new(Watchdog::new(settings.stuck_after)),
            slow_after: settings.slow_after,
        }
    }
}

/// The number of connections that the handlers of a server have open, and the limit on it.
#[derive(Debug)]
pub(crate) struct OutgoingLimit {
    most: usize,
    open: AtomicUsize,
}

/// Permission to have one connection open. Dropping it returns the permission.
#[derive(Debug)]
pub(crate) struct OutgoingPermit(Arc<OutgoingLimit>);

impl OutgoingLimit {
    /// Returns a permit for one more connection.
    ///
    /// # Errors
    /// Returns an error of kind `QuotaExceeded` at the limit.
    pub(crate) fn permit(self: &Arc<Self>) -> io::Result<OutgoingPermit> {
        // The permit is created before the count is compared with the limit. If the limit is exceeded, the permit is
        // dropped, which decrements the count again.
        let permit = OutgoingPermit(Arc::clone(self));
        if self.open.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(permit);
        }
        let text = format!("the handlers of a server have at most {} outgoing connections", self.most);
        Err(io::Error::new(io::ErrorKind::QuotaExceeded, text))
    }
}

impl Drop for OutgoingPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
