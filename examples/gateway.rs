//! A gateway: sends requests to several servers at the same time and joins their responses. `gateway 127.0.0.1:8000
//! 127.0.0.1:9001 127.0.0.1:9002`

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};
use serve_forever::HttpServer;
use serve_forever::client::{Error, PooledConnection};
use serve_forever::handler::{Exchange, Handlers, OutgoingConnector, RequestHandler};
use serve_forever::http::Status;

/// The addresses of the servers.
struct Gateway(Vec<String>);

impl RequestHandler for Gateway {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        // Sending a request does not wait for its response, so all servers work at the same time.
        let asked: Vec<_> = self.0.iter().map(|server| ask(x, server)).collect();
        let mut answers = Map::new();
        for (server, connection) in self.0.iter().zip(asked) {
            let answer = connection.and_then(|connection| receive(x, server, connection));
            // If a server fails, only its part of the response is missing.
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

/// A connection over which the request has been sent.
fn ask<'x>(x: &'x Exchange<'_>, server: &str) -> Result<PooledConnection<OutgoingConnector<'x>>, Error> {
    let mut connection = x.pool().connection(&format!("http://{server}"))?;
    connection.request("GET", x.path(), (), &[])?;
    Ok(connection)
}

/// The status and the body of its response.
fn receive(
    x: &Exchange<'_>,
    server: &str,
    mut connection: PooledConnection<OutgoingConnector<'_>>,
) -> Result<(Status, Vec<u8>), Error> {
    match connection.getresponse() {
        Ok(mut response) => Ok((response.status(), response.read_all()?)),
        // The server may have closed an idle connection before the request arrived.
        Err(_) if connection.was_used() => {
            drop(connection);
            let mut response = x.fetch("GET", &format!("http://{server}{}", x.path()), (), &[])?;
            Ok((response.status(), response.read_all()?))
        }
        Err(error) => Err(error),
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let servers: Vec<_> = arguments.collect();
    let handlers = Handlers::new(move || Gateway(servers.clone()))
        .pool(|pool| pool.connection.timeout = Some(Duration::from_secs(10)));
    let mut server = HttpServer::bind(address)?.service(handlers).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
