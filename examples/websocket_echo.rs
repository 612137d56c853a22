//! Sends back each message of a WebSocket: open <http://127.0.0.1:8000> in a browser, or run
//! `python3 -m websockets ws://127.0.0.1:8000`.

#[path = "support/websocket.rs"]
mod websocket;

use std::error::Error;
use std::io;

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};
use serve_forever::service::Response;

const PAGE: &str = "<!DOCTYPE html><title>Echo</title><input autofocus><pre></pre><script>
const socket = new WebSocket(location.href.replace('http', 'ws'));
const show = text => document.querySelector('pre').append(text + '\\n');
socket.onopen = () => show('open');
socket.onmessage = event => show(event.data);
socket.onclose = () => show('closed');
document.querySelector('input').onchange = event => socket.send(event.target.value);
</script>\n";

struct Echo;

impl RequestHandler<Box<dyn Error>> for Echo {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> Result<(), Box<dyn Error>> {
        if x.headers().get("Upgrade").is_none() {
            return Ok(x.respond(Response::html(PAGE))?);
        }
        let mut socket = websocket::accept(x)?;
        loop {
            match socket.read() {
                Ok(message) if message.is_text() || message.is_binary() => socket.send(message)?,
                // The socket answers pings and the close handshake by itself, in the next read.
                Ok(_) => {}
                Err(error) => return Ok(websocket::end(x, socket, error)?),
            }
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Echo).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
