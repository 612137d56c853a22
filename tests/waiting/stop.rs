//! `is_stopping` and `wait_for_stop`.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use serve_forever::Limits;
use serve_forever::handler::Shared;
use serve_forever::testing::TestServer;

use super::server::{Client, RawServer, SAFETY, body, get, http, respond, rest, send_get, start};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn an_endless_response_ends_with_a_last_event_when_its_server_stops() {
    let server = start(|x| {
        x.send_response(200)?;
        x.end_headers()?;
        writeln!(x.wfile(), "first")?;
        while !x.wait_for_stop(LONG)? {}
        writeln!(x.wfile(), "last")
    });
    let mut client = Client::connect(server.address());
    client.say("GET / HTTP/1.0\r\n\r\n").head();
    assert_eq!(client.exactly(6), b"first\n");
    server.stop().unwrap();
    // Without the wait, the response would be cut short at the end of the grace period.
    assert_eq!(rest(&mut client), "last\n");
}

#[test]
fn a_handler_learns_in_its_first_run_whether_its_server_is_stopping() {
    let (waits, waiting) = channel();
    let server = http(move |x| {
        if x.path() == "/wait" {
            waits.send(()).unwrap();
            x.wait_for_stop(LONG)?;
        }
        let stopping = x.is_stopping();
        respond(x, &stopping.to_string())
    });
    let server = TestServer::start(server.limits(Limits { last_call: SAFETY, ..Limits::default() }));
    let (mut idle, mut waits) = (Client::connect(server.address()), Client::connect(server.address()));
    assert_eq!(get(&mut idle, "/"), "false");
    send_get(&mut waits, "/wait");
    waiting.recv_timeout(SAFETY).unwrap();
    let stop = std::thread::spawn(|| server.stop().unwrap());
    assert_eq!(body(&mut waits), "true");
    assert_eq!(get(&mut idle, "/"), "true", "a request during the last call");
    stop.join().unwrap();
}

#[test]
fn a_wait_for_the_stop_ends_after_its_timeout() {
    let server = start(|x| {
        let stopped = [x.wait_for_stop(Duration::ZERO)?, x.wait_for_stop(Duration::from_millis(10))?];
        respond(x, &format!("{stopped:?}"))
    });
    assert_eq!(get(&mut Client::connect(server.address()), "/"), "[false, false]");
}

#[test]
fn the_beginning_of_the_stop_ends_a_wait_for_a_value_and_no_later_wait() {
    let (waits, waiting) = channel();
    let value = Shared::new(0);
    let server = start(move |x| {
        waits.send(()).unwrap();
        let first = x.wait_until(&value, None, |_| None::<()>)?;
        let stopping = x.is_stopping();
        let second = x.wait_until(&value, Some(Duration::from_millis(10)), |value| {
            *value += 1;
            (*value > 3).then_some(())
        })?;
        // The second wait evaluated its condition at its beginning and at its timeout, and was not resumed in between.
        respond(x, &format!("{first:?} {stopping} {second:?} {}", value.with(|value| *value)))
    });
    let mut client = Client::connect(server.address());
    send_get(&mut client, "/");
    waiting.recv_timeout(SAFETY).unwrap();
    server.stop().unwrap();
    assert_eq!(body(&mut client), "None true None 2");
}

#[test]
fn a_raw_handler_waits_for_the_stop() {
    let raw = RawServer::start(|x| {
        x.rfile().read_exact(&mut [0; 1])?;
        let stopping = x.is_stopping();
        writeln!(x.wfile(), "{stopping} {}", x.wait_for_stop(Duration::ZERO)?)?;
        let stopped = x.wait_for_stop(LONG)?;
        write!(x.wfile(), "{stopped} {}", x.is_stopping())
    });
    let mut client = Client::connect(raw.address);
    client.say("x");
    assert_eq!(client.exactly(12), b"false false\n");
    raw.stopper.shutdown();
    assert_eq!(rest(&mut client), "true true");
}
