//! One connection of the generator: sends prepared requests, reads responses, and reports the outcome of each request.
//! It does not read the clock: its caller passes the time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Instant;

use mio::{Registry, Token};

use super::plan::PreparedRequest;
use super::stream::LoadStream;
use crate::http1::{Buffer, ClientMachine, MessageLimits, ReceivedHead, ResponseEvent, Violation};

/// The usual maximum size of one read in bytes. The responses in most benchmarks are shorter.
pub(super) const READ_SIZE: usize = 64 * 1024;

/// The maximum number of reads per run of a connection. The limit lets other connections run, even if the server sends
/// faster than this connection reads. The generator runs the connection again in its next turn.
const MOST_READS: usize = 16;

/// A connection to the server.
#[derive(Debug)]
pub(super) struct LoadConnection {
    stream: LoadStream,
    /// The time at which connecting began; `None` once the connection is established.
    pub(super) connecting: Option<Instant>,
    machine: ClientMachine,
    input: Buffer,
    output: Buffer,
    in_flight: VecDeque<InFlight>,
    /// The status of the response that is being read, and the number of bytes of its body that have been read.
    status: u16,
    body: u64,
    /// True from the time at which the poll reports that the stream can be read (`readable`) or written (`writable`),
    /// until an operation finds that it no longer can.
    readable: bool,
    writable: bool,
    /// True once the server has closed its side. A read after the last bytes returns EOF, and no further event follows.
    read_closed: bool,
    /// The numbers of bytes that may be read and written until the next tick renews the allowances. `usize::MAX` means
    /// no limit.
    pub(super) read_allowance: usize,
    pub(super) write_allowance: usize,
    /// The time from which the connection has had room for another request.
    pub(super) free_since: Instant,
}

/// A request whose response is not complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    /// The time from which the latency of the request is counted: the time at which the request was due or was sent.
    pub(super) counts_from: Instant,
    pub(super) sent: Instant,
}

/// An event on a connection, which the generator counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum LoadEvent {
    /// The connection has been established. The value is the time at which connecting began.
    Connected(Instant),
    /// Bytes have been read. Contains their number.
    Read(usize),
    /// A response is complete. Contains its request, its status and the length of its body.
    Complete(InFlight, u16, u64),
}

/// The reason a connection ended.
#[derive(Debug)]
pub(super) enum LoadEnd {
    /// The connection ended without an error: either side had announced that it would close it, or no request was in
    /// flight.
    Closed,
    /// The connection failed. Contains the name under which the error is counted, once for each request in flight or
    /// once for a failed attempt to connect.
    Failed(&'static str),
}

/// The parts of the generator that its connections share. A connection borrows them while it runs.
#[derive(Debug)]
pub(super) struct StepParts<'g> {
    pub(super) limits: &'g MessageLimits,
    pub(super) head: &'g mut ReceivedHead,
    /// The maximum size of one read in bytes.
    pub(super) read_size: usize,
    /// The events that the running connection has reported.
    pub(super) events: &'g mut Vec<LoadEvent>,
}

impl LoadConnection {
    /// Creates a connection from a stream that is still connecting, and registers the stream with the poll.
    pub(super) fn new(
        mut stream: LoadStream,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> io::Result<LoadConnection> {
        stream.register(registry, token)?;
        Ok(LoadConnection {
            stream,
            connecting: Some(now),
            machine: ClientMachine::new(),
            input: Buffer::default(),
            output: Buffer::default(),
            in_flight: VecDeque::new(),
            status: 0,
            body: 0,
            // A stream is not connected before the poll has reported it as writable.
            readable: false,
            writable: false,
            read_closed: false,
            read_allowance: usize::MAX,
            write_allowance: usize::MAX,
            free_since: now,
        })
    }

    /// Stores the readiness that the poll has reported.
    pub(super) fn mark(&mut self, readable: bool, writable: bool, read_closed: bool) {
        self.read_closed |= read_closed;
        // During a TLS handshake, a write can wait for bytes from the server, and a read for space in the socket.
        let both = !self.stream.short_read_is_all() && (readable || writable);
        self.readable |= readable || both;
        self.writable |= writable || both;
    }

    /// The number of requests that can be added until `pipeline` requests are in flight. 0 if the connection cannot
    /// take a request.
    pub(super) fn room(&self, pipeline: usize) -> usize {
        if self.connecting.is_some() || !self.machine.can_request() {
            0
        } else {
            pipeline.saturating_sub(self.in_flight.len())
        }
    }

    /// The number of requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The time at which the oldest request in flight was sent. `None` if no request is in flight.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.in_flight.front().map(|request| request.sent)
    }

    /// True if the last run reached the limit on reads. The socket may contain further input, which the poll does not
    /// report again.
    pub(super) fn can_read_on(&self) -> bool {
        self.connecting.is_none() && self.readable && self.read_allowance > 0
    }

    /// Appends a request to the output buffer. It is sent by the next [`flush`](Self::flush).
    pub(super) fn add(&mut self, request: &PreparedRequest, in_flight: InFlight) {
        self.output.extend(&request.bytes);
        self.machine.repeat_request(request.method(), request.closes);
        self.in_flight.push_back(in_flight);
    }

    /// Sends requests and reads responses until neither is possible without waiting, or the limits for this run are
    /// reached.
    pub(super) fn run(&mut self, shared: &mut StepParts<'_>) -> Result<(), LoadEnd> {
        if !self.connect(shared)? {
            return Ok(());
        }
        self.flush()?;
        self.read(shared)
    }

