//! Tests of HTTP as dialogues. Text files contain the exact bytes that a client sends and must receive.
//!
//! The syntax of the files in `tests/wire`:
//!
//! ```text
//! == a title
//! # why it must be so
//! @ protocol 1.0          a setting: see `Case::site`
//! > GET / HTTP/1.1        the client sends this line and CRLF
//! >| body\n               the client sends exactly this; \r \n \\ \xNN, and \{x*99} for ninety-nine of x
//! > (end)                 the client closes its side
//! < HTTP/1.1 200 OK       the server sends this line and CRLF
//! < (server and date)     the two lines that every response has
//! <| hello\n              the server sends exactly this
//! = open                  how it ends: open, lingers (told, and still listening; with the reason if the answer was cut), or
//!                         `closed: ` and the reason
//! ```
//!
//! A `>` after a `<` begins another round: the client sends it when it has received everything before it. Every case is
//! sent whole, byte by byte, in two pieces, and followed by another request, and again to a server that reads and
//! writes one byte per turn. `UPDATE_WIRE=1` writes the received bytes into the files; check the difference carefully.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use common::dialogue::{DATE, Dialogue, site};
use common::lines::bytes_of;
use common::service::TestService;
use serve_forever::Pace;
use serve_forever::connection::ServerState;
use serve_forever::http::{ErrorTemplate, FieldBlock, HeaderList, Request, Status, Version};
use serve_forever::http1::{
    Buffer, ClientMachine, CommonHeaders, MessageLimits, ReceivedHead, Rejection, RequestEvent, RequestHead,
    ResponseEvent, ResponseHead, ServerMachine, Violation,
};
use serve_forever::session::CloseReason;
use serve_forever::transport::Memory;

#[derive(Debug, Default)]
struct Case {
    title: String,
    /// The title, the reasons and the settings, exactly as in the file.
    preamble: Vec<String>,
    settings: Vec<String>,
    rounds: Vec<Round>,
    end: String,
}

#[derive(Debug, Default)]
struct Round {
    client: Vec<String>,
    server: Vec<String>,
}

/// How the client's bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Whole,
    ByteByByte,
    /// In two pieces. The number is the length of the first piece.
    Split(usize),
    /// As a whole, with another request directly after it.
    Followed,
}

/// The amount that a server reads and writes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speed {
    /// As much as is available.
    Full,
    /// One byte per turn in each direction.
    Narrow,
}

/// The line by which the client closes its side.
const END: &str = "> (end)";

/// Of longer input, only the last part arrives byte by byte, and the rest in pieces.
const LONG: usize = 1000;
const PIECE: usize = 97;

/// The request that is sent after a case, and its response.
const FOLLOWER: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const HELLO: &str = "Content-type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\nhello\n";

