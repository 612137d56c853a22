//! The trace of a server on real sockets: its format, the order of its events, and the information that it must
//! contain.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;

use common::client::{Client, HELLO};
use common::service::TestService;
use serde_json::Value;
use serve_forever::http1::{ReceiveState, SendState};
use serve_forever::log::AccessLog;
use serve_forever::trace::{Explain, faults};
use serve_forever::{HttpServer, Stopped};

/// A file in memory.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a server for as long as `play` takes. Returns the trace and the sentences about all connections.
fn traced(configure: impl FnOnce(HttpServer) -> HttpServer, play: impl FnOnce(&mut Client)) -> (String, String) {
    let (trace, sentences) = (Shared::default(), Shared::default());
    let server = HttpServer::bind("127.0.0.1:0").unwrap().service(TestService).log(AccessLog::off());
    let server = server.trace(trace.clone()).explain(Explain::All, sentences.clone());
    let mut server = configure(server);
    let (address, stopper) = (server.server_address(), server.stopper());
    let running = thread::spawn(move || server.serve_forever());
    play(&mut Client::connect(address));
    stopper.stop();
    assert_eq!(running.join().unwrap().unwrap(), Stopped::ByStopper);
    (trace.text(), sentences.text())
}

/// The events of a trace.
fn events(trace: &str) -> Vec<Value> {
    let lines = trace.strip_prefix("[\n").unwrap().lines();
    lines.map(|line| serde_json::from_str(line.strip_suffix(',').unwrap()).unwrap()).collect()
}

/// The names of the events of the first connection in one category, without the ends of states.
fn names<'e>(events: &'e [Value], category: &str) -> Vec<&'e str> {
    let wanted = |event: &&Value| event["cat"] == category && event["pid"] == 1001 && event["ph"] != "E";
    events.iter().filter(wanted).map(|event| event["name"].as_str().unwrap()).collect()
}

/// Checks what holds for every trace of a run that has ended.
fn check(trace: &str) -> Vec<Value> {
    assert_eq!(faults(trace), Vec::<String>::new());
    let events = events(trace);
    let (mut latest, mut open) = (BTreeMap::new(), BTreeMap::new());
    let (mut accepted, mut closed) = (0, 0);
    for event in &events {
        let (thread, phase) = (event["tid"].as_u64().unwrap_or(0), event["ph"].as_str().unwrap());
        if let Some(at) = event["ts"].as_f64().filter(|_| matches!(phase, "B" | "E" | "i" | "C")) {
            let before = latest.insert(thread, at);
            assert!(before.is_none_or(|before| before < at), "not later than the event before it: {event}");
        }
        let name = event["name"].as_str().unwrap().to_owned();
        match phase {
            "B" => assert_eq!(open.insert(thread, name), None, "a state begins before the last has ended: {event}"),
            "E" => assert_eq!(open.remove(&thread), Some(name), "another state ends: {event}"),
            _ => {
                accepted += u32::from(name == "accept" && event["cat"] == "io");
                closed += u32::from(name == "close");
            }
        }
    }
    assert!(open.is_empty(), "a state has no end: {open:?}");
    assert_eq!(accepted, closed);
    for (category, transitions) in [("recv", ReceiveState::TRANSITIONS), ("send", SendState::TRANSITIONS)] {
        for pair in names(&events, category).windows(2) {
            assert!(transitions.iter().any(|(from, _, to)| [*from, *to] == *pair), "{category}: {pair:?}");
        }
    }
    events
}

