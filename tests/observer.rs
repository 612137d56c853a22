//! Checks that an observer is called for every event of its connection, in order.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Instant, UNIX_EPOCH};

use common::dialogue::site;
use common::service::TestService;
use serve_forever::connection::HttpSession;
use serve_forever::observer::{ConnectionObserver, ObservedWait, TransitionObserver};
use serve_forever::session::{Next, Ready, Scratch, Session, StepContext, TurnClock};
use serve_forever::testing::MemoryRegistrar;
use serve_forever::transport::Memory;

/// Records the calls.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.borrow_mut().push(note);
    }
}

impl TransitionObserver for Notes {
    fn request<'r>(&mut self, line: impl Fn() -> &'r [u8]) {
        self.add(String::from_utf8_lossy(line()).into_owned());
    }

    fn response(&mut self, status: u16, length: Option<u64>) {
        self.add(format!("{status} {length:?}"));
    }

    fn receive_transition(&mut self, from: &'static str, to: &'static str) {
        self.add(format!("receive {from} {to}"));
    }

    fn send_transition(&mut self, from: &'static str, to: &'static str) {
        self.add(format!("send {from} {to}"));
    }
}

impl ConnectionObserver for Notes {
    fn read(&mut self, bytes: usize, _: usize, is_all: bool) {
        self.add(format!("read {bytes} {is_all}"));
    }

    fn read_blocked(&mut self) {
        self.add("read blocked".into());
    }

    fn end_of_input(&mut self) {
        self.add("end of input".into());
    }

    fn sent(&mut self, wanted: usize, _: bool, result: &io::Result<usize>) {
        let result =
            result.as_ref().map_or_else(|error| error.kind().to_string(), |count| (wanted - count).to_string());
        self.add(format!("sent but {result}"));
    }

    fn shut_down(&mut self) {
        self.add("shut down".into());
    }

    fn deadline_fired(&mut self) {
        self.add("deadline fired".into());
    }

    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {
        self.add(format!("waits {}", tell().kind));
    }
}

#[test]
fn an_observer_hears_of_reads_transitions_writes_and_waits_in_order() {
    let (site, notes, now) = (site(TestService), Notes::default(), Instant::now());
    let memory = Memory { room: 100, ..Memory::default() };
    let peer = "127.0.0.1:50000".parse().unwrap();
    let mut session = HttpSession::observed(&site, memory, peer, now, notes.clone());
    let mut scratch = Scratch::default();
    let mut step = |session: &mut HttpSession<'_, Memory, Notes>| {
        let mut registrar = MemoryRegistrar::without_wakers(now);
        let clock = TurnClock::new(now, UNIX_EPOCH);
        let mut cx = StepContext {
            clock,
            scratch: &mut scratch,
            registrar: &mut registrar,
            memory_is_short: false,
            handshakes_left: 1,
        };
        let next = session.step(&mut Ready::FRESH.clone(), &mut cx);
        (next, notes.0.take())
    };
    session.transport().incoming = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let head = ["receive Idle Head", "GET / HTTP/1.1", "receive Head Done", "send Idle Due", "200 Some(6)"];
    let body = ["send Due Body", "send Body Done", "receive Done Idle", "send Done Idle"];
    let (next, heard) = step(&mut session);
    assert!(matches!(next, Next::Wait(Some(_))));
    let sent: Vec<&String> = heard.iter().filter(|note| note.starts_with("sent but ")).collect();
    assert!(sent.len() == 2 && sent[1] == "sent but operation would block", "{sent:?}");
    let others: Vec<&str> = heard.iter().map(String::as_str).filter(|note| !note.starts_with("sent but ")).collect();
    assert_eq!(others, [&["read 27 false"], &head[..], &body[..], &["waits Write"]].concat());
    session.transport().room = usize::MAX;
    assert_eq!(step(&mut session).1, ["sent but 0", "read blocked", "waits Idle"]);
    session.transport().at_end = true;
    let (next, heard) = step(&mut session);
    assert!(matches!(next, Next::Close(_)));
    assert_eq!(heard, ["end of input", "receive Idle Closed", "send Idle Closed"]);
}
