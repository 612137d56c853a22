//! Unit tests that run an `HttpSession` one step at a time and examine its observer, its activity, and protocol
//! upgrades. Tests of whole exchanges with a client are in `tests/wire` and `tests/simulation.rs`.

#[cfg(feature = "harness")]
mod faults;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::http::{ErrorInfo, ErrorPage, Request, Status};
use crate::log::AccessLog;
use crate::observer::{ConnectionObserver, ObservedWait, TransitionObserver};
use crate::service::{Body, Registrar, Reply, Response, Service, Source, Upstream};
use crate::session::{Activity, Next, Ready, Scratch, Session, StepContext, TurnClock};
use crate::testing::MemoryRegistrar;
use crate::tls_info::TlsInfo;
use crate::transport::{Memory, Transport};

/// The arguments with which an observer was called, in order.
#[derive(Default)]
struct Calls {
    /// For each read, the number of bytes, and a flag that is true if the session then assumed the socket to be empty.
    reads: Vec<(usize, bool)>,
    all_sent: Vec<bool>,
    budgets: Vec<usize>,
    waits: Vec<&'static str>,
}

#[derive(Clone, Default)]
struct Recorder(Rc<RefCell<Calls>>);

impl TransitionObserver for Recorder {}

impl ConnectionObserver for Recorder {
    fn read(&mut self, bytes: usize, _: usize, is_all: bool) {
        self.0.borrow_mut().reads.push((bytes, is_all));
    }

    fn all_sent(&mut self, is_in_exchange: bool) {
        self.0.borrow_mut().all_sent.push(is_in_exchange);
    }

    fn budget_used_up(&mut self, rounds: usize, _: u64) {
        self.0.borrow_mut().budgets.push(rounds);
    }

    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {
        self.0.borrow_mut().waits.push(tell().kind);
    }
}

fn state(service: impl Service + Send + 'static) -> ServerState {
    let mut state = ServerState::new(service, "127.0.0.1:80".parse().unwrap());
    state.log = AccessLog::off().into();
    state
}

/// A session on a connection whose client has sent `bytes`.
fn session<'s>(state: &'s ServerState, bytes: &[u8], recorder: &Recorder) -> HttpSession<'s, Memory, Recorder> {
    let transport = Memory { incoming: bytes.to_vec(), ..Memory::default() };
    HttpSession::observed(state, transport, "127.0.0.1:50000".parse().unwrap(), Instant::now(), recorder.clone())
}

/// Runs one step with a socket that is readable and writable.
fn step(session: &mut HttpSession<'_, Memory, Recorder>) -> Next {
    step_at(session, Instant::now())
}

/// Like [`step`], but the turn begins at `now`.
fn step_at<T: Transport>(session: &mut HttpSession<'_, T, Recorder>, now: Instant) -> Next {
    let mut cx = StepContext {
        clock: TurnClock::new(now, UNIX_EPOCH),
        scratch: &mut Scratch::default(),
        registrar: &mut MemoryRegistrar::without_wakers(now),
        memory_is_short: false,
        handshakes_left: 1,
    };
    session.step(&mut Ready { ..Ready::FRESH }, &mut cx)
}

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A source that never ends. `Endless(true)` always has bytes, and `Endless(false)` never has any.
struct Endless(bool);

