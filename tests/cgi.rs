//! CGI scripts on a running server: good and bad output, limits, signals and the log. At its end, every test checks
//! that no process and no descriptor is left.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{self, BufRead, BufReader, Write, pipe};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::client::{Client, SAFETY};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serve_forever::Limits;
use serve_forever::cgi::{CgiBuilder, CgiLimits, CgiService};
use serve_forever::files::{Account, FileService};
use serve_forever::log::AccessLog;
use serve_forever::{HttpServer, Stopped, Stopper};

/// Runs the tests one after the other: each counts the children and descriptors of this process.
static ONE: Mutex<()> = Mutex::new(());

/// A server with scripts, in a separate thread.
struct Site {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
    /// Receives a message at the end of every turn of the loop.
    turns: Receiver<()>,
    log: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    /// The number of descriptors of this process while the server is idle.
    descriptors: usize,
    tree: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

impl Site {
    fn new(scripts: &[(&str, &str)]) -> Site {
        Site::with(scripts, CgiLimits::default(), Limits::default())
    }

    fn with(scripts: &[(&str, &str)], cgi: CgiLimits, limits: Limits) -> Site {
        Site::built(scripts, limits, |builder| builder.limits(cgi))
    }

    fn built(scripts: &[(&str, &str)], limits: Limits, settings: impl FnOnce(CgiBuilder) -> CgiBuilder) -> Site {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let tree = tempfile::tempdir().unwrap();
        // As root the server runs scripts as `nobody`, and that user must be able to read the directory.
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(tree.path().join("cgi-bin")).unwrap();
        fs::write(tree.path().join("hello.txt"), "hello\n").unwrap();
        for (name, text) in scripts {
            add(tree.path(), name, &format!("#!/bin/sh\n{text}\n"), 0o755);
        }
        let (reader, writer) = pipe().unwrap();
        let (lines, log) = channel();
        let reader = Some(thread::spawn(move || {
            // The test may have dropped the receiver already.
            _ = BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| lines.send(line));
        }));
        let files = FileService::new(tree.path()).unwrap();
        let service = settings(CgiService::builder(tree.path())).build(files).unwrap();
        let (turn, turns) = channel();
        let mut server = HttpServer::bind("127.0.0.1:0")
            .unwrap()
            .service(service)
            .limits(limits)
            .service_actions(move || _ = turn.send(()))
            .log(AccessLog::to(writer.into()));
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = Some(thread::spawn(move || server.serve_forever()));
        turns.recv_timeout(SAFETY).unwrap();
        Site { address, stopper, thread, turns, log, reader, descriptors: descriptors(), tree, _one: one }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The whole response to a GET.
    fn get(&self, path: &str) -> String {
        self.ask("GET", path, "")
    }