    /// Finishes connecting once the socket is writable. Returns true if the connection is established.
    fn connect(&mut self, shared: &mut StepParts<'_>) -> Result<bool, LoadEnd> {
        if let Some(began) = self.connecting {
            if !self.writable {
                return Ok(false);
            }
            self.stream.take_error().map_err(|error| LoadEnd::Failed(error_name(&error)))?;
            self.connecting = None;
            shared.events.push(LoadEvent::Connected(began));
        }
        Ok(true)
    }

    /// Writes until the output is empty, the socket is full, or the allowance is used up.
    pub(super) fn flush(&mut self) -> Result<(), LoadEnd> {
        while self.writable && !self.output.is_empty() && self.write_allowance > 0 {
            let most = self.output.len().min(self.write_allowance);
            match self.stream.write(&self.output.bytes()[..most]) {
                Ok(count) => {
                    self.output.consume(count);
                    if self.write_allowance != usize::MAX {
                        self.write_allowance -= count;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        // TLS records that the socket did not accept are still buffered in the TLS connection.
        if self.writable && !self.stream.short_read_is_all() {
            match self.stream.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(self.failed(&error)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Reads until the socket is empty or one of the limits is reached, and processes the responses in the input.
    fn read(&mut self, shared: &mut StepParts<'_>) -> Result<(), LoadEnd> {
        for _ in 0..MOST_READS {
            if !self.readable || self.read_allowance == 0 {
                break;
            }
            let (stream, most) = (&mut self.stream, shared.read_size.min(self.read_allowance));
            match self.input.fill(most, |free| stream.read(&mut free[..most])) {
                Ok(0) => {
                    self.machine.end_of_input();
                    self.receive(shared)?;
                    return Err(self.ended());
                }
                Ok(count) => {
                    shared.events.push(LoadEvent::Read(count));
                    if self.read_allowance != usize::MAX {
                        self.read_allowance -= count;
                    }
                    // A short read has emptied the socket, and the poll will report further bytes. Without this rule,
                    // each response would need a second read, which returns `WouldBlock`.
                    self.readable = count == most || self.read_closed || !self.stream.short_read_is_all();
                    self.receive(shared)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    /// Parses the input, and reports each complete response as an event.
    fn receive(&mut self, shared: &mut StepParts<'_>) -> Result<(), LoadEnd> {
        loop {
            match self.machine.receive(&mut self.input, shared.limits, shared.head) {
                Ok(ResponseEvent::Head) => (self.status, self.body) = (shared.head.status().code(), 0),
                Ok(ResponseEvent::Interim) => {}
                Ok(ResponseEvent::Data(count)) => {
                    self.machine.take(&mut self.input, count);
                    self.body += count as u64;
                }
                Ok(ResponseEvent::End) => {
                    if let Some(request) = self.in_flight.pop_front() {
                        shared.events.push(LoadEvent::Complete(request, self.status, self.body));
                    }
                    if !self.machine.persists() && self.in_flight.is_empty() {
                        return Err(LoadEnd::Closed);
                    }
                }
                Ok(ResponseEvent::More) => return Ok(()),
                Ok(ResponseEvent::Paused) if self.input.is_empty() => return Ok(()),
                Ok(ResponseEvent::Paused) => return Err(LoadEnd::Failed("UnrequestedResponse")),
                Ok(ResponseEvent::Cut) => return Err(self.ended()),
                Err(violation) => return Err(LoadEnd::Failed(violation_name(&violation))),
            }
        }
    }

    /// The reason to report when the server has closed its side of the connection.
    fn ended(&self) -> LoadEnd {
        match (self.in_flight.is_empty(), self.machine.has_begun()) {
            (true, _) => LoadEnd::Closed,
            (false, true) => LoadEnd::Failed("IncompleteRead"),
            (false, false) => LoadEnd::Failed("RemoteDisconnected"),
        }
    }

    /// The reason to report for a connection that ended with a system error. A reset without requests in flight is not
    /// an error, because a server may close an idle connection at any time.
    fn failed(&self, error: &io::Error) -> LoadEnd {
        match error_name(error) {
            "ConnectionReset" if self.in_flight.is_empty() => LoadEnd::Closed,
            name => LoadEnd::Failed(name),
        }
    }
}

/// The name under which a system error is counted.
pub(super) fn error_name(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "ConnectionRefused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "ConnectionReset",
        io::ErrorKind::TimedOut => "Timeout",
        // rustls reports its errors, such as an untrusted certificate, as `InvalidData`.
        io::ErrorKind::InvalidData => "TlsError",
        io::ErrorKind::UnexpectedEof => "IncompleteRead",
        io::ErrorKind::NotFound => "NotFound",
        _ => "OtherError",
    }
}

/// The name under which a malformed response is counted.
fn violation_name(violation: &Violation) -> &'static str {
    match violation {
        Violation::Chunk | Violation::ChunkOverhead => "BadChunk",
        Violation::ContentLength | Violation::TwoFramings | Violation::TransferEncoding => "BadFraming",
        Violation::Field | Violation::BareLf => "BadHeader",
        Violation::StatusLine(_) | Violation::Version(_) => "BadStatusLine",
        _ => "BadResponse",
    }
}
