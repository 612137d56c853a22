//! Limits the number of log lines about failed handshakes, because a port scanner can cause any number of failures.

use std::cell::Cell;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The maximum number of lines in one [`PERIOD`].
const MOST_LINES: u32 = 10;

const PERIOD: Duration = Duration::from_secs(60);

/// Counts the log lines about failed handshakes of one server.
#[derive(Default)]
pub(super) struct FailedHandshakes {
    /// The beginning of the current period. `None` before the first failure.
    began: Cell<Option<Instant>>,
    lines: Cell<u32>,
    left_out: Cell<u64>,
}

impl FailedHandshakes {
    /// The log line for a failure at `now`. `None` if the current period has reached its limit. The next line then
    /// states how many failures were not logged.
    pub(super) fn line(&self, error: impl Display, now: Instant) -> Option<String> {
        if self.began.get().is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            self.began.set(Some(now));
            self.lines.set(0);
        }
        if self.lines.get() == MOST_LINES {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.lines.set(self.lines.get() + 1);
        Some(match self.left_out.take() {
            0 => format!("tls handshake: {error}"),
            // The count covers the time since the last line, including periods without a line.
            others => format!("tls handshake: {error} ({others} other failed handshakes were not logged)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failed_handshakes_in_a_minute_are_logged_and_the_others_counted() {
        let (failed, start) = (FailedHandshakes::default(), Instant::now());
        let at = |seconds| failed.line("why", start + Duration::from_secs(seconds));
        for second in 0..10 {
            assert_eq!(at(second).unwrap(), "tls handshake: why");
        }
        assert_eq!((at(10), at(59)), (None, None));
        assert_eq!(at(60).unwrap(), "tls handshake: why (2 other failed handshakes were not logged)");
        assert_eq!(at(61).unwrap(), "tls handshake: why");
    }
}
