//! Routes with a variable part: `curl '127.0.0.1:8000/users/ann?q=one&q=two'`.

use std::io::{self, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Routes;

const ALLOWED: &str = "GET, HEAD, OPTIONS";

impl RequestHandler for Routes {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        // The path is decoded and normalised, so that every spelling of it finds the same route.
        let path = x.url_path()?;
        match path.route()[..] {
            ["users", id] => user(x, id),
            _ => x.error(404),
        }
    }
}

fn user(x: &Exchange<'_>, id: &str) -> io::Result<()> {
    if !matches!(x.command(), "GET" | "HEAD" | "OPTIONS") {
        x.send_header("Allow", ALLOWED)?;
        return x.error(405);
    }
    if x.command() == "OPTIONS" {
        x.send_response(204)?;
        x.send_header("Allow", ALLOWED)?;
        return x.end_headers();
    }
    x.send_response(200)?;
    x.send_header("Content-Type", "text/plain; charset=utf-8")?;
    x.end_headers()?;
    writeln!(x.wfile(), "id: {id}")?;
    x.query().iter().filter(|(name, _)| name == "q").try_for_each(|(_, value)| writeln!(x.wfile(), "q: {value}"))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Routes).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