#[test]
fn every_dialogue_goes_as_written() {
    let mut failures = String::new();
    let mut count = 0;
    for path in files() {
        let cases = read(&std::fs::read_to_string(&path).unwrap());
        if std::env::var_os("UPDATE_WIRE").is_some() {
            let text: Vec<String> = cases.iter().map(updated).collect();
            std::fs::write(&path, text.join("\n")).unwrap();
            continue;
        }
        for case in &cases {
            count += 1;
            if let Err(failure) = check(case) {
                _ = writeln!(failures, "{}: {}\n{failure}", path.display(), case.title);
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    let updating = std::env::var_os("UPDATE_WIRE").is_some();
    assert!(updating || count > 100, "only {count} dialogues were found");
}

#[test]
fn every_way_to_be_refused_has_a_dialogue() {
    let text: String = files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for violation in [
        Violation::EmptyLines,
        Violation::RequestLine("GARBAGE".into()),
        Violation::Version("HTTP/1.10".into()),
        Violation::UnsupportedVersion("2.0".into()),
        Violation::LongRequestLine,
        Violation::BareLf,
        Violation::Field,
        Violation::LongField(0),
        Violation::ManyFields(0),
        Violation::LongHead(0),
        Violation::HostCount,
        Violation::Host,
        Violation::Target,
        Violation::Misdirected,
        Violation::ContentLength,
        Violation::TwoFramings,
        Violation::TransferEncodingInHttp10,
        Violation::TransferEncoding,
        Violation::UnknownCoding,
        Violation::LargeBody,
        Violation::Chunk,
        Violation::ChunkOverhead,
    ] {
        let rejection = Rejection::from(violation);
        let reason = rejection.message().unwrap_or_else(|| rejection.status().phrase().into());
        let line = format!("\n< HTTP/1.1 {} {reason}\n", rejection.status().code());
        assert!(text.contains(&line), "no dialogue with {line:?}");
    }
}

/// Every dialogue must fail if one byte of the response differs from the expected one.
#[test]
fn a_wrong_byte_is_noticed() {
    let path = files().into_iter().find(|path| path.ends_with("answers.txt")).unwrap();
    let mut case = read(&std::fs::read_to_string(path).unwrap()).remove(0);
    assert_eq!(check(&case), Ok(()));
    case.rounds[0].server.pop();
    case.rounds[0].server.push("<| hellO\\n".into());
    assert!(check(&case).is_err());
    let mut case = Case { end: "closed: complete".into(), ..case };
    case.rounds[0].server.pop();
    case.rounds[0].server.push("<| hello\\n".into());
    assert!(check(&case).is_err());
}

/// The mirror: the client's side of the protocol must read all that the server's side sends.
#[test]
fn the_client_reads_back_what_the_server_sends() {
    let (mut failures, mut responses) = (String::new(), 0);
    for path in files() {
        for case in read(&std::fs::read_to_string(&path).unwrap()) {
            match read_back(&case) {
                Ok(count) => responses += count,
                Err(failure) => _ = writeln!(failures, "{}: {}: {failure}", path.display(), case.title),
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(responses > 200, "only {responses} responses were read");
}

/// Reads all lines of the server in a case. Returns the number of responses.
fn read_back(case: &Case) -> Result<usize, String> {
    let (mut machine, mut head, limits) = (ClientMachine::new(), ReceivedHead::default(), MessageLimits::default());
    let (mut input, fields, mut count) = (Buffer::default(), HeaderList::new(), 0);
    case.rounds.iter().for_each(|round| input.extend(&heard_as(&round.server)));
    // A request that was refused has a response, too.
    for method in methods(case).iter().map(String::as_str).chain(["GET"]) {
        if input.is_empty() {
            break;
        }
        if !machine.can_request() {
            return Err(format!("bytes after the last response: {}", input.bytes().escape_ascii()));
        }
        let request = RequestHead { method, target: "/", fields: &fields, encode_chunked: false };
        machine.request(&request, &mut Buffer::default()).map_err(|error| error.to_string())?;
        loop {
            match machine.receive(&mut input, &limits, &mut head).map_err(|violation| format!("{violation:?}"))? {
                ResponseEvent::Data(length) => machine.take(&mut input, length),
                ResponseEvent::Head => count += 1,
                ResponseEvent::Interim => {}
                ResponseEvent::More => machine.end_of_input(),
                ResponseEvent::End if machine.has_left_http() => return Ok(count),
                ResponseEvent::End => break,
                // The reason for the end shows that the server has cut the response short.
                ResponseEvent::Cut if case.end.contains(':') => return Ok(count),
                event => return Err(format!("{event:?} after {count} responses")),
            }
        }
    }
    if input.is_empty() { Ok(count) } else { Err(format!("unread: {}", input.bytes().escape_ascii())) }
}

/// The methods of the requests in a case, as far as the server's side of the protocol reads them.
fn methods(case: &Case) -> Vec<String> {
    let (mut machine, mut request) = (ServerMachine::new(Version::Http11), Request::default());
    let (mut input, mut methods) = (Buffer::default(), Vec::new());
    case.rounds.iter().for_each(|round| input.extend(&sent_by(&round.client)));
    loop {
        match machine.receive(&mut input, &MessageLimits::default(), &mut request) {
            Ok(RequestEvent::Head) => {
                methods.push(request.method().as_str().to_owned());
                let (fields, common) = (FieldBlock::new(), CommonHeaders::default());
                let status = Status::NO_CONTENT;
                let head = ResponseHead { status, reason: None, fields: &fields, length: Some(0), common: &common };
                machine.respond(&head, &mut Buffer::default());
            }
            Ok(RequestEvent::Data(length)) => machine.take(&mut input, length),
            Ok(RequestEvent::End) => {}
            Ok(RequestEvent::More | RequestEvent::Paused) => return methods,
            Err(_) => {
                let is_head = request.request_line().starts_with(b"HEAD ");
                methods.push(if is_head { "HEAD" } else { "GET" }.to_owned());
                return methods;
            }
        }
    }
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    // The subfolder contains the dialogues of a client, for tests/responses.rs.
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
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
            b'>' => {
                if case.rounds.last().is_none_or(|round| !round.server.is_empty()) {
                    case.rounds.push(Round::default());
                }
                case.rounds.last_mut().unwrap().client.push(line.to_owned());
            }
            b'<' => case.rounds.last_mut().expect("the client begins").server.push(line.to_owned()),
            _ if line.starts_with("= ") => case.end = line[2..].to_owned(),
            b'@' => {
                case.settings.push(line[1..].trim().to_owned());
                case.preamble.push(line.to_owned());
            }
            b'=' | b'#' => case.preamble.push(line.to_owned()),
            _ => panic!("what is {line:?}?"),
        }
    }
    cases
}

impl Case {
    fn has(&self, setting: &str) -> bool {
        self.settings.iter().any(|other| other == setting)
    }

    /// The site with the case's settings. Its error page is short, so that the dialogues are.
    fn site(&self) -> ServerState {
        let mut site = site(TestService);
        site.error_page = Box::new(ErrorTemplate::new("text/plain", "%(code)d %(message)s - %(explain)s\n"));
        for setting in &self.settings {
            let words: Vec<&str> = setting.split(' ').collect();
            match words[..] {
                ["protocol", "1.0"] => site.set_protocol(Version::Http10),
                ["page", "default"] => site.error_page = Box::new(ErrorTemplate::default()),
                ["page", "html"] => site.error_page = Box::new(ErrorTemplate::new("text/html", "<p>%(message)s")),
                ["limit", name, number] => {
                    let number: usize = number.parse().unwrap();
                    match name {
                        "request_line" => site.limits_mut().request_line = number,
                        "field_line" => site.limits_mut().field_line = number,
                        "head" => site.limits_mut().head = number,
                        "fields" => site.limits_mut().fields = number,
                        "body" => site.limits_mut().body = number as u64,
                        "chunk_overhead" => site.limits_mut().chunk_overhead = number,
                        "drain" => site.limits_mut().drain = number as u64,
                        _ => panic!("no limit is called {name}"),
                    }
                }
                ["no", "sendfile"] | ["alone"] | ["unsplit"] => {}
                _ => panic!("no setting is called {setting}"),
            }
        }
        site
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let longest = self.rounds.iter().map(|round| sent_by(&round.client).len()).max().unwrap_or(0);
        let mut arrivals = vec![Arrival::Whole];
        if !self.has("unsplit") {
            arrivals.push(Arrival::ByteByByte);
            arrivals.extend((1..longest).take(300).step_by(1 + longest / 100).map(Arrival::Split));
        }
        let ends = self.rounds.iter().any(|round| round.client.iter().any(|line| line == END));
        if !self.has("alone") && !ends {
            arrivals.push(Arrival::Followed);
        }
        arrivals
    }
}

/// The bytes that the client received in each round, and the end of the dialogue.
fn play(case: &Case, site: &ServerState, arrival: Arrival, speed: Speed) -> (Vec<Vec<u8>>, String) {
    let memory = Memory { no_sendfile: case.has("no sendfile"), ..Memory::default() };
    let limit = NonZeroUsize::new(1).filter(|_| speed == Speed::Narrow);
    let pace = Pace { max_read: limit, max_write: limit, ..Pace::default() };
    let mut dialogue = Dialogue::paced(site, memory, pace);
    let mut heard = Vec::new();
    for (number, round) in case.rounds.iter().enumerate() {
        let mut bytes = sent_by(&round.client);
        if arrival == Arrival::Followed && number + 1 == case.rounds.len() {
            bytes.extend_from_slice(FOLLOWER.as_bytes());
        }
        match arrival {
            Arrival::Whole | Arrival::Followed => _ = dialogue.say(&bytes),
            Arrival::ByteByByte => {
                let (long, rest) = bytes.split_at(bytes.len().saturating_sub(LONG));
                long.chunks(PIECE).chain(rest.chunks(1)).for_each(|piece| _ = dialogue.say(piece));
            }
            Arrival::Split(at) => {
                let (first, second) = bytes.split_at(at.min(bytes.len()));
                dialogue.say(first).say(second);
            }
        }
        if round.client.iter().any(|line| line == END) {
            dialogue.end();
        }
        heard.push(std::mem::take(&mut dialogue.client().sent));
    }
    let end = match dialogue.closed() {
        Some(reason) => format!("closed: {reason}"),
        None if dialogue.client().ended => {
            dialogue.end();
            match dialogue.closed().expect("a client that closes ends the lingering") {
                CloseReason::Complete => "lingers".to_owned(),
                reason => format!("lingers: {reason}"),
            }
        }
        None => "open".to_owned(),
    };
    (heard, end)
}

/// The end of a connection whose client has sent `Connection: close` and nothing after that request.
const CLOSED: &str = "closed: complete";

fn check(case: &Case) -> Result<(), String> {
    let site = case.site();
    let at_full_speed = case.arrivals().into_iter().map(|arrival| (arrival, Speed::Full));
    // Reading one byte at a time splits the input everywhere, and makes the other arrivals alike.
    let narrow = (!case.has("unsplit")).then_some((Arrival::Whole, Speed::Narrow));
    for (arrival, speed) in at_full_speed.chain(narrow) {
        let (heard, end) = play(case, &site, arrival, speed);
        let mut expected: Vec<Vec<u8>> = case.rounds.iter().map(|round| heard_as(&round.server)).collect();
        if arrival == Arrival::Followed && case.end == "open" {
            let line = format!("HTTP/1.1 200 OK\r\n{}{HELLO}", standing_lines());
            expected.last_mut().unwrap().extend_from_slice(line.as_bytes());
        }
        // If a client sends more after `Connection: close`, the server lingers.
        let followed = arrival == Arrival::Followed && case.end == CLOSED;
        if heard != expected || end != if followed { "lingers" } else { &case.end } {
            let heard: Vec<String> = heard.iter().flat_map(|bytes| shown(bytes)).collect();
            return Err(format!("  {arrival:?}, {speed:?}:\n    {}\n    = {end}\n", heard.join("\n    ")));
        }
    }
    Ok(())
}

/// The case with the bytes that were received when it was sent as a whole.
fn updated(case: &Case) -> String {
    let (heard, end) = play(case, &case.site(), Arrival::Whole, Speed::Full);
    let mut lines = case.preamble.clone();
    for (round, heard) in case.rounds.iter().zip(heard) {
        lines.extend_from_slice(&round.client);
        lines.extend(shown(&heard));
    }
    lines.push(format!("= {end}\n"));
    lines.join("\n")
}

fn sent_by(lines: &[String]) -> Vec<u8> {
    lines.iter().filter(|line| *line != END).map(|line| bytes_of(&line[1..])).collect::<Vec<_>>().concat()
}

fn heard_as(lines: &[String]) -> Vec<u8> {
    let bytes = |line: &String| match line.as_str() {
        "< (server and date)" => standing_lines().into_bytes(),
        line => bytes_of(&line[1..]),
    };
    lines.iter().map(bytes).collect::<Vec<_>>().concat()
}

fn standing_lines() -> String {
    format!("Server: test\r\nDate: {DATE}\r\n")
}

/// Bytes as lines of a dialogue.
fn shown(bytes: &[u8]) -> Vec<String> {
    let text: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\r' | b'\n' | 0x20..=0x7e => char::from(*byte),
            byte => char::from_u32(0xe000 + u32::from(*byte)).unwrap(),
        })
        .collect();
    let text = text.replace('\\', "\\\\").replace(&standing_lines(), "(server and date)\r\n");
    let line = |line: &str| match line.strip_suffix("\r\n") {
        Some("") => "<".to_owned(),
        Some(whole) if !whole.contains(['\r', '\n']) => format!("< {whole}"),
        _ => format!("<| {}", line.replace('\r', "\\r").replace('\n', "\\n")),
    };
    let lines = text.split_inclusive('\n').map(|part| {
        let line = line(part);
        line.chars()
            .map(|c| match u32::from(c) {
                code @ 0xe000..=0xe0ff => format!("\\x{:02x}", code - 0xe000),
                _ => c.to_string(),
            })
            .collect()
    });
    lines.collect()
}
