//! Sends a slow response, during which other clients are served: `curl 127.0.0.1:8000/slow`.

use std::io::{self, Write};
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, RequestHandler};

struct Deferred;

impl RequestHandler for Deferred {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let text = match x.url_path()?.to_string().as_str() {
            "/slow" => {
                x.sleep(Duration::from_secs(2))?;
                "slow, but here\n"
            }
            "/fast" => "fast\n",
            _ => return x.error(404),
        };
        x.send_response(200)?;
        x.send_header("Content-Type", "text/plain")?;
        x.end_headers()?;
        x.wfile().write_all(text.as_bytes())
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Deferred).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
