//! The small service that most tests use: one path for each feature of a service.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serve_forever::http::{BodyLength, FieldBlock, Method, Request, Status};
use serve_forever::service::{Body, FileSlice, Registrar, Reply, Response, Service, Source, Upstream};

/// A path has the form `/name` or `/name?number`.
#[derive(Debug, Default)]
pub struct TestService;

impl Service for TestService {
    fn call(&self, request: &Request) -> Reply {
        let number = request.query().and_then(|query| std::str::from_utf8(query).ok()?.parse().ok()).unwrap_or(0);
        let response = match request.path() {
            b"/" => Response::text("hello\n"),
            b"*" => Response::new(Status::NO_CONTENT),
            b"" => Response::error(Status::METHOD_NOT_ALLOWED).header("Allow", "GET").unwrap(),
            b"/echo" => return Reply::Later(Box::new(Echo::default())),
            b"/stream-echo" => return stream_echo(request),
            b"/later" => return Reply::Later(Box::new(Later { after: Duration::from_millis(number), due: None })),
            b"/early" => return Reply::Later(Box::new(Early { bytes: number as usize, seen: 0 })),
            b"/hints" => return Reply::Later(Box::new(Hints { left: number })),
            b"/unwilling" => return Reply::Later(Box::new(Early { bytes: 0, seen: 0 })),
            b"/gives-up" => return Reply::Later(Box::new(GivesUp { answered: false })),
            b"/chokes" => return Reply::Later(Box::new(Chokes)),
            b"/fails" => return Reply::Later(Box::new(Fails)),
            b"/method" => Response::text(format!("{}\n", request.method().as_str())),
            b"/authority" => {
                Response::text(format!("{}\n", String::from_utf8_lossy(request.authority().unwrap_or(b"none"))))
            }
            b"/no-content" => Response::new(Status::NO_CONTENT),
            b"/not-modified" => Response::new(Status::NOT_MODIFIED).header("ETag", "\"x\"").unwrap(),
            b"/reset-content" => Response::error(Status::RESET_CONTENT),
            b"/bytes" => Response::text(pattern(number as usize)),
            b"/shared" => Response::new(Status::OK).body(Body::Shared(pattern(number as usize).into_bytes().into())),
            b"/stream" => stream(number, None),
            b"/slices" => slices(number),
            b"/counted" => stream(number, Some(number)),
            b"/long" => stream(number + 3, Some(number)),
            b"/short" => stream(number - 1, Some(number)),
            b"/broken" => broken(number),
            b"/file" => file(number, number),
            b"/truncated" => file(number, number + 1000),
            b"/unreadable" => unreadable(number),
            b"/liar" => Response::text("hello\n").header("Content-Length", "7").unwrap(),
            b"/honest" => Response::text("hello\n").header("Content-Length", "6").unwrap(),
            b"/interim" => Response::new(Status::EARLY_HINTS),
            b"/reason" => Response::error(Status::NOT_FOUND).message("no <such>\r\nX-Evil: 1"),
            b"/latin-reason" => Response::error(Status::NOT_FOUND).message("caf\u{e9} \u{10d}\u{10a}X: 1 \u{20ac}"),
            b"/close" => Response::text("bye\n").close(),
            b"/keep" => Response::text("stay\n").header("Connection", "keep-alive").unwrap(),
            b"/keep-stream" => stream(number, None).header("Connection", "keep-alive").unwrap(),
            b"/too-large" => Response::error(Status::CONTENT_TOO_LARGE),
            b"/own-headers" => {
                let own = Response::text("mine\n").header("Server", "mine").unwrap();
                own.header("Date", "yesterday").unwrap().header("X-Latin", b"caf\xe9").unwrap()
            }
            b"/panic" => panic!("a panic that a test asked for"),
            _ => Response::error(Status::NOT_FOUND).message("File not found"),
        };
        Reply::Now(response)
    }
}

/// The first bytes of a text in which a lost, duplicated or displaced byte is detected.
pub fn pattern(length: usize) -> String {
    // Each alphabet begins one letter later than the one before; after 26 alphabets the text repeats.
    let letters: String = (0..26 * 26).map(|at| char::from(b'a' + ((at + at / 26) % 26) as u8)).collect();
    let mut text = letters.repeat(length.div_ceil(letters.len()));
    text.truncate(length);
    text
}

fn stream(length: u64, declared: Option<u64>) -> Response {
    let source = Text { bytes: pattern(length as usize).into_bytes(), at: 0, fails: false };
    let mut response = Response::new(Status::OK).body(Body::Stream(Box::new(source)));
    if let Some(declared) = declared {
        response = response.header("Content-Length", declared.to_string()).unwrap();
    }
    response
}

fn broken(length: u64) -> Response {
    let source = Text { bytes: pattern(length as usize).into_bytes(), at: 0, fails: true };
    Response::new(Status::OK).body(Body::Stream(Box::new(source)))
}

/// A stream whose source works for one turn before each part.
fn slices(length: u64) -> Response {
    let text = Text { bytes: pattern(length as usize).into_bytes(), at: 0, fails: false };
    Response::new(Status::OK).body(Body::Stream(Box::new(Slices { text, reads: 0 })))
}

fn file(length: u64, announced: u64) -> Response {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, pattern(length as usize).as_bytes()).unwrap();
    Response::new(Status::OK).body(Body::File(FileSlice { file: Arc::new(file), offset: 0, length: announced }))
}

