//! Turns the reports of connections into trace events. Each connection has four tracks: one for each of its two state
//! machines, one for its waits, and one for its reads and writes.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::file::{Arg, EventPhase, printable};
use super::recorder::{Connection, MadeConnection, Recorder, Side, limit, track};
use super::sentences::{self, Explained};
use crate::observer::{ConnectionObserver, ObservedWait, TransitionObserver};
use crate::session::CloseReason;

/// The maximum number of characters of a request line that appear in a trace.
const LINE: usize = 80;

/// The observer of one connection, which passes the reports on to the recorder.
#[derive(Clone, Copy)]
pub struct ConnectionRecorder<'r> {
    recorder: &'r RefCell<Recorder>,
    number: u32,
}

impl<'r> ConnectionRecorder<'r> {
    /// Creates the observer for a connection whose session is created at `since`. `limit` is its time limit for the
    /// first byte. The connection can still be refused until the loop reports it as accepted.
    pub fn new(
        recorder: &'r RefCell<Recorder>,
        peer: SocketAddr,
        since: Instant,
        limit: Option<Duration>,
    ) -> ConnectionRecorder<'r> {
        let number = recorder.borrow().accepted + 1;
        recorder.borrow_mut().made = Some(MadeConnection { peer, since, limit });
        ConnectionRecorder { recorder, number }
    }

    /// Writes an instant event of the connection and the sentence about the event.
    fn moment(&self, name: &str, sentence: &str, values: &[u64], args: &[(&str, Arg<'_>)]) {
        let values: Vec<String> = values.iter().map(u64::to_string).collect();
        self.recorder.borrow_mut().moment(self.number, name, sentence, &values, args);
    }

    /// Records the result of a write.
    fn wrote(&self, verb: &'static str, wanted: u64, place: (&str, Arg<'_>), result: Result<u64, io::ErrorKind>) {
        let counts = |bytes| [("bytes", Arg::Number(bytes)), ("wanted", Arg::Number(wanted)), place];
        match result {
            Ok(bytes) if bytes < wanted => self.moment("short write", "short write", &[wanted, bytes], &counts(bytes)),
            Ok(bytes) => self.moment(verb, verb, &[bytes], &counts(bytes)),
            Err(io::ErrorKind::WouldBlock) => {
                let sentence = if verb == "write" { "WouldBlock write" } else { "WouldBlock sendfile" };
                self.moment("WouldBlock", sentence, &[], &[("verb", Arg::Text(verb))]);
            }
            Err(_) => {}
        }
    }
}

/// The observer `None` records nothing. A connection has this observer if it is not recorded.
impl TransitionObserver for Option<ConnectionRecorder<'_>> {
    fn request<'r>(&mut self, line: impl Fn() -> &'r [u8]) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        if let Some(connection) = recorder.borrow_mut().connections.get_mut(number) {
            connection.request = Some(printable(line(), LINE));
        }
    }

    fn response(&mut self, status: u16, length: Option<u64>) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        if let Some(connection) = recorder.borrow_mut().connections.get_mut(number) {
            connection.response = Some((status, length));
        }
    }

    fn receive_transition(&mut self, from: &'static str, to: &'static str) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        recorder.borrow_mut().transition(*number, Side::Receive, sentences::transition(sentences::RECEIVE, from, to));
    }

    fn send_transition(&mut self, from: &'static str, to: &'static str) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        recorder.borrow_mut().transition(*number, Side::Send, sentences::transition(sentences::SEND, from, to));
    }
}

