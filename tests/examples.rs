//! The example programs, with a client on a raw socket. Every request is sent whole, byte by byte, and split in the
//! middle, and the responses must be the same.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::client::SAFETY;
use common::program::Program;

/// A running example.
struct Example(Program);

impl Example {
    fn start(name: &str, more: &[&Path]) -> Example {
        Example::start_at(name, "127.0.0.1:0", more)
    }

    fn start_at(name: &str, address: &str, more: &[&Path]) -> Example {
        Example(Program::of(Command::new(program(name)).arg(address).args(more).stderr(Stdio::null())))
    }

    fn connect(&self) -> TcpStream {
        self.0.client().stream
    }

    /// Sends a request on a separate connection, and returns everything that is received.
    fn ask(&self, request: &[u8]) -> String {
        let whole = self.ask_in_pieces(&[request]);
        let (first, second) = request.split_at(request.len() / 2);
        assert_eq!(without_date(&self.ask_in_pieces(&[first, second])), without_date(&whole), "cut in the middle");
        if request.len() < 1000 {
            let bytes: Vec<&[u8]> = request.chunks(1).collect();
            assert_eq!(without_date(&self.ask_in_pieces(&bytes)), without_date(&whole), "byte by byte");
        }
        whole
    }

    fn ask_in_pieces(&self, pieces: &[&[u8]]) -> String {
        let mut stream = self.connect();
        // The server may have responded and closed the connection before the request is sent completely.
        for piece in pieces {
            _ = stream.write_all(piece);
        }
        _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    fn method(&self, method: &str, path: &str) -> String {
        self.ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// Sends SIGTERM, and waits for the end.
    fn stop(self) {
        assert_eq!(self.0.end().0, Some(0));
    }

    fn memory(&self) -> u64 {
        self.0.facts("RssAnon")[0].parse::<u64>().unwrap() * 1024
    }

    /// The number of entries in a folder of `/proc` about the example's process.
    fn count(&self, folder: &str) -> usize {
        std::fs::read_dir(self.0.proc().join(folder)).unwrap().count()
    }
}

/// Examples are built beside the tests: by `cargo test`, and by `cargo test --examples --test examples`.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} has to be built first: cargo build --examples", program.display());
    program
}

fn without_date(answer: &str) -> String {
    answer.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\r\n")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[track_caller]
fn has(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "no {part:?} in {answer}");
    }
}

