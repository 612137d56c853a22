//! Compares ranges of files with a model that decides for every byte whether it is selected: the status,
//! `Content-Range`, and the bytes of one part or of several, whose number must be the announced one.
//!
//! The data is the file (one byte), the number of bytes that the client accepts at a time (one byte) and lines for the
//! head of the request: `Range` and `If-Range` are sent, and `HEAD` sets the method. In `If-Range`, `ETAG` and `DATE`
//! are replaced by those of the file.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use serve_forever::files::FileService;
use serve_forever::http::parse_http_date;
use serve_forever::testing::Bench;
use tempfile::TempDir;

use super::responses::{self, Answer};

/// The lengths of the files: from 0 to a length that is sent from a descriptor.
const LENGTHS: [usize; 5] = [0, 1, 10, 1000, 40_000];

/// The time of modification of the file that is served.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub fn check(data: &[u8]) {
    let [file, takes, lines @ ..] = data else { return };
    let length = LENGTHS[usize::from(*file) % LENGTHS.len()];
    SERVED.with(|served| {
        let whole = served.whole(length);
        let etag = field(&whole, "ETag").expect("a tag").to_owned();
        let asked = Asked::new(lines, &etag);
        let takes = 64 * (usize::from(*takes) + 1);
        let answer = served.answer(length, asked.method, &asked.lines, takes);
        judge(&answer, &asked.expected(length, &etag), &whole, length);
    });
}

