//! Another server, from which handlers fetch, and its script. Each request says what the other server does with it. Not here: the
//! handlers, and the requests of the server's own clients.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serve_forever::handler::SimulatedConnections;

use crate::asks::Response;
use crate::common::network::Event;
use crate::common::network::line::Weather;
use crate::common::network::outgoing::{OutgoingLine, SharedOutgoing, Stage};
use crate::common::seeds::Random;
use crate::common::service::pattern;

/// The time that a handler gives the other server for a response.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// What the other server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Responds with a body of known length.
    Responds,
    /// Responds in chunks.
    RespondsInChunks,
    /// Responds with a body that ends with the connection.
    RespondsUntilEnd,
    /// Responds with the number of bytes of the request's body.
    Counts,
    /// Responds, and then closes the connection, which it has promised to keep.
    ClosesWhenIdle,
    /// Responds, and sends bytes that belong to no response.
    SendsTooMuch,
    /// Closes the connection without a response if it has carried another request, and otherwise responds.
    ClosesUsed,
    /// Closes the connection without a response.
    Closes,
    /// Closes the connection within the body.
    CutsBody,
    /// Closes the connection after a chunk that is not the last one.
    CutsChunks,
    Resets,
    /// Sends a head that is not one of HTTP.
    BreaksHead,
    /// Sends a chunk without a size.
    BreaksChunk,
    /// Sends nothing.
    Stalls,
    /// Sends a part of the body.
    StallsInBody,
    /// Refuses the connection.
    Refuses,
    /// Does not accept the connection.
    Ignores,
}

/// Behaviours of which every client gets the response, and all others.
const GOOD: [Behaviour; 7] = [
    Behaviour::Responds,
    Behaviour::RespondsInChunks,
    Behaviour::RespondsUntilEnd,
    Behaviour::Counts,
    Behaviour::ClosesWhenIdle,
    Behaviour::SendsTooMuch,
    Behaviour::ClosesUsed,
];
const BAD: [Behaviour; 10] = [
    Behaviour::Closes,
    Behaviour::CutsBody,
    Behaviour::CutsChunks,
    Behaviour::Resets,
    Behaviour::BreaksHead,
    Behaviour::BreaksChunk,
    Behaviour::Stalls,
    Behaviour::StallsInBody,
    Behaviour::Refuses,
    Behaviour::Ignores,
];

/// A request to the other server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    behaviour: Behaviour,
    /// The length of the body of the response, or of the request if it has one.
    size: usize,
    /// Different for each request of a run.
    id: usize,
}

impl Fetch {
    pub fn random(random: &mut Random, size: usize) -> Fetch {
        let behaviour = match random.below(6) {
            0 => BAD[random.below(BAD.len())],
            // Often, because a request that must not be repeated shows that the connection before was already closed.
            1 | 2 => Behaviour::Counts,
            3 => Behaviour::ClosesWhenIdle,
            _ => GOOD[random.below(GOOD.len())],
        };
        Fetch { behaviour, size, id: random.below(1_000_000_000) }
    }

    /// The target of the request, from which [`Fetch::parse`] gets it back.
    pub fn target(self) -> String {
        let all = GOOD.iter().chain(&BAD);
        let number = all.clone().position(|behaviour| *behaviour == self.behaviour);
        format!("{}-{}-{}", number.unwrap(), self.size, self.id)
    }

    pub fn parse(target: &str) -> Fetch {
        let numbers: Vec<usize> = target.split('-').map(|number| number.parse().unwrap()).collect();
        let behaviour = *GOOD.iter().chain(&BAD).nth(numbers[0]).unwrap();
        Fetch { behaviour, size: numbers[1], id: numbers[2] }
    }

    pub fn url(self) -> String {
        let host = match self.behaviour {
            Behaviour::Refuses => 2,
            Behaviour::Ignores => 3,
            _ => 1,
        };
        format!("http://198.51.100.{host}/{}", self.target())
    }

    /// The body of the request.
    pub fn body(self) -> Option<String> {
        (self.behaviour == Behaviour::Counts).then(|| pattern(self.size))
    }

    /// The status of the response that the handler's client gets if the other server is fast enough, and its body.
    pub fn outcome(self) -> (u16, String) {
        match self.behaviour {
            Behaviour::Counts => (200, format!("{}\n", self.size)),
            behaviour if GOOD.contains(&behaviour) => (200, pattern(self.size)),
            Behaviour::Stalls | Behaviour::StallsInBody | Behaviour::Ignores => (504, String::new()),
            _ => (502, String::new()),
        }
    }

