//! Sends a response with an injected fault. The response is first written to a separate buffer, as if it had no fault.
//! Its bytes are then changed, truncated or delayed on their way to the output. The code that chooses the fault is in
//! `faults/`.

use std::time::{Duration, Instant};

use super::GATHER;
use crate::buffer::Buffer;
use crate::connection::core::{ConnectionCore, Progress};
use crate::connection::stage::{Outcome, PendingUpstream, Sending, Stage};
use crate::http::Request;
use crate::observer::{ConnectionObserver, Unobserved};
use crate::service::{CutEnd, CutPoint, Fault, Response, WireEffect};
use crate::session::{CloseReason, Ready, StepContext, TurnClock};
use crate::transport::{Memory, Transport};

/// The time between two checks of whether all bytes have been acknowledged.
const ACKNOWLEDGEMENT_INTERVAL: Duration = Duration::from_millis(2);

/// The maximum time to wait for acknowledgements before the connection is reset.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time to wait before the connection is reset if the transport does not know how many bytes have been
/// acknowledged.
const RESET_DELAY: Duration = Duration::from_millis(50);

/// The last chunk of a chunked body, and its empty trailer section (RFC 9112 section 7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A chunk-size line that does not contain a number.
const BAD_SIZE: &[u8] = b"zz\r\n";

/// A response with an injected fault, and the stage that produces it.
pub(in crate::connection) struct FaultyResponse {
    /// The stage that the exchange would have without the fault.
    inner: Stage,
    /// The bytes of the changed response that have not been passed to the output.
    wire: Buffer,
    head_length: u64,
    /// The number of bytes of the response that have been passed to the output.
    passed: u64,
    /// The number of bytes, including the head, after which the response is truncated. `None` if it is sent in full.
    cut: Option<u64>,
    pace: Option<FaultPace>,
    /// Bytes that are appended to the complete response. [`BAD_SIZE`] replaces the last chunk of a chunked body. Empty
    /// if no bytes are to be appended, or once they have been.
    trailer: &'static [u8],
    /// How the connection ends after the response. `None` if it may continue.
    end: Option<CutEnd>,
    /// True if the connection is never read from.
    is_deaf: bool,
    /// The time at which the last byte was passed to the output. From then on, all that is left is to end the
    /// connection. `None` before that.
    over_since: Option<Instant>,
    /// The time of the next check for acknowledgements. `None` unless the connection is waiting for them.
    look_at: Option<Instant>,
}

/// The pace of a slow response: at most `bytes` are sent in each interval of length `every`.
struct FaultPace {
    bytes: u64,
    every: Duration,
    /// The number of bytes that may be passed to the output now.
    credit: u64,
    /// The beginning of the next interval.
    next: Instant,
}

impl<T, O: ConnectionObserver> ConnectionCore<'_, T, O> {
    /// Responds with an injected fault. Returns the next stage.
    pub(in crate::connection) fn respond_with_fault(
        &mut self,
        fault: Fault,
        response: &mut Response,
        request: &Request,
        upstream: Option<Box<PendingUpstream>>,
        clock: TurnClock,
    ) -> Stage {
        self.server.count_fault(fault.kind);
        self.log_message(&format!("fault {}", fault.kind.name()), clock.wall);
        // A fault without an effect on the connection has already been applied by the service, which has changed or
        // delayed the response. Such a response is sent like any other.
        let Some(effect) = fault.effect else { return self.respond(response, request, upstream, clock) };
        // The output may contain earlier responses, to which the fault does not apply.
        let earlier = std::mem::take(&mut self.output);
        let inner = self.respond(response, request, upstream, clock);
        let wire = std::mem::replace(&mut self.output, earlier);
        Stage::Faulty(Box::new(FaultyResponse::new(effect, inner, wire, clock.now)))
    }
}

