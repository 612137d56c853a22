//! The effects of the limits on connections, memory, time, and the grace period of a run, tested over real sockets with
//! limits that are small enough to reach.

#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::client::{Client, SAFETY};
use serve_forever::Limits;
use serve_forever::http::{Request, Status};
use serve_forever::log::{AccessLog, LogFormat};
use serve_forever::service::{Body, Registrar, Reply, Response, Source, Upstream};
use serve_forever::{HttpServer, ListenOptions, Stopped, Stopper};

/// A server on a separate thread.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
}

impl Running {
    fn with(limits: Limits, configure: impl FnOnce(HttpServer) -> HttpServer) -> Running {
        // Without `defer_accept`: a connection must be accepted although its client has sent nothing.
        let listener = ListenOptions::default().bind("127.0.0.1:0").unwrap();
        let server = HttpServer::from_listeners(vec![listener]).unwrap();
        let mut server = configure(server.service(service).limits(limits).log(AccessLog::off()));
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = Some(thread::spawn(move || server.serve_forever()));
        Running { address, stopper, thread }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    fn join(&mut self) {
        assert_eq!(self.thread.take().unwrap().join().unwrap().unwrap(), Stopped::ByStopper);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop_now();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn service(request: &Request) -> Reply {
    match request.path() {
        b"/never" => Reply::Later(Box::new(Never)),
        b"/at-once" => Reply::Later(Box::new(AtOnce { begun: false, fed: Rc::default() })),
        b"/cut" => {
            let cut = Response::new(Status::OK).header("Content-Length", "10").unwrap();
            cut.body(Body::Stream(Box::new(Cut(b"four")))).into()
        }
        b"/large" => Response::text("x".repeat(LARGE)).close().into(),
        _ => Response::text("hello").into(),
    }
}

/// The size of a body that no socket buffer can hold.
const LARGE: usize = 32 * 1024 * 1024;

/// A body that fails after this number of bytes.
struct Cut(&'static [u8]);

impl Source for Cut {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match std::mem::take(&mut self.0) {
            b"" => Err(io::ErrorKind::Other.into()),
            some => (&mut &*some).read(buf),
        }
    }
}

/// An echo that wants the request body only after its first `poll`, which returns the response already.
struct AtOnce {
    begun: bool,
    fed: Rc<RefCell<VecDeque<u8>>>,
}

impl Upstream for AtOnce {
    fn wants_body(&self) -> bool {
        self.begun
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        self.fed.borrow_mut().extend(body);
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.begun = true;
        let response = Response::new(Status::OK).header("Content-Length", "4").unwrap();
        Ok(Some(response.body(Body::Stream(Box::new(Fed(Rc::clone(&self.fed)))))))
    }
}

struct Fed(Rc<RefCell<VecDeque<u8>>>);

impl Source for Fed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

/// An upstream that reads any body and never responds.
struct Never;

impl Upstream for Never {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(None)
    }
}

#[test]
fn in_a_full_table_the_connection_that_was_idle_longest_is_closed() {
    let running = Running::with(Limits { connections: Some(3), ..Limits::default() }, |server| server);
    let mut clients = [running.connect(), running.connect(), running.connect()];
    for client in &mut clients {
        client.get("/");
    }
    let mut fourth = running.connect();
    assert!(fourth.get("/").status() == 200);
    assert_eq!(clients[0].text(), "", "the connection that was idle longest is closed");
    assert!(fourth.get("/").status() == 200, "the new connection stays");
}

#[test]
fn in_a_full_table_idle_connections_stay_while_none_is_pending() {
    let running = Running::with(Limits { connections: Some(2), ..Limits::default() }, |server| server);
    let mut clients = [running.connect(), running.connect()];
    for _ in 0..3 {
        for client in &mut clients {
            assert!(client.get("/").status() == 200);
        }
    }
}

#[test]
fn in_a_full_table_a_busy_connection_is_not_closed() {
    let limits = Limits { connections: Some(1), ..Limits::default() };
    let running = Running::with(limits, |server| server);
    let mut busy = running.connect();
    busy.say("GET / HTTP/1.1\r\nHo");
    let mut waiting = running.connect();
    waiting.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    busy.say("st: h\r\nConnection: close\r\n\r\n");
    assert!(busy.text().ends_with("hello"));
    assert!(waiting.text().ends_with("hello"), "the pending connection is accepted later");
}

/// The table is full of clients that do not read. No other event occurs until the loop finds them stalled.
#[test]
fn in_a_full_table_a_stalled_reader_is_closed_for_a_pending_connection() {
    let limits = Limits { connections: Some(2), stall_timeout: Duration::from_millis(20), ..Limits::default() };
    let running = Running::with(limits, |server| server);
    let (mut first, mut second) = (running.connect(), running.connect());
    first.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    second.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(running.connect().get("/").status() == 200, "a stalled reader was closed for the new connection");
    assert!(first.text().len() < LARGE || second.text().len() < LARGE);
}

/// A stalled reader is closed only when room is short.
#[test]
fn a_stalled_reader_is_not_closed_while_the_table_has_room() {
    let limits = Limits { connections: Some(100), stall_timeout: Duration::from_millis(1), ..Limits::default() };
    let running = Running::with(limits, |server| server);
    let mut stalled = running.connect();
    stalled.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..200 {
        running.connect().get("/");
    }
    assert!(stalled.text().len() > LARGE, "the whole body and a head arrive");
}

#[test]
fn connections_of_one_address_are_limited() {
    let running = Running::with(Limits { connections_per_peer: Some(2), ..Limits::default() }, |server| server);
    let (mut first, mut second) = (running.connect(), running.connect());
    first.get("/");
    second.get("/");
    assert_eq!(running.connect().text(), "", "closed without a byte");
    second.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    second.text();
    assert!(running.connect().get("/").status() == 200, "the closed connection is not counted any more");
}

#[test]
fn the_buffers_of_all_connections_are_limited() {
    let running = Running::with(Limits { buffers: 64 * 1024, ..Limits::default() }, |server| server);
    let half = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(40_000));
    let (mut first, mut second) = (running.connect(), running.connect());
    first.say(&half);
    first.say(&"y".repeat(1000));
    // The order in which the server reads the two does not matter: their buffers do not fit together.
    second.say(&half);
    let ended = thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        for client in [&first, &second] {
            let (sender, mut stream) = (sender.clone(), client.stream.try_clone().unwrap());
            scope.spawn(move || _ = sender.send(stream.read(&mut [0; 10]).unwrap_or(0)));
        }
        let ended = receiver.recv_timeout(SAFETY);
        for client in [&first, &second] {
            _ = client.stream.shutdown(std::net::Shutdown::Both);
        }
        ended
    });
    assert_eq!(ended, Ok(0), "one of the two is closed without a response");
    assert!(running.connect().get("/").status() == 200, "the memory of the closed connection is free again");
}

