//! Writes a trace file of limited size, with events as lines of JSON in the array form of Chrome's trace format.
//!
//! The array is never closed, so that a trace that was truncated at any byte can be opened. The events come from the
//! recorder (`recorder.rs`).

use std::fmt::Write as _;
use std::io::{self, Write};

/// The number of bytes that are collected before they are written to the file. Collected bytes are also written before
/// the loop sleeps.
const GATHERED: usize = 64 * 1024;

/// The space reserved for the last line, which says that the trace is full.
const LAST_LINE: u64 = 160;

/// A track in the viewer. It is identified by the ids of a process and a thread; `category` is the category of its
/// events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) process: u64,
    pub(super) thread: u64,
    pub(super) category: &'static str,
}

/// The phase of an event, with times in nanoseconds since the trace began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventPhase {
    /// An event that spans a period of time.
    Complete { begin: u64, end: u64 },
    /// The beginning of a state, at this time.
    Begin(u64),
    /// The end of a state, at this time.
    End(u64),
    /// An instant event on its track.
    Moment(u64),
    /// An instant event that concerns the whole trace.
    Global(u64),
    /// The values of counters at this time. The viewer shows each counter in a track of its own.
    Counter(u64),
    /// The beginning of a flow arrow, with the time and the id of the arrow.
    ArrowBegin(u64, u64),
    /// The end of a flow arrow, with the time and the id of the arrow.
    ArrowEnd(u64, u64),
    /// Information about a track: its name, or its position in the viewer.
    Metadata,
}

