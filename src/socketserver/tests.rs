//! Tests of raw servers with real sockets on the loopback interface.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::marker::PhantomData;
use std::net::{TcpStream, UdpSocket};
use std::num::ParseIntError;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use super::*;
use crate::event_loop::Served;
use crate::http::Request;
use crate::limits::Limits;
use crate::log::AccessLog;
use crate::service::Response;
use crate::{EventLoop, HttpServer, Stopper};

/// A handler that sends each received line or datagram back in upper case.
struct Upper;

impl StreamRequestHandler for Upper {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        for line in x.rfile().lines() {
            match line?.as_str() {
                "panic" => panic!("as asked"),
                "quit" => return Ok(()),
                line => writeln!(x.wfile(), "{}", line.to_uppercase())?,
            }
        }
        writeln!(x.wfile(), "bye")
    }
}

impl DatagramRequestHandler for Upper {
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> io::Result<()> {
        if x.is_truncated() {
            return write!(x.wfile(), "too long");
        }
        x.wfile().write_all(&x.packet().to_ascii_uppercase())
    }
}

/// Runs `serve` on another thread while `with` runs on this one, and then stops the server.
fn while_serving<S: Send + 'static>(
    mut server: S,
    stopper: Stopper,
    serve: impl FnOnce(&mut S) + Send + 'static,
    with: impl FnOnce(),
) {
    let thread = std::thread::spawn(move || {
        serve(&mut server);
        drop(server);
    });
    with();
    stopper.shutdown();
    thread.join().unwrap();
}

fn ask(stream: &mut (impl Read + Write), text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_tcp_server_serves_several_clients_and_survives_a_panic() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    while_serving(
        server,
        stopper,
        |server| _ = server.serve_forever().unwrap(),
        || {
            let mut one = TcpStream::connect(address).unwrap();
            let mut other = TcpStream::connect(address).unwrap();
            one.write_all(b"half a ").unwrap();
            assert_eq!(ask(&mut other, "other\n"), "OTHER\n");
            assert_eq!(ask(&mut one, "line\n"), "HALF A LINE\n");
            let mut panics = TcpStream::connect(address).unwrap();
            assert_eq!(ask(&mut panics, "panic\n"), "", "the panic closes the connection of its own client");
            one.shutdown(std::net::Shutdown::Write).unwrap();
            let mut rest = String::new();
            one.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "bye\n", "a half-closed client gets the rest");
            assert_eq!(ask(&mut other, "quit\nand more"), "");
        },
    );
}

#[test]
fn a_stream_larger_than_all_buffers_is_sent_at_the_pace_of_the_client() {
    struct CopiesInput;
    impl StreamRequestHandler for CopiesInput {
        fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
            io::copy(&mut x.rfile(), &mut x.wfile()).map(drop)
        }
    }
    let server = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| CopiesInput).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    while_serving(
        server,
        stopper,
        |server| _ = server.serve_forever().unwrap(),
        || {
            let stream = TcpStream::connect(address).unwrap();
            let mut sender = stream.try_clone().unwrap();
            let sending = std::thread::spawn(move || {
                sender.write_all(&[b'x'; 8_000_000]).unwrap();
                sender.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let count = io::copy(&mut &stream, &mut io::sink()).unwrap();
            sending.join().unwrap();
            assert_eq!(count, 8_000_000);
        },
    );
}

#[test]
fn a_udp_server_replies_to_datagrams() {
    let server = UdpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).max_packet_size(10).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    while_serving(
        server,
        stopper,
        |server| _ = server.serve_forever().unwrap(),
        || {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.connect(address).unwrap();
            let mut buf = [0; 100];
            // The empty datagram gets no reply. The client therefore receives the reply to the third datagram next.
            for (packet, reply) in
                [("abc", "ABC"), ("", ""), ("exactly 10", "EXACTLY 10"), ("more than 10", "too long")]
            {
                client.send(packet.as_bytes()).unwrap();
                if !reply.is_empty() {
                    let count = client.recv(&mut buf).unwrap();
                    assert_eq!(&buf[..count], reply.as_bytes());
                }
            }
        },
    );
}

