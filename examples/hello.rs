//! Serves one page: `curl 127.0.0.1:8000`.

use std::io::{self, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Hello;

const PAGE: &[u8] = b"<!DOCTYPE html><title>Hello</title><h1>Hello, world!</h1>\n";

impl RequestHandler for Hello {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        match (x.url_path()?.to_string().as_str(), x.command()) {
            ("/", "GET" | "HEAD") => {
                x.send_response(200)?;
                x.send_header("Content-Type", "text/html; charset=utf-8")?;
                x.end_headers()?;
                x.wfile().write_all(PAGE)
            }
            ("/", _) => {
                x.send_header("Allow", "GET, HEAD")?;
                x.error(405)
            }
            _ => x.send_error(404, Some("File not found"), None),
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Hello).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
