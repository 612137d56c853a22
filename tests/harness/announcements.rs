//! The ways in which the program reports that it is ready: port file, ready line, ready descriptor, service manager,
//! nonce.

use std::fs;
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::client::Client;
use crate::process::{Process, SAFETY, command, folder, refusal};

/// The program with a pipe as descriptor 3. Only the shell can give it a number without unsafe code.
fn with_descriptor_3(root: &Path, words: &[&str]) -> (Command, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3>&0 0</dev/null; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_serve-forever")]);
    command.args(["0", "--bind", "127.0.0.1", "--quiet", "--ready-fd", "3"]).args(words).current_dir(root);
    command.stdin(OwnedFd::from(writer)).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, reader)
}

/// The number of starts in tests that repeat one. `STARTS` sets another.
fn starts() -> usize {
    std::env::var("STARTS").map_or(50, |starts| starts.parse().unwrap())
}

#[test]
fn a_client_that_connects_at_once_after_the_ready_descriptor_is_served() {
    let root = folder();
    for _ in 0..starts() {
        let (mut command, mut reader) = with_descriptor_3(root.path(), &[]);
        let mut child = command.spawn().unwrap();
        // The shell must not hold the pipe open for the parent.
        drop(command);
        let mut line = String::new();
        reader.read_to_string(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let port = u16::try_from(told["port"].as_u64().unwrap()).unwrap();
        assert_eq!(Client::connect(([127, 0, 0, 1], port).into()).get("/a").body, b"hello");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn the_ready_descriptor_gets_one_line_of_json_and_is_closed_while_standard_output_keeps_its_sentence() {
    let root = folder();
    let (mut command, mut reader) = with_descriptor_3(root.path(), &[]);
    let process = Process::of(&mut command);
    drop(command);
    let mut line = String::new();
    reader.read_to_string(&mut line).unwrap();
    assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["port"], process.address.port());
    assert_eq!(told["addresses"], serde_json::json!([process.address.to_string()]));
    assert!(process.ready.starts_with("Serving HTTP on 127.0.0.1 port "));
    assert_eq!(process.end(), 0);
}

#[test]
fn a_ready_descriptor_without_a_reader_does_not_matter() {
    let root = folder();
    let (mut command, reader) = with_descriptor_3(root.path(), &[]);
    drop(reader);
    let process = Process::of(&mut command);
    assert_eq!(process.client().get("/a").body, b"hello");
}

#[test]
fn a_ready_descriptor_that_is_not_open_is_refused() {
    let root = folder();
    // The descriptor of the first file that the program itself opens must not be mistaken for one from the parent.
    for number in ["3", "99"] {
        let (status, line) = refusal(&mut command(root.path(), &["--ready-fd", number]));
        assert_eq!(status, 2);
        let why = format!("serve-forever: error: argument --ready-fd: invalid descriptor: '{number}' (must be open: ");
        assert!(line.starts_with(&why), "{line}");
    }
    assert_eq!(refusal(&mut command(root.path(), &["--ready-fd=2"])).0, 2);
}

#[test]
fn the_json_line_is_the_only_text_on_standard_output() {
    let root = folder();
    for words in [&["--ready", "json"][..], &["--ready-fd", "1"]] {
        let process = Process::start(root.path(), words);
        let told: Value = serde_json::from_str(&process.ready).unwrap();
        assert_eq!(told["pid"], process.child.id());
        assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
        process.signal(rustix::process::Signal::TERM);
        assert_eq!(process.rest(), (0, String::new()));
    }
}

#[test]
fn all_responses_have_the_nonce_of_the_ready_line() {
    let root = folder();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let process = Process::start(root.path(), &["--ready=json", "--nonce-header", "--quiet"]);
        let told: Value = serde_json::from_str(&process.ready).unwrap();
        let nonce = told["nonce"].as_str().unwrap().to_owned();
        assert!(nonce.len() == 16 && nonce.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{nonce}");
        let answers = [
            ("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", 200),
            ("GET /a HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n", 304),
            ("GET /none HTTP/1.1\r\nHost: h\r\n\r\n", 404),
            ("DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n", 405),
            ("GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        ];
        for (request, status) in answers {
            let mut client = process.client();
            let head = client.say(request).head();
            assert_eq!(
                (&head[9..12], head.contains(&format!("\r\nX-Serve-Nonce: {nonce}\r\n"))),
                (status.to_string().as_str(), true)
            );
        }
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
    let plain = Process::start(root.path(), &[]);
    assert_eq!(plain.client().get("/a").field("X-Serve-Nonce"), None);
}

#[test]
fn a_port_file_is_never_seen_in_part_and_is_removed_at_the_end() {
    let root = folder();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("port");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                seen.extend(fs::read_to_string(&path));
            }
            seen
        });
        let mut ports = std::collections::BTreeSet::new();
        for _ in 0..10 {
            let process = Process::start(root.path(), &["--port-file", path.to_str().unwrap()]);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process.address.port()));
            assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "nothing else stays in the directory");
            ports.insert(format!("{}\n", process.address.port()));
            assert_eq!(process.end(), 0);
            assert!(!path.exists());
        }
        is_over.store(true, Ordering::Relaxed);
        let seen = reader.join().unwrap();
        assert!(seen.is_subset(&ports), "{seen:?} beside {ports:?}");
    });
}

#[test]
fn a_port_file_of_another_program_stays() {
    let root = folder();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("port");
    let process = Process::start(root.path(), &["--port-file", path.to_str().unwrap()]);
    fs::write(&path, "1\n").unwrap();
    assert_eq!(process.end(), 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
}

#[test]
fn a_port_file_is_removed_if_the_program_does_not_start_after_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("port");
    let (status, _) = refusal(&mut command(Path::new("/nowhere"), &["--port-file", path.to_str().unwrap()]));
    assert_eq!((status, fs::read_dir(&place).unwrap().count()), (1, 0));
}

#[test]
fn a_service_manager_is_told_of_the_beginning_and_of_the_end() {
    let root = folder();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SAFETY)).unwrap();
    let next = || {
        let mut text = [0; 64];
        let count = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..count]).into_owned()
    };
    let mut command = command(root.path(), &["--lame-duck", "60"]);
    let process = Process::of(command.env("NOTIFY_SOCKET", &path));
    assert_eq!(next(), "READY=1");
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(next(), "STOPPING=1", "it comes at the beginning of the lame duck");
    assert_eq!(process.client().get("/a").body, b"hello");
    // The second signal ends the lame-duck period, and no announcement is repeated.
    assert_eq!(process.end(), 0);
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 64]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_service_manager_that_is_not_there_does_not_matter() {
    let root = folder();
    let mut command = command(root.path(), &[]);
    let process = Process::of(command.env("NOTIFY_SOCKET", "/nowhere/notify"));
    assert_eq!(process.client().get("/a").body, b"hello");
    assert_eq!(process.end(), 0);
}
