//! Sends the request body back: `curl -d hello 127.0.0.1:8000`.

use std::io::{self, Read, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Echo;

impl RequestHandler for Echo {
    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        // The whole body is read first, because many clients do not read the response before they have sent everything.
        x.limit_body(64 * 1024 * 1024)?;
        let mut body = Vec::new();
        x.rfile().read_to_end(&mut body)?;
        x.send_response(200)?;
        x.send_header("Content-Type", x.headers().get("Content-Type").unwrap_or(b"application/octet-stream"))?;
        x.send_header("Content-Length", body.len())?;
        x.end_headers()?;
        x.wfile().write_all(&body)
    }

    fn handle_expect_100(&mut self, x: &mut Exchange<'_>) -> io::Result<bool> {
        if x.url_path()?.to_string() == "/reject" {
            x.error(417)?;
            return Ok(false);
        }
        Ok(true)
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Echo).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