#[test]
fn addition() {
    let program = Example::start("addition", &[]);
    let ask = |body: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = program.ask(ask(r#"{"val_a":2,"val_b":3}"#).as_bytes());
    has(&answer, &["HTTP/1.1 200 OK\r\n", "Content-type: application/json\r\n", "Content-Length: 9\r\n"]);
    assert_eq!(body(&answer), r#"{"sum":5}"#);
    // The connection persists after each kind of malformed body.
    let dialogue = ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &ask("{"), &ask(r#"{"val_a":"2","val_b":3}"#)]
        .concat()
        + &ask(r#"{"val_a":0.5,"val_b":-1}"#);
    let answers = program.ask(dialogue.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 411 ").count(), 1, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 422 ").count(), 2, "{answers}");
    assert!(answers.ends_with(r#"{"sum":-0.5}"#), "{answers}");
    has(&program.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n"), &["HTTP/1.1 400 "]);
    has(
        &program.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1099511627776\r\n\r\n"),
        &["HTTP/1.1 413 "],
    );
    program.stop();
}

#[test]
fn hello() {
    let program = Example::start("hello", &[]);
    let page = program.get("/");
    has(&page, &["HTTP/1.1 200 OK\r\n", "Content-Type: text/html", "Hello, world!"]);
    let head = program.method("HEAD", "/");
    assert_eq!(without_date(&head), without_date(&page).replace(body(&page), ""));
    has(&program.get("/%3Cx>?a"), &["HTTP/1.1 404 File not found\r\n", "Error code: 404"]);
    has(&program.method("POST", "/"), &["HTTP/1.1 405 ", "Allow: GET, HEAD\r\n"]);
    // Connected clients do not prevent the program from ending.
    let idle = program.connect();
    program.stop();
    drop(idle);
}

#[test]
fn echo() {
    let program = Example::start("echo", &[]);
    for length in [0, 1, 65_537] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        assert_eq!(body(&program.ask(&post("/", "", text.as_bytes()))), text);
    }
    let large = "x".repeat(10 << 20);
    assert_eq!(body(&program.ask_in_pieces(&[&post("/", "", large.as_bytes())])), large);
    let chunked =
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
    assert_eq!(body(&program.ask(chunked)), "abc");

    let mut stream = program.connect();
    let head = post("/", "Expect: 100-continue\r\n", b"abc");
    stream.write_all(&head[..head.len() - 3]).unwrap();
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nabc") && !answer.contains("100"), "{answer}");

    let refused = program.ask(&post("/reject", "Expect: 100-continue\r\n", b""));
    assert!(refused.starts_with("HTTP/1.1 501 ") || refused.starts_with("HTTP/1.1 200 "), "there is no body to expect");
    let head = b"POST /reject HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let refused = program.ask(head);
    has(&refused, &["HTTP/1.1 417 ", "Connection: close\r\n"]);
    assert!(!refused.contains("100 Continue"));
    program.stop();
}

#[test]
fn generate() {
    const MIB: u64 = 1 << 20;
    let program = Example::start("generate", &[]);
    let answer = program.ask(b"GET /?bytes=600 HTTP/1.0\r\n\r\n");
    assert!(!answer.contains("chunked"));
    has(&program.get("/?bytes=5"), &["Content-Length: 5\r\n", "\r\n\r\n\0\u{1}\u{2}\u{3}\u{4}"]);
    has(&program.get("/?bytes=x"), &["HTTP/1.1 400 "]);

    let mut slow = program.connect();
    slow.write_all(b"GET /?bytes=300000000 HTTP/1.0\r\n\r\n").unwrap();
    let mut slow = BufReader::new(slow);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        slow.read_until(b'\n', &mut head).unwrap();
    }
    // While this one does not read, another one is served.
    let mut part = [0; 1000];
    slow.read_exact(&mut part).unwrap();
    let before = program.memory();
    has(&program.get("/?bytes=1"), &["HTTP/1.1 200 OK\r\n"]);
    let (mut at, mut buf) = (1000_u64, vec![0; 1 << 20]);
    loop {
        let count = slow.read(&mut buf).unwrap();
        if count == 0 {
            break;
        }
        assert!(buf[..count].iter().zip(at..).all(|(byte, at)| u64::from(*byte) == at % 251));
        at += count as u64;
    }
    assert_eq!(at, 300_000_000);
    assert!(program.memory() < before + 8 * MIB, "{} bytes more", program.memory() - before);

    let chunked = {
        let mut stream = program.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut part = [0; 500];
        stream.read_exact(&mut part).unwrap();
        String::from_utf8_lossy(&part).into_owned()
        // The client disconnects in the middle of the response.
    };
    has(&chunked, &["Transfer-Encoding: chunked\r\n"]);
    program.stop();
}

#[test]
fn count_upload() {
    let program = Example::start("count_upload", &[]);
    assert_eq!(body(&program.ask(&post("/", "", b""))), "{\"bytes\": 0, \"chunks\": 0}\n");
    let chunked =
        |chunks: &str| format!("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let answer = program.ask_in_pieces(&[chunked("1;ext=1\r\na\r\n3\r\nbcd\r\n0\r\nX-Trailer: 1\r\n\r\n").as_bytes()]);
    has(&answer, &["\"bytes\": 4, "]);
    has(&program.ask(chunked("x\r\n").as_bytes()), &["HTTP/1.1 400 ", "Connection: close\r\n"]);
    has(&program.ask(chunked("1\r\nab").as_bytes()), &["HTTP/1.1 400 "]);

    let mut stream = program.connect();
    let part = vec![b'x'; 1 << 20];
    stream.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 314572800\r\n\r\n").unwrap();
    let before = program.memory();
    for _ in 0..300 {
        stream.write_all(&part).unwrap();
    }
    assert!(program.memory() < before + (8 << 20), "{} bytes more", program.memory() - before);
    let mut answer = [0; 1000];
    let count = stream.read(&mut answer).unwrap();
    has(&String::from_utf8_lossy(&answer[..count]), &["\"bytes\": 314572800, "]);
    program.stop();
}

#[test]
fn deferred() {
    let program = Example::start("deferred", &[]);
    let (threads, descriptors) = (program.count("task"), program.count("fd"));
    let mut slow: Vec<TcpStream> = (0..100).map(|_| program.connect()).collect();
    for stream in &mut slow {
        stream
            .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\nGET /fast HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
    }
    // These requests get their responses while all the other ones wait.
    for _ in 0..10 {
        has(&program.get("/fast"), &["HTTP/1.1 200 OK\r\n", "fast"]);
    }
    let mut gone = program.connect();
    gone.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    drop(gone);
    for stream in &mut slow {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert!(answers.find("slow").unwrap() < answers.find("fast").unwrap(), "in order: {answers}");
    }
    // The watchdog's thread exists while handlers run, and for some time after the last one.
    assert!(program.count("task") <= threads + 1, "{} threads", program.count("task"));
    drop(slow);
    // When a new connection gets a response, the last of the closed connections has been dropped.
    has(&program.get("/nowhere"), &["HTTP/1.1 404 "]);
    assert!(program.count("fd") <= descriptors + 1);
    program.stop();
}

#[test]
fn cookies() {
    let program = Example::start("cookies", &[]);
    let ask = |path: &str, cookie: &str| {
        program.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n").as_bytes())
    };
    has(&program.get("/"), &["Set-Cookie: visits=1; Path=/; HttpOnly\r\n"]);
    has(&ask("/", "bad[=x; visits=4"), &["Set-Cookie: visits=5; Path=/; HttpOnly\r\n"]);
    has(&ask("/?note=hello", "visits=1"), &["Set-Cookie: visits=2; ", "Set-Cookie: note=hello\r\n"]);
    let split = program.get("/?note=a%0d%0aX-Evil:%201");
    has(&split, &["HTTP/1.1 400 "]);
    assert!(!split.contains("\r\nX-Evil"));
    program.stop();
}

#[test]
fn routes() {
    let program = Example::start("routes", &[]);
    let answer = program.get("/users/a%2Fb?q=one+two&x=1&q=%C3%BC");
    assert_eq!(body(&answer), "id: a/b\nq: one two\nq: \u{fc}\n");
    let head = program.method("HEAD", "/users/a%2Fb?q=one+two&x=1&q=%C3%BC");
    assert_eq!(without_date(&head), without_date(&answer).replace(body(&answer), ""));
    has(&program.method("OPTIONS", "/users/x"), &["HTTP/1.1 204 ", "Allow: GET, HEAD, OPTIONS\r\n"]);
    has(&program.method("DELETE", "/users/x"), &["HTTP/1.1 405 ", "Allow: GET, HEAD, OPTIONS\r\n"]);
    has(&program.get("/users/a/b"), &["HTTP/1.1 404 "]);
    has(&program.get("/users/"), &["HTTP/1.1 404 "]);
    program.stop();
}

#[test]
fn error_page() {
    let program = Example::start("error_page", &[]);
    has(&program.get("/"), &["HTTP/1.1 200 OK\r\n"]);
    let requests = [
        ("404", "GET /no%3C%3Cwhere<script> HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("418", "GET /status/418 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("500", "GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("501", "FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("400", "GARBAGE\r\n\r\n".to_owned()),
        ("431", format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(200))),
    ];
    for (code, request) in requests {
        let answer = program.ask(request.as_bytes());
        has(&answer, &[&format!("HTTP/1.1 {code} "), "Content-Type: application/xhtml+xml", "custom error page", code]);
        has(&answer, &[&format!("Content-Length: {}\r\n", body(&answer).len())]);
    }
    let escaped = program.get("/no<script>alert(1)</script>");
    assert!(!escaped.contains("<script>") && escaped.contains("/no&lt;script&gt;"), "{escaped}");
    assert_eq!(body(&program.get("/status/204")), "");
    assert_eq!(body(&program.method("HEAD", "/nowhere")), "");
    program.stop();
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), "secret text").unwrap();
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    directory
}

#[test]
fn cors_files() {
    const FIELD: &str = "\r\nAccess-Control-Allow-Origin: *\r\n";
    let directory = directory();
    let program = Example::start("cors_files", &[directory.path()]);
    for (path, times) in [("/a.txt", 1), ("/", 1), ("/sub", 0), ("/nowhere", 0)] {
        assert_eq!(program.get(path).matches(FIELD).count(), times, "{path}");
    }
    has(&program.method("OPTIONS", "/nowhere"), &["HTTP/1.1 204 ", FIELD]);
    program.stop();
    let program = Example::start("cors_files", &[directory.path(), Path::new("all")]);
    for path in ["/a.txt", "/", "/sub", "/nowhere"] {
        assert_eq!(program.get(path).matches(FIELD).count(), 1, "{path}");
    }
    program.stop();
}

#[test]
fn basic_auth() {
    let directory = directory();
    let program = Example::start("basic_auth", &[directory.path()]);
    let ask = |method: &str, path: &str, credentials: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-3\r\nAuthorization: {credentials}\r\n\r\n"
        )
    };
    for path in ["/a.txt", "/nowhere"] {
        has(&program.get(path), &["HTTP/1.1 401 ", "WWW-Authenticate: Basic realm=\"", "charset=\"UTF-8\""]);
        // Wrong credentials: `admin:wrong`, a name without a colon, invalid base64, another scheme.
        for credentials in ["Basic YWRtaW46d3Jvbmc=", "Basic YWRtaW4=", "Basic !!!", "Bearer x"] {
            let dialogue = ask("GET", path, credentials) + &ask("HEAD", path, credentials);
            let answers = program.ask(dialogue.as_bytes());
            assert_eq!(answers.matches("HTTP/1.1 401 ").count(), 2, "{answers}");
            assert!(!answers.contains("secr") && !answers.contains("ETag"));
        }
    }
    // admin:se:cret
    has(
        &program.ask(ask("GET", "/a.txt", "Basic YWRtaW46c2U6Y3JldA==").as_bytes()),
        &["HTTP/1.1 206 ", "\r\n\r\nsecr"],
    );
    // ann:sesame is admitted only to the folder, by every spelling of its path.
    let (admin, ann) = ("Basic YWRtaW46c2U6Y3JldA==", "Basic YW5uOnNlc2FtZQ==");
    for path in ["/sub/", "//sub/", "/%73ub/", "/x/../SUB/../sub/"] {
        has(&program.ask(ask("GET", path, admin).as_bytes()), &["HTTP/1.1 401 "]);
        has(&program.ask(ask("GET", path, ann).as_bytes()), &["HTTP/1.1 200 "]);
    }
    has(&program.ask(ask("GET", "/a.txt", ann).as_bytes()), &["HTTP/1.1 401 "]);
    has(&program.ask(ask("GET", "/sub/../a.txt", ann).as_bytes()), &["HTTP/1.1 401 "]);
    program.stop();
}

#[test]
fn upload_form() {
    let directory = tempfile::tempdir().unwrap();
    let program = Example::start("upload_form", &[directory.path()]);
    has(&program.get("/"), &["HTTP/1.1 200 OK\r\n", "<form", "multipart/form-data"]);
    let stored = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    const TYPE: &str = "Content-Type: multipart/form-data; boundary=\"b o\"\r\n";
    let form = "preamble\r\n--b o\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nvalue\r\n--b o\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"one.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        line\r\n--b\r\n\r\n--b \r\nend\r\n--b o\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"../../two\"\r\n\r\n\r\n--b o--\r\n";
    let request = post("/", TYPE, form.as_bytes());
    // The request is split at every position.
    for at in 0..request.len() {
        let (first, second) = request.split_at(at);
        has(&program.ask_in_pieces(&[first, second]), &["HTTP/1.1 200 OK\r\n", "stored 2 files"]);
        assert_eq!(stored("one.txt"), b"line\r\n--b\r\n\r\n--b \r\nend");
        assert_eq!(stored("two"), b"");
        std::fs::remove_file(directory.path().join("one.txt")).unwrap();
        std::fs::remove_file(directory.path().join("two")).unwrap();
    }
    for (name, said) in [
        ("C:\\folder\\three", "stored 2 files"),
        ("", "stored 1 files"),
        ("folder/", "400 Malformed"),
        (".", "400 Malformed"),
        ("\\..", "400 Malformed"),
        ("a\tb", "400 Malformed"),
    ] {
        let form = form.replace("../../two", name);
        has(&program.ask(&post("/", TYPE, form.as_bytes())), &[said]);
    }
    assert_eq!(stored("three"), b"");
    std::fs::remove_file(directory.path().join("one.txt")).unwrap();
    std::fs::remove_file(directory.path().join("three")).unwrap();
    let endless = form.replace("--b o--", "--b o");
    has(&program.ask(&post("/", TYPE, endless.as_bytes())), &["HTTP/1.1 400 "]);
    has(&program.ask(&post("/", "Content-Type: text/plain\r\n", b"x")), &["HTTP/1.1 400 "]);
    let huge = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{TYPE}Content-Length: 1099511627776\r\n\r\n");
    has(&program.ask(huge.as_bytes()), &["HTTP/1.1 413 "]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "what is refused leaves nothing");

    let before = program.memory();
    let large = "x".repeat(100 << 20);
    let form = format!("--b o\r\nContent-Disposition: form-data; name=\"f\"; filename=\"l\"\r\n\r\n{large}\r\n--b o--");
    has(&program.ask_in_pieces(&[&post("/", TYPE, form.as_bytes())]), &["stored 1 files"]);
    assert_eq!(stored("l").len(), large.len());
    assert!(program.memory() < before + (8 << 20), "{} bytes more", program.memory() - before);
    program.stop();
}

#[test]
fn rickroll() {
    let program = Example::start("rickroll", &[]);
    has(&program.method("RICKROLL", "/"), &["HTTP/1.1 200 OK\r\n", "give you up"]);
    has(&program.method("rickroll", "/"), &["HTTP/1.1 501 Unsupported method ('rickroll')\r\n"]);
    has(&program.method("B@D(", "/"), &["HTTP/1.1 400 "]);
    let answer = program.get("/");
    has(&answer, &["HTTP/1.1 200 OK\r\n"]);
    assert_eq!(without_date(&program.method("HEAD", "/")), without_date(&answer).replace(body(&answer), ""));
    program.stop();
}

#[test]
fn line_echo() {
    let program = Example::start("line_echo", &[]);
    assert_eq!(program.ask(b"one\ntwo\nand a half"), "one\ntwo\nand a half");
    let long = format!("{}\n", "x".repeat(4096));
    assert_eq!(program.ask(long.as_bytes()), long);
    let mut clients: Vec<TcpStream> = (0..200).map(|_| program.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        write!(client, "half {number}").unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(b" whole\n").unwrap();
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).unwrap();
        assert_eq!(line, format!("half {number} whole\n"));
    }
    assert_eq!(program.ask_in_pieces(&[&[b'x'; 4 << 20]]), "", "that is no line");
    // The program would wait until the open connections have lingered.
    drop(clients);
    program.stop();
}

#[test]
fn udp_upper() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(client) = UdpSocket::bind(address) else { continue };
        client.set_read_timeout(Some(SAFETY)).unwrap();
        let program = Example::start_at("udp_upper", address, &[]);
        client.connect(program.0.address).unwrap();
        let mut buf = vec![0; 70_000];
        client.send(b"").unwrap();
        for length in [3, 8192, 8193, 60_000] {
            client.send(&vec![b'a'; length]).unwrap();
            let count = client.recv(&mut buf).unwrap();
            assert!(count == length && buf[..count].iter().all(|byte| *byte == b'A'));
        }
        program.stop();
    }
}
