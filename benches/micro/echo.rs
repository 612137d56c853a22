//! Measures the cost of the handler API. A closure and a [`RequestHandler`] each echo a value from the head and a body,
//! in a whole server with its log, over a persistent connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serve_forever::HttpServer;
use serve_forever::handler::{Exchange, Handlers, RequestHandler};
use serve_forever::http::{Request, Status};
use serve_forever::log::AccessLog;
use serve_forever::service::{Body, Registrar, Response, Service, Upstream};
use serve_forever::testing::TestServer;

const GET: &[u8] = b"GET /hello%20world HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
const POST: &[u8] = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Length: 16\r\n\r\n0123456789abcdef";

pub fn path_by_closure() -> Box<dyn FnMut()> {
    serve(|request: &Request| plain(request.target().to_vec()), GET, b"/hello%20world")
}

pub fn path_by_handler() -> Box<dyn FnMut()> {
    serve(Handlers::new(|| Echo), GET, b"/hello%20world")
}

/// A closure does not get the body, so it returns an upstream that does.
pub fn body_by_upstream() -> Box<dyn FnMut()> {
    serve(|_: &Request| Box::new(Gather::default()), POST, b"0123456789abcdef")
}

pub fn body_by_handler() -> Box<dyn FnMut()> {
    serve(Handlers::new(|| Echo), POST, b"0123456789abcdef")
}

/// A client of a server on another thread. Each round is a request and its response.
fn serve(service: impl Service + Send + 'static, request: &'static [u8], body: &'static [u8]) -> Box<dyn FnMut()> {
    let folder = tempfile::tempdir().unwrap();
    let log = AccessLog::file(folder.path().join("log")).unwrap();
    let server = TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(log));
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.set_nodelay(true).unwrap();
    let mut answer = [0; 1024];
    Box::new(move || {
        let _log = &folder;
        let _until_the_end = &server;
        client.write_all(request).unwrap();
        let count = client.read(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer[..count].ends_with(body));
    })
}

fn plain(body: Vec<u8>) -> Response {
    let response = Response::new(Status::OK).header("Content-Type", "text/plain").unwrap();
    response.body(Body::Bytes(body.into()))
}

struct Echo;

impl Echo {
    fn answer(x: &Exchange<'_>, body: &[u8]) -> io::Result<()> {
        x.send_response(200)?;
        x.send_header("Content-Type", "text/plain")?;
        x.end_headers()?;
        x.wfile().write_all(body)
    }
}

impl RequestHandler for Echo {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        Echo::answer(x, x.request().target())
    }

    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        let mut body = Vec::new();
        x.rfile().read_to_end(&mut body)?;
        Echo::answer(x, &body)
    }
}

/// The same service as a handler, without a separate stack.
#[derive(Default)]
struct Gather {
    body: Vec<u8>,
    ended: bool,
}

impl Upstream for Gather {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        self.body.extend_from_slice(body);
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(self.ended.then(|| plain(std::mem::take(&mut self.body))))
    }
}
