//! Forces partial reads and writes, and slows down a connection. [`Narrow`] is a transport that reads or writes only a
//! few bytes at a time. [`Paced`] wraps the session that uses it, and makes that session continue in the next turn or
//! after a pause.
//!
//! The loop does not wait for a paused session, and serves other connections at full speed.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Handshake, Transport};
use crate::session::{Activity, Next, Ready, Session, StepContext, TurnClock};
use crate::tls_info::TlsInfo;

/// The maximum size of the reads and writes on a connection, and the pause after a read or write of the maximum size.
/// See [`HttpServer::pace`](crate::HttpServer::pace).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// The maximum number of bytes in one read. `None` means no limit. With a limit, there is one read per turn of the
    /// loop.
    pub max_read: Option<NonZeroUsize>,
    /// The maximum number of bytes in one write, from memory or from a file. `None` means no limit. With a limit, there
    /// is one write per turn of the loop.
    pub max_write: Option<NonZeroUsize>,
    /// The pause after a read or a write that has reached its limit. A pause of more than one day counts as one day.
    /// With a pause of zero, the next read or write takes place in the next turn. Reads and writes pause independently.
    pub pause: Duration,
}

/// The maximum pause. Longer pauses are shortened, so that the clock can represent the end of every pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// A transport that reads or writes only a few bytes at a time. A second read in the same turn, or a read before the
/// pause has ended, returns `WouldBlock`. The same applies to writes. [`Paced`] tells the transport when a turn begins.
///
/// ```
/// use serve_forever::transport::{Memory, Narrow, Pace, Transport};
/// use std::num::NonZeroUsize;
///
/// let memory = Memory { incoming: b"GET".to_vec(), ..Memory::default() };
/// let mut narrow = Narrow::new(memory, Pace { max_read: NonZeroUsize::new(1), ..Pace::default() });
/// let mut room = [0; 100];
/// assert_eq!(narrow.recv(&mut room).unwrap(), 1);
/// assert_eq!(narrow.recv(&mut room).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
/// ```
#[derive(Debug)]
pub struct Narrow<T> {
    transport: T,
    gate: Rc<PaceGate>,
}

impl<T> Narrow<T> {
    /// Wraps a transport. The first read and the first write are possible even before [`Paced`] has begun a turn.
    pub fn new(transport: T, pace: Pace) -> Narrow<T> {
        let gate = PaceGate { pace, read: Direction::default(), write: Direction::default() };
        Narrow { transport, gate: Rc::new(gate) }
    }

    /// The gate of this transport, to be passed to [`Paced::new`].
    pub fn gate(&self) -> Rc<PaceGate> {
        Rc::clone(&self.gate)
    }

    /// Mutable access to the inner transport.
    pub fn inner(&mut self) -> &mut T {
        &mut self.transport
    }
}

/// The state that a [`Narrow`] transport shares with its [`Paced`] session. It determines if a read or a write is
/// possible now.
#[derive(Debug)]
pub struct PaceGate {
    pace: Pace,
    read: Direction,
    write: Direction,
}

/// The state of one direction: reading or writing.
#[derive(Debug, Default)]
struct Direction {
    /// True if the direction is closed, because a read or write has succeeded in this turn or the pause after an
    /// earlier one has not ended yet.
    is_closed: Cell<bool>,
    /// True if the read or write of this turn has reached the limit, so that a pause follows.
    is_limited: Cell<bool>,
    /// The end of the current pause. `None` if the direction is not paused.
    opens_at: Cell<Option<Instant>>,
    /// True if a read or write was refused in this turn because the direction was closed.
    is_withheld: Cell<bool>,
}

impl Direction {
    /// Begins a turn. Opens the direction unless it is still paused.
    fn begin_turn(&self, now: Instant) {
        self.is_withheld.set(false);
        if self.opens_at.get().is_none_or(|end| end <= now) {
            self.opens_at.set(None);
            self.is_closed.set(false);
        }
    }

    /// Ends a turn. If the limit was reached, a pause begins at `now`. This is the beginning of the turn, because the
    /// transport has no clock. If a read or write was refused in this turn, returns the time at which the session can
    /// try again.
    fn end_turn(&self, now: Instant, pause: Duration) -> Option<Instant> {
        if self.is_limited.take() {
            // After a pause of zero, bytes may be transferred again in this direction in the next turn.
            self.opens_at.set(Some(now + pause.min(LONGEST_PAUSE)));
        }
        self.is_withheld.get().then(|| self.opens_at.get().unwrap_or(now))
    }

