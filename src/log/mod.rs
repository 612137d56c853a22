//! The access log: Python's lines, collected in memory and written between two turns of the loop.
//!
//! Three things are kept apart: `format`, `apache` and `json` know what a line looks like, `sink` keeps lines until they are out and
//! counts those that had to go, `target` knows how to write to a descriptor without waiting for it. The log is here,
//! and not in the connection, because it outlives connections and because its one rule concerns all of them: whatever
//! becomes of the log, requests are answered (contract row HB44).
//!
//! Invariant: nothing here fails, and nothing waits but for a second at the very end. A line that cannot be kept is counted and announced in the log itself.

mod apache;
mod format;
mod json;
mod record;
mod sink;
mod target;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::http::{Request, Status};
use format::{Clock, Style, write_error, write_message};
pub use record::{LoggedRequest, OwnedLoggedRequest, Record};
use sink::Sink;
use target::Target;

/// How long the last lines may take, when nobody is served any more and no one is kept waiting by that.
const LAST: Duration = Duration::from_secs(1);

/// How many bytes of lines are kept while nobody takes them: some thousand requests.
const LIMIT: usize = 256 * 1024;

/// What the lines of a log look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Python's `http.server`: `ADDR - - [DATE] "LINE" STATUS SIZE`, with a line before it for an error.
    #[default]
    Python,
    /// Apache's *common*: the same with a time zone, and one line for each request.
    Common,
    /// Apache's *combined*: *common* with the referer and the user agent.
    Combined,
    /// One JSON object a line.
    Json,
}

/// The log of requests, errors and messages, in the form of Python's `http.server` (contract rows HB43 to HB47) or
/// another [`LogFormat`].
///
/// Lines are kept, up to 256 KiB, until [`flush`](AccessLog::flush) writes what the other side takes. If they
/// become more, whole lines are dropped, and a line `N log lines dropped` stands in their place.
///
/// ```
/// use std::time::{Instant, SystemTime};
/// use serve_forever::http::{Request, Status};
/// use serve_forever::log::{AccessLog, LogFormat, Record};
///
/// let mut log = AccessLog::stderr().format(LogFormat::Common);
/// let request = Request::builder("GET", "/").build();
/// log.request(&Record {
///     peer: "127.0.0.1:50000".parse().unwrap(),
///     user: None,
///     request: log.describe(&request),
///     status: Status::OK,
///     sent: 1234,
///     is_counted: true,
///     cut: None,
///     at: SystemTime::now(),
///     ended: Instant::now(),
/// });
/// log.flush();
/// ```
#[derive(Debug)]
pub struct AccessLog {
    /// `None` is a log that is off.
    open: Option<OpenLog>,
}

#[derive(Debug)]
struct OpenLog {
    sink: Sink,
    clock: Clock,
    format: LogFormat,
    /// The file that is written to, if it was opened by its name.
    path: Option<PathBuf>,
    /// The name that the file had outside of a root which the process has left for another.
    left_behind: Option<PathBuf>,
}

