//! The library's server on real sockets: its listeners, its stops, and clients that misbehave.
//!
//! `tests/narrow.rs` runs all of these tests again, with a server that reads and writes one byte per turn.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::client::{Client, HELLO, SAFETY};
use common::service::{TestService, pattern};
use serve_forever::Limits;
use serve_forever::handler::{Exchange, RequestHandler};
use serve_forever::http::{Request, Status};
use serve_forever::log::{AccessLog, LogFormat};
use serve_forever::service::{Body, Reply, Response, Service};
use serve_forever::{HttpServer, ListenOptions, Pace, Served, Stopped, Stopper};

/// A server that runs on a separate thread until the end of the test.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
}

impl Running {
    fn new(server: HttpServer) -> Running {
        let mut server = server.pace(pace());
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = Some(thread::spawn(move || server.serve_forever()));
        Running { address, stopper, thread }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits for the end of the run.
    fn join(&mut self) -> Stopped {
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop_now();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the server panicked");
        }
    }
}

/// True if this file is a module of `tests/narrow.rs`.
fn is_narrow() -> bool {
    module_path!().starts_with("narrow")
}

/// The pace of the servers of this file.
fn pace() -> Pace {
    let limit = NonZeroUsize::new(1).filter(|_| is_narrow());
    Pace { max_read: limit, max_write: limit, ..Pace::default() }
}

/// A large size, or a smaller one if the server reads and writes one byte per turn.
fn scaled(size: usize) -> usize {
    if is_narrow() { size / 400 } else { size }
}

fn bind() -> HttpServer {
    HttpServer::bind("127.0.0.1:0").unwrap().service(TestService).log(AccessLog::off()).pace(pace())
}

fn serve() -> Running {
    Running::new(bind())
}

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

// Listeners.

#[test]
fn port_0_is_a_real_port() {
    let server = serve();
    assert_ne!(server.address.port(), 0);
    assert_eq!(server.client().get("/").body, b"hello\n");
}

#[test]
fn several_addresses_are_served() {
    let server = HttpServer::bind_all(&[local(), local()]).unwrap().service(TestService).log(AccessLog::off());
    let addresses = server.server_addresses();
    assert_eq!(addresses.len(), 2);
    assert_eq!(server.server_address(), addresses[0]);
    let _running = Running::new(server);
    for address in addresses {
        assert_eq!(Client::connect(address).get("/").status(), 200, "{address}");
    }
}

