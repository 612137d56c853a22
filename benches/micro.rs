//! Measures the hot paths without a network, and a whole server that echoes. For `benches/instructions`, it runs a
//! given number of rounds of one workload.
//!
//! `cargo run --release --example micro` prints the nanoseconds per round: the median and the best of 15 samples.
//! `micro --rounds NAME COUNT` runs one workload, for a tool that counts instructions.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(feature = "harness")]
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serve_forever::connection::{HttpSession, ServerState};
use serve_forever::files::FileService;
use serve_forever::http::{BodyLength, FieldBlock, Request, Status, Version};
use serve_forever::http1::{
    Buffer, CommonHeaders, Decoded, Decoder, MessageLimits, RequestEvent, ResponseHead, ServerMachine,
};
use serve_forever::log::AccessLog;
use serve_forever::observer::{ConnectionObserver, Unobserved};
use serve_forever::service::{Body, Reply, Service};
use serve_forever::session::{Next, Ready, Scratch, Session, StepContext, TurnClock};
#[cfg(feature = "harness")]
use serve_forever::statistics::{ConnectionMeter, Statistics};
use serve_forever::testing::MemoryRegistrar;
use serve_forever::transport::Transport;

#[path = "micro/echo.rs"]
mod echo;

/// A workload: prepares, and returns the function that runs one round.
type Workload = fn() -> Box<dyn FnMut()>;

const WORKLOADS: &[(&str, Workload)] = &[
    ("head-browser", head_browser),
    ("head-short", head_short),
    ("head-again", head_again),
    ("head-dripped-16k", head_dripped),
    ("answer", answer),
    ("chunked-64k", chunked),
    ("session-get-1k", session_get),
    ("session-get-1k-again", session_get_again),
    #[cfg(feature = "harness")]
    ("session-get-1k-counted", session_counted),
    ("session-get-1k-x16", session_pipelined),
    ("session-304", session_not_modified),
    ("session-404", session_not_found),
    ("session-206", session_part),
    ("session-206-multi", session_parts),
    ("range-16", many_ranges),
    ("listing-1000", listing),
    ("echo-path-closure", echo::path_by_closure),
    ("echo-path-handler", echo::path_by_handler),
    ("echo-body-upstream", echo::body_by_upstream),
    ("echo-body-handler", echo::body_by_handler),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--rounds", name, count] => rounds(&mut *find(name)(), count.parse().unwrap()),
        ["--list"] => WORKLOADS.iter().for_each(|(name, _)| println!("{name}")),
        _ => WORKLOADS.iter().for_each(|(name, workload)| measure(name, *workload)),
    }
}

fn find(name: &str) -> Workload {
    WORKLOADS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no workload {name}")).1
}

fn rounds(round: &mut dyn FnMut(), count: u32) {
    for _ in 0..count {
        round();
    }
}

/// Times a workload in samples of at least 10 ms.
fn measure(name: &str, workload: Workload) {
    let mut round = workload();
    let mut time = |count| {
        let start = Instant::now();
        rounds(&mut *round, count);
        start.elapsed()
    };
    let mut count = 1;
    while time(count) < Duration::from_millis(10) {
        count *= 2;
    }
    let mut samples: Vec<f64> = (0..15).map(|_| time(count).as_nanos() as f64 / f64::from(count)).collect();
    samples.sort_by(f64::total_cmp);
    println!("{name:20} {:12.1} ns  (best {:.1})", samples[samples.len() / 2], samples[0]);
}

/// The head of a browser's request.
const BROWSER: &[u8] = b"GET /style/main.css?v=17 HTTP/1.1\r\n\
    Host: www.example.org:8000\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/css,*/*;q=0.1\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: http://www.example.org:8000/index.html\r\n\
    Connection: keep-alive\r\n\
    Sec-Fetch-Dest: style\r\n\
    Sec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=2\r\n\r\n";

/// The head of a load generator's request.
const SHORT: &[u8] = b"GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

fn head_browser() -> Box<dyn FnMut()> {
    read_heads([BROWSER.to_vec(), other(BROWSER)], |_| {})
}

fn head_short() -> Box<dyn FnMut()> {
    read_heads([SHORT.to_vec(), other(SHORT)], |_| {})
}

/// A head that equals the previous one is recognised without parsing.
fn head_again() -> Box<dyn FnMut()> {
    read_heads([SHORT.to_vec(), SHORT.to_vec()], |_| {})
}

/// The same request for another file, so that it differs from the previous one.
fn other(request: &[u8]) -> Vec<u8> {
    let mut other = request.to_vec();
    other[b"GET /".len()] ^= 1;
    other
}

