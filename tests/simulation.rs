//! A seeded simulation. It compares one session on an unreliable transport with a plain model of a correct server's
//! responses.
//!
//! A seed determines a list of requests, the disturbances (short reads and writes, `WouldBlock` and `Interrupted` at
//! any call, spurious wake-ups, time that passes, a log whose disk is full) and the fate of the client (it stays,
//! closes, cuts its request, falls silent, stops reading, resets). Some responses fail: a file is too short or cannot
//! be read, or a stream fails. As in the loop, the session runs only after an event or at a deadline. Its output must
//! be that of the model, and it must never wait for an event that has already happened.
//!
//! `SEED=n` replays one seed, `SIM_STEPS=n` runs `n` exchanges. A failure is shrunk before it is printed.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::dialogue::{DATE, Dialogue, SCRATCH, site};
use common::lagging::{LagFault, Lagging, received_by_client, sent_by_client};
use common::layers::Layers;
use common::seeds::{Random, simulate};
use common::service::{TestService, pattern};
#[cfg(feature = "tls")]
use common::tls::{TlsEnd, server_config};
use serve_forever::Limits;
use serve_forever::connection::ServerState;
use serve_forever::handler::{Exchange, Handlers, RequestHandler};
use serve_forever::http::{ErrorInfo, ErrorPage, ErrorTemplate, Request};
use serve_forever::log::{AccessLog, LogFormat};
use serve_forever::service::{Body, Registrar, Reply, Response, Service, Source, Upstream};
use serve_forever::session::{Activity, CloseReason, Next, Scratch, TurnClock};
#[cfg(feature = "tls")]
use serve_forever::transport::tls::TlsStream;
use serve_forever::transport::{Memory, Transport};

/// The number of exchanges that takes a few seconds in an unoptimised build.
const EXCHANGES: u64 = 12_000;

#[test]
fn sessions_answer_as_the_model_does() {
    simulate(EXCHANGES, asks, |seed, asks| run(seed, asks, None).map(|()| asks.len() as u64));
}

/// Each of these represents a fault in the session or the loop that the simulation must find.
#[test]
fn planted_faults_are_found() {
    for fault in [
        Fault::LosesSentByte,
        Fault::DoublesWrite,
        Fault::SwapsWrites,
        Fault::LosesReceivedByte,
        Fault::SendsFileFromElsewhere,
        Fault::ForgetsReadable,
        Fault::ForgetsWritable,
        Fault::ForgetsDeadlines,
        Fault::EndsStreamsEarly,
        Fault::IgnoresTheEnd,
        Fault::Lag(LagFault::ForgetsToFlush),
        Fault::Lag(LagFault::EndsWithoutNotice),
        Fault::Lag(LagFault::HidesPlaintext),
    ] {
        let found = (0..400).find(|seed| run(*seed, &asks(*seed), Some(fault)).is_err());
        assert!(found.is_some(), "the simulation did not notice: {fault:?}");
    }
}

// Requests, and the responses that the model expects.

#[derive(Debug, Clone, Copy)]
struct Ask {
    what: What,
    /// True if the client requests the end of the connection.
    close: bool,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Hello,
    Head,
    Missing,
    NoContent,
    Bytes(usize),
    Shared(usize),
    Stream(usize),
    Slices(usize),
    Counted(usize),
    File(usize),
    Later(usize),
    Echo(usize, Framing),
    StreamEcho(usize, Framing),
    Unwanted(usize, Framing),
    Early(usize),
    /// Bodies that cannot be produced: a file that has become shorter, one that cannot be read, a stream that fails.
    Truncated(usize),
    Unreadable(usize),
    Broken(usize),
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Counted,
    /// In chunks of this size.
    Chunks(usize),
}

/// A response of the model: a head, and the framing of the body after it.
struct Answer {
    head: String,
    body: Vec<u8>,
    chunked: bool,
    /// No response follows this one: the body is shorter than announced.
    cut: bool,
}

fn asks(seed: u64) -> Vec<Ask> {
    let random = &mut Random::new(seed);
    let count = 1 + random.below(12);
    let mut asks: Vec<Ask> = (0..count).map(|_| Ask { what: what(random), close: false }).collect();
    asks[count - 1].close = random.one_in(3);
    asks
}

fn what(random: &mut Random) -> What {
    let size = match random.below(4) {
        0 => random.below(4),
        1 => random.below(200),
        2 => random.below(3000),
        _ => random.below(40_000),
    };
    let framing = if random.one_in(2) { Framing::Counted } else { Framing::Chunks(1 + random.below(3000)) };
    match random.below(15) {
        0 => What::Hello,
        1 => What::Head,
        2 => What::Missing,
        3 => What::NoContent,
        4 if size % 2 == 0 => What::Bytes(size),
        4 => What::Shared(size),
        5 if size % 2 == 0 => What::Stream(size),
        5 => What::Slices(size),
        6 => What::Counted(size),
        7 => What::File(size),
        8 => What::Later(random.below(20)),
        9 => What::Echo(size, framing),
        10 => What::StreamEcho(size, framing),
        11 => What::Unwanted(size, framing),
        12 => What::Early(size),
        // These requests are rare, because no response follows one of them.
        13 if random.one_in(3) => [What::Truncated, What::Unreadable, What::Broken][random.below(3)](1 + size),
        _ => What::File(size),
    }
}

