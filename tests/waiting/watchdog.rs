//! A handler that keeps the loop, in a process of its own: this test binary, which runs one of its tests as the server.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Client, SAFETY, handlers, send_get};
use serve_forever::HttpServer;
use serve_forever::log::AccessLog;

const SERVER: &str = "SERVE_FOR_A_TEST";
const LONG: Duration = Duration::from_secs(3600);

/// The server of the other tests. It does nothing unless one of them starts it.
#[test]
fn server_process() {
    if std::env::var_os(SERVER).is_none() {
        return;
    }
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
    let service = handlers(handle).stuck_after(Duration::from_millis(50));
    let server = HttpServer::bind("127.0.0.1:0").unwrap().service(service).log(AccessLog::off());
    let mut server = server.stop_on_termination().unwrap();
    println!("listening on {}", server.server_address());
    server.serve_forever().unwrap();
}

/// A running [`server_process`].
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start() -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "waiting::watchdog::server_process", "--nocapture"]).env(SERVER, "1");
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
    let mut process = Process::start();
    let address = process.address();
    let (mut first, mut second) = (Client::connect(address), Client::connect(address));
    send_get(&mut first, "/first");
    process.line("locked");
    send_get(&mut second, "/second");
    let mut report = String::new();
    BufReader::new(process.child.stderr.take().unwrap()).read_line(&mut report).unwrap();
    assert!(report.starts_with("serve-forever: GET /second HTTP/1.1 has kept the loop for 50ms "), "{report}");
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
    let mut process = Process::start();
    let mut client = Client::connect(process.address());
    send_get(&mut client, "/waits");
    process.line("waits");
    process.signal(Signal::TERM);
    process.line("stops");
    process.signal(Signal::TERM);
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
}
