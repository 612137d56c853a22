//! Sends every datagram back in upper case: `nc -u 127.0.0.1 8000`.

use std::io::{self, Write};

use serve_forever::socketserver::{DatagramRequest, DatagramRequestHandler, UdpServer};

struct Upper;

impl DatagramRequestHandler for Upper {
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> io::Result<()> {
        // A truncated response would look complete.
        if x.is_truncated() {
            return Ok(());
        }
        x.wfile().write_all(&x.packet().to_ascii_uppercase())
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = UdpServer::bind(address)?.handler(|| Upper).max_packet_size(65_535).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
