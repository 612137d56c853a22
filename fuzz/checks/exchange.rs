//! Checks a whole session on a connection in memory: for any bytes from a client, received and accepted in any pieces,
//! the session sends complete responses and ends.
//!
//! The data is the position of the split (two bytes) and the bytes that a client sends before it closes its side.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serve_forever::Limits;
use serve_forever::connection::{HttpSession, ServerState};
use serve_forever::http::{Request, Status};
use serve_forever::log::AccessLog;
use serve_forever::service::{Body, FileSlice, Registrar, Reply, Response, Source, Upstream, Waker};
use serve_forever::session::{CloseReason, Next, Ready, Scratch, Session, StepContext, TurnClock};
use serve_forever::testing::MemoryRegistrar;
use serve_forever::transport::{Memory, Transport};

use super::feeding::{split_place, ways};
use super::responses::{self, Answer};

pub fn check(data: &[u8]) {
    let (place, bytes) = split_place(data);
    let [whole, dripped, halves] = ways(bytes, place);
    let unlimited = Client { takes: usize::MAX, closes: true };
    let slow = Client { takes: 1 + place % 997, closes: true };
    let expected = converse(&whole, unlimited, bytes);
    agree(&expected, &converse(&dripped, unlimited, bytes), "byte by byte");
    agree(&expected, &converse(&halves, unlimited, bytes), "in two parts");
    agree(&expected, &converse(&halves, slow, bytes), "in two parts, to a slow client");
    // If a client sends nothing more and does not close, it finally gets a response, or its connection is closed.
    converse(&halves, Client { closes: false, ..slow }, bytes);
}

/// The result for a client: the responses, and the reason why the session ended.
type Seen = (Vec<Answer>, CloseReason);

/// Checks that two clients that send the same bytes receive the same bytes. A response that is produced while the
/// request arrives may or may not be sent before a fault in the request. If a response was cut, only the responses
/// before it are compared.
fn agree(one: &Seen, other: &Seen, way: &str) {
    let cut = |seen: &Seen| seen.1 == CloseReason::OutputCut;
    if cut(one) || cut(other) {
        let common = one.0.len().min(other.0.len()).saturating_sub(1);
        assert_eq!(one.0[..common], other.0[..common], "{way}");
    } else {
        assert_eq!(one, other, "{way}");
    }
}

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
struct Client {
    /// The maximum number of bytes that it accepts at a time.
    takes: usize,
    /// True if it closes its side when it has sent everything.
    closes: bool,
}

