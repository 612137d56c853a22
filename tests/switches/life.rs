//! Limits, inherited sockets, restarts.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::program::{Program, refusal, tree, until};

/// Longer than any step of these tests. It keeps a failing test from hanging.
const SAFETY: Duration = Duration::from_secs(20);

/// The program on a socket that its parent has bound, as systemd hands it down. Only the process that becomes the
/// program can know its `LISTEN_PID`, hence the shell.
fn on(listener: &TcpListener, root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_serve-forever"), "--quiet"]).args(words).current_dir(root);
    let socket = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
    command.stdin(socket).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_socket_that_is_handed_down_counts_before_port_and_address() {
    let root = tree(&[("a", "a")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::of(&mut on(&listener, root.path(), &["1", "--bind", "192.0.2.1"]));
    assert_eq!(program.address, listener.local_addr().unwrap());
    assert_eq!(program.status_and_body("/a"), (200, "a".into()));
}

#[test]
fn what_is_handed_down_has_to_be_a_listener() {
    let root = tree(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = on(&listener, root.path(), &[]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"serve-forever: error: LISTEN_FDS: fd 3 is not a socket\n");
}

/// Sends one GET on a persistent connection. Returns true if the connection still persists after that.
fn exchange(stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
    stream.get_mut().write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")?;
    let (mut line, mut persists) = (String::new(), true);
    stream.read_line(&mut line)?;
    assert!(line.is_empty() || line.starts_with("HTTP/1.1 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        persists &= !line.eq_ignore_ascii_case("Connection: close\r\n");
    }
    let mut body = [0; 5];
    stream.read_exact(&mut body)?;
    assert_eq!(&body, b"hello");
    Ok(persists)
}

/// Sends requests repeatedly, on connections that are kept open for as long as the server keeps them.
fn load(address: SocketAddr, enough: &AtomicBool, answered: &AtomicUsize) {
    while !enough.load(Ordering::Relaxed) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SAFETY)).unwrap();
        let mut stream = BufReader::new(stream);
        while exchange(&mut stream).unwrap() && !enough.load(Ordering::Relaxed) {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Restarts the program under load, each time on the same socket, and loses no request.
fn restart(times: usize) {
    let root = tree(&[("a", "hello")]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (enough, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let mut program = Program::of(&mut on(&listener, root.path(), &[]));
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(address, &enough, &answered))).collect();
        for _ in 0..times {
            let before = answered.load(Ordering::Relaxed);
            let old = std::mem::replace(&mut program, Program::of(&mut on(&listener, root.path(), &[])));
            assert_eq!(old.end(), (Some(0), String::new()));
            while answered.load(Ordering::Relaxed) == before && !clients.iter().any(|client| client.is_finished()) {
                thread::yield_now();
            }
        }
        enough.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("a request was lost");
        }
    });
}

#[test]
fn restarts_under_load_lose_no_request() {
    restart(20);
}

#[test]
#[ignore = "takes longer than it is worth on every run"]
fn many_restarts_under_load_lose_no_request() {
    restart(100);
}

#[test]
fn two_processes_on_one_port() {
    let root = tree(&[("a", "a")]);
    let first = Program::start(root.path(), &["--reuse-port"]);
    let port = first.address.port().to_string();
    let start = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serve-forever"));
        command.args([&port, "--bind", "127.0.0.1", "--quiet"]).args(words).current_dir(root.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let second = Program::of(&mut start(&["--reuse-port"]));
    assert_eq!(second.address, first.address);
    drop(first);
    assert_eq!(second.status("/a"), 200);
    assert_eq!(
        start(&[]).output().unwrap().status.code(),
        Some(1),
        "a second program without the option cannot bind the port"
    );
}

/// The bytes that arrive on a connection until the server closes it.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn clients_that_take_too_long_are_closed() {
    let root = tree(&[("a", "a")]);
    let words = ["--head-timeout=0.05", "--idle-timeout=0.05", "--stall-timeout=0.05"];
    let program = Program::start(root.path(), &words);
    let half = |text: &str| {
        let mut stream = program.connect();
        stream.write_all(text.as_bytes()).unwrap();
        rest(stream)
    };
    assert!(half("GET /a HTT").starts_with("HTTP/1.1 408 "), "--head-timeout");
    assert!(half("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").ends_with("\r\n\r\na"), "--idle-timeout");
    let body = half("GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx");
    assert!(body.starts_with("HTTP/1.1 408 "), "--stall-timeout: {body}");
    let program = Program::start(root.path(), &["--body-timeout=0.05", "--stall-timeout=1000"]);
    let mut stream = program.connect();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 408 "), "--body-timeout");
}

#[test]
fn connections_are_bounded() {
    let root = tree(&[("a", "a")]);
    let program = Program::start(root.path(), &["--max-connections-per-peer=1"]);
    let mut first = BufReader::new(program.connect());
    first.get_mut().write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    first.read_line(&mut String::new()).unwrap();
    let mut second = program.connect();
    second.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // The connection was closed without a byte. If the client has sent something before, that is a reset.
    let end = second.read(&mut [0]);
    assert!(matches!(&end, Ok(0)) || end.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset), "{end:?}");

    let program = Program::start(root.path(), &["--max-connections=1"]);
    let mut idle = BufReader::new(program.connect());
    idle.get_mut().write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    idle.read_line(&mut String::new()).unwrap();
    assert_eq!(program.status("/a"), 200, "the idle one made room");
    let mut left = Vec::new();
    idle.read_to_end(&mut left).unwrap();
}

/// A silent client uses no place in the limit of connections: the system reports its connection after a second.
#[test]
#[cfg(target_os = "linux")]
fn a_silent_connection_makes_room_for_another() {
    let root = tree(&[("a", "a")]);
    let program = Program::start(root.path(), &["--max-connections=1", "--head-timeout=3600"]);
    let _silent = program.connect();
    assert_eq!(program.status("/a"), 200);
}

/// The number of bytes of a download that arrive if the client reads on after the server has begun to drain and closed
/// its listener.
fn downloaded(size: u64, words: &[&str]) -> u64 {
    let root = tree(&[]);
    std::fs::File::create(root.path().join("big")).unwrap().set_len(size).unwrap();
    let program = Program::start(root.path(), words);
    let mut slow = program.connect();
    slow.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        slow.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    program.signal(Signal::TERM);
    until("the listener is closed", || TcpStream::connect(program.address).is_err());
    let (mut part, mut arrived) = (vec![0; 1 << 16], 0);
    // A reset counts as an end too.
    while let Ok(count @ 1..) = slow.read(&mut part) {
        arrived += count as u64;
    }
    let (status, text) = program.rest();
    let cut = text.lines().filter(|line| line.ends_with(": server stopped")).count();
    assert_eq!((status, text.lines().count()), (Some(0), 1 + cut), "{text}");
    assert_eq!(cut == 1, arrived < size, "{text}");
    assert!(text.ends_with(&format!(" 200 {size}\n")) == (arrived == size), "{text}");
    arrived
}

#[test]
fn answers_in_flight_have_the_grace_and_no_more() {
    const SIZE: u64 = 1 << 28;
    assert!(downloaded(SIZE, &["--grace=0"]) < SIZE);
    assert_eq!(downloaded(SIZE, &[]), SIZE, "the grace is long unless a switch says otherwise");
}

/// The program is stopped by SIGSTOP while the requests and the signal are sent, so that it finds all of them in one
/// turn.
#[cfg(target_os = "linux")]
#[test]
fn a_request_before_sigterm_gets_a_response_that_closes() {
    let root = tree(&[("a", "hello")]);
    let program = Program::start(root.path(), &["--quiet"]);
    let request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut idle: Vec<_> = (0..8).map(|_| BufReader::new(program.connect())).collect();
    for client in &mut idle {
        assert!(exchange(client).unwrap());
    }
    let mut half = program.connect();
    half.write_all(b"GET /a HT").unwrap();
    // A connection that is accepted later is read later.
    program.status("/a");
    program.signal(Signal::STOP);
    until("it stops", || program.facts("State")[0] == "T");
    let mut asked: Vec<_> = idle.into_iter().map(BufReader::into_inner).collect();
    asked.extend((0..8).map(|_| program.connect()));
    for (number, client) in asked.iter_mut().enumerate() {
        client.write_all(request.repeat(1 + number % 3).as_bytes()).unwrap();
    }
    half.write_all(b"TP/1.1\r\nHost: h\r\n\r\n").unwrap();
    program.signal(Signal::TERM);
    program.signal(Signal::CONT);
    for (number, client) in asked.into_iter().chain([half]).enumerate() {
        let expected = if number == 16 { 1 } else { 1 + number % 3 };
        let answers = rest(client);
        assert_eq!(answers.matches("\r\n\r\nhello").count(), expected, "{number}: {answers}");
        let (_, last) = answers.rsplit_once("HTTP/1.1 200 OK\r\n").unwrap();
        assert!(last.contains("\r\nConnection: close\r\n"), "{number}: {last}");
    }
    assert_eq!(program.rest(), (Some(0), String::new()));
}

#[test]
fn wrong_limits_are_status_2_and_name_the_flag() {
    let root = tree(&[]);
    for (word, why) in [
        ("--grace=-1", "--grace: invalid number of seconds: '-1'"),
        ("--head-timeout=-1", "--head-timeout: invalid number of seconds: '-1'"),
        ("--send-timeout=never", "--send-timeout: invalid number of seconds: 'never'"),
        ("--body-rate=x", "--body-rate: invalid number: 'x'"),
        ("--max-read=0", "--max-read: invalid number: '0'"),
        ("--trace-limit=0", "--trace-limit: invalid number: '0'"),
        ("--trace-connections=x", "--trace-connections: invalid number: 'x'"),
        ("--explain=ALL", "--explain: invalid number: 'ALL'"),
        ("--max-write=", "--max-write: invalid number: ''"),
        ("--slow-motion=1.5", "--slow-motion: invalid number: '1.5'"),
        ("--max-connections=0", "--max-connections: invalid number: '0'"),
        ("--max-connections-per-peer=x", "--max-connections-per-peer: invalid number: 'x'"),
    ] {
        let (code, line) = refusal(root.path(), &[word]);
        assert_eq!(code, 2, "{line}");
        assert!(line.starts_with(&format!("serve-forever: error: argument {why} (must be ")), "{line}");
    }
}

/// The limit leaves 16 MiB in addition to the memory of the idle program. The heads have 24 MB.
#[cfg(target_os = "linux")]
#[test]
fn under_a_limit_of_address_space_large_heads_end_no_server() {
    let root = tree(&[("a", "a")]);
    let idle = Program::start(root.path(), &["-q"]);
    let size: u64 = idle.facts("VmSize")[0].parse().unwrap();
    let mut limited = Command::new("sh");
    let line = format!("ulimit -v {}; exec \"$0\" \"$@\"", size + 16 * 1024);
    limited.args(["-c", &line, env!("CARGO_BIN_EXE_serve-forever"), "0", "--bind", "127.0.0.1", "-q"]);
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::of(limited.current_dir(root.path()));
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{}", format!("X: {}\r\n", "x".repeat(9_995)).repeat(6));
    let send = |_| {
        let mut stream = program.connect();
        // A connection may be closed for lack of memory while this is sent.
        _ = stream.write_all(head.as_bytes());
        stream
    };
    let mut clients: Vec<_> = (0..400).map(send).collect();
    assert_eq!(program.status("/a"), 200);
    let closed = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        !stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let count = clients.iter_mut().filter_map(|stream| closed(stream).then_some(())).count();
    assert!(0 < count && count < 400, "{count} of 400 had to go");
}