impl Ask {
    fn bytes(&self) -> Vec<u8> {
        let (line, body) = match self.what {
            What::Hello => ("GET /".to_owned(), None),
            What::Head => ("HEAD /".to_owned(), None),
            What::Missing => ("GET /missing".to_owned(), None),
            What::NoContent => ("GET /no-content".to_owned(), None),
            What::Bytes(size) => (format!("GET /bytes?{size}"), None),
            What::Shared(size) => (format!("GET /shared?{size}"), None),
            What::Stream(size) => (format!("GET /stream?{size}"), None),
            What::Slices(size) => (format!("GET /slices?{size}"), None),
            What::Counted(size) => (format!("GET /counted?{size}"), None),
            What::File(size) => (format!("GET /file?{size}"), None),
            What::Truncated(size) => (format!("GET /truncated?{size}"), None),
            What::Unreadable(size) => (format!("GET /unreadable?{size}"), None),
            What::Broken(size) => (format!("GET /broken?{size}"), None),
            What::Later(time) => (format!("GET /later?{time}"), None),
            What::Echo(size, framing) => ("POST /echo".to_owned(), Some((size, framing))),
            What::StreamEcho(size, framing) => ("POST /stream-echo".to_owned(), Some((size, framing))),
            What::Unwanted(size, framing) => ("POST /".to_owned(), Some((size, framing))),
            What::Early(size) => (format!("POST /early?{}", size / 2), Some((size, Framing::Counted))),
        };
        let close = if self.close { "Connection: close\r\n" } else { "" };
        let mut bytes = format!("{line} HTTP/1.1\r\nHost: h\r\n{close}").into_bytes();
        match body {
            None => bytes.extend_from_slice(b"\r\n"),
            Some((size, Framing::Counted)) => {
                bytes.extend_from_slice(format!("Content-Length: {size}\r\n\r\n{}", pattern(size)).as_bytes());
            }
            Some((size, Framing::Chunks(part))) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in pattern(size).as_bytes().chunks(part) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    fn is_cut(&self) -> bool {
        matches!(self.what, What::Truncated(_) | What::Unreadable(_) | What::Broken(_))
    }

    fn answer(&self) -> Answer {
        let text = "Content-type: text/plain; charset=utf-8\r\n";
        let ok = |fields: &str, body: &str| ("200 OK", fields.to_owned(), body.as_bytes().to_vec(), true);
        let (status, fields, body, counted) = match self.what {
            What::Hello | What::Unwanted(..) => ok(text, "hello\n"),
            What::Head => ("200 OK", format!("{text}Content-Length: 6\r\n"), Vec::new(), false),
            What::Missing => {
                let page = b"404 File not found\n".to_vec();
                let fields = "Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n";
                ("404 File not found", fields.to_owned(), page, true)
            }
            What::NoContent => ("204 No Content", String::new(), Vec::new(), false),
            What::Bytes(size) => ok(text, &pattern(size)),
            What::Later(_) => ok(text, "at last\n"),
            What::Early(_) => ok(text, "enough\n"),
            What::Shared(size) | What::Counted(size) | What::File(size) => ok("", &pattern(size)),
            What::Echo(size, _) | What::StreamEcho(size, Framing::Counted) => ok("", &pattern(size)),
            What::Truncated(size) => {
                ("200 OK", format!("Content-Length: {}\r\n", size + 1000), pattern(size).into_bytes(), false)
            }
            What::Unreadable(size) => ("200 OK", format!("Content-Length: {size}\r\n"), Vec::new(), false),
            What::Stream(size)
            | What::Slices(size)
            | What::Broken(size)
            | What::StreamEcho(size, Framing::Chunks(_)) => {
                ("200 OK", "Transfer-Encoding: chunked\r\n".to_owned(), pattern(size).into_bytes(), false)
            }
        };
        let length = if counted { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let close = if self.close { "Connection: close\r\n" } else { "" };
        let head = format!("HTTP/1.1 {status}\r\nServer: test\r\nDate: {DATE}\r\n{fields}{length}{close}\r\n");
        Answer { head, body, chunked: fields.starts_with("Transfer"), cut: self.is_cut() }
    }
}

/// The number of complete responses. Every received byte must be correct. An error contains the number of responses
/// before the incorrect one, and its beginning.
fn compare(mut sent: &[u8], asks: &[Ask]) -> Result<usize, (usize, String)> {
    for (number, ask) in asks.iter().enumerate() {
        let answer = ask.answer();
        let whole = sent;
        let wrong = |at: &[u8]| {
            let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            (number, format!("{:?} before {:?}", shown(whole), shown(at)))
        };
        let expected = answer.head.as_bytes();
        if sent.len() < expected.len() {
            return if expected.starts_with(sent) { Ok(number) } else { Err(wrong(sent)) };
        }
        sent = sent.strip_prefix(expected).ok_or_else(|| wrong(sent))?;
        if answer.chunked {
            let (body, rest) = unchunked(sent).map_err(|()| wrong(sent))?;
            let complete = rest.is_some();
            if complete && answer.cut {
                return Err(wrong(sent));
            }
            if !(answer.body.starts_with(&body) && (body.len() == answer.body.len() || !complete)) {
                return Err(wrong(sent));
            }
            let Some(rest) = rest else { return Ok(number) };
            sent = rest;
        } else if sent.len() < answer.body.len() || answer.cut {
            return if answer.body.starts_with(sent) { Ok(number) } else { Err(wrong(sent)) };
        } else {
            sent = sent.strip_prefix(&answer.body[..]).ok_or_else(|| wrong(sent))?;
        }
    }
    if sent.is_empty() { Ok(asks.len()) } else { Err((asks.len(), String::from_utf8_lossy(sent).into_owned())) }
}

/// The received part of a body in chunks, and the bytes after it if it is complete.
fn unchunked(mut sent: &[u8]) -> Result<(Vec<u8>, Option<&[u8]>), ()> {
    let mut body = Vec::new();
    loop {
        let Some(end) = sent.windows(2).position(|pair| pair == b"\r\n") else { return Ok((body, None)) };
        let size = usize::from_str_radix(std::str::from_utf8(&sent[..end]).map_err(|_| ())?, 16).map_err(|_| ())?;
        sent = &sent[end + 2..];
        body.extend_from_slice(&sent[..size.min(sent.len())]);
        if sent.len() < size + 2 {
            return Ok((body, None));
        }
        if &sent[size..size + 2] != b"\r\n" {
            return Err(());
        }
        sent = &sent[size + 2..];
        if size == 0 {
            return Ok((body, Some(sent)));
        }
    }
}

// The client and the network.

/// The fate of the client after a number of bytes of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Closes,
    FallsSilent,
    StopsReading,
    Resets,
}

/// A fault that the simulation must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    LosesSentByte,
    DoublesWrite,
    SwapsWrites,
    LosesReceivedByte,
    SendsFileFromElsewhere,
    ForgetsReadable,
    ForgetsWritable,
    ForgetsDeadlines,
    EndsStreamsEarly,
    IgnoresTheEnd,
    /// A fault of a transport with its own protocol.
    Lag(LagFault),
}

/// A connection in memory with the faults and delays of a network.
struct Weather {
    memory: Memory,
    random: Random,
    /// On average, one call out of this number is refused, interrupted or shortened. If it is 0, none is.
    roughness: u64,
    /// A call was refused although it was possible, so an event must follow.
    owes_read: bool,
    owes_write: bool,
    fault: Option<Fault>,
    held_back: Vec<u8>,
}

impl Weather {
    fn is_rough(&mut self) -> bool {
        self.roughness > 0 && self.random.one_in(self.roughness)
    }

    fn refusal(&mut self, owes: fn(&mut Self) -> &mut bool) -> io::Result<()> {
        if !self.is_rough() {
            return Ok(());
        }
        if self.random.one_in(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        *owes(self) = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// At most `most`, and at least 1.
    fn shortened(&mut self, most: usize) -> usize {
        if self.is_rough() { 1 + self.random.below(most.max(1)) } else { most }
    }

    fn spoil_last(&mut self, count: usize) {
        let sent = &mut self.memory.sent;
        let last = sent.split_off(sent.len() - count);
        match self.fault {
            Some(Fault::LosesSentByte) if count > 1 => sent.extend_from_slice(&last[1..]),
            Some(Fault::DoublesWrite) => sent.extend(last.repeat(2)),
            Some(Fault::SwapsWrites) if self.held_back.is_empty() => self.held_back = last,
            Some(Fault::SwapsWrites) => {
                sent.extend(last);
                sent.append(&mut self.held_back);
            }
            _ => sent.extend(last),
        }
    }
}

impl Transport for Weather {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.fault == Some(Fault::IgnoresTheEnd) && self.memory.at_end && self.memory.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.refusal(|weather| &mut weather.owes_read)?;
        let most = if self.memory.short_read_is_all { buf.len() } else { self.shortened(buf.len()) };
        let count = self.memory.recv(&mut buf[..most])?;
        if self.fault == Some(Fault::LosesReceivedByte) && count > 1 && self.random.one_in(10) {
            return Ok(count - 1);
        }
        Ok(count)
    }

    fn send(&mut self, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
        self.refusal(|weather| &mut weather.owes_write)?;
        let most = self.shortened(first.len() + second.len());
        let of_first = first.len().min(most);
        let count = self.memory.send(&first[..of_first], &second[..most - of_first], more)?;
        self.spoil_last(count);
        Ok(count)
    }

    fn send_file(&mut self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        self.refusal(|weather| &mut weather.owes_write)?;
        let most = self.shortened(length as usize);
        let elsewhere = self.fault == Some(Fault::SendsFileFromElsewhere) && offset > 0;
        self.memory.send_file(file, offset - u64::from(elsewhere), most as u64)
    }

    fn cork(&mut self, on: bool) {
        self.memory.cork(on);
    }

    fn end(&mut self) -> io::Result<()> {
        self.memory.end()
    }

    fn short_read_is_all(&self) -> bool {
        self.memory.short_read_is_all
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.memory.source()
    }
}

/// A service whose streams end after their first part.
struct EndsEarly;

impl Service for EndsEarly {
    fn call(&self, request: &Request) -> Reply {
        match TestService.call(request) {
            Reply::Now(mut response) => {
                if let Body::Stream(source) = response.body {
                    response.body = Body::Stream(Box::new(FirstPart(Some(source))));
                }
                Reply::Now(response)
            }
            later => later,
        }
    }
}

struct FirstPart(Option<Box<dyn Source>>);

impl Source for FirstPart {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), |mut source| source.read(buf))
    }
}

/// One client from its first byte to its end.
struct Run<'s> {
    site: &'s ServerState,
    dialogue: Dialogue<'s, Layers<Weather>>,
    /// True if the transport uses records.
    lags: bool,
    /// The client, if the records are those of TLS.
    #[cfg(feature = "tls")]
    tls: Option<TlsEnd>,
    script: Vec<u8>,
    /// The number of bytes of the script that were sent.
    at: usize,
    /// The number of bytes of the requests that will be sent, and their number on the wire.
    until: usize,
    wire_until: usize,
    /// An event happened after which the loop would run the session.
    event: bool,
    fault: Option<Fault>,
    random: Random,
}