/// A request line of 16 KB that arrives byte by byte: four times the bytes must not cost more than four times the time.
fn head_dripped() -> Box<dyn FnMut()> {
    let head = [b"GET /".as_slice(), &[b'x'; 16 * 1024], b" HTTP/1.0\r\n\r\n"].concat();
    let (limits, mut request) = (MessageLimits::default(), Request::default());
    let mut input = Buffer::with_capacity(32 * 1024);
    Box::new(move || {
        let mut machine = ServerMachine::new(Version::Http11);
        let (last, first) = head.split_last().unwrap();
        for byte in first {
            input.extend(&[*byte]);
            assert_eq!(machine.receive(&mut input, &limits, &mut request), Ok(RequestEvent::More));
        }
        input.extend(&[*last]);
        assert_eq!(machine.receive(&mut input, &limits, &mut request), Ok(RequestEvent::Head));
    })
}

/// A short head, and the head of its response.
fn answer() -> Box<dyn FnMut()> {
    let mut fields = FieldBlock::new();
    fields.add("Content-type", "text/plain; charset=utf-8").unwrap();
    fields.add("Last-Modified", "Sat, 01 Aug 2026 10:00:00 GMT").unwrap();
    fields.add("ETag", "\"9a01a2-400-18e9c78d712749a4\"").unwrap();
    let common = CommonHeaders::new(b"Server: serve-forever/0.1.0\r\n", b"Date: Sat, 01 Aug 2026 10:00:00 GMT\r\n");
    let mut out = Buffer::with_capacity(4096);
    read_heads([SHORT.to_vec(), other(SHORT)], move |machine| {
        let (fields, common) = (&fields, &common);
        let head = ResponseHead { status: Status::OK, reason: None, fields, length: Some(1024), common };
        black_box(machine.respond(&head, &mut out));
        out.consume(out.len());
    })
}

/// Reads one of two heads after the other.
fn read_heads(mut heads: [Vec<u8>; 2], mut then: impl FnMut(&mut ServerMachine) + 'static) -> Box<dyn FnMut()> {
    let (limits, mut request) = (MessageLimits::default(), Request::default());
    let mut input = Buffer::with_capacity(4096);
    Box::new(move || {
        let mut machine = ServerMachine::new(Version::Http11);
        heads.swap(0, 1);
        input.extend(black_box(&heads[0]));
        assert_eq!(machine.receive(&mut input, &limits, &mut request), Ok(RequestEvent::Head));
        then(&mut machine);
    })
}

