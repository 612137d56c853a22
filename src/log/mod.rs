//! The access log: lines are collected in memory and written between two turns of the loop.
//!
//! `record` defines the content of a line; `format`, `apache` and `json` write it in one of the four formats. `sink`
//! buffers lines and counts the dropped ones. `target` writes to a descriptor without blocking. This module does not
//! depend on connections.
//!
//! Invariant: methods that add lines never fail or block, so the log never fails a request. [`AccessLog::flush`] blocks
//! only if the target has no way to write without blocking (see `target`). [`AccessLog::finish`], which is called after
//! the last request, waits for at most one second. Dropped lines are counted, and the count is reported in the log.

mod apache;
mod format;
mod json;
mod line_writer;
mod record;
mod sink;
mod target;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::http::{Request, Status};
use format::{Clock, Style, write_error, write_message};
use line_writer::LineWriter;
pub use record::{LoggedRequest, OwnedLoggedRequest, Record};
use sink::Sink;
use target::Target;

/// The maximum time for which [`AccessLog::finish`] waits for the target to accept the last lines.
const LAST: Duration = Duration::from_secs(1);

/// The maximum number of buffered bytes while the target accepts none. This is enough for about two thousand requests.
const LIMIT: usize = 256 * 1024;

/// The format of a log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// The format of Python's `http.server`: `ADDR - - [DATE] "LINE" STATUS SIZE`. For an error, an additional line
    /// precedes the line of the request.
    #[default]
    Python,
    /// Apache's *common* format, in which dates have a time zone, and errors have no additional line.
    Common,
    /// Apache's *combined* format: *common* with the referer and the user agent.
    Combined,
    /// JSON, with one object per line.
    Json,
}

/// The log of requests, errors and messages, in the format of Python's `http.server` or another [`LogFormat`].
///
/// Lines are buffered until [`flush`](AccessLog::flush) writes as many as the target accepts. If more than 256 KiB are
/// buffered, whole lines are dropped and replaced with a line `N log lines dropped`.
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
    /// The open log; `None` if the log is off.
    open: Option<OpenLog>,
    /// True for the default log, which a server uses if the program has not set another one.
    is_default: bool,
}

#[derive(Debug)]
struct OpenLog {
    sink: Sink,
    clock: Clock,
    format: LogFormat,
    /// The path of the file that [`AccessLog::reopen`] opens again; `None` if there is no such file.
    path: Option<PathBuf>,
    /// The path of the log file before the process changed its root directory, if the file is outside the new root.
    /// [`AccessLog::reopen`] then returns an error.
    left_behind: Option<PathBuf>,
}