/// Runs the requests under the conditions of the seed. The error is the first difference from the model.
fn run(seed: u64, asks: &[Ask], fault: Option<Fault>) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut site = if fault == Some(Fault::EndsStreamsEarly) { site(EndsEarly) } else { site(TestService) };
    site.error_page = Box::new(ErrorTemplate::new("text/plain", "%(code)d %(message)s\n"));
    let fate = match random.below(10) {
        0 => Fate::Closes,
        1 => Fate::FallsSilent,
        2 => Fate::StopsReading,
        3 => Fate::Resets,
        _ => Fate::Stays,
    };
    let disk_is_full = random.one_in(3);
    if disk_is_full {
        site.log = AccessLog::to(File::options().write(true).open("/dev/full").unwrap().into()).into();
    }
    let mut script: Vec<u8> = asks.iter().flat_map(Ask::bytes).collect();
    let until = match fate {
        Fate::Stays => script.len(),
        _ if random.one_in(3) => script.len(),
        _ => random.below(script.len()),
    };
    let lag_fault = if let Some(Fault::Lag(fault)) = fault { Some(fault) } else { None };
    let lags = lag_fault.is_some() || random.one_in(3);
    let is_secure = cfg!(feature = "tls") && lag_fault.is_none() && random.one_in(3);
    let announces_end = fate == Fate::Closes && seed.is_multiple_of(2);
    let mut wire_until = until;
    #[cfg(feature = "tls")]
    let mut tls = is_secure.then(|| {
        let client = TlsEnd::new(script[..until].to_vec(), announces_end);
        if seed.is_multiple_of(3) { client } else { client.with_records(Random::new(seed ^ 0x715)) }
    });
    if is_secure {
        // The client's side of TLS adds to the script as it gets bytes.
        script.clear();
        wire_until = 0;
    } else if lags {
        script = sent_by_client(&script[..until], &mut random, announces_end);
        wire_until = script.len();
    }
    let weather = Weather {
        memory: Memory {
            room: random.below(3000),
            no_sendfile: random.one_in(3),
            short_read_is_all: random.one_in(2),
            ..Memory::default()
        },
        roughness: [0, 2, 5, 20][random.below(4)],
        random: Random::new(seed ^ 0xbad),
        owes_read: false,
        owes_write: false,
        fault,
        held_back: Vec::new(),
    };
    let transport = match (is_secure, lags) {
        #[cfg(feature = "tls")]
        (true, _) => Layers::Tls(Box::new(TlsStream::accept(weather, server_config(), Default::default()).unwrap())),
        (_, true) => Layers::Lagging(Lagging::new(weather, Random::new(seed ^ 0x1a6), lag_fault)),
        (_, false) => Layers::Lagging(Lagging::plain(weather)),
    };
    let dialogue = Dialogue::on(&site, transport);
    let mut run = Run {
        site: &site,
        dialogue,
        lags: lags || is_secure,
        #[cfg(feature = "tls")]
        tls: tls.take(),
        script,
        at: 0,
        until,
        wire_until,
        event: true,
        fault,
        random,
    };
    run.pass_records()?;
    run.live(fate == Fate::StopsReading)?;
    let answered = run.end(fate, asks)?;
    let mut log = site.log.borrow_mut();
    log.flush();
    let lost = log.dropped();
    if disk_is_full && lost < answered as u64 {
        Err(format!("{answered} lines are lost, {lost} counted"))
    } else {
        Ok(())
    }
}

/// The maximum number of turns in which a client sends little at a time.
const MOST_TURNS: usize = 2000;

