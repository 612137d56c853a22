//! Unit tests that send responses with injected faults one step at a time. They examine the bytes that have been sent
//! at each point in time, and how the connection ends.
//!
//! The tests in `faults` cover the choice of a fault and the bytes that a client receives.

use std::cell::Cell;
use std::io::Read;
use std::time::Duration;

use super::*;
use crate::service::{CutEnd, CutPoint, Fault, FaultKind, WireEffect};
use crate::session::CloseReason;

/// A service that injects a fault into every response: the effect of the fault, and the function that creates each
/// response body.
struct Faulty(WireEffect, fn() -> Body);

impl Service for Faulty {
    fn call(&self, _: &Request) -> Reply {
        let response = Response::new(Status::OK).header("Age", "7").unwrap().body((self.1)());
        let fault = Fault { kind: FaultKind::Close, effect: Some(self.0.clone()) };
        Reply::Later(Box::new(FaultyUpstream(Some(response), Some(fault))))
    }
}

struct FaultyUpstream(Option<Response>, Option<Fault>);

impl Upstream for FaultyUpstream {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(self.0.take())
    }

    fn take_fault(&mut self) -> Option<Fault> {
        self.1.take()
    }
}

thread_local! {
    /// The number of times that the current test has read from the source that [`once`] returns.
    static READS: Cell<usize> = const { Cell::new(0) };
}

/// A source that produces these bytes and counts the calls to `read` in [`READS`].
struct Once(&'static [u8]);

impl Source for Once {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        READS.set(READS.get() + 1);
        self.0.read(buf)
    }
}

fn text() -> Body {
    Body::Bytes(b"0123456789"[..].into())
}

fn once() -> Body {
    Body::Stream(Box::new(Once(b"hello")))
}

fn waiting() -> Body {
    Body::Stream(Box::new(Endless(false)))
}

/// A session whose client has sent a request, and the time of the next step, which the test sets.
struct Timed<'s> {
    session: HttpSession<'s, Connection, Recorder>,
    recorder: Recorder,
    now: Instant,
}

