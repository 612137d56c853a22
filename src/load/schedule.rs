//! The schedule of a run: when each request is sent.

use std::time::{Duration, Instant};

/// The rule that determines when requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SendSchedule {
    /// A connection sends its next request as soon as it is free.
    Closed,
    /// Request `k` is due at `start + k / rate`, even if earlier responses have not arrived.
    Open { rate: f64 },
}

impl SendSchedule {
    /// The time at which the request with this 0-based number is due; `None` in the closed loop.
    pub(super) fn due(self, start: Instant, number: u64) -> Option<Instant> {
        match self {
            SendSchedule::Closed => None,
            // The time is always computed from the start, because a sum of intervals would accumulate rounding errors.
            SendSchedule::Open { rate } => Some(start + Duration::from_secs_f64(number as f64 / rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_open_loop_a_request_is_due_by_its_number() {
        let start = Instant::now();
        let schedule = SendSchedule::Open { rate: 3.0 };
        assert_eq!(schedule.due(start, 0), Some(start));
        assert_eq!(schedule.due(start, 3_000_000), Some(start + Duration::from_secs(1_000_000)));
        assert_eq!(SendSchedule::Closed.due(start, 7), None);
    }
}