/// A handler that replies with the client's address.
struct Mirror;

impl DatagramRequestHandler for Mirror {
    fn handle(&mut self, x: &mut DatagramRequest<'_>) -> io::Result<()> {
        write!(x.wfile(), "{}", x.client_address())
    }
}

impl StreamRequestHandler for Mirror {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
        write!(x.wfile(), "{}", x.client_address())
    }
}

#[test]
fn an_ipv4_client_of_a_dual_stack_server_has_its_ipv4_address() {
    let Ok(udp) = UdpServer::bind("[::]:0") else { return eprintln!("skipped, there is no IPv6") };
    let mut udp = udp.handler(|| Mirror).log(AccessLog::off());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"x", ("127.0.0.1", udp.server_address().port())).unwrap();
    assert_eq!(udp.handle_request(None).unwrap(), Served::Request);
    let mut buf = [0; 100];
    let count = client.recv(&mut buf).unwrap();
    assert_eq!(std::str::from_utf8(&buf[..count]).unwrap(), client.local_addr().unwrap().to_string());

    let mut tcp = TcpServer::bind("[::]:0").unwrap().handler(|| Mirror).log(AccessLog::off());
    let mut client = TcpStream::connect(("127.0.0.1", tcp.server_address().port())).unwrap();
    assert_eq!(tcp.handle_request(None).unwrap(), Served::Request);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, client.local_addr().unwrap().to_string());
}

#[test]
fn a_unix_socket_is_removed_with_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    let server = UnixStreamServer::bind(&path).unwrap().handler(|| Upper).log(AccessLog::off());
    assert!(UnixStreamServer::bind(&path).is_err(), "the path is in use");
    let stopper = server.stopper();
    while_serving(
        server,
        stopper,
        |server| _ = server.serve_forever().unwrap(),
        || assert_eq!(ask(&mut UnixStream::connect(&path).unwrap(), "hello\n"), "HELLO\n"),
    );
    assert!(!path.exists());

    let mut server = UnixDatagramServer::bind(&path).unwrap().handler(|| Upper).log(AccessLog::off());
    let client = UnixDatagram::bind(directory.path().join("client")).unwrap();
    let nameless = UnixDatagram::unbound().unwrap();
    nameless.send_to(b"no reply", &path).unwrap();
    client.send_to(b"hello", &path).unwrap();
    assert_eq!(server.handle_request(None).unwrap(), Served::Request);
    assert_eq!(server.handle_request(None).unwrap(), Served::Request);
    let mut buf = [0; 100];
    let count = client.recv(&mut buf).unwrap();
    assert_eq!(&buf[..count], b"HELLO");
    drop(server);
    assert!(!path.exists());
}

#[test]
fn handle_request_serves_one_connection_or_times_out() {
    let mut server = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).log(AccessLog::off());
    assert_eq!(server.handle_request(Some(Duration::ZERO)).unwrap(), Served::TimedOut);
    let mut client = TcpStream::connect(server.server_address()).unwrap();
    client.write_all(b"hello\nquit\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(server.handle_request(None).unwrap(), Served::Request);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "HELLO\n");
}

#[test]
fn a_handler_that_reads_gets_the_end_of_input_when_the_server_stops() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    let stop = stopper.clone();
    while_serving(
        server,
        stopper,
        |server| _ = server.serve_forever().unwrap(),
        || {
            let mut stream = TcpStream::connect(address).unwrap();
            assert_eq!(ask(&mut stream, "hello\n"), "HELLO\n");
            stop.stop();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "bye\n");
        },
    );
}

/// A handler that fails with an error of type `E` if the line that it reads is not a number.
struct Fails<E>(PhantomData<E>);

impl<E: From<io::Error> + From<ParseIntError>> StreamRequestHandler<E> for Fails<E> {
    fn handle(&mut self, x: &mut StreamRequest<'_>) -> Result<(), E> {
        let mut line = String::new();
        x.rfile().read_line(&mut line)?;
        let number: u32 = line.trim_end().parse()?;
        Ok(write!(x.wfile(), "{number}")?)
    }
}