impl FaultyResponse {
    fn new(effect: WireEffect, inner: Stage, wire: Buffer, now: Instant) -> FaultyResponse {
        let head_length = memchr::memmem::find(wire.bytes(), b"\r\n\r\n").map_or(wire.len(), |at| at + 4);
        let mut faulty = FaultyResponse {
            inner,
            wire,
            head_length: head_length as u64,
            passed: 0,
            cut: None,
            pace: None,
            trailer: b"",
            end: Some(CutEnd::Close),
            is_deaf: false,
            over_since: None,
            look_at: None,
        };
        match effect {
            WireEffect::Cut(point, end) => {
                faulty.cut = Some(match point {
                    CutPoint::Response(bytes) => bytes,
                    CutPoint::Body(bytes) => faulty.head_length.saturating_add(bytes),
                });
                faulty.end = Some(end);
            }
            WireEffect::Paced { bytes, every } => {
                faulty.pace = Some(FaultPace { bytes, every, credit: 0, next: now });
                faulty.end = None;
            }
            // The random bytes replace the whole response, including its head, and the response is truncated after
            // them.
            WireEffect::Garbage(bytes) => {
                faulty.cut = Some(bytes.len() as u64);
                faulty.wire = Buffer::default();
                faulty.wire.extend(&bytes);
            }
            WireEffect::BadChunk => faulty.trailer = BAD_SIZE,
            WireEffect::Length(by) => faulty.change_head(|head| change_length(head, by)),
            WireEffect::DuplicateHead => faulty.change_head(|head| [head, head].concat()),
            WireEffect::Late100 => faulty.trailer = b"HTTP/1.1 100 Continue\r\n\r\n",
        }
        faulty
    }

    /// Creates the stage for a connection that is never read from.
    pub(in crate::connection) fn deaf(now: Instant) -> FaultyResponse {
        let effect = WireEffect::Cut(CutPoint::Response(0), CutEnd::Stall);
        let inner = Stage::Closing(CloseReason::Complete);
        FaultyResponse { is_deaf: true, ..FaultyResponse::new(effect, inner, Buffer::default(), now) }
    }

    /// Replaces the head of the response with the result of `change`. All of the head must still be in `wire`.
    fn change_head(&mut self, change: impl FnOnce(&[u8]) -> Vec<u8>) {
        let (head, body) = self.wire.bytes().split_at(self.head_length as usize);
        let mut changed = Buffer::default();
        let head = change(head);
        changed.extend(&head);
        changed.extend(body);
        self.head_length = head.len() as u64;
        self.wire = changed;
    }

    /// The response whose body the inner stage is producing, if any.
    pub(in crate::connection) fn sending(&self) -> Option<&Sending> {
        self.inner.sending()
    }

    /// True if the connection should be read from. `needs_input` is true if the inner stage needs input.
    pub(in crate::connection) fn wants_input(&self, needs_input: bool) -> bool {
        // If the response stalls, the connection continues to read and discard input, so that it detects when the
        // client closes it.
        let is_stalled = self.over_since.is_some() && self.end == Some(CutEnd::Stall);
        !self.is_deaf && (is_stalled || needs_input)
    }

    /// The time at which the fault requires the session to run again. The deadlines of the inner stage are not
    /// included.
    pub(in crate::connection) fn deadline(&self) -> Option<Instant> {
        match (&self.pace, self.look_at) {
            (_, Some(look_at)) => Some(look_at),
            // A paced response needs a deadline only while bytes are waiting to be sent.
            (Some(pace), _) if !self.wire.is_empty() && pace.credit == 0 => Some(pace.next),
            _ => None,
        }
    }

