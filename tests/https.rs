//! Servers over TLS on real sockets. These tests cover the differences from unencrypted connections.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::client::{Client, HELLO};
use common::dialogue::{Dialogue, site};
use common::service::{TestService, pattern};
use common::tls::{TlsClient, TlsEnd, client_config, client_connection_of, server_config};
use rustls::ClientConnection;
use serve_forever::connection::ServerState;
use serve_forever::files::FileService;
use serve_forever::handler::{Exchange, RequestHandler};
use serve_forever::http::Request;
use serve_forever::log::{AccessLog, LogFormat};
use serve_forever::service::Response;
use serve_forever::session::CloseReason;
use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};
use serve_forever::transport::Memory;
use serve_forever::transport::tls::{ServerSide, TlsStream};
use serve_forever::{HttpServer, Limits, SignalAction, Stopped, Stopper};

/// A server that runs on a separate thread until the end of the test.
struct Running {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
}

impl Running {
    fn new(mut server: HttpServer) -> Running {
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = Some(thread::spawn(move || server.serve_forever()));
        Running { address, stopper, thread }
    }

    fn client(&self) -> TlsClient {
        TlsClient::connect(self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop_now();
        let ended = self.thread.take().unwrap().join();
        assert!(thread::panicking() || ended.is_ok(), "the server panicked");
    }
}

fn bind() -> HttpServer {
    HttpServer::bind("127.0.0.1:0").unwrap().service(TestService).log(AccessLog::off()).tls(server_config())
}

/// A log in a file, and the file.
fn log_in_file() -> (AccessLog, File) {
    let file = tempfile::tempfile().unwrap();
    (AccessLog::to(file.try_clone().unwrap().into()), file)
}

fn lines_of(mut file: File) -> String {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn one_connection_serves_many_requests_of_all_sizes() {
    let server = Running::new(bind());
    let mut client = server.client();
    for size in [0, 1, 16_384, 16_385, 1_000_000] {
        assert!(client.get(&format!("/bytes?{size}")).1 == pattern(size).as_bytes(), "{size} bytes");
        assert!(client.get(&format!("/file?{size}")).1 == pattern(size).as_bytes(), "a file of {size} bytes");
    }
    let body = pattern(300_000);
    let head = format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    assert!(client.say(&(head + &body)).answer().1 == body.as_bytes());
    client.say(&HELLO.repeat(50));
    for _ in 0..50 {
        assert_eq!(client.answer().1, b"hello\n");
    }
}

#[test]
fn a_folder_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let text = pattern(5_000_000);
    std::fs::write(folder.path().join("large.txt"), &text).unwrap();
    let server = Running::new(bind().service(FileService::new(folder.path()).unwrap()));
    let mut client = server.client();
    assert!(client.get("/large.txt").1 == text.as_bytes());
    client.say("GET /large.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=16000-33000\r\n\r\n");
    assert!(client.answer().1 == text.as_bytes()[16_000..=33_000]);
}

#[test]
fn a_silent_client_delays_no_other_and_is_closed_at_the_deadline() {
    let limits = Limits { head_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = Running::new(bind().limits(limits));
    let mut silent: Vec<_> = (0..20).map(|_| Client::connect(server.address)).collect();
    let mut half = Client::connect(server.address);
    half.stream.write_all(&[22, 3, 1, 1, 0]).unwrap();
    assert_eq!(server.client().get("/").1, b"hello\n");
    silent.push(half);
    for client in &mut silent {
        assert!(client.is_closed());
    }
}

#[test]
fn orderly_ends_are_announced_and_cut_responses_are_not() {
    let limits = Limits { idle_timeout: Duration::from_millis(100), ..Limits::default() };
    let server = Running::new(bind().limits(limits));
    let close = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let mut idle = server.client();
    idle.get("/");
    assert_eq!(idle.rest(), (Vec::new(), true), "the end of an idle connection");
    let (response, announced) = server.client().say(&close("/")).rest();
    assert!(response.ends_with(b"hello\n") && announced);
    for target in ["/truncated?100000", "/broken?100000", "/unreadable?100000"] {
        assert!(!server.client().say(&close(target)).rest().1, "{target}");
    }
}

#[test]
fn a_client_that_has_announced_its_end_gets_its_response() {
    let server = Running::new(bind());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for closes in [false, true] {
            let mut client = TlsClient::on(server.address, client_connection_of(version));
            client.say("GET /later?50 HTTP/1.1\r\nHost: h\r\n\r\n");
            client.0.conn.send_close_notify();
            client.0.flush().unwrap();
            if closes {
                client.0.sock.shutdown(Shutdown::Write).unwrap();
            }
            let (response, announced) = client.rest();
            assert!(response.starts_with(b"HTTP/1.1 200"), "{version:?}: {}", String::from_utf8_lossy(&response));
            assert!(announced, "{version:?}, closes: {closes}");
        }
    }
}

#[test]
fn a_client_that_closes_without_notice_gets_its_response_and_no_error_in_the_log() {
    let (log, file) = log_in_file();
    let server = Running::new(bind().log(log));
    let mut client = server.client();
    client.say("GET /later?50 HTTP/1.1\r\nHost: h\r\n\r\n").0.sock.shutdown(Shutdown::Write).unwrap();
    assert!(client.rest().0.starts_with(b"HTTP/1.1 200"));
    let mut within_a_record = server.client();
    within_a_record.get("/");
    within_a_record.0.sock.write_all(&[23, 3, 3, 0, 100, 1, 2, 3]).unwrap();
    within_a_record.0.sock.shutdown(Shutdown::Write).unwrap();
    assert!(within_a_record.rest().0.is_empty());
    drop(server);
    let lines = lines_of(file);
    assert!(lines.lines().count() == 2 && lines.matches("\" 200 ").count() == 2, "{lines}");
}

#[test]
fn a_server_that_stops_announces_the_end_to_idle_clients_and_drops_handshakes() {
    let site = site(TestService);
    let mut idle = dialogue(&site);
    let mut client = TlsEnd::new(HELLO.into(), false);
    loop {
        let sent = std::mem::take(&mut idle.transport().socket().sent);
        let records = client.exchange(&sent).unwrap();
        if records.is_empty() {
            break;
        }
        idle.transport().socket().incoming.extend(records);
        idle.ready.read = true;
        idle.handshakes_left = 1;
        idle.run();
    }
    assert!(client.heard.ends_with(b"hello\n") && !client.is_told_the_end);
    idle.stop();
    idle.run();
    client.exchange(&std::mem::take(&mut idle.transport().socket().sent)).unwrap();
    assert_eq!((idle.closed(), client.is_told_the_end), (Some(CloseReason::Stopped), true));

    let mut half = dialogue(&site);
    half.transport().socket().incoming.extend_from_slice(&[22, 3, 1, 1, 0]);
    half.run();
    half.stop();
    assert_eq!(half.run().closed(), Some(CloseReason::Stopped));
}

/// A client that has sent `Connection: close` also sends its own `close_notify`. A closed socket would respond to it
/// with a reset, which would discard the end of a response in flight.
#[test]
fn after_the_last_response_the_server_reads_on_for_the_notice_of_its_client() {
    let server = Running::new(bind());
    let mut client = server.client();
    client.say("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(client.rest().1, "the server has announced its end");
    client.0.sock.write_all(b"a byte of it").unwrap();
    assert!(client.0.sock.take_error().unwrap().is_none(), "the connection was reset");
}

#[test]
fn requests_know_that_they_came_over_tls() {
    struct Tells;
    impl RequestHandler for Tells {
        fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
            let tls = x.tls().unwrap();
            let text = format!("{} {} {:?}", x.request().scheme(), tls.version(), tls.server_name());
            x.send_response(200)?;
            x.send_header("Content-Length", text.len().to_string())?;
            x.end_headers()?;
            x.wfile().write_all(text.as_bytes())
        }
    }
    let server = Running::new(bind().handler(|| Tells));
    let text = server.client().get("https://h/").1;
    assert_eq!(String::from_utf8(text).unwrap(), "https TLSv1.3 Some(\"localhost\")");
    let plain = |request: &Request| {
        assert!(request.tls().is_none());
        Response::text(request.scheme())
    };
    let plain = HttpServer::bind("127.0.0.1:0").unwrap().service(plain).log(AccessLog::off());
    let plain = Running::new(plain);
    assert_eq!(Client::connect(plain.address).get("/").body, b"http");
    assert_eq!(Client::connect(plain.address).get("https://h/").status(), 421);
}

#[test]
fn plain_http_on_a_port_for_tls_gets_the_url_unencrypted() {
    let (log, file) = log_in_file();
    let server = Running::new(bind().log(log.format(LogFormat::Common)));
    let mut client = Client::connect(server.address);
    let response = client.get("/a?b");
    assert_eq!(response.status(), 400);
    let text = String::from_utf8(response.body).unwrap();
    assert!(text.contains("HTTPS") && text.contains("https://h/a"), "{text}");
    assert!(client.is_closed());
    assert_eq!(server.client().get("/").1, b"hello\n", "others are served");
    drop(server);
    let lines = lines_of(file);
    assert!(lines.lines().next().unwrap().contains("\"GET /a?b HTTP/1.1\" 400"), "{lines}");
}

/// A session of a server over TLS, and its client, whose clock only the test moves.
fn dialogue(site: &ServerState) -> Dialogue<'_, TlsStream<Memory, ServerSide>> {
    Dialogue::on(site, TlsStream::accept(Memory::default(), server_config(), Default::default()).unwrap())
}

