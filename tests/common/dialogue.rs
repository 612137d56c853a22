//! Runs one session step by step: passes bytes to it, runs it until it waits, and collects its output, with a clock
//! that only a test moves.

use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use serve_forever::connection::{HttpSession, ServerState};
use serve_forever::http1::Buffer;
use serve_forever::log::AccessLog;
use serve_forever::service::Service;
use serve_forever::session::{Activity, CloseReason, Next, Ready, Scratch, Session, StepContext, TurnClock};
use serve_forever::testing::MemoryRegistrar;
use serve_forever::transport::{Memory, Narrow, Pace, PaceGate, Transport};

/// The time of day in all dialogues; [`DATE`] is the same as text.
pub const SECOND: u64 = 784_111_777;

/// The `Date` of every response in a dialogue.
pub const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The size of the buffers that the loop lends to the session.
pub const SCRATCH: usize = 8 * 1024;

/// More steps than any dialogue needs. A session that uses all of them never waits.
const MOST_STEPS: usize = 1_000_000;

/// A site without a log. Its server name is `test`.
pub fn site(service: impl Service + Send + 'static) -> ServerState {
    let mut site = ServerState::new(service, "127.0.0.1:80".parse().unwrap());
    site.set_server_name("test").unwrap();
    site.log = AccessLog::off().into();
    site
}

/// A session, the loop around it, and the clock.
pub struct Dialogue<'s, T> {
    session: HttpSession<'s, T>,
    /// Paces the session if its transport reads and writes few bytes at a time.
    gate: Option<Rc<PaceGate>>,
    pub ready: Ready,
    pub scratch: Scratch,
    pub now: Instant,
    stopping: Option<Instant>,
    /// The time from which the session counts as idle if it becomes idle; `None` is the time of the step.
    pub idle_from: Option<Instant>,
    /// The result of the session's last step.
    pub next: Next,
    pub steps: usize,
    /// True if the session has reported that the sessions together use too much memory.
    pub memory_is_short: bool,
    /// The number of handshake flights that a step may compute.
    pub handshakes_left: usize,
}

/// A transport that ends in a connection in memory.
pub trait EndsInMemory: Transport {
    fn end_of_it(&mut self) -> &mut Memory;
}

impl EndsInMemory for Memory {
    fn end_of_it(&mut self) -> &mut Memory {
        self
    }
}

impl EndsInMemory for Narrow<Memory> {
    fn end_of_it(&mut self) -> &mut Memory {
        self.inner()
    }
}

impl<'s> Dialogue<'s, Memory> {
    pub fn new(site: &'s ServerState) -> Self {
        Dialogue::on(site, Memory::default())
    }
}

impl<'s> Dialogue<'s, Narrow<Memory>> {
    /// A dialogue in which the server reads and writes at this pace.
    pub fn paced(site: &'s ServerState, memory: Memory, pace: Pace) -> Self {
        let narrow = Narrow::new(memory, pace);
        let gate = Some(narrow.gate());
        Dialogue { gate, ..Dialogue::on(site, narrow) }
    }
}

impl<T: EndsInMemory> Dialogue<'_, T> {
    /// The client's end of the connection.
    pub fn client(&mut self) -> &mut Memory {
        self.session.transport().end_of_it()
    }

    /// The client sends these bytes, and the session then runs until it waits.
    pub fn say(&mut self, bytes: &[u8]) -> &mut Self {
        self.client().incoming.extend_from_slice(bytes);
        self.ready.read = true;
        self.run()
    }

    /// The client closes its side.
    pub fn end(&mut self) -> &mut Self {
        self.client().at_end = true;
        self.ready.read = true;
        self.ready.read_closed = true;
        self.run()
    }

    /// The client accepts this number of further bytes.
    pub fn make_room(&mut self, room: usize) -> &mut Self {
        self.client().room = room;
        self.ready.write = true;
        self.run()
    }

    /// The bytes that the server has sent since the last call.
    pub fn heard(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.client().sent)).into_owned()
    }
}

impl<'s, T: Transport> Dialogue<'s, T> {
    pub fn on(site: &'s ServerState, transport: T) -> Self {
        let now = Instant::now();
        let peer = "127.0.0.1:50000".parse().unwrap();
        Dialogue {
            session: HttpSession::new(site, transport, peer, now),
            gate: None,
            ready: Ready::FRESH,
            scratch: small_scratch(),
            now,
            stopping: None,
            idle_from: None,
            next: Next::Again,
            steps: 0,
            memory_is_short: false,
            handshakes_left: 1,
        }
    }

    pub fn transport(&mut self) -> &mut T {
        self.session.transport()
    }

    /// The number of bytes of memory that the session's buffers own between two steps.
    pub fn memory(&self) -> usize {
        self.session.buffered_memory()
    }

    /// One step, unless the session is over.
    pub fn step(&mut self) -> Next {
        if let Next::Close(_) = self.next {
            return self.next;
        }
        let wall = UNIX_EPOCH + Duration::from_secs(SECOND);
        let idle_from = self.idle_from.unwrap_or(self.now);
        let clock = TurnClock { stopping: self.stopping, idle_from, ..TurnClock::new(self.now, wall) };
        let mut registrar = MemoryRegistrar::without_wakers(self.now);
        let mut cx = StepContext {
            clock,
            scratch: &mut self.scratch,
            registrar: &mut registrar,
            memory_is_short: false,
            handshakes_left: self.handshakes_left,
        };
        self.next = match &self.gate {
            Some(gate) => gate.step(&mut self.session, &mut self.ready, &mut cx),
            None => self.session.step(&mut self.ready, &mut cx),
        };
        self.memory_is_short |= cx.memory_is_short;
        self.steps += 1;
        self.next
    }

    /// The time since which the session is idle, and its activity, for the loop.
    pub fn idleness(&self) -> (Option<Instant>, Activity) {
        (self.session.idle_since(), self.session.activity())
    }

    /// The time since which the session is stalled. The loop closes the sessions with the earliest time.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.session.stalled_since(self.now)
    }

    /// The loop closes the session to make room.
    pub fn evict(&mut self) {
        self.session.evict(TurnClock::new(self.now, UNIX_EPOCH));
    }

    /// Steps until the session waits or is over.
    pub fn run(&mut self) -> &mut Self {
        let most = self.steps + MOST_STEPS;
        while self.step() == Next::Again {
            assert!(self.steps < most, "the session runs in a circle");
        }
        self
    }

    /// The server begins to stop.
    pub fn stop(&mut self) {
        self.stopping = Some(self.now);
    }

    /// Moves the clock, and runs the session if a deadline has passed.
    pub fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.run()
    }

    /// The reason for the end of the session, if it has ended.
    pub fn closed(&self) -> Option<CloseReason> {
        match self.next {
            Next::Close(reason) => Some(reason),
            Next::Again | Next::Wait(_) => None,
        }
    }

    /// The time for which the session waits at most.
    pub fn patience(&self) -> Option<Duration> {
        match self.next {
            Next::Wait(deadline) => deadline.map(|deadline| deadline.saturating_duration_since(self.now)),
            Next::Again | Next::Close(_) => None,
        }
    }
}

/// The buffers are smaller than those of the loop, so that full buffers occur, and so that each of the many dialogues
/// is cheap.
fn small_scratch() -> Scratch {
    let buffer = || Buffer::with_capacity(SCRATCH);
    Scratch { input: buffer(), output: buffer() }
}