    /// Passes bytes of the response to the output, and ends the connection after the last one if the fault requires
    /// that.
    ///
    /// # Errors
    /// Returns the reason for closing the connection, once it can be closed.
    pub(in crate::connection) fn advance<T: Transport, O: ConnectionObserver>(
        mut self: Box<Self>,
        core: &mut ConnectionCore<'_, T, O>,
        ready: &mut Ready,
        cx: &mut StepContext<'_>,
    ) -> Result<(Stage, Progress), CloseReason> {
        let clock = cx.clock;
        if self.over_since.is_some() {
            return self.finish(core, *ready, clock.now);
        }
        let mut progress = self.produce(core, clock);
        let passed = self.pass(core, clock.now);
        if passed > 0 {
            progress = Progress::Moved;
        }
        let is_cut = self.cut.is_some_and(|cut| self.passed == cut);
        let is_whole = self.is_produced() && self.wire.is_empty();
        if !is_cut && !is_whole {
            return Ok((Stage::Faulty(self), progress));
        }
        // A slow response is still a valid one, so its connection can be used for another request.
        if self.end.is_none() {
            return Ok((self.inner, Progress::Moved));
        }
        self.log_end(core, clock);
        // The rest of the response is not needed. Replacing the inner stage drops its upstream and its source.
        self.inner = Stage::Closing(CloseReason::Complete);
        self.over_since = Some(clock.now);
        Ok((Stage::Faulty(self), Progress::Moved))
    }

    /// True if the inner stage has produced the whole response, and the trailer has been appended to it.
    fn is_produced(&self) -> bool {
        !matches!(self.inner, Stage::Sending(_)) && self.trailer.is_empty()
    }

    /// Produces more of the response, unless `wire` is full or the fault needs no more of the response.
    fn produce<T, O: ConnectionObserver>(&mut self, core: &mut ConnectionCore<'_, T, O>, clock: TurnClock) -> Progress {
        let is_cut_before = self.cut.is_some_and(|cut| cut <= self.passed + self.wire.len() as u64);
        // The client never receives bytes beyond the cut, so they are not produced. Otherwise an upstream could wait
        // forever for the client to react to them.
        if self.wire.len() >= GATHER || is_cut_before || self.is_produced() {
            return Progress::Still;
        }
        let mut progress = Progress::Moved;
        // The inner stage writes to the connection's output, so the output is swapped with the buffer of the response.
        std::mem::swap(&mut core.output, &mut self.wire);
        self.inner = match std::mem::replace(&mut self.inner, Stage::Head) {
            Stage::Sending(sending) => {
                let (mut stage, moved) = sending.advance(core, clock);
                progress = moved;
                if let Stage::Sending(sending) = &mut stage
                    && !sending.body.is_streamed()
                {
                    copy_body(sending, core);
                    progress = Progress::Moved;
                }
                stage
            }
            other => other,
        };
        std::mem::swap(&mut core.output, &mut self.wire);
        if !matches!(self.inner, Stage::Sending(_)) {
            self.append_trailer();
        }
        progress
    }

    /// Appends the trailer to the complete response. [`BAD_SIZE`] replaces the last chunk of a chunked body.
    fn append_trailer(&mut self) {
        let trailer = std::mem::take(&mut self.trailer);
        if trailer == BAD_SIZE && self.wire.bytes().ends_with(LAST_CHUNK) {
            let kept = self.wire.len() - LAST_CHUNK.len();
            let mut shortened = Buffer::default();
            shortened.extend(&self.wire.bytes()[..kept]);
            self.wire = shortened;
        }
        self.wire.extend(trailer);
    }

    /// Passes as many bytes to the output as the fault allows now. Returns the number of bytes passed.
    fn pass<T, O: ConnectionObserver>(&mut self, core: &mut ConnectionCore<'_, T, O>, now: Instant) -> u64 {
        // `append_trailer` can replace the last chunk only while it is in `wire`, so bytes that may be the last chunk
        // are not passed to the output before the response is complete.
        let kept = if self.trailer == BAD_SIZE { LAST_CHUNK.len() } else { 0 };
        let room = match &mut self.pace {
            // No further bytes are passed on until the client has accepted the previous ones.
            Some(_) if !core.output.is_empty() => 0,
            Some(pace) => pace.credit(now),
            None => GATHER.saturating_sub(core.output.len()) as u64,
        };
        let left = self.cut.map_or(u64::MAX, |cut| cut - self.passed);
        let count = room.min(left).min(self.wire.len().saturating_sub(kept) as u64).min(GATHER as u64);
        core.output.extend(&self.wire.bytes()[..count as usize]);
        self.wire.consume(count as usize);
        if let Some(pace) = &mut self.pace {
            pace.credit -= count;
        }
        self.passed += count;
        count
    }

