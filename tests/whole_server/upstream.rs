//! Another server, from which handlers fetch. The target of each request names the behaviour of the other server. The
//! handlers are in `site.rs`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serve_forever::handler::SimulatedConnections;

use crate::asks::Response;
use crate::common::network::Event;
use crate::common::network::line::Weather;
use crate::common::network::outgoing::{OutgoingLine, SharedOutgoing, Stage};
use crate::common::seeds::Random;
use crate::fetch::{Ending, Fetch, IGNORING, REFUSING};

/// The time after which a handler gives up a request to the other server.
pub const FETCH_TIMEOUT: Duration = Duration::from_millis(100);

/// The other server, and its connections.
#[derive(Clone, Default)]
pub struct OtherServer {
    conversations: Rc<RefCell<Vec<Conversation>>>,
    /// The time of the last event that reported the whole response to the request with this id.
    reported: Rc<RefCell<BTreeMap<usize, Duration>>>,
    /// A planted fault: the handlers do not see that the other server has closed an idle connection.
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
        let end = asked + FETCH_TIMEOUT;
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

    /// Checks that at the end of a run, the connections whose requests have no complete response are closed.
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

/// The other server's end of a connection.
struct Conversation {
    line: SharedOutgoing,
    /// The bytes of a request that is not complete.
    received: Vec<u8>,
    /// The bytes of the response that are not sent, and the state of the connection after them.
    reply: Option<(Vec<u8>, Ending)>,
    /// The number of requests.
    requests: usize,
    /// The last request.
    fetch: Option<Fetch>,
    /// False if the client repeats the last request over another connection.
    is_final: bool,
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
            return match line.address.ip() {
                IpAddr::V4(IGNORING) => {}
                IpAddr::V4(REFUSING) => line.enter(Stage::Refused),
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
        // The last bytes arrive together, so that those that belong to no response arrive before the next request.
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
