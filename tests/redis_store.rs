//! The example `redis_store`: another crate implements a protocol over the connection of a handler. The server follows
//! a script, or is Redis if Redis is installed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use common::client::Client;
use common::program::Program;
use common::scripted::{Scripted, script};

fn store(redis: SocketAddr) -> Program {
    Program::example("redis_store", &[redis.to_string()])
}

fn put(client: &mut Client, target: &str, value: &str) -> u16 {
    let length = value.len();
    client
        .say(&format!("PUT {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{value}"))
        .answer()
        .status()
}

fn delete(client: &mut Client, target: &str) -> u16 {
    client.say(&format!("DELETE {target} HTTP/1.1\r\nHost: h\r\n\r\n")).answer().status()
}

#[test]
fn a_protocol_of_another_crate_runs_in_a_handler() {
    const GET: &str = "*2\r\n$3\r\nGET\r\n$5\r\ncolor\r\n";
    const SET: &str = "*3\r\n$3\r\nSET\r\n$5\r\ncolor\r\n$4\r\nblue\r\n";
    const DEL: &str = "*2\r\n$3\r\nDEL\r\n$5\r\ncolor\r\n";
    let exchanges = [
        // The reply arrives in two parts, and the handler waits for the second one.
        (GET, &["$4\r\nbl", "ue\r\n"][..]),
        (GET, &["$-1\r\n"]),
        (GET, &["-ERR broken\r\n"]),
        (GET, &[]),
        (SET, &["+OK\r\n"]),
        (DEL, &[":1\r\n"]),
        (DEL, &[":0\r\n"]),
    ];
    let scripts = exchanges.map(|(request, reply)| {
        script(move |peer| {
            assert_eq!(peer.until(request), request);
            reply.iter().for_each(|part| peer.say(part));
        })
    });
    let redis = Scripted::new(scripts.into());
    let store = store(redis.address);
    let mut client = store.client();
    let answer = client.get("/color");
    assert_eq!((answer.status(), &answer.body[..]), (200, &b"blue"[..]));
    assert_eq!(client.get("/color").status(), 404);
    assert_eq!(client.get("/color").status(), 502, "an error of Redis");
    assert_eq!(client.get("/color").status(), 502, "no reply");
    assert_eq!(put(&mut client, "/color", "blue"), 204);
    assert_eq!(delete(&mut client, "/color"), 204);
    assert_eq!(delete(&mut client, "/color"), 404);
    redis.finish();
}

/// A Redis server that ends with the test.
struct Redis(Child, SocketAddr);

impl Redis {
    /// Starts Redis. Returns `None` if Redis is not installed.
    fn start() -> Option<Redis> {
        // Another process may bind the free port first. Redis then ends, and is started again with another port.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let port = free.port().to_string();
            let words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port];
            let mut child = Command::new("redis-server").args(words).stdout(Stdio::piped()).spawn().ok()?;
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let redis = Redis(child, free);
            // The rest of the output is small enough for the buffer of the pipe.
            if lines.map_while(Result::ok).any(|line| line.contains("Ready to accept connections")) {
                return Some(redis);
            }
        }
        panic!("redis-server does not start");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn the_store_keeps_values_in_redis() {
    let Some(redis) = Redis::start() else {
        println!("not tested: redis-server is not installed");
        return;
    };
    let store = store(redis.1);
    let mut client = store.client();
    let key = "/a%20key?with=anything";
    assert_eq!(client.get(key).status(), 404);
    let value = "two\r\nlines ".repeat(10_000);
    assert_eq!(put(&mut client, key, &value), 204);
    let answer = client.get(key);
    assert!(answer.status() == 200 && answer.body == value.as_bytes());
    assert_eq!((delete(&mut client, key), delete(&mut client, key)), (204, 404));
}
