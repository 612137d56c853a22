//! Counts visits in a cookie: `curl -b jar -c jar 127.0.0.1:8000`.

use std::io::{self, Write};

use serve_forever::HttpServer;
use serve_forever::handler::{Cookie, Exchange, RequestHandler};

struct Visits;

impl RequestHandler for Visits {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let before: u64 = x.cookies().get("visits").and_then(|value| value.parse().ok()).unwrap_or(0);
        let visits = before.saturating_add(1);
        x.set_cookie(Cookie::build(("visits", visits.to_string())).path("/").http_only(true))?;
        for (_, note) in x.query().into_iter().filter(|(name, _)| name == "note").take(1) {
            if x.set_cookie(Cookie::new("note", note)).is_err() {
                return x.send_error(400, Some("That cannot be a cookie"), None);
            }
        }
        x.send_response(200)?;
        x.send_header("Content-Type", "text/plain")?;
        x.end_headers()?;
        writeln!(x.wfile(), "visits: {visits}")
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Visits).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
