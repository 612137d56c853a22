//! A custom method: `curl -X RICKROLL 127.0.0.1:8000`.

use std::io::{self, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Astley;

fn say(x: &Exchange<'_>, text: &str) -> io::Result<()> {
    x.send_response(200)?;
    x.send_header("Content-Type", "text/plain")?;
    x.end_headers()?;
    x.wfile().write_all(text.as_bytes())
}

impl RequestHandler for Astley {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        say(x, "There is another method.\n")
    }

    fn do_head(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        self.do_get(x)
    }

    fn do_method(&mut self, name: &str, x: &mut Exchange<'_>) -> io::Result<()> {
        match name {
            "RICKROLL" => say(x, "Never gonna give you up\n"),
            _ => x.send_error(501, Some(&format!("Unsupported method ('{name}')")), None),
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Astley).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
