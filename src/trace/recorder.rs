//! The recorder: converts the reports of a loop and its connections to the events of a trace and to the sentences of
//! `--explain`.
//!
//! `turns.rs` handles the reports of the loop, and `connections.rs` those of connections. The format of the file is
//! defined in `file.rs`.
//!
//! Invariant: no two events have the same time, so that a viewer shows them in the order in which they occurred.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use super::explain::{Explain, Explainer, moment};
use super::file::{Arg, EventPhase, TraceFile, Track};
use super::sentences;

/// The track for the loop's turns.
pub(super) const TURNS: Track = Track { process: 1, thread: 1, category: "loop" };

/// The track for wake-ups by other threads.
pub(super) const OTHER_THREADS: Track = Track { process: 1, thread: 2, category: "loop" };

/// The track for the flow arrows from an event or wake-up to the step that it causes.
pub(super) const ARROWS: Track = Track { process: 1, thread: 1, category: "flow" };

/// The largest integer that every JSON parser represents exactly. In a trace, it stands for "no limit".
const FOR_EVER: u64 = (1 << 53) - 1;

/// The default number of connections that have their own tracks (see [`Recorder::set_connections`]).
const CONNECTIONS: u32 = 64;

/// The default maximum size of a trace in bytes (see [`Recorder::set_limit`]).
const LIMIT: u64 = 64 << 20;

/// Records a loop and its connections. A recorder can be used for several runs, which then share one trace.
pub struct Recorder {
    pub(super) out: Option<Box<dyn Write + Send>>,
    pub(super) limit: u64,
    /// The maximum number of connections with their own tracks. Only the connections that are accepted first get
    /// tracks.
    pub(super) tracked: u32,
    pub(super) file: Option<TraceFile>,
    pub(super) explainer: Option<Explainer>,
    clock: Box<dyn Fn() -> Instant + Send>,
    start: Instant,
    /// The time of the last event, in nanoseconds since `start`.
    last: u64,
    /// The number of connections accepted so far.
    pub(super) accepted: u32,
    /// The connection whose session was created last. It may still be refused.
    pub(super) made: Option<MadeConnection>,
    /// The numbers of the connections, by the keys of their sessions.
    pub(super) numbers: BTreeMap<usize, u32>,
    pub(super) connections: BTreeMap<u32, Connection>,
    pub(super) turns: u64,
    pub(super) turn: Option<Turn>,
    /// The time at which the loop last began to call the hooks, in nanoseconds since `start`.
    pub(super) hooks: u64,
    /// The number of bytes of memory that all connections use for their buffers.
    pub(super) buffered: u64,
    pub(super) arrows: u64,
    /// True once the name of the track for other threads has been written.
    pub(super) has_other_threads: bool,
}

/// A connection whose session has been created, but which has not yet been accepted or refused.
pub(super) struct MadeConnection {
    pub(super) peer: SocketAddr,
    pub(super) since: Instant,
    /// The time limit for the first byte.
    pub(super) limit: Option<Duration>,
}

impl MadeConnection {
    /// Creates placeholder data for a connection whose session has no observer.
    pub(super) fn unknown(now: Instant) -> MadeConnection {
        MadeConnection { peer: SocketAddr::from(([0; 4], 0)), since: now, limit: None }
    }
}

/// The turn that is in progress. Times are in nanoseconds since the trace began.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) begin: u64,
    pub(super) events: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) sleep: u64,
    pub(super) accepting: Accepting,
    pub(super) reaping: u64,
    pub(super) reaped: Vec<u64>,
}

/// The connections accepted from one acceptor in one turn.
#[derive(Default)]
pub(super) struct Accepting {
    pub(super) begin: u64,
    pub(super) acceptor: u64,
    pub(super) is_ready: bool,
    pub(super) let_in: u64,
    pub(super) refused: u64,
    pub(super) evicted: u64,
    pub(super) rest: Option<(Duration, String)>,
}

/// An open connection. Times that are integers are in nanoseconds since the trace began.
pub(super) struct Connection {
    pub(super) accepted_at: u64,
    pub(super) receive: &'static str,
    pub(super) send: &'static str,
    pub(super) wait: (&'static str, Instant),
    /// The deadline that the session set last.
    pub(super) deadline: Option<Instant>,
    pub(super) request: Option<String>,
    pub(super) response: Option<(u16, Option<u64>)>,
    pub(super) buffered: u64,
    /// The ids of the flow arrows from the events and wake-ups that have occurred since the session last ran.
    pub(super) arrows: Vec<u64>,
    /// The time at which the current step began.
    pub(super) step: u64,
    /// The times and ids of the flow arrows that end at the current step.
    pub(super) arrow_ends: Vec<(u64, u64)>,
    /// True if the upstream began or was resumed in the current step.
    pub(super) has_resumed: bool,
}

impl Recorder {
    /// Creates a recorder that writes nothing.
    pub fn new() -> Recorder {
        Recorder::with_clock(Instant::now)
    }

    /// Creates a recorder that uses `clock` instead of the system's clock.
    pub fn with_clock(clock: impl Fn() -> Instant + Send + 'static) -> Recorder {
        let start = clock();
        Recorder {
            out: None,
            limit: LIMIT,
            tracked: CONNECTIONS,
            file: None,
            explainer: None,
            clock: Box::new(clock),
            start,
            last: 0,
            accepted: 0,
            made: None,
            numbers: BTreeMap::new(),
            connections: BTreeMap::new(),
            turns: 0,
            turn: None,
            hooks: 0,
            buffered: 0,
            arrows: 0,
            has_other_threads: false,
        }
    }