    /// Logs a truncated response with the number of bytes of its body that were passed to the output. Also logs the
    /// fault of a connection that is never read from, because there was no session to log it when the connection was
    /// accepted.
    fn log_end<T, O: ConnectionObserver>(&self, core: &ConnectionCore<'_, T, O>, clock: TurnClock) {
        if self.is_deaf {
            core.log_message("fault deaf", clock.wall);
        }
        if let Stage::Sending(sending) = &self.inner
            && !sending.record.is_logged.replace(true)
        {
            let sent = self.passed.saturating_sub(self.head_length);
            let outcome = Outcome { sent, cut: Some(CloseReason::OutputCut), ..sending.outcome() };
            core.log_exchange(sending.record.request.as_logged(), outcome, clock);
        }
    }

    /// Ends the connection after the last byte, as the fault requires.
    fn finish<T: Transport, O: ConnectionObserver>(
        mut self: Box<Self>,
        core: &mut ConnectionCore<'_, T, O>,
        ready: Ready,
        now: Instant,
    ) -> Result<(Stage, Progress), CloseReason> {
        let has_left = core.output.is_empty() && !core.transport.has_pending();
        match self.end {
            Some(CutEnd::Stall) => {
                // The client may send further requests, which get no response. Discarding them keeps the memory
                // bounded.
                core.input.consume(core.input.len());
                // If the connection is never read from, EOF is not detected, and only an event shows that the client
                // has closed it.
                if core.at_end || (ready.read_closed && self.is_deaf) {
                    return Err(CloseReason::Complete);
                }
            }
            Some(CutEnd::Reset) if has_left => {
                // A reset discards bytes that the peer has not received yet, so the session waits until all of them
                // have been acknowledged.
                let waited = now.saturating_duration_since(self.over_since.unwrap_or(now));
                let may_reset = match core.transport.unacknowledged() {
                    Some(count) => count == 0 || waited >= ACKNOWLEDGEMENT_TIMEOUT,
                    None => self.passed == 0 || waited >= RESET_DELAY,
                };
                if may_reset {
                    core.transport.reset_on_drop();
                    return Err(CloseReason::Complete);
                }
                // No event announces an acknowledgement, so the session checks again after a short time.
                self.look_at = Some(now + ACKNOWLEDGEMENT_INTERVAL);
            }
            Some(CutEnd::Reset) => {}
            // The closing stage sends the rest of the output before it closes the connection.
            Some(CutEnd::Close) | None => return Ok((Stage::Closing(CloseReason::Complete), Progress::Moved)),
        }
        Ok((Stage::Faulty(self), Progress::Still))
    }
}

impl FaultPace {
    /// Begins the next interval if it is due. Returns the number of bytes that may be passed to the output now.
    fn credit(&mut self, now: Instant) -> u64 {
        if self.credit == 0 && self.next <= now {
            self.credit = self.bytes;
            self.next = now + self.every;
        }
        self.credit
    }
}

/// Copies an in-memory body, such as an error page, into the output.
fn copy_body<T, O: ConnectionObserver>(sending: &mut Sending, core: &mut ConnectionCore<'_, T, O>) {
    let mut copied = Memory::default();
    // This in-memory transport accepts all bytes in one call and never fails.
    _ = sending.body.send(&mut core.output, &mut copied, &mut Unobserved);
    core.output.extend(&copied.sent);
}

/// Returns a copy of the head with `by` added to its `Content-Length`.
fn change_length(head: &[u8], by: i64) -> Vec<u8> {
    let mut changed = Vec::with_capacity(head.len() + 1);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        // A line without a colon, such as the status line, gets an empty field name, so it is copied unchanged.
        let colon = memchr::memchr(b':', line).unwrap_or(0);
        let length = std::str::from_utf8(&line[colon..]).ok().and_then(|value| value[1..].trim().parse::<u64>().ok());
        match length {
            Some(length) if line[..colon].eq_ignore_ascii_case(b"content-length") => {
                let length = length.saturating_add_signed(by);
                changed.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
            }
            _ => changed.extend_from_slice(line),
        }
    }
    changed
}
