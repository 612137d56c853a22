//! The loop of the generator: one poll, a fixed number of connections, and a timer. It reads the clock twice per turn:
//! after the poll, and before sending.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::{InFlight, LoadConnection, LoadEnd, LoadEvent, READ_SIZE, StepParts, error_name};
use super::figures::{Figures, record, thread_time};
use super::options::LoadOptions;
use super::plan::Plan;
use super::schedule::SendSchedule;
use super::stream::{LoadConnector, LoadStream};
use super::timer::LoadTimer;
use crate::http1::{MessageLimits, ReceivedHead};

/// The interval between two ticks. A tick handles timeouts, allowances, failed connections and the progress line.
const TICK: Duration = Duration::from_millis(100);

/// A request counts as late if it is sent more than this time after it was due, although a connection was free.
const LATE: Duration = Duration::from_millis(1);

/// The maximum number of events that one poll returns.
const EVENTS: usize = 1024;

/// The maximum number of requests that the open loop sends between two polls.
const MOST_DUE: usize = 1024;

/// A run of the load generator: its connections, the next request to send, and the figures so far.
#[derive(Debug)]
pub(super) struct Generator<'p> {
    plan: &'p Plan,
    options: &'p LoadOptions,
    connector: LoadConnector,
    poll: Poll,
    timer: LoadTimer,
    /// The connections. An element is `None` if connecting has failed; the next tick makes another attempt.
    connections: Vec<Option<LoadConnection>>,
    /// The indices of the connections that must run in the next turn without an event, because their last run reached
    /// the limit on reads.
    reading_on: BTreeSet<usize>,
    /// The maximum size of one read in bytes. Tests reduce it.
    pub(super) read_size: usize,
    pub(super) figures: Figures,
    head: ReceivedHead,
    limits: MessageLimits,
    events: Vec<LoadEvent>,
    /// The index of the next request.
    next: u64,
    /// The index at which the search for a free connection begins, so that all connections are used equally.
    cursor: usize,
    /// The number of requests in flight on all connections together.
    in_flight: usize,
    start: Instant,
    /// The CPU time of this thread at the start (`cpu_before`) and at the end (`cpu_after`) of the measurement. `None`
    /// until then.
    cpu_before: Option<Duration>,
    cpu_after: Option<Duration>,
    next_tick: Instant,
    shows_progress: bool,
    /// The number of responses at the last progress line, and the time of that line.
    shown: (u64, Instant),
}

