//! Sends every line back, over TCP: `nc 127.0.0.1 8000`.

use std::io::{self, BufRead, Read, Write};

use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};

/// The longest line that is served, in bytes.
const LONGEST: u64 = 64 * 1024;

struct Echo;

impl StreamRequestHandler for Echo {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        let (mut lines, mut line) = (x.rfile(), Vec::new());
        loop {
            line.clear();
            let count = lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
            if count == 0 || (count as u64 == LONGEST && !line.ends_with(b"\n")) {
                return Ok(());
            }
            x.wfile().write_all(&line)?;
        }
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = TcpServer::bind(address)?.handler(|| Echo).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