fn judge(answer: &Answer, expected: &Expected, whole: &Answer, length: usize) {
    let body = content(length);
    if let Expected::Head = expected {
        assert_eq!((answer.status, &answer.head, answer.body.len()), (200, &whole.head, 0));
        return;
    }
    let range = |from: usize, end: usize| format!("bytes {from}-{}/{length}", end - 1);
    let same = |name: &str| assert_eq!(field(answer, name), field(whole, name), "{name}");
    match expected {
        Expected::Head => unreachable!("it was judged"),
        Expected::Whole => assert_eq!(answer, whole),
        Expected::Nothing => {
            assert_eq!(answer.status, 416);
            assert_eq!(field(answer, "Content-Range"), Some(&*format!("bytes */{length}")));
        }
        Expected::Parts(parts) => {
            assert_eq!(answer.status, 206);
            ["ETag", "Last-Modified"].iter().for_each(|name| same(name));
            if let [(from, end)] = parts[..] {
                same("Content-type");
                assert_eq!(field(answer, "Content-Range"), Some(&*range(from, end)));
                assert_eq!(answer.body, body[from..end]);
                return;
            }
            assert_eq!(field(answer, "Content-Range"), None, "each part has its own");
            let kind =
                field(answer, "Content-type").and_then(|kind| kind.strip_prefix("multipart/byteranges; boundary="));
            let boundary = kind.expect("a boundary");
            assert!((8..=70).contains(&boundary.len()) && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            let type_of_all = field(whole, "Content-type").expect("a type");
            let mut expected = b"\r\n".to_vec();
            for (from, end) in parts {
                let range = range(*from, *end);
                let head = format!("--{boundary}\r\nContent-Type: {type_of_all}\r\nContent-Range: {range}\r\n\r\n");
                expected.extend([head.as_bytes(), &body[*from..*end], b"\r\n"].concat());
            }
            expected.extend(format!("--{boundary}--\r\n").bytes());
            assert_eq!(answer.body.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }
}

/// The value of a field that occurs exactly once.
fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut values = answer.head.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = values.next();
    assert_eq!(values.next(), None, "{name} stands there once");
    value
}

/// The request that the data represents.
struct Asked {
    method: &'static str,
    /// The lines that are sent.
    lines: Vec<u8>,
    ranges: Vec<Vec<u8>>,
    conditions: Vec<String>,
}

/// The response that is expected.
enum Expected {
    /// The complete head, without a body.
    Head,
    Whole,
    /// A part for each pair: the bytes from the first position up to, but not including, the second.
    Parts(Vec<(usize, usize)>),
    Nothing,
}

impl Asked {
    fn new(data: &[u8], etag: &str) -> Asked {
        let mut asked = Asked { method: "GET", lines: Vec::new(), ranges: Vec::new(), conditions: Vec::new() };
        for line in data.split(|byte| *byte == b'\n').take(8) {
            // Lines that are not valid fields, or are too long, are refused before ranges are parsed.
            if line.len() > 2000 || line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                continue;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                if line == b"HEAD" {
                    asked.method = "HEAD";
                }
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"Range") {
                asked.lines.extend([line, b"\r\n"].concat());
                asked.ranges.push(value.to_vec());
            } else if name.eq_ignore_ascii_case(b"If-Range") {
                let condition = String::from_utf8_lossy(value).replace("ETAG", etag).replace("DATE", DATE);
                asked.lines.extend(format!("If-Range:{condition}\r\n").bytes());
                asked.conditions.push(condition);
            }
        }
        asked
    }

    fn expected(&self, length: usize, etag: &str) -> Expected {
        if self.method == "HEAD" {
            return Expected::Head;
        }
        let is_of_this =
            |value: &str| value == etag || parse_http_date(value.as_bytes()) == parse_http_date(DATE.as_bytes());
        let applies = match &self.conditions[..] {
            [] => true,
            [value] => is_of_this(value),
            _ => false,
        };
        let [field] = &self.ranges[..] else { return Expected::Whole };
        let Some(wanted) = wanted(field).filter(|wanted| applies && (1..=16).contains(&wanted.len())) else {
            return Expected::Whole;
        };
        let mut times = vec![0; length];
        let mut parts = Vec::new();
        for wanted in &wanted {
            let positions: Vec<usize> = (0..length).filter(|at| wanted.selects(*at, length)).collect();
            positions.iter().for_each(|at| times[*at] += 1);
            if let (Some(first), Some(last)) = (positions.first(), positions.last()) {
                parts.push((*first, last + 1));
            }
        }
        let nothing_is_all = length == 0 && wanted.iter().any(|wanted| matches!(wanted, Wanted::Last(1..)));
        match times.iter().max() {
            Some(2..) => Expected::Whole,
            _ if nothing_is_all => Expected::Whole,
            _ if parts.is_empty() => Expected::Nothing,
            _ => Expected::Parts(parts),
        }
    }
}

/// One of the ranges of a field.
enum Wanted {
    /// From one position to another, both included, or to the end.
    From(u128, Option<u128>),
    /// This number of bytes at the end.
    Last(u128),
}

impl Wanted {
    fn selects(&self, at: usize, length: usize) -> bool {
        match self {
            Wanted::From(first, last) => *first <= at as u128 && last.is_none_or(|last| at as u128 <= last),
            Wanted::Last(count) => (length - at) as u128 <= *count,
        }
    }
}

/// The ranges of a field if it is well formed (RFC 9110 section 14.1.1), with the empty elements that lists may have.
fn wanted(field: &[u8]) -> Option<Vec<Wanted>> {
    let text = std::str::from_utf8(field).ok()?;
    let (unit, set) = text.split_once('=')?;
    let elements = set.split(',').map(|element| element.trim_matches([' ', '\t']));
    let all: Option<Vec<_>> = elements.filter(|element| !element.is_empty()).map(one_wanted).collect();
    all.filter(|_| unit.eq_ignore_ascii_case("bytes"))
}

fn one_wanted(element: &str) -> Option<Wanted> {
    let (first, last) = element.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    // A number that does not fit is past the end of any file.
    let number = |text: &str| text.parse().unwrap_or(u128::MAX);
    match (first, last) {
        ("", "") => None,
        ("", last) => Some(Wanted::Last(number(last))),
        (first, "") => Some(Wanted::From(number(first), None)),
        (first, last) => {
            let digits = |text: &str| text.trim_start_matches('0').to_owned();
            let in_order = (digits(first).len(), digits(first)) <= (digits(last).len(), digits(last));
            in_order.then(|| Wanted::From(number(first), Some(number(last))))
        }
    }
}

/// The files and who serves them.
struct Served {
    bench: Bench,
    _directory: TempDir,
}

thread_local! {
    static SERVED: Served = Served::new();
}

impl Served {
    fn new() -> Served {
        let directory = TempDir::new().expect("a directory");
        for length in LENGTHS {
            let path = directory.path().join(length.to_string());
            std::fs::write(&path, content(length)).expect("a file");
            let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
            File::options().write(true).open(path).and_then(|file| file.set_modified(modified)).expect("a time");
        }
        let bench = Bench::new(FileService::new(directory.path()).expect("the directory"));
        Served { bench, _directory: directory }
    }

    fn whole(&self, length: usize) -> Answer {
        let answer = self.answer(length, "GET", b"", usize::MAX);
        assert_eq!((answer.status, field(&answer, "Last-Modified")), (200, Some(DATE)));
        assert_eq!(answer.body, content(length));
        answer
    }

    /// The response to a client that takes a given number of bytes at a time.
    fn answer(&self, length: usize, method: &str, lines: &[u8], takes: usize) -> Answer {
        let mut client = self.bench.connect();
        client.open_window(0);
        client.send(format!("{method} /{length} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").as_bytes());
        client.send(&[lines, b"\r\n"].concat());
        client.finish();
        let mut bytes = Vec::new();
        while client.closed().is_none() {
            client.open_window(takes);
            let some = client.take();
            assert!(!some.is_empty() || client.closed().is_some(), "the client waits for nothing");
            bytes.extend(some);
        }
        let mut answers = responses::parse(&bytes, method == "HEAD");
        let mut answer = answers.pop().expect("an answer");
        assert!(answers.is_empty() && answer.complete);
        // The file may change while it is examined.
        answer.head.retain(|line| !line.starts_with("Date: "));
        answer
    }
}

/// Bytes that show their position in the file.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 256) as u8).collect()
}
