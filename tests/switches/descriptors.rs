//! The program at its limit of descriptors.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::program::{Program, command, tree, until};

/// The maximum number of descriptors of the program.
const MOST: usize = 40;

/// The program with this limit of descriptors, and without a limit on connections that would be reached first.
fn start(root: &Path) -> Program {
    let plain = command(["--max-connections=10000", "--head-timeout=1000", "--quiet"]);
    let mut limited = Command::new("sh");
    let script = format!("ulimit -n {MOST}; exec \"$0\" \"$@\"");
    limited.args(["-c", &script]).arg(plain.get_program()).args(plain.get_args());
    if cfg!(feature = "cgi") {
        limited.arg("--cgi");
    }
    limited.current_dir(root).stdin(std::process::Stdio::null());
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Program::of(&mut limited)
}

/// The number of descriptors in use. Those above the limit, which the program has inherited, do not count.
fn open(program: &Program) -> usize {
    let names = fs::read_dir(program.proc().join("fd")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().is_some_and(|name| name.parse::<usize>().unwrap() < MOST)).count()
}

/// The number of its sleeps so far, and of the ticks of processor time that it has used.
fn sleeps_and_ticks(program: &Program) -> (u64, u64) {
    let sleeps = program.facts("voluntary_ctxt_switches")[0].parse().unwrap();
    let stat = fs::read_to_string(program.proc().join("stat")).unwrap();
    // The name of the program comes second, in brackets; user and system time are the 14th and the 15th.
    let (_, behind) = stat.rsplit_once(") ").unwrap();
    let ticks = behind.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    (sleeps, ticks)
}

/// A connection on which half a request was sent: it is not idle, so it is not closed to make room.
fn half_a_request(program: &Program) -> TcpStream {
    let mut stream = program.connect();
    stream.write_all(b"GET /").unwrap();
    stream
}

/// Sends the other half, and half of the next request, and returns the status.
fn status(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("{path} HTTP/1.1\r\nHost: h\r\n\r\nGET /").as_bytes()).unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line[9..]).into_owned()
}

#[test]
fn without_descriptors_it_waits_says_503_and_recovers() {
    let root = tree(&[("a", "a"), ("cgi-bin/s", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n")]);
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.path().join("cgi-bin/s"), Permissions::from_mode(0o755)).unwrap();
    File::create(root.path().join("big")).unwrap().set_len(1 << 24).unwrap();
    let program = start(root.path());
    let before = open(&program);
    assert_eq!(program.status("/a"), 200);
    until("the first connection is closed", || open(&program) == before);

    let mut clients: Vec<TcpStream> = (0..MOST).map(|_| half_a_request(&program)).collect();
    let mut outside = program.connect();
    outside.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    until("it has all that it may have", || open(&program) == MOST);
    // A loop that spins does not sleep. This loop sleeps repeatedly, and uses almost no processor time.
    let (sleeps, ticks) = sleeps_and_ticks(&program);
    until("it has slept five times", || sleeps_and_ticks(&program).0 >= sleeps + 5);
    assert!(sleeps_and_ticks(&program).1 <= ticks + 10, "waiting is work");

    assert_eq!(status(&mut clients[0], "big"), "503");
    if cfg!(feature = "cgi") {
        assert_eq!(status(&mut clients[1], "cgi-bin/s"), "503");
    }
    assert_eq!(status(&mut clients[2], "missing"), "404", "what needs none is answered as ever");
    assert_eq!(open(&program), MOST);

    drop(clients);
    let mut answer = String::new();
    outside.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "the pending connection is served: {answer}");
    assert_eq!(program.status("/big"), 200);
    if cfg!(feature = "cgi") {
        assert_eq!(program.status("/cgi-bin/s"), 200);
    }
    until("everything is given back", || open(&program) == before);
    assert_eq!(program.end(), (Some(0), String::new()));
}
