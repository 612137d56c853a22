//! The program as a process: its output, its log, its exit status.
#![cfg(all(unix, feature = "cli"))]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{PipeReader, Read};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use common::client::{Client, SAFETY};
use common::program::{Program, lines};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_serve-forever");

/// Starts the program on a free port of 127.0.0.1.
fn start(directory: &Path, args: &[&str]) -> Program {
    let mut command = Command::new(PROGRAM);
    command.args(["0", "--bind", "127.0.0.1", "--directory"]).arg(directory).args(args).stderr(Stdio::piped());
    Program::of(&mut command)
}

fn site() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), "hello\n").unwrap();
    std::fs::write(directory.path().join("data"), "bytes").unwrap();
    directory
}

/// Runs it to its end, which is expected immediately.
fn ends(args: &[&str]) -> Output {
    let mut child = Command::new(PROGRAM);
    child.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = child.spawn().unwrap();
    let first = lines(program.stdout.take().unwrap()).recv_timeout(SAFETY).ok();
    if first.as_ref().is_some_and(|line| line.starts_with("Serving")) {
        _ = program.kill();
        panic!("{args:?}: it serves");
    }
    let output = program.wait_with_output().unwrap();
    Output { stdout: first.unwrap_or_default().into_bytes(), ..output }
}

