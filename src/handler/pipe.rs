//! What a handler and its connection share: the bytes on their way between them, and what the handler waits for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::coroutine::Job;
use crate::http::{FieldBlock, Status};
use crate::service::{Reply, Waker};

/// How many bytes may wait on their way in, and as many on their way out. As much as the connection takes at a time;
/// more would only be memory.
pub(crate) const ROOM: usize = 32 * 1024;

/// How many interim responses may wait.
const INTERIM: usize = 16;

/// A buffer that waits for its first byte with more memory than this gives it back.
const SMALL: usize = 512;

/// Both ends of a running handler. They take turns, so neither ever finds it borrowed.
#[derive(Default)]
pub(crate) struct Pipe(pub(crate) RefCell<State>);

#[derive(Default)]
pub(crate) struct State {
    /// Bytes from the client which the handler has not fetched.
    pub(crate) inbox: Vec<u8>,
    /// No more bytes will come.
    pub(crate) ended: bool,
    /// Bytes from the handler which the connection has not fetched.
    pub(crate) outbox: Vec<u8>,
    /// Why the handler cannot write now, if it cannot.
    pub(crate) shut: Option<&'static str>,
    /// What the handler writes goes nowhere, because it is no part of the answer: that to HEAD, a 204.
    pub(crate) mute: bool,
    /// How many bytes the handler has written.
    pub(crate) written: u64,
    /// How many bytes it has announced.
    pub(crate) declared: Option<u64>,
    /// It has tried to write more than that.
    pub(crate) overran: bool,
    /// What the handler has answered, until the connection fetches it.
    pub(crate) answer: Answer,
    /// The user that the handler has named for the log.
    pub(crate) user: Option<Arc<str>>,
    /// Interim responses that the connection has not fetched.
    pub(crate) interim: VecDeque<(Status, FieldBlock)>,
    /// The handler has read from the body.
    pub(crate) reads: bool,
    /// The client waits for `100 Continue` before it sends.
    pub(crate) holds_back: bool,
    /// What the handler waits for.
    pub(crate) wait: Wait,
    /// Work for another thread that the handler waits for, until somebody who has a wake sends it there.
    pub(crate) job: Option<Job>,
    /// What wakes the connection from another thread, once it is known.
    pub(crate) wake: Option<Waker>,
    /// The client is gone, or the server does not want to wait any more.
    pub(crate) gone: bool,
    /// How the handler ended.
    pub(crate) outcome: Option<Outcome>,
    /// Lines for the log.
    pub(crate) notes: Notes,
}

/// What a handler has answered.
#[derive(Default)]
pub(crate) enum Answer {
    /// Nothing yet.
    #[default]
    None,
    /// The head of a response whose body is what it writes.
    Head(Status, FieldBlock),
    /// All there is to it.
    Whole(Box<Reply>),
}

impl Answer {
    /// Takes it away.
    pub(crate) fn take(&mut self) -> Answer {
        std::mem::take(self)
    }
}

/// What a handler waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: it has not begun, or it runs.
    #[default]
    Nothing,
    /// More of what the client sends.
    Input,
    /// The connection to take what is written.
    Room,
    /// A time.
    Until(Instant),
    /// Work on another thread.
    Job,
}

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It returned.
    Done,
    /// It returned an error.
    Failed(io::Error),
    /// It panicked with this text.
    Panicked(String),
}

/// Lines for the log, of which a handler cannot pile up any number between two looks at them.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    lines: Vec<String>,
    dropped: usize,
}

/// How many lines are kept between two looks.
const LINES: usize = 256;