impl<'p> Generator<'p> {
    /// Prepares a run, without opening connections.
    pub(super) fn new(plan: &'p Plan, options: &'p LoadOptions) -> io::Result<Generator<'p>> {
        let poll = Poll::new()?;
        let timer = LoadTimer::new(poll.registry(), Token(options.connections))?;
        let slots = options.connections as u64 * options.pipeline as u64;
        let start = Instant::now();
        Ok(Generator {
            plan,
            options,
            connector: LoadConnector::new(plan, options)?,
            poll,
            timer,
            connections: Vec::new(),
            reading_on: BTreeSet::new(),
            read_size: READ_SIZE,
            figures: Figures::new(slots, options.schedule != SendSchedule::Closed),
            head: ReceivedHead::default(),
            limits: MessageLimits::default(),
            events: Vec::new(),
            next: 0,
            cursor: 0,
            in_flight: 0,
            start,
            cpu_before: None,
            cpu_after: None,
            next_tick: start + TICK,
            shows_progress: !options.quiet && io::stderr().is_terminal(),
            shown: (0, start),
        })
    }

    /// Sends requests until the duration has passed or the last request has been sent, and then waits until the
    /// responses in flight have arrived or timed out. Returns the figures.
    pub(super) fn run(mut self) -> io::Result<Figures> {
        let mut events = Events::with_capacity(EVENTS);
        self.start = Instant::now();
        self.next_tick = self.start + TICK;
        self.connections.resize_with(self.options.connections, || None);
        (0..self.connections.len()).for_each(|index| self.connect(index, self.start));
        let mut now = self.start;
        while !self.is_over(now) {
            let mut timeout = self.timer.set(self.next_event(now), now)?;
            let reading_on = std::mem::take(&mut self.reading_on);
            if !reading_on.is_empty() {
                timeout = Some(Duration::ZERO);
            }
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => now = Instant::now(),
            }
            self.measure(now);
            for event in &events {
                if let Some(Some(connection)) = self.connections.get_mut(event.token().0) {
                    let ended = event.is_read_closed() || event.is_error();
                    connection.mark(event.is_readable() || ended, event.is_writable() || ended, ended);
                    self.run_connection(event.token().0, now);
                }
            }
            for index in reading_on {
                self.run_connection(index, now);
            }
            if self.options.schedule != SendSchedule::Closed {
                self.send_due();
            }
            if now >= self.next_tick {
                self.tick(now);
            }
        }
        self.finish(now);
        Ok(self.figures)
    }

    /// The time at which the measurement ends.
    pub(super) fn end(&self) -> Instant {
        self.start + self.options.warm_up + self.options.duration
    }

    /// True if the duration has passed or the last request has been sent.
    fn is_stopping(&self, now: Instant) -> bool {
        now >= self.end() || self.options.requests.is_some_and(|requests| self.next >= requests)
    }

    /// True if no further request will be sent, and all responses have arrived or the time limit for them has expired.
    fn is_over(&self, now: Instant) -> bool {
        self.is_stopping(now) && (self.in_flight == 0 || now >= self.end() + self.options.timeout)
    }

    /// The time until which the poll may wait: the next tick or, if a connection is free, the due time of the next
    /// request.
    fn next_event(&self, now: Instant) -> Instant {
        let due =
            self.options.schedule.due(self.start, self.next).filter(|_| !self.is_stopping(now) && self.has_room());
        due.map_or(self.next_tick, |due| due.min(self.next_tick))
    }

    fn has_room(&self) -> bool {
        self.connections.iter().flatten().any(|connection| connection.room(self.options.pipeline) > 0)
    }

    /// Begins the measurement after the warm-up, and reads the CPU time again when the duration has passed.
    pub(super) fn measure(&mut self, now: Instant) {
        if self.cpu_before.is_none() && now >= self.start + self.options.warm_up {
            self.cpu_before = Some(thread_time());
        }
        if self.cpu_after.is_none() && now >= self.end() {
            self.cpu_after = Some(thread_time());
        }
    }

    /// Ends the measurement. Requests that are still in flight count as timed out.
    pub(super) fn finish(&mut self, now: Instant) {
        self.figures.fail("Timeout", self.in_flight as u64);
        let begin = self.start + self.options.warm_up;
        self.figures.measured = now.min(self.end()).saturating_duration_since(begin);
        // The CPU time after the end of the measurement, while the last responses arrive, is not included.
        let cpu = self.cpu_after.unwrap_or_else(thread_time);
        self.figures.cpu = self.cpu_before.map_or(Duration::ZERO, |before| cpu.saturating_sub(before));
        if self.shows_progress {
            // The progress line is cleared before the report.
            _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Starts connecting. An immediate failure is counted, and the next tick makes another attempt.
    fn connect(&mut self, index: usize, now: Instant) {
        let stream = self.connector.connect(&self.plan.server);
        let connection =
            stream.and_then(|stream: LoadStream| LoadConnection::new(stream, self.poll.registry(), Token(index), now));
        match connection {
            Ok(mut connection) => {
                self.renew(&mut connection);
                self.connections[index] = Some(connection);
            }
            Err(error) => self.figures.fail(error_name(&error), 1),
        }
    }

    /// Runs a connection, adds requests to it in the closed loop, and replaces it if it has ended.
    fn run_connection(&mut self, index: usize, now: Instant) {
        let Some(connection) = &mut self.connections[index] else { return };
        let was_full = connection.room(self.options.pipeline) == 0;
        let mut shared = StepParts {
            limits: &self.limits,
            head: &mut self.head,
            read_size: self.read_size,
            events: &mut self.events,
        };
        let mut result = connection.run(&mut shared);
        if result.is_ok() && connection.can_read_on() {
            self.reading_on.insert(index);
        }
        if was_full && connection.room(self.options.pipeline) > 0 {
            connection.free_since = now;
        }
        self.count(now);
        if result.is_ok() && self.options.schedule == SendSchedule::Closed {
            result = self.fill(index, now);
        }
        if let Err(end) = result {
            self.replace(index, &end, now);
        }
    }

    /// Adds requests to a connection until it has the maximum number in flight, and sends them in one write.
    fn fill(&mut self, index: usize, now: Instant) -> Result<(), LoadEnd> {
        let stopping = self.is_stopping(now);
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let requests = self.options.requests.unwrap_or(u64::MAX);
        let mut added = false;
        while !stopping && self.next < requests && connection.room(self.options.pipeline) > 0 {
            connection.add(self.plan.request(self.next), InFlight { counts_from: now, sent: now });
            (self.next, self.in_flight, added) = (self.next + 1, self.in_flight + 1, true);
            self.figures.sent += 1;
        }
        if added { connection.flush() } else { Ok(()) }
    }

    /// Sends the requests that are due in the open loop. Requests for which no connection is free remain due.
    fn send_due(&mut self) {
        let now = Instant::now();
        for _ in 0..MOST_DUE {
            let Some(due) = self.options.schedule.due(self.start, self.next) else { return };
            if due > now || self.is_stopping(now) {
                return;
            }
            let Some(index) = self.take_free() else { return };
            let Some(connection) = &mut self.connections[index] else { return };
            if now.saturating_duration_since(due.max(connection.free_since)) > LATE {
                self.figures.late += 1;
            }
            connection.add(self.plan.request(self.next), InFlight { counts_from: due, sent: now });
            (self.next, self.in_flight) = (self.next + 1, self.in_flight + 1);
            self.figures.sent += 1;
            if let Err(end) = connection.flush() {
                self.replace(index, &end, now);
            }
        }
    }

    /// Selects a free connection in round-robin order and returns its index. `None` if no connection is free.
    fn take_free(&mut self) -> Option<usize> {
        let (count, pipeline) = (self.connections.len(), self.options.pipeline);
        let mut turns = (0..count).map(|step| (self.cursor + step) % count);
        let has_room = |index: &usize| self.connections[*index].as_ref().is_some_and(|one| one.room(pipeline) > 0);
        let index = turns.find(has_room)?;
        self.cursor = (index + 1) % count;
        Some(index)
    }

    /// Counts the events of the connection that has just run.
    fn count(&mut self, now: Instant) {
        let measured = self.cpu_before.is_some() && now <= self.end();
        for event in self.events.drain(..) {
            match event {
                LoadEvent::Connected(began) => {
                    self.figures.connections += 1;
                    record(&mut self.figures.connect, now.saturating_duration_since(began));
                }
                LoadEvent::Read(count) => self.figures.read_bytes += count as u64,
                LoadEvent::Complete(request, status, body) => {
                    self.in_flight -= 1;
                    self.figures.answered += 1;
                    if measured {
                        self.figures.responses += 1;
                        self.figures.body_bytes += body;
                        *self.figures.statuses.entry(status).or_default() += 1;
                        record(&mut self.figures.latency, now.saturating_duration_since(request.counts_from));
                    }
                }
            }
        }
    }

    /// Replaces a connection that has ended. If it failed, its requests in flight, or its attempt to connect, are
    /// counted as errors.
    fn replace(&mut self, index: usize, end: &LoadEnd, now: Instant) {
        let Some(ended) = self.connections[index].take() else { return };
        self.in_flight -= ended.in_flight();
        match end {
            LoadEnd::Closed => {}
            LoadEnd::Failed(kind) => self.figures.fail(kind, (ended.in_flight() as u64).max(1)),
        }
        // If the server refuses connections, the next attempt is made at the next tick and not immediately.
        if ended.connecting.is_none() && !self.is_stopping(now) {
            self.connect(index, now);
        }
    }

    /// Does the periodic work: checks timeouts, renews allowances, reopens failed connections, and shows the progress.
    fn tick(&mut self, now: Instant) {
        self.next_tick = now + TICK;
        for index in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[index] else {
                if !self.is_stopping(now) {
                    self.connect(index, now);
                }
                continue;
            };
            let waits_since = connection.connecting.or(connection.oldest());
            if waits_since.is_some_and(|since| now.saturating_duration_since(since) >= self.options.timeout) {
                self.replace(index, &LoadEnd::Failed("Timeout"), now);
            } else if self.options.slow_read.is_some() || self.options.slow_head.is_some() {
                let mut connection = self.connections[index].take();
                connection.iter_mut().for_each(|connection| self.renew(connection));
                self.connections[index] = connection;
                self.run_connection(index, now);
            }
        }
        if self.shows_progress && now.saturating_duration_since(self.shown.1) >= Duration::from_secs(1) {
            self.show_progress(now);
        }
    }

    /// Sets the numbers of bytes that a connection may read and write until the next tick.
    fn renew(&self, connection: &mut LoadConnection) {
        let of_tick = |rate: f64| ((rate * TICK.as_secs_f64()) as usize).max(1);
        connection.read_allowance = self.options.slow_read.map_or(usize::MAX, of_tick);
        connection.write_allowance = self.options.slow_head.map_or(usize::MAX, of_tick);
    }

    /// Replaces the progress line on standard error. Its rate covers the time since the previous line.
    fn show_progress(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start).as_secs();
        let since = now.saturating_duration_since(self.shown.1).as_secs_f64();
        let rate = (self.figures.answered - self.shown.0) as f64 / since;
        let errors: u64 = self.figures.errors.values().sum();
        let p99 = super::units::time_text(self.figures.latency.value_at_percentile(99.0) as f64);
        // NOTE: the line is not essential, so an error is ignored.
        _ = write!(io::stderr(), "\r\x1b[K{elapsed} s: {rate:.0} responses/s, p99 {p99}, {errors} errors");
        self.shown = (self.figures.answered, now);
    }
}
