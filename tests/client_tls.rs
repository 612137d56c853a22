//! The client over TLS, with the server of this crate and with one that cuts connections.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use common::scripted::{LONG, Scripted, script};
use common::tls::{client_config, server_config};
use rustls::{ServerConnection, StreamOwned};
use serve_forever::HttpServer;
use serve_forever::client::{ClientTls, Error, HttpConnection, Pool, PoolSettings, ThreadConnector, WaitPhase};
use serve_forever::http::{Request, Status};
use serve_forever::log::AccessLog;
use serve_forever::service::Response;
use serve_forever::testing::TestServer;
use serve_forever::tls::Tls;

/// Trusts every server: these tests are about connections.
fn trusting() -> ClientTls {
    ClientTls::from_config(client_config())
}

fn server() -> TestServer {
    let server = HttpServer::bind("127.0.0.1:0").unwrap().tls(server_config()).log(AccessLog::off());
    TestServer::start(server.service(|request: &Request| match request.path() {
        b"/large" => Response::text("x".repeat(1 << 20)),
        _ => Response::text("hello"),
    }))
}

/// A server that completes the handshake, reads a head, and sends this text without announcing its end.
fn cutting(response: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(server_config()).unwrap(), stream);
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            let count = tls.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..count]);
        }
        tls.write_all(response.as_bytes()).unwrap();
        tls.flush().unwrap();
        tls.sock.shutdown(Shutdown::Write).unwrap();
        _ = tls.sock.read_to_end(&mut Vec::new());
    });
    (host, thread)
}

fn fetch(connection: &mut HttpConnection, target: &str) -> Result<Vec<u8>, Error> {
    connection.request("GET", target, (), &[])?;
    connection.getresponse()?.read_all()
}

#[test]
fn requests_and_responses_of_all_sizes_go_through_tls() {
    let server = server();
    let mut connection = HttpConnection::new(&server.address().to_string()).unwrap().timeout(LONG).tls(trusting());
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"hello");
    assert_eq!(fetch(&mut connection, "/large").unwrap().len(), 1 << 20);
    connection.request("PUT", "/", &vec![b'x'; 200_000], &[]).unwrap();
    let mut response = connection.getresponse().unwrap();
    assert_eq!((response.status(), response.read_all().unwrap()), (Status::OK, b"hello".to_vec()));
}

#[test]
fn a_pool_keeps_connections_of_https() {
    let server = server();
    let mut settings = PoolSettings::default();
    settings.connection.timeout = Some(LONG);
    settings.connection.tls = Some(trusting());
    let pool = Pool::with_connector(ThreadConnector, settings);
    for was_used in [false, true] {
        let mut response = pool.fetch("GET", &format!("https://{}/", server.address()), (), &[]).unwrap();
        assert_eq!((response.read_all().unwrap(), response.was_reused()), (b"hello".to_vec(), was_used));
    }
}

#[test]
fn only_a_certificate_that_is_trusted_for_the_name_is_accepted() {
    let server = server();
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/localhost.pem");
    let tls = ClientTls::ca_file(&ca).unwrap();
    let mut connection =
        HttpConnection::with_port("localhost", server.address().port()).unwrap().timeout(LONG).tls(tls);
    let mut other = HttpConnection::with_port("other.example", server.address().port()).unwrap().timeout(LONG);
    other = other.tls(ClientTls::ca_file(&ca).unwrap()).connect_to("127.0.0.1", server.address().port());
    assert!(matches!(other.connect(), Err(Error::Tls(_))), "another name");
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"hello");
}

#[test]
fn a_tunnel_without_a_port_leads_to_the_port_of_https_even_if_tls_is_set_later() {
    let proxy = Scripted::new(vec![script(|peer| {
        assert!(peer.head().starts_with("CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"));
        peer.say("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        peer.rest();
    })]);
    let mut connection = HttpConnection::new(&proxy.address.to_string()).unwrap().timeout(LONG);
    connection.set_tunnel("far.example", None, &[]).unwrap();
    assert!(matches!(fetch(&mut connection.tls(trusting()), "/"), Err(Error::TunnelFailed(..))));
    proxy.finish();
}

#[test]
fn a_client_trusts_the_certificate_that_a_server_has_made() {
    let tls = Tls::self_signed(["localhost"]).unwrap();
    let trusted = ClientTls::ca_pem(tls.certificate_pem().unwrap()).unwrap();
    let server = HttpServer::bind("127.0.0.1:0").unwrap().tls(tls).service(|_| Response::text("hello"));
    let server = TestServer::start(server);
    let port = server.address().port();
    let connection = HttpConnection::with_port("localhost", port).unwrap().timeout(LONG).tls(trusted);
    assert_eq!(fetch(&mut connection.connect_to("127.0.0.1", port), "/").unwrap(), b"hello");
}

#[test]
fn an_error_names_the_mistake_with_a_certificate() {
    let text = |tls: Result<ClientTls, Error>| tls.unwrap_err().to_string();
    let nothing = "no certificate that can be used (a block -----BEGIN CERTIFICATE-----)";
    assert_eq!(text(ClientTls::ca_file("Cargo.toml")), format!("TLS: Cargo.toml: {nothing}"));
    assert!(text(ClientTls::ca_file("no.pem")).starts_with("TLS: no.pem: "));
    assert_eq!(text(ClientTls::ca_pem("no PEM")), format!("TLS: {nothing}"));

    let file = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
    let tls = Tls::from_pem_files(file("authority.crt"), file("authority.key")).unwrap();
    let server = TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().tls(tls));
    let port = server.address().port();
    let connection = HttpConnection::with_port("localhost", port).unwrap().timeout(LONG);
    let trusting = connection.tls(ClientTls::ca_file(file("authority.crt")).unwrap());
    let error = trusting.connect_to("127.0.0.1", port).connect().unwrap_err().to_string();
    assert!(error.contains("a server needs one with basicConstraints CA:FALSE"), "{error}");
}

#[test]
fn a_server_without_tls_and_one_that_says_nothing_fail() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut connection = HttpConnection::new(&host).unwrap().timeout(Duration::from_millis(50)).tls(trusting());
    assert!(matches!(connection.connect(), Err(Error::Timeout(WaitPhase::Tls))));
    let thread = std::thread::spawn(move || {
        // The first connection has timed out.
        for _ in 0..2 {
            let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
            _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let mut connection = HttpConnection::new(&host).unwrap().timeout(LONG).tls(trusting());
    assert!(matches!(connection.connect(), Err(Error::Tls(_))));
    drop(connection);
    thread.join().unwrap();
}

#[test]
fn a_body_without_a_length_must_end_with_the_announced_end_of_tls() {
    let (host, thread) = cutting("HTTP/1.1 200 OK\r\n\r\npart");
    let mut connection = HttpConnection::new(&host).unwrap().timeout(LONG).tls(trusting());
    match fetch(&mut connection, "/") {
        Err(Error::IncompleteRead { partial, expected: None }) => assert_eq!(partial, b"part"),
        other => panic!("{other:?}"),
    }
    thread.join().unwrap();
    let (host, thread) = cutting("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nwhole");
    let mut connection = HttpConnection::new(&host).unwrap().timeout(LONG).tls(trusting());
    assert_eq!(fetch(&mut connection, "/").unwrap(), b"whole");
    thread.join().unwrap();
}
