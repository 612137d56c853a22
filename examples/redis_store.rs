//! Serves the keys of a Redis server as resources that GET reads, PUT writes and DELETE removes. The crate `resp` reads
//! and writes the protocol of Redis in blocking style; only the handler waits.
//! `redis_store 127.0.0.1:8000 127.0.0.1:6379`

use std::io::{self, BufReader, Read, Write};
use std::time::Duration;

use resp::{Decoder, Value};
use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, HttpError, RequestHandler};

/// The address of the Redis server.
struct Store(String);

impl Store {
    /// Sends a command for the key that the path names, and returns the reply.
    fn ask(&self, x: &Exchange<'_>, command: &str, rest: Option<Vec<u8>>) -> io::Result<Value> {
        let words = [command.as_bytes().to_vec(), x.path().as_bytes()[1..].to_vec()].into_iter().chain(rest);
        let request = Value::Array(words.map(Value::BufBulk).collect()).encode();
        let exchange = || {
            let mut server = x.connect_tcp(&self.0, Some(Duration::from_secs(10)))?;
            server.write_all(&request)?;
            Decoder::with_buf_bulk(BufReader::new(server)).decode()
        };
        match exchange() {
            Ok(Value::Error(_)) | Err(_) => Err(HttpError::new(502).into()),
            reply => reply,
        }
    }
}

impl RequestHandler for Store {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let Value::BufBulk(value) = self.ask(x, "GET", None)? else { return Err(HttpError::new(404).into()) };
        x.send_response(200)?;
        x.send_header("Content-Type", "application/octet-stream")?;
        x.send_header("Content-Length", value.len())?;
        x.end_headers()?;
        x.wfile().write_all(&value)
    }

    fn do_put(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let mut value = Vec::new();
        x.rfile().read_to_end(&mut value)?;
        self.ask(x, "SET", Some(value))?;
        x.send_response(204)?;
        x.end_headers()
    }

    fn do_delete(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let is_gone = self.ask(x, "DEL", None)? == Value::Integer(0);
        x.send_response(if is_gone { 404 } else { 204 })?;
        x.end_headers()
    }
}

fn main() -> io::Result<()> {
    let mut addresses = std::env::args().skip(1);
    let address = addresses.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let redis = addresses.next().unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let mut server = HttpServer::bind(address)?.handler(move || Store(redis.clone())).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