impl ConnectionObserver for Option<ConnectionRecorder<'_>> {
    fn read(&mut self, bytes: usize, room: usize, is_all: bool) {
        let Some(connection) = self else { return };
        let (bytes, room) = (bytes as u64, room as u64);
        let args = [("bytes", Arg::Number(bytes)), ("room", Arg::Number(room)), ("all", Arg::Flag(is_all))];
        connection.moment("read", "read", &[room, bytes], &args);
    }

    fn read_blocked(&mut self) {
        let Some(connection) = self else { return };
        connection.moment("WouldBlock", "WouldBlock read", &[], &[("verb", Arg::Text("read"))]);
    }

    fn end_of_input(&mut self) {
        let Some(connection) = self else { return };
        connection.moment("end of input", "end of input", &[], &[]);
    }

    fn sent(&mut self, wanted: usize, more: bool, result: &io::Result<usize>) {
        let Some(connection) = self else { return };
        let result = result.as_ref().map(|bytes| *bytes as u64).map_err(io::Error::kind);
        connection.wrote("write", wanted as u64, ("more", Arg::Flag(more)), result);
    }

    fn sent_file(&mut self, wanted: u64, offset: u64, result: &io::Result<u64>) {
        let Some(connection) = self else { return };
        let result = result.as_ref().map(|bytes| *bytes).map_err(io::Error::kind);
        connection.wrote("sendfile", wanted, ("offset", Arg::Number(offset)), result);
    }

    fn flushed(&mut self, result: &io::Result<()>) {
        let Some(connection) = self else { return };
        // The bytes were already recorded when the transport accepted them, so this records only that the socket is
        // full.
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            connection.moment("WouldBlock", "WouldBlock write", &[], &[("verb", Arg::Text("write"))]);
        }
    }

    fn shut_down(&mut self) {
        let Some(connection) = self else { return };
        connection.moment("shutdown", "shutdown", &[], &[]);
    }

    fn budget_used_up(&mut self, rounds: usize, sent: u64) {
        let Some(connection) = self else { return };
        let rounds = rounds as u64;
        let args = [("rounds", Arg::Number(rounds)), ("sent", Arg::Number(sent))];
        connection.moment("budget used up", "budget used up", &[rounds, sent], &args);
    }

    fn upstream_begins(&mut self) {
        let Some(connection) = self else { return };
        connection.moment("upstream", "upstream", &[], &[]);
        connection.recorder.borrow_mut().first_resumption(connection.number);
    }

    fn upstream_resumed(&mut self) {
        let Some(connection) = self else { return };
        if connection.recorder.borrow_mut().first_resumption(connection.number) {
            connection.moment("resumed", "resumed", &[], &[]);
        }
    }

    fn deadline_fired(&mut self) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        recorder.borrow_mut().deadline_fired(*number);
    }

    fn waits(&mut self, tell: impl Fn() -> ObservedWait) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        recorder.borrow_mut().waits(*number, tell());
    }

    fn buffers(&mut self, bytes: usize) {
        let Some(ConnectionRecorder { recorder, number }) = self else { return };
        let mut recorder = recorder.borrow_mut();
        let Some(connection) = recorder.connections.get_mut(number) else { return };
        let before = std::mem::replace(&mut connection.buffered, bytes as u64);
        recorder.buffered = recorder.buffered - before + bytes as u64;
    }
}

impl Recorder {
    /// Returns the connection whose session has this key.
    pub(super) fn connection_of(&mut self, key: usize) -> Option<(u32, &mut Connection)> {
        let number = *self.numbers.get(&key)?;
        Some((number, self.connections.get_mut(&number)?))
    }

    /// Records that the connection whose session was created most recently has been accepted. `key` identifies the
    /// session.
    pub(super) fn connection_accepted(&mut self, key: usize) {
        // Other servers on the same loop create sessions without an observer.
        let made = self.made.take().unwrap_or_else(|| MadeConnection::unknown(self.now()));
        self.accepted += 1;
        let number = self.accepted;
        let at = self.stamp();
        let connection = Connection {
            accepted_at: at,
            receive: "Idle",
            send: "Idle",
            wait: ("First", made.since),
            deadline: None,
            request: None,
            response: None,
            buffered: 0,
            arrows: Vec::new(),
            step: at,
            arrow_ends: Vec::new(),
            has_resumed: false,
        };
        self.numbers.insert(key, number);
        self.connections.insert(number, connection);
        self.explain(number, at, sentences::sentence(sentences::EVENTS, "accept"), &[]);
        if !self.is_tracked(number) {
            return;
        }
        let process = track(number, Side::Io).process;
        self.name_process(process, &format!("connection {number} {}", made.peer), process);
        for side in Side::ALL {
            self.name_thread(track(number, side), side.name(), side as u64);
        }
        let peer = made.peer.to_string();
        let args = [("peer", Arg::Text(&peer)), ("key", Arg::Number(key as u64)), ("at_once", Arg::Flag(true))];
        self.event("accept", EventPhase::Moment(at), track(number, Side::Io), &args);
        let limit = [("limit_us", Arg::Number(limit(made.limit)))];
        for (side, state, args) in
            [(Side::Receive, "Idle", &[][..]), (Side::Send, "Idle", &[]), (Side::Wait, "First", &limit)]
        {
            let at = self.stamp();
            self.event(state, EventPhase::Begin(at), track(number, side), args);
        }
    }