/// A file that can be opened but not read.
fn unreadable(announced: u64) -> Response {
    let file = std::fs::File::options().write(true).open("/dev/null").unwrap();
    Response::new(Status::OK).body(Body::File(FileSlice { file: Arc::new(file), offset: 0, length: announced }))
}

/// A text that is read in parts of at most 1000 bytes, and then ends or fails.
struct Text {
    bytes: Vec<u8>,
    at: usize,
    fails: bool,
}

impl Source for Text {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() && self.fails {
            return Err(io::Error::other("the source failed"));
        }
        let count = buf.len().min(1000).min(self.bytes.len() - self.at);
        buf[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Returns a part of the text at every fourth read. The three reads before it work on the part and return
/// `Interrupted`: a connection may read twice in a turn, so fewer reads without progress would not test that it
/// continues.
struct Slices {
    text: Text,
    reads: usize,
}

impl Source for Slices {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(4) { self.text.read(buf) } else { Err(io::ErrorKind::Interrupted.into()) }
    }
}

/// Responds with the body when it is complete.
#[derive(Default)]
struct Echo {
    body: Vec<u8>,
    ended: bool,
}

impl Upstream for Echo {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        // Accepts a few bytes at a time. The connection must pass on all of them.
        let count = body.len().min(777);
        self.body.extend_from_slice(&body[..count]);
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        assert!(!self.ended, "the end comes once");
        self.ended = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(self.ended.then(|| Response::new(Status::OK).body(Body::Bytes(std::mem::take(&mut self.body).into()))))
    }
}

/// The bytes between the upstream that receives the body and the source that sends it back.
#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    ended: bool,
    /// True if the upstream was dropped, so that the body will not end.
    cut: bool,
}

/// Responds immediately, with the body while it arrives, and accepts only a little of it ahead.
fn stream_echo(request: &Request) -> Reply {
    let channel = Rc::new(RefCell::new(Channel::default()));
    let length = match request.body_length() {
        BodyLength::Known(length) => Some(length),
        BodyLength::None if *request.method() == Method::Get => Some(0),
        BodyLength::None | BodyLength::Chunked => None,
    };
    Reply::Later(Box::new(StreamEcho { channel, length }))
}

struct StreamEcho {
    channel: Rc<RefCell<Channel>>,
    length: Option<u64>,
}

/// The maximum number of bytes that a [`StreamEcho`] stores.
const AHEAD: usize = 1500;

impl Upstream for StreamEcho {
    fn wants_body(&self) -> bool {
        self.channel.borrow().bytes.len() < AHEAD
    }

    fn reads_on(&self) -> bool {
        true
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let mut channel = self.channel.borrow_mut();
        let count = body.len().min(AHEAD - channel.bytes.len());
        channel.bytes.extend(&body[..count]);
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        self.channel.borrow_mut().ended = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let body = Body::Stream(Box::new(Received(Rc::clone(&self.channel))));
        let response = Response::new(Status::OK).body(body);
        Ok(Some(match self.length {
            Some(length) => response.header("Content-Length", length.to_string())?,
            None => response,
        }))
    }
}

impl Drop for StreamEcho {
    fn drop(&mut self) {
        self.channel.borrow_mut().cut = true;
    }
}

struct Received(Rc<RefCell<Channel>>);

impl Source for Received {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut channel = self.0.borrow_mut();
        if channel.bytes.is_empty() && !channel.ended {
            if channel.cut {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Err(io::ErrorKind::WouldBlock.into());
        }
        io::Read::read(&mut channel.bytes, buf)
    }
}

/// Responds at a given time, and discards the body until then.
struct Later {
    after: Duration,
    due: Option<Instant>,
}

impl Upstream for Later {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        let due = *self.due.get_or_insert(registrar.now() + self.after);
        Ok((due <= registrar.now()).then(|| Response::text("at last\n")))
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }
}

/// Sends this number of early hints, and then the response.
struct Hints {
    left: u64,
}

impl Upstream for Hints {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(Some(Response::text("hinted\n")))
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        self.left = self.left.checked_sub(1)?;
        let mut head = FieldBlock::new();
        head.add("Link", format!("</{}.css>; rel=preload", self.left)).unwrap();
        Some((Status::EARLY_HINTS, head))
    }
}

/// Responds after this number of bytes of the body. With 0, it accepts no body.
struct Early {
    bytes: usize,
    seen: usize,
}

impl Upstream for Early {
    fn wants_body(&self) -> bool {
        self.seen < self.bytes
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        let count = body.len().min(self.bytes - self.seen);
        self.seen += count;
        Ok(count)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok((self.seen >= self.bytes).then(|| Response::text("enough\n")))
    }
}

/// Accepts no byte of a body.
struct Chokes;

impl Upstream for Chokes {
    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("cannot take it"))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(None)
    }
}

/// Responds before it accepts any of the body, and then cannot accept it.
struct GivesUp {
    answered: bool,
}

impl Upstream for GivesUp {
    fn wants_body(&self) -> bool {
        self.answered
    }

    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("cannot take it"))
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.answered = true;
        Ok(Some(stream(3000, Some(3000))))
    }
}

/// Never has a response.
struct Fails;

impl Upstream for Fails {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Err(io::Error::other("the upstream has failed"))
    }
}