#[test]
fn a_trace_shows_the_states_the_waits_and_the_reads_and_writes_of_a_get() {
    let (trace, sentences) = traced(
        |server| server,
        |client| {
            assert_eq!(client.get("/").status(), 200);
            assert!(client.end().is_closed());
        },
    );
    let events = check(&trace);
    assert_eq!(events[2]["name"], "trace_begin");
    assert_eq!(names(&events, "recv"), ["Idle", "Head", "Done", "Idle", "Closed"]);
    assert_eq!(names(&events, "send"), ["Idle", "Due", "Body", "Done", "Idle", "Closed"]);
    assert_eq!(names(&events, "wait"), ["First", "Idle"]);
    let io: Vec<&str> = names(&events, "io");
    assert_eq!(io[..4], ["accept", "read", "write", "register"]);
    assert_eq!(io[io.len() - 2..], ["end of input", "close"]);
    let of = |name: &str, category: &str| {
        events.iter().find(|event| event["name"] == name && event["cat"] == category && event["ph"] != "E").unwrap()
    };
    assert_eq!(of("Done", "recv")["args"]["request"], "GET / HTTP/1.1");
    assert_eq!(
        (&of("Body", "send")["args"]["status"], &of("Body", "send")["args"]["length"]),
        (&200.into(), &6.into())
    );
    assert!(sentences.starts_with("[conn 1 +0.000 000 s] The connection has been accepted;"), "{sentences}");
    assert!(sentences.contains(" s] The request is complete.\n"), "{sentences}");
    assert!(sentences.lines().all(|line| line.starts_with("[conn 1 +") && line.ends_with('.')), "{sentences}");
}

#[test]
fn a_trace_shows_the_wake_up_of_a_handler_by_another_thread() {
    use serve_forever::handler::{Exchange, RequestHandler};
    use serve_forever::service::Response;
    struct Offloads;
    impl RequestHandler for Offloads {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            let text = x.offload(|| "from another thread")?;
            x.respond(Response::text(text))
        }
    }
    // A thread that finishes before the handler suspends resumes nothing, so the handler is called several times.
    let play = |client: &mut Client| (0..20).for_each(|_| assert_eq!(client.get("/").body, b"from another thread"));
    let (trace, _) = traced(|server| server.handler(|| Offloads), play);
    let events = check(&trace);
    let has = |name: &str, argument: &str, value: Value| {
        events.iter().any(|event| event["name"] == name && event["args"][argument] == value)
    };
    assert!(has("wake", "conn", 1.into()) && has("mark", "by", "wake".into()), "{trace}");
    let io = names(&events, "io");
    let first = |name: &str| io.iter().position(|other| *other == name);
    let last_write = io.iter().rposition(|name| *name == "write");
    assert!(first("upstream").is_some() && first("upstream") < first("resumed"), "{io:?}");
    assert!(first("resumed") < last_write, "{io:?}");
}

#[test]
fn a_trace_of_a_narrow_connection_shows_short_writes_and_withheld_attempts() {
    let limit = std::num::NonZeroUsize::new(10);
    let pace = serve_forever::Pace { max_read: limit, max_write: limit, ..Default::default() };
    let (trace, _) = traced(|server| server.pace(pace), |client| assert_eq!(client.get("/").status(), 200));
    let events = check(&trace);
    let io = names(&events, "io");
    let count = |name: &str| io.iter().filter(|other| **other == name).count();
    assert_eq!(count("read"), HELLO.len().div_ceil(10));
    assert!(count("short write") > 5 && count("WouldBlock") > 5, "{io:?}");
    assert!(trace.contains("\"name\":\"read\",\"ph\":\"i\",\"s\":\"t\",\"cat\":\"io\""), "{trace}");
    assert!(!trace.contains("\"all\":true"), "a limited read never empties the socket");
}

#[test]
fn only_the_first_connections_have_tracks() {
    let (trace, _) = traced(
        |server| server.trace_connections(1),
        |client| {
            let mut second = Client::connect(client.stream.peer_addr().unwrap());
            assert_eq!((client.get("/").status(), second.get("/").status()), (200, 200));
        },
    );
    let events = check(&trace);
    assert!(events.iter().all(|event| event["pid"].as_u64().unwrap() <= 1001));
    assert!(events.iter().any(|event| event["name"] == "step" && event["args"]["conn"] == 2), "its steps are shown");
}

#[test]
fn a_trace_that_is_cut_anywhere_has_no_fault() {
    let (trace, _) = traced(|server| server, |client| assert_eq!(client.get("/").status(), 200));
    let lines: Vec<usize> = trace.match_indices('\n').map(|(at, _)| at).collect();
    for end in lines[lines.len() - 4]..trace.len() {
        assert_eq!(faults(&trace[..end]), Vec::<String>::new(), "cut at {end} of {}", trace.len());
    }
}