    /// Calls `call`, which reads or writes at most `limit` bytes. Returns `WouldBlock` instead if the direction is
    /// closed.
    fn attempt(&self, limit: usize, call: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        if self.is_closed.get() {
            // The session treats this error as if the socket had returned it. However, the poll does not report the end
            // of a pause, so `end_turn` returns the time at which the session can try again.
            self.is_withheld.set(true);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // After an error the direction stays open, because no byte was read or written and the poll reports when the
        // socket is ready.
        let count = call()?;
        self.is_closed.set(true);
        // A count below the limit means that the socket could not read or write more, so no pause follows.
        self.is_limited.set(count >= limit);
        Ok(count)
    }
}

impl PaceGate {
    /// Runs one step of the session that uses the transport of this gate.
    pub fn step(&self, session: &mut impl Session, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        let now = cx.clock.now;
        self.read.begin_turn(now);
        self.write.begin_turn(now);
        let next = session.step(ready, cx);
        let read = self.read.end_turn(now, self.pace.pause);
        let write = self.write.end_turn(now, self.pace.pause);
        // A session clears a readiness flag after `WouldBlock`. If `attempt` returned that error because the direction
        // was closed, the flag is set again, because the poll does not report the same readiness twice.
        ready.read |= read.is_some();
        ready.write |= write.is_some();
        match (next, read.into_iter().chain(write).min()) {
            // No pause is in effect, so the direction opens in the next turn.
            (Next::Wait(_), Some(opens)) if opens <= now => Next::Again,
            (Next::Wait(deadline), Some(opens)) => Next::Wait(Some(deadline.map_or(opens, |end| end.min(opens)))),
            (next, _) => next,
        }
    }
}

impl<T: Transport> Transport for Narrow<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // Without a limit, the inner transport is called directly and no pause can follow.
        let Some(limit) = self.gate.pace.max_read else { return self.transport.recv(buf) };
        let room = buf.len().min(limit.get());
        self.gate.read.attempt(limit.get(), || self.transport.recv(&mut buf[..room]))
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        let Some(limit) = self.gate.pace.max_write else { return self.transport.send(first, second, more) };
        let limit = limit.get();
        let of_first = first.len().min(limit);
        let of_second = second.len().min(limit - of_first);
        // The bytes beyond the limit are sent in a later turn, so the packet must not wait for them.
        let more = more && of_first == first.len() && of_second == second.len();
        self.gate.write.attempt(limit, || self.transport.send(&first[..of_first], &second[..of_second], more))
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        let Some(limit) = self.gate.pace.max_write else { return self.transport.send_file(file, offset, length) };
        let length = length.min(limit.get() as u64);
        let sent = self
            .gate
            .write
            .attempt(limit.get(), || self.transport.send_file(file, offset, length).map(|count| count as usize));
        sent.map(|count| count as u64)
    }

    fn cork(&mut self, on: bool) {
        // A corked socket would hold back the few bytes of a write until a kernel timer expires.
        if self.gate.pace.max_write.is_none() {
            self.transport.cork(on);
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.transport.end()
    }

    fn short_read_is_all(&self) -> bool {
        // A limited read can leave bytes in the socket, and the edge-triggered poll would not report them again.
        self.gate.pace.max_read.is_none() && self.transport.short_read_is_all()
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.transport.source()
    }

    fn needs_handshake(&self) -> bool {
        self.transport.needs_handshake()
    }

    fn handshake(&mut self, ready: &mut Ready, left: &mut usize) -> io::Result<Handshake> {
        self.transport.handshake(ready, left)
    }

    fn has_pending(&self) -> bool {
        self.transport.has_pending()
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        self.transport.flush_pending()
    }

    fn announce_end(&mut self) -> io::Result<()> {
        self.transport.announce_end()
    }

    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        self.transport.unacknowledged()
    }

    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {
        self.transport.reset_on_drop();
    }

    fn memory(&self) -> usize {
        self.transport.memory()
    }

    fn is_text(&self) -> bool {
        self.transport.is_text()
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        self.transport.tls()
    }
}

/// A session on a [`Narrow`] transport. If the transport has refused a read or write, the session runs again in the
/// next turn or after the pause.
#[derive(Debug)]
pub struct Paced<S> {
    session: S,
    gate: Rc<PaceGate>,
}

impl<S> Paced<S> {
    /// Wraps a session on a [`Narrow`] transport; `gate` must be that transport's [`Narrow::gate`].
    pub fn new(session: S, gate: Rc<PaceGate>) -> Paced<S> {
        Paced { session, gate }
    }
}