#[test]
fn if_one_of_several_addresses_cannot_be_bound_none_stays_bound() {
    let taken = TcpListener::bind(local()).unwrap();
    let free = TcpListener::bind(local()).unwrap().local_addr().unwrap();
    let error = HttpServer::bind_all(&[free, taken.local_addr().unwrap()]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
    TcpListener::bind(free).expect("nothing stays bound");
}

#[test]
fn a_server_serves_on_a_listener_that_was_bound_before() {
    let listener = TcpListener::bind(local()).unwrap();
    let address = listener.local_addr().unwrap();
    // The listener is bound before the server is made, so this client waits in the backlog.
    let mut early = Client::connect(address);
    early.say(HELLO);
    let server = HttpServer::from_listeners(vec![listener]).unwrap().service(TestService).log(AccessLog::off());
    let _running = Running::new(server);
    assert_eq!(early.answer().body, b"hello\n");
    assert!(HttpServer::from_listeners(Vec::new()).is_err());
}

#[test]
fn listeners_are_bound_with_their_options() {
    let shared = ListenOptions { reuse_port: true, backlog: 3, ..ListenOptions::default() };
    let first = shared.bind(local()).unwrap();
    let second = shared.bind(first.local_addr().unwrap()).expect("two sockets share a port");
    let socket = socket2::SockRef::from(&second);
    assert!(socket.reuse_port().unwrap() && socket.reuse_address().unwrap());
    let alone = ListenOptions { reuse_address: false, ..ListenOptions::default() }.bind(local()).unwrap();
    let socket = socket2::SockRef::from(&alone);
    assert!(!socket.reuse_port().unwrap() && !socket.reuse_address().unwrap());
    let error = ListenOptions::default().bind(alone.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// Connections wait in the backlog until they are accepted. With a backlog of 5, as in Python, the kernel would drop
/// the handshakes of the others.
#[test]
#[cfg(target_os = "linux")]
fn a_burst_of_connections_fits_into_the_backlog() {
    let listener = ListenOptions::default().bind(local()).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect_timeout(&address, SAFETY).expect("room in the backlog")).collect();
    let accepted = waiting.iter().filter(|_| listener.accept().is_ok()).count();
    assert_eq!(accepted, waiting.len());
}

#[test]
fn a_client_refused_by_verify_request_is_closed_without_a_byte() {
    let port = Arc::new(AtomicUsize::new(0));
    let wanted = Arc::clone(&port);
    let server = bind().verify_request(move |peer| usize::from(peer.port()) == wanted.load(Ordering::SeqCst));
    let server = Running::new(server);
    assert!(server.client().is_closed());
    // The predicate must know the port before the connection arrives, so the socket is bound before it connects.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&local().into()).unwrap();
    port.store(socket.local_addr().unwrap().as_socket().unwrap().port().into(), Ordering::SeqCst);
    socket.connect(&server.address.into()).unwrap();
    let mut client = Client::on(socket.into());
    assert_eq!(client.get("/").status(), 200);
}

#[test]
fn an_ipv4_client_of_a_dual_stack_server_has_its_ipv4_address_everywhere() {
    let Ok(listener) = ListenOptions::http().bind("[::]:0") else { return eprintln!("skipped, there is no IPv6") };
    let (sender, verified) = channel();
    let server = HttpServer::from_listeners(vec![listener]).unwrap().log(AccessLog::off());
    let server = server.limits(Limits { connections_per_peer: Some(1), ..Limits::default() });
    let server = server.service(|request: &Request| Response::text(request.client_address().to_string()));
    let running = Running::new(server.verify_request(move |peer| sender.send(peer).is_ok()));
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, running.address.port()).into());
    let body = String::from_utf8(client.get("/").body).unwrap();
    assert_eq!(verified.recv_timeout(SAFETY).unwrap().to_string(), body);
    assert!(body.starts_with("127.0.0.1:"), "{body}");
    let mut second = Client::connect((Ipv4Addr::LOCALHOST, running.address.port()).into());
    second.say(HELLO);
    assert!(second.is_closed(), "connections_per_peer counts it as the same client");
}

#[test]
fn a_mapped_address_of_the_server_is_an_ipv4_address_to_its_services() {
    let Ok(server) = HttpServer::bind("[::ffff:127.0.0.1]:0") else { return eprintln!("skipped, there is no IPv6") };
    let server = server.service(|request: &Request| Response::text(request.server_address().to_string()));
    let running = Running::new(server.log(AccessLog::off()));
    let port = running.address.port();
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port).into());
    assert_eq!(String::from_utf8(client.get("/").body).unwrap(), format!("127.0.0.1:{port}"));
}

#[test]
fn handle_request_serves_one_request_and_closes() {
    let mut server = bind();
    let address = server.server_address();
    let client = thread::spawn(move || {
        let mut client = Client::connect(address);
        let answer = client.get("/");
        (answer.field("Connection").map(str::to_owned), client.rest())
    });
    assert_eq!(server.handle_request(Some(SAFETY)).unwrap(), Served::Request);
    assert_eq!(
        client.join().unwrap(),
        (Some("close".to_owned()), Vec::new()),
        "the connection closes after one response"
    );
}

/// With `defer_accept` the system reports a connection when its client has sent something, or after a second.
#[test]
#[cfg(target_os = "linux")]
fn handle_request_accepts_a_client_that_sends_before_one_that_is_silent() {
    let all = HttpServer::bind_all(&[local()]).unwrap().service(TestService).log(AccessLog::off()).pace(pace());
    for mut server in [bind(), all] {
        let _silent = TcpStream::connect(server.server_address()).unwrap();
        let mut speaking = Client::connect(server.server_address());
        speaking.say(HELLO);
        assert_eq!(server.handle_request(Some(SAFETY)).unwrap(), Served::Request);
        assert_eq!(speaking.answer().body, b"hello\n");
    }
}

