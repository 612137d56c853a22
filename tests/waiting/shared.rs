//! `Shared` and `wait_until`.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serve_forever::handler::Shared;
use serve_forever::log::AccessLog;
use serve_forever::socketserver::{DatagramRequest, DatagramRequestHandler, UdpServer};

use super::server::{Client, RawServer, SAFETY, body, get, respond, rest, send_get, start};

/// The number in an environment variable, or this default.
fn number(variable: &str, unset: usize) -> usize {
    std::env::var(variable).map_or(unset, |value| value.parse().unwrap())
}

#[test]
fn every_long_poll_sees_the_last_of_many_values() {
    let (clients, updates) = (number("LONG_POLLS", 100), number("LONG_POLL_UPDATES", 1_000));
    let value = Shared::new(0usize);
    let (polls, begun) = channel();
    let polled = value.clone();
    let server = start(move |x| {
        let seen: usize = x.path().trim_start_matches('/').parse().unwrap();
        _ = polls.send(());
        let newer = x.wait_until(&polled, None, |value| (*value > seen).then_some(*value))?;
        respond(x, &newer.unwrap().to_string())
    });
    let address = server.address();
    let poll = move || {
        let (mut client, mut seen) = (Client::connect(address), 0);
        while seen < updates {
            let newer = get(&mut client, &format!("/{seen}")).parse().unwrap();
            assert!(newer > seen, "{newer} is not after {seen}");
            seen = newer;
        }
        seen
    };
    let threads: Vec<_> =
        (0..clients).map(|_| thread::Builder::new().stack_size(128 * 1024).spawn(poll).unwrap()).collect();
    // Every client waits before the first change.
    (0..clients).for_each(|_| begun.recv_timeout(SAFETY).unwrap());
    (0..updates).for_each(|_| value.with(|value| *value += 1));
    for thread in threads {
        assert_eq!(thread.join().unwrap(), updates);
    }
}

#[test]
fn a_change_wakes_only_the_handlers_that_wait_for_its_value() {
    let (one, other) = (Shared::new(0), Shared::new(0));
    let looks = Arc::new(AtomicUsize::new(0));
    let (begins, begun) = channel();
    let (of_one, of_other, counter) = (one.clone(), other.clone(), Arc::clone(&looks));
    let server = start(move |x| {
        _ = begins.send(());
        if x.path() == "/other" {
            x.wait_until(&of_other, None, |value| (*value == 100).then_some(()))?;
            return respond(x, "other");
        }
        x.wait_until(&of_one, None, |value| {
            counter.fetch_add(1, Ordering::Relaxed);
            (*value == 1).then_some(())
        })?;
        respond(x, "one")
    });
    let (mut one_client, mut other_client) = (Client::connect(server.address()), Client::connect(server.address()));
    send_get(&mut one_client, "/one");
    begun.recv_timeout(SAFETY).unwrap();
    send_get(&mut other_client, "/other");
    begun.recv_timeout(SAFETY).unwrap();
    (0..100).for_each(|_| other.with(|value| *value += 1));
    assert_eq!(body(&mut other_client), "other");
    // The second wait has begun and ended on the same thread since, so the first handler was not resumed.
    assert_eq!(looks.load(Ordering::Relaxed), 1);
    one.with(|value| *value += 1);
    assert_eq!(body(&mut one_client), "one");
    assert_eq!(looks.load(Ordering::Relaxed), 2);
}

#[test]
fn a_wait_ends_without_a_value_after_its_timeout() {
    let value = Shared::new(0);
    let polled = value.clone();
    let server = start(move |x| {
        let timeout = Duration::from_millis(x.path()[1..].parse().unwrap());
        let found = x.wait_until(&polled, Some(timeout), |value| (*value > 0).then_some(*value))?;
        respond(x, &format!("{found:?}"))
    });
    let mut client = Client::connect(server.address());
    assert_eq!(get(&mut client, "/0"), "None");
    assert_eq!(get(&mut client, "/20"), "None");
    send_get(&mut client, "/3600000");
    value.with(|value| *value = 7);
    assert_eq!(body(&mut client), "Some(7)");
    assert_eq!(get(&mut client, "/0"), "Some(7)", "a value that is there needs no time");
}

#[test]
fn a_handler_waits_for_a_value_while_it_streams_its_response() {
    let values = Shared::new(VecDeque::new());
    let queue = values.clone();
    let server = start(move |x| {
        x.send_response(200)?;
        x.end_headers()?;
        while let Some(Some(text)) = x.wait_until(&queue, None, VecDeque::pop_front)? {
            x.wfile().write_all(str::as_bytes(text))?;
        }
        Ok(())
    });
    let mut client = Client::connect(server.address());
    client.say("GET / HTTP/1.0\r\n\r\n");
    client.head();
    for text in ["one", "two"] {
        values.with(|queue| queue.push_back(Some(text)));
        assert_eq!(client.exactly(3), text.as_bytes());
    }
    values.with(|queue| queue.push_back(None));
    assert_eq!(rest(&mut client), "");
}

