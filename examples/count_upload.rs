//! Counts the bytes of an upload: `curl -T FILE -X POST 127.0.0.1:8000`.

use std::io::{self, BufRead, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Counter;

impl RequestHandler for Counter {
    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.limit_body(16 << 30)?;
        let (mut bytes, mut chunks, mut body) = (0_u64, 0_u64, x.rfile());
        loop {
            let count = body.fill_buf()?.len();
            if count == 0 {
                break;
            }
            body.consume(count);
            bytes += count as u64;
            chunks += 1;
        }
        x.send_response(200)?;
        x.send_header("Content-Type", "application/json")?;
        x.end_headers()?;
        writeln!(x.wfile(), "{{\"bytes\": {bytes}, \"chunks\": {chunks}}}")
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Counter).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
