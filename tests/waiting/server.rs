//! Servers whose handlers are closures.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use serve_forever::handler::{Exchange, Handlers, RequestHandler};
use serve_forever::log::AccessLog;
use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};
use serve_forever::testing::TestServer;
use serve_forever::{HttpServer, Stopper};

pub use crate::common::client::{Client, SAFETY};

/// A handler that calls a closure.
pub struct Does<F>(F);

impl<F: FnMut(&mut Exchange<'_>) -> io::Result<()>> RequestHandler for Does<F> {
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        (self.0)(x)
    }
}

impl<F: FnMut(&mut StreamRequest<'_>) -> io::Result<()>> StreamRequestHandler for Does<F> {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        (self.0)(x)
    }
}

/// A service that calls a closure for every request.
pub fn handlers<F>(handle: F) -> Handlers<impl Fn() -> Does<F>>
where
    F: FnMut(&mut Exchange<'_>) -> io::Result<()> + Clone + Send + 'static,
{
    Handlers::new(move || Does(handle.clone())).slow_after(Duration::MAX)
}

/// A server with [`handlers`].
pub fn http<F>(handle: F) -> HttpServer
where
    F: FnMut(&mut Exchange<'_>) -> io::Result<()> + Clone + Send + 'static,
{
    HttpServer::bind("127.0.0.1:0").unwrap().service(handlers(handle)).log(AccessLog::off())
}

/// Starts the server of [`http`].
pub fn start<F>(handle: F) -> TestServer
where
    F: FnMut(&mut Exchange<'_>) -> io::Result<()> + Clone + Send + 'static,
{
    TestServer::start(http(handle))
}

/// A running raw server, which stops when this is dropped.
pub struct RawServer {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl RawServer {
    /// A server that calls a closure for every connection.
    pub fn start<F>(handle: F) -> RawServer
    where
        F: FnMut(&mut StreamRequest<'_>) -> io::Result<()> + Clone + Send + 'static,
    {
        let server = TcpServer::bind("127.0.0.1:0").unwrap().handler(move || Does(handle.clone()));
        let mut server = server.log(AccessLog::off());
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = std::thread::spawn(move || _ = server.serve_forever().unwrap());
        RawServer { address, stopper, thread: Some(thread) }
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stopper.stop_now();
        _ = self.thread.take().unwrap().join();
    }
}

/// A handler's response of one text.
pub fn respond(x: &Exchange<'_>, text: &str) -> io::Result<()> {
    x.send_response(200)?;
    x.send_header("Content-Length", text.len())?;
    x.end_headers()?;
    x.wfile().write_all(text.as_bytes())
}

/// The body of the next response.
pub fn body(client: &mut Client) -> String {
    String::from_utf8(client.answer().body).unwrap()
}

/// The rest of the client's input as text.
pub fn rest(client: &mut Client) -> String {
    String::from_utf8(client.rest()).unwrap()
}

/// Sends a request and does not wait for its response.
pub fn send_get(client: &mut Client, target: &str) {
    client.say(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
}

pub fn get(client: &mut Client, target: &str) -> String {
    send_get(client, target);
    body(client)
}