impl Run<'_> {
    /// Events in any order, until everything is sent.
    fn live(&mut self, stops_reading: bool) -> Result<(), String> {
        let largest = [10, 300, 5000, 100_000][self.random.below(4)];
        let mut turns = 0;
        while (self.at < self.wire_until || self.has_more(turns)) && self.dialogue.closed().is_none() {
            match self.random.below(8) {
                0..4 => self.deliver(1 + self.random.clone().below(largest)),
                4 if !stops_reading => self.give_room(1 + self.random.clone().below(30_000)),
                5 => self.spurious(),
                6 => self.let_time_pass(),
                _ => self.settle_debts(),
            }
            self.random.next();
            self.turn()?;
            turns += 1;
            // A client that sends a little at a time finally sends the rest in one piece.
            if turns > MOST_TURNS {
                self.deliver(usize::MAX);
            }
        }
        Ok(())
    }

    /// Passes what the server has sent to the client's side of TLS, which may send more after that.
    #[cfg(feature = "tls")]
    fn pass_records(&mut self) -> Result<(), String> {
        let Some(client) = &mut self.tls else { return Ok(()) };
        let sent = std::mem::take(&mut self.dialogue.transport().socket().memory.sent);
        let records = client.exchange(&sent).map_err(|error| format!("the client does not understand: {error}"))?;
        self.script.extend(records);
        self.wire_until = self.script.len();
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    fn pass_records(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// True if the client has not reached its requests. A client that accepts nothing may never reach them.
    #[cfg(feature = "tls")]
    fn has_more(&mut self, turns: usize) -> bool {
        let waits = self.tls.as_ref().is_some_and(|client| client.asks.is_some());
        if waits && turns > MOST_TURNS {
            self.until = 0;
        }
        waits && turns <= MOST_TURNS
    }

    #[cfg(not(feature = "tls"))]
    fn has_more(&mut self, _: usize) -> bool {
        false
    }

    /// The bytes that reached the client, without records, and true if the server has announced its end.
    fn received(&mut self) -> Result<(Vec<u8>, bool), String> {
        self.pass_records()?;
        #[cfg(feature = "tls")]
        if let Some(client) = &mut self.tls {
            return Ok((std::mem::take(&mut client.heard), client.is_told_the_end));
        }
        let sent = std::mem::take(&mut self.dialogue.transport().socket().memory.sent);
        if self.lags { received_by_client(&sent) } else { Ok((sent, false)) }
    }

    /// One turn of the loop: a step if there is a reason for one.
    fn turn(&mut self) -> Result<(), String> {
        let due = self.dialogue.patience() == Some(Duration::ZERO) && self.fault != Some(Fault::ForgetsDeadlines);
        if self.event || due || self.dialogue.next == Next::Again {
            self.event = false;
            self.dialogue.handshakes_left = self.random.below(2);
            self.dialogue.step();
            self.pass_records()?;
            if self.dialogue.scratch.input.capacity() < SCRATCH || !self.dialogue.scratch.input.is_empty() {
                return Err("the session kept the loop's buffer, or left something in it".into());
            }
            self.site.log.borrow_mut().flush();
        }
        Ok(())
    }

    fn deliver(&mut self, count: usize) {
        let end = self.at.saturating_add(count).min(self.wire_until);
        let bytes = self.script[self.at..end].to_vec();
        self.dialogue.transport().socket().memory.incoming.extend(bytes);
        self.at = end;
        self.readable();
    }

    fn readable(&mut self) {
        if self.fault != Some(Fault::ForgetsReadable) || !self.random.one_in(5) {
            self.dialogue.ready.read = true;
            self.event = true;
        }
    }

    fn writable(&mut self) {
        if self.fault != Some(Fault::ForgetsWritable) || !self.random.one_in(5) {
            self.dialogue.ready.write = true;
            self.event = true;
        }
    }

    fn give_room(&mut self, count: usize) {
        let memory = &mut self.dialogue.transport().socket().memory;
        memory.room = memory.room.saturating_add(count);
        self.writable();
    }

    fn spurious(&mut self) {
        self.dialogue.ready.read |= self.random.one_in(2);
        self.dialogue.ready.write |= self.random.one_in(2);
        self.event = true;
    }

    /// Announces readiness for the calls that were refused although they were possible.
    fn settle_debts(&mut self) {
        let weather = self.dialogue.transport().socket();
        let (read, write) = (std::mem::take(&mut weather.owes_read), std::mem::take(&mut weather.owes_write));
        if read {
            self.readable();
        }
        if write {
            self.writable();
        }
    }

    /// Less time than the session is ready to wait.
    fn let_time_pass(&mut self) {
        if let Some(patience) = self.dialogue.patience() {
            // A client that sends byte by byte must not use up its deadline by rounding.
            let most = patience.saturating_sub(Duration::from_millis(1));
            self.dialogue.now += most.mul_f64(self.random.below(90) as f64 / 100.0);
        }
    }

    /// Runs turns until no further event occurs. After that, all accepted bytes must have been sent.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100_000 {
            self.settle_debts();
            let closed = self.dialogue.closed().is_some();
            if closed || !(self.event || self.dialogue.next == Next::Again) {
                let memory = &self.dialogue.transport().socket().memory;
                let held = memory.held && memory.room > 0 && !closed;
                return if held { Err("bytes are held back for nothing".into()) } else { Ok(()) };
            }
            self.turn()?;
        }
        Err("the session runs in a circle".into())
    }

    /// Lets one deadline after the other pass. No session may wait forever.
    fn wait_for_the_end(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            self.settle()?;
            if self.dialogue.closed().is_some() {
                return Ok(());
            }
            match self.dialogue.patience() {
                Some(patience) if self.fault != Some(Fault::ForgetsDeadlines) => {
                    self.dialogue.now += patience;
                    self.event = true;
                }
                _ => return Err("the session waits for ever".into()),
            }
        }
        Err("the session outlives a hundred deadlines".into())
    }

    /// Applies the fate of the client, and checks its consequences.
    fn end(&mut self, fate: Fate, asks: &[Ask]) -> Result<usize, String> {
        match fate {
            Fate::Stays | Fate::Closes | Fate::FallsSilent => self.give_room(usize::MAX),
            Fate::StopsReading => {}
            Fate::Resets => {
                self.dialogue.transport().socket().memory.reset = true;
                self.dialogue.ready.broken = self.random.one_in(2);
                self.readable();
                self.writable();
            }
        }
        if fate == Fate::Closes {
            self.dialogue.transport().socket().memory.at_end = true;
            self.dialogue.ready.read_closed = true;
            self.readable();
        }
        match fate {
            Fate::Stays | Fate::Closes => {
                self.settle()?;
                // Later responses arrive within this time.
                for _ in 0..400 {
                    if self.dialogue.closed().is_some() {
                        break;
                    }
                    self.dialogue.now += Duration::from_millis(1);
                    self.event |= self.dialogue.patience() == Some(Duration::ZERO);
                    self.settle()?;
                }
            }
            _ => self.wait_for_the_end()?,
        }
        self.judge(fate, asks)
    }

    /// Returns the number of complete responses.
    fn judge(&mut self, fate: Fate, asks: &[Ask]) -> Result<usize, String> {
        let mut end = 0;
        let whole = asks.iter().take_while(|ask| {
            end += ask.bytes().len();
            end <= self.until
        });
        let asked = whole.count();
        let (sent, has_announced_end) = self.received()?;
        let answered = match compare(&sent, asks) {
            Ok(answered) => answered,
            // An incomplete request gets a response too, after its time limit.
            Err((answered, rest)) if fate == Fate::FallsSilent && rest.contains("HTTP/1.1 408 ") => answered,
            Err((answered, rest)) if fate == Fate::StopsReading && rest.contains("before \"HTTP/1.1 4") => answered,
            Err((answered, rest)) => return Err(format!("{fate:?}: after {answered} answers came {rest}")),
        };
        let is_cut = answered < asked && asks[answered].is_cut();
        if matches!(fate, Fate::Stays | Fate::Closes | Fate::FallsSilent) && answered < asked && !is_cut {
            return Err(format!("{fate:?}: {answered} answers to {asked} requests, then {:?}", self.dialogue.next));
        }
        let closes = asks.last().is_some_and(|ask| ask.close);
        let reason = self.dialogue.closed();
        // Only the announcement lets the client distinguish an orderly end from a cut.
        let is_orderly = matches!(reason, Some(CloseReason::Complete | CloseReason::ClientDone));
        if self.lags && matches!(fate, Fate::Stays | Fate::Closes) && (is_cut && has_announced_end) {
            return Err(format!("{fate:?}: the end of a cut response is announced, {reason:?}"));
        }
        if self.lags && matches!(fate, Fate::Stays | Fate::Closes) && is_orderly && !has_announced_end {
            return Err(format!("{fate:?}: the connection ends without notice, {reason:?}"));
        }
        match (fate, reason) {
            // If a body was cut, either the client reads the end of the connection, or the connection is broken, and it
            // is unknown whether the file or the client has failed.
            (Fate::Stays, None) if is_cut && self.dialogue.transport().socket().memory.ended => Ok(answered),
            (Fate::Stays | Fate::Closes | Fate::FallsSilent, Some(reason))
                if is_cut && reason != CloseReason::Complete =>
            {
                Ok(answered)
            }
            (Fate::Stays | Fate::Closes | Fate::FallsSilent, _) if is_cut => {
                Err(format!("a body is cut, and the session ended as {reason:?}"))
            }
            (Fate::Stays, None) if !closes => Ok(answered),
            (Fate::Stays, Some(CloseReason::Complete | CloseReason::LingerOver)) if closes => Ok(answered),
            // The client has read the end, and has yet to close its side.
            (Fate::Stays, None) if self.dialogue.transport().socket().memory.ended => Ok(answered),
            (Fate::Closes, Some(_)) => Ok(answered),
            (Fate::Resets, Some(_)) | (Fate::FallsSilent, Some(_)) | (Fate::StopsReading, Some(_)) => Ok(answered),
            _ => Err(format!("{fate:?}, and the session ended as {reason:?}")),
        }
    }
}

// Deadlines, by a clock that only these tests move.

const HEAD: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(15);
const STALL: Duration = Duration::from_secs(30);
const SEND: Duration = Duration::from_secs(600);
const LINGER: Duration = Duration::from_secs(2);
const JUST_LESS: Duration = Duration::from_millis(1);
const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()
}

#[test]
fn a_fresh_connection_that_says_nothing_is_closed_in_silence() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    assert_eq!(dialogue.run().patience(), Some(HEAD));
    assert_eq!(dialogue.pass(HEAD - JUST_LESS).closed(), None);
    assert_eq!(dialogue.pass(JUST_LESS).closed(), Some(CloseReason::Idle));
    assert_eq!(dialogue.heard(), "");
}

#[test]
fn an_idle_connection_is_closed_in_silence_and_owns_no_memory() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(HELLO);
    assert!(dialogue.heard().ends_with("hello\n"));
    assert_eq!(dialogue.memory(), 0);
    dialogue.say(b"GET / HT");
    assert!((1..=1024).contains(&dialogue.memory()), "half a head takes {} bytes", dialogue.memory());
    dialogue.say(b"TP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(dialogue.memory(), 0, "what was borrowed or grown is given back");
    dialogue.heard();
    assert_eq!(dialogue.patience(), Some(IDLE));
    assert_eq!(dialogue.pass(IDLE).closed(), Some(CloseReason::Idle));
    assert_eq!(dialogue.heard(), "");
}

#[test]
fn the_deadline_of_a_connection_that_is_kept_busy_seldom_moves() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    let idle_from = dialogue.now + TurnClock::IDLE_GRAIN;
    dialogue.idle_from = Some(idle_from);
    for _ in 0..3 {
        dialogue.now += JUST_LESS;
        dialogue.say(HELLO);
        assert_eq!(dialogue.next, Next::Wait(Some(idle_from + IDLE)));
    }
}

#[test]
fn a_client_that_reads_slowly_costs_no_more_than_what_it_was_promised() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(10).say(&HELLO.repeat(10_000));
    assert!(dialogue.memory() < 100_000, "{} bytes wait for a client that takes none", dialogue.memory());
    assert!(!dialogue.transport().incoming.is_empty(), "requests stay where they are until answers are taken");
}

#[test]
fn a_client_that_takes_everything_gets_a_bounded_amount_in_a_turn() {
    const TURN: usize = 3 * 1024 * 1024;
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.transport().incoming = b"GET /file?20000000 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let mut turns = 0;
    while dialogue.step() == Next::Again {
        turns += 1;
        let sent = std::mem::take(&mut dialogue.transport().sent).len();
        assert!((1..=TURN).contains(&sent), "{sent} bytes while the others waited");
    }
    assert!(turns >= 20_000_000 / TURN, "{turns} turns");
}

