//! Users and passwords: the format of their file, and slow hashes, which must not delay other clients.

use std::io::{ErrorKind, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::program::{Program, refusal, tree};

/// The bcrypt hashes of `secret` with costs 4 and 12, as `htpasswd -B` writes them.
const CHEAP: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const DEAR: &str = "$2y$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW";

fn basic(text: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(text))
}

/// The status of a GET with these credentials.
fn status(program: &Program, credentials: &str) -> u16 {
    program.ask("GET", "/a", &[&basic(credentials)])[9..12].parse().unwrap()
}

#[test]
fn a_file_of_users_as_editors_and_htpasswd_write_it() {
    let root = tree(&[("a", "a")]);
    let sha256 = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let lines = format!("\u{feff}ann:plain\r\n\r\n# eve:evil\r\n  # eve:evil\r\nbob:{sha256}\r\nzoe:{CHEAP}\n");
    let folder = tree(&[("users", &lines), ("hashed", &format!("\u{feff}zoe:{CHEAP}\n"))]);
    let start = |name: &str| {
        let file = format!("--auth-file={}", folder.path().join(name).display());
        Program::start(root.path(), &[&file, "--log-format=common"])
    };
    let program = start("users");
    for (credentials, code) in [
        ("ann:plain", 200),
        ("bob:secret", 200),
        ("zoe:secret", 200),
        ("zoe:wrong", 401),
        ("eve:evil", 401),
        ("\u{feff}ann:plain", 401),
        ("ann:plain\r", 401),
    ] {
        assert_eq!(status(&program, credentials), code, "{credentials:?}");
        let user = if code == 200 { credentials.split_once(':').unwrap().0 } else { "-" };
        assert!(program.says("GET /a").starts_with(&format!("127.0.0.1 - {user} [")), "{credentials:?}");
    }
    let hashed = start("hashed");
    assert_eq!((status(&hashed, "zoe:secret"), status(&hashed, "zoe:wrong"), status(&hashed, "a:b")), (200, 401, 401));
}

#[test]
fn a_hash_that_cannot_be_verified_is_refused_by_its_line() {
    let root = tree(&[("users", "# users\nann:secret\nbob:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n")]);
    let why = "$apr1$ hashes cannot be verified, allowed are bcrypt ($2y$) and sha256:HEX";
    let (code, line) = refusal(root.path(), &["--auth-file=users"]);
    assert_eq!((code, line), (1, format!("serve-forever: error: users:3: {why}")));
    let (code, line) = refusal(root.path(), &["--auth=bob:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"]);
    assert_eq!((code, line), (2, format!("serve-forever: error: argument --auth: {why}")));
}

#[test]
fn a_slow_hash_keeps_no_other_client_waiting_and_is_verified_once() {
    let root = tree(&[("a", "a")]);
    let program = Program::start(root.path(), &["--auth", &format!("ann:{DEAR}"), "-q"]);
    assert_eq!(status(&program, "ann:secret"), 200);
    // More requests than threads, so that the last one waits for others.
    let guess = |number: usize| {
        let mut stream = program.connect();
        let head = format!("GET /a HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", basic(&format!("ann:{number}")));
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let mut guesses: Vec<_> = (0..6).map(guess).collect();
    assert!(program.get("/a").starts_with("HTTP/1.1 401 "));
    assert_eq!(status(&program, "ann:secret"), 200, "what was verified once is not verified again");
    let last = guesses.last_mut().unwrap();
    last.set_nonblocking(true).unwrap();
    assert_eq!(last.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "it is still being verified");
    last.set_nonblocking(false).unwrap();
    for stream in &mut guesses {
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 401");
    }
}
