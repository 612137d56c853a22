//! The log, as it arrives in a file or at standard error.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::program::{Program, refusal, tree, wait_for};

/// Characters that the log escapes: quotes, backslashes, C0, DEL, and C1 as bytes and as UTF-8.
const NASTY: &[u8] = b"a\"b\\c\x1b[31m\x7f\x9b\xc2\x9b\xff\td";

/// Requests `/a` with a referer and a user agent of these characters, then sends them as a malformed request.
fn provoke(program: &Program) {
    let head = b"GET /a?\"\\ HTTP/1.1\r\nHost: h\r\nConnection: close\r\nReferer: http://h/\r\nUser-Agent: ";
    let nasty: Vec<u8> = NASTY.iter().copied().filter(|byte| !matches!(byte, 0x1b | 0x7f)).collect();
    program.send(&[&head[..], &nasty, b"\r\n\r\n"].concat());
    program.send(&[b"GET /", NASTY, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
}

/// The lines that a program logs to standard error while it is provoked.
fn lines(format: &str) -> Vec<String> {
    let root = tree(&[("a", "12345")]);
    let program = Program::start(root.path(), &["--log-format", format]);
    provoke(&program);
    let (status, text) = program.end();
    assert_eq!(status, Some(0));
    assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text:?}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn pythons_format() {
    let lines = lines("python");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].ends_with(r#""GET /a?"\\ HTTP/1.1" 200 5"#), "{lines:?}");
    assert!(lines[1].contains("code 400, message "), "{lines:?}");
    assert!(lines[2].ends_with("\" 400 -"), "{lines:?}");
}

#[test]
fn apaches_formats() {
    let common = lines("common");
    assert_eq!(common.len(), 2, "{common:?}");
    assert!(common[0].ends_with(r#""GET /a?\"\\ HTTP/1.1" 200 5"#), "{common:?}");
    let combined = lines("combined");
    assert_eq!(combined.len(), 2, "{combined:?}");
    let fields = r#" "http://h/" "a\"b\\c[31m\x9b\xc2\x9b\xff\x09d""#;
    assert!(combined[0].ends_with(&format!(r#""GET /a?\"\\ HTTP/1.1" 200 5{fields}"#)), "{combined:?}");
    assert!(combined[1].ends_with(r#" "-" "-""#), "{combined:?}");
    // ADDR - - [DD/Mon/YYYY:hh:mm:ss +hhmm]
    let stamp = combined[0].split(['[', ']']).nth(1).unwrap();
    assert!(stamp.len() == 26 && stamp.as_bytes()[11] == b':' && b"+-".contains(&stamp.as_bytes()[21]), "{stamp}");
}

#[test]
fn json_lines() {
    let values: Vec<Value> = lines("json").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 2, "{values:?}");
    assert_eq!(values[0]["address"], "127.0.0.1");
    assert_eq!(values[0]["request"], r#"GET /a?"\ HTTP/1.1"#);
    assert_eq!((&values[0]["status"], &values[0]["bytes"]), (&200.into(), &5.into()));
    assert_eq!(values[0]["referer"], "http://h/");
    assert_eq!(values[0]["user_agent"], "a\"b\\c[31m\u{fffd}\u{9b}\u{fffd}\td");
    assert!(values[0]["duration"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    assert!(values[0]["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')));
    assert_eq!(values[1]["status"], 400);
}

#[test]
fn a_log_file_is_appended_to_and_opened_again_on_sighup() {
    let root = tree(&[("a", "")]);
    let folder = tree(&[("log", "before\n")]);
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let program = Program::start(root.path(), &["--log-file", path.to_str().unwrap()]);
    assert_eq!(program.status("/a"), 200);
    fs::rename(&path, &old).unwrap();
    program.signal(Signal::HUP);
    wait_for(&path);
    assert_eq!(program.status("/b"), 404);
    assert_eq!(program.end(), (Some(0), String::new()));
    let old = fs::read_to_string(old).unwrap();
    assert!(old.starts_with("before\n") && old.contains("\"GET /a HTTP/1.1\" 200 0"), "{old}");
    let new = fs::read_to_string(path).unwrap();
    assert!(new.contains("\"GET /b HTTP/1.1\" 404 -") && !new.contains("/a"), "{new}");
}

#[test]
fn a_log_file_that_cannot_be_opened_again_is_kept_and_says_so() {
    let root = tree(&[("a", "")]);
    let folder = tree(&[]);
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let program = Program::start(root.path(), &["--log-file", path.to_str().unwrap(), "--log-format=json"]);
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    program.signal(Signal::HUP);
    assert_eq!(program.status("/a"), 200);
    assert_eq!(program.end().0, Some(0));
    let text = fs::read_to_string(old).unwrap();
    let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.iter().any(|value| value["request"] == "GET /a HTTP/1.1"), "{text}");
    let why = "cannot open the log again: Is a directory (os error 21)";
    assert!(values.iter().any(|value| value["message"] == why), "{text}");
}

#[test]
fn without_a_log_file_sighup_does_nothing() {
    let root = tree(&[("a", "")]);
    let program = Program::start(root.path(), &[]);
    program.signal(Signal::HUP);
    assert_eq!(program.status("/a"), 200);
    let (status, text) = program.end();
    assert_eq!((status, text.lines().count()), (Some(0), 1), "{text}");
}

#[test]
fn a_log_file_that_cannot_be_had_is_status_1() {
    let root = tree(&[("d/x", "")]);
    let why = |name: &str, why: &str| (1, format!("serve-forever: error: cannot write '{name}': {why}"));
    assert_eq!(refusal(root.path(), &["--log-file=d"]), why("d", "Is a directory (os error 21)"));
    assert_eq!(refusal(root.path(), &["--log-file=no/x"]), why("no/x", "No such file or directory (os error 2)"));
    let (code, line) = refusal(root.path(), &["--log-format=xml"]);
    assert_eq!(code, 2);
    assert!(
        line.ends_with("argument --log-format: invalid choice: 'xml' (choose from python, common, combined, json)")
    );
}