impl<'s> Timed<'s> {
    fn new(state: &'s ServerState) -> Timed<'s> {
        let memory = Memory { incoming: HELLO.to_vec(), ..Memory::default() };
        let (transport, recorder) = (Connection { memory, ..Connection::default() }, Recorder::default());
        let (peer, now) = ("127.0.0.1:50000".parse().unwrap(), Instant::now());
        Timed { session: HttpSession::observed(state, transport, peer, now, recorder.clone()), recorder, now }
    }

    fn step(&mut self) -> Next {
        step_at(&mut self.session, self.now)
    }

    fn memory(&mut self) -> &mut Memory {
        &mut self.session.transport().memory
    }

    fn sent(&mut self) -> String {
        String::from_utf8(self.memory().sent.clone()).unwrap()
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_paced_response_leaves_a_piece_at_a_time() {
    let every = 1000 * MS;
    let state = state(Faulty(WireEffect::Paced { bytes: 10, every }, text));
    let mut timed = Timed::new(&state);
    for sent in [10, 20, 30] {
        assert_eq!(timed.step(), Next::Wait(Some(timed.now + every)));
        assert_eq!(timed.sent().len(), sent);
        timed.now += every - MS;
        timed.step();
        assert_eq!(timed.sent().len(), sent, "the next piece is not due");
        timed.now += MS;
    }
    timed.memory().room = 0;
    for _ in 0..3 {
        timed.step();
        timed.now += every;
    }
    timed.memory().room = usize::MAX;
    timed.step();
    assert_eq!(timed.sent().len(), 50, "a piece that waited and the next one: no other became due meanwhile");
}

#[test]
fn a_paced_response_has_no_deadline_for_bytes_that_its_source_does_not_have() {
    let state = state(Faulty(WireEffect::Paced { bytes: 1, every: MS }, waiting));
    let mut timed = Timed::new(&state);
    let steps: Vec<(usize, bool)> = (0..400)
        .map(|_| {
            let next = timed.step();
            let is_soon = matches!(next, Next::Wait(Some(at)) if at <= timed.now + MS);
            timed.now += MS;
            (timed.sent().len(), is_soon)
        })
        .collect();
    let all = steps.last().unwrap().0;
    assert!(all < 400, "the head is shorter");
    assert!(steps.iter().all(|(sent, is_soon)| *is_soon == (*sent < all)), "{steps:?}");
}

#[test]
fn bytes_after_the_cut_are_not_produced() {
    let state = state(Faulty(WireEffect::Cut(CutPoint::Response(20), CutEnd::Close), once));
    let mut timed = Timed::new(&state);
    timed.step();
    assert_eq!((timed.sent().len(), READS.get()), (20, 0));
}

#[test]
fn an_interim_response_after_the_last_chunk_leaves_that_chunk_whole() {
    let state = state(Faulty(WireEffect::Late100, once));
    let mut timed = Timed::new(&state);
    timed.step();
    assert!(timed.sent().ends_with("5\r\nhello\r\n0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"), "{}", timed.sent());
}

/// The head and the longest body exceed the amount that is gathered before it is sent.
#[test]
fn a_bad_chunk_follows_the_longest_body_that_its_fault_allows() {
    let longest = || Body::Stream(Box::new(Once(&[b'x'; 32 * 1024])));
    let state = state(Faulty(WireEffect::BadChunk, longest));
    let mut timed = Timed::new(&state);
    let steps = (0..10).map(|_| timed.step()).take_while(|next| *next == Next::Again).count();
    assert!(steps < 9 && timed.sent().ends_with("x\r\nzz\r\n"), "{steps} {}", timed.sent().len());
}

#[test]
fn a_wrong_length_changes_no_other_number() {
    let state = state(Faulty(WireEffect::Length(1), text));
    let mut timed = Timed::new(&state);
    timed.step();
    assert!(timed.sent().contains("\r\nAge: 7\r\n") && timed.sent().contains("\r\nContent-Length: 11\r\n"));
}

#[test]
fn a_response_that_is_to_stall_reads_no_further_request_before_its_cut() {
    let effect = |body| WireEffect::Cut(CutPoint::Body(body), CutEnd::Stall);
    for (service, is_over) in [(Faulty(effect(100), waiting), false), (Faulty(effect(3), text), true)] {
        let state = state(service);
        let mut timed = Timed::new(&state);
        assert!(matches!(timed.step(), Next::Wait(_)));
        timed.memory().incoming = HELLO.to_vec();
        assert!(matches!(timed.step(), Next::Wait(_)));
        assert_eq!(timed.memory().incoming.is_empty(), is_over);
        assert_eq!(timed.recorder.0.borrow().all_sent.last(), Some(&true), "the response is not complete");
    }
}

#[test]
fn a_reset_waits_until_the_bytes_have_left_and_are_acknowledged_but_not_for_ever() {
    let cut = |bytes| Faulty(WireEffect::Cut(CutPoint::Response(bytes), CutEnd::Reset), text);
    for (bytes, unacknowledged, longest) in
        [(20, None, 50 * MS), (20, Some(5), 1000 * MS), (20, Some(0), Duration::ZERO), (0, None, Duration::ZERO)]
    {
        let state = state(cut(bytes));
        let mut timed = Timed::new(&state);
        timed.session.transport().unacknowledged = unacknowledged;
        if longest > MS {
            assert_eq!(timed.step(), Next::Wait(Some(timed.now + 2 * MS)), "the next look");
            timed.now += longest - MS;
            assert!(matches!(timed.step(), Next::Wait(_)));
            timed.now += MS;
        }
        assert!(!timed.session.transport().is_reset);
        assert_eq!(timed.step(), Next::Close(CloseReason::Complete), "{unacknowledged:?}");
        assert!(timed.session.transport().is_reset);
    }
    let state = state(cut(20));
    let mut timed = Timed::new(&state);
    timed.memory().room = 0;
    timed.step();
    timed.now += 2000 * MS;
    assert!(matches!(timed.step(), Next::Wait(_)), "the bytes have not left");
}

#[test]
fn a_response_with_a_fault_is_logged_if_the_run_ends_meanwhile() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut state = state(Faulty(WireEffect::Paced { bytes: 10, every: MS }, waiting));
    state.log = AccessLog::to(writer.into()).into();
    let mut timed = Timed::new(&state);
    timed.step();
    drop(timed);
    state.log.borrow_mut().flush();
    drop(state);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.contains("\"GET / HTTP/1.1\" 200 "), "{log}");
}
