//! A network and a clock in memory, for a real loop that runs real sessions of HTTP. A script decides which bytes
//! arrive when, and when the loop wakes. Each simulation has its own scripts.

pub mod line;
#[cfg(feature = "client")]
pub mod outgoing;
pub mod surroundings;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use line::{ServerEnd, SharedLine};
use mio::{Poll, Registry, Token};
use serve_forever::connection::{HttpSession, ServerState};
use serve_forever::reactor::{Accept, Mailbox, Selector};
use serve_forever::session::{Ready, Session};
use serve_forever::trace::{ConnectionRecorder, Recorder};
use serve_forever::transport::Transport;

use super::dialogue::SECOND;

/// The time, which only a script, or the recorder when it reads the clock, moves. The time of day does not change.
#[derive(Clone)]
pub struct Clock {
    start: Instant,
    nanos: Arc<AtomicU64>,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { start: Instant::now(), nanos: Arc::default() }
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    pub fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    /// Moves the time forward to this time since the start, unless it is later already.
    pub fn pass_until(&self, elapsed: Duration) {
        self.nanos.fetch_max(elapsed.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Reads the clock for the recorder. This takes a microsecond, so that events have different times.
    pub fn read(&self) -> Instant {
        let nanos = self.nanos.fetch_add(1000, Ordering::Relaxed);
        self.start + Duration::from_nanos(nanos)
    }
}

pub const NOT_READY: Ready = Ready { read: false, write: false, read_closed: false, broken: false };

/// An event of a sleep.
pub type Event = (Token, Ready);

/// The connections that wait at a listener, and the failures of the next calls of `accept`.
#[derive(Default)]
pub struct Backlog {
    pub waiting: VecDeque<io::Result<SharedLine>>,
    pub token: Option<Token>,
    has_changed: bool,
    accepted: u16,
}

impl Backlog {
    pub fn come(&mut self, arrival: io::Result<SharedLine>) {
        self.waiting.push_back(arrival);
        self.has_changed = true;
    }
}

/// Makes the transport of an accepted connection.
pub type MakeTransport<'s> = &'s dyn Fn(SharedLine) -> Box<dyn Transport>;

/// Makes a transport that does not encrypt.
pub fn unencrypted(line: SharedLine) -> Box<dyn Transport> {
    Box::new(ServerEnd::accept(line))
}

/// A listener whose connections become recorded sessions of HTTP.
pub struct Listener<'s> {
    pub state: &'s ServerState,
    pub recorder: Option<&'s RefCell<Recorder>>,
    pub backlog: Rc<RefCell<Backlog>>,
    pub make_transport: MakeTransport<'s>,
}

impl<'s> Accept<'s> for Listener<'s> {
    fn register(&mut self, _: &Registry, token: Token) -> io::Result<()> {
        self.backlog.borrow_mut().token = Some(token);
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) {
        self.backlog.borrow_mut().token = None;
    }

    fn accept(&mut self, now: Instant) -> io::Result<Option<Box<dyn Session + 's>>> {
        let mut backlog = self.backlog.borrow_mut();
        let line = backlog.waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)??;
        backlog.accepted += 1;
        let peer = SocketAddr::from(([192, 0, 2, 1], 50_000 + backlog.accepted));
        let limit = Some(self.state.limits().head_timeout);
        let observer = self.recorder.map(|recorder| ConnectionRecorder::new(recorder, peer, now, limit));
        let session = HttpSession::admit(self.state, (self.make_transport)(line), peer, now, observer);
        Ok(session.map(|session| Box::new(session) as Box<dyn Session + 's>))
    }

    fn has_pending(&self) -> bool {
        !self.backlog.borrow().waiting.is_empty()
    }
}

/// The listener, the connections, the wake-ups from other threads, and the time.
pub struct Network {
    pub clock: Clock,
    pub backlog: Rc<RefCell<Backlog>>,
    pub lines: Vec<SharedLine>,
    /// The wake-ups of the loop that no sleep has reported.
    rings: Arc<AtomicUsize>,
}

impl Network {
    /// A network without connections, and the mailbox of its loop.
    pub fn new(clock: Clock) -> (Network, Arc<Mailbox>) {
        let rings = Arc::new(AtomicUsize::new(0));
        let bell = Arc::clone(&rings);
        let mailbox = Mailbox::new(move || _ = bell.fetch_add(1, Ordering::Relaxed));
        (Network { clock, backlog: Rc::default(), lines: Vec::new(), rings }, Arc::new(mailbox))
    }

    /// A client connects.
    pub fn connect(&mut self, line: SharedLine) {
        self.lines.push(Rc::clone(&line));
        self.backlog.borrow_mut().come(Ok(line));
    }

    /// The events for all changes since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        let readable = Ready { read: true, ..NOT_READY };
        let mut backlog = self.backlog.borrow_mut();
        let has_come = std::mem::take(&mut backlog.has_changed);
        let of_listener = backlog.token.filter(|_| has_come).map(|token| (token, readable));
        let of_lines = self.lines.iter().filter_map(|line| line.borrow_mut().event());
        let has_rung = self.rings.swap(0, Ordering::Relaxed) > 0;
        of_listener.into_iter().chain(of_lines).chain(has_rung.then_some((Mailbox::TOKEN, readable))).collect()
    }
}

/// Decides what happens during the sleeps of a loop.
pub trait Script {
    /// Plays until the sleep ends, which may last for `timeout`. Returns its events.
    fn sleep(&mut self, network: &mut Network, timeout: Option<Duration>) -> io::Result<Vec<Event>>;
}

/// A selector whose events are those of a script.
pub struct NetworkSelector<S> {
    /// Only its registry is used.
    poll: Poll,
    pub network: Network,
    pub script: S,
}

impl<S> NetworkSelector<S> {
    pub fn new(network: Network, script: S) -> NetworkSelector<S> {
        NetworkSelector { poll: Poll::new().unwrap(), network, script }
    }
}

impl<S: Script> Selector for NetworkSelector<S> {
    type Events = Vec<Event>;

    fn events(&self) -> Self::Events {
        Vec::new()
    }

    fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    fn select(&mut self, events: &mut Self::Events, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        *events = self.script.sleep(&mut self.network, timeout)?;
        Ok(())
    }

    fn happened(events: &Self::Events) -> impl Iterator<Item = Event> {
        events.iter().copied()
    }

    fn clock(&self) -> (Instant, SystemTime) {
        (self.network.clock.now(), UNIX_EPOCH + Duration::from_secs(SECOND))
    }
}