/// Returns the server's response to a line, and the server's log.
fn response_and_log_of<E, M: 'static>(line: &str) -> (String, String)
where
    E: From<io::Error> + From<ParseIntError> + IntoError<M> + 'static,
{
    let (mut reader, writer) = io::pipe().unwrap();
    let server = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Fails::<E>(PhantomData));
    let server = server.log(AccessLog::to(writer.into()));
    let (address, stopper) = (server.server_address(), server.stopper());
    let mut response = String::new();
    let serve = |server: &mut TcpServer| _ = server.serve_forever().unwrap();
    while_serving(server, stopper, serve, || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(line.as_bytes()).unwrap();
        client.read_to_string(&mut response).unwrap();
    });
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    (response, log)
}

#[test]
fn a_raw_handler_fails_with_any_error() {
    for call in [
        response_and_log_of::<anyhow::Error, _>,
        response_and_log_of::<Box<dyn Error>, _>,
        response_and_log_of::<Box<dyn Error + Send + Sync>, _>,
    ] {
        assert_eq!(call("42\n"), ("42".to_owned(), String::new()));
        let (response, log) = call("many\n");
        assert_eq!(response, "");
        assert!(log.ends_with("the handler failed: invalid digit found in string\n"), "{log}");
    }
}

/// Runs the servers on another thread while `client` runs.
fn while_all_serve(servers: EventLoop, client: impl FnOnce()) {
    let stopper = servers.stopper();
    while_serving(servers, stopper, |servers| _ = servers.serve_forever().unwrap(), client);
}

#[test]
fn several_servers_share_one_loop() {
    let http = HttpServer::bind("127.0.0.1:0").unwrap().service(|_: &Request| Response::text("hello"));
    let http = http.log(AccessLog::off());
    let tcp = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).log(AccessLog::off());
    let udp = UdpServer::bind("[::1]:0").or_else(|_| UdpServer::bind("127.0.0.1:0")).unwrap();
    let udp = udp.handler(|| Upper).log(AccessLog::off());
    let addresses = (http.server_address(), tcp.server_address(), udp.server_address());
    let mut servers = EventLoop::new().unwrap();
    servers.add(http);
    servers.add(tcp);
    servers.add(udp);
    while_all_serve(servers, || {
        let mut web = TcpStream::connect(addresses.0).unwrap();
        web.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        web.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello"));
        assert_eq!(ask(&mut TcpStream::connect(addresses.1).unwrap(), "hello\n"), "HELLO\n");
        let client = UdpSocket::bind((addresses.2.ip(), 0)).unwrap();
        client.send_to(b"hello", addresses.2).unwrap();
        let mut buf = [0; 100];
        let count = client.recv(&mut buf).unwrap();
        assert_eq!(&buf[..count], b"HELLO");
    });
}

#[test]
fn a_raw_client_takes_the_place_of_an_idle_http_connection_at_the_cap() {
    let http = HttpServer::bind("127.0.0.1:0").unwrap().service(|_: &Request| Response::text("hello"));
    let http = http.limits(Limits { connections: Some(1), ..Limits::default() }).log(AccessLog::off());
    let tcp = TcpServer::bind("127.0.0.1:0").unwrap().handler(|| Upper).log(AccessLog::off());
    let addresses = (http.server_address(), tcp.server_address());
    let mut servers = EventLoop::new().unwrap();
    servers.add(http);
    servers.add(tcp);
    while_all_serve(servers, || {
        let patience = Some(Duration::from_secs(30));
        let mut idle = TcpStream::connect(addresses.0).unwrap();
        idle.set_read_timeout(patience).unwrap();
        assert_eq!(ask(&mut idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 200 OK\r\n");
        let mut raw = TcpStream::connect(addresses.1).unwrap();
        raw.set_read_timeout(patience).unwrap();
        assert_eq!(ask(&mut raw, "hello\n"), "HELLO\n");
        let mut rest = String::new();
        idle.read_to_string(&mut rest).expect("the idle connection is closed");
        assert!(rest.ends_with("hello"), "{rest}");
    });
}