#[test]
fn handle_request_times_out_refuses_and_stops() {
    let mut server = bind();
    assert_eq!(server.handle_request(Some(Duration::ZERO)).unwrap(), Served::TimedOut);
    server.stopper().stop();
    assert_eq!(server.handle_request(None).unwrap(), Served::Stopped);
    let mut server = bind().verify_request(|_| false);
    let _client = TcpStream::connect(server.server_address()).unwrap();
    assert_eq!(server.handle_request(Some(SAFETY)).unwrap(), Served::Refused);
}

// Turns of the loop, and stops.

/// A server that reports the end of each turn.
fn counted(configure: impl FnOnce(HttpServer) -> HttpServer) -> (Running, Receiver<()>) {
    let (sender, turns) = channel();
    let server = configure(bind()).service_actions(move || _ = sender.send(()));
    (Running::new(server), turns)
}

#[test]
fn service_actions_are_called_at_every_poll_interval() {
    let (_server, turns) = counted(|server| server.poll_interval(Duration::from_millis(1)));
    for _ in 0..20 {
        turns.recv_timeout(SAFETY).expect("a turn without any client");
    }
}

#[test]
fn an_idle_server_sleeps() {
    let (server, turns) = counted(|server| server);
    let mut client = server.client();
    client.get("/");
    // The turns of this request have ended when the next turn waits for an event that does not occur.
    let over = (0..2000).any(|_| turns.recv_timeout(Duration::from_millis(200)).is_err());
    assert!(over, "the loop does not stop turning although no event occurs");
    assert!(turns.recv_timeout(Duration::from_millis(300)).is_err(), "a turn without an event");
    assert_eq!(client.get("/").status(), 200);
    assert!(turns.recv_timeout(SAFETY).is_ok());
}

#[test]
fn shutdown_from_another_thread_twenty_times_in_a_row() {
    let mut server = bind();
    let address = server.server_address();
    for _ in 0..20 {
        let stopper = server.stopper();
        let client = thread::spawn(move || {
            assert_eq!(Client::connect(address).get("/").status(), 200);
            stopper.shutdown();
        });
        assert_eq!(server.serve_forever().unwrap(), Stopped::ByStopper);
        client.join().unwrap();
    }
}

/// The pipe of the log is full while the server runs. After the run its reader takes a part at a time.
#[test]
#[cfg(target_os = "linux")]
fn the_end_of_a_run_waits_for_the_reader_of_the_log() {
    const COUNT: usize = 1500;
    let (mut reader, mut writer) = io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    while io::Write::write(&mut writer, &[b'.'; 4096]).is_ok() {}
    let mut server = Running::new(bind().log(AccessLog::to(writer.into())));
    let mut client = server.client();
    client.say(&HELLO.repeat(COUNT));
    for _ in 0..COUNT {
        assert_eq!(client.answer().body, b"hello\n");
    }
    server.stopper.stop();
    let log = io::read_to_string(&mut reader).unwrap();
    assert_eq!(server.join(), Stopped::ByStopper);
    assert_eq!(log.matches("\"GET / HTTP/1.1\" 200 6\n").count(), COUNT);
}

#[test]
fn a_stop_before_a_run_ends_the_run_at_once() {
    let mut server = bind();
    server.stopper().stop();
    assert_eq!(server.serve_forever().unwrap(), Stopped::ByStopper);
}

#[test]
fn waiting_for_a_server_that_never_ran_does_not_deadlock() {
    bind().stopper().shutdown();
    bind().stopper().wait();
}

/// A service that can stop its own server.
struct StopsItself(Arc<Mutex<Option<Stopper>>>);

impl Service for StopsItself {
    fn call(&self, _: &Request) -> Reply {
        self.0.lock().unwrap().as_ref().unwrap().shutdown();
        Response::text("bye\n").into()
    }
}

#[test]
fn a_service_may_shut_its_own_server_down() {
    let stopper = Arc::new(Mutex::new(None));
    let server = HttpServer::bind(local()).unwrap().service(StopsItself(Arc::clone(&stopper))).log(AccessLog::off());
    *stopper.lock().unwrap() = Some(server.stopper());
    let mut server = Running::new(server);
    let answer = server.client().get("/");
    assert_eq!((answer.body, server.join()), (b"bye\n".to_vec(), Stopped::ByStopper));
}

