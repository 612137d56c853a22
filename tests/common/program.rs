//! The program, or an example, as a child process: starting it, sending it requests, ending it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;

/// The longest time that a test waits for the program. It ends a failing test, and it is shorter than the default
/// timeouts of clients, so that a test of a timeout's option fails if the option has no effect.
const SAFETY: Duration = Duration::from_secs(8);

/// The command that starts the program on a free port of this machine, without the environment of the test.
#[cfg(feature = "cli")]
pub fn command(words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serve-forever"));
    command.args(["0", "--bind", "127.0.0.1"]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A directory with these files. Names may contain folders.
pub fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

/// Runs the program in a directory until it refuses to start, and returns its exit status and its last line.
#[cfg(feature = "cli")]
pub fn refusal(root: &Path, words: &[&str]) -> (i32, String) {
    let mut child = command(words).current_dir(root).spawn().unwrap();
    // A program that starts unexpectedly prints a ready line, and must not be waited for.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "", "{words:?} were not refused");
    (output.status.code().unwrap(), last_line(&output))
}

/// The last line that a program wrote to standard error.
pub fn last_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().last().unwrap_or_default().to_owned()
}

/// The program while it serves.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    /// The ready line.
    pub ready: String,
    /// Receives the lines of standard output after the ready line.
    stdout: Receiver<String>,
    /// Receives the lines of standard error, if it is a pipe.
    stderr: Option<Receiver<String>>,
}

/// Reads lines until the end of input, in a thread.
pub fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut from, mut line) = (BufReader::new(from), Vec::new());
        while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            // Reading continues after the receiver is dropped, because a full pipe would change the program's
            // behaviour.
            _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        }
    });
    receiver
}

impl Program {
    /// An example on a free port, with these arguments after its address. Examples are built beside the tests: by `cargo test`, and by
    /// `cargo test --examples --test NAME`.
    pub fn example(name: &str, words: &[String]) -> Program {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
        assert!(program.exists(), "{} has to be built first: cargo build --examples", program.display());
        Program::of(Command::new(program).arg("127.0.0.1:0").args(words).stderr(Stdio::null()))
    }

    /// Starts it in a directory and waits until it is ready.
    #[cfg(feature = "cli")]
    pub fn start(root: &Path, words: &[&str]) -> Program {
        Program::of(command(words).current_dir(root))
    }

    pub fn of(command: &mut Command) -> Program {
        Program::try_of(command).unwrap_or_else(|output| panic!("not ready: {:?}", last_line(&output)))
    }

    /// Starts it, or returns its output if it ends without a ready line.
    pub fn try_of(command: &mut Command) -> Result<Program, Output> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let Ok(ready) = stdout.recv_timeout(SAFETY) else {
            return Err(child.wait_with_output().unwrap());
        };
        let address = address_in(&ready).unwrap_or_else(|| panic!("not a ready line: {ready:?}"));
        let stderr = child.stderr.take().map(lines);
        Ok(Program { child, address, ready, stdout, stderr })
    }

    /// A client that is connected to `127.0.0.1`, or to the address that the program has been bound to.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// A client that is connected to the program's port at another address.
    pub fn client_at(&self, address: IpAddr) -> Client {
        Client::connect(SocketAddr::new(address, self.address.port()))
    }

    /// The next line on standard error.
    pub fn log_line(&self) -> String {
        self.stderr.as_ref().unwrap().recv_timeout(SAFETY).expect("a line in the log")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its process under `/proc`.
    pub fn proc(&self) -> PathBuf {
        format!("/proc/{}", self.child.id()).into()
    }

    /// A line of its process's status, such as `Uid`, as words.
    pub fn facts(&self, name: &str) -> Vec<String> {
        let status = std::fs::read_to_string(self.proc().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SAFETY)).unwrap();
        stream
    }

    /// The response to a request with this method and path, and with these lines in its head. The connection ends after
    /// the response.
    pub fn ask(&self, method: &str, path: &str, lines: &[&str]) -> String {
        let lines = lines.iter().fold(String::new(), |text, line| text + line + "\r\n");
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{lines}\r\n").as_bytes())
    }

    /// The response to these bytes, read to the end of the connection.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).into_owned()
    }

    pub fn get(&self, path: &str) -> String {
        self.ask("GET", path, &[])
    }

    /// The status and the body of a GET.
    pub fn status_and_body(&self, path: &str) -> (u16, String) {
        let response = self.get(path);
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    pub fn status(&self, path: &str) -> u16 {
        self.status_and_body(path).0
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for a line on standard error with these words in it, and returns it. Lines before it are left out.
    pub fn says(&self, words: &str) -> String {
        loop {
            let line = self.stderr.as_ref().unwrap().recv_timeout(SAFETY);
            let line = line.unwrap_or_else(|error| panic!("it does not say {words:?}: {error}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Sends SIGTERM, and returns the exit status and the rest of standard error.
    pub fn end(self) -> (Option<i32>, String) {
        self.signal(rustix::process::Signal::TERM);
        self.rest()
    }

    /// Waits for its end, and returns the exit status and the rest of standard error.
    pub fn rest(self) -> (Option<i32>, String) {
        let (status, _, logged) = self.outputs();
        (status, logged)
    }

    /// Waits for its end, and returns the exit status and the rest of standard output and standard error.
    pub fn outputs(mut self) -> (Option<i32>, String, String) {
        let printed = rest_of(&self.stdout);
        let logged = self.stderr.as_ref().map(rest_of).unwrap_or_default();
        (self.child.wait().unwrap().code(), printed, logged)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The address in the ready line of the program or of an example.
fn address_in(ready: &str) -> Option<SocketAddr> {
    if let Some(address) = ready.strip_prefix("listening on ") {
        return address.trim_end().parse().ok();
    }
    let url = ready.split(['(', ')']).nth(1)?;
    url.split_once("://")?.1.strip_suffix('/')?.parse().ok()
}

/// Receives lines until the sender is dropped, which is at the end of the program's output.
fn rest_of(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(SAFETY) {
            Ok(line) => text.push_str(&line),
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
        }
    }
}

/// Waits until a file exists, if only this shows that a signal was handled.
pub fn wait_for(path: &Path) {
    until(&format!("{path:?} is made"), || path.exists());
}

/// Waits for a condition without an event to wait for.
pub fn until(what: &str, happens: impl Fn() -> bool) {
    let began = Instant::now();
    while !happens() {
        assert!(began.elapsed() < SAFETY, "in vain: until {what}");
        std::thread::yield_now();
    }
}

/// The value of a field in a response's head.
pub fn field<'r>(response: &'r str, name: &str) -> Option<&'r str> {
    let (head, _) = response.split_once("\r\n\r\n")?;
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