impl AccessLog {
    /// A log on standard error. If its descriptor cannot be duplicated, the log is off.
    pub fn stderr() -> AccessLog {
        std::io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| AccessLog::off(), AccessLog::to)
    }

    /// A log that keeps nothing and writes nothing.
    pub fn off() -> AccessLog {
        AccessLog { open: None }
    }

    /// A log on a descriptor: a file, a pipe, a terminal or a socket. Its flags are left as they are, because other
    /// processes may share them.
    pub fn to(fd: OwnedFd) -> AccessLog {
        AccessLog::on(Target::new(fd), None)
    }

    /// A log that is appended to a file, which is made if it is not there.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<AccessLog> {
        // Another working directory must not lead to another file when it is opened again.
        let path = std::path::absolute(path.into())?;
        Ok(AccessLog::on(Target::open(&path)?, Some(path)))
    }

    fn on(target: Target, path: Option<PathBuf>) -> AccessLog {
        let (sink, clock) = (Sink::new(target, LIMIT), Clock::local());
        AccessLog { open: Some(OpenLog { sink, clock, format: LogFormat::Python, path, left_behind: None }) }
    }

    /// Has the lines written in this format.
    pub fn format(mut self, format: LogFormat) -> AccessLog {
        if let Some(open) = &mut self.open {
            open.set_format(format);
        }
        self
    }

    /// Has lines written where and as the other log is from now on. Lines that are not out yet go there, too; the zone
    /// of their times stays what it was.
    pub fn become_like(&mut self, other: AccessLog) {
        self.flush();
        match (&mut self.open, other.open) {
            (Some(open), Some(other)) => {
                open.sink.redirect(other.sink.into_target());
                open.path = other.path;
                open.left_behind = other.left_behind;
                open.set_format(other.format);
            }
            (_, other) => self.open = other,
        }
    }

    /// The file that is written to, if it was opened by [`file`](AccessLog::file).
    pub fn path(&self) -> Option<&Path> {
        self.open.as_ref()?.path.as_deref()
    }

    /// Prepares for a process that is about to make a directory its root: a file below it gets the name that it will
    /// have there. A file elsewhere is still written to, but can never be opened again, since a file that has its name
    /// below the new root is another one.
    #[cfg_attr(not(any(feature = "cli", test)), expect(dead_code, reason = "only the program changes its root"))]
    pub(crate) fn below(mut self, root: &Path) -> AccessLog {
        if let Some(open) = &mut self.open
            && let Some(path) = open.path.take()
        {
            let real = |path: &Path| path.canonicalize().ok();
            let inside =
                real(&path).zip(real(root)).and_then(|(path, root)| Some(path.strip_prefix(root).ok()?.into()));
            match inside {
                Some::<PathBuf>(inside) => open.path = Some(Path::new("/").join(inside)),
                None => open.left_behind = Some(path),
            }
        }
        self
    }

    /// Opens the file again by its name, after it was renamed to make room for a new one. Every other log stays as it
    /// is.
    ///
    /// # Errors
    /// If it cannot be opened: the old one is then written to as before.
    pub fn reopen(&mut self) -> io::Result<()> {
        let Some(OpenLog { sink, path, left_behind, .. }) = &mut self.open else { return Ok(()) };
        if let Some(path) = left_behind {
            return Err(io::Error::other(format!("{} is outside of the root directory", path.display())));
        }
        let Some(path) = path else { return Ok(()) };
        let target = Target::open(path)?;
        sink.flush();
        sink.redirect(target);
        Ok(())
    }

    /// Whether lines are written at all: if not, there is no need to make their parts.
    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// What this log shows of a request: for the connection to hand back, or to keep, until the response is out.
    pub fn describe<'r>(&self, request: &'r Request) -> LoggedRequest<'r> {
        let mut described = LoggedRequest { line: b"", referer: None, user_agent: None, arrived: request.arrived() };
        if let Some(open) = &self.open {
            described.line = request.request_line();
            if matches!(open.format, LogFormat::Combined | LogFormat::Json) {
                described.referer = request.headers().get("Referer");
                described.user_agent = request.headers().get("User-Agent");
            }
        }
        described
    }

    /// Python's `log_request`: a line for one exchange. A response that was cut short has a line before it that says
    /// why, but for the JSON form, which has a field for that.
    pub fn request(&mut self, record: &Record<'_>) {
        if let (Some(reason), Some(format)) = (record.cut, self.open.as_ref().map(|open| open.format))
            && format != LogFormat::Json
        {
            self.line(Some(record.peer), record.at, |out| format::write_cut(out, record.sent, reason));
        }
        let Some(OpenLog { sink, clock, format, .. }) = &mut self.open else { return };
        let stamp = clock.stamp(record.at);
        sink.line(|out| {
            match format {
                LogFormat::Python => {
                    format::write_start(out, Some(record.peer), stamp);
                    format::write_request(out, record);
                }
                LogFormat::Common => apache::write_common(out, stamp, record),
                LogFormat::Combined => apache::write_combined(out, stamp, record),
                LogFormat::Json => json::write_request(out, stamp, record),
            }
            out.push(b'\n');
        });
    }

    /// Python's `log_error` for an error response: `ADDR - - [DATE] code STATUS, message MESSAGE` (contract row
    /// HB46). The line of the request itself follows it. Other formats have one line for each request, and not this.
    pub fn error(&mut self, peer: SocketAddr, status: Status, message: &str, now: SystemTime) {
        if self.open.as_ref().is_some_and(|open| open.format == LogFormat::Python) {
            self.line(Some(peer), now, |out| write_error(out, status, message));
        }
    }

    /// Python's `log_message`: `ADDR - - [DATE] TEXT` (contract row HB44); `-` stands for the address if there is
    /// no peer.
    pub fn message(&mut self, peer: Option<SocketAddr>, text: &str, now: SystemTime) {
        match &mut self.open {
            Some(OpenLog { sink, clock, format: LogFormat::Json, .. }) => sink.line(|out| {
                json::write_message(out, clock.stamp(now), now, peer, text);
                out.push(b'\n');
            }),
            _ => self.line(peer, now, |out| write_message(out, text)),
        }
    }

    /// Writes what the other side takes without waiting. To be called at the end of each turn of the loop.
    ///
    /// Returns when to try again if lines are left, and `None` if there are none: then there was nothing to do, or
    /// it is done, and an idle server need not wake for its log.
    pub fn flush(&mut self) -> Option<Duration> {
        self.open.as_mut().and_then(|open| open.sink.flush())
    }

    /// Writes what is left when nobody is served any more. Whoever takes it slowly is waited for, for a second at most.
    pub fn finish(&mut self) {
        if let Some(open) = &mut self.open {
            open.sink.finish(LAST);
        }
    }

    /// How many lines were lost so far: because too many were waiting, or because a write failed.
    pub fn dropped(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.sink.dropped())
    }

    fn line(&mut self, peer: Option<SocketAddr>, now: SystemTime, rest: impl FnOnce(&mut Vec<u8>)) {
        let Some(OpenLog { sink, clock, .. }) = &mut self.open else { return };
        sink.line(|out| {
            format::write_start(out, peer, clock.stamp(now));
            rest(out);
            out.push(b'\n');
        });
    }
}

