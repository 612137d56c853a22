//! The limits of scripts.
//!
//! What stays out: enforcing them (`run`, `child`, `reaper`).

use std::time::{Duration, Instant};

/// The limits of scripts, each with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgiLimits {
    /// The number of scripts that may run at a time; further requests wait in a queue. 64: as many as a small machine
    /// can run.
    pub live: usize,
    /// From a script's start, or from the last byte of the body that it read, to the end of its head; then the response
    /// is 504. 55 s: less than the server's `answer_timeout`, so that the log names the script. A request that waits in
    /// the queue for this long gets 503. Zero means no limit.
    pub first_byte: Duration,
    /// From a script's start to its end; then it is terminated, and its response is cut if it is incomplete. 15
    /// minutes: enough for a long download. Zero is no limit: the script may run until its client disconnects or the
    /// server stops.
    pub whole: Duration,
    /// From SIGTERM to SIGKILL. 2 s: time to remove temporary files.
    pub kill_after: Duration,
    /// Bytes of the head of a script's output; the response to a longer one is 502. 64 KiB, as much as a request line.
    pub head: usize,
}

impl Default for CgiLimits {
    fn default() -> Self {
        CgiLimits {
            live: 64,
            first_byte: Duration::from_secs(55),
            whole: Duration::from_secs(15 * 60),
            kill_after: Duration::from_secs(2),
            head: 64 * 1024,
        }
    }
}

impl CgiLimits {
    /// The end of [`CgiLimits::first_byte`] that began at this time; `None` without a limit.
    pub(super) fn first_byte_ends(&self, begin: Instant) -> Option<Instant> {
        end(begin, self.first_byte)
    }

    /// The end of [`CgiLimits::whole`] for a script that was started at this time; `None` without a limit.
    pub(super) fn whole_ends(&self, begin: Instant) -> Option<Instant> {
        end(begin, self.whole)
    }
}

/// The end of a limit; `None` if the limit is zero.
fn end(begin: Instant, limit: Duration) -> Option<Instant> {
    begin.checked_add(limit).filter(|_| !limit.is_zero())
}
