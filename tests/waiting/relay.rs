//! `Upgraded::relay`: a connection that has left HTTP, passed on to another server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serve_forever::Limits;
use serve_forever::testing::TestServer;

use super::server::{Client, SAFETY, http};

const COUNT: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: count\r\n\r\n";

/// A server that counts the bytes of one connection and, if `responds` is true, sends their number after the end. It
/// reports when it has read the end, and when the connection is over.
fn counter(responds: bool) -> (SocketAddr, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tells, told) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        tells.send("end").unwrap();
        if responds {
            write!(stream, "{} bytes", bytes.len()).unwrap();
            return;
        }
        // A write fails once the other side has closed its socket.
        while stream.write_all(b".").is_ok() {
            thread::yield_now();
        }
        tells.send("over").unwrap();
    });
    (address, told)
}

fn relay_to(address: SocketAddr) -> TestServer {
    let server = http(move |x| {
        let other = x.connect_tcp(address, None)?;
        x.upgrade("count")?.relay(other, b"early ")
    });
    // No time limit ends the relay.
    TestServer::start(server.limits(Limits { grace: SAFETY, half_closed_timeout: SAFETY, ..Limits::default() }))
}

#[test]
fn the_end_of_the_client_is_passed_on_and_the_response_comes_back() {
    let (address, told) = counter(true);
    let relay = relay_to(address);
    let mut client = Client::connect(relay.address());
    client.say(COUNT).head();
    client.say("hel").say("lo").end();
    assert_eq!(client.rest(), b"early 5 bytes");
    assert_eq!(told.recv_timeout(SAFETY).unwrap(), "end");
}

#[test]
fn a_relay_whose_client_has_ended_its_side_ends_when_the_server_stops() {
    let (address, told) = counter(false);
    let relay = relay_to(address);
    let mut client = Client::connect(relay.address());
    client.say(COUNT).head();
    client.end();
    assert_eq!(told.recv_timeout(SAFETY).unwrap(), "end");
    assert_eq!(client.exactly(7), b"early .");
    let stop = thread::spawn(move || relay.stop().unwrap());
    assert_eq!(told.recv_timeout(SAFETY / 2).unwrap(), "over");
    drop(client);
    stop.join().unwrap();
}
