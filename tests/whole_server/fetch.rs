//! The requests of handlers to another server: its behaviour after each request, and the response that the client of
//! the handler must get. The connections are in `upstream.rs`.

use std::net::Ipv4Addr;

use crate::common::seeds::Random;
use crate::common::service::pattern;

/// The addresses of the other server.
const ACCEPTING: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const REFUSING: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub const IGNORING: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);

/// The behaviour of the other server after a request.
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
    /// Sends a head that is not valid HTTP.
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

/// The behaviours after which the client of the handler gets the body.
const GOOD: [Behaviour; 7] = [
    Behaviour::Responds,
    Behaviour::RespondsInChunks,
    Behaviour::RespondsUntilEnd,
    Behaviour::Counts,
    Behaviour::ClosesWhenIdle,
    Behaviour::SendsTooMuch,
    Behaviour::ClosesUsed,
];
/// The behaviours after which the client of the handler gets 502 or 504.
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
    pub id: usize,
}

impl Fetch {
    pub fn random(random: &mut Random, size: usize) -> Fetch {
        let behaviour = match random.below(6) {
            0 => BAD[random.below(BAD.len())],
            // This behaviour is frequent, because a request that must not be repeated reveals that its connection was
            // already closed.
            1 | 2 => Behaviour::Counts,
            3 => Behaviour::ClosesWhenIdle,
            _ => GOOD[random.below(GOOD.len())],
        };
        Fetch { behaviour, size, id: random.below(1_000_000_000) }
    }

    /// The target of the request, which [`Fetch::parse`] parses.
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
            Behaviour::Refuses => REFUSING,
            Behaviour::Ignores => IGNORING,
            _ => ACCEPTING,
        };
        format!("http://{host}/{}", self.target())
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

    /// The bytes of the response, and the state of the connection after them. `is_first` is true for the first request of a
    /// connection.
    pub fn reply(self, is_first: bool, has_whole_body: bool) -> (Vec<u8>, Ending) {
        let body = pattern(self.size);
        let size = self.size;
        let with_length = |body: &str, size| format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{body}");
        let chunked =
            |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{rest}", chunks(&body));
        let (bytes, ending) = match self.behaviour {
            Behaviour::Responds => (with_length(&body, size), Ending::Keeps),
            Behaviour::Counts => {
                let count = format!("{}\n", if has_whole_body { size } else { 0 });
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

/// The state of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Keeps,
    Closes,
    ClosesWhenIdle,
    Resets,
}