/// Asserts that the program ends with this status, prints nothing to standard output, and has these words in its last
/// line of standard error.
fn complains(args: &[&str], code: i32, words: &[&str]) {
    let output = ends(args);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert_eq!(output.stdout, b"", "{args:?}");
    let line = text.lines().last().unwrap_or_default();
    assert!(line.starts_with("serve-forever: error: "), "{args:?}: {text}");
    for word in words {
        assert!(line.contains(word), "{args:?}: {word:?} is not in {line:?}");
    }
    assert!(code == 2 || text.lines().count() == 1, "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn the_ready_line_comes_at_once_and_has_the_port() {
    let site = site();
    let program = start(site.path(), &[]);
    let port = program.address.port();
    assert_ne!(port, 0);
    assert_eq!(program.ready, format!("Serving HTTP on 127.0.0.1 port {port} (http://127.0.0.1:{port}/) ...\n"));
    assert_eq!(program.client().get("/a.txt").body, b"hello\n");
}

/// Starts the program on all interfaces, prints to a terminal, and returns the first two lines, or one if that is all
/// until it ends.
#[cfg(target_os = "linux")]
fn lines_at_a_terminal(args: &[&str]) -> Vec<String> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let site = site();
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("0").args(args).arg("--directory").arg(site.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.stdout(terminal).spawn().unwrap();
    // The command also holds the terminal, which would hide the end of the program.
    drop(command);
    let printed = lines(std::fs::File::from(control));
    let first = printed.recv_timeout(SAFETY).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut all = vec![first];
    all.extend(std::iter::from_fn(|| printed.recv_timeout(SAFETY).ok()));
    assert!(child.wait().unwrap().success());
    all.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_a_second_line_names_the_addresses_to_type() {
    let all = lines_at_a_terminal(&["--bind", "0.0.0.0", "--base-path", "/docs"]);
    let port = all[0].split(" port ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert_eq!(all[0], format!("Serving HTTP on 0.0.0.0 port {port} (http://0.0.0.0:{port}/) ..."));
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[1].starts_with(&format!("Open http://127.0.0.1:{port}/docs")), "{all:?}");
    let all = lines_at_a_terminal(&["--bind", "127.0.0.1"]);
    assert_eq!(all.len(), 1, "the first line has the address to type: {all:?}");
}

#[test]
fn in_a_pipe_the_ready_line_is_all_that_is_printed() {
    let site = site();
    let mut command = Command::new(PROGRAM);
    let program = Program::of(command.args(["0", "--bind", "0.0.0.0", "-q", "--directory"]).arg(site.path()));
    program.signal(Signal::TERM);
    assert_eq!(program.outputs().1, "");
}

#[test]
fn a_failed_start_is_one_line_and_status_1() {
    let site = site();
    let directory = site.path().to_str().unwrap();
    let file = site.path().join("a.txt");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    complains(&[&port, "--bind", "127.0.0.1", "-d", directory], 1, &["127.0.0.1", &port, "in use"]);
    // TEST-NET-1 is the address of no interface (RFC 5737).
    complains(&["0", "--bind", "192.0.2.1", "-d", directory], 1, &["192.0.2.1"]);
    complains(&["0", "--bind", "127.0.0.1", "-d", "/no/such/directory"], 1, &["/no/such/directory"]);
    complains(&["0", "--bind", "127.0.0.1", "-d", file.to_str().unwrap()], 1, &["a.txt"]);
}

#[test]
fn a_directory_that_cannot_be_read_is_a_failed_start() {
    use std::os::unix::fs::PermissionsExt;
    let site = site();
    let closed = site.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let mut args = vec!["0", "--bind", "127.0.0.1", "-d", closed.to_str().unwrap()];
    if rustix::process::geteuid().is_root() {
        // Root may read every directory, but the program opens this one as the user that it becomes.
        args.extend(["--user", "nobody"]);
        std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    complains(&args, 1, &["closed", "Permission denied"]);
}

#[test]
fn a_wrong_command_line_is_status_2() {
    for (args, words) in [
        (&["--no-such-option"][..], &["--no-such-option"][..]),
        (&["70000"], &["70000"]),
        (&["-1"], &["-1"]),
        (&["eight"], &["eight"]),
        (&["0", "1"], &["1"]),
        (&["--header", "Name"], &["-H", "2"]),
        (&["-H", "Na me", "value"], &["Na me"]),
        (&["-H", "Name", "a\nb"], &["Name"]),
        (&["-H", "Content-Length", "1"], &["Content-Length"]),
        (&["--content-type", "text/\x01"], &["--content-type"]),
        (&["--protocol", "HTTP/2"], &["HTTP/2"]),
        (&["--directory"], &["--directory"]),
    ] {
        complains(args, 2, words);
    }
}

#[test]
fn help_and_version_are_answers() {
    for (args, words) in [(["--help"], "usage: serve-forever"), (["--version"], "serve-forever 0.")] {
        let output = ends(&args);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with(words), "{text}");
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn options_show_on_the_wire() {
    let site = site();
    let args = ["-H", "X-One", "1", "--header", "X-Two", "2 2", "--content-type", "text/x-own"];
    let program = start(site.path(), &args);
    let answer = program.client().get("/data");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
    assert_eq!((answer.field("X-One"), answer.field("X-Two")), (Some("1"), Some("2 2")));
    assert!(answer.field("Content-Type").unwrap().starts_with("text/x-own"), "{}", answer.head);

    let program = start(site.path(), &["--protocol", "HTTP/1.0"]);
    let mut client = program.client();
    let answer = client.get("/a.txt");
    assert!(answer.head.starts_with("HTTP/1.0 200 OK\r\n"), "{}", answer.head);
    assert!(client.is_closed());
}

#[test]
fn requests_are_logged_in_pythons_words() {
    let site = site();
    let program = start(site.path(), &[]);
    let mut client = program.client();
    client.get("/a.txt");
    let line = program.log_line();
    assert!(line.starts_with("127.0.0.1 - - [") && line.ends_with("] \"GET /a.txt HTTP/1.1\" 200 6\n"), "{line}");
    client.get("/missing");
    assert!(program.log_line().ends_with("] code 404, message File not found\n"));
    assert!(program.log_line().ends_with("] \"GET /missing HTTP/1.1\" 404 -\n"));
}

#[test]
fn what_could_fool_a_terminal_is_escaped() {
    let site = site();
    let program = start(site.path(), &[]);
    program.client().say("GET /\x1b[31m\u{9b}\\ HTTP/1.1\r\n\r\n").rest();
    let text = program.log_line() + &program.log_line();
    assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text:?}");
    assert!(text.contains("\\x1b[31m"), "{text}");
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn quiet_is_quiet() {
    let site = site();
    let program = start(site.path(), &["-q"]);
    program.client().get("/missing");
    program.signal(Signal::INT);
    let (code, _, logged) = program.outputs();
    assert_eq!((code, logged.as_str()), (Some(0), ""));
}

#[test]
fn an_interrupt_ends_it_also_with_open_connections() {
    let site = site();
    let program = start(site.path(), &[]);
    let mut idle = program.client();
    idle.get("/a.txt");
    let mut half = program.client();
    half.say("GET /");
    program.signal(Signal::INT);
    let (code, printed, _) = program.outputs();
    assert_eq!((code, printed.as_str()), (Some(0), "\nKeyboard interrupt received, exiting.\n"));
    assert!(idle.is_closed() && half.is_closed());
}

#[test]
fn a_termination_lets_a_download_end() {
    const SIZE: usize = 30_000_000;
    let site = site();
    std::fs::write(site.path().join("large"), vec![b'x'; SIZE]).unwrap();
    let program = start(site.path(), &[]);
    let mut idle = program.client();
    idle.get("/a.txt");
    let mut client = program.client();
    client.say("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").head();
    program.signal(Signal::TERM);
    assert!(idle.is_closed(), "an idle connection is not waited for");
    assert_eq!(client.exactly(SIZE).len(), SIZE);
    let (code, printed, _) = program.outputs();
    assert_eq!((code, printed.as_str()), (Some(0), ""));
}

#[test]
fn a_closed_log_fails_no_request() {
    let site = site();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&-", PROGRAM, "0", "--bind", "127.0.0.1", "--directory"]).arg(site.path());
    let program = Program::of(&mut shell);
    let mut client = program.client();
    for _ in 0..10 {
        assert_eq!(client.get("/a.txt").body, b"hello\n");
        assert_eq!(client.get("/missing").status(), 404);
    }
}

/// The program, and the end of the pipe that it logs to, which has no reader yet.
fn logging_to_a_pipe(directory: &Path) -> (Program, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["0", "--bind", "127.0.0.1", "--directory"]).arg(directory).stderr(writer);
    // The command owns the other end of the pipe, so it is dropped to close that end.
    (Program::of(&mut command), reader)
}

#[test]
fn a_log_without_a_reader_fails_no_request() {
    let site = site();
    let (program, reader) = logging_to_a_pipe(site.path());
    let mut client = program.client();
    // This is twice as much as a pipe and the log's own buffer hold together.
    let target = format!("/{}", "x".repeat(2000));
    for _ in 0..400 {
        assert_eq!(client.get(&target).status(), 404);
    }
    let log = lines(reader);
    assert!(log.recv_timeout(SAFETY).unwrap().contains("code 404"));
    let dropped = std::iter::from_fn(|| log.recv_timeout(SAFETY).ok()).any(|line| line.contains("log lines dropped"));
    assert!(dropped, "lines were dropped without a line that says so");
    program.signal(Signal::INT);
    assert_eq!(program.outputs().0, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_loses_no_line_to_a_slow_reader() {
    let site = site();
    let (program, mut reader) = logging_to_a_pipe(site.path());
    let mut client = program.client();
    // This is more than a pipe holds, and less than the log's own buffer holds.
    let target = format!("/{}", "x".repeat(2000));
    for _ in 0..100 {
        assert_eq!(client.get(&target).status(), 404);
    }
    program.signal(Signal::INT);
    // The sessions end before the log is written for the last time; then it waits, or has ended.
    assert!(client.is_closed());
    let status = || std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    while !["State:\tS", "State:\tZ"].iter().any(|state| status().contains(state)) {
        thread::yield_now();
    }
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert_eq!(log.lines().filter(|line| line.ends_with(" 404 -")).count(), 100);
    assert_eq!(program.outputs().0, Some(0));
}

#[test]
fn the_ready_line_may_have_no_reader() {
    let site = site();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args([&address.port().to_string(), "-b", "127.0.0.1", "-d"]).arg(site.path());
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let log = lines(child.stderr.take().unwrap());
    // There is no line to wait for. Either the port is open soon, or the program has ended, which closes its log.
    let connected = loop {
        match std::net::TcpStream::connect(address) {
            Ok(stream) => break Some(stream),
            Err(_) if child.try_wait().unwrap().is_some() => break None,
            Err(_) => thread::yield_now(),
        }
    };
    let status = connected.map(|stream| Client::on(stream).get("/a.txt").status());
    _ = child.kill();
    _ = child.wait();
    drop(log);
    assert_eq!(status, Some(200), "a closed standard output is no reason not to serve");
}

#[test]
fn ipv6_and_both_by_default() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // There is no IPv6 here.
    }
    let site = site();
    let mut command = Command::new(PROGRAM);
    command.args(["0", "--bind", "::1", "-q", "--directory"]).arg(site.path());
    let program = Program::of(&mut command);
    let port = program.address.port();
    assert_eq!(program.ready, format!("Serving HTTP on ::1 port {port} (http://[::1]:{port}/) ...\n"));
    assert_eq!(program.client_at(Ipv6Addr::LOCALHOST.into()).get("/a.txt").status(), 200);

    let mut command = Command::new(PROGRAM);
    command.args(["0", "-q", "--directory"]).arg(site.path());
    let program = Program::of(&mut command);
    assert!(program.ready.starts_with("Serving HTTP on :: port "), "{}", program.ready);
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        assert_eq!(program.client_at(address).get("/a.txt").status(), 200, "{address}");
    }
}
