use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::ServerState;
use super::answer::{Answer, FILE_SLICE, Made};
use super::peers::Place;
use crate::http::{Expect, Request, Status};
use crate::http1::{Buffer, RequestEvent, ServerMachine};
use crate::limits::Limits;
use crate::log::OwnedLoggedRequest;
use crate::service::{Reply, Response, Service};
use crate::session::{CloseReason, Next, Ready, Session, StepContext, TurnClock};
use crate::transport::Transport;

mod buffers;
mod ending;
mod respond;
mod upstream;
mod waits;

use buffers::{give_back, lend};
use respond::Outcome;
use upstream::{FeedError, Later};
use waits::{Wait, nanos};

/// One HTTP client: its transport, the protocol's machine, and what is done about its current request.
pub struct HttpSession<'s, T> {
    site: &'s ServerState,
    /// What bounds the current request, and the edition of the site that it is from.
    limits: Arc<Limits>,
    edition: u32,
    transport: T,
    peer: SocketAddr,
    machine: ServerMachine,
    /// What came and was not understood yet. Owns memory only while something waits in it.
    input: Buffer,
    /// What is to be sent. Owns memory only while something waits in it.
    output: Buffer,
    stage: Stage,
    wait: Wait,
    /// When the current wait began, or last saw progress if that counts.
    since: Instant,
    /// How many nanoseconds longer the body of the current request may be waited for, as of `since`.
    left: u64,
    /// The protocol cannot go on without more bytes.
    hungry: bool,
    /// The client will send no more.
    at_end: bool,
    /// When the client was first seen to have closed its side, whether or not all that it sent has been read.
    closed_at: Option<Instant>,
    /// Only one request will be answered.
    once: bool,
    /// What the service made for this connection, if anything.
    own: Option<Box<dyn Service>>,
    /// Whether it was asked for that.
    connected: bool,
    /// Bytes of its own buffers, as they count for all connections.
    kept: usize,
    /// Its client's place among those that come from the same address.
    place: Option<Box<Place<'s>>>,
}

/// What is done about the current request.
enum Stage {
    /// Its head is read, or waited for.
    Head,
    /// The response is known; a small body that nobody wants is read first, so that a broken one is answered as such
    /// and the connection can go on.
    Held(Box<Held>),
    /// Somebody has it, takes its body and will answer.
    Later(Box<Later>),
    /// The body of the response is being sent.
    Answer(Box<InFlight>),
    /// The response is out, and the rest of the request's body is thrown away: so many bytes at most.
    Drain(u64),
    /// The output still holds the last of what is to be sent; then the connection is closed for this reason.
    Closing(CloseReason),
    /// The client was told that no more comes, and what it still sends is thrown away; then it is closed for this reason.
    Linger(CloseReason),
}

/// A response that waits for the end of the request's body, of which so many bytes more will be read.
struct Held {
    response: Response,
    request: Request,
    left: u64,
}

/// A response on its way, and the upstream it came from, which may still take the request's body.
struct InFlight {
    answer: Answer,
    status: Status,
    user: Option<Arc<str>>,
    is_counted: bool,
    asked: OwnedLoggedRequest,
    later: Option<Box<Later>>,
    /// The body is made by somebody who has none of it now.
    waiting: bool,
    /// It has its line in the log.
    logged: Cell<bool>,
}

impl InFlight {
    /// What became of the request so far.
    fn outcome(&self) -> Outcome {
        let user = self.user.clone();
        Outcome { status: self.status, user, sent: self.answer.sent(), is_counted: self.is_counted, cut: None }
    }

    /// Whether some of the request's body is still to be brought to the upstream.
    fn takes_body(&self) -> bool {
        self.later.as_ref().is_some_and(|later| !later.ended)
    }

    /// Whether the upstream wants more of it now.
    fn wants_body(&self) -> bool {
        self.later.as_ref().is_some_and(|later| later.wants_body())
    }
}