#[test]
fn a_stop_lets_a_download_end() {
    let size = scaled(20_000_000);
    let mut server = serve();
    let mut client = server.client();
    client.say(&format!("GET /file?{size} HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    server.stopper.stop();
    assert!(client.exactly(size) == pattern(size).as_bytes(), "the downloaded bytes differ");
    assert!(client.is_closed());
    assert_eq!(server.join(), Stopped::ByStopper);
}

#[test]
fn stop_now_does_not_wait_for_the_grace() {
    let limits = Limits { grace: Duration::from_secs(1000), ..Limits::default() };
    let mut server = Running::new(bind().limits(limits));
    let mut client = server.client();
    client.say("GET /later?1000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    // The server has read this request when it has responded to a client that connected later.
    server.client().get("/");
    server.stopper.stop_now();
    assert_eq!(server.join(), Stopped::ByStopper);
    assert!(client.is_closed());
}

// Many clients, and clients that misbehave.

#[test]
fn many_clients_at_once() {
    let server = serve();
    let mut clients: Vec<Client> = (0..200).map(|_| server.client()).collect();
    for round in 0..3 {
        clients.iter_mut().for_each(|client| _ = client.say(HELLO));
        for client in &mut clients {
            assert_eq!(client.answer().body, b"hello\n", "round {round}");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve();
    let mut client = server.client();
    let requests: String = (0..500).map(|number| format!("GET /bytes?{number} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    client.say(&requests);
    for number in 0..500 {
        assert_eq!(client.answer().body.len(), number);
    }
}

#[test]
fn unfinished_requests_and_a_stalled_reader_do_not_delay_other_clients() {
    let server = serve();
    let _half: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = server.client();
            client.say("GET / HTTP/1.1\r\nHo");
            client
        })
        .collect();
    let mut deaf = server.client();
    deaf.say("GET /file?20000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    deaf.head();
    for _ in 0..50 {
        assert_eq!(server.client().get("/").body, b"hello\n");
    }
}

#[test]
fn echoed_bodies_are_unchanged() {
    let server = serve();
    for size in [0, 1, scaled(65_537), scaled(5_000_000)] {
        let (body, mut client) = (pattern(size), server.client());
        let mut sender = client.stream.try_clone().unwrap();
        let request = format!("POST /stream-echo HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n{body}");
        let sending = thread::spawn(move || io::Write::write_all(&mut sender, request.as_bytes()));
        let answer = client.answer();
        assert!(answer.body == body.as_bytes(), "the echo of {size} bytes differs");
        sending.join().unwrap().unwrap();
        assert_eq!(client.get("/").status(), 200, "the connection persists");
    }
}

#[test]
fn a_file_that_became_shorter_cuts_the_connection() {
    let server = serve();
    let mut client = server.client();
    client.say("GET /truncated?5000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().contains("\r\nContent-Length: 6000\r\n"));
    assert_eq!(client.rest(), pattern(5000).as_bytes());
}

/// The client has sent more than the server reads, and reads nothing until the server has closed. It must still receive
/// every response that was sent before.
#[test]
fn responses_before_a_response_that_is_cut_arrive() {
    for (target, length) in [("/truncated?5000", 5000), ("/short?5000", 4999), ("/broken?5000", 5000)] {
        let (reader, writer) = io::pipe().unwrap();
        let server = Running::new(bind().log(AccessLog::to(writer.into())));
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // The socket buffer is so small that most of the first response waits in the server's buffers.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&server.address.into()).unwrap();
        let mut client = Client::on(socket.into());
        let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        client.say(&(request("/bytes?100000") + &request(target) + &HELLO.repeat(scaled(5000))));
        let mut log = io::BufReader::new(reader);
        let mut line = String::new();
        while !line.contains(target) {
            line.clear();
            assert!(io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "{target} is not in the log");
        }
        assert_eq!(client.answer().body, pattern(100_000).as_bytes(), "{target}");
        assert!(client.head().starts_with("HTTP/1.1 200 "), "{target}");
        let rest = client.rest();
        assert!(rest.len() >= length && !rest.ends_with(b"\r\n0\r\n\r\n"), "{target}: {} bytes", rest.len());
    }
}

/// The client has closed its sending side and the server has read all of its input, so closing causes no reset.
#[test]
fn responses_before_a_request_that_is_cut_arrive() {
    let server = serve();
    let mut client = server.client();
    let half = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc";
    client.say(&format!("GET /bytes?100000 HTTP/1.1\r\nHost: h\r\n\r\n{half}")).end();
    assert_eq!(client.answer().body, pattern(100_000).as_bytes());
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_client_that_still_sends_receives_a_413() {
    let server = serve();
    let mut client = server.client();
    client.say("POST /too-large HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
    // The lingering close discards these bytes. A close without it would cause a reset, which discards the response.
    client.say(&"x".repeat(scaled(1_000_000))).end();
    assert_eq!(client.answer().status(), 413);
    assert!(client.is_closed());
}

#[test]
fn a_reset_connection_does_not_affect_others() {
    let server = serve();
    for _ in 0..20 {
        let mut client = server.client();
        client.say("GET /file?20000000 HTTP/1.1\r\nHost: h\r\n\r\n").head();
        client.reset();
        let mut client = server.client();
        client.say("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc");
        client.reset();
    }
    assert_eq!(server.client().get("/").status(), 200);
}

#[test]
fn a_service_that_panics_is_a_500_and_the_connection_persists() {
    let server = serve();
    let mut client = server.client();
    assert_eq!(client.get("/panic").status(), 500);
    assert_eq!(client.get("/").status(), 200);
}

/// While the table is full, the loop accepts no connection. It accepts one when a session ends.
#[test]
fn connections_beyond_the_limit_wait_and_are_served() {
    let limits = Limits { connections: Some(3), ..Limits::default() };
    let server = Running::new(bind().limits(limits));
    // Connections with half a request are not idle, so none may be closed for the fourth.
    let busy: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = server.client();
            client.say("GET /");
            client
        })
        .collect();
    let mut fourth = server.client();
    fourth.say(HELLO);
    fourth.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(io::Read::read(&mut fourth.stream, &mut [0]).is_err(), "a fourth connection was served");
    drop(busy);
    fourth.stream.set_read_timeout(Some(SAFETY)).unwrap();
    assert_eq!(fourth.answer().status(), 200);
}

/// Responds to each path by a different method of a handler, and sets the user.
struct Named;

impl RequestHandler for Named {
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        x.set_user("ann");
        match x.path() {
            "/whole" => x.respond(Response::text("whole")),
            "/later" => {
                x.sleep(Duration::from_millis(1))?;
                x.respond(Response::text("later"))
            }
            "/delegated" => x.serve(&TestService),
            "/error" => x.send_error(404, None, None),
            // This is more than is collected for one write, so the head is sent before the handler returns.
            _ => {
                x.send_response(200)?;
                x.end_headers()?;
                x.wfile().write_all(&vec![b'x'; 100_000])
            }
        }
    }
}

#[test]
fn the_log_names_the_user_of_every_kind_of_response() {
    let service = |request: &Request| -> Response {
        let length = if request.path() == b"/small" { 1 } else { 100_000 };
        Response::new(Status::OK).body(Body::Bytes(vec![b'x'; length].into())).user("ann")
    };
    let asked = |server: HttpServer, paths: &[&str]| {
        let (mut reader, writer) = io::pipe().unwrap();
        let server = server.log(AccessLog::to(writer.into()).format(LogFormat::Common));
        let running = Running::new(server);
        for path in paths {
            let mut client = running.client();
            client.say(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).rest();
        }
        drop(running);
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("127.0.0.1 - ann [")).collect();
        assert_eq!(lines.len(), paths.len(), "{log}");
        for (path, line) in paths.iter().zip(lines) {
            assert!(line.contains(&format!("\"GET {path} HTTP/1.1\"")), "{line}");
        }
    };
    asked(bind().service(service), &["/small", "/large"]);
    asked(bind().handler(|| Named), &["/whole", "/later", "/delegated", "/error", "/long"]);
}