    /// The bytes of the response, and what follows. `is_first` is true for the first request of a connection.
    fn reply(self, is_first: bool, has_whole_body: bool) -> (Vec<u8>, Ending) {
        let body = pattern(self.size);
        let (size, least) = (self.size, if has_whole_body { self.size } else { 0 });
        let with_length = |body: &str, size| format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{body}");
        let chunked =
            |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{rest}", chunks(&body));
        let (bytes, ending) = match self.behaviour {
            Behaviour::Responds => (with_length(&body, size), Ending::Keeps),
            Behaviour::Counts => {
                let count = format!("{least}\n");
                (with_length(&count, count.len()), Ending::Keeps)
            }
            Behaviour::ClosesWhenIdle => (with_length(&body, size), Ending::ClosesWhenIdle),
            Behaviour::SendsTooMuch => (with_length(&body, size) + "too much", Ending::Keeps),
            Behaviour::ClosesUsed if is_first => (with_length(&body, size), Ending::Keeps),
            Behaviour::RespondsInChunks => (chunked("0\r\n\r\n"), Ending::Keeps),
            Behaviour::RespondsUntilEnd => (format!("HTTP/1.1 200 OK\r\n\r\n{body}"), Ending::Closes),
            Behaviour::Closes | Behaviour::ClosesUsed => (String::new(), Ending::Closes),
            Behaviour::CutsBody => (with_length(&body, size + 1), Ending::Closes),
            Behaviour::CutsChunks => (chunked(""), Ending::Closes),
            Behaviour::BreaksChunk => (chunked("size\r\n"), Ending::Keeps),
            Behaviour::Resets => (String::new(), Ending::Resets),
            Behaviour::BreaksHead => ("HTTP/1.1 OK\r\n\r\n".to_owned(), Ending::Keeps),
            Behaviour::StallsInBody => (with_length(&body, size + 1), Ending::Keeps),
            Behaviour::Stalls | Behaviour::Refuses | Behaviour::Ignores => (String::new(), Ending::Keeps),
        };
        (bytes.into_bytes(), ending)
    }
}

/// A body in chunks of about a thousand bytes, without the last chunk.
fn chunks(body: &str) -> String {
    let parts = body.as_bytes().chunks(1000);
    parts.map(|part| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part))).collect()
}

/// What follows a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Keeps,
    Closes,
    ClosesWhenIdle,
    Resets,
}

/// The other server's end of a connection.
struct Conversation {
    line: SharedOutgoing,
    /// The bytes of a request that is not complete.
    received: Vec<u8>,
    /// The bytes of the response that are not sent, and what follows them.
    reply: Option<(Vec<u8>, Ending)>,
    /// The number of requests.
    requests: usize,
    /// The last request.
    fetch: Option<Fetch>,
    /// False if the client repeats the last request over another connection.
    is_final: bool,
}

/// The other server, and its connections.
#[derive(Clone, Default)]
pub struct OtherServer {
    conversations: Rc<RefCell<Vec<Conversation>>>,
    /// When the loop was last told about the connection that has carried a request with this id, after the whole response.
    reported: Rc<RefCell<BTreeMap<usize, Duration>>>,
    /// A planted fault.
    pub hides_end: bool,
}

impl OtherServer {
    /// Receives the connections of this thread's handlers.
    pub fn receive_connections(&self, random: Random) -> SimulatedConnections {
        let conversations = Rc::clone(&self.conversations);
        let random = RefCell::new(random);
        SimulatedConnections::set(move |address| {
            let mut random = random.borrow_mut();
            let (room, roughness) = ([1000, 20_000, 200_000][random.below(3)], [0, 3, 10][random.below(3)]);
            let weather = Weather { random: Random::new(random.next()), roughness };
            let line = SharedOutgoing::new(address, room, weather);
            let socket = line.socket();
            let (received, reply, fetch) = (Vec::new(), None, None);
            conversations.borrow_mut().push(Conversation { line, received, reply, requests: 0, fetch, is_final: true });
            Ok(socket)
        })
    }

    /// Accepts connections, reads requests, and sends at most this number of bytes over each connection.
    pub fn serve(&self, most: usize) {
        for conversation in self.conversations.borrow_mut().iter_mut() {
            conversation.serve(most, self.hides_end);
        }
    }

