//! The options for the benchmark endpoints and for injected faults.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::program::{Program, refusal, tree};

/// All bytes that are sent for a request, and the error that ends the connection, if it is one.
fn ask_to_the_end(program: &Program, target: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = program.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_to_the_end(&mut stream)
}

fn read_to_the_end(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    // `read_to_end` keeps what it has read before an error.
    let end = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, end)
}

#[test]
fn endpoints_come_before_the_files() {
    let root = tree(&[("hello.txt", "hello"), ("plaintext", "a file")]);
    let program = Program::start(root.path(), &["--bench-endpoints"]);
    assert_eq!(program.status_and_body("/plaintext"), (200, "Hello, World!".into()));
    assert_eq!(program.status_and_body("/hello.txt"), (200, "hello".into()));
    let program = Program::start(root.path(), &["--bench-endpoints=/b"]);
    assert_eq!(program.status_and_body("/plaintext"), (200, "a file".into()));
    assert_eq!(program.status_and_body("/b/plaintext"), (200, "Hello, World!".into()));
    let program = Program::start(root.path(), &[]);
    assert_eq!([program.status("/bytes/9"), program.status("/fault/empty?path=/plaintext")], [404, 404]);
}

#[test]
fn items_of_a_dataset() {
    let root = tree(&[("set.json", "[{\"price\":2,\"quantity\":3}]"), ("bad.json", "[")]);
    let program = Program::start(root.path(), &["--bench-endpoints", "--dataset", "set.json"]);
    let items = "{\"items\":[{\"price\":2,\"quantity\":3,\"total\":6}],\"count\":1}";
    assert_eq!(program.status_and_body("/json/1"), (200, items.into()));
    for file in ["bad.json", "none.json"] {
        let (status, line) = refusal(root.path(), &["--bench-endpoints", "--dataset", file]);
        assert!(status == 1 && line.contains(file), "{line}");
    }
}

#[test]
fn wrong_prefixes_and_faults_are_errors_of_the_command_line() {
    let root = tree(&[]);
    for words in [
        ["--bench-endpoints=x", ""],
        ["--fault", "nothing:1"],
        ["--fault", "empty"],
        ["--fault", "close:1:after=x"],
        ["--fault-seed", "x"],
    ] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let (status, line) = refusal(root.path(), &words);
        assert!(status == 2 && line.contains("invalid"), "{words:?}: {line}");
    }
}

#[test]
fn faults_are_for_this_machine_unless_they_are_allowed_anywhere() {
    let root = tree(&[("a", "")]);
    let (status, line) = refusal(root.path(), &["--bind", "0.0.0.0", "--fault", "empty:1"]);
    assert!(status == 2 && line.ends_with("use --bind 127.0.0.1"), "{line}");
    let words = ["--bind", "0.0.0.0", "--fault", "status:1", "--faults-anywhere"];
    let mut program = Program::start(root.path(), &words);
    program.address.set_ip([127, 0, 0, 1].into());
    assert_eq!(program.status("/a"), 503);
}

#[test]
fn a_reset_comes_after_exactly_the_bytes_that_are_asked_for() {
    let root = tree(&[("a", "0123456789")]);
    let program = Program::start(root.path(), &["--bench-endpoints"]);
    for after in [1, 20, 100, 700, 900_000] {
        let (bytes, end) = ask_to_the_end(&program, &format!("/fault/reset?after={after}&path=/bytes/1000000"));
        assert_eq!((bytes.len(), end), (after, Some(ErrorKind::ConnectionReset)));
    }
    let (bytes, end) = ask_to_the_end(&program, "/fault/reset?body=3&path=/a");
    assert!(bytes.ends_with(b"\r\n\r\n012") && end == Some(ErrorKind::ConnectionReset), "{bytes:?}");
    assert_eq!(ask_to_the_end(&program, "/fault/empty?path=/a"), (Vec::new(), None));
}

#[test]
fn the_seed_decides_which_responses_have_a_fault() {
    let root = tree(&[("a", "")]);
    let statuses = |seed: &str| {
        let program = Program::start(root.path(), &["--fault", "status:0.4", "--fault-seed", seed]);
        let mut client = program.client();
        (0..40).map(|_| client.get("/a").status()).collect::<Vec<_>>()
    };
    let first = statuses("5");
    assert_eq!(first, statuses("5"));
    assert_ne!(first, statuses("6"));
    assert!(first.contains(&200) && first.contains(&503));
}

#[test]
fn a_fault_is_in_the_log() {
    let root = tree(&[("a", "text")]);
    let program = Program::start(root.path(), &["--fault", "close:1:body=2"]);
    let (bytes, _) = ask_to_the_end(&program, "/a");
    assert!(bytes.ends_with(b"\r\n\r\nte"));
    program.says("fault close");
    program.says("\"GET /a HTTP/1.1\" 200 2");
}

#[test]
fn a_deaf_connection_is_never_read_and_ends_with_its_client() {
    let root = tree(&[("a", "text")]);
    let program = Program::start(root.path(), &["--fault", "deaf:1"]);
    let mut stream = program.connect();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // The line is written when the connection is accepted, so its request has been available since then.
    program.says("fault deaf");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let (bytes, _) = read_to_the_end(&mut stream);
    assert_eq!(bytes, b"");
}

#[test]
fn a_stall_does_not_hold_up_the_end_of_the_program() {
    let root = tree(&[("a", "text")]);
    let program = Program::start(root.path(), &["--fault", "stall:1:body=2", "--grace", "0.1"]);
    let mut client = program.client();
    client.say("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().contains("X-Fault: stall"));
    assert_eq!(client.exactly(2), b"te");
    assert_eq!(program.end().0, Some(0));
}