#[test]
fn a_body_that_is_made_leaves_with_its_head_and_a_few_pieces_at_a_time() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    // The source makes 1,000 bytes at a time, of which the first four leave with the head, and then five at a time.
    for (target, writes) in [("/stream?10", 1), ("/counted?10", 1), ("/stream?3000", 1), ("/stream?1000000", 201)] {
        dialogue.transport().writes = 0;
        dialogue.say(&get(target));
        assert_eq!(dialogue.transport().writes, writes, "{target}");
        assert!(dialogue.heard().starts_with("HTTP/1.1 200 OK\r\n"), "{target}");
    }
}

#[test]
fn a_large_file_leaves_in_full_packets_and_its_last_one_does_not_wait() {
    let site = site(TestService);
    for (length, no_sendfile, is_corked) in
        [(20_000_000, false, true), (1_000_000, false, false), (20_000_000, true, false)]
    {
        let mut dialogue = Dialogue::on(&site, Memory { no_sendfile, ..Memory::default() });
        dialogue.make_room(10_000).say(&get(&format!("/file?{length}")));
        assert_eq!(dialogue.transport().corked, is_corked, "{length} bytes, sendfile {}", !no_sendfile);
        dialogue.make_room(usize::MAX);
        assert!(
            !dialogue.transport().corked && !dialogue.transport().held,
            "{length} bytes, sendfile {}",
            !no_sendfile
        );
    }
}

#[test]
fn a_head_waits_for_the_file_behind_it_and_for_nothing_else() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    let mut head = 0;
    for target in ["/", "/file?0", "/bytes?100000", "/stream?100000", "/file?100000"] {
        dialogue.say(&get(target));
        assert!(!dialogue.transport().held, "{target}");
        head = dialogue.heard().find("\r\n\r\n").unwrap() + 4;
    }
    dialogue.make_room(head).say(&get("/file?100000"));
    assert!(dialogue.transport().held, "the head is out, and there is no room for the file");
    dialogue.make_room(1);
    assert!(!dialogue.transport().held);
}

#[test]
fn a_head_must_be_complete_in_time_however_it_drips() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(HELLO).pass(Duration::from_secs(3)).heard();
    for byte in &b"GET / HTTP/1.1"[..10] {
        dialogue.say(&[*byte]).pass(HEAD / 10 - JUST_LESS);
    }
    assert_eq!(dialogue.heard(), "");
    let heard = dialogue.pass(10 * JUST_LESS).heard();
    assert!(heard.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{heard}");
    assert!(heard.contains("\r\nConnection: close\r\n"), "{heard}");
    assert!(dialogue.transport().ended, "the client is told, and may read it");
    assert_eq!(dialogue.patience(), Some(LINGER));
    assert_eq!(dialogue.pass(LINGER).closed(), Some(CloseReason::LingerOver));
}

#[test]
fn an_incomplete_head_after_a_head_request_is_408_with_a_body() {
    let site = site(TestService);
    for (line, has_body) in [("GET / HTTP/1.1\r\nHo", true), ("HEAD / HTTP/1.1\r\nHo", false), ("HE", true)] {
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").heard();
        let heard = dialogue.say(line.as_bytes()).pass(HEAD).heard();
        assert!(heard.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{heard}");
        let (_, body) = heard.split_once("\r\n\r\n").unwrap();
        assert_eq!(!body.is_empty(), has_body, "{line}: {heard}");
    }
}

#[test]
fn a_body_that_stalls_is_408_and_one_that_drips_is_not_if_that_may_be() {
    let mut site = site(TestService);
    site.limits_mut().body_rate = 0;
    for target in ["/echo", "/"] {
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n").as_bytes());
        for _ in 0..5 {
            dialogue.say(b"x").pass(STALL - JUST_LESS);
        }
        assert_eq!(dialogue.heard(), "");
        let heard = dialogue.pass(JUST_LESS).heard();
        assert!(heard.starts_with("HTTP/1.1 408 "), "{target}: {heard}");
    }
}

#[test]
fn a_body_that_drips_has_a_deadline_in_all() {
    let site = site(TestService);
    let second = Duration::from_secs(1);
    for target in ["/echo", "/"] {
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").as_bytes());
        // 2500 bytes extend the time limit by 5 seconds, and the session waits no longer than that.
        for _ in 0..10 {
            dialogue.pass(5 * second).say(&[b'x'; 2500]);
        }
        // Each of these bytes extends the time limit by a five-hundredth of a second, so the 30 seconds soon pass.
        for _ in 0..29 {
            dialogue.pass(second).say(b"x");
        }
        assert_eq!((dialogue.heard().as_str(), dialogue.closed()), ("", None), "{target}");
        assert_eq!(dialogue.patience(), Some(second + 29 * second / 500), "{target}");
        let heard = dialogue.pass(2 * second).heard();
        assert!(heard.starts_with("HTTP/1.1 408 "), "{target}: {heard}");
    }
}

#[test]
fn every_body_has_all_of_its_time() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    for _ in 0..3 {
        dialogue.say(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
        assert_eq!(dialogue.patience(), Some(STALL), "30 seconds for it to come, and as much in all");
        assert!(dialogue.pass(STALL - JUST_LESS).say(b"x").heard().ends_with("\r\n\r\nx"));
    }
}

/// Accepts no part of the body for a time. It may respond before this time has passed.
struct Dawdles;

impl RequestHandler for Dawdles {
    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.sleep(Duration::from_secs(3600))
    }

    fn do_put(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(b"soon")?;
        x.sleep(Duration::from_secs(3600))
    }
}

/// A client whose body the handler does not read is not timed out.
#[test]
fn an_unwanted_body_in_chunks_is_read_up_to_its_limit_and_no_request_follows_it() {
    let mut site = site(TestService);
    site.limits_mut().drain = 10;
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n");
    assert_eq!(dialogue.heard(), "", "the response waits for the end of the body");
    let heard = dialogue.say(b"8\r\n12345678\r\n").heard();
    assert!(heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.contains("\r\nConnection: close\r\n"), "{heard}");
}

#[test]
fn a_discarded_body_that_is_cut_ends_the_connection_at_once() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST /early?1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    assert!(dialogue.heard().ends_with("enough\n"));
    assert_eq!(dialogue.patience(), Some(STALL), "the rest of the body is awaited");
    assert!(dialogue.end().closed().is_some());
}

#[test]
fn a_source_that_works_for_a_turn_is_read_again_in_the_next() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    assert!(dialogue.say(&get("/slices?3000")).heard().ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn lingering_after_a_cut_response_ends_with_the_reason_of_the_cut() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(&get("/truncated?100"));
    assert_eq!((dialogue.closed(), dialogue.patience()), (None, Some(LINGER)));
    assert_eq!(dialogue.pass(LINGER).closed(), Some(CloseReason::OutputCut));
}

#[test]
fn a_read_that_fails_ends_the_session_as_broken() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.run().transport().reset = true;
    assert_eq!(dialogue.say(b"GET").closed(), Some(CloseReason::Broken));
}

#[test]
fn the_error_page_of_an_incomplete_head_is_made_for_its_connection() {
    /// Stores both addresses and the arrival time of the request for which an error page is made.
    struct Keeps(Arc<Mutex<Option<(SocketAddr, SocketAddr, Instant)>>>);
    impl ErrorPage for Keeps {
        fn content_type(&self) -> &str {
            "text/plain"
        }
        fn render(&self, error: &ErrorInfo<'_>, _: &mut Vec<u8>) {
            let request = error.request;
            *self.0.lock().unwrap() = Some((request.client_address(), request.server_address(), request.arrived()));
        }
    }
    let kept = Arc::new(Mutex::new(None));
    let mut site = site(TestService);
    site.error_page = Box::new(Keeps(Arc::clone(&kept)));
    let mut dialogue = Dialogue::new(&site);
    let began = dialogue.now;
    dialogue.say(b"GET / HT").pass(HEAD);
    let addresses = ["127.0.0.1:50000", "127.0.0.1:80"].map(|address| address.parse().unwrap());
    assert_eq!(kept.lock().unwrap().take(), Some((addresses[0], addresses[1], began)));
}

/// Accepts at most this number of bytes per call, and detects a call that follows a short count before the next poll.
struct Sips {
    most: usize,
    was_short: bool,
    was_pressed: bool,
    has_ended: bool,
}

/// The service of [`Sips`].
struct SipService(usize);

impl Service for SipService {
    fn call(&self, _: &Request) -> Reply {
        Reply::Later(Box::new(Sips { most: self.0, was_short: false, was_pressed: false, has_ended: false }))
    }
}

