//! The options for scripts: access rules for files apply to scripts too, and the processes that scripts leave behind
//! are reaped.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::{Program, command, field, refusal, tree};

/// A tree that every user can read, with these scripts.
fn site(scripts: &[(&str, &str)]) -> TempDir {
    let root = tree(&[("a", "a")]);
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.path().join("cgi-bin")).unwrap();
    for (name, text) in scripts {
        let path = root.path().join("cgi-bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    root
}

const TEXT: &str = "printf 'Content-Type: text/plain\\n\\n'";

#[test]
fn guards_of_files_guard_scripts() {
    let root = site(&[("who", &format!("{TEXT}; echo \"$REMOTE_USER $SCRIPT_NAME\"")), (".who", TEXT)]);
    let users = tree(&[("users", "bob:other\n")]);
    let file = users.path().join("users");
    let words = [
        "--cgi",
        "--auth=ann:secret",
        "--auth-file",
        file.to_str().unwrap(),
        "--base-path=/b",
        "--hidden=deny",
        "--log-format=common",
    ];
    let program = Program::start(root.path(), &words);
    let response = program.get("/b/cgi-bin/who");
    assert!(response.starts_with("HTTP/1.1 401 "), "{response}");
    assert_eq!(field(&response, "WWW-Authenticate"), field(&program.get("/b/a"), "WWW-Authenticate"));
    for (credentials, user) in [("YW5uOnNlY3JldA==", "ann"), ("Ym9iOm90aGVy", "bob")] {
        let lines = [&*format!("Authorization: Basic {credentials}")];
        let response = program.ask("PUT", "/b/cgi-bin/who", &lines);
        assert!(response.contains(&format!("\r\n{user} /b/cgi-bin/who\n")), "{response}");
        assert!(program.says("\"PUT /b/cgi-bin/who ").contains(&format!(" - {user} [")), "{user}");
        for path in ["/b/cgi-bin/.who", "/cgi-bin/who"] {
            let response = program.ask("GET", path, &lines);
            assert!(response.starts_with("HTTP/1.1 404 ") && !response.contains("printf"), "{path}: {response}");
        }
    }
}

#[test]
fn limits_of_scripts() {
    let root = site(&[
        ("hang", "exec sleep 1000"),
        ("begin", &format!("{TEXT}; echo begun; exec sleep 1000")),
        ("late", &format!("sleep 0.3; {TEXT}; echo ok")),
    ]);
    let program = Program::start(root.path(), &["--cgi", "--cgi-first-byte=0.1"]);
    assert_eq!(program.status("/cgi-bin/hang"), 504);
    let program = Program::start(root.path(), &["--cgi", "--cgi-timeout=0.5"]);
    let cut = program.get("/cgi-bin/begin");
    assert!(cut.contains("begun\n") && !cut.ends_with("\r\n0\r\n\r\n"), "{cut}");
    program.says("CGI script terminated (time limit passed): '/cgi-bin/begin'");
    let program = Program::start(root.path(), &["--cgi", "--cgi-max=1", "--cgi-first-byte=1"]);
    let mut running = program.connect();
    running.write_all(b"GET /cgi-bin/begin HTTP/1.0\r\n\r\n").unwrap();
    running.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(program.status("/cgi-bin/hang"), 503, "there is room for one");
    drop(running);
    let program = Program::start(root.path(), &["--cgi", "--cgi-first-byte=0", "--cgi-timeout=0"]);
    assert_eq!(program.status("/cgi-bin/late"), 200);
}

#[test]
fn values_that_cannot_be_obeyed_are_refused() {
    let root = site(&[]);
    let of_time = "(must be from 0 to 4294967295, such as 2.5)";
    for (words, why) in [
        (&["--cgi-user=web"][..], "argument --cgi-user: 'web' is only allowed with --cgi".to_owned()),
        (&["--cgi-timeout=0"], "argument --cgi-timeout: '0' is only allowed with --cgi".to_owned()),
        (&["--cgi-env=A"], "argument --cgi-env: 'A' is only allowed with --cgi".to_owned()),
        (
            &["--cgi", "--cgi-user=no-such-user"],
            "argument --cgi-user: no user 'no-such-user' (must be in /etc/passwd, or UID:GID)".to_owned(),
        ),
        (
            &["--cgi", "--cgi-user=root"],
            "argument --cgi-user: invalid user: 'root' (must be a user other than root, or UID:GID without 0)"
                .to_owned(),
        ),
        (&["--cgi", "--cgi-timeout=-1"], format!("argument --cgi-timeout: invalid number of seconds: '-1' {of_time}")),
        (
            &["--cgi", "--cgi-first-byte=x"],
            format!("argument --cgi-first-byte: invalid number of seconds: 'x' {of_time}"),
        ),
        (
            &["--cgi", "--cgi-max=0"],
            "argument --cgi-max: invalid number: '0' (must be a whole number, 1 or more)".to_owned(),
        ),
    ] {
        assert_eq!(refusal(root.path(), words), (2, format!("serve-forever: error: {why}")), "{words:?}");
    }
}

/// Process 1 of a container reaps what scripts left behind. Without root, or without `unshare`, nothing is tested here;
/// a test of `CgiService` makes its own process a child subreaper, for which no privilege is needed.
#[test]
fn process_1_reaps_orphans() {
    let namespace = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let can = Command::new("unshare").args(namespace).arg("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped, only root can start a process 1");
        return;
    }
    let leave = "setsid sleep 0.02 >/dev/null 2>&1 </dev/null &\n(sleep 0.01 >/dev/null 2>&1 &)";
    let zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    let root =
        site(&[("leave", &format!("{leave}\n{TEXT}; echo ok; exit 3")), ("count", &format!("{TEXT}; {zombies}"))]);
    let mut command = Command::new("unshare");
    command.args(namespace).arg(env!("CARGO_BIN_EXE_serve-forever")).args(["0", "--bind", "127.0.0.1", "--cgi"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = Program::of(command.current_dir(root.path()));
    for _ in 0..10 {
        assert!(program.get("/cgi-bin/leave").contains("\r\nok\n"));
        program.says("CGI script exit code 3: '/cgi-bin/leave'");
    }
    crate::program::until("no zombie is left", || program.get("/cgi-bin/count").contains("\r\n0\n"));
}

#[test]
fn a_field_of_the_client_replaces_an_inherited_variable() {
    let root = site(&[("env", &format!("{TEXT}; echo \"[$HTTP_X_ROLE]\""))]);
    let mut command = command(["--cgi", "--cgi-env=HTTP_X_ROLE"]);
    let program = Program::of(command.current_dir(root.path()).env("HTTP_X_ROLE", "inherited"));
    assert!(program.get("/cgi-bin/env").contains("[inherited]"));
    let response = program.ask("GET", "/cgi-bin/env", &["X-Role: a", "X-Role: b"]);
    assert!(response.contains("[a, b]"), "{response}");
}