impl OpenLog {
    fn set_format(&mut self, format: LogFormat) {
        let (style, announce): (_, fn(&mut Vec<u8>, u64)) = match format {
            LogFormat::Python => (Style::Python, format::write_gap),
            LogFormat::Common | LogFormat::Combined => (Style::Common, format::write_gap),
            LogFormat::Json => (Style::Utc, json::write_gap),
        };
        self.format = format;
        self.clock.set_style(style);
        self.sink.announce_with(announce);
    }
}

#[cfg(test)]
mod tests {
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
    fn the_three_kinds_of_lines() {
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
    fn every_form_shows_that_a_response_was_cut_short() {
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
    fn a_log_looks_for_what_it_shows_and_nothing_else() {
        let request = Request::builder("GET", "/").header("Referer", "r").header("user-agent", "u").build();
        let shown = |log: AccessLog| {
            let described = log.describe(&request);
            let kept = described.keep();
            let described = kept.as_logged();
            (!described.line.is_empty(), described.referer.is_some(), described.user_agent.is_some())
        };
        assert_eq!(shown(AccessLog::off()), (false, false, false));
        for (format, fields) in [
            (LogFormat::Python, false),
            (LogFormat::Common, false),
            (LogFormat::Combined, true),
            (LogFormat::Json, true),
        ] {
            assert_eq!(shown(log_to_pipe().1.format(format)), (true, fields, fields), "{format:?}");
        }
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
    fn a_file_is_opened_again_by_its_name() {
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
        // Where it cannot be opened any more, the old one is kept.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(log.reopen().is_err());
        log.message(None, "three", UNIX_EPOCH);
        assert_eq!((log.flush(), log.dropped()), (None, 0));
    }

    #[test]
    fn below_another_root_the_file_has_its_name_from_there_or_is_not_opened_again() {
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
    fn a_log_becomes_another_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (reader, mut log) = log_to_pipe();
        log.message(None, "one", UNIX_EPOCH);
        log.become_like(AccessLog::file(&path).unwrap().format(LogFormat::Json));
        assert_eq!(log.path(), Some(path.as_path()), "that is the one to be opened again");
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
    fn lines_that_wait_go_where_the_log_goes() {
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
    fn a_log_that_is_off_does_nothing() {
        let mut log = AccessLog::off();
        log.message(None, "hello", UNIX_EPOCH);
        assert!(!log.is_on());
        assert_eq!((log.flush(), log.dropped()), (None, 0));
    }

    #[test]
    fn nothing_is_written_before_the_flush() {
        let (reader, mut log) = log_to_pipe();
        log.message(None, "hello", UNIX_EPOCH);
        assert_eq!(rest_of(reader, log), "");
    }
}
