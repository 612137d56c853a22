//! The access log: Python's lines, collected in memory and written between two turns of the loop.
//!
//! Three things are kept apart: `format` knows what a line looks like, `sink` keeps lines until they are out and
//! counts those that had to go, `target` knows how to write to a descriptor without waiting for it. The log is here,
//! and not in the connection, because it outlives connections and because its one rule concerns all of them: whatever
//! becomes of the log, requests are answered (contract row HB44).
//!
//! Invariant: nothing here waits or fails. A line that cannot be kept is counted and announced in the log itself.

mod format;
mod sink;
mod target;

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use crate::http::Status;
use format::{Clock, write_error, write_message, write_request};
use sink::Sink;
use target::Target;

/// How many bytes of lines are kept while nobody takes them: some thousand requests.
const LIMIT: usize = 256 * 1024;

/// The log of requests, errors and messages, in the form of Python's `http.server` (contract rows HB43 to HB47).
///
/// Lines are kept, up to 256 KiB, until [`flush`](AccessLog::flush) writes what the other side takes. If they
/// become more, whole lines are dropped, and a line `N log lines dropped` stands in their place.
///
/// ```
/// use std::time::SystemTime;
/// use serve_forever::http::Status;
/// use serve_forever::log::AccessLog;
///
/// let mut log = AccessLog::stderr();
/// let peer = "127.0.0.1:50000".parse().unwrap();
/// log.request(peer, b"GET / HTTP/1.1", Status::OK, 1234, SystemTime::now());
/// log.flush();
/// ```
#[derive(Debug)]
pub struct AccessLog {
    /// `None` is a log that is off.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sink: Sink,
    clock: Clock,
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
        AccessLog { open: Some(Open { sink: Sink::new(Target::new(fd), LIMIT), clock: Clock::local() }) }
    }

    /// Whether lines are written at all: if not, there is no need to make their parts.
    pub fn is_on(&self) -> bool {
        self.open.is_some()
    }

    /// Python's `log_request`: `ADDR - - [DATE] "LINE" STATUS SIZE` (contract row HB45).
    ///
    /// `line` is the request line as it came, without its end. `size` is the number of body bytes that were sent;
    /// `None` prints Python's `-`.
    pub fn request(
        &mut self,
        peer: SocketAddr,
        line: &[u8],
        status: Status,
        size: impl Into<Option<u64>>,
        now: SystemTime,
    ) {
        let size = size.into();
        self.line(Some(peer), now, |out| write_request(out, line, status, size));
    }

    /// Python's `log_error` for an error response: `ADDR - - [DATE] code STATUS, message MESSAGE` (contract row
    /// HB46). The line of the request itself follows it.
    pub fn error(&mut self, peer: SocketAddr, status: Status, message: &str, now: SystemTime) {
        self.line(Some(peer), now, |out| write_error(out, status, message));
    }

    /// Python's `log_message`: `ADDR - - [DATE] TEXT` (contract row HB44); `-` stands for the address if there is
    /// no peer.
    pub fn message(&mut self, peer: Option<SocketAddr>, text: &str, now: SystemTime) {
        self.line(peer, now, |out| write_message(out, text));
    }

    /// Writes what the other side takes without waiting. To be called at the end of each turn of the loop.
    ///
    /// Returns when to try again if lines are left, and `None` if there are none: then there was nothing to do, or
    /// it is done, and an idle server need not wake for its log.
    pub fn flush(&mut self) -> Option<Duration> {
        self.open.as_mut().and_then(|open| open.sink.flush())
    }

    /// How many lines were lost so far: because too many were waiting, or because a write failed.
    pub fn dropped(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.sink.dropped())
    }

    fn line(&mut self, peer: Option<SocketAddr>, now: SystemTime, rest: impl FnOnce(&mut Vec<u8>)) {
        let Some(Open { sink, clock }) = &mut self.open else { return };
        sink.line(|out| {
            format::write_start(out, peer, clock.stamp(now));
            rest(out);
            out.push(b'\n');
        });
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
        let peer = "[::ffff:127.0.0.1]:1".parse().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_795_171_520);
        log.error(peer, Status::NOT_FOUND, "File not found", now);
        log.request(peer, b"GET /x HTTP/1.1", Status::NOT_FOUND, 335, now);
        log.request(peer, b"GET /y HTTP/1.1", Status::OK, None, now);
        log.message(None, "hello", now);
        assert_eq!(log.flush(), None);
        assert_eq!(
            rest_of(reader, log),
            "::ffff:127.0.0.1 - - [20/Nov/2026 10:45:20] code 404, message File not found\n\
             ::ffff:127.0.0.1 - - [20/Nov/2026 10:45:20] \"GET /x HTTP/1.1\" 404 335\n\
             ::ffff:127.0.0.1 - - [20/Nov/2026 10:45:20] \"GET /y HTTP/1.1\" 200 -\n\
             - - - [20/Nov/2026 10:45:20] hello\n"
        );
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