/// Checks the unencrypted bytes that were sent: the only response to unencrypted HTTP, which contains the URL if one is
/// given.
fn unencrypted_refusal(dialogue: &mut Dialogue<'_, TlsStream<Memory, ServerSide>>, url: Option<&str>) {
    let sent = String::from_utf8(std::mem::take(&mut dialogue.transport().socket().sent)).unwrap();
    assert!(sent.starts_with("HTTP/1.1 400 ") && sent.contains("\r\nConnection: close\r\n"), "{sent}");
    let end = url.map_or(String::new(), |url| format!("Use {url}\n"));
    assert!(sent.ends_with(&format!("the request came as plain HTTP.\n{end}")), "{sent}");
    assert!(dialogue.transport().socket().ended);
}

#[test]
fn plain_http_without_an_end_of_its_head_is_refused_after_1_kib_or_1_second() {
    let site = site(TestService);
    let long = format!("GET /a HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(1000));
    for (text, time) in [("GET /a HTTP/1.1\r\nHo", 1000), ("Z", 1000), (&long, 0)] {
        let mut dialogue = dialogue(&site);
        dialogue.transport().socket().incoming.extend_from_slice(text.as_bytes());
        dialogue.run();
        if time > 0 {
            assert!(dialogue.pass(Duration::from_millis(time - 1)).transport().socket().sent.is_empty(), "{text}");
            dialogue.pass(Duration::from_millis(1));
        }
        unencrypted_refusal(&mut dialogue, None);
    }
}

#[test]
fn plain_http_that_no_server_would_accept_is_told_of_https_too() {
    let site = site(TestService);
    let url = Some("https://h/a");
    let cookies = format!("GET /a HTTP/1.1\r\nHost: h\r\nCookie: {}\r\n\r\n", "x".repeat(3000));
    for (text, url) in [
        ("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nxyz", url),
        (&cookies, url),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", Some("https://h/")),
        ("GET /a HTTP/1.1\r\n\r\n", None),
        ("GET /a HTTP/1.1\r\nHost: <b>\r\n\r\n", None),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        ("QUIT\r\n\r\n", None),
    ] {
        let mut dialogue = dialogue(&site);
        dialogue.transport().socket().incoming.extend_from_slice(text.as_bytes());
        dialogue.run();
        unencrypted_refusal(&mut dialogue, url);
    }
    let mut half_closed = dialogue(&site);
    half_closed.transport().socket().incoming.extend_from_slice(b"GET /a HTT");
    half_closed.transport().socket().at_end = true;
    half_closed.run();
    let sent = String::from_utf8_lossy(&half_closed.transport().socket().sent).into_owned();
    assert!(sent.contains("HTTPS"), "{sent}");
}

#[test]
fn a_failed_handshake_is_one_line_of_the_log() {
    let (log, file) = log_in_file();
    let server = Running::new(bind().log(log));
    let mut scanner = Client::connect(server.address);
    scanner.stream.write_all(&[0x80; 50]).unwrap();
    let alert = scanner.rest();
    assert_eq!((alert[0], alert.len()), (21, 7), "{alert:?}");
    // A client that disconnects without sending a byte has no line in the log.
    drop(Client::connect(server.address));
    server.client().get("/");
    drop(server);
    let lines = lines_of(file);
    let failed = lines.lines().filter(|line| line.contains("tls handshake: received corrupt message")).count();
    assert_eq!((failed, lines.lines().count()), (1, 2), "{lines}");
}

#[test]
fn a_reload_exchanges_the_configuration_and_ends_no_connection() {
    let (reloaded, wait) = channel();
    let server = bind().stop_on_signals(&[(signal_hook::consts::SIGUSR1, SignalAction::Reload)]).unwrap();
    let server = server.on_reload(move |server| {
        let mut config = (*server_config()).clone();
        config.alpn_protocols = vec![b"new".to_vec()];
        server.set_tls(config);
        reloaded.send(()).unwrap();
    });
    let server = Running::new(server);
    let mut old = server.client();
    old.get("/");
    signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
    wait.recv().unwrap();
    assert_eq!(old.get("/").1, b"hello\n");
    let alpn = |offered: &[u8]| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let mut config = (*client_config()).clone();
        config.alpn_protocols = vec![offered.to_vec()];
        let mut client = ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
        client.complete_io(&mut stream).map(|_| client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(alpn(b"new").unwrap().unwrap(), b"new");
    assert!(alpn(b"other").is_err(), "no protocol in common is an alert (RFC 7301 section 3.2)");
}

#[test]
fn a_raw_server_speaks_tls_too() {
    struct Upper;
    impl StreamRequestHandler for Upper {
        fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
            assert_eq!(x.tls().unwrap().version(), "TLSv1.3");
            let mut line = String::new();
            io::BufReader::new(x.rfile()).read_line(&mut line)?;
            write!(x.wfile(), "{}", line.to_uppercase())?;
            x.wfile().write_all(&vec![b'x'; 300_000])
        }
    }
    let mut server = TcpServer::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().handler(|| Upper).tls(server_config());
    let (address, stopper) = (server.server_address(), server.stopper());
    let thread = thread::spawn(move || server.serve_forever());
    let (text, announced) = TlsClient::connect(address).say("hello\n").rest();
    assert!(text.starts_with(b"HELLO\n") && text.len() == 300_006 && announced);
    let mut garbage = TcpStream::connect(address).unwrap();
    garbage.write_all(&[0; 30]).unwrap();
    let mut alert = Vec::new();
    _ = garbage.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&21));
    stopper.stop_now();
    thread.join().unwrap().unwrap();
}