impl Source for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0 { Ok(buf.len()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

#[test]
fn an_observer_learns_that_no_output_is_left_and_whether_the_response_goes_on() {
    let (state, recorder) = (state(|_: &Request| Response::text("x".repeat(100_000))), Recorder::default());
    let mut session = session(&state, HELLO, &recorder);
    session.transport().room = 0;
    step(&mut session);
    assert!(recorder.0.borrow().all_sent.is_empty(), "the head waits");
    session.transport().room = 1000;
    step(&mut session);
    assert_eq!(recorder.0.borrow().all_sent.last(), Some(&true), "the head and some of the body have left");
    session.transport().room = usize::MAX;
    step(&mut session);
    assert_eq!(recorder.0.borrow().all_sent.last(), Some(&false));
}

#[test]
fn an_observer_learns_the_rounds_of_a_step_that_used_up_its_budget() {
    let endless = |_: &Request| Response::new(Status::OK).body(Body::Stream(Box::new(Endless(true))));
    let (state, recorder) = (state(endless), Recorder::default());
    assert_eq!(step(&mut session(&state, HELLO, &recorder)), Next::Again);
    assert_eq!(recorder.0.borrow().budgets, [8]);
}

#[test]
fn an_observer_learns_whether_a_read_has_emptied_the_socket() {
    let state = state(|_: &Request| Response::text("hello"));
    for short_read_is_all in [false, true] {
        let recorder = Recorder::default();
        let mut session = session(&state, HELLO, &recorder);
        session.transport().short_read_is_all = short_read_is_all;
        step(&mut session);
        assert_eq!(recorder.0.borrow().reads, [(HELLO.len(), short_read_is_all)]);
    }
}

/// A service whose upstream responds immediately and reads none of the request's body.
struct Early;

impl Service for Early {
    fn call(&self, _: &Request) -> Reply {
        Reply::Later(Box::new(EarlyUpstream(Some(Response::text("enough")))))
    }
}

struct EarlyUpstream(Option<Response>);

impl Upstream for EarlyUpstream {
    fn wants_body(&self) -> bool {
        // The upstream wants no body before its response, but after an upgrade it wants the bytes of the other
        // protocol.
        self.0.is_none()
    }

    fn reads_on(&self) -> bool {
        false
    }

    fn feed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(self.0.take())
    }
}

#[test]
fn the_activity_and_the_wait_of_a_session_follow_its_exchange() {
    let post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc";
    for (bytes, room, activity, kind) in [
        (&b""[..], usize::MAX, None, "First"),
        (b"GET / HT", usize::MAX, Some(Activity::Receiving), "Head"),
        (HELLO, 0, Some(Activity::Responding), "Write"),
        (HELLO, usize::MAX, None, "Idle"),
        // The response has been sent, and the rest of the body is being discarded.
        (post, usize::MAX, Some(Activity::Receiving), "Body"),
    ] {
        let (state, recorder) = (state(Early), Recorder::default());
        let mut session = session(&state, bytes, &recorder);
        session.transport().room = room;
        assert!(matches!(step(&mut session), Next::Wait(_)));
        assert_eq!(recorder.0.borrow().waits, [kind]);
        let is_quiet = matches!(session.activity(), Activity::Quiet(_));
        assert_eq!((!is_quiet).then(|| session.activity()), activity, "{kind}");
    }
}

/// A service that responds with an upgrade, from an upstream if `has_upstream` is true.
#[derive(Clone, Copy)]
struct Upgrades {
    status: Status,
    has_upstream: bool,
}

impl Service for Upgrades {
    fn call(&self, _: &Request) -> Reply {
        let response = Response::new(self.status).header("Upgrade", "swap").unwrap();
        let response = response.body(Body::Upgrade(Box::new(Endless(false))));
        if self.has_upstream { Reply::Later(Box::new(EarlyUpstream(Some(response)))) } else { response.into() }
    }
}

#[test]
fn only_an_upstream_changes_the_protocol_and_only_by_a_101_that_the_client_asked_for() {
    let (asks, status) = ("Connection: upgrade\r\nUpgrade: swap\r\n", Status::SWITCHING_PROTOCOLS);
    for (fields, status, has_upstream, is_changed) in [
        (asks, status, true, true),
        ("", status, true, false),
        (asks, Status::OK, true, false),
        (asks, status, false, false),
    ] {
        let (state, recorder) = (state(Upgrades { status, has_upstream }), Recorder::default());
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut session = session(&state, request.as_bytes(), &recorder);
        let next = step(&mut session);
        let line = if is_changed { "HTTP/1.1 101 " } else { "HTTP/1.1 500 " };
        assert!(session.transport().sent.starts_with(line.as_bytes()), "{fields:?} {status} {has_upstream}");
        if is_changed {
            assert_eq!(next, Next::Wait(None), "no time limits the wait for the other protocol");
        }
    }
}

/// An in-memory connection on which the test sets the number of unacknowledged bytes and the result of the TLS
/// handshake.
#[derive(Default)]
#[cfg_attr(not(feature = "harness"), expect(dead_code, reason = "only faults ask for acknowledgements and resets"))]
struct Connection {
    memory: Memory,
    unacknowledged: Option<u64>,
    is_reset: bool,
    tls: Option<Arc<TlsInfo>>,
}

impl Transport for Connection {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.memory.recv(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        self.memory.send(first, second, more)
    }

    fn send_file(&mut self, file: &std::fs::File, offset: u64, length: u64) -> io::Result<u64> {
        self.memory.send_file(file, offset, length)
    }

    fn end(&mut self) -> io::Result<()> {
        self.memory.end()
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.memory.source()
    }

    #[cfg(feature = "harness")]
    fn unacknowledged(&self) -> Option<u64> {
        self.unacknowledged
    }

    #[cfg(feature = "harness")]
    fn reset_on_drop(&mut self) {
        self.is_reset = true;
    }

    fn tls(&self) -> Option<&Arc<TlsInfo>> {
        self.tls.as_ref()
    }
}

#[test]
fn the_error_page_of_an_incomplete_head_knows_the_handshake_of_its_connection() {
    struct Keeps(Arc<AtomicBool>);
    impl ErrorPage for Keeps {
        fn content_type(&self) -> &str {
            "text/plain"
        }

        fn render(&self, error: &ErrorInfo<'_>, _: &mut Vec<u8>) {
            self.0.store(error.request.tls().is_some(), Ordering::Relaxed);
        }
    }
    let has_tls = Arc::new(AtomicBool::new(false));
    let mut state = state(|_: &Request| Response::text("hello"));
    state.error_page = Box::new(Keeps(Arc::clone(&has_tls)));
    let memory = Memory { incoming: b"GET / HT".to_vec(), ..Memory::default() };
    let transport = Connection { memory, tls: Some(Arc::default()), ..Connection::default() };
    let (peer, now) = ("127.0.0.1:50000".parse().unwrap(), Instant::now());
    let mut session = HttpSession::observed(&state, transport, peer, now, Recorder::default());
    step_at(&mut session, now);
    step_at(&mut session, now + state.limits().head_timeout);
    assert!(session.transport().memory.sent.starts_with(b"HTTP/1.1 408 "));
    assert!(has_tls.load(Ordering::Relaxed));
}

/// Each connection that is never read from counts as one more injected fault.
#[cfg(feature = "harness")]
#[test]
fn a_connection_that_is_never_read_is_counted_as_a_fault() {
    struct Deaf;
    impl Service for Deaf {
        fn call(&self, _: &Request) -> Reply {
            Response::text("").into()
        }

        fn next_is_deaf(&self, is_loopback: bool) -> bool {
            is_loopback
        }
    }
    let state = state(Deaf);
    for count in 1..3 {
        let recorder = Recorder::default();
        let mut session = session(&state, HELLO, &recorder);
        assert!(matches!(step(&mut session), Next::Wait(_)), "it stays open");
        assert!(recorder.0.borrow().reads.is_empty());
        assert_eq!(state.faults().sum::<u64>(), count);
    }
}
