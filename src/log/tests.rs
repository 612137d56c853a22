//! Tests of the lines of the log, and of the counts and limits of its messages.

use std::io::{PipeReader, Read, pipe};
use std::time::UNIX_EPOCH;

use super::*;

fn log_to_pipe() -> (PipeReader, AccessLog) {
    let (reader, writer) = pipe().unwrap();
    (reader, AccessLog::to(writer.into()))
}

fn rest_of(mut reader: PipeReader, log: AccessLog) -> String {
    drop(log);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn errors_requests_and_messages_have_pythons_lines() {
    let (reader, mut log) = log_to_pipe();
    log.open.as_mut().unwrap().clock = Clock::in_zone(jiff::tz::TimeZone::UTC);
    let peer = "[::1]:1".parse().unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(1_795_171_520);
    log.error(peer, Status::NOT_FOUND, "File not found", now);
    let record = Record { peer, at: now, ..Record::of(b"GET /x HTTP/1.1") };
    log.request(&Record { status: Status::NOT_FOUND, sent: 335, is_counted: false, ..record });
    log.request(&Record { sent: 9, ..record });
    log.message(None, "hello", now);
    assert_eq!(log.flush(), None);
    assert_eq!(
        rest_of(reader, log),
        "::1 - - [20/Nov/2026 10:45:20] code 404, message File not found\n\
         ::1 - - [20/Nov/2026 10:45:20] \"GET /x HTTP/1.1\" 404 -\n\
         ::1 - - [20/Nov/2026 10:45:20] \"GET /x HTTP/1.1\" 200 9\n\
         - - - [20/Nov/2026 10:45:20] hello\n"
    );
}

#[test]
fn every_format_shows_that_a_response_was_cut_short() {
    for format in [LogFormat::Python, LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
        let (reader, log) = log_to_pipe();
        let mut log = log.format(format);
        log.request(&Record { cut: Some("client too slow to read"), sent: 5, ..Record::of(b"GET / HTTP/1.1") });
        log.request(&Record { sent: 5, ..Record::of(b"GET / HTTP/1.1") });
        log.flush();
        let text = rest_of(reader, log);
        let lines: Vec<&str> = text.lines().collect();
        if format == LogFormat::Json {
            assert!(lines.len() == 2 && lines[0].contains(r#""bytes":5,"#), "{text}");
            assert!(lines[0].contains(r#""cut":"client too slow to read""#) && !lines[1].contains("cut"), "{text}");
            continue;
        }
        assert_eq!(lines.len(), 3, "{format:?}: {text}");
        assert!(lines[0].starts_with("127.0.0.1 - - ["), "{format:?}: {text}");
        assert!(lines[0].ends_with("] cut after 5 bytes: client too slow to read"), "{text}");
        assert!(lines[1].contains(r#""GET / HTTP/1.1" 200 5"#), "{format:?}: {text}");
    }
}

#[test]
fn a_log_reads_only_the_fields_that_its_format_shows() {
    let request = Request::builder("GET", "/").header("Referer", "r").header("user-agent", "u").build();
    let shown = |log: AccessLog| {
        let described = log.describe(&request);
        let kept = described.keep();
        let described = kept.as_logged();
        (!described.line.is_empty(), described.referer.is_some(), described.user_agent.is_some())
    };
    assert_eq!(shown(AccessLog::off()), (false, false, false));
    for (format, fields) in
        [(LogFormat::Python, false), (LogFormat::Common, false), (LogFormat::Combined, true), (LogFormat::Json, true)]
    {
        assert_eq!(shown(log_to_pipe().1.format(format)), (true, fields, fields), "{format:?}");
    }
}

#[test]
fn only_the_json_log_keeps_the_result_of_the_handshake() {
    let mut request = Request::builder("GET", "/").build();
    request.tls = Some(std::sync::Arc::default());
    for format in [LogFormat::Python, LogFormat::Common, LogFormat::Combined, LogFormat::Json] {
        let described = log_to_pipe().1.format(format).describe(&request).tls.is_some();
        assert_eq!(described, format == LogFormat::Json, "{format:?}");
    }
}

#[test]
fn a_quiet_server_turns_off_its_own_log_and_not_that_of_the_program() {
    let (mut own, mut set) = (AccessLog::unless_set(), AccessLog::stderr());
    assert!(own.is_on() && set.is_on());
    own.quieten();
    set.quieten();
    assert!(!own.is_on() && set.is_on());
}

#[test]
fn other_formats_have_one_line_for_an_error() {
    for (format, message) in [(LogFormat::Common, "] hello\n"), (LogFormat::Json, "\"message\":\"hello\"}\n")] {
        let (reader, log) = log_to_pipe();
        let mut log = log.format(format);
        log.error("127.0.0.1:1".parse().unwrap(), Status::NOT_FOUND, "File not found", UNIX_EPOCH);
        log.message(None, "hello", UNIX_EPOCH);
        log.flush();
        let text = rest_of(reader, log);
        assert!(text.ends_with(message) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn the_end_of_a_run_writes_the_lines_that_are_left() {
    let (reader, mut log) = log_to_pipe();
    log.message(None, "hello", UNIX_EPOCH);
    log.finish();
    assert!(rest_of(reader, log).ends_with("] hello\n"));
}

#[test]
fn a_gap_is_announced_in_the_format_of_the_log() {
    let (reader, log) = log_to_pipe();
    let mut log = log.format(LogFormat::Json);
    log.message(None, "hello", UNIX_EPOCH);
    log.message(None, &"x".repeat(LIMIT), UNIX_EPOCH);
    assert_eq!((log.flush(), log.dropped()), (None, 1));
    log.flush();
    let text = rest_of(reader, log);
    assert!(text.lines().count() == 2 && text.lines().all(|line| line.starts_with('{')), "{text}");
}

#[test]
fn a_renamed_file_is_reopened_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let mut log = AccessLog::file(&path).unwrap();
    log.message(None, "one", UNIX_EPOCH);
    std::fs::rename(&path, &old).unwrap();
    log.reopen().unwrap();
    log.message(None, "two", UNIX_EPOCH);
    log.flush();
    assert!(std::fs::read_to_string(&old).unwrap().ends_with("] one\n"));
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("] two\n"));
    // If the file cannot be opened again, lines are still written to the old file.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(log.reopen().is_err());
    log.message(None, "three", UNIX_EPOCH);
    assert_eq!((log.flush(), log.dropped()), (None, 0));
}

#[test]
fn below_another_root_the_path_is_relative_to_it_or_the_file_is_not_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("logs")).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    for root in [&root, &link] {
        let log = AccessLog::file(root.join("logs/log")).unwrap().below(root);
        assert_eq!(log.path(), Some(Path::new("/logs/log")));
    }
    let path = folder.path().join("log");
    let mut log = AccessLog::file(&path).unwrap().below(&root);
    assert_eq!(log.path(), None);
    let why = log.reopen().unwrap_err().to_string();
    assert_eq!(why, format!("{} is outside of the root directory", path.display()));
    log.message(None, "still written", UNIX_EPOCH);
    log.flush();
    assert!(std::fs::read_to_string(path).unwrap().ends_with("] still written\n"));
}

#[test]
fn a_log_that_changes_its_target_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (reader, mut log) = log_to_pipe();
    log.message(None, "one", UNIX_EPOCH);
    log.become_like(AccessLog::file(&path).unwrap().format(LogFormat::Json));
    assert_eq!(log.path(), Some(path.as_path()), "`reopen` opens the new file");
    log.message(None, "two", UNIX_EPOCH);
    log.become_like(AccessLog::off());
    log.message(None, "three", UNIX_EPOCH);
    log.become_like(AccessLog::file(&path).unwrap());
    log.message(None, "four", UNIX_EPOCH);
    assert_eq!((log.flush(), log.path()), (None, Some(path.as_path())));
    assert!(rest_of(reader, log).ends_with("] one\n"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with('{') && text.contains("\"two\"}\n") && text.ends_with("] four\n"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn buffered_lines_are_written_to_the_new_target() {
    let (mut reader, mut log) = log_to_pipe();
    let line = "x".repeat(1000);
    while log.flush().is_none() {
        log.message(None, &line, UNIX_EPOCH);
    }
    let (other, next) = log_to_pipe();
    log.become_like(next);
    log.flush();
    assert!(rest_of(other, log).ends_with(&format!("] {line}\n")), "the line that did not fit");
    assert!(reader.read(&mut [0; 10]).is_ok());
}

#[test]
fn a_log_that_is_off_drops_lines_and_counts_none() {
    let mut log = AccessLog::off();
    log.message(None, "hello", UNIX_EPOCH);
    assert!(!log.is_on());
    assert_eq!((log.flush(), log.dropped()), (None, 0));
}

#[test]
fn lines_are_not_written_before_the_flush() {
    let (reader, mut log) = log_to_pipe();
    log.message(None, "hello", UNIX_EPOCH);
    assert_eq!(rest_of(reader, log), "");
}