#[test]
fn a_client_that_leaves_ends_the_wait_of_its_handler() {
    let (value, (ends, ended), (begins, begun)) = (Shared::new(0), channel(), channel());
    let polled = value.clone();
    let server = start(move |x| {
        begins.send(()).unwrap();
        let result = x.wait_until(&polled, None, |_| None::<()>);
        ends.send(result.as_ref().map_err(io::Error::kind).map(drop)).unwrap();
        result.map(drop)
    });
    let mut client = Client::connect(server.address());
    send_get(&mut client, "/");
    begun.recv_timeout(SAFETY).unwrap();
    client.reset();
    assert_eq!(ended.recv_timeout(SAFETY).unwrap(), Err(io::ErrorKind::ConnectionAborted));
    value.with(|value| *value += 1);
}

#[test]
fn the_end_of_a_server_ends_the_waits_of_its_handlers() {
    let (value, (ends, ended), (begins, begun)) = (Shared::new(0), channel(), channel());
    let polled = value.clone();
    let server = start(move |x| {
        begins.send(()).unwrap();
        let result = x.wait_until(&polled, None, |_| None::<()>);
        ends.send(result.as_ref().map_err(io::Error::kind).map(drop)).unwrap();
        result.map(drop)
    });
    let mut client = Client::connect(server.address());
    send_get(&mut client, "/");
    begun.recv_timeout(SAFETY).unwrap();
    drop(server);
    assert_eq!(ended.recv_timeout(SAFETY).unwrap(), Err(io::ErrorKind::ConnectionAborted));
    value.with(|value| *value += 1);
}

/// The number of errors of kind `Deadlock`, all of which must have the same message.
fn deadlocks(results: [io::Result<()>; 5]) -> String {
    let text = "a handler cannot read, write or wait inside Shared::with";
    let found = results.into_iter().filter_map(Result::err).filter(|error| error.kind() == io::ErrorKind::Deadlock);
    found.filter(|error| error.to_string() == text).count().to_string()
}

#[test]
fn every_operation_that_may_wait_is_an_error_inside_an_access() {
    let shared = Shared::new(());
    let of_http = shared.clone();
    let server = start(move |x| {
        x.send_response(200)?;
        x.end_headers()?;
        let results = of_http.with(|()| {
            [
                x.wfile().write_all(b"x"),
                x.rfile().read(&mut [0; 8]).map(drop),
                x.sleep(Duration::ZERO),
                x.offload(|| ()),
                x.wait_until(&Shared::new(()), None, |()| Some(())).map(drop),
            ]
        });
        x.wfile().write_all(deadlocks(results).as_bytes())
    });
    assert_eq!(get(&mut Client::connect(server.address()), "/"), "5");
    let raw = RawServer::start(move |x| {
        let results = shared.with(|()| {
            [
                x.wfile().write_all(b"x"),
                x.rfile().read(&mut [0; 8]).map(drop),
                x.sleep(Duration::ZERO),
                x.offload(|| ()),
                x.wait_until(&Shared::new(()), None, |()| Some(())).map(drop),
            ]
        });
        x.wfile().write_all(deadlocks(results).as_bytes())
    });
    assert_eq!(Client::connect(raw.address).rest(), b"5");
}

#[test]
fn input_that_was_fetched_is_not_read_inside_an_access() {
    let shared = Shared::new(());
    let raw = RawServer::start(move |x| {
        let mut input = x.rfile();
        let first = input.read(&mut [0; 1])?;
        let refused = shared.with(|()| input.read(&mut [0; 1])).is_err();
        write!(x.wfile(), "{first} {refused} {}", input.read(&mut [0; 8])?)
    });
    let mut client = Client::connect(raw.address);
    client.say("abc");
    assert_eq!(rest(&mut client), "1 true 2");
}

#[test]
fn raw_handlers_share_values_as_a_channel_with_room_for_one() {
    let slot = Shared::new(None::<String>);
    let raw = RawServer::start(move |x| {
        let mut first = [0; 1];
        x.rfile().read_exact(&mut first)?;
        for number in 0..10 {
            let mut put = Some(format!("{number}\n"));
            if first == *b"p" {
                x.wait_until(&slot, None, |slot| slot.is_none().then(|| *slot = put.take()))?;
            } else {
                let line = x.wait_until(&slot, None, Option::take)?;
                x.wfile().write_all(line.unwrap().as_bytes())?;
            }
        }
        Ok(())
    });
    let (mut puts, mut takes) = (Client::connect(raw.address), Client::connect(raw.address));
    takes.say("t");
    puts.say("p");
    assert_eq!(rest(&mut takes), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(rest(&mut puts), "");
}

#[test]
fn a_datagram_handler_waits_for_a_value() {
    struct Waits(Shared<bool>);
    impl DatagramRequestHandler for Waits {
        fn handle(&mut self, x: &mut DatagramRequest<'_>) -> io::Result<()> {
            x.wait_until(&self.0, None, |open| open.then_some(()))?;
            x.wfile().write_all(b"open")
        }
    }
    let gate = Shared::new(false);
    let of_server = gate.clone();
    let server = UdpServer::bind("127.0.0.1:0").unwrap().handler(move || Waits(of_server.clone()));
    let mut server = server.log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    let thread = thread::spawn(move || server.serve_forever().unwrap());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(SAFETY)).unwrap();
    client.send_to(b"?", address).unwrap();
    gate.with(|open| *open = true);
    let mut reply = [0; 8];
    assert_eq!(client.recv(&mut reply).unwrap(), 4);
    stopper.shutdown();
    thread.join().unwrap();
}