/// The value of an event's argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Arg<'a> {
    Number(u64),
    /// A number, or `null` for `None`.
    Maybe(Option<u64>),
    Flag(bool),
    Text(&'a str),
    Numbers(&'a [u64]),
    Texts(&'a [String]),
}

/// Writes events to a trace file, until the file reaches its size limit.
pub(super) struct TraceFile {
    out: Box<dyn Write + Send>,
    gathered: Vec<u8>,
    line: String,
    /// The number of bytes in all lines so far.
    length: u64,
    /// The maximum size of the file in bytes.
    limit: u64,
    /// The latest time of the events so far, in nanoseconds since the trace began.
    latest: u64,
    /// True once the limit has been reached or writing has failed. Further events are then discarded.
    is_closed: bool,
}

impl TraceFile {
    pub(super) fn new(out: Box<dyn Write + Send>, limit: u64) -> TraceFile {
        let (gathered, line) = (b"[\n".to_vec(), String::new());
        TraceFile { out, gathered, line, length: 2, limit, latest: 0, is_closed: false }
    }

    /// Adds an event, unless `is_closed` is true. If the event would exceed the size limit, `trace full` is written
    /// instead, and all further events are discarded.
    pub(super) fn event(&mut self, name: &str, phase: EventPhase, track: Track, args: &[(&str, Arg<'_>)]) {
        if self.is_closed {
            return;
        }
        self.line.clear();
        // Writing to a string cannot fail.
        _ = write_event(&mut self.line, name, phase, track, args);
        if self.length + self.line.len() as u64 + LAST_LINE > self.limit {
            self.line.clear();
            let turns = Track { process: 1, thread: 1, category: "trace" };
            _ = write_event(&mut self.line, "trace full", EventPhase::Global(self.latest + 1), turns, &[]);
            self.add_line();
            self.is_closed = true;
            return self.write();
        }
        self.latest = self.latest.max(phase.latest());
        self.add_line();
        if self.gathered.len() >= GATHERED {
            self.write();
        }
    }

    fn add_line(&mut self) {
        self.length += self.line.len() as u64;
        self.gathered.extend_from_slice(self.line.as_bytes());
    }

    /// Writes all events collected so far. An error ends the trace but not the server.
    pub(super) fn write(&mut self) {
        let written = self.out.write_all(&self.gathered).and_then(|()| self.out.flush());
        self.gathered.clear();
        if let Err(error) = written {
            self.is_closed = true;
            // The message goes to standard error, because the log may be off and the operator should know why the trace
            // is incomplete.
            _ = writeln!(io::stderr(), "serve-forever: the trace ends: {error}");
        }
    }
}

impl EventPhase {
    fn latest(self) -> u64 {
        match self {
            EventPhase::Complete { end, .. } => end,
            EventPhase::Begin(at)
            | EventPhase::End(at)
            | EventPhase::Moment(at)
            | EventPhase::Global(at)
            | EventPhase::Counter(at) => at,
            EventPhase::ArrowBegin(at, _) | EventPhase::ArrowEnd(at, _) => at,
            EventPhase::Metadata => 0,
        }
    }
}

fn write_event(
    line: &mut String,
    name: &str,
    phase: EventPhase,
    track: Track,
    args: &[(&str, Arg<'_>)],
) -> std::fmt::Result {
    line.push_str("{\"name\":\"");
    line.push_str(name);
    let (letter, at) = match phase {
        EventPhase::Complete { begin, .. } => ("X", Some(begin)),
        EventPhase::Begin(at) => ("B", Some(at)),
        EventPhase::End(at) => ("E", Some(at)),
        EventPhase::Moment(at) => ("i\",\"s\":\"t", Some(at)),
        EventPhase::Global(at) => ("i\",\"s\":\"g", Some(at)),
        EventPhase::Counter(at) => ("C", Some(at)),
        EventPhase::ArrowBegin(at, _) => ("s", Some(at)),
        EventPhase::ArrowEnd(at, _) => ("f\",\"bp\":\"e", Some(at)),
        EventPhase::Metadata => ("M", None),
    };
    line.push_str("\",\"ph\":\"");
    line.push_str(letter);
    if at.is_some() {
        line.push_str("\",\"cat\":\"");
        line.push_str(track.category);
    }
    line.push('"');
    write_member(line, "pid", track.process)?;
    if track.thread != 0 {
        write_member(line, "tid", track.thread)?;
    }
    if let Some(at) = at {
        write_time(line, "ts", at)?;
    }
    match phase {
        EventPhase::Complete { begin, end } => write_time(line, "dur", end - begin)?,
        EventPhase::ArrowBegin(_, id) | EventPhase::ArrowEnd(_, id) => write_member(line, "id", id)?,
        _ => {}
    }
    line.push_str(",\"args\":{");
    for (number, (name, value)) in args.iter().enumerate() {
        if number > 0 {
            line.push(',');
        }
        write_text(line, name);
        line.push(':');
        write_arg(line, *value)?;
    }
    line.push_str("}},\n");
    Ok(())
}

fn write_member(line: &mut String, name: &str, value: u64) -> std::fmt::Result {
    write!(line, ",\"{name}\":{value}")
}

/// Writes a JSON member for a time of `nanos` nanoseconds, in microseconds with three decimal places.
fn write_time(line: &mut String, name: &str, nanos: u64) -> std::fmt::Result {
    write!(line, ",\"{name}\":{}.{:03}", nanos / 1000, nanos % 1000)
}

fn write_arg(line: &mut String, value: Arg<'_>) -> std::fmt::Result {
    match value {
        Arg::Number(number) | Arg::Maybe(Some(number)) => return write!(line, "{number}"),
        Arg::Maybe(None) => line.push_str("null"),
        Arg::Flag(flag) => line.push_str(if flag { "true" } else { "false" }),
        Arg::Text(text) => write_text(line, text),
        Arg::Numbers(numbers) => {
            for (place, number) in numbers.iter().enumerate() {
                write!(line, "{}{number}", if place == 0 { '[' } else { ',' })?;
            }
            line.push_str(if numbers.is_empty() { "[]" } else { "]" });
        }
        Arg::Texts(texts) => {
            line.push('[');
            for (place, text) in texts.iter().enumerate() {
                if place > 0 {
                    line.push(',');
                }
                write_text(line, text);
            }
            line.push(']');
        }
    }
    Ok(())
}

/// Writes text in quotes. The text must not contain control characters; [`printable`] escapes those in text from a
/// client.
fn write_text(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            line.push('\\');
        }
        line.push(character);
    }
    line.push('"');
}

/// Converts text from a client to at most `most` characters. Bytes that are not printable ASCII become `\xNN`. If
/// characters are cut off, the text ends in `…`.
pub(super) fn printable(bytes: &[u8], most: usize) -> String {
    // Until `…` is appended, the text is ASCII, so its length in bytes is its number of characters.
    let (mut text, mut fitting) = (String::new(), 0);
    for byte in bytes {
        if text.len() < most {
            fitting = text.len();
        }
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
        if text.len() > most {
            text.truncate(fitting);
            text.push('…');
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// An in-memory file.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TURNS: Track = Track { process: 1, thread: 1, category: "loop" };

    #[test]
    fn an_event_is_a_line_of_json_with_times_in_microseconds() {
        let shared = Shared::default();
        let mut file = TraceFile::new(Box::new(shared.clone()), 1 << 20);
        let args = [("number", Arg::Number(1)), ("conns", Arg::Numbers(&[2, 3])), ("text", Arg::Text("a\"b\\"))];
        file.event("turn", EventPhase::Complete { begin: 1_002_003, end: 1_002_010 }, TURNS, &args);
        file.event("stop", EventPhase::Moment(5), TURNS, &[("by", Arg::Maybe(None)), ("all", Arg::Flag(true))]);
        file.write();
        assert_eq!(
            String::from_utf8(shared.0.lock().unwrap().clone()).unwrap(),
            "[\n{\"name\":\"turn\",\"ph\":\"X\",\"cat\":\"loop\",\"pid\":1,\"tid\":1,\"ts\":1002.003,\"dur\":0.007,\
             \"args\":{\"number\":1,\"conns\":[2,3],\"text\":\"a\\\"b\\\\\"}},\n\
             {\"name\":\"stop\",\"ph\":\"i\",\"s\":\"t\",\"cat\":\"loop\",\"pid\":1,\"tid\":1,\"ts\":0.005,\
             \"args\":{\"by\":null,\"all\":true}},\n"
        );
    }

    #[test]
    fn a_full_trace_says_so_in_its_last_line_and_is_within_its_limit() {
        let shared = Shared::default();
        let mut file = TraceFile::new(Box::new(shared.clone()), 1000);
        for at in 1..100 {
            file.event("stop", EventPhase::Moment(at), TURNS, &[]);
        }
        file.write();
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert!(text.len() <= 1000 && text.len() > 700, "{}", text.len());
        assert_eq!(text.matches("trace full").count(), 1);
        assert!(
            text.lines().last().unwrap().starts_with("{\"name\":\"trace full\",\"ph\":\"i\",\"s\":\"g\""),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_ends_the_trace() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut file = TraceFile::new(Box::new(Full), 1 << 20);
        file.write();
        assert!(file.is_closed);
        file.event("stop", EventPhase::Moment(1), TURNS, &[]);
        assert!(file.gathered.is_empty(), "nothing is gathered after that");
    }

    #[test]
    fn the_text_of_a_client_is_cut_and_has_no_control_characters() {
        assert_eq!(printable(b"GET /\x1b\xff\\ HTTP/1.1", 80), "GET /\\x1b\\xff\\\\ HTTP/1.1");
        let cut = printable("x".repeat(100).as_bytes(), 80);
        assert_eq!((cut.chars().count(), cut.chars().last()), (80, Some('…')));
        assert_eq!(printable("x".repeat(80).as_bytes(), 80).len(), 80);
        assert_eq!(printable(&[0; 21], 80), "\\x00".repeat(19) + "…");
    }
}
