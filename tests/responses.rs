//! Tests of the responses that a client reads. Text files contain the bytes that a server sends, and the results of the
//! client's side of the protocol.
//!
//! The syntax of the files in `tests/wire/client`:
//!
//! ```text
//! == a title
//! # why it must be so
//! @ method HEAD           the client's requests have this method; GET unless told
//! @ limit fields 3        a limit of the client: see `Case::limits`
//! < HTTP/1.1 200 OK       the server sends this line and CRLF
//! <| hello\n              the server sends exactly this, with the escapes of `tests/wire.rs`
//! < (end)                 the server closes its side
//! * 200 OK                the head of a final response: status and reason
//! * interim 103           an interim response; `, 3 times` follows if the same status comes again
//! * body 5 hello          a body that has bytes: their number, and the first of them
//! * trailer X-Sum: 1      a trailer field
//! * end                   the response is complete
//! * cut, 5 left           it is not, and the connection has ended; the bytes that are missing, if they are known
//! * refused: TwoFramings  the violation
//! = reusable              what becomes of the connection: reusable, unusable, or waiting for more
//! ```
//!
//! Every case is read whole, byte by byte, and in two pieces at every place. If a response is complete, bytes are left
//! and the connection accepts another request, the client sends one. `UPDATE_WIRE=1` writes the results into the files;
//! check the difference carefully.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::lines::bytes_of;
use serve_forever::http::HeaderList;
use serve_forever::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, RequestHead, ResponseEvent};

#[derive(Debug, Default)]
struct Case {
    title: String,
    /// The title, the reasons, the settings and the server's lines, exactly as in the file.
    given: Vec<String>,
    settings: Vec<String>,
    server: Vec<u8>,
    /// True if the server closes its side at the end.
    ends: bool,
    expected: Vec<String>,
}

#[test]
fn every_response_is_read_as_written() {
    let (mut failures, mut count) = (String::new(), 0);
    for path in files() {
        let cases = read(&std::fs::read_to_string(&path).unwrap());
        if std::env::var_os("UPDATE_WIRE").is_some() {
            let told = cases.iter().map(|case| {
                let seen = Client::new(case).tell(&[&case.server]);
                [&case.given[..], &seen].concat().join("\n") + "\n"
            });
            std::fs::write(&path, told.collect::<Vec<_>>().join("\n")).unwrap();
            continue;
        }
        for case in &cases {
            count += 1;
            if let Err(failure) = check(case) {
                writeln!(failures, "{}: {}\n{failure}", path.display(), case.title).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count > 60 || std::env::var_os("UPDATE_WIRE").is_some(), "only {count} responses were found");
}

#[test]
fn every_violation_of_a_response_has_a_dialogue() {
    let text: String = files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for violation in
        "StatusLine UnsupportedVersion LongStatusLine ManyInterim BareLf Field LongField ManyFields LongHead \
        ContentLength TwoFramings TransferEncoding UnknownCoding LargeBody Chunk ChunkOverhead"
            .split_whitespace()
    {
        let line = format!("\n* refused: {violation}");
        let is_told =
            text.match_indices(&line).any(|(at, _)| !text[at + line.len()..].starts_with(char::is_alphabetic));
        assert!(is_told, "no dialogue for {violation}");
    }
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/client");
    let mut files: Vec<PathBuf> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("== ") {
            cases.push(Case { title: title.to_owned(), ..Case::default() });
        }
        let case = cases.last_mut().expect("a file begins with a title");
        match line.as_bytes()[0] {
            b'*' => case.expected.push(line.to_owned()),
            b'=' if !line.starts_with("==") => case.expected.push(line.to_owned()),
            b'<' if line == "< (end)" => case.ends = true,
            b'<' => case.server.extend(bytes_of(&line[1..])),
            b'@' => case.settings.push(line[1..].trim().to_owned()),
            b'=' | b'#' => {}
            _ => panic!("what is {line:?}?"),
        }
        if !line.starts_with('*') && !line.starts_with("= ") {
            case.given.push(line.to_owned());
        }
    }
    cases
}

fn check(case: &Case) -> Result<(), String> {
    let bytes = &case.server[..];
    let mut arrivals: Vec<Vec<&[u8]>> = vec![vec![bytes], bytes.chunks(1).collect()];
    let step = 1 + bytes.len() / 200;
    arrivals.extend((1..bytes.len()).step_by(step).map(|at| vec![&bytes[..at], &bytes[at..]]));
    for pieces in arrivals {
        let seen = Client::new(case).tell(&pieces);
        if seen != case.expected {
            let sizes: Vec<usize> = pieces.iter().map(|piece| piece.len()).take(2).collect();
            return Err(format!("  in {} pieces {sizes:?}:\n    {}\n", pieces.len(), seen.join("\n    ")));
        }
    }
    Ok(())
}

impl Case {
    fn method(&self) -> &str {
        self.settings.iter().find_map(|setting| setting.strip_prefix("method ")).unwrap_or("GET")
    }

    fn limits(&self) -> MessageLimits {
        let mut limits = MessageLimits::default();
        for setting in self.settings.iter().filter_map(|setting| setting.strip_prefix("limit ")) {
            let (name, number) = setting.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            match name {
                "start_line" => limits.start_line = number,
                "field_line" => limits.field_line = number,
                "head" => limits.head = number,
                "fields" => limits.fields = number,
                "chunk_overhead" => limits.chunk_overhead = number,
                _ => panic!("no limit is called {name}"),
            }
        }
        limits
    }
}

struct Client<'c> {
    case: &'c Case,
    limits: MessageLimits,
    machine: ClientMachine,
    input: Buffer,
    head: ReceivedHead,
    body: Vec<u8>,
    seen: Vec<String>,
    is_over: bool,
}

