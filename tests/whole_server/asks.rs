//! The plain model: the requests of a client, and the correct response to each. The model contains no connections.

use std::time::Duration;

use crate::common::dialogue::DATE;
use crate::common::seeds::Random;
use crate::common::service::pattern;
use crate::fetch::Fetch;
use crate::script::FILES;
use crate::upstream::OtherServer;

/// The state of the server that a response may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The version of each file.
    pub versions: [usize; FILES],
    /// The number of reloads.
    pub generation: usize,
    /// The number of times that another thread has worked.
    pub works: u64,
    pub time: Duration,
    /// True if the server drains, which ends the waits of handlers.
    pub is_stopping: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Hello,
    Head,
    Missing,
    Bytes(usize),
    Stream(usize),
    /// A response that is due after this number of milliseconds.
    Later(usize),
    /// A response that another thread produces.
    Woken,
    /// The body of the request is that of the response.
    Echo(usize),
    /// A handler reads the body, and responds with its length.
    Length(usize),
    /// A handler that waits for work of another thread.
    Waited,
    /// A handler that sleeps for this number of milliseconds.
    Slept(usize),
    /// A handler that waits for work of another thread, for at most this number of milliseconds.
    Timed(usize),
    /// A handler that writes this number of parts, and waits before each.
    Parts(usize),
    /// A handler that fetches from another server.
    Fetched(Fetch),
    File(usize),
    FilePart(usize),
    Generation,
}

/// A response as a client has received it.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    /// No further response follows.
    pub closes: bool,
}

impl Request {
    pub fn random(random: &mut Random) -> Request {
        let size = [1, 300, 4000, 60_000][random.below(4)];
        let size = random.below(size);
        match random.below(24) {
            0 => Request::Hello,
            1 => Request::Head,
            2 => Request::Missing,
            3 => Request::Bytes(size),
            4 => Request::Stream(size),
            5 => Request::Later(random.below(20)),
            6 => Request::Echo(size),
            7 => Request::Length(size),
            8 => Request::Waited,
            9 => Request::Parts(random.below(6)),
            10..13 => Request::File(random.below(FILES)),
            13 => Request::FilePart(random.below(FILES)),
            14 => Request::Generation,
            15 => Request::Slept(random.below(30)),
            16 => Request::Timed(random.below(30)),
            17..21 => Request::Fetched(Fetch::random(random, size)),
            // This request is frequent, because few other requests depend on a wake-up.
            _ => Request::Woken,
        }
    }

    pub fn line(self) -> String {
        match self {
            Request::Hello => "GET /".to_owned(),
            Request::Head => "HEAD /".to_owned(),
            Request::Missing => "GET /files/missing".to_owned(),
            Request::Bytes(size) => format!("GET /bytes?{size}"),
            Request::Stream(size) => format!("GET /stream?{size}"),
            Request::Later(time) => format!("GET /later?{time}"),
            Request::Woken => "GET /woken".to_owned(),
            Request::Echo(_) => "POST /echo".to_owned(),
            Request::Length(_) => "POST /handler/length".to_owned(),
            Request::Waited => "GET /handler/waited".to_owned(),
            Request::Slept(time) => format!("GET /handler/slept?{time}"),
            Request::Timed(time) => format!("GET /handler/timed?{time}"),
            Request::Parts(count) => format!("GET /handler/parts?{count}"),
            Request::Fetched(fetch) => format!("GET /handler/fetched?{}", fetch.target()),
            Request::File(file) | Request::FilePart(file) => format!("GET /files/{file}.txt"),
            Request::Generation => "GET /generation".to_owned(),
        }
    }

    pub fn bytes(self, is_last: bool) -> Vec<u8> {
        let close = if is_last { "Connection: close\r\n" } else { "" };
        let range = if matches!(self, Request::FilePart(_)) { "Range: bytes=3-15\r\n" } else { "" };
        let body = match self {
            Request::Echo(size) | Request::Length(size) => Some(pattern(size)),
            _ => None,
        };
        let length = body.as_ref().map_or(String::new(), |body| format!("Content-Length: {}\r\n", body.len()));
        let body = body.unwrap_or_default();
        format!("{} HTTP/1.1\r\nHost: h\r\n{close}{range}{length}\r\n{body}", self.line()).into_bytes()
    }