    /// The whole response to a request with further header lines. If these end in an empty line, a body may follow.
    fn ask(&self, method: &str, path: &str, lines_and_body: &str) -> String {
        let mut client = self.connect();
        let separator = if lines_and_body.contains("\r\n\r\n") { "" } else { "\r\n" };
        client.say(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{lines_and_body}{separator}"));
        client.text()
    }

    /// Waits until the server has no children and only the descriptors of an idle server.
    fn settle(&self) {
        let left = || (children(), descriptors());
        while left() != (Vec::new(), self.descriptors) {
            self.turns.recv_timeout(SAFETY).unwrap_or_else(|_| panic!("left: {:?}, {}", left(), self.descriptors));
        }
    }

    /// Waits for a line of the log.
    fn logged(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(SAFETY).unwrap_or_else(|_| panic!("not logged: {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Stops the server and returns the result of its run.
    fn stop(&mut self, now: bool) -> Stopped {
        if now {
            self.stopper.stop_now()
        } else {
            self.stopper.stop()
        }
        self.thread.take().unwrap().join().unwrap().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopper.stop_now();
        _ = self.thread.take().map(JoinHandle::join);
        // The server has dropped its log, so the reader reaches the end of the pipe.
        _ = self.reader.take().map(JoinHandle::join);
    }
}

fn add(root: &Path, name: &str, text: &str, mode: u32) {
    let path = root.join("cgi-bin").join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Process id and state of each child of this process; state Z is a zombie.
fn children() -> Vec<(String, String)> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let of_ours = processes.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?.to_owned(), fields.next()?);
        (parent == own).then_some((pid, state))
    });
    of_ours.collect()
}

/// Any process that a test waits for.
struct Process(OwnedFd);

impl Process {
    fn numbered(text: &str) -> Process {
        let pid = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
        Process(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    fn ends_within(&self, seconds: i64) -> bool {
        let timeout = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)).unwrap() > 0
    }
}

/// The chunks of a body, joined by newlines.
fn chunked(client: &mut Client) -> String {
    std::iter::from_fn(|| Some(client.chunk()).filter(|chunk| !chunk.is_empty())).collect::<Vec<_>>().join("\n")
}

const TEXT: &str = "printf 'Content-Type: text/plain\\n\\n'";

#[test]
fn output_that_is_not_a_response_is_502_and_logged() {
    let site = Site::new(&[
        ("nothing", "exit 0"),
        ("half", "printf 'Content-Type: text/plain'"),
        ("no-end", "printf 'Content-Type: text/plain\\n'"),
        ("cr", "printf 'Content-Type: text/plain\\nX-A: b\\rX-B: c\\n\\nbody'"),
        ("nul", "printf 'Content-Type: text/plain\\nX-A: \\000\\n\\nbody'"),
        ("words", "printf 'just words\\n\\nbody\\n'"),
        ("binary", "printf '\\377\\033\\n\\n'"),
        ("interim", "printf 'Status: 101 Switching\\n\\n'"),
        ("long", "printf 'X: '; head -c 1000000 /dev/zero | tr '\\000' x; printf '\\nContent-Type: a/b\\n\\n'"),
        ("many", "yes 'X-A: b' | head -n 100000; printf 'Content-Type: a/b\\n\\n'"),
        ("killed", "kill -9 $$"),
        ("failed", "exit 3"),
    ]);
    for (name, logged) in [
        ("nothing", "'/cgi-bin/nothing': no output"),
        ("half", "ends after 24 bytes"),
        ("no-end", "ends after 25 bytes"),
        ("cr", "invalid value for header \"X-A\""),
        ("nul", "invalid value for header \"X-A\""),
        (
            "words",
            r"'/cgi-bin/words': line 1 of the output is not a header field; output begins with: just words\x0a\x0a",
        ),
        ("binary", "output begins with: \u{fffd}\\x1b"),
        ("interim", "Status is not a code from 200 to 599"),
        ("long", "head of the output is too long"),
        ("many", "head of the output is too long"),
        ("killed", "CGI script killed by signal 9: '/cgi-bin/killed'"),
        ("failed", "CGI script exit code 3: '/cgi-bin/failed'"),
    ] {
        let answer = site.get(&format!("/cgi-bin/{name}"));
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{name}: {answer}");
        assert!(!answer.contains("\r\nX-A"), "{name}: {answer}");
        site.logged(logged);
        site.settle();
    }
}

#[test]
fn the_log_shows_200_bytes_of_refused_output() {
    let limits = CgiLimits { first_byte: Duration::from_millis(300), ..CgiLimits::default() };
    let long = format!("printf '%s' {} no; printf '\\n\\n'", "x".repeat(200));
    let site =
        Site::with(&[("long", &long), ("late", "printf 'X-A: half'; exec sleep 1000")], limits, Limits::default());
    assert!(site.get("/cgi-bin/long").starts_with("HTTP/1.1 502 "));
    let line = site.logged("'/cgi-bin/long': ");
    assert!(line.ends_with(&format!("; output begins with: {}", "x".repeat(200))), "{line}");
    assert!(site.get("/cgi-bin/late").starts_with("HTTP/1.1 504 "));
    site.logged("'/cgi-bin/late': output begins with: X-A: half");
    site.settle();
}

#[test]
fn files_that_cannot_be_run_are_not_sent() {
    let site = Site::new(&[]);
    let root = site.tree.path();
    add(root, "plain", "#!/bin/sh\n# source\n", 0o644);
    add(root, "interpreter", "#!/no/such/interpreter\n# source\n", 0o755);
    add(root, "format", "# source\n", 0o755);
    fs::create_dir(root.join("cgi-bin/directory")).unwrap();
    fs::create_dir(root.join("outside")).unwrap();
    add(root, "../outside/run", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; pwd\n", 0o755);
    symlink("../outside/run", root.join("cgi-bin/out")).unwrap();
    symlink("../hello.txt", root.join("cgi-bin/file")).unwrap();
    symlink("nowhere", root.join("cgi-bin/broken")).unwrap();
    for (name, status) in [
        ("plain", "403"),
        ("interpreter", "502"),
        ("format", "502"),
        ("directory", "403"),
        ("file", "403"),
        ("broken", "404"),
        ("%2e%2e/outside/run", "200"),
        ("%252e%252e/outside/run", "404"),
    ] {
        let answer = site.get(&format!("/cgi-bin/{name}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(!answer.contains("# source"), "{name}: {answer}");
        site.settle();
    }
    // A link is followed, as for files. The script runs in the directory of the link.
    let answer = site.get("/cgi-bin/out");
    assert!(answer.contains("/cgi-bin\n"), "{answer}");
}

#[test]
fn the_connection_persists_after_a_body_that_a_script_does_not_read() {
    let site = Site::new(&[("deaf", &format!("{TEXT}; echo ok")), ("closed", &format!("exec <&-; {TEXT}; echo ok"))]);
    for name in ["deaf", "closed"] {
        let mut client = site.connect();
        client.say(&format!("POST /cgi-bin/{name} HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n"));
        client.say(&"x".repeat(200_000));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{name}: {head}");
        assert_eq!(chunked(&mut client), "ok\n");
        // The unread body is discarded, and the connection accepts the next request.
        client.say("GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(client.text().ends_with("\r\n\r\nhello\n"));
        drop(client);
        site.settle();
    }
}

#[test]
fn a_body_reaches_the_script_and_ends() {
    let site = Site::new(&[
        ("cat", &format!("{TEXT}; echo \"[$CONTENT_LENGTH]\"; cat")),
        ("count", &format!("{TEXT}; wc -c")),
    ]);
    let mut client = site.connect();
    client.say("POST /cgi-bin/cat HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.say("2\r\nde\r\n0\r\n\r\n");
    client.head();
    assert_eq!(chunked(&mut client).replace('\n', ""), "[]abcde");
    client.say("POST /cgi-bin/count HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
    client.say(&"x".repeat(3_000_000));
    // The response is delayed until the script reads, so that it need not contain `Connection: close`.
    assert!(!client.head().contains("\r\nConnection: "));
    assert_eq!(chunked(&mut client), "3000000\n");
    client.say("GET /cgi-bin/count HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(client.text().contains("\r\n0\n\r\n"));
    drop(client);
    site.settle();
}

#[test]
fn a_script_is_terminated_if_its_body_is_cut_short() {
    let site = Site::new(&[("cat", "echo started >&2; cat >/dev/null; echo whole >&2")]);
    let mut client = site.connect();
    client.say("POST /cgi-bin/cat HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    site.logged("started");
    drop(client);
    site.logged("connection closed");
    site.settle();
    assert!(site.log.try_iter().all(|line| !line.contains("whole")));
}

#[test]
fn ten_gigabytes_of_output_are_not_buffered() {
    let site = Site::new(&[("huge", &format!("{TEXT}; head -c 10000000000 /dev/zero"))]);
    let mut client = site.connect();
    client.say("GET /cgi-bin/huge HTTP/1.1\r\nHost: h\r\n\r\n");
    client.exactly(1_000_000);
    drop(client);
    site.settle();
    let memory = fs::read_to_string("/proc/self/status").unwrap();
    let most = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 100_000, "{most}");
}

#[test]
fn a_script_without_a_response_in_time_is_504() {
    let limits = CgiLimits {
        first_byte: Duration::from_millis(50),
        kill_after: Duration::from_millis(50),
        ..CgiLimits::default()
    };
    let site = Site::with(
        &[
            ("hang", "exec sleep 1000"),
            ("stubborn", "trap '' TERM; while :; do sleep 1000; done"),
            ("half", "printf 'X: y\\n'; exec sleep 1000"),
        ],
        limits,
        Limits::default(),
    );
    for name in ["hang", "stubborn", "half"] {
        assert!(site.get(&format!("/cgi-bin/{name}")).starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{name}");
        site.logged("CGI script terminated (no response in time)");
        site.settle();
    }
}

#[test]
fn a_script_is_terminated_after_its_whole_time() {
    let limits = CgiLimits { whole: Duration::from_millis(300), ..CgiLimits::default() };
    let site = Site::with(
        &[
            ("hang", &format!("{TEXT}; echo begun; exec sleep 1000")),
            ("live-on", &format!("{TEXT}; echo done; exec >&-; exec sleep 1000")),
            ("silent", "exec sleep 1000"),
        ],
        limits,
        Limits::default(),
    );
    let cut = site.get("/cgi-bin/hang");
    assert!(cut.starts_with("HTTP/1.1 200 OK\r\n") && cut.contains("begun\n"), "{cut}");
    assert!(!cut.contains("\r\n0\r\n"), "the client must be able to notice the cut: {cut}");
    site.logged("CGI script terminated (time limit passed): '/cgi-bin/hang'");
    site.settle();
    // The response is complete when the output is. The script may continue until its time limit.
    let whole = site.get("/cgi-bin/live-on");
    assert!(whole.ends_with("\r\n0\r\n\r\n") && whole.contains("done\n"), "{whole}");
    site.logged("CGI script terminated (time limit passed): '/cgi-bin/live-on'");
    site.settle();
    assert!(site.get("/cgi-bin/silent").starts_with("HTTP/1.1 504 "));
    site.settle();
}

#[test]
fn a_background_process_with_the_pipe_does_not_delay_the_end_of_the_response() {
    let site = Site::new(&[("fork", &format!("{TEXT}; sleep 1000 & echo $!"))]);
    let mut client = site.connect();
    client.say("GET /cgi-bin/fork HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    let child = Process::numbered(&chunked(&mut client));
    assert!(!child.ends_within(0), "a process that a complete script leaves behind is not terminated");
    pidfd_send_signal(&child.0, Signal::KILL).unwrap();
    drop((client, child));
    site.settle();
}

#[test]
fn the_process_group_is_terminated_when_the_client_disconnects() {
    let limits = Limits { half_closed_timeout: Duration::from_millis(100), ..Limits::default() };
    let script = format!("{TEXT}; sleep 1000 & echo $!; echo $$; wait");
    let site =
        Site::with(&[("group", &script), ("mute", "echo $$ >&2; exec sleep 1000")], CgiLimits::default(), limits);
    let mut client = site.connect();
    client.say("GET /cgi-bin/group HTTP/1.0\r\n\r\n");
    client.head();
    let group = [client.line(), client.line()].map(|line| Process::numbered(&line));
    drop(client);
    assert!(group.iter().all(|process| process.ends_within(20)));
    drop(group);
    site.logged("CGI script terminated (connection closed)");
    site.settle();
    // The same failure, before the response.
    let mut client = site.connect();
    client.say("GET /cgi-bin/mute HTTP/1.0\r\n\r\n");
    site.logged("'/cgi-bin/mute': ");
    drop(client);
    site.logged("CGI script terminated (connection closed)");
    site.settle();
}

#[test]
fn a_client_that_has_shut_down_its_sending_side_gets_the_response() {
    let site = Site::new(&[("say", &format!("{TEXT}; echo said"))]);
    let mut client = site.connect();
    client.say("GET /cgi-bin/say HTTP/1.0\r\n\r\n");
    client.end();
    assert!(client.text().ends_with("\r\n\r\nsaid\n"));
    drop(client);
    site.settle();
}

/// A script that responds without reading its body. If the rest of the body is long, the response contains
/// `Connection: close`. If it is short, it is discarded. A pipelined request is never dropped without the client
/// noticing.
#[test]
fn a_script_may_respond_before_it_reads() {
    let site = Site::new(&[("early", &format!("{TEXT}; echo early"))]);
    let post = |length: usize| format!("POST /cgi-bin/early HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    let mut client = site.connect();
    client.say(&post(1_000_000));
    client.say(&"x".repeat(500_000));
    let head = client.head();
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(chunked(&mut client), "early\n");
    assert_eq!(client.text(), "");

    client = site.connect();
    client.say(&post(200_000));
    client.say(&"x".repeat(200_000));
    client.say("GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let head = client.head();
    assert!(!head.contains("\r\nConnection: "), "{head}");
    assert_eq!(chunked(&mut client), "early\n");
    assert!(client.text().ends_with("\r\n\r\nhello\n"));
    drop(client);
    site.settle();
}

/// A script that ignores its body, and writes its head and the rest of its output separately. The server reads more
/// than the head before it responds, and must remember where the head ends.
#[test]
fn a_script_that_ignores_its_body_may_write_head_and_output_apart() {
    let site = Site::new(&[("apart", &format!("{TEXT}; read go < ../gate; echo apart"))]);
    let gate = site.tree.path().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::ROTH).unwrap();
    fs::set_permissions(&gate, fs::Permissions::from_mode(0o644)).unwrap();
    let mut client = site.connect();
    client.say("POST /cgi-bin/apart HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    client.say(&"x".repeat(200_000));
    // This blocks until the script opens the other end, which it does after it has written its head.
    let mut gate = fs::OpenOptions::new().write(true).open(gate).unwrap();
    // The head is in the pipe before this request is sent, so the loop has read it when this response arrives.
    assert!(site.get("/hello.txt").ends_with("\r\n\r\nhello\n"));
    gate.write_all(b"go\n").unwrap();
    drop(gate);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(chunked(&mut client), "apart\n");
    drop(client);
    site.settle();
}

#[test]
fn slow_scripts_do_not_delay_other_requests() {
    let site = Site::new(&[("slow", &format!("{TEXT}; echo begun; read go; echo $go"))]);
    let mut slow: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = site.connect();
            client.say("POST /cgi-bin/slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.head();
            assert_eq!(client.chunk(), "begun\n");
            client
        })
        .collect();
    // All the scripts are running and wait for input.
    assert_eq!(children().len(), 20);
    assert!(site.get("/hello.txt").ends_with("\r\n\r\nhello\n"));
    for client in &mut slow {
        client.say("3\r\nnow\r\n1\r\n\n\r\n0\r\n\r\n");
        assert_eq!(chunked(client), "now\n");
        client.say("GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(client.text().ends_with("\r\n\r\nhello\n"));
    }
    drop(slow);
    site.settle();
}

#[test]
fn requests_beyond_the_limit_of_scripts_wait_in_a_queue() {
    let limits = CgiLimits { live: 2, ..CgiLimits::default() };
    let site = Site::with(&[("wait", &format!("{TEXT}; read go; echo $go"))], limits, Limits::default());
    let mut clients: Vec<Client> = (0..6)
        .map(|_| {
            let mut client = site.connect();
            client.say("POST /cgi-bin/wait HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\n");
            client
        })
        .collect();
    // A request that leaves the queue does not delay the others.
    drop(clients.remove(3));
    assert!(site.get("/hello.txt").ends_with("\r\n\r\nhello\n"));
    assert!(children().len() <= 2);
    for client in &mut clients {
        client.say("go\n");
        assert!(client.text().contains("go\n"));
    }
    drop(clients);
    site.settle();
}

#[test]
fn responses_of_scripts() {
    let site = Site::new(&[
        ("status", "printf 'Status: 418 Pot\\nX-A: b\\n\\nshort and stout'"),
        ("no-phrase", "printf 'Status: 418\\n\\n'"),
        ("phrase", "printf 'Status: 404 Nothing\\rHere\\n\\n'"),
        ("cgitb", "printf '<!--: spam\\nContent-Type: text/html\\n\\n<p>Traceback'"),
        ("nph", "printf 'HTTP/1.1 410 Long Gone\\r\\nContent-Type: text/plain\\r\\n\\r\\nno more'"),
        ("there", "printf 'Location: http://elsewhere.example/x\\n\\n'"),
        ("here", "printf 'Location: /hello.txt\\n\\n'"),
        ("again", "printf 'Location: /cgi-bin/query?a=b\\n\\n'"),
        ("query", &format!("{TEXT}; echo \"$REQUEST_METHOD $SCRIPT_NAME $QUERY_STRING [$CONTENT_LENGTH]\"; cat")),
        ("cookie", "printf 'Location: /hello.txt\\nSet-Cookie: a=b\\n\\n'"),
        ("loop", "printf 'Location: /cgi-bin/loop\\n\\n'"),
        ("length", "printf 'Content-Type: a/b\\nContent-Length: 5\\n\\n12345and more'"),
        ("short", "printf 'Content-Type: a/b\\nContent-Length: 50\\n\\n12345'"),
        ("empty", "printf 'Content-Type: a/b\\nContent-Length: 0\\n\\n'"),
        ("none", "printf 'Status: 204\\n\\n'"),
        ("framing", "printf 'Content-Type: a/b\\nTransfer-Encoding: chunked\\nConnection: x\\n\\nplain'"),
    ]);
    for (name, status, part) in [
        ("status", "418 Pot", "\r\nX-A: b\r\n"),
        ("no-phrase", "418 I'm a Teapot", ""),
        ("nph", "410 Long Gone", "no more"),
        ("phrase", "404 Nothing?Here", "\r\n\r\n"),
        ("cgitb", "200 OK", "Content-Type: text/html\r\n"),
        ("there", "302 Found", "\r\nLocation: http://elsewhere.example/x\r\n"),
        ("here", "200 OK", "\r\n\r\nhello\n"),
        ("again", "200 OK", "GET /cgi-bin/query a=b []\n"),
        ("cookie", "302 Found", "\r\nSet-Cookie: a=b\r\n"),
        ("loop", "502 Bad Gateway", ""),
        ("length", "200 OK", "\r\n\r\n12345"),
        ("short", "200 OK", "\r\n\r\n12345"),
        ("empty", "200 OK", "\r\nContent-Length: 0\r\n"),
        ("none", "204 No Content", ""),
        ("framing", "200 OK", "\r\n\r\n5\r\nplain\r\n0\r\n\r\n"),
    ] {
        let answer = site.get(&format!("/cgi-bin/{name}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{name}: {answer}");
        assert!(answer.contains(part) && !answer.contains("and more"), "{name}: {answer}");
        site.settle();
    }
    // The connection persists if the framing allows it. HEAD has no body. A POST is redirected as a GET without a body.
    let mut client = site.connect();
    for (name, framing) in [
        ("status", "\r\nTransfer-Encoding: chunked\r\n"),
        ("empty", "\r\nContent-Length: 0\r\n"),
        ("none", ""),
        ("length", "\r\nContent-Length: 5\r\n"),
        ("here", "\r\nContent-Length: 6\r\n"),
        ("query", "\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        client.say(&format!("HEAD /cgi-bin/{name} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let head = client.head();
        assert!(head.contains(framing), "{name}: {head}");
        assert!(name != "none" || !head.contains("Transfer-Encoding") && !head.contains("Content-Length"), "{head}");
    }
    client.say("POST /cgi-bin/again HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    client.head();
    assert_eq!(chunked(&mut client), "GET /cgi-bin/query a=b []\n");
    client.say("GET /cgi-bin/length HTTP/1.0\r\n\r\n");
    assert!(client.text().ends_with("\r\n\r\n12345"));
    drop(client);
    site.settle();
}

#[test]
fn eight_redirects_within_the_server_are_followed() {
    let mut site = Site::new(&[("loop", "echo run >&2; printf 'Location: /cgi-bin/loop\\n\\n'")]);
    assert!(site.get("/cgi-bin/loop").starts_with("HTTP/1.1 502 "));
    site.settle();
    site.stop(true);
    site.reader.take().unwrap().join().unwrap();
    let runs = site.log.try_iter().filter(|line| line.ends_with("'/cgi-bin/loop': run")).count();
    assert_eq!(runs, 9, "the first one and a run for each redirect");
}

#[test]
fn scripts_get_every_method_except_trace() {
    let site = Site::new(&[("any", &format!("{TEXT}; echo \"ran by $REQUEST_METHOD with $(cat)\""))]);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW", "get"] {
        let answer = site.ask(method, "/cgi-bin/any", "Content-Length: 4\r\n\r\nbody");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{method}: {answer}");
        assert!(answer.contains(&format!("ran by {method} with body\n")), "{method}: {answer}");
    }
    for (method, path, status, allow) in [
        ("TRACE", "/cgi-bin/any", "405", "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"),
        ("PUT", "/cgi-bin/none", "404", "No such CGI script"),
        ("DELETE", "/cgi-bin/", "403", "not a plain file"),
        ("POST", "/hello.txt", "405", "Allow: GET, HEAD, OPTIONS\r\n"),
        ("POST", "/cgi-bin/none", "404", ""),
        ("GET", "/cgi-bin", "301", "Location: /cgi-bin/\r\n"),
    ] {
        let answer = site.ask(method, path, "Content-Length: 0\r\n");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(allow),
            "{method} {path}: {answer}"
        );
    }
    site.settle();
}

#[test]
fn accounts_guard_scripts() {
    let script = format!("{TEXT}; echo \"$AUTH_TYPE $REMOTE_USER [$HTTP_AUTHORIZATION]\"");
    let redirect = "printf 'Location: /cgi-bin/who\\n\\n'";
    let site = Site::built(&[("who", &script), ("to-who", redirect)], Limits::default(), |builder| {
        builder.auth(Account::new("ann", "secret")).auth(Account::new("bob", "other"))
    });
    // A wrong password, no credentials, the right credentials in another scheme, and the right credentials twice.
    for lines in [
        "Authorization: Basic YW5uOndyb25n\r\n",
        "",
        "Authorization: Bearer YW5uOnNlY3JldA==\r\n",
        "Authorization: Basic YW5uOnNlY3JldA==\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n",
    ] {
        for (method, path) in
            [("GET", "who"), ("PUT", "who"), ("OPTIONS", "who"), ("TRACE", "who"), ("GET", "none"), ("GET", "")]
        {
            let answer = site.ask(method, &format!("/cgi-bin/{path}"), lines);
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{method} {path}: {answer}");
            assert!(
                answer.contains("\r\nWWW-Authenticate: Basic realm=\"serve-forever\", charset=\"UTF-8\"\r\n"),
                "{answer}"
            );
        }
    }
    for path in ["who", "to-who"] {
        let answer = site.ask("GET", &format!("/cgi-bin/{path}"), "Authorization: bAsIc YW5uOnNlY3JldA==\r\n");
        assert!(answer.contains("\r\nBasic ann []\n"), "{answer}");
    }
    site.settle();
}

#[test]
fn scripts_below_a_base_path_and_without_hidden_names() {
    let script = format!("{TEXT}; echo \"$SCRIPT_NAME $PATH_INFO\"");
    let site = Site::built(&[("run", &script), (".run", &script)], Limits::default(), |builder| {
        builder.base_path("/b").hidden(true)
    });
    assert!(site.get("/b/cgi-bin/run/x").contains("\r\n/b/cgi-bin/run /x\n"));
    for path in ["/b/cgi-bin/.run", "/b/cgi-bin/run/.x"] {
        assert!(site.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
    site.settle();
}

#[test]
fn standard_error_and_the_exit_status_are_logged() {
    let site = Site::new(&[
        ("complain", &format!("echo 'one\u{1b}[31m' >&2; printf two >&2; {TEXT}; echo ok; exit 7")),
        ("flood", &format!("yes complaint | head -c 10000000 >&2; {TEXT}; echo ok")),
        ("late", &format!("{TEXT}; echo ok; exec >&-; cat /dev/null; echo behind >&2")),
    ]);
    assert!(site.get("/cgi-bin/complain").contains("\r\nok\n\r\n"));
    site.logged(r"'/cgi-bin/complain': one\x1b[31m");
    site.logged("'/cgi-bin/complain': two");
    site.logged("CGI script exit code 7");
    assert!(site.get("/cgi-bin/flood").contains("\r\nok\n\r\n"));
    site.logged("(further output dropped)");
    assert!(site.get("/cgi-bin/late").contains("\r\nok\n\r\n"));
    site.logged("'/cgi-bin/late': behind");
    site.settle();
}

#[test]
fn a_script_inherits_no_descriptor_no_user_and_no_variable() {
    let site = Site::new(&[("look", &format!("{TEXT}; echo $(ls /proc/self/fd); id -u; id -G; env; echo $#"))]);
    let mut client = site.connect();
    client.say("GET /cgi-bin/look?-x HTTP/1.0\r\n\r\n");
    client.head();
    // `ls` has opened descriptor 3 itself.
    assert_eq!(client.line().split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let (user, groups) = (client.line(), client.line());
    if rustix::process::geteuid().is_root() {
        assert!(user != "0\n" && groups.split_whitespace().count() == 1 && groups != "0\n", "{user} {groups}");
    }
    let rest = client.text();
    assert!(!rest.contains("\nCARGO"), "{rest}");
    assert!(rest.ends_with("\n0\n"), "the query is not an argument: {rest}");
    drop(client);
    site.settle();
}

#[test]
fn scripts_are_terminated_when_the_server_stops() {
    for (name, now) in [("polite", true), ("polite", false), ("stubborn", true)] {
        let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
        let script = format!("{TEXT}; echo $$; exec sleep 1000");
        let stubborn = format!("trap '' TERM; {TEXT}; echo $$; while :; do sleep 1000; done");
        let scripts = [("polite", &script[..]), ("stubborn", &stubborn)];
        let mut site = Site::with(&scripts, CgiLimits::default(), limits);
        let mut client = site.connect();
        client.say(&format!("GET /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
        client.head();
        let process = Process::numbered(&client.line());
        assert_eq!(site.stop(now), Stopped::ByStopper);
        assert!(process.ends_within(20), "{name}");
        assert_eq!(children(), [], "{name}");
        site.logged("CGI script terminated");
    }
}

#[test]
fn five_hundred_runs_leave_no_process_and_no_descriptor() {
    let site = Site::new(&[("run", &format!("{TEXT}; echo ran"))]);
    let mut client = site.connect();
    for _ in 0..500 {
        client.say("GET /cgi-bin/run HTTP/1.1\r\nHost: h\r\n\r\n");
        client.head();
        assert_eq!(chunked(&mut client), "ran\n");
    }
    drop(client);
    site.settle();
}

/// The setting of this process that makes it the parent of orphans, for as long as this value lives.
struct Subreaper;

impl Subreaper {
    fn new() -> Subreaper {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        Subreaper
    }
}

impl Drop for Subreaper {
    fn drop(&mut self) {
        rustix::process::set_child_subreaper(None).unwrap();
    }
}

#[test]
fn a_child_subreaper_reaps_orphans_and_takes_no_status_of_its_own_children() {
    // The setting is made and undone while the site holds the lock of these tests, because other tests do not expect
    // orphans.
    let mut subreaper = None;
    // Each script leaves a process of another session, and a process whose parent has ended.
    let leave = "setsid sh -c 'exec sleep 0.02' >/dev/null 2>&1 </dev/null &\n(sleep 0.01 >/dev/null 2>&1 &)";
    let site = Site::built(
        &[("leave", &format!("{leave}\n{TEXT}; echo ok")), ("fail", &format!("{leave}\n{TEXT}; echo ok; exit 3"))],
        Limits::default(),
        |builder| {
            subreaper = Some(Subreaper::new());
            builder.reap_orphans(true)
        },
    );
    for _ in 0..20 {
        assert!(site.get("/cgi-bin/leave").contains("\r\nok\n"));
        assert!(site.get("/cgi-bin/fail").contains("\r\nok\n"));
        site.logged("CGI script exit code 3: '/cgi-bin/fail'");
    }
    site.settle();
    drop(subreaper);
}

#[test]
fn sigkill_goes_to_the_whole_process_group() {
    let limits = CgiLimits { kill_after: Duration::from_millis(50), ..CgiLimits::default() };
    // A child process that ignores SIGTERM, of a script that ends by SIGTERM, and of a script that ignores it too.
    let deaf = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &";
    let polite = format!("{TEXT}; {deaf} wait");
    let stubborn = format!("trap '' TERM; {TEXT}; {deaf} while :; do sleep 1000; done");
    let site = Site::with(&[("polite", &polite), ("stubborn", &stubborn)], limits, Limits::default());
    for name in ["polite", "stubborn"] {
        let mut client = site.connect();
        client.say(&format!("GET /cgi-bin/{name} HTTP/1.0\r\n\r\n"));
        client.head();
        let grandchild = Process::numbered(&client.line());
        drop(client);
        assert!(grandchild.ends_within(20), "{name}");
        drop(grandchild);
        site.settle();
    }
}

#[test]
fn the_process_group_of_a_script_is_killed_when_the_server_stops() {
    let deaf = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' &";
    let mut site = Site::new(&[("polite", &format!("{TEXT}; {deaf} wait"))]);
    let mut client = site.connect();
    client.say("GET /cgi-bin/polite HTTP/1.0\r\n\r\n");
    client.head();
    let grandchild = Process::numbered(&client.line());
    assert_eq!(site.stop(true), Stopped::ByStopper);
    assert!(grandchild.ends_within(20));
}

#[test]
fn the_limit_of_the_head_does_not_count_the_body() {
    let limits = CgiLimits { head: 64, ..CgiLimits::default() };
    let body = "x".repeat(4000);
    let small = format!("printf 'Content-Type: text/plain\\n\\n{body}'");
    let large = "printf 'Content-Type: text/plain\\nX-A: 0123456789012345678901234567890123456789\\n\\nbody'";
    let site = Site::with(&[("small", &small), ("large", large)], limits, Limits::default());
    let answer = site.get("/cgi-bin/small");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&body), "{answer}");
    assert!(site.get("/cgi-bin/large").starts_with("HTTP/1.1 502 "));
    site.logged("head of the output is too long");
    site.settle();
}