impl Upstream for Sips {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        self.was_pressed |= std::mem::replace(&mut self.was_short, body.len() > self.most);
        Ok(body.len().min(self.most))
    }

    fn end(&mut self) -> io::Result<()> {
        self.has_ended = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.was_short = false;
        Ok(self.has_ended.then(|| Response::text(if self.was_pressed { "pressed\n" } else { "polled\n" })))
    }
}

#[test]
fn an_upstream_that_takes_a_part_is_polled_before_it_gets_the_rest() {
    let site = site(SipService(3));
    let mut dialogue = Dialogue::new(&site);
    let heard = dialogue.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789").heard();
    assert!(heard.ends_with("polled\n"), "{heard}");
}

#[test]
fn an_upstream_that_takes_nothing_does_not_keep_the_loop_busy() {
    let site = site(SipService(0));
    let mut dialogue = Dialogue::new(&site);
    dialogue.transport().incoming = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".to_vec();
    assert!(matches!(dialogue.step(), Next::Wait(_)));
}

#[test]
fn a_body_that_its_handler_does_not_take_may_stay_away() {
    let site = site(Handlers::new(|| Dawdles));
    let answer = Limits::default().answer_timeout;
    assert!(answer > STALL);
    let expects = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n".to_owned();
    let sends = |method: &str| {
        format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(80_000))
    };
    for request in [expects, sends("POST")] {
        let mut dialogue = Dialogue::new(&site);
        assert_eq!(dialogue.say(request.as_bytes()).patience(), Some(answer));
    }
    let mut dialogue = Dialogue::new(&site);
    assert!(dialogue.say(sends("PUT").as_bytes()).patience() > Some(answer), "until the handler wakes up");
    assert!(dialogue.heard().ends_with("soon\r\n"));
}

/// The handler never reads the rest of the body, so the response must announce the end of the connection.
#[test]
fn a_timeout_of_the_upstream_ends_a_connection_with_an_unread_body() {
    let site = site(Handlers::new(|| Dawdles));
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").say(&[b'x'; 80_000]);
    let heard = dialogue.pass(Limits::default().answer_timeout).heard();
    assert!(heard.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{heard}");
    assert!(heard.contains("\r\nConnection: close\r\n"), "{heard}");
    assert!(dialogue.transport().ended && dialogue.closed().is_none());
}

#[test]
fn a_reset_ends_a_session_whose_upstream_still_works() {
    let site = site(TestService);
    for request in ["/later?100000", "/file?30000"] {
        let mut dialogue = Dialogue::new(&site);
        dialogue.make_room(10).say(&get(request));
        assert_eq!(dialogue.closed(), None);
        dialogue.ready.broken = true;
        assert_eq!(dialogue.run().closed(), Some(CloseReason::Broken), "{request}");
    }
}

/// Writes more than its connection keeps for it, and then waits.
struct Pauses;

impl RequestHandler for Pauses {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.send_response(200)?;
        x.end_headers()?;
        x.wfile().write_all(&[b'x'; 50_000])?;
        x.sleep(Duration::from_secs(3600))
    }
}

/// A client that has shut its sending side may have disconnected. Each byte that it accepts shows that it has not, so
/// the time for the source begins with the last of these bytes.
#[test]
fn a_slow_reader_that_has_shut_its_side_is_not_taken_for_gone() {
    let site = site(Handlers::new(|| Pauses));
    let gone = Limits::default().half_closed_timeout;
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(100).say(&get("/")).end();
    for _ in 0..5 {
        assert_eq!(dialogue.pass(gone).make_room(100).closed(), None);
    }
    dialogue.make_room(usize::MAX);
    assert_eq!(dialogue.patience(), Some(gone), "the handler has three seconds from the last byte on");
    assert_eq!(dialogue.pass(gone - JUST_LESS).closed(), None);
    assert!(dialogue.pass(JUST_LESS).closed().is_some());
}

/// Responds with a stream that has the number of bytes that the test has stored.
struct Drips(Arc<AtomicUsize>);

impl Service for Drips {
    fn call(&self, _: &Request) -> Reply {
        Reply::Later(Box::new(Drips(Arc::clone(&self.0))))
    }
}

impl Upstream for Drips {
    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(Some(Response::new(200).body(Body::Stream(Box::new(Drips(Arc::clone(&self.0)))))))
    }
}

impl Source for Drips {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.swap(0, Ordering::Relaxed) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => {
                buf[..count].fill(b'x');
                Ok(count)
            }
        }
    }
}

/// Each byte leaves in the step in which it is produced, so the session waits for the source all the time.
#[test]
fn a_source_that_produces_in_time_keeps_a_client_that_has_shut_its_side() {
    let bytes = Arc::new(AtomicUsize::new(1));
    let site = site(Drips(Arc::clone(&bytes)));
    let gone = Limits::default().half_closed_timeout;
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(&get("/")).end();
    for _ in 0..5 {
        bytes.store(1, Ordering::Relaxed);
        assert_eq!(dialogue.pass(gone - JUST_LESS).closed(), None);
        assert_eq!(dialogue.patience(), Some(gone));
    }
    assert!(dialogue.pass(gone).closed().is_some());
}

/// The responses to requests that arrive together are sent together, up to a limit, because a response is longer than
/// its request.
#[test]
fn pipelined_requests_are_answered_no_faster_than_their_answers_leave() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.scratch = Scratch::default();
    let requests = Scratch::SIZE / HELLO.len();
    dialogue.make_room(0).say(&HELLO.repeat(requests));
    let most = Scratch::SIZE + 50_000;
    assert!(dialogue.memory() < most, "{} bytes wait for {requests} requests", dialogue.memory());
    assert_eq!(dialogue.make_room(usize::MAX).heard().matches("hello\n").count(), requests);
}

#[test]
fn a_buffer_of_the_loop_that_has_grown_is_made_small_again() {
    let large = |_: &Request| Response::text("").header("X-Large", "x".repeat(5 * Scratch::SIZE)).unwrap();
    let site = site(large);
    let mut dialogue = Dialogue::new(&site);
    dialogue.scratch = Scratch::default();
    assert!(dialogue.say(HELLO).heard().len() > 5 * Scratch::SIZE);
    assert_eq!(dialogue.scratch.output.capacity(), Scratch::SIZE);
}

/// While the service does not accept the body, the client is not responsible for the lack of progress.
#[test]
fn what_is_not_waited_for_costs_a_body_no_time() {
    let mut site = site(TestService);
    site.limits_mut().answer_timeout = Duration::from_secs(1000);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST /stream-echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\nab");
    // The session waits for the first of these bytes, which extend the time by 2 seconds. When the others arrive, it
    // waits for room.
    dialogue.make_room(0).say(&[b'c'; 1000]).say(&[b'd'; 500]);
    for _ in 0..20 {
        dialogue.pass(STALL / 2).make_room(10);
        dialogue.make_room(0);
    }
    assert_eq!(dialogue.closed(), None, "it takes its answer slowly, which is another matter");
    dialogue.make_room(usize::MAX);
    assert_eq!(dialogue.patience(), Some(STALL), "all of the time is left");
    let second = Duration::from_secs(1);
    for _ in 0..29 {
        dialogue.pass(second).say(b"x");
    }
    assert_eq!(dialogue.patience(), Some(3 * second + 29 * second / 500), "and no more than that");
}

#[test]
fn a_body_that_stalls_while_it_is_answered_cuts_the_connection() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST /stream-echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc");
    assert!(dialogue.heard().ends_with("\r\n\r\nabc"));
    assert_eq!(dialogue.patience(), Some(STALL));
    assert_eq!(dialogue.pass(STALL).closed(), Some(CloseReason::Stalled));
}

#[test]
fn a_client_that_takes_nothing_is_cut_after_ten_minutes() {
    let site = site(TestService);
    for target in ["/bytes?30000", "/file?30000", "/stream?30000", "/"] {
        let mut dialogue = Dialogue::new(&site);
        dialogue.make_room(5).say(&get(target));
        for _ in 0..5 {
            assert_eq!(dialogue.pass(SEND - JUST_LESS).closed(), None, "{target}");
            dialogue.make_room(10);
        }
        assert_eq!(dialogue.pass(SEND).closed(), Some(CloseReason::Stalled), "{target}");
    }
}

