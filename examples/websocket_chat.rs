//! A chat room whose clients receive every message: open <http://127.0.0.1:8000> in several windows.

#[path = "support/websocket.rs"]
mod websocket;

use std::collections::VecDeque;
use std::error::Error;
use std::io;

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler, Shared};
use serve_forever::service::Response;
use tungstenite::{Error as SocketError, Message};

const PAGE: &str = "<!DOCTYPE html><title>Chat</title><input autofocus><pre></pre><script>
const socket = new WebSocket(location.href.replace('http', 'ws'));
socket.onmessage = event => document.querySelector('pre').append(event.data + '\\n');
document.querySelector('input').onchange = event => { socket.send(event.target.value); event.target.value = ''; };
</script>\n";

/// The maximum number of lines that a room keeps for slow readers. Later lines replace the oldest ones.
const MOST_LINES: usize = 1000;

/// The last lines of the conversation.
#[derive(Default)]
struct Room {
    lines: VecDeque<String>,
    /// The number of lines so far.
    said: usize,
}

impl Room {
    fn say(&mut self, line: String) {
        self.lines.push_back(line);
        self.said += 1;
        if self.lines.len() > MOST_LINES {
            self.lines.pop_front();
        }
    }

    /// The lines after the first `seen`, which becomes the number of all lines; `None` if there are none.
    fn news(&self, seen: &mut usize) -> Option<Vec<String>> {
        let count = (self.said - *seen).min(self.lines.len());
        *seen = self.said;
        (count > 0).then(|| self.lines.iter().skip(self.lines.len() - count).cloned().collect())
    }
}

struct Chat(Shared<Room>);

impl RequestHandler<Box<dyn Error>> for Chat {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> Result<(), Box<dyn Error>> {
        if x.headers().get("Upgrade").is_none() {
            return Ok(x.respond(Response::html(PAGE))?);
        }
        let mut socket = websocket::accept(x)?;
        // A read returns immediately if there is no message, so the wait below can wait for other events too.
        socket.get_ref().set_nonblocking(true);
        let mut seen = self.0.with(|room| room.said);
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => self.0.with(|room| room.say(text.to_string())),
                Ok(_) => {}
                Err(SocketError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    let news = socket.get_ref().wait_until(&self.0, None, |room| room.news(&mut seen))?;
                    for line in news.unwrap_or_default() {
                        socket.send(Message::text(line))?;
                    }
                }
                Err(error) => return Ok(websocket::end(x, socket, error)?),
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let room = Shared::new(Room::default());
    let mut server = HttpServer::bind(address)?.handler(move || Chat(room.clone())).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