/// Runs a session to its end and returns the result for the client.
fn converse(pieces: &[&[u8]], client: Client, bytes: &[u8]) -> Seen {
    let site = site(bytes);
    let woken = Arc::new(AtomicBool::new(false));
    let sets_woken = Arc::clone(&woken);
    let waker = Waker::new(move || sets_woken.store(true, Ordering::Relaxed));
    let mut registrar = MemoryRegistrar::new(waker, Instant::now());
    let mut scratch = Scratch::default();
    let start = registrar.now;
    let line = Line { takes: client.takes, ..Line::default() };
    let mut session = HttpSession::new(&site, line, nobody(), start);
    let mut pieces = pieces.iter();
    let mut ready = Ready::FRESH;
    let mut idle_waits = 0;
    // This is far more than any of these exchanges needs, so a longer exchange is an endless loop.
    for _ in 0..200_000 {
        let clock = TurnClock::new(registrar.now, UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let next = session.step(
            &mut ready,
            &mut StepContext {
                clock,
                scratch: &mut scratch,
                registrar: &mut registrar,
                memory_is_short: false,
                handshakes_left: 1,
            },
        );
        let line = session.transport();
        let deadline = match next {
            Next::Close(reason) => return (seen(line, reason, bytes), reason),
            Next::Again => continue,
            Next::Wait(deadline) => deadline,
        };
        if woken.swap(false, Ordering::Relaxed) {
            continue;
        } else if line.full.replace(false) {
            ready.write = true;
        } else if let Some(piece) = pieces.next() {
            line.memory.incoming.extend_from_slice(piece);
            ready.read = true;
        } else if client.closes {
            assert!(
                !line.memory.at_end,
                "the session waits for a client that has gone: {:?}",
                bytes.escape_ascii().to_string()
            );
            line.memory.at_end = true;
            (ready.read, ready.read_closed) = (true, true);
        } else {
            registrar.now = deadline.expect("a session that waits for its client has a deadline");
            idle_waits += 1;
            assert!(idle_waits < 10, "the session goes on waiting");
        }
    }
    panic!("the session does not end: {:?}", bytes.escape_ascii().to_string());
}

/// Checks and simplifies the responses that the client received.
fn seen(line: &Line, reason: CloseReason, bytes: &[u8]) -> Vec<Answer> {
    let head_was_asked = bytes.windows(5).any(|five| five == b"HEAD ");
    let mut answers = responses::parse(&line.memory.sent, head_was_asked);
    if let Some(last) = answers.last_mut() {
        let cut = matches!(reason, CloseReason::OutputCut | CloseReason::Stalled);
        assert!(
            last.complete || cut,
            "{reason:?} within a response: {:?}",
            line.memory.sent.escape_ascii().to_string()
        );
        if !last.complete {
            // The part of a body that is sent before it fails depends on the split of the input.
            last.body.clear();
        }
    }
    for answer in &mut answers {
        // The error for a line that is refused early contains the part that had arrived.
        if answer.head.first().is_some_and(|reason| reason.starts_with("Bad request syntax")) {
            answer.head.clear();
            answer.body.clear();
        }
    }
    answers
}

fn nobody() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

fn site(bytes: &[u8]) -> ServerState {
    // A service that responds while the request arrives has read more or less of it, depending on the split of the
    // input. The length of the rest to discard, and therefore the decision to close, would depend on the split too.
    let races = bytes.windows(7).any(|seven| seven == b"/stream");
    let mut site = ServerState::new(answer, nobody());
    site.log = AccessLog::off().into();
    // The limits are small, so that the fuzzer can exceed them.
    *site.limits_mut() = Limits {
        request_line: 200,
        field_line: 300,
        head: 1000,
        fields: 8,
        body: 2000,
        chunk_overhead: 64,
        drain: if races { 10_000 } else { 100 },
        ..Limits::default()
    };
    site
}

/// A service with every kind of response, chosen by the path.
fn answer(request: &Request) -> Reply {
    match request.path() {
        b"/echo" => Box::new(Echo::default()).into(),
        b"/lazy" => Box::new(Echo { lazy: true, ..Echo::default() }).into(),
        b"/early" => Box::new(Early).into(),
        b"/stream" => Box::new(Streamed::default()).into(),
        b"/fail" => Box::new(Failing::default()).into(),
        b"/big" => Response::new(Status::OK).body(Body::Bytes(vec![b'b'; 20_000].into())).into(),
        b"/shared" => Response::new(Status::OK).body(Body::Shared(vec![b's'; 17_000].into())).into(),
        b"/file" => Response::new(Status::OK).body(Body::File(file(0))).into(),
        b"/shrunk" => Response::new(Status::OK).body(Body::File(file(1 << 30))).into(),
        b"/close" => Response::text("closing").close().into(),
        b"/none" => Response::new(Status::NO_CONTENT).into(),
        b"/same" => Response::new(Status::NOT_MODIFIED).into(),
        b"/error" => Response::error(Status::NOT_FOUND).into(),
        _ => Response::text("text").into(),
    }
}

/// A file that always exists. If `offset` is large, the file has fewer bytes after it than announced.
fn file(offset: u64) -> FileSlice {
    static FILE: OnceLock<Arc<File>> = OnceLock::new();
    let open = || File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("the manifest").into();
    FileSlice { file: Arc::clone(FILE.get_or_init(open)), offset, length: 500 }
}

/// Responds with the received body when the body is complete.
#[derive(Default)]
struct Echo {
    body: Vec<u8>,
    complete: bool,
    /// Accepts no part of the body before it has been woken.
    lazy: bool,
}

impl Upstream for Echo {
    fn wants_body(&self) -> bool {
        !self.lazy
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let count = body.len().min(40);
        self.body.extend_from_slice(&body[..count]);
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        assert!(!std::mem::replace(&mut self.complete, true), "ended twice");
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if std::mem::take(&mut self.lazy) {
            registrar.wake().wake();
            return Ok(None);
        }
        Ok(self.complete.then(|| Response::text(format!("echo: {}", self.body.escape_ascii()))))
    }
}

/// Responds without reading the body.
struct Early;

impl Upstream for Early {
    fn wants_body(&self) -> bool {
        false
    }

    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        unreachable!("fed without having asked")
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(Some(Response::text("early")))
    }
}

/// Reads the body, and fails when it is complete.
#[derive(Default)]
struct Failing {
    complete: bool,
}

impl Upstream for Failing {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        self.complete = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if self.complete { Err(io::Error::other("planned")) } else { Ok(None) }
    }
}

/// Responds immediately, and sends the body back while it arrives.
#[derive(Default)]
struct Streamed(Rc<RefCell<Pipe>>);

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    complete: bool,
}

impl Upstream for Streamed {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let count = body.len().min(64 - pipe.bytes.len());
        pipe.bytes.extend(&body[..count]);
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.borrow_mut().complete = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let source = Streaming(Rc::clone(&self.0));
        Ok(Some(Response::new(Status::OK).body(Body::Stream(Box::new(source)))))
    }
}

struct Streaming(Rc<RefCell<Pipe>>);

impl Source for Streaming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let alone = Rc::strong_count(&self.0) == 1;
        let mut pipe = self.0.borrow_mut();
        let count = pipe.bytes.len().min(buf.len());
        match count {
            0 if pipe.complete => Ok(0),
            0 if alone => Err(io::ErrorKind::UnexpectedEof.into()),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => {
                buf.iter_mut().zip(pipe.bytes.drain(..count)).for_each(|(to, from)| *to = from);
                Ok(count)
            }
        }
    }
}

/// A connection in memory whose client accepts `takes` bytes and then makes the session wait once.
#[derive(Default)]
struct Line {
    memory: Memory,
    takes: usize,
    took: bool,
    full: Cell<bool>,
}

impl Line {
    /// The number of bytes that may be sent now.
    fn room(&mut self) -> io::Result<usize> {
        assert!(!self.full.get(), "sent although the client takes nothing");
        self.took = !self.took;
        if self.took || self.takes == usize::MAX {
            return Ok(self.takes);
        }
        self.full.set(true);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Transport for Line {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.memory.recv(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        let room = self.room()?.min(first.len() + second.len());
        let of_first = room.min(first.len());
        self.memory.send(&first[..of_first], &second[..room - of_first], more)
    }

    /// Files are copied, as on a system that cannot send them.
    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        assert!(!self.memory.ended, "ended twice");
        self.memory.end()
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.memory.source()
    }
}
