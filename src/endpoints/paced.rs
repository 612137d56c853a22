//! Bodies that are sent piece by piece on a schedule: the schedule, and the upstream that uses the scheduled times as
//! its deadlines. The bytes of the pieces come from the endpoints.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::late::LateResponse;
use crate::service::{Registrar, Reply, Response};

/// The times at which the pieces of a body become due: the first at `start`, the last `duration` later.
pub(super) struct Schedule {
    start: Instant,
    duration: Duration,
    /// The number of pieces into which the body is divided.
    pieces: u64,
    /// The number of pieces that were due at the last call to `due`.
    seen: Cell<u64>,
    /// True while the source of the body waits for the next piece.
    is_awaited: Cell<bool>,
}

impl Schedule {
    pub(super) fn new(start: Instant, duration: Duration, pieces: u64) -> Schedule {
        Schedule { start, duration, pieces, seen: Cell::new(0), is_awaited: Cell::new(false) }
    }

    /// The number of pieces that are due now. Clears `is_awaited`: the caller is reading, and calls
    /// [`wait`](Self::wait) if it must wait for another piece.
    pub(super) fn due(&self) -> u64 {
        self.is_awaited.set(false);
        self.seen.set(self.due_at(Instant::now()));
        self.seen.get()
    }

    /// The number of bytes that are due now, out of `length` bytes that are divided into equal pieces.
    pub(super) fn due_of(&self, length: u64) -> u64 {
        match self.pieces {
            0 => 0,
            pieces => (u128::from(length) * u128::from(self.due()) / u128::from(pieces)) as u64,
        }
    }

    /// Records that the source waits for the next piece. Returns the error that the source must return from its read.
    pub(super) fn wait(&self) -> io::Error {
        self.is_awaited.set(true);
        io::ErrorKind::WouldBlock.into()
    }

    /// The time at which the next piece becomes due. `None` unless the source waits for that piece. While the client
    /// accepts no output, the source is not read. A deadline would then pass without effect and keep the loop awake.
    fn awaited(&self) -> Option<Instant> {
        self.is_awaited.get().then(|| self.time_of(self.seen.get()))
    }

    fn due_at(&self, now: Instant) -> u64 {
        let Some(elapsed) = now.checked_duration_since(self.start) else { return 0 };
        // A single piece is due at the start. With a duration of zero, all pieces are due at the start.
        if elapsed >= self.duration || self.pieces < 2 {
            return self.pieces;
        }
        let steps = elapsed.as_nanos() * u128::from(self.pieces - 1) / self.duration.as_nanos();
        steps as u64 + 1
    }

    /// The time at which the piece with this index becomes due.
    fn time_of(&self, index: u64) -> Instant {
        let steps = u128::from(self.pieces.saturating_sub(1).max(1));
        // The time is rounded up, so that `due_at` counts the piece as due at this time.
        let nanos = (self.duration.as_nanos() * u128::from(index)).div_ceil(steps);
        self.start + Duration::from_nanos(nanos as u64)
    }
}

/// An upstream that responds at the time `at`. From then on, its deadline is the time at which the next piece of the
/// body becomes due.
pub(super) struct PacedResponse {
    response: Option<Response>,
    at: Instant,
    schedule: Rc<Schedule>,
}

impl PacedResponse {
    /// Creates a reply that sends `response` at the time `at`. The body of `response` is a source that follows
    /// `schedule`.
    pub(super) fn reply(response: Response, at: Instant, schedule: Rc<Schedule>) -> Reply {
        PacedResponse { response: Some(response), at, schedule }.into_reply()
    }
}

impl LateResponse for PacedResponse {
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(if registrar.now() >= self.at { self.response.take() } else { None })
    }

    fn deadline(&self) -> Option<Instant> {
        match self.response {
            Some(_) => Some(self.at),
            None => self.schedule.awaited(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_due_from_the_start_to_the_end_of_the_duration() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let schedule = Schedule::new(at(10), Duration::from_millis(40), 5);
        let due = [0, 9, 10, 19, 20, 49, 50, 99].map(|millis| schedule.due_at(at(millis)));
        assert_eq!(due, [0, 0, 1, 1, 2, 4, 5, 5]);
        for index in 0..5 {
            let time = schedule.time_of(index);
            assert_eq!(schedule.due_at(time), index + 1, "due when its time has come");
            assert_eq!(schedule.due_at(time - Duration::from_nanos(1)), index, "and not before");
        }
    }

    #[test]
    fn without_a_duration_all_pieces_are_due_at_once() {
        let start = Instant::now();
        assert_eq!(Schedule::new(start, Duration::ZERO, 7).due_at(start), 7);
        assert_eq!(Schedule::new(start, Duration::from_secs(1), 1).due_at(start), 1);
    }

    #[test]
    fn a_deadline_is_reported_only_while_the_source_waits() {
        let schedule = Rc::new(Schedule::new(Instant::now(), Duration::from_secs(50), 2));
        let upstream = PacedResponse { response: None, at: Instant::now(), schedule: Rc::clone(&schedule) };
        assert_eq!(
            (schedule.due(), upstream.deadline()),
            (1, None),
            "a client that takes nothing is no reason to wake"
        );
        _ = schedule.wait();
        assert_eq!(upstream.deadline(), Some(schedule.time_of(1)));
    }
}