/// What one of the verbs came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing could be done.
    Still,
    /// Something was done, so that the others may have something to do.
    Moved,
    /// Nothing could be done, but something can in the next turn.
    Later,
}

impl Progress {
    /// What two things that were done one after the other come to.
    fn and(self, other: Progress) -> Progress {
        if self == Progress::Still { other } else { self }
    }
}

/// The least room that a read is offered. The loop's buffer has much more.
const LEAST_ROOM: usize = 1024;

/// How many times a step may go round before the other sessions get their turn.
const ROUNDS: usize = 8;

/// How many bytes a step may send before the other sessions get their turn.
const MOST_SENT: u64 = FILE_SLICE;

/// Pieces of a streamed body that may join a write, beyond the first.
const PIECES: usize = 4;

/// Pipelined requests are answered without sending until about so many bytes of answers are gathered.
const GATHER: usize = 32 * 1024;

impl<'s, T: Transport> HttpSession<'s, T> {
    /// A session on a fresh connection, accepted in the turn that began at `now`.
    pub fn new(site: &'s ServerState, transport: T, peer: SocketAddr, now: Instant) -> Self {
        HttpSession {
            site,
            limits: site.limits(),
            edition: site.edition(),
            transport,
            peer,
            machine: ServerMachine::new(site.protocol()),
            input: Buffer::default(),
            output: Buffer::default(),
            stage: Stage::Head,
            wait: Wait::First,
            since: now,
            left: 0,
            hungry: true,
            at_end: false,
            closed_at: None,
            once: false,
            own: None,
            connected: false,
            kept: 0,
            place: None,
        }
    }

    /// A session for a newcomer, unless its address has as many connections as one may have.
    pub fn admit(site: &'s ServerState, transport: T, peer: SocketAddr, now: Instant) -> Option<Self> {
        let place = match site.limits().connections_per_peer {
            Some(most) => Some(Box::new(site.peers.place(peer.ip(), most)?)),
            None => None,
        };
        let mut session = HttpSession::new(site, transport, peer, now);
        session.place = place;
        Some(session)
    }

    /// Whether the connection ends after its first response, whatever the client asks for.
    pub fn once(mut self, once: bool) -> Self {
        self.once = once;
        self
    }

    /// What the session runs on.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }
}