impl<S: Session> Session for Paced<S> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        self.gate.step(&mut self.session, ready, cx)
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.session.source()
    }

    fn idle_since(&self) -> Option<Instant> {
        self.session.idle_since()
    }

    fn activity(&self) -> Activity {
        self.session.activity()
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        self.session.stalled_since(now)
    }

    fn evict(&mut self, clock: TurnClock) {
        self.session.evict(clock);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::session::Scratch;
    use crate::testing::MemoryRegistrar;
    use crate::transport::Memory;

    fn pace(bytes: usize, pause: u64) -> Pace {
        let limit = NonZeroUsize::new(bytes);
        Pace { max_read: limit, max_write: limit, pause: Duration::from_millis(pause) }
    }

    /// A session that echoes its input. It reads and writes as long as its socket is ready.
    struct Echo {
        narrow: Narrow<Memory>,
        unsent: Vec<u8>,
        reads: usize,
    }

    impl Session for Echo {
        fn step(&mut self, ready: &mut Ready, _: &mut StepContext<'_>) -> Next {
            while ready.read {
                let mut room = [0; 100];
                match self.narrow.recv(&mut room) {
                    Ok(0) => return Next::Close(crate::session::CloseReason::Complete),
                    Ok(count) => {
                        self.reads += 1;
                        self.unsent.extend_from_slice(&room[..count]);
                    }
                    Err(_) => ready.read = false,
                }
            }
            while ready.write && !self.unsent.is_empty() {
                match self.narrow.send(&self.unsent, &[], true) {
                    Ok(count) => drop(self.unsent.drain(..count)),
                    Err(_) => ready.write = false,
                }
            }
            Next::Wait(None)
        }

        fn source(&mut self) -> &mut dyn mio::event::Source {
            self.narrow.source()
        }
    }

    /// A loop around one paced session, with its own clock.
    struct Turns {
        session: Paced<Echo>,
        ready: Ready,
        now: Instant,
        scratch: Scratch,
    }

    impl Turns {
        fn new(pace: Pace) -> Turns {
            let narrow = Narrow::new(Memory::default(), pace);
            let gate = narrow.gate();
            let session = Paced::new(Echo { narrow, unsent: Vec::new(), reads: 0 }, gate);
            Turns { session, ready: Ready::FRESH, now: Instant::now(), scratch: Scratch::default() }
        }

        fn step(&mut self) -> Next {
            let clock = TurnClock::new(self.now, SystemTime::UNIX_EPOCH);
            let (scratch, mut registrar) = (&mut self.scratch, MemoryRegistrar::without_wakers(self.now));
            let mut cx =
                StepContext { clock, scratch, registrar: &mut registrar, memory_is_short: false, handshakes_left: 1 };
            self.session.step(&mut self.ready, &mut cx)
        }

        /// Sends bytes from the client.
        fn send(&mut self, bytes: &[u8]) {
            self.session.session.narrow.inner().incoming.extend_from_slice(bytes);
        }

        /// Runs one step, and returns the bytes that the client receives.
        fn step_and_take(&mut self) -> (Next, Vec<u8>) {
            (self.step(), std::mem::take(&mut self.session.session.narrow.inner().sent))
        }

        fn pass(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }
    }

    #[test]
    fn one_read_and_one_write_of_a_turn_move_at_most_the_limit() {
        let mut turns = Turns::new(pace(2, 0));
        turns.send(b"abcde");
        for (sent, next) in [
            ("ab", Next::Again),
            ("cd", Next::Again),
            ("e", Next::Again),
            ("", Next::Wait(None)),
            ("", Next::Wait(None)),
        ] {
            assert_eq!(turns.step_and_take(), (next, sent.into()));
        }
        assert_eq!(turns.session.session.reads, 3);
    }

    #[test]
    fn a_limited_direction_pauses_even_if_the_poll_reports_it() {
        let mut turns = Turns::new(pace(1, 200));
        turns.send(b"abc");
        let begin = turns.now;
        let after = |millis| Next::Wait(Some(begin + Duration::from_millis(millis)));
        assert_eq!(turns.step_and_take(), (after(200), b"a".to_vec()));
        turns.pass(199);
        turns.ready = Ready::FRESH;
        assert_eq!(turns.step_and_take(), (after(200), vec![]));
        turns.pass(1);
        assert_eq!(turns.step_and_take(), (after(400), b"b".to_vec()));
    }

    #[test]
    fn reads_and_writes_below_the_limit_cause_no_pause() {
        let mut turns = Turns::new(pace(10, 200));
        for request in [b"one", b"two"] {
            turns.send(request);
            turns.ready.read = true;
            assert_eq!(turns.step_and_take(), (Next::Again, request.to_vec()));
            assert_eq!(turns.step(), Next::Wait(None));
        }
    }

    #[test]
    fn both_parts_of_a_write_count_together_and_only_the_last_packet_may_wait_for_more() {
        #[derive(Default)]
        struct Seen(Vec<(usize, usize, bool)>, super::super::NoSource);
        impl Transport for Seen {
            fn recv(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
            fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
                self.0.push((first.len(), second.len(), more));
                Ok(first.len() + second.len())
            }
            fn send_file(&mut self, _: &File, _: u64, length: u64) -> io::Result<u64> {
                Ok(length)
            }
            fn end(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn source(&mut self) -> &mut dyn mio::event::Source {
                &mut self.1
            }
        }
        for (first, second, seen) in [(3, 9, (3, 2, false)), (7, 1, (5, 0, false)), (2, 3, (2, 3, true))] {
            let mut narrow = Narrow::new(Seen::default(), pace(5, 0));
            assert_eq!(narrow.send(&b"aaaaaaaaa"[..first], &b"bbbbbbbbb"[..second], true).unwrap(), 5);
            assert_eq!(narrow.inner().0, [seen]);
        }
        let mut narrow = Narrow::new(Seen::default(), pace(5, 0));
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(narrow.send_file(&file, 0, 100).unwrap(), 5);
        assert_eq!(narrow.send(b"x", b"", false).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_direction_without_a_limit_is_not_narrowed() {
        let mut turns = Turns::new(Pace { max_write: NonZeroUsize::new(1), ..Pace::default() });
        turns.send(b"abc");
        assert_eq!((turns.step(), turns.session.session.unsent.len()), (Next::Again, 2));
    }
}