impl Notes {
    pub(crate) fn add(&mut self, line: String) {
        if self.lines.len() < LINES { self.lines.push(line) } else { self.dropped += 1 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes what there is.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        if self.dropped > 0 {
            lines.push(format!("{} log lines dropped", std::mem::take(&mut self.dropped)));
        }
        lines
    }
}

impl State {
    /// Makes the state ready for the next request of a connection, whose last one is over: what that has left in its
    /// buffers is thrown away, lines for the log stay.
    pub(crate) fn renew(&mut self, shut: Option<&'static str>) {
        self.inbox.clear();
        self.outbox.clear();
        (self.written, self.declared, self.shut) = (0, None, shut);
        (self.ended, self.mute, self.overran, self.reads, self.holds_back) = (false, false, false, false, false);
        (self.wait, self.gone) = (Wait::Nothing, false);
        // Each of these is empty after an exchange that went as it should; to look is cheaper than to drop nothing.
        if !matches!(self.answer, Answer::None) {
            self.answer = Answer::None;
        }
        if self.job.is_some() {
            self.job = None;
        }
        if self.user.is_some() {
            self.user = None;
        }
        self.interim.clear();
        self.wake = None;
        self.outcome = None;
    }

    /// With what text the handler panicked, if it did and nobody has asked how it ended.
    pub(crate) fn take_panic(&mut self) -> Option<String> {
        match self.outcome.take() {
            Some(Outcome::Panicked(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether there is something to go on with.
    pub(crate) fn is_ready(&self, now: impl FnOnce() -> Instant) -> bool {
        match self.wait {
            Wait::Nothing => true,
            Wait::Input => !self.inbox.is_empty() || self.ended,
            Wait::Room => self.outbox.len() < ROOM,
            Wait::Until(time) => time <= now(),
            Wait::Job => self.job.as_ref().is_some_and(Job::is_done),
        }
    }

    /// Whether more of what the client sends is of use.
    pub(crate) fn wants_input(&self) -> bool {
        !self.holds_back && self.inbox.len() < ROOM
    }

    /// Takes what fits of what the client sent, and says how much that was.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(ROOM.saturating_sub(self.inbox.len()));
        match self.inbox.capacity() {
            // Just as much memory as a small body needs, which may be all that comes.
            0 => self.inbox = bytes[..count].to_vec(),
            _ => self.inbox.extend_from_slice(&bytes[..count]),
        }
        count
    }

    /// Moves some of what was written to `buf`, and says how much that was.
    pub(crate) fn fetch(&mut self, buf: &mut [u8]) -> usize {
        let count = buf.len().min(self.outbox.len());
        buf[..count].copy_from_slice(&self.outbox[..count]);
        self.outbox.drain(..count);
        count
    }

    /// Gives back memory that nothing is in. Called when the handler begins to wait, which may be for long.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.inbox, &mut self.outbox] {
            if buffer.is_empty() && buffer.capacity() > SMALL {
                *buffer = Vec::new();
            }
        }
    }

    /// Takes an interim response, unless so many wait already that nobody can be in a hurry for another.
    pub(crate) fn add_interim(&mut self, status: Status, head: FieldBlock) {
        if self.interim.len() < INTERIM {
            self.interim.push_back((status, head));
        }
    }

    /// Sends the job that waits for it to its thread, as soon as it is known how to come back from there.
    pub(crate) fn send_job(&mut self) {
        if let (Some(job), Some(wake)) = (&mut self.job, &self.wake) {
            job.send(wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_log_lines_is_counted_and_not_kept() {
        let mut notes = Notes::default();
        (0..LINES + 10).for_each(|number| notes.add(number.to_string()));
        let lines = notes.take();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[LINES - 1..], [(LINES - 1).to_string(), "10 log lines dropped".to_owned()]);
        assert!(notes.is_empty() && notes.take().is_empty(), "the dropped lines are reported once");
        notes.add("room again".to_owned());
        assert!(!notes.is_empty());
        assert_eq!(notes.take(), ["room again"]);
    }

    #[test]
    fn interim_responses_that_wait_are_bounded() {
        let mut state = State::default();
        (0..INTERIM + 10).for_each(|_| state.add_interim(Status::PROCESSING, FieldBlock::new()));
        assert_eq!(state.interim.len(), INTERIM);
    }
}