    /// The events of all connections.
    pub fn take_events(&self, now: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        for conversation in self.conversations.borrow().iter() {
            let event = conversation.line.get().event();
            if let (Some(_), Some(fetch), None) = (event, conversation.fetch, &conversation.reply)
                && conversation.is_final
            {
                self.reported.borrow_mut().insert(fetch.id, now);
            }
            events.extend(event);
        }
        events
    }

    /// True if this is the response of a handler that has fetched this. The request of its client was complete at `asked`, and
    /// the response at `received`.
    pub fn explains(&self, response: &Response, fetch: Fetch, asked: Duration, received: Duration) -> bool {
        let (status, body) = fetch.outcome();
        let end = asked + PATIENCE;
        match response.status {
            200 => status == 200 && response.body == body.as_bytes(),
            504 => received >= end && (status == 504 || !self.has_responded(fetch, end)),
            other => other == status,
        }
    }

    /// True if the handler had the whole response before this time.
    fn has_responded(&self, fetch: Fetch, before: Duration) -> bool {
        let conversations = self.conversations.borrow();
        let last = conversations.iter().rfind(|conversation| conversation.fetch == Some(fetch));
        // After a short read, the handler waits for another event.
        let has_all = last.is_some_and(|conversation| !conversation.line.get().has_changed);
        has_all && self.reported.borrow().get(&fetch.id).is_some_and(|reported| *reported < before)
    }

    /// At the end of a run, the connections whose requests have no complete response must be closed.
    pub fn check_end(&self) -> Result<(), String> {
        let conversations = self.conversations.borrow();
        let is_left =
            |conversation: &&Conversation| !conversation.line.get().is_dropped && conversation.reply.is_some();
        match conversations.iter().find(is_left) {
            Some(Conversation { fetch, .. }) => Err(format!("the connection of {fetch:?} outlives its handler")),
            None => Ok(()),
        }
    }
}

impl Conversation {
    fn serve(&mut self, most: usize, hides_end: bool) {
        let shared = self.line.clone();
        let mut line = shared.get();
        if line.is_dropped || line.is_ended() {
            // A server that has closed the connection resets it when bytes arrive.
            if line.stage == Stage::Connected && !line.sent.is_empty() {
                line.enter(Stage::Reset);
            }
            return;
        }
        if line.stage == Stage::Connecting {
            return match line.address.ip().to_string().as_str() {
                "198.51.100.3" => {}
                "198.51.100.2" => line.enter(Stage::Refused),
                _ => line.enter(Stage::Connected),
            };
        }
        self.received.extend(line.take());
        if self.reply.is_none() {
            self.read_request();
        }
        self.send(&mut line, most, hides_end);
    }

    /// Reads a request if it is complete.
    fn read_request(&mut self) {
        let Some(end) = self.received.windows(4).position(|part| part == b"\r\n\r\n") else { return };
        let head = String::from_utf8(self.received[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let Some(body) = self.received.get(end + 4..end + 4 + length) else { return };
        let fetch = Fetch::parse(head.split([' ', '/']).nth(2).unwrap());
        let has_whole_body = body == fetch.body().unwrap_or_default().as_bytes();
        self.received.drain(..end + 4 + length);
        let (bytes, ending) = fetch.reply(self.requests == 0, has_whole_body);
        self.is_final = self.requests == 0 || !bytes.is_empty();
        self.reply = Some((bytes, ending));
        self.requests += 1;
        self.fetch = Some(fetch);
    }

    fn send(&mut self, line: &mut OutgoingLine, most: usize, hides_end: bool) {
        let Some((bytes, ending)) = &mut self.reply else { return };
        // The last bytes come together, so that those that belong to no response arrive before the next request.
        let count = if bytes.len() <= most.saturating_add(20) { bytes.len() } else { most };
        if count > 0 {
            line.arrive(&bytes[..count]);
            bytes.drain(..count);
        }
        let (is_sent, ending) = (bytes.is_empty(), *ending);
        if !is_sent || self.fetch.is_some_and(|fetch| fetch.outcome().0 == 504) {
            return;
        }
        match ending {
            Ending::Keeps => {}
            Ending::Closes => line.end(),
            Ending::Resets => line.enter(Stage::Reset),
            Ending::ClosesWhenIdle => {
                line.hides_end = hides_end;
                line.end();
            }
        }
        self.reply = None;
    }
}
