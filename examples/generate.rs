//! Sends a long response that is generated while it is sent: `curl -o /dev/null 127.0.0.1:8000/?bytes=1000000000`.

use std::io::{self, Read};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

/// Endless bytes, of which number `i` is `i % 251`.
struct Pattern(u8);

impl Read for Pattern {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buf {
            *byte = self.0;
            self.0 = (self.0 + 1) % 251;
        }
        Ok(buf.len())
    }
}

struct Generator;

impl RequestHandler for Generator {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let query = x.query();
        let asked = query.iter().find(|(name, _)| name == "bytes").map(|(_, value)| value.parse());
        let Ok(bytes) = asked.unwrap_or(Ok(1 << 30)) else {
            return x.send_error(400, Some("bytes is no number"), None);
        };
        x.send_response(200)?;
        x.send_header("Content-Type", "application/octet-stream")?;
        x.end_headers()?;
        io::copy(&mut Pattern(0).take(bytes), &mut x.wfile()).map(drop)
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Generator).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