impl<T: Transport> Session for HttpSession<'_, T> {
    fn step(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Next {
        let (input, output) = (self.input.capacity() == 0, self.output.capacity() == 0);
        lend(input, &mut self.input, &mut cx.scratch.input);
        lend(output, &mut self.output, &mut cx.scratch.output);
        let outcome = self.run(ready, cx);
        // What came up along with a response is logged before it; this is for those that go on, or came to nothing.
        if outcome.is_err() || matches!(self.stage, Stage::Later(_) | Stage::Answer(_)) {
            self.log_notes(cx.clock.wall);
        }
        give_back(input, &mut self.input, &mut cx.scratch.input);
        give_back(output, &mut self.output, &mut cx.scratch.output);
        match outcome.and_then(|again| self.keep_account(cx).map(|()| again)) {
            Ok(true) => Next::Again,
            Ok(false) => Next::Wait(self.deadline(cx.clock)),
            Err(reason) => {
                self.log_cut(reason, cx.clock);
                Next::Close(reason)
            }
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        matches!(self.wait, Wait::Idle | Wait::Linger).then_some(self.since)
    }

    fn stalled_since(&self, now: Instant) -> Option<Instant> {
        self.stalls_at().filter(|stalled| *stalled <= now).map(|_| self.since)
    }

    fn evict(&mut self, clock: TurnClock) {
        self.log_cut(CloseReason::Stalled, clock);
    }

    fn source(&mut self) -> &mut dyn mio::event::Source {
        self.transport.source()
    }
}

impl<T> HttpSession<'_, T> {
    /// How many bytes of memory its buffers own between two steps; none while nothing of a request or a response
    /// waits in them.
    pub fn buffered_memory(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// A response that is cut short is logged with what left of it.
    #[cold]
    fn log_cut(&self, reason: CloseReason, clock: TurnClock) {
        if let Stage::Answer(flight) = &self.stage
            && !flight.logged.replace(true)
        {
            let outcome = Outcome { cut: Some(reason), ..flight.outcome() };
            self.log_request(flight.asked.as_logged(), outcome, clock);
        }
    }

    /// Adds the memory that this session keeps to the sum of all sessions, which is bounded.
    fn keep_account(&mut self, cx: &mut StepContext<'_>) -> Result<(), CloseReason> {
        let kept = self.buffered_memory();
        if kept == self.kept {
            return Ok(());
        }
        let all = self.site.buffered.get() - self.kept + kept;
        let more = kept > self.kept;
        self.site.buffered.set(all);
        self.kept = kept;
        let room = self.site.room_for_buffers(&self.limits);
        cx.memory_is_short |= more && all > self.limits.before_short(room);
        if more && all > room { Err(CloseReason::Memory) } else { Ok(()) }
    }
}

impl<T> Drop for HttpSession<'_, T> {
    fn drop(&mut self) {
        // Whoever answers learns that the client is gone, and may have a last word to say about it.
        if matches!(self.stage, Stage::Later(_) | Stage::Answer(_)) {
            // The run is over, unless the cut was logged as such.
            let clock = TurnClock::new(Instant::now(), SystemTime::now());
            self.log_cut(CloseReason::Stopped, clock);
            self.stage = Stage::Head;
            self.log_notes(clock.wall);
        }
        self.site.buffered.set(self.site.buffered.get() - self.kept);
    }
}

