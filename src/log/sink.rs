//! A bounded buffer of lines in front of a target. Lines that do not fit are dropped and counted.
//!
//! `target` performs the writes. The sink works for all log formats.
//!
//! Invariant: only whole lines are written to the target. Only a failed write can truncate a line. In that case, a
//! newline is written before the next line.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::target::Target;

/// The time after which a write to a full target is retried. The loop's poll cannot be used for this: a file cannot be
/// registered with it, and a shared descriptor would be reported as writable although other processes keep filling it.
const RETRY: Duration = Duration::from_millis(100);

/// A bounded buffer of lines in front of a target.
///
/// Once a line does not fit, all lines are dropped until the buffer has been written. This results in a few long gaps
/// instead of many short ones. Each gap is replaced with a line that reports the number of dropped lines.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    limit: usize,
    /// The function that writes the line reporting a gap. Its second argument is the number of dropped lines.
    announce: fn(&mut Vec<u8>, u64),
    /// The buffered lines, all of them complete. The first `written` bytes have already been written.
    lines: Vec<u8>,
    written: usize,
    /// The number of lines that have been dropped since the last gap was reported.
    gap: u64,
    /// The notice in `lines`, which is the line that reports a gap; `None` if `lines` contains no notice.
    notice: Option<Notice>,
    /// True if the last line that was written is incomplete, because the rest of it was dropped.
    torn: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Notice {
    /// The number of dropped lines that the notice reports.
    gap: u64,
    /// The position in the buffer at which the notice ends.
    end: usize,
}

impl Sink {
    /// Creates a sink that buffers up to `limit` bytes. A single line in an empty buffer may be longer.
    pub(super) fn new(target: Target, limit: usize) -> Sink {
        let announce = super::format::write_gap;
        Sink { target, limit, announce, lines: Vec::new(), written: 0, gap: 0, notice: None, torn: false, dropped: 0 }
    }

    /// Sets the function that writes the line reporting how many lines were dropped.
    pub(super) fn announce_with(&mut self, announce: fn(&mut Vec<u8>, u64)) {
        self.announce = announce;
    }

    /// Replaces the target. Lines that have not been written yet go to the new target.
    pub(super) fn redirect(&mut self, target: Target) {
        self.target = target;
    }

    pub(super) fn into_target(self) -> Target {
        self.target
    }

    /// Buffers the line that `append` writes, or drops it if it does not fit. `append` must end the line with a
    /// newline.
    pub(super) fn line(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        // Until a gap has been reported, even lines that would fit are dropped, so that there is one long gap and not
        // many short ones.
        if self.gap > 0 && !self.is_empty() {
            return self.lose(1);
        }
        self.announce_gap();
        let (alone, before) = (self.is_empty(), self.lines.len());
        append(&mut self.lines);
        if !alone && self.lines.len() - self.written > self.limit {
            self.lines.truncate(before);
            self.lose(1);
        }
    }

    /// Writes until the buffer is empty or the target is full. If the target is full, returns the time after which
    /// writing should be tried again.
    pub(super) fn flush(&mut self) -> Option<Duration> {
        while !self.is_empty() {
            match self.target.write(&self.lines[self.written..]) {
                Ok(count) if count > 0 => self.advance(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Some(RETRY),
                Ok(_) | Err(_) => {
                    // The lines are lost. The gap is reported only when the next line is added, because retrying now
                    // would keep an idle server busy with a broken target.
                    self.give_up();
                    return None;
                }
            }
            // The line that reports the gap takes the place of the dropped lines, so it must follow all earlier lines.
            if self.is_empty() {
                self.announce_gap();
            }
        }
        None
    }

    /// Writes the last lines. While the target is full, waits for at most `within` in total.
    pub(super) fn finish(&mut self, within: Duration) {
        let began = Instant::now();
        while self.flush().is_some() {
            let left = within.saturating_sub(began.elapsed());
            // If `poll` fails, for example because of a signal, it is called again until the time is up.
            if left.is_zero() || matches!(self.target.has_room(left), Ok(false)) {
                return;
            }
        }
    }

    /// Returns the number of lines that have been dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn is_empty(&self) -> bool {
        self.written == self.lines.len()
    }

    fn lose(&mut self, lines: u64) {
        self.gap += lines;
        self.dropped += lines;
    }

    /// If lines have been dropped, puts the line that reports them into the buffer, which must be empty.
    fn announce_gap(&mut self) {
        if self.gap == 0 {
            return;
        }
        // A newline ends the incomplete line, so that the report begins on a new line.
        if self.torn {
            self.lines.push(b'\n');
        }
        (self.announce)(&mut self.lines, self.gap);
        self.lines.push(b'\n');
        self.notice = Some(Notice { gap: self.gap, end: self.lines.len() });
        self.torn = false;
        self.gap = 0;
    }

    /// Records that `count` bytes have been written. The remaining bytes are moved to the front only after half of the
    /// limit has been written, because moving them after every write would be slow.
    fn advance(&mut self, count: usize) {
        self.written += count;
        if self.notice.as_ref().is_some_and(|notice| notice.end <= self.written) {
            self.notice = None;
        }
        if self.is_empty() {
            self.lines.clear();
            self.written = 0;
        } else if self.written >= self.limit / 2 {
            self.lines.drain(..self.written);
            if let Some(notice) = &mut self.notice {
                notice.end -= self.written;
            }
            self.written = 0;
        }
    }

    /// Drops the rest of the buffer after a failed write.
    fn give_up(&mut self) {
        self.torn |= self.written > 0 && self.lines[self.written - 1] != b'\n';
        let mut left = self.written;
        if let Some(notice) = self.notice.take() {
            // The gap must be reported again. The line that reports it is not counted as a dropped line.
            self.gap += notice.gap;
            left = notice.end;
        }
        let lost = memchr::memchr_iter(b'\n', &self.lines[left..]).count();
        self.lines.clear();
        self.written = 0;
        self.lose(lost as u64);
    }
}

#[cfg(test)]
mod tests;