/// The loop may close the session to make room only between these two times. The session reports the first of them to
/// the loop as a deadline.
#[test]
fn a_client_that_takes_nothing_is_stalled_after_half_a_minute() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(5).say(&get("/file?30000"));
    let since = dialogue.now;
    assert_eq!(dialogue.patience(), Some(STALL));
    dialogue.pass(STALL - JUST_LESS);
    assert_eq!(dialogue.stalled_since(), None);
    dialogue.pass(JUST_LESS);
    assert_eq!((dialogue.stalled_since(), dialogue.patience()), (Some(since), Some(SEND - STALL)));
    dialogue.make_room(10);
    assert_eq!((dialogue.stalled_since(), dialogue.patience()), (None, Some(STALL)), "the client has taken some");
    dialogue.make_room(usize::MAX);
    assert_eq!(dialogue.pass(IDLE - JUST_LESS).stalled_since(), None, "an idle connection is not stalled");
}

/// The loop may close an idle session to make room, so a request that has been read must not be lost with it.
#[test]
fn a_session_that_has_read_another_request_is_not_idle() {
    let site = site(TestService);
    let mut steps = 0;
    // One of these bodies ends in the last round of a step.
    for pieces in 1..12 {
        let mut dialogue = Dialogue::on(&site, Memory { no_sendfile: true, ..Memory::default() });
        let file = get(&format!("/file?{}", 32_768 * pieces - 300));
        dialogue.transport().incoming = [&file[..], HELLO].concat();
        while dialogue.step() == Next::Again && !dialogue.transport().sent.ends_with(b"hello\n") {
            assert_eq!(dialogue.idleness().0, None, "{pieces} pieces");
            assert!(!matches!(dialogue.idleness().1, Activity::Quiet(_)), "{pieces} pieces");
            steps += 1;
        }
        assert!(dialogue.run().idleness().0.is_some());
    }
    assert!(steps > 0);
}

#[test]
fn a_session_tells_the_loop_when_the_memory_of_all_sessions_is_short() {
    let mut site = site(TestService);
    *site.limits_mut() = Limits { buffers: 1000, short: 50, ..Limits::default() };
    let half = |bytes: usize| [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; bytes][..]].concat();
    let (mut first, mut second) = (Dialogue::new(&site), Dialogue::new(&site));
    first.say(&half(300));
    assert!((200..500).contains(&first.memory()) && !first.memory_is_short, "{} bytes", first.memory());
    second.say(&half(300));
    assert!(second.memory_is_short, "half of 1000 bytes is in use");
    assert_eq!((first.closed(), second.closed()), (None, None));
    second.memory_is_short = false;
    second.run();
    assert!(!second.memory_is_short, "a session that keeps no more than before changes nothing");
    second.say(&half(2000));
    assert_eq!(second.closed(), Some(CloseReason::Memory));
}

#[test]
fn the_memory_of_all_sessions_is_the_sum_of_what_each_keeps() {
    let mut site = site(TestService);
    let half = [b"GET / HTTP/1.1\r\nX: ", &[b'x'; 300][..]].concat();
    // Each session is dropped before the next one begins, so its memory does not count for the next one.
    let mut grow = |buffers: usize, short: u8| {
        *site.limits_mut() = Limits { buffers, short, ..Limits::default() };
        let mut dialogue = Dialogue::new(&site);
        dialogue.say(&half[..200]).say(&half[200..]);
        (dialogue.memory(), dialogue.memory_is_short, dialogue.closed())
    };
    let (kept, ..) = grow(1 << 20, 100);
    assert_eq!(grow(kept, 100), (kept, false, None));
    assert_eq!(grow(kept - 1, 100), (kept, true, Some(CloseReason::Memory)));
    assert_eq!(grow(2 * kept, 50), (kept, false, None));
    assert_eq!(grow(2 * kept - 2, 50), (kept, true, None));
}

#[test]
fn a_client_that_takes_no_response_is_not_read() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(10).say(HELLO).say(HELLO);
    assert_eq!(dialogue.transport().incoming, HELLO, "the first response is not sent yet");
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(0).say(b"GET / HTTP").pass(HEAD).say(b"/1.1");
    assert_eq!(dialogue.transport().incoming, b"/1.1", "the response 408 is not sent yet");
}

#[test]
fn a_connection_that_lingers_is_read_once_before_it_waits() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.transport().short_read_is_all = true;
    dialogue.transport().incoming.extend_from_slice(b"GET /close HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(dialogue.step(), Next::Again);
    assert!(dialogue.transport().ended);
    dialogue.transport().at_end = true;
    assert_eq!(dialogue.step(), Next::Close(CloseReason::Complete), "no event has said that the client has closed");
}

/// A transport whose first attempt to send is always interrupted: it sends when it is flushed.
struct Delayed {
    memory: Memory,
    pending: Vec<u8>,
}

impl Transport for Delayed {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.memory.recv(buf)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: bool) -> io::Result<usize> {
        assert!(self.pending.is_empty(), "pending output goes first");
        self.pending = [first, second].concat();
        Ok(self.pending.len())
    }

    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        self.memory.end()
    }

    fn short_read_is_all(&self) -> bool {
        true
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.memory.source()
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn flush_pending(&mut self) -> io::Result<()> {
        let count = self.memory.send(&self.pending, &[], false)?;
        self.pending.drain(..count);
        if self.pending.is_empty() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

#[test]
fn a_session_does_not_wait_while_its_transport_can_send_pending_output() {
    let site = site(TestService);
    let mut dialogue = Dialogue::on(&site, Delayed { memory: Memory::default(), pending: Vec::new() });
    dialogue.transport().memory.incoming.extend_from_slice(HELLO);
    dialogue.run();
    assert!(dialogue.transport().memory.sent.ends_with(b"hello\n"), "no event would report that the rest can be sent");
}

#[test]
fn a_time_limit_of_zero_is_none() {
    let mut site = site(TestService);
    let zero = Duration::ZERO;
    let limits = Limits { head_timeout: zero, idle_timeout: zero, stall_timeout: zero, ..Limits::default() };
    let limits = Limits { send_timeout: zero, body_timeout: zero, answer_timeout: zero, ..limits };
    *site.limits_mut() = Limits { half_closed_timeout: zero, ..limits };
    let expects_nothing = |site: &ServerState, what: &str, say: &dyn Fn(&mut Dialogue<'_, Memory>)| {
        let mut dialogue = Dialogue::new(site);
        say(dialogue.run());
        assert_eq!((dialogue.patience(), dialogue.stalled_since()), (None, None), "{what}");
        assert_eq!(dialogue.pass(Duration::from_secs(1 << 30)).closed(), None, "{what}");
    };
    let post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";
    expects_nothing(&site, "the first byte", &|_| {});
    expects_nothing(&site, "the rest of a head", &|dialogue| _ = dialogue.say(b"GET"));
    expects_nothing(&site, "an answer", &|dialogue| _ = dialogue.say(&get("/chokes")));
    expects_nothing(&site, "another request", &|dialogue| _ = dialogue.say(HELLO));
    expects_nothing(&site, "a body", &|dialogue| _ = dialogue.say(post));
    expects_nothing(&site, "room", &|dialogue| _ = dialogue.make_room(5).say(&get("/file?30000")));
}

/// A client that keeps sending must not keep a connection whose request was refused.
#[test]
fn lingering_ends_also_while_the_client_sends() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"GARBAGE\r\n");
    for _ in 0..20 {
        dialogue.now += LINGER / 20;
        // This is more than one step processes.
        dialogue.transport().incoming = vec![b'x'; 32 * SCRATCH];
        dialogue.ready.read = true;
        dialogue.step();
    }
    assert_eq!(dialogue.closed(), Some(CloseReason::LingerOver));
}

/// Early hints that a client does not read are left out instead of buffered.
#[test]
fn a_client_that_takes_no_early_hints_costs_no_memory_by_them() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(0).say(b"GET /hints?10000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(dialogue.memory() < 100_000, "{}", dialogue.memory());
    let heard = dialogue.make_room(usize::MAX).heard();
    let hints = heard.matches("HTTP/1.1 103 Early Hints\r\n").count();
    assert!(hints > 0 && hints < 10_000 && heard.ends_with("\r\n\r\nhinted\n"), "{hints}");
}