    /// True if this is the response. The state of the server may have changed from `asked`, when the request was complete, to
    /// `received`, when the response was. `other` is the server from which handlers fetch.
    pub fn is_answered_by(self, response: &Response, asked: &Facts, received: &Facts, other: &OtherServer) -> bool {
        let has_passed = |time: usize| received.time >= asked.time + Duration::from_millis(time as u64);
        let is = |status: u16, body: &[u8]| (response.status, &response.body[..]) == (status, body);
        match self {
            Request::Hello => is(200, b"hello\n"),
            Request::Head => is(200, b""),
            Request::Missing => response.status == 404,
            Request::Bytes(size) | Request::Stream(size) | Request::Echo(size) => is(200, pattern(size).as_bytes()),
            Request::Later(_) => is(200, b"at last\n"),
            Request::Woken => is(200, b"woken\n"),
            Request::Length(size) => is(200, format!("{size}\n").as_bytes()),
            Request::Waited => is(200, b"waited\n"),
            Request::Slept(time) => is(200, b"slept\n") && has_passed(time),
            Request::Timed(time) => {
                is(200, b"worked\n") && received.works > asked.works
                    || is(200, b"timed out\n") && (has_passed(time) || received.is_stopping)
            }
            Request::Parts(count) => is(200, parts(count).as_bytes()),
            Request::Fetched(fetch) => other.explains(response, fetch, asked.time, received.time),
            Request::File(file) => {
                (asked.versions[file]..=received.versions[file]).any(|version| is(200, &content(file, version)))
            }
            Request::FilePart(file) => {
                (asked.versions[file]..=received.versions[file]).any(|version| is(206, &content(file, version)[3..=15]))
            }
            Request::Generation => {
                (asked.generation..=received.generation).any(|generation| is(200, format!("{generation}\n").as_bytes()))
            }
        }
    }
}

/// The body of [`Request::Parts`].
pub fn parts(count: usize) -> String {
    (0..count).map(|part| format!("part {part} {}\n", pattern(500 * part))).collect()
}

/// The content of a version of a file. Each version has a different length, by which the server detects the change.
pub fn content(file: usize, version: usize) -> Vec<u8> {
    let size = [10, 5000, 150_000][file] + 7 * version;
    format!("file {file} version {version} {}\n", pattern(size)).into_bytes()
}

/// The first response in the bytes that a client has received, and its length. `None` if it is not complete.
pub fn parse(received: &[u8], is_head: bool) -> Result<Option<(Response, usize)>, String> {
    let wrong = |what: &str| format!("{what}: {:?}", String::from_utf8_lossy(&received[..received.len().min(200)]));
    let start = b"HTTP/1.1 ";
    if !received.starts_with(&start[..received.len().min(start.len())]) {
        return Err(wrong("this is not a response"));
    }
    let Some(end) = received.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end]).map_err(|_| wrong("the head is not text"))?;
    let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| wrong("no status"))?;
    let field = |name: &str| -> Option<&str> {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    if (field("Server"), field("Date")) != (Some("test"), Some(DATE)) {
        return Err(wrong("Server or Date is missing"));
    }
    let closes = field("Connection") == Some("close");
    let begin = end + 4;
    let body = if is_head {
        Some((Vec::new(), 0))
    } else if field("Transfer-Encoding") == Some("chunked") {
        unchunked(&received[begin..]).map_err(|()| wrong("wrong chunks"))?
    } else {
        let length = field("Content-Length").and_then(|text| text.parse::<usize>().ok());
        let length = length.ok_or_else(|| wrong("the body has no length"))?;
        received[begin..].get(..length).map(|body| (body.to_vec(), length))
    };
    Ok(body.map(|(body, length)| (Response { status, body, closes }, begin + length)))
}

/// The body in chunks and the length of the chunks. `None` if the last chunk has not arrived.
fn unchunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, ()> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + end]).map_err(|_| ())?;
        let size = usize::from_str_radix(size, 16).map_err(|_| ())?;
        at += end + 2;
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        body.extend_from_slice(chunk.strip_suffix(b"\r\n").ok_or(())?);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}
