//! The limits on scripts.
//!
//! They are enforced in `run`, `child` and `reaper`.

use std::time::{Duration, Instant};

/// Limits on the number of concurrent scripts, their running times, and the length of the head of their output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgiLimits {
    /// The maximum number of scripts that run at the same time. Further requests wait in a queue. Default: 64, which
    /// even a small machine can handle.
    pub live: usize,
    /// The maximum time until the head of the output is complete. It is measured from the start of the script, and
    /// starts again whenever part of the request body has been written to the script. If it expires, the response is
    /// 504, or 503 if the request is still in the queue. The same limit applies to output that is discarded after the
    /// head, as for HEAD or a local redirect. Zero means no limit. Default: 55 s, which is less than the server's
    /// `answer_timeout`, so that the log names the script.
    pub first_byte: Duration,
    /// The maximum running time of a script. When it expires, the script is terminated and an incomplete response is
    /// truncated. Zero means that the script may run until its client disconnects or the server stops. Default: 15
    /// minutes, which is enough for a long download.
    pub whole: Duration,
    /// The time between SIGTERM and SIGKILL. Default: 2 s, which lets a script remove temporary files.
    pub kill_after: Duration,
    /// The maximum length of the head of a script's output in bytes. The response to a longer head is 502. Default: 64
    /// KiB, the same as for a request line.
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
    /// The [`CgiLimits::first_byte`] deadline, measured from `begin`. `None` if there is no limit.
    pub(super) fn first_byte_ends(&self, begin: Instant) -> Option<Instant> {
        end(begin, self.first_byte)
    }

    /// The [`CgiLimits::whole`] deadline of a script that was started at `begin`. `None` if there is no limit.
    pub(super) fn whole_ends(&self, begin: Instant) -> Option<Instant> {
        end(begin, self.whole)
    }
}

/// The time at which `limit`, measured from `begin`, expires. `None` if the limit is zero.
fn end(begin: Instant, limit: Duration) -> Option<Instant> {
    begin.checked_add(limit).filter(|_| !limit.is_zero())
}
