//! Checks that descriptors that are no longer needed are closed. This test is a separate process, because other tests
//! would open descriptors at the same time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::net::TcpListener;
use std::thread;

use common::client::Client;
use common::service::TestService;
use serve_forever::HttpServer;
use serve_forever::log::AccessLog;

fn open() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// All checks are in one test, so that no other test runs at the same time.
#[test]
fn as_many_descriptors_after_as_before() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let before = open();
    // Contract row P20: a bind that fails leaks nothing.
    for _ in 0..1024 {
        assert!(HttpServer::bind(taken.local_addr().unwrap()).is_err());
    }
    assert_eq!(open(), before, "after binds that failed");

    let mut server = HttpServer::bind("127.0.0.1:0").unwrap().service(TestService).log(AccessLog::off());
    let (address, stopper) = (server.server_address(), server.stopper());
    let running = thread::spawn(move || server.serve_forever().unwrap());
    assert_eq!(Client::connect(address).get("/").status(), 200);
    for _ in 0..50 {
        let mut client = Client::connect(address);
        assert_eq!(client.get("/file?100000").body.len(), 100_000);
        client.say("GET /file?9000000 HTTP/1.1\r\nHost: h\r\n\r\n").head();
        client.reset();
        let mut client = Client::connect(address);
        client.say("GARBAGE\r\n");
        client.rest();
    }
    stopper.shutdown();
    running.join().unwrap();
    // As long as it exists, it can wake the server.
    drop(stopper);
    assert_eq!(open(), before, "after a run");
}
