//! A gateway: asks several servers at once and joins their responses. `gateway 127.0.0.1:8000 127.0.0.1:9001 127.0.0.1:9002`

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};
use serve_forever::HttpServer;
use serve_forever::client::{Error, HttpConnection};
use serve_forever::handler::{Exchange, OutgoingConnector, RequestHandler};

/// The addresses of the servers.
struct Gateway(Vec<String>);

impl RequestHandler for Gateway {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        // Sending a request does not wait for its response, so all servers work at the same time.
        let asked: Vec<_> = self.0.iter().map(|server| ask(x, server)).collect();
        let mut answers = Map::new();
        for (server, connection) in self.0.iter().zip(asked) {
            let answer = connection.and_then(|mut connection| {
                let mut response = connection.getresponse()?;
                Ok((response.status(), response.read_all()?))
            });
            // A server that fails costs its own part only.
            answers.insert(
                server.clone(),
                match answer {
                    Ok((status, body)) => json!({ "status": status.code(), "body": String::from_utf8_lossy(&body) }),
                    Err(error) => json!({ "error": error.name() }),
                },
            );
        }
        x.send_response(200)?;
        x.send_header("Content-Type", "application/json")?;
        x.end_headers()?;
        writeln!(x.wfile(), "{}", Value::from(answers))
    }
}

/// A connection to a server that has been sent the request.
fn ask<'x>(x: &'x Exchange<'_>, server: &str) -> Result<HttpConnection<OutgoingConnector<'x>>, Error> {
    let mut connection = x.connect(server)?.timeout(Duration::from_secs(10));
    connection.request("GET", x.path(), (), &[])?;
    Ok(connection)
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let servers: Vec<_> = arguments.collect();
    let mut server = HttpServer::bind(address)?.handler(move || Gateway(servers.clone())).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
