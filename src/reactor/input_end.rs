//! Treats EOF on an input as a request to stop: a parent process holds the other end of a pipe, and the run ends when
//! that process exits. Any bytes read from the input are discarded.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The maximum number of bytes that one read discards.
const PIECE: usize = 4096;

/// The maximum number of reads in one turn. This prevents a parent that never stops writing from using up the turn.
const MOST_PIECES: usize = 16;

/// A pipe or a socket on which EOF is a request to stop.
#[derive(Debug)]
pub struct InputEnd {
    input: OwnedFd,
    /// True if the input may contain unread bytes or may have ended.
    ready: bool,
    has_ended: bool,
}

impl InputEnd {
    /// Creates a watch for EOF on `input`, which may be in blocking mode.
    pub fn new(input: OwnedFd) -> InputEnd {
        // The input starts as ready, because EOF may occur before the descriptor is registered with a poll.
        InputEnd { input, ready: true, has_ended: false }
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.input.as_raw_fd()), token, Interest::READABLE)
    }

    pub(super) fn deregister(&self, registry: &Registry) {
        _ = registry.deregister(&mut SourceFd(&self.input.as_raw_fd()));
    }

    /// Records that the poll has reported an event of the descriptor.
    pub(super) fn mark_ready(&mut self) {
        self.ready = true;
    }

    /// True if the input may have more to read even without a further event.
    pub(super) fn is_ready(&self) -> bool {
        self.ready && !self.has_ended
    }

    /// Discards the bytes that have arrived. Returns true if the input has ended or failed.
    pub(super) fn has_ended(&mut self) -> bool {
        if !self.is_ready() {
            return self.has_ended;
        }
        let mut piece = [0; PIECE];
        for _ in 0..MOST_PIECES {
            if !self.is_ready() {
                break;
            }
            // The descriptor may be shared with the parent, and setting it to non-blocking would affect the parent's
            // reads and writes too. A poll before each read therefore makes sure that the read does not block.
            self.ready =
                matches!(poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&Timespec::default())), Ok(1..));
            if self.ready {
                let read = rustix::io::read(&self.input, &mut piece);
                self.has_ended = !matches!(read, Ok(1..) | Err(Errno::INTR | Errno::AGAIN));
            }
        }
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_input_has_ended_when_its_last_writer_is_gone() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut input = InputEnd::new(reader.into());
        assert!(!input.has_ended() && !input.is_ready());
        writer.write_all(&[0; 2 * PIECE]).unwrap();
        assert!(!input.has_ended(), "without an event it is not looked at");
        input.mark_ready();
        assert!(!input.has_ended() && !input.is_ready());
        drop(writer);
        input.mark_ready();
        assert!(input.has_ended());
        assert!(input.has_ended(), "and it stays so");
    }

    #[test]
    fn the_end_of_an_input_is_an_event_until_it_is_deregistered() {
        let (reader, writer) = std::io::pipe().unwrap();
        let input = InputEnd::new(reader.into());
        let mut poll = mio::Poll::new().unwrap();
        input.register(poll.registry(), Token(7)).unwrap();
        drop(writer);
        let mut events = mio::Events::with_capacity(8);
        while events.is_empty() {
            poll.poll(&mut events, Some(std::time::Duration::from_secs(10))).unwrap();
        }
        assert!(events.iter().all(|event| event.token() == Token(7)));
        input.deregister(poll.registry());
        input.register(poll.registry(), Token(8)).unwrap();
    }

    #[test]
    fn an_input_without_end_does_not_fill_a_turn() {
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        let mut input = InputEnd::new(zeros.into());
        assert!(!input.has_ended());
        assert!(input.is_ready(), "the next turn goes on");
    }
}