/// 64 KB in chunks of 4,000 bytes.
fn chunked() -> Box<dyn FnMut()> {
    let mut body = Vec::new();
    for _ in 0..16 {
        body.extend_from_slice(b"fa0\r\n");
        body.extend_from_slice(&[b'x'; 4000]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let (limits, mut input) = (MessageLimits::default(), Buffer::with_capacity(128 * 1024));
    Box::new(move || {
        input.extend(&body);
        let mut decoder = Decoder::new(BodyLength::Chunked);
        while let Decoded::Data(length) = decoder.decode(&mut input, &limits).unwrap() {
            decoder.take(&mut input, length);
        }
        assert!(input.is_empty());
    })
}

fn session_get() -> Box<dyn FnMut()> {
    session([SHORT.to_vec(), other(SHORT)], b"HTTP/1.1 200 ")
}

fn session_get_again() -> Box<dyn FnMut()> {
    session([SHORT.to_vec(), SHORT.to_vec()], b"HTTP/1.1 200 ")
}

fn session_pipelined() -> Box<dyn FnMut()> {
    let both = [SHORT, &other(SHORT)].concat().repeat(8);
    session([both.clone(), both], b"HTTP/1.1 200 ")
}

fn session_not_modified() -> Box<dyn FnMut()> {
    let head = b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n\r\n";
    session([head.to_vec(), other(head)], b"HTTP/1.1 304 ")
}

fn session_part() -> Box<dyn FnMut()> {
    let head = b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=100-199\r\n\r\n";
    session([head.to_vec(), other(head)], b"HTTP/1.1 206 ")
}

fn session_parts() -> Box<dyn FnMut()> {
    let head = b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99,500-599,-100\r\n\r\n";
    session([head.to_vec(), other(head)], b"HTTP/1.1 206 ")
}

/// The maximum number of ranges, which overlap, so that the response is still the whole file. The additional cost
/// compared with `session-get-1k` is that of parsing the field and comparing the ranges.
fn many_ranges() -> Box<dyn FnMut()> {
    let ranges: Vec<String> = (0..16).map(|number| format!("{}-{}", number * 50, number * 50 + 60)).collect();
    let head = format!("GET /1k.txt HTTP/1.1\r\nHost: a\r\nRange: bytes={}\r\n\r\n", ranges.join(", "));
    session([head.as_bytes().to_vec(), other(head.as_bytes())], b"HTTP/1.1 200 ")
}

fn session_not_found() -> Box<dyn FnMut()> {
    let head = b"GET /no/such/file HTTP/1.1\r\nHost: a\r\n\r\n";
    session([head.to_vec(), other(head)], b"HTTP/1.1 404 ")
}

/// [`session_get_again`] with the counters of `--stats`.
#[cfg(feature = "harness")]
fn session_counted() -> Box<dyn FnMut()> {
    let meter = ConnectionMeter::new(Arc::new(Statistics::new("")));
    observed_session([SHORT.to_vec(), SHORT.to_vec()], b"HTTP/1.1 200 ", meter)
}

/// Steps a session on a folder with two files; each round is a turn of the loop, with one of the requests.
fn session(requests: [Vec<u8>; 2], begins: &'static [u8]) -> Box<dyn FnMut()> {
    observed_session(requests, begins, Unobserved)
}

fn observed_session(
    mut requests: [Vec<u8>; 2],
    begins: &'static [u8],
    observer: impl ConnectionObserver + 'static,
) -> Box<dyn FnMut()> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["1k.txt", "0k.txt"] {
        let path = folder.path().join(name);
        std::fs::write(&path, [b'x'; 1024]).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    }
    // A file that has just changed is not kept in memory, because the next change could go unnoticed.
    std::thread::sleep(Duration::from_millis(100));

    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    // The session borrows the site; both last as long as the program.
    let site = Box::leak(Box::new(ServerState::new(FileService::new(folder.path()).unwrap(), peer)));
    site.log = AccessLog::off().into();
    let mut clock = TurnClock::new(Instant::now(), SystemTime::now());
    let mut session = HttpSession::observed(site, Line::default(), peer, clock.now, observer);
    let mut registrar = MemoryRegistrar::without_wakers(clock.now);
    let (mut scratch, mut ready) = (Scratch::default(), Ready::FRESH);
    Box::new(move || {
        // The file's state is read once per turn, so the file must exist.
        let _folder = &folder;
        clock.advance(clock.now + Duration::from_micros(50), clock.wall);
        let line = session.transport();
        requests.swap(0, 1);
        line.input.extend_from_slice(&requests[0]);
        ready.read = true;
        // The body of a source may need several sends. The first one contains the status.
        session.transport().begins.clear();
        loop {
            match session.step(
                &mut ready,
                &mut StepContext {
                    clock,
                    scratch: &mut scratch,
                    registrar: &mut registrar,
                    memory_is_short: false,
                    handshakes_left: 1,
                },
            ) {
                Next::Again => {}
                next => break assert!(matches!(next, Next::Wait(Some(_))), "{next:?}"),
            }
        }
        assert!(session.transport().begins.starts_with(begins));
    })
}

/// A directory of 1,000 files as a page.
fn listing() -> Box<dyn FnMut()> {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1000 {
        File::create(folder.path().join(format!("file-{number:04}.txt"))).unwrap();
    }
    let files = FileService::new(folder.path()).unwrap();
    let request = Request::builder("GET", "/").header("Host", "a").build();
    Box::new(move || {
        let _folder = &folder;
        let Reply::Now(response) = files.call(&request) else { panic!("a listing is a response") };
        assert_eq!(response.status, Status::OK);
        assert!(length(response.body) > 50_000);
    })
}

/// Produces a whole body.
fn length(body: Body) -> usize {
    let Body::Stream(mut source) = body else { return body.length().unwrap() as usize };
    let (mut part, mut total) = (vec![0; 32 * 1024], 0);
    loop {
        match source.read(&mut part) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A connection with some input that discards all output except the beginning.
#[derive(Default)]
struct Line {
    input: Vec<u8>,
    begins: Vec<u8>,
}

impl Transport for Line {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.input.len();
        buf[..count].copy_from_slice(&self.input);
        self.input.clear();
        Ok(count)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: bool) -> io::Result<usize> {
        if self.begins.is_empty() {
            self.begins.extend_from_slice(&first[..first.len().min(16)]);
        }
        Ok(first.len() + second.len())
    }

    fn send_file(&mut self, _: &File, _: u64, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn short_read_is_all(&self) -> bool {
        true
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        unreachable!("there is no poll")
    }
}