    /// Writes a trace to `out`, beginning with the next run.
    pub fn trace_to(&mut self, out: impl Write + Send + 'static) {
        self.out = Some(Box::new(out));
    }

    /// Sets the number of connections that have their own tracks. The connections that are accepted first have tracks.
    /// Default: 64.
    pub fn set_connections(&mut self, most: u32) {
        self.tracked = most;
    }

    /// Sets the maximum size of the trace in bytes. Default: 64 MiB.
    pub fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Writes sentences about the selected connections to `out`.
    pub fn explain_to(&mut self, which: Explain, out: impl Write + Send + 'static) {
        self.explainer = Some(Explainer::new(which, Box::new(out)));
    }

    /// Begins a run. If [`trace_to`](Recorder::trace_to) has been called since the last run, a new trace begins, with
    /// these addresses and this wall-clock time.
    pub fn begin_run(&mut self, addresses: &[SocketAddr], wall: SystemTime) {
        self.turn = None;
        let Some(out) = self.out.take() else { return };
        self.file = Some(TraceFile::new(out, self.limit));
        self.start = (self.clock)();
        self.last = 0;
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let wall = jiff::Timestamp::try_from(wall).unwrap_or_default().round(jiff::Unit::Second).unwrap_or_default();
        let (wall, version) = (wall.to_string(), env!("CARGO_PKG_VERSION"));
        self.name_process(1, "serve-forever", 0);
        let begin = Track { category: "trace", ..TURNS };
        let args = [
            ("schema", Arg::Number(1)),
            ("version", Arg::Text(version)),
            ("wall", Arg::Text(&wall)),
            ("addresses", Arg::Texts(&addresses)),
        ];
        let at = self.stamp();
        self.event("trace_begin", EventPhase::Global(at), begin, &args);
        self.name_thread(TURNS, "turns", 0);
    }

    /// Returns the time for the next event: the current time, but at least one nanosecond after the last event.
    pub(super) fn stamp(&mut self) -> u64 {
        let now = u64::try_from((self.clock)().saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        self.last = now.max(self.last + 1);
        self.last
    }

    pub(super) fn now(&self) -> Instant {
        (self.clock)()
    }

    /// Converts a time to nanoseconds since the trace began.
    pub(super) fn nanos_of(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes an event to the trace file, if there is one.
    pub(super) fn event(&mut self, name: &str, phase: EventPhase, track: Track, args: &[(&str, Arg<'_>)]) {
        if let Some(file) = &mut self.file {
            file.event(name, phase, track, args);
        }
    }

    pub(super) fn name_process(&mut self, process: u64, name: &str, place: u64) {
        let track = Track { process, thread: 0, category: "" };
        self.event("process_name", EventPhase::Metadata, track, &[("name", Arg::Text(name))]);
        self.event("process_sort_index", EventPhase::Metadata, track, &[("sort_index", Arg::Number(place))]);
    }

    pub(super) fn name_thread(&mut self, track: Track, name: &str, place: u64) {
        self.event("thread_name", EventPhase::Metadata, track, &[("name", Arg::Text(name))]);
        self.event("thread_sort_index", EventPhase::Metadata, track, &[("sort_index", Arg::Number(place))]);
    }

    /// True if the connection has its own tracks.
    pub(super) fn is_tracked(&self, connection: u32) -> bool {
        connection <= self.tracked
    }

    /// Writes an instant event of a connection and the sentence about the event. `values` are inserted into the
    /// sentence.
    pub(super) fn moment(
        &mut self,
        connection: u32,
        name: &str,
        sentence: &str,
        values: &[String],
        args: &[(&str, Arg<'_>)],
    ) {
        let at = self.stamp();
        if self.is_tracked(connection) {
            self.event(name, EventPhase::Moment(at), track(connection, Side::Io), args);
        }
        self.explain(connection, at, sentences::sentence(sentences::EVENTS, sentence), values);
    }

    /// Writes a sentence about a connection, if sentences about this connection are wanted.
    pub(super) fn explain(&mut self, connection: u32, at: u64, sentence: Option<&str>, values: &[String]) {
        let Some(accepted_at) = self.connections.get(&connection).map(|connection| connection.accepted_at) else {
            return;
        };
        if let (Some(explainer), Some(sentence)) = (&mut self.explainer, sentence)
            && explainer.is_about(connection)
        {
            explainer.write(connection, at.saturating_sub(accepted_at), sentence, values);
        }
    }

    /// Formats a time for use in sentences about a connection. `None` is shown as "the end of the run".
    pub(super) fn shown(&self, connection: u32, time: Option<Instant>) -> String {
        let accepted_at = self.connections.get(&connection).map_or(0, |connection| connection.accepted_at);
        match time {
            Some(time) => moment(self.nanos_of(time).saturating_sub(accepted_at)),
            None => "the end of the run".to_owned(),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

/// The four tracks of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Receive,
    Send,
    Wait,
    Io,
}

impl Side {
    pub(super) const ALL: [Side; 4] = [Side::Receive, Side::Send, Side::Wait, Side::Io];

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Receive => "recv",
            Side::Send => "send",
            Side::Wait => "wait",
            Side::Io => "io",
        }
    }
}

/// Returns a track of a connection. Its thread id differs from all process ids, because a viewer treats a thread whose
/// id is that of its process as the main thread.
pub(super) fn track(connection: u32, side: Side) -> Track {
    let number = u64::from(connection);
    Track { process: 1000 + number, thread: 1_000_000 + 4 * number + side as u64, category: side.name() }
}

/// Converts a time limit to microseconds. `None` means no limit.
pub(super) fn limit(span: Option<Duration>) -> u64 {
    span.map_or(FOR_EVER, micros)
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(FOR_EVER).min(FOR_EVER)
}