#[test]
fn every_answer_has_all_of_its_time() {
    let site = site(TestService);
    let answer = Limits::default().answer_timeout;
    let mut dialogue = Dialogue::new(&site);
    let later = |millis: u32| format!("GET /later?{millis} HTTP/1.1\r\nHost: h\r\n\r\n");
    dialogue.say(HELLO).pass(Duration::from_secs(5)).say((later(100) + &later(40_000) + &later(100_000)).as_bytes());
    dialogue.pass(Duration::from_millis(100)).pass(Duration::from_secs(40));
    assert!(dialogue.heard().ends_with("at last\n"));
    assert_eq!(dialogue.patience(), Some(answer), "the time of the upstream begins when it is asked");
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(HELLO).pass(Duration::from_secs(5)).say(later(100_000).as_bytes());
    assert_eq!(dialogue.patience(), Some(answer), "the time before is none of its");
}

#[test]
fn an_upstream_is_asked_again_when_it_wants_to_be() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"GET /later?60000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(dialogue.patience(), Some(Duration::from_secs(60)), "an upstream has a deadline of its own");
    dialogue.pass(Duration::from_secs(59));
    assert_eq!(dialogue.heard(), "");
    dialogue.pass(Duration::from_secs(1));
    assert!(dialogue.heard().ends_with("at last\n"));
}

#[test]
fn when_the_server_stops_an_idle_client_goes_and_a_busy_one_is_answered() {
    let site = site(TestService);
    let mut idle = Dialogue::new(&site);
    idle.say(HELLO).stop();
    assert_eq!(idle.run().closed(), Some(CloseReason::Stopped));

    let mut busy = Dialogue::new(&site);
    busy.make_room(100).say(b"GET /bytes?30000 HTTP/1.1\r\nHost: h\r\n\r\n").stop();
    assert_eq!(busy.run().closed(), None);
    assert_eq!(busy.make_room(usize::MAX).closed(), None, "the response may be on its way");
    assert!(busy.transport().ended && busy.heard().ends_with(&pattern(30_000)));
    assert_eq!(busy.end().closed(), Some(CloseReason::Stopped));

    let mut waiting = Dialogue::new(&site);
    waiting.say(b"GET /later?1000 HTTP/1.1\r\nHost: h\r\n\r\n").stop();
    assert_eq!(waiting.run().closed(), None);
    waiting.pass(Duration::from_secs(1));
    assert!(waiting.heard().contains("\r\nConnection: close\r\n"));
    assert_eq!((waiting.closed(), waiting.end().closed()), (None, Some(CloseReason::Complete)));
}

#[test]
fn when_the_server_stops_what_was_pipelined_is_answered_and_the_last_answer_says_goodbye() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.stop();
    dialogue.say(&[HELLO.repeat(3), b"GET / HT".to_vec()].concat());
    assert_eq!(dialogue.heard().matches("hello\n").count(), 3);
    let heard = dialogue.say(b"TP/1.1\r\nHost: h\r\n\r\n").heard();
    assert!(heard.contains("\r\nConnection: close\r\n") && heard.ends_with("hello\n"), "{heard}");
    assert_eq!((dialogue.closed(), dialogue.end().closed()), (None, Some(CloseReason::Complete)));
}

#[test]
fn when_the_server_stops_what_is_left_of_a_body_is_no_other_request() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.stop();
    let head = "POST /early?5 HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
    let heard = dialogue.say(format!("{head}{}", "x".repeat(50)).as_bytes()).heard();
    assert!(heard.contains("\r\nConnection: close\r\n") && heard.ends_with("enough\n"), "{heard}");
}

#[test]
fn a_request_is_answered_within_the_limits_and_by_the_service_that_stood_when_it_began() {
    let site = site(TestService);
    let mut dialogue = Dialogue::new(&site);
    dialogue.say(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    let old = site.limits();
    let short = Duration::from_secs(1);
    site.set_service(|_: &Request| Response::text("new\n"));
    site.set_limits(Limits { stall_timeout: short, head_timeout: short, idle_timeout: short, ..Limits::default() });
    dialogue.pass(2 * short);
    assert_eq!((dialogue.heard().as_str(), dialogue.closed()), ("", None));
    dialogue.say(b"cd");
    assert!(dialogue.heard().ends_with("\r\n\r\nabcd"), "the service before still has it");
    dialogue.say(b"GET / HT");
    assert_eq!(dialogue.patience(), Some(short), "the next request has the new limits");
    assert_ne!(old.head_timeout, short);
    let shorter = Limits { head_timeout: short / 2, idle_timeout: short / 2, ..Limits::default() };
    site.set_limits(shorter);
    assert_eq!(dialogue.run().patience(), Some(short), "it has begun");
    dialogue.say(b"TP/1.1\r\nHost: h\r\n\r\n");
    assert!(dialogue.heard().ends_with("\r\n\r\nnew\n"));
    assert_eq!(dialogue.patience(), Some(short / 2), "the limits are others again, and the service is the same");
}

/// Counts the requests of its connection.
struct Counts(u32);

impl RequestHandler for Counts {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        self.0 += 1;
        x.respond(Response::text(format!("request {}\n", self.0)))
    }
}

#[test]
fn a_handler_goes_with_the_service_that_made_it() {
    let site = site(Handlers::new(|| Counts(0)));
    let mut dialogue = Dialogue::new(&site);
    assert!(dialogue.say(HELLO).say(HELLO).heard().ends_with("request 2\n"));
    site.set_service(Handlers::new(|| Counts(100)));
    assert!(dialogue.say(HELLO).heard().ends_with("request 101\n"));
    assert!(dialogue.say(HELLO).heard().ends_with("request 102\n"), "once, and not for every request");
    site.set_service(|_: &Request| Response::text("none\n"));
    assert!(dialogue.say(HELLO).heard().ends_with("none\n"));
}

/// Log lines about expected events: a client that follows the protocol, and a server that then ends.
fn logged(target: &str, client: impl FnOnce(&mut Dialogue<'_, Memory>)) -> Vec<String> {
    let (reader, writer) = io::pipe().unwrap();
    let mut site = site(TestService);
    site.log = AccessLog::to(writer.into()).format(LogFormat::Json).into();
    let mut dialogue = Dialogue::new(&site);
    dialogue.make_room(5000).say(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    client(&mut dialogue);
    drop(dialogue);
    site.log.borrow_mut().flush();
    drop(site);
    io::read_to_string(reader).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_response_that_is_cut_short_has_one_line_that_says_why() {
    let reads = |dialogue: &mut Dialogue<'_, Memory>| _ = dialogue.make_room(usize::MAX);
    let stalls = |dialogue: &mut Dialogue<'_, Memory>| _ = dialogue.pass(SEND);
    let is_evicted = |dialogue: &mut Dialogue<'_, Memory>| dialogue.pass(STALL).evict();
    let waits = |_: &mut Dialogue<'_, Memory>| {};
    let reason = |lines: Vec<String>| {
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].split_once("\"cut\":\"").map(|(_, rest)| rest.trim_end_matches("\"}").to_owned())
    };
    let cut = |reason: &str| Some(reason.to_owned());
    assert_eq!(reason(logged("/bytes?30000", reads)), None);
    assert_eq!(reason(logged("/broken?30000", reads)), cut("response cut short"));
    assert_eq!(reason(logged("/truncated?30000", reads)), cut("response cut short"));
    assert_eq!(reason(logged("/bytes?30000", stalls)), cut("client too slow to read"));
    assert_eq!(reason(logged("/bytes?30000", is_evicted)), cut("client too slow to read"));
    assert_eq!(reason(logged("/bytes?30000", waits)), cut("server stopped"));
    // The window has room for 5000 bytes, and the head of the response takes some of it.
    let sent = |lines: Vec<String>| -> u64 {
        lines[0].split_once("\"bytes\":").unwrap().1.split(',').next().unwrap().parse().unwrap()
    };
    let head = format!("HTTP/1.1 200 OK\r\nServer: test\r\nDate: {DATE}\r\n").len() as u64;
    assert_eq!(sent(logged("/shared?30000", waits)), 5000 - head - "Content-Length: 30000\r\n\r\n".len() as u64);
    assert_eq!(sent(logged("/broken?30000", reads)), 30_000);
    assert_eq!(sent(logged("/bytes?30000", reads)), 30_000);
    assert_eq!(sent(logged("/stream?30000", reads)), 30_000);
}
