//! A handler or a service that blocks the loop, in a separate process: this test binary, which runs one of its tests as
//! the server.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Client, SAFETY, handlers, send_get};
use serve_forever::HttpServer;
use serve_forever::http::Request;
use serve_forever::log::AccessLog;
use serve_forever::service::Response;

const SERVER: &str = "SERVE_FOR_A_TEST";
/// The value of [`SERVER`] for a server with handlers, and for one with a closure.
const HANDLERS: &str = "handlers";
const CLOSURE: &str = "closure";
const STUCK: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

/// The server of the other tests. It does nothing unless one of them starts it.
#[test]
fn server_process() {
    let Ok(kind) = std::env::var(SERVER) else { return };
    let server = HttpServer::bind("127.0.0.1:0").unwrap().log(AccessLog::off());
    let server = if kind == CLOSURE { with_closure(server) } else { with_handlers(server) };
    let mut server = server.stop_on_termination().unwrap();
    println!("listening on {}", server.server_address());
    server.serve_forever().unwrap();
}

/// A closure that waits for a lock which is never released, after one call that ends and one that panics.
fn with_closure(server: HttpServer) -> HttpServer {
    let lock = Mutex::new(());
    std::mem::forget(lock.lock().unwrap());
    server.stuck_after(STUCK).service(move |request: &Request| match request.target() {
        b"/ends" => Response::text("ends"),
        b"/panics" => panic!("asked for by the test"),
        _ => {
            drop(lock.lock());
            Response::text("unlocked")
        }
    })
}

fn with_handlers(server: HttpServer) -> HttpServer {
    let lock = Arc::new(Mutex::new(()));
    let handle = move |x: &mut serve_forever::handler::Exchange<'_>| match x.path() {
        "/waits" => {
            println!("waits");
            x.wait_for_stop(LONG)?;
            println!("stops");
            x.sleep(LONG)
        }
        _ => {
            let _guard = lock.lock();
            println!("locked");
            x.sleep(LONG)
        }
    };
    server.service(handlers(handle).stuck_after(STUCK))
}

/// A running [`server_process`].
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(kind: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "waiting::watchdog::server_process", "--nocapture"]).env(SERVER, kind);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Process { child, output }
    }

    /// The rest of the first line that contains `text`.
    fn line(&mut self, text: &str) -> String {
        let lines = self.output.by_ref().lines().map(Result::unwrap);
        lines.into_iter().find_map(|line| Some(line.split_once(text)?.1.to_owned())).unwrap()
    }

    fn address(&mut self) -> SocketAddr {
        self.line("listening on ").parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn a_handler_that_keeps_the_loop_is_named_and_a_second_signal_ends_the_process() {
    let mut process = Process::start(HANDLERS);
    let address = process.address();
    let (mut first, mut second) = (Client::connect(address), Client::connect(address));
    send_get(&mut first, "/first");
    process.line("locked");
    send_get(&mut second, "/second");
    let mut report = String::new();
    BufReader::new(process.child.stderr.take().unwrap()).read_line(&mut report).unwrap();
    assert!(report.starts_with("serve-forever: GET /second HTTP/1.1 has blocked the loop for 50ms, "), "{report}");
    process.signal(Signal::INT);
    // Repeated, because two threads of the process could handle two signals at the same moment, each as the first.
    let began = Instant::now();
    let status = loop {
        process.signal(Signal::TERM);
        match process.child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(began.elapsed() < SAFETY, "the process does not end"),
        }
        std::thread::yield_now();
    };
    assert!(matches!(status.signal(), Some(2 | 15)), "{status}");
}

#[test]
fn a_second_signal_that_the_loop_reads_ends_the_run_in_order() {
    let mut process = Process::start(HANDLERS);
    let mut client = Client::connect(process.address());
    send_get(&mut client, "/waits");
    process.line("waits");
    process.signal(Signal::TERM);
    process.line("stops");
    process.signal(Signal::TERM);
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_service_that_keeps_the_loop_is_named() {
    let mut process = Process::start(CLOSURE);
    let address = process.address();
    // The ends of these calls are noted, also that of the panic. It may be reported: printing a backtrace takes long.
    for (target, status) in [("/ends", "200"), ("/panics", "500")] {
        let mut client = Client::connect(address);
        send_get(&mut client, target);
        assert!(client.head().starts_with(&format!("HTTP/1.1 {status} ")), "{target}");
    }
    let mut client = Client::connect(address);
    send_get(&mut client, "/waits");
    let mut lines = BufReader::new(process.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let report = lines.find(|line| line.starts_with("serve-forever: GET /waits ")).unwrap();
    assert!(report.contains(" HTTP/1.1 has blocked the loop for 50ms, "), "{report}");
}