impl<T: Transport> HttpSession<'_, T> {
    /// Fill, advance and flush until none of them moves (false), or the budget of a turn is used up (true).
    fn run(&mut self, ready: &mut Ready, cx: &mut StepContext<'_>) -> Result<bool, CloseReason> {
        if ready.broken {
            return Err(CloseReason::Broken);
        }
        if ready.read_closed {
            self.closed_at.get_or_insert(cx.clock.now);
        }
        let mut sent = 0;
        for _ in 0..ROUNDS {
            let filled = self.fill(ready)?;
            let advanced = self.advance_and_gather(cx)?;
            let flushed = match self.flush(ready) {
                Err(reason @ CloseReason::OutputCut) => {
                    (self.close_behind_output(reason, cx.clock)? == Progress::Moved).then_some(0)
                }
                other => other?,
            };
            let moved = filled || flushed.is_some() || advanced == Progress::Moved;
            sent += flushed.unwrap_or_default();
            self.note_wait(moved, cx.clock);
            if self.wait == Wait::Linger {
                // Whoever keeps sending always moves, and must not keep the connection by that.
                self.expire(cx)?;
            }
            if !moved || self.is_settled(ready) {
                if advanced == Progress::Later {
                    // The poll has not reported what an unregistered socket received meanwhile: try it.
                    ready.read |= self.wait == Wait::Linger;
                    return Ok(true);
                }
                if !self.expire(cx)? && !self.check_stop(sent > 0, cx.clock)? {
                    return Ok(false);
                }
            }
            if sent >= MOST_SENT {
                break;
            }
        }
        Ok(true)
    }

    /// Whether going round once more would come to nothing: all is answered and sent, and nothing can be read.
    fn is_settled(&self, ready: &Ready) -> bool {
        let quiet = self.input.is_empty() && self.output.is_empty() && !ready.read && !self.at_end;
        quiet && matches!(self.stage, Stage::Head)
    }

    /// Reads once, if bytes are of use and there may be some.
    fn fill(&mut self, ready: &mut Ready) -> Result<bool, CloseReason> {
        let wanted = match self.stage {
            // Back-pressure: a client that does not take its answers is not asked for more requests.
            Stage::Head => self.hungry && self.output.is_empty(),
            Stage::Closing(_) => false,
            Stage::Linger(_) => true,
            _ => self.hungry,
        };
        if !wanted || !ready.read || self.at_end {
            return Ok(false);
        }
        let mut room = 0;
        let transport = &mut self.transport;
        let result = self.input.fill(LEAST_ROOM, |free| {
            room = free.len();
            transport.recv(free)
        });
        match result {
            Ok(0) => self.at_end = true,
            Ok(count) => {
                self.hungry = false;
                self.earn(count);
                ready.read = ready.read_closed || count == room || !self.transport.short_read_is_all();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.read = false;
                return Ok(false);
            }
            Err(_) => return Err(CloseReason::Broken),
        }
        Ok(true)
    }

    /// Advances, and again while there is more to put into the same write: what a body begins with leaves with its head,
    /// and its end with its last bytes.
    fn advance_and_gather(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let progress = self.advance_or_close(cx)?;
        for _ in 0..PIECES {
            let is_made = matches!(&self.stage, Stage::Answer(flight) if flight.answer.is_made());
            if !is_made || self.output.len() >= GATHER || self.advance_or_close(cx)? != Progress::Moved {
                break;
            }
        }
        Ok(progress)
    }

    /// Advances, or sees to it that what is already answered leaves before the connection is closed.
    fn advance_or_close(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        self.advance(cx).or_else(|reason| self.close_behind_output(reason, cx.clock))
    }

    /// Lets the protocol and the service make something of what is there.
    fn advance(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        match self.stage {
            Stage::Head => self.advance_head(cx),
            Stage::Held(_) => self.advance_held(cx),
            Stage::Later(_) => self.advance_later(cx),
            Stage::Answer(_) => self.advance_answer(cx),
            Stage::Drain(_) => self.advance_drain(),
            Stage::Closing(reason) => self.advance_closing(reason),
            Stage::Linger(reason) => self.advance_linger(reason),
        }
    }

    /// Sends once, if something is due and the client may take it: so many bytes, or `None` if nothing could be done.
    fn flush(&mut self, ready: &mut Ready) -> Result<Option<u64>, CloseReason> {
        if !ready.write {
            return Ok(None);
        }
        let result = match &mut self.stage {
            Stage::Answer(flight) => flight.answer.send(&mut self.output, &mut self.transport),
            _ if self.output.is_empty() => Ok(0),
            stage => {
                // The FIN of the staged close follows at once and leaves in the packet of the last bytes.
                let last = matches!(stage, Stage::Closing(_));
                self.transport.send(self.output.bytes(), &[], last).map(|count| {
                    self.output.consume(count);
                    count as u64
                })
            }
        };
        match result {
            Ok(count) => Ok((count > 0).then_some(count)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => Ok(Some(0)),
                io::ErrorKind::WouldBlock => {
                    ready.write = false;
                    Ok(None)
                }
                io::ErrorKind::UnexpectedEof => Err(CloseReason::OutputCut),
                _ => Err(CloseReason::Broken),
            },
        }
    }

    /// Answers the requests whose heads are complete, until one of them takes longer.
    fn advance_head(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let mut progress = Progress::Still;
        let mut request = self.site.borrow_request();
        while matches!(self.stage, Stage::Head) && self.output.len() < GATHER {
            if self.edition != self.site.edition() && self.machine.is_idle() {
                self.take_up();
            }
            match self.machine.receive(&mut self.input, &self.limits.message(), &mut request) {
                Ok(RequestEvent::More) if self.at_end => self.end(),
                Ok(RequestEvent::More) => {
                    progress = progress.and(self.starve());
                    break;
                }
                Ok(RequestEvent::Head) => {
                    request.peer = self.peer;
                    request.local = self.site.local;
                    request.arrived = cx.clock.now;
                    self.begin(&request, cx.clock);
                }
                Ok(_) => self.stage = Stage::Closing(CloseReason::Complete),
                Err(violation) => {
                    request.arrived = cx.clock.now;
                    self.reject(&violation.into(), &request, cx.clock);
                }
            }
            progress = Progress::Moved;
        }
        self.site.return_request(request);
        Ok(progress)
    }

    /// Takes up what was changed of the site since the last request began.
    #[cold]
    fn take_up(&mut self) {
        self.limits = self.site.limits();
        self.edition = self.site.edition();
        // What it made for this connection belongs to the service before.
        (self.own, self.connected) = (None, false);
    }

    /// The protocol needs more bytes. That is a move if it did not before: there may be some to read.
    fn starve(&mut self) -> Progress {
        if std::mem::replace(&mut self.hungry, true) { Progress::Still } else { Progress::Moved }
    }

    /// Has a complete head answered.
    fn begin(&mut self, request: &Request, clock: TurnClock) {
        // Whatever is waited for from now on is something new, also if it is of the same kind as before.
        (self.wait, self.since) = (Wait::Upstream, clock.now);
        self.left = nanos(self.limits.body_timeout);
        let reply = match self.machine.expect() {
            Expect::Unknown => Response::error(Status::EXPECTATION_FAILED).into(),
            _ => self.call(request, clock.wall),
        };
        match reply {
            Reply::Now(response) if self.machine.in_body() && self.may_drain(request) => {
                let (request, left) = (request.clone(), self.limits.drain);
                self.stage = Stage::Held(Box::new(Held { response, request, left }));
            }
            Reply::Now(response) => {
                if self.machine.in_body() {
                    self.machine.refuse();
                }
                self.respond(response, request, None, clock);
            }
            Reply::Later(upstream) => {
                let later = Later { upstream, request: request.clone(), ended: false };
                self.stage = Stage::Later(Box::new(later));
            }
        }
    }

    /// Has more of a response's body made, and notices its end.
    fn advance_answer(&mut self, cx: &mut StepContext<'_>) -> Result<Progress, CloseReason> {
        let Stage::Answer(mut flight) = std::mem::replace(&mut self.stage, Stage::Head) else {
            return Ok(Progress::Still);
        };
        let mut progress = Progress::Still;
        if let Some(later) = &mut flight.later {
            match self.feed(later) {
                Ok(fed) => progress = fed,
                // The head is out and has promised the connection to the next request, so the rest is discarded.
                Err(FeedError::Upstream(_)) => flight.later = None,
                // No request can follow a body whose end is not known.
                Err(FeedError::Cut | FeedError::Violation(_)) => {
                    flight.later = None;
                    self.machine.refuse();
                }
            }
        }
        let wanted = flight.wants_body();
        let made = match flight.answer.make(&mut self.output) {
            Ok(made) => made,
            Err(reason) => {
                self.stage = Stage::Answer(flight);
                return Err(reason);
            }
        };
        if !wanted && flight.wants_body() {
            progress = Progress::Moved;
        }
        flight.waiting = made == Made::Waiting;
        if made == Made::All {
            self.finish(&flight, cx.clock);
            return Ok(Progress::Moved);
        }
        self.stage = Stage::Answer(flight);
        Ok(match made {
            Made::Some => Progress::Moved,
            Made::Later if progress == Progress::Still => Progress::Later,
            _ => progress,
        })
    }

    /// The last byte of a response's body is sent, or in the output.
    fn finish(&mut self, flight: &InFlight, clock: TurnClock) {
        if flight.answer.overran() {
            self.machine.stop();
            let text = "response body longer than its Content-Length";
            self.site.log.borrow_mut().message(Some(self.peer), text, clock.wall);
        }
        self.log_notes(clock.wall);
        self.log_request(flight.asked.as_logged(), flight.outcome(), clock);
        self.machine.body_sent();
        self.after_response();
    }
}
