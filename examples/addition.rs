//! Adds two numbers: `curl -X GET -d '{"val_a": 2, "val_b": 3}' 127.0.0.1:8000`.

use std::io;

use serde_json::{Value, json};
use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, HttpError, RequestHandler};
use serve_forever::http::BodyLength;
use serve_forever::service::Response;

struct Adder;

impl RequestHandler for Adder {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        if x.request().body_length() == BodyLength::None {
            return x.error(411);
        }
        x.limit_body(64 * 1024)?;
        let pair: Value = serde_json::from_reader(x.rfile()).map_err(refuse)?;
        x.respond(Response::json(json!({"sum": sum(&pair["val_a"], &pair["val_b"])?})))
    }
}

fn sum(a: &Value, b: &Value) -> Result<Value, HttpError> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Ok(a.checked_add(b).map_or_else(|| json!(a as f64 + b as f64), |sum| json!(sum)));
    }
    let number = |value: &Value| value.as_f64().ok_or_else(|| HttpError::new(422));
    Ok(json!(number(a)? + number(b)?))
}

/// If reading the body fails, returns the error unchanged. If the body is not JSON, the response is 422.
fn refuse(error: serde_json::Error) -> io::Error {
    if error.is_io() { error.into() } else { HttpError::new(422).into() }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let mut server = HttpServer::bind(address)?.handler(|| Adder).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
