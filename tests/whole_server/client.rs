//! A client: the requests that it sends, its fate, and the responses that it has received.

use std::rc::Rc;

use serve_forever::transport::Memory;

use crate::asks::{Facts, Request, Response, parse};
use crate::common::network::line::{Line, SharedLine, Weather};
use crate::common::seeds::Random;
use crate::upstream::OtherServer;
use crate::wire::{Damage, Sessions, Wire};

/// The behaviour of a client after the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The client sends and reads everything.
    Stays,
    /// The client sends everything, closes its side, and reads everything.
    HalfCloses,
    /// The client sends only a part of its requests, and reads everything.
    FallsSilent,
    /// The client sends everything, and accepts no further bytes.
    StopsReading,
    /// The client has reset its connection.
    Resets,
}

pub struct Client {
    pub line: SharedLine,
    pub fate: Fate,
    pub requests: Vec<Request>,
    /// Where each request ends in the bytes of all requests.
    ends: Vec<usize>,
    wire: Wire,
    /// The client sends unencrypted HTTP to a server that expects TLS.
    is_mistaken: bool,
    /// The state of the server when each request was complete.
    asked: Vec<Facts>,
    received: Vec<u8>,
    /// The status of each complete response.
    pub statuses: Vec<u16>,
    has_last: bool,
}

impl Client {
    /// Creates a client. `sessions` are the TLS sessions that it can resume.
    pub fn new(seed: u64, sessions: &Sessions) -> Client {
        let mut random = Random::new(seed);
        let requests: Vec<Request> = (0..1 + random.below(6)).map(|_| Request::random(&mut random)).collect();
        let closes = random.one_in(3);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (number, request) in requests.iter().enumerate() {
            bytes.extend(request.bytes(closes && number + 1 == requests.len()));
            ends.push(bytes.len());
        }
        let fate = [Fate::Stays, Fate::HalfCloses, Fate::FallsSilent, Fate::StopsReading];
        let fate = if random.one_in(2) { Fate::Stays } else { fate[random.below(4)] };
        let mut until = if fate == Fate::FallsSilent { random.below(bytes.len()) } else { bytes.len() };
        for (request, end) in requests.iter().zip(&ends) {
            // A handler that waits for the rest of a body keeps one of the few stacks from all other clients.
            if matches!(request, Request::Length(size) if (end - size..*end).contains(&until)) {
                until = *end;
            }
        }
        let memory = Memory {
            room: [1000, 20_000, 200_000][random.below(3)],
            no_sendfile: random.one_in(3),
            short_read_is_all: random.one_in(2),
            ..Memory::default()
        };
        let roughness = [0, 3, 10][random.below(3)];
        let line = Line::new(memory, Weather { random: random.clone(), roughness });
        let is_secure = random.one_in(3);
        line.borrow_mut().is_secure = is_secure;
        let is_mistaken = is_secure && random.one_in(8);
        let (wire, fate) = match is_secure && !is_mistaken {
            true => secure_wire(&bytes[..until], fate, sessions, random),
            false => (Wire::unencrypted(&bytes[..until]), fate),
        };
        let (asked, received, statuses) = (Vec::new(), Vec::new(), Vec::new());
        Client { line, fate, requests, ends, wire, is_mistaken, asked, received, statuses, has_last: false }
    }

    /// Sends at most this number of bytes. `loses_byte` is a fault of the network.
    pub fn send(&mut self, most: usize, facts: Facts, loses_byte: bool) {
        let mut line = self.line.borrow_mut();
        if line.is_dropped || line.is_reset || line.memory.at_end {
            return;
        }
        let bytes = self.wire.send(most);
        if bytes.is_empty() {
            return;
        }
        let skipped = usize::from(loses_byte && bytes.len() > 1);
        line.arrive(&bytes[skipped..]);
        let arrived = self.wire.requests_in(self.wire.sent);
        let complete = self.ends.iter().filter(|at| **at <= arrived).count();
        self.asked.resize(complete, facts);
    }

    /// Adds bytes from the server, and checks all responses that are complete.
    pub fn receive(&mut self, bytes: &[u8], facts: &Facts, other: &OtherServer) -> Result<(), String> {
        self.received.extend(self.wire.receive(bytes)?);
        while !self.received.is_empty() {
            let number = self.statuses.len();
            let request = self.requests.get(number).copied();
            // The server does not always know the method of a request that is not complete.
            let is_head = request == Some(Request::Head) && number < self.asked.len();
            let Some((response, length)) = parse(&self.received, is_head)? else { break };
            self.check(number, request, &response, facts, other)?;
            self.received.drain(..length);
            self.statuses.push(response.status);
            self.has_last = response.closes;
        }
        Ok(())
    }