impl Client<'_> {
    fn new(case: &Case) -> Client<'_> {
        let (machine, input, head) = (ClientMachine::new(), Buffer::default(), ReceivedHead::default());
        let (limits, body, seen) = (case.limits(), Vec::new(), Vec::new());
        let mut client = Client { case, limits, machine, input, head, body, seen, is_over: false };
        client.ask();
        client
    }

    fn ask(&mut self) {
        let (method, fields) = (self.case.method(), HeaderList::new());
        let head = RequestHead { method, target: "/", fields: &fields, encode_chunked: false };
        self.machine.request(&head, &mut Buffer::default()).unwrap();
    }

    /// Receives the pieces; returns the results as lines.
    fn tell(mut self, pieces: &[&[u8]]) -> Vec<String> {
        for piece in pieces {
            self.input.extend(piece);
            while !self.is_over && self.event() {}
        }
        if self.case.ends {
            self.machine.end_of_input();
            while !self.is_over && self.event() {}
        }
        self.body_line();
        let end = match (self.machine.is_reusable(&self.input), self.machine.awaited()) {
            (true, _) => "reusable",
            (false, 0) => "unusable",
            (false, _) if self.is_over => "unusable",
            (false, _) => "waiting for more",
        };
        self.seen.push(format!("= {end}"));
        self.seen
    }

    fn event(&mut self) -> bool {
        let status = |head: &ReceivedHead| head.status().code();
        match self.machine.receive(&mut self.input, &self.limits, &mut self.head) {
            Ok(ResponseEvent::More) => return false,
            Ok(ResponseEvent::Interim) => self.interim_line(),
            Ok(ResponseEvent::Head) => self.seen.push(format!("* {} {}", status(&self.head), self.head.reason())),
            Ok(ResponseEvent::Data(length)) => {
                self.body.extend_from_slice(&self.input.bytes()[..length]);
                self.machine.take(&mut self.input, length);
            }
            Ok(ResponseEvent::End) => {
                self.body_line();
                let trailers = self.machine.trailers().iter();
                let shown = |(name, value): (&str, &[u8])| format!("* trailer {name}: {}", value.escape_ascii());
                self.seen.extend(trailers.map(shown));
                self.seen.push("* end".to_owned());
            }
            Ok(ResponseEvent::Paused) if self.input.is_empty() || !self.machine.can_request() => return false,
            Ok(ResponseEvent::Paused) => self.ask(),
            Ok(ResponseEvent::Cut) => {
                self.body_line();
                let left = self.machine.body_left().filter(|_| self.machine.in_body());
                self.seen.push(left.map_or("* cut".to_owned(), |left| format!("* cut, {left} left")));
                self.is_over = true;
            }
            Err(violation) => {
                self.body_line();
                let name = format!("{violation:?}");
                // The quotation depends on the part of the line that has arrived.
                self.seen.push(format!("* refused: {}", name.split("(\"").next().unwrap()));
                self.is_over = true;
            }
        }
        !self.is_over
    }

    fn interim_line(&mut self) {
        let line = format!("* interim {}", self.head.status().code());
        let last = self.seen.pop_if(|last| last.starts_with(&line));
        let count = last.as_deref().map_or(0, |last| last.split(' ').nth(3).map_or(1, |count| count.parse().unwrap()));
        self.seen.push(if count == 0 { line } else { format!("{line}, {} times", count + 1) });
    }

    fn body_line(&mut self) {
        let body = std::mem::take(&mut self.body);
        if !body.is_empty() {
            self.seen.push(format!("* body {} {}", body.len(), body[..body.len().min(60)].escape_ascii()));
        }
    }
}