    /// Writes the end of state `from` and the beginning of state `to` on a track. Returns the time of the beginning.
    fn change(&mut self, number: u32, side: Side, from: &str, to: &str, args: &[(&str, Arg<'_>)]) -> u64 {
        let (end, begin) = (self.stamp(), self.stamp());
        if self.is_tracked(number) {
            self.event(from, EventPhase::End(end), track(number, side), &[]);
            self.event(to, EventPhase::Begin(begin), track(number, side), args);
        }
        begin
    }

    fn transition(&mut self, number: u32, side: Side, row: Option<&'static Explained>) {
        let Some((from, to, why, sentence)) = row else { return };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let (mut request, mut response) = (None, None);
        if side == Side::Receive {
            connection.receive = to;
            // The transition at the end of the head shows the request line. If the head was rejected, its request line
            // may be incomplete, so the transition shows none.
            request = connection.request.take().filter(|_| *from == "Head" && *to != "Closed");
        } else {
            connection.send = to;
            response = connection.response.take().filter(|_| *from == "Due");
        }
        let mut args = vec![("why", Arg::Text(why))];
        args.extend(request.as_ref().map(|line| ("request", Arg::Text(line))));
        if let Some((status, length)) = response {
            args.extend([("status", Arg::Number(status.into())), ("length", Arg::Maybe(length))]);
        }
        let at = self.change(number, side, from, to, &args);
        self.explain(number, at, Some(sentence), &[]);
    }

    /// Records the wait in which a step has ended. If its kind or its beginning differs from the previous wait, a new
    /// wait begins.
    fn waits(&mut self, number: u32, wait: ObservedWait) {
        // The handshake of a transport is shown as part of the wait for the first byte, because both have the same time
        // limit.
        let kind = if wait.kind == "Handshake" { "First" } else { wait.kind };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let before = std::mem::replace(&mut connection.wait, (kind, wait.since));
        if before == (kind, wait.since) {
            return;
        }
        // While the session waits for a source of a body, it does not wait for its client. Without a limit in the
        // trace, `faults` does not expect a deadline.
        let span = if kind == "Source" { None } else { Some(limit(wait.limit)) };
        let until = wait.limit.and_then(|span| wait.since.checked_add(span));
        let at = self.change(number, Side::Wait, before.0, kind, &[("limit_us", Arg::Maybe(span))]);
        let values = [self.shown(number, until)];
        self.explain(number, at, sentences::sentence(sentences::WAITS, kind), &values);
    }

    /// Records the session's deadline, unless it is the same as before.
    pub(super) fn deadline_set(&mut self, number: u32, deadline: Option<Instant>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if std::mem::replace(&mut connection.deadline, deadline) == deadline {
            return;
        }
        let wait = connection.wait.0;
        let at = deadline.map(|deadline| self.nanos_of(deadline) / 1000);
        let values = [self.shown(number, deadline)];
        let args = [("at_us", Arg::Maybe(at)), ("wait", Arg::Text(wait))];
        self.moment(number, "deadline set", "deadline set", &values, &args);
    }

    fn deadline_fired(&mut self, number: u32) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let (wait, deadline) =
            (connection.wait.0, connection.deadline.take().map_or(now, |deadline| deadline.min(now)));
        let at = self.nanos_of(deadline) / 1000;
        let args = [("at_us", Arg::Number(at)), ("wait", Arg::Text(wait))];
        self.moment(number, "deadline fired", "deadline fired", &[], &args);
    }

    /// Returns true if this is the first call in the current step. This method is called when an upstream begins and
    /// whenever an upstream is resumed, so that at most one of these events is recorded per step.
    fn first_resumption(&mut self, number: u32) -> bool {
        let connection = self.connections.get_mut(&number);
        connection.is_some_and(|connection| !std::mem::replace(&mut connection.has_resumed, true))
    }

    /// Records that a connection was closed, and ends its tracks.
    pub(super) fn connection_closed(&mut self, number: u32, reason: CloseReason) {
        let reason = match reason {
            CloseReason::Complete => "Complete",
            CloseReason::ClientDone => "ClientDone",
            CloseReason::InputCut => "RequestCut",
            CloseReason::Broken => "Broken",
            CloseReason::Idle => "Idle",
            CloseReason::Stalled => "Stalled",
            CloseReason::LingerOver => "LingerOver",
            CloseReason::OutputCut => "BodyCut",
            CloseReason::Memory => "Memory",
            CloseReason::Stopped => "Stopped",
        };
        self.moment(number, "close", "close", &[], &[("reason", Arg::Text(reason))]);
        let Some(connection) = self.connections.remove(&number) else { return };
        self.buffered -= connection.buffered;
        let states =
            [(Side::Receive, connection.receive), (Side::Send, connection.send), (Side::Wait, connection.wait.0)];
        if !self.is_tracked(number) {
            return;
        }
        for (side, state) in states {
            let at = self.stamp();
            self.event(state, EventPhase::End(at), track(number, side), &[]);
        }
    }
}