impl AccessLog {
    /// Creates a log that writes to standard error. If the descriptor cannot be duplicated, the log is off.
    pub fn stderr() -> AccessLog {
        std::io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| AccessLog::off(), AccessLog::to)
    }

    /// Creates the default log, which a server uses until the program sets one.
    pub(crate) fn unless_set() -> AccessLog {
        AccessLog { is_default: true, ..AccessLog::stderr() }
    }

    /// Turns logging off, unless the program has configured a log.
    pub(crate) fn quieten(&mut self) {
        if self.is_default {
            *self = AccessLog::off();
        }
    }

    /// Creates a log that calls a function with each line, without the newline. The function can, for example, pass
    /// lines to the `tracing` crate. It is called between two turns of the loop, so it should not block.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use serve_forever::{log::AccessLog, service::Response, testing::Bench};
    ///
    /// let lines = Arc::new(Mutex::new(Vec::new()));
    /// let sink = Arc::clone(&lines);
    /// let log = AccessLog::to_fn(move |line| sink.lock().unwrap().push(line.to_owned()));
    /// Bench::new(|_| Response::text("hello")).log(log).connect().send(b"GET / HTTP/1.0\r\n\r\n");
    /// assert!(lines.lock().unwrap()[0].ends_with("\"GET / HTTP/1.0\" 200 5"));
    /// ```
    pub fn to_fn(receive: impl FnMut(&str) + Send + 'static) -> AccessLog {
        AccessLog::to_writer(LineWriter { receive, begun: Vec::new() })
    }

    /// Creates a log that writes lines to `writer` and flushes it after each write. Both calls happen between two turns
    /// of the loop, so no client is served while `writer` blocks. If a write fails, the buffered lines are lost. For a
    /// descriptor, use [`to`](AccessLog::to), which writes without blocking.
    pub fn to_writer(writer: impl Write + Send + 'static) -> AccessLog {
        AccessLog::on(Target::writer(writer), None)
    }

    /// Creates a log that drops every line without counting it.
    pub fn off() -> AccessLog {
        AccessLog { open: None, is_default: false }
    }

    /// Creates a log that writes to a descriptor: a file, a pipe, a terminal or a socket. The flags of the descriptor
    /// are not changed, because other processes may share the open file description.
    pub fn to(fd: OwnedFd) -> AccessLog {
        AccessLog::on(Target::new(fd), None)
    }

    /// Creates a log that appends to a file. The file is created if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<AccessLog> {
        // The name is made absolute, so that `reopen` finds the same file after a change of the working directory.
        let path = std::path::absolute(path.into())?;
        Ok(AccessLog::on(Target::open(&path)?, Some(path)))
    }

    fn on(target: Target, path: Option<PathBuf>) -> AccessLog {
        let (sink, clock) = (Sink::new(target, LIMIT), Clock::local());
        let open = OpenLog { sink, clock, format: LogFormat::Python, path, left_behind: None };
        AccessLog { open: Some(open), is_default: false }
    }

    /// Sets the format of the lines. Default: [`LogFormat::Python`].
    pub fn format(mut self, format: LogFormat) -> AccessLog {
        if let Some(open) = &mut self.open {
            open.set_format(format);
        }
        self
    }

    /// Takes over the target and the format of another log. Lines that the old target does not accept immediately are
    /// written to the new target, in their old format. The time zone stays the same.
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

    /// Returns the path of the file if the log was opened by [`file`](AccessLog::file).
    pub fn path(&self) -> Option<&Path> {
        self.open.as_ref()?.path.as_deref()
    }

    /// Prepares the log for a chroot to the directory `root`. The path of a log file in this directory becomes relative
    /// to the new root. A log file elsewhere can still be written to, but not reopened, because its path would name
    /// another file after the chroot.
    #[cfg_attr(not(any(feature = "cli", test)), expect(dead_code, reason = "only the program changes its root"))]
    pub(crate) fn below(mut self, root: &Path) -> AccessLog {
        if let Some(open) = &mut self.open
            && let Some(path) = open.path.take()
        {
            // Symbolic links in both paths are resolved, because the path of the file may lead into `root` through a
            // link.
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

    /// Opens the log file again by its name, after the old file has been renamed for rotation. Has no effect on a log
    /// that was not opened by [`file`](AccessLog::file).
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened, or if it is outside the current root directory of the process.
    /// Lines are then still written to the old file.
    pub fn reopen(&mut self) -> io::Result<()> {
        let Some(OpenLog { sink, path, left_behind, .. }) = &mut self.open else { return Ok(()) };
        if let Some(path) = left_behind {
            return Err(io::Error::other(format!("{} is outside of the root directory", path.display())));
        }
        let Some(path) = path else { return Ok(()) };
        let target = Target::open(path)?;
        // Lines from before the rotation are written to the old file, if it accepts them now.
        sink.flush();
        sink.redirect(target);
        Ok(())
    }

    /// True unless the log is off. If this is false, the caller need not prepare records.
    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// Returns the parts of a request that this log shows. The connection passes them to
    /// [`request`](AccessLog::request) when the response is complete.
    pub fn describe<'r>(&self, request: &'r Request) -> LoggedRequest<'r> {
        let arrived = request.arrived();
        let mut described = LoggedRequest { line: b"", referer: None, user_agent: None, tls: None, arrived };
        if let Some(open) = &self.open {
            described.line = request.request_line();
            if matches!(open.format, LogFormat::Combined | LogFormat::Json) {
                described.referer = request.headers().get("Referer");
                described.user_agent = request.headers().get("User-Agent");
            }
            if open.format == LogFormat::Json {
                described.tls = request.tls.as_ref();
            }
        }
        described
    }

    /// Appends the log line for one exchange, like Python's `log_request`. If the response was cut short, another line
    /// with the reason precedes this line. In the JSON format, the line contains the reason instead.
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

    /// Appends the line for an error, like Python's `log_error`: `ADDR - - [DATE] code STATUS, message MESSAGE`. The
    /// line for the request follows it. Only Python's format has a line for errors; in the other formats, this method
    /// does nothing.
    pub fn error(&mut self, peer: SocketAddr, status: Status, message: &str, now: SystemTime) {
        if self.open.as_ref().is_some_and(|open| open.format == LogFormat::Python) {
            self.line(Some(peer), now, |out| write_error(out, status, message));
        }
    }

    /// Appends a message, like Python's `log_message`: `ADDR - - [DATE] TEXT`. If `peer` is `None`, the address is `-`.
    pub fn message(&mut self, peer: Option<SocketAddr>, text: &str, now: SystemTime) {
        match &mut self.open {
            Some(OpenLog { sink, clock, format: LogFormat::Json, .. }) => sink.line(|out| {
                json::write_message(out, clock.stamp(now), now, peer, text);
                out.push(b'\n');
            }),
            _ => self.line(peer, now, |out| write_message(out, text)),
        }
    }

    /// Writes as many lines as the target accepts without blocking. The loop calls this at the end of each turn.
    ///
    /// If lines are left, returns the time after which the caller should try again. Otherwise returns `None`, so that
    /// an idle server does not wake up for its log.
    pub fn flush(&mut self) -> Option<Duration> {
        self.open.as_mut().and_then(|open| open.sink.flush())
    }

    /// Writes the remaining lines after the last request. If the target is full, waits for at most one second.
    pub fn finish(&mut self) {
        if let Some(open) = &mut self.open {
            open.sink.finish(LAST);
        }
    }

    /// Returns the number of lines that were dropped because the buffer was full or because a write failed.
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
mod tests;
