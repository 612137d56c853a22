//! Checks that a request in the steady state allocates nothing, from the poll to the log line: a run that responds to a
//! thousand requests allocates as often as one that responds to a hundred, except when a date is formatted again.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serve_forever::HttpServer;
use serve_forever::files::FileService;
use serve_forever::log::AccessLog;

/// A file of about a kilobyte that does not change: one that has just changed is not kept in memory.
const FILE: &str = "LICENSE-MIT";

const FEW: u64 = 100;
const MANY: u64 = 1_000;

/// The number of allocations by which the longer run may exceed the shorter one: less than one for ten rounds, and
/// enough for the dates that are formatted again each second on a slow machine.
const SLACK: u64 = (MANY - FEW) / 10;

/// The requests of one round, and the beginning of each response.
struct Round {
    requests: String,
    count: usize,
    begins: &'static str,
    body: usize,
}

fn get(fields: &str, begins: &'static str, body: usize) -> Round {
    Round { requests: format!("GET /{FILE} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), count: 1, begins, body }
}

fn length_of_file() -> usize {
    std::fs::metadata(root().join(FILE)).unwrap().len() as usize
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_small_file_over_keep_alive() {
    allocates_nothing(&get("", "HTTP/1.1 200 OK\r\n", length_of_file()));
}

#[test]
fn a_file_that_the_client_has() {
    allocates_nothing(&get("If-None-Match: *\r\n", "HTTP/1.1 304 Not Modified\r\n", 0));
}

#[test]
fn sixteen_at_a_time() {
    let one = get("", "HTTP/1.1 200 OK\r\n", length_of_file());
    allocates_nothing(&Round { requests: one.requests.repeat(16), count: 16, ..one });
}

/// Compares two runs, each on a separate server, so that one-time allocations occur in both.
fn allocates_nothing(round: &Round) {
    let (few, many) = (run(round, FEW), run(round, MANY));
    assert_ne!(few, 0, "the counter counts");
    assert!(many < few + SLACK, "{few} in {FEW} rounds, {many} in {MANY}");
}

/// The number of allocations of a loop that responds to this number of rounds over one connection.
fn run(round: &Round, rounds: u64) -> u64 {
    let log = AccessLog::to(tempfile::tempfile().unwrap().into());
    let mut server = HttpServer::bind("127.0.0.1:0").unwrap().service(FileService::new(root()).unwrap()).log(log);
    let (address, stopper) = (server.server_address(), server.stopper());
    thread::scope(|scope| {
        scope.spawn(move || {
            ask(address, round, rounds);
            stopper.stop();
        });
        // The counter and the loop both belong to this thread.
        allocation_counter::measure(|| _ = server.serve_forever().unwrap()).count_total
    })
}

fn ask(address: SocketAddr, round: &Round, rounds: u64) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answers = Vec::new();
    for _ in 0..rounds {
        connection.write_all(round.requests.as_bytes()).unwrap();
        answers.clear();
        while !is_complete(&answers, round) {
            let mut part = [0; 16 * 1024];
            let count = connection.read(&mut part).unwrap();
            assert_ne!(count, 0, "the connection stays open");
            answers.extend_from_slice(&part[..count]);
        }
    }
}

/// True if all responses of a round have arrived. They are equally long.
fn is_complete(answers: &[u8], round: &Round) -> bool {
    let Some(head) = answers.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    assert!(answers.starts_with(round.begins.as_bytes()), "{}", String::from_utf8_lossy(&answers[..head]));
    answers.len() == round.count * (head + 4 + round.body)
}
