//! The program as a child process: starting it, sending it requests, ending it.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::Client;

/// Longer than any step of these tests. It keeps a failing test from hanging.
pub const SAFETY: Duration = Duration::from_secs(20);

/// The size of a file that no socket buffers hold as a whole.
pub const LARGE: usize = 32 * 1024 * 1024;

/// A directory with the files `a`, which holds `hello`, and `large`.
pub fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), "hello").unwrap();
    std::fs::File::create(root.path().join("large")).unwrap().set_len(LARGE as u64).unwrap();
    root
}

/// The command that starts the program with these options, on a free port of this machine.
pub fn command(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve-forever"));
    command.args(["0", "--bind", "127.0.0.1", "--directory"]).arg(root).args(words).env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program while it serves. It is killed if a test fails.
pub struct Process {
    pub child: Child,
    /// The ready line.
    pub ready: String,
    pub address: SocketAddr,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(root: &Path, words: &[&str]) -> Process {
        Process::of(&mut command(root, words))
    }

    /// Starts it and waits until it is ready.
    pub fn of(command: &mut Command) -> Process {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let after = ready.split(" port ").nth(1).or(ready.split("\"port\":").nth(1));
        let Some(after) = after else {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("not a ready line: {ready:?}: {errors}");
        };
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
        Process { child, ready, address, stdout }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until nothing listens at its address.
    pub fn until_refused(&self) {
        until("the listener is closed", || TcpStream::connect(self.address).is_err());
    }

    /// Waits for its end: its status, and the rest of its standard output.
    pub fn rest(mut self) -> (i32, String) {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        until("the program ends", || self.child.try_wait().unwrap().is_some());
        (self.child.wait().unwrap().code().unwrap(), text)
    }

    /// Waits for its end: its status.
    pub fn status(self) -> i32 {
        self.rest().0
    }

    /// Asks it to end by SIGTERM, and waits for that.
    pub fn end(self) -> i32 {
        self.signal(Signal::TERM);
        self.status()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs the program until it refuses to start. Returns its status and its last line.
pub fn refusal(command: &mut Command) -> (i32, String) {
    let mut child = command.spawn().unwrap();
    // A program that unexpectedly starts prints its ready line. The test must not wait for such a program.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "", "{command:?} was not refused");
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text.lines().last().unwrap_or_default().to_owned())
}

/// Waits for a condition that no event announces.
pub fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happens() {
        assert!(began.elapsed() < SAFETY, "in vain: until {what}");
        std::thread::yield_now();
    }
}
