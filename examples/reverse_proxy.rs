//! A reverse proxy: passes every request to one server, and the response back. Both bodies are streamed at the pace of
//! the slower side, the connections to the server are kept for later requests, and WebSockets pass through.
//! `reverse_proxy 127.0.0.1:8000 127.0.0.1:9000`

use std::io;
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::client::{Error, RequestBody};
use serve_forever::handler::{Exchange, Handlers, HttpError, RequestHandler};
use serve_forever::http::{BodyLength, Status};

/// The URL of the server, without a path.
struct Proxy(String);

impl RequestHandler for Proxy {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let mut headers = x.headers().end_to_end();
        headers.set("X-Forwarded-For", forwarded_for(x))?;
        headers.set("X-Forwarded-Proto", x.request().scheme())?;
        headers.add("Via", "1.1 reverse_proxy")?;
        // The host of an absolute-form target takes precedence over the `Host` field (RFC 9112 section 3.2.2).
        if let Some(authority) = x.request().authority().filter(|authority| headers.get("Host") != Some(authority)) {
            headers.set("Host", authority)?;
        }
        let protocol = wanted_protocol(x);
        if let Some(protocol) = &protocol {
            headers.add("Connection", "Upgrade")?;
            headers.add("Upgrade", protocol)?;
        }
        let mut input = x.rfile();
        let body = match x.request().body_length() {
            BodyLength::None | BodyLength::Known(0) => RequestBody::Empty,
            BodyLength::Known(length) => RequestBody::Sized(length, &mut input),
            BodyLength::Chunked => RequestBody::Reader(&mut input),
        };
        // If the server fails, the response is 502, or 504 if the server takes too long.
        let upstream = x.pool().connection(&self.0).map_err(HttpError::from)?;
        let mut response =
            upstream.fetch_with(x.command(), &x.request().origin_form(), body, &headers).map_err(HttpError::from)?;
        // A client that reads a short response slowly does not occupy a connection to the server.
        response.read_ahead(64 * 1024).map_err(HttpError::from)?;
        let is_upgrade = response.status() == Status::SWITCHING_PROTOCOLS;
        if !is_upgrade {
            x.send_response(response.status())?;
        }
        x.send_headers(&response.headers().end_to_end())?;
        if is_upgrade {
            let (server, early) = response.into_upgraded().ok_or(HttpError::new(502))?;
            return x.upgrade(&protocol.ok_or(HttpError::new(502))?)?.relay(server, &early);
        }
        x.end_headers()?;
        response.copy_to(&mut x.wfile()).map_err(|error| HttpError::from(Error::from(error)))?;
        Ok(())
    }
}

/// The value of `X-Forwarded-For`: that of the client, if it sent one, and the address of the client after it, as nginx's
/// `$proxy_add_x_forwarded_for`. A client can send any addresses, so the server must trust only the last one.
fn forwarded_for(x: &Exchange<'_>) -> Vec<u8> {
    let address = x.client_address().ip().to_string();
    let addresses: Vec<&[u8]> = x.headers().get_all("X-Forwarded-For").chain([address.as_bytes()]).collect();
    addresses.join(&b", "[..])
}

/// The protocol that the client wants to change to, such as `websocket`.
fn wanted_protocol(x: &Exchange<'_>) -> Option<String> {
    let protocol = std::str::from_utf8(x.headers().get("Upgrade")?).ok()?;
    x.request().asks_for_upgrade(protocol).then(|| protocol.to_owned())
}

fn main() -> io::Result<()> {
    let mut addresses = std::env::args().skip(1);
    let address = addresses.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let upstream = addresses.next().unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    // A slow client occupies its handler and, if the response is long, a connection to the server.
    let handlers = Handlers::new(move || Proxy(format!("http://{upstream}")))
        .most(10_000)
        .outgoing(10_000)
        .pool(|pool| pool.connection.timeout = Some(Duration::from_secs(30)));
    let mut server = HttpServer::bind(address)?.service(handlers).stop_on_termination()?;
    println!("listening on {}", server.server_address());
    server.serve_forever().map(drop)
}