#[test]
fn an_upstream_that_never_responds_is_a_504() {
    let limits = Limits { answer_timeout: Duration::from_millis(20), ..Limits::default() };
    let running = Running::with(limits, |server| server);
    let mut client = running.connect();
    client.say("POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    let answer = client.text();
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{answer}");
}

#[test]
fn idle_connections_are_closed_when_the_run_ends() {
    let mut running = Running::with(Limits::default(), |server| server);
    let mut idle = running.connect();
    idle.get("/");
    running.stopper.stop();
    assert_eq!(idle.text(), "");
    running.join();
}

#[test]
fn during_the_last_call_an_idle_connection_gets_one_more_response() {
    let limits = Limits { last_call: SAFETY, grace: SAFETY, ..Limits::default() };
    let mut running = Running::with(limits, |server| server.release_on_drain(true));
    let mut idle = running.connect();
    idle.get("/");
    running.stopper.stop();
    // The listener is released when the drain begins, so the address can then be bound again.
    let again = (0..1_000_000).find_map(|_| TcpListener::bind(running.address).ok());
    assert!(again.is_some(), "the listener was released");
    let answer = idle.get("/");
    assert_eq!(answer.field("Connection"), Some("close"), "{answer:?}");
    assert_eq!(idle.text(), "");
    running.join();
}

#[test]
fn connections_pending_before_a_stop_are_served() {
    // The loop is kept busy until three connections are pending and a stop is requested.
    let (begin, began) = std::sync::mpsc::channel::<()>();
    let began = std::sync::Mutex::new(began);
    let limits = Limits { grace: SAFETY, ..Limits::default() };
    let mut running = Running::with(limits, |server| {
        server.service(move |request: &Request| {
            if request.path() == b"/block" {
                _ = began.lock().unwrap().recv_timeout(SAFETY);
            }
            Response::text("hello")
        })
    });
    let mut blocker = running.connect();
    blocker.say("GET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let mut waiting = [running.connect(), running.connect(), running.connect()];
    for client in &mut waiting {
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    running.stopper.stop();
    begin.send(()).unwrap();
    assert!(blocker.text().ends_with("hello"));
    for client in &mut waiting {
        let answer = client.text();
        assert!(answer.ends_with("hello"), "{answer:?}");
    }
    running.join();
}

/// The log of a response that is cut short.
fn log_of_a_cut(format: LogFormat) -> String {
    let (mut reader, writer) = io::pipe().unwrap();
    let log = AccessLog::to(writer.into()).format(format);
    let mut running = Running::with(Limits::default(), |server| server.log(log));
    let mut client = running.connect();
    client.say("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.text().ends_with("\r\n\r\nfour"), "the bytes before the cut arrive");
    running.stopper.stop();
    running.join();
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    log
}

#[test]
fn a_response_that_is_cut_short_is_logged_with_the_bytes_sent() {
    let log = log_of_a_cut(LogFormat::Python);
    assert!(log.contains("] cut after 4 bytes: response cut short\n"), "{log}");
    assert!(log.ends_with("\"GET /cut HTTP/1.1\" 200 4\n") && log.lines().count() == 2, "{log}");
    let log = log_of_a_cut(LogFormat::Json);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("\"bytes\":4,") && log.ends_with(",\"cut\":\"response cut short\"}\n"), "{log}");
}

#[test]
fn an_upstream_that_responds_at_once_still_receives_the_body() {
    let running = Running::with(Limits::default(), |server| server);
    let mut client = running.connect();
    client.say("POST /at-once HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut go_on = [0; 25];
    client.stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.say("bodyGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let rest = client.text();
    assert!(rest.contains("\r\n\r\nbodyHTTP/1.1 200") && rest.ends_with("hello"), "{rest}");
}