    fn check(
        &self,
        number: usize,
        request: Option<Request>,
        response: &Response,
        now: &Facts,
        other: &OtherServer,
    ) -> Result<(), String> {
        let shown = || {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(60)]);
            format!("status {} and {} bytes {body:?}", response.status, response.body.len())
        };
        if self.has_last {
            return Err(format!("a response comes after the last one: {}", shown()));
        }
        let is_answered = match (request, self.asked.get(number)) {
            _ if self.is_mistaken => is_answer_to_mistake(request, response),
            (Some(request), Some(asked)) => request.is_answered_by(response, asked, now, other),
            // The server waited for the rest of a request, which did not arrive.
            _ => self.fate == Fate::FallsSilent && response.status == 408,
        };
        if is_answered { Ok(()) } else { Err(format!("{request:?} of {:?} got {}", self.requests, shown())) }
    }

    /// True if the client or the server has announced the end of the connection.
    pub fn may_be_closed(&self) -> bool {
        let line = self.line.borrow();
        let has_said_so = self.wire.has_announced_end() || self.wire.is_damaged();
        self.has_last || line.memory.at_end || line.memory.ended || has_said_so
    }

    /// The number of requests that the server has received completely.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Checks that TLS announces the end of the connection if the end is orderly, and only then. `must_be_orderly` is
    /// true if nothing has cut the connection.
    pub fn judge_end(&self, must_be_orderly: bool) -> Result<(), String> {
        let line = self.line.borrow();
        let has_heard = !self.statuses.is_empty() || !self.received.is_empty();
        let (is_told, is_whole) = (self.wire.is_told_the_end(), self.received.is_empty());
        // Before the first response the handshake may not be complete, and an alert is not followed by an announcement.
        let can_tell = self.wire.is_secure() && !self.wire.is_damaged() && has_heard && !line.is_reset;
        // The response to a part of a HEAD may be without a body, and then looks like a part of a response.
        let number = self.statuses.len();
        let is_vague = number >= self.asked.len() && self.requests.get(number) == Some(&Request::Head);
        if !can_tell || is_vague || !line.memory.sent.is_empty() {
            return Ok(());
        }
        match (is_told, is_whole) {
            (true, false) => Err("an end is announced within a response".to_owned()),
            (false, true) if must_be_orderly || line.memory.ended => Err("the end is not announced".to_owned()),
            _ => Ok(()),
        }
    }

    /// True if the server has no bytes of a request without a response, so that it may close the connection to make
    /// room.
    pub fn is_idle(&self) -> bool {
        let consumed = self.wire.requests_in(self.wire.sent - self.line.borrow().memory.incoming.len());
        let answered = self.statuses.len().checked_sub(1).map_or(0, |last| self.ends.get(last).copied().unwrap_or(0));
        // The rest of the last response may be on its way.
        let on_its_way = !self.received.is_empty() || !self.line.borrow().memory.sent.is_empty();
        consumed == answered || on_its_way
    }

    /// Checks that the client has all the responses that its fate allows. The error names the missing ones.
    pub fn judge(&self) -> Result<(), String> {
        let is_open = !self.line.borrow().is_dropped;
        match self.fate {
            Fate::StopsReading => return Ok(()),
            Fate::Resets if is_open => return Err("it has reset its connection, which is still open".to_owned()),
            Fate::Resets => return Ok(()),
            Fate::HalfCloses if is_open => return Err("it has closed its side, and the connection is open".to_owned()),
            _ if is_open && self.wire.is_damaged() => return Err("its records are damaged, and it is open".to_owned()),
            _ => {}
        }
        if self.wire.is_damaged() {
            return Ok(());
        }
        let (asked, answered) = (self.asked.len(), self.statuses.len());
        if answered < asked && !self.has_last {
            let Client { requests, fate, .. } = self;
            let rest = self.received.len();
            return Err(format!(
                "{fate:?}: {answered} of {asked} responses, {rest} bytes of the next, to {requests:?}"
            ));
        }
        Ok(())
    }

    /// Behaves according to the fate after the script. `hides_end` is a fault of the network.
    pub fn finish(&mut self, facts: Facts, hides_end: bool) {
        self.send(usize::MAX, facts, false);
        let mut line = self.line.borrow_mut();
        let ends = self.fate == Fate::HalfCloses && self.wire.is_all_sent() || line.memory.ended;
        let can_end = self.fate != Fate::FallsSilent && !line.memory.at_end && !line.is_reset;
        if ends && can_end && !line.is_dropped && !hides_end {
            line.end();
        }
    }

    /// Reads at most this number of bytes.
    pub fn take(&self, most: usize) -> Vec<u8> {
        if self.fate == Fate::Resets { Vec::new() } else { self.line.borrow_mut().take(most) }
    }

    pub fn shares(&self) -> SharedLine {
        Rc::clone(&self.line)
    }
}

/// The wire of a client that speaks TLS, and its fate: some end or fall silent within the handshake, or damage what they send.
fn secure_wire(requests: &[u8], fate: Fate, sessions: &Sessions, mut random: Random) -> (Wire, Fate) {
    let (damage, most, fate) = match random.below(12) {
        // The handshake takes about as many bytes.
        0 => (Damage::None, random.below(350), [Fate::FallsSilent, Fate::HalfCloses][random.below(2)]),
        1 => (Damage::Opening, usize::MAX, Fate::Stays),
        2 if fate == Fate::Stays => (Damage::Record, usize::MAX, Fate::Stays),
        _ => (Damage::None, usize::MAX, fate),
    };
    let announces_end = fate == Fate::HalfCloses && random.one_in(2);
    (Wire::secure(requests, announces_end, (damage, most), sessions, random), fate)
}

/// True if this is the response to unencrypted HTTP on a TLS port.
fn is_answer_to_mistake(request: Option<Request>, response: &Response) -> bool {
    let has_body = response.body.starts_with(b"This port speaks HTTPS");
    let is_head = request == Some(Request::Head) && response.body.is_empty();
    response.status == 400 && response.closes && (has_body || is_head)
}
