use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::line::{Line, Rfile, Wfile};
use super::query;
use crate::http::{BodyLength, FieldBlock, Request, RequestFields, Status, Version, format_http_date};

mod answer;

pub use answer::IntoStatus;

/// One request and its response, in Python's vocabulary (contract rows HB08, HB36 to HB47, SS33, SS34).
///
/// The response is framed by the connection. With a `Content-Length` exactly so many bytes are sent: writing more is an
/// error, and writing fewer cuts the connection. Without one, a response that is complete before the handler first
/// waits gets its length; a longer one is chunked, or ends with the connection for a client that speaks HTTP/1.0.
pub struct Exchange<'y> {
    request: &'y Request,
    server_name: &'y str,
    line: Line<'y>,
    answer: RefCell<Draft>,
}

/// The head of the response, as far as it is known.
#[derive(Default)]
struct Draft {
    head: FieldBlock,
    status: Option<Status>,
    /// It is out of the handler's hands.
    ended: bool,
}

/// Why the body cannot be written before the head.
pub(super) const NO_HEAD: &str = "no body before end_headers";

impl<'y> Exchange<'y> {
    pub(super) fn new(request: &'y Request, server_name: &'y str, line: Line<'y>) -> Exchange<'y> {
        Exchange { request, server_name, line, answer: RefCell::default() }
    }

    /// The request, with whatever has no name in Python.
    pub fn request(&self) -> &Request {
        self.request
    }

    /// The address of the client.
    pub fn client_address(&self) -> SocketAddr {
        self.request.client_address()
    }

    /// The request line as it came, without its CRLF.
    pub fn requestline(&self) -> &str {
        text(self.request.request_line())
    }

    /// The method, such as `GET`.
    pub fn command(&self) -> &str {
        self.request.method().as_str()
    }

    /// The request target as it came: not decoded, and with the query.
    pub fn path(&self) -> &str {
        text(self.request.target())
    }

    /// The version that the request is served as.
    pub fn request_version(&self) -> Version {
        self.request.version()
    }

    /// The header fields of the request.
    pub fn headers(&self) -> RequestFields<'_> {
        self.request.headers()
    }

    /// The pairs of the query, decoded as a form is: `+` is a space, `%XX` a byte, and what is not UTF-8 is replaced.
    /// In their order; a name may come several times. Python's `urllib.parse.parse_qsl` with blank values kept.
    pub fn query(&self) -> Vec<(String, String)> {
        query::pairs(self.request.query().unwrap_or_default())
    }

    /// The body of the request.
    pub fn rfile(&self) -> Rfile<'_> {
        self.line.rfile()
    }

    /// The body of the response. Writing to it is an error before [`end_headers`](Exchange::end_headers).
    pub fn wfile(&self) -> Wfile<'_> {
        self.line.wfile()
    }

    /// Bounds the body of the request: reading beyond so many bytes is an error that is answered with 413.
    ///
    /// # Errors
    /// That error, at once, if the request announces a longer body.
    pub fn limit_body(&self, limit: u64) -> io::Result<()> {
        self.line.set_limit(limit);
        match self.request.body_length() {
            BodyLength::Known(length) if length > limit => Err(super::HttpError::new(Status::CONTENT_TOO_LARGE).into()),
            _ => Ok(()),
        }
    }

    /// Waits, and lets other clients be served meanwhile.
    ///
    /// # Errors
    /// Of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client goes before the time is over.
    pub fn sleep(&self, time: Duration) -> io::Result<()> {
        self.line.sleep(time)
    }

    /// Has work that blocks, or takes long, done by another thread, and waits for its result while other clients are
    /// served. What Python's `ThreadingMixIn` is for (contract row SS27). There are few such threads (see
    /// [`Handlers::workers`](super::Handlers::workers)); work waits its turn.
    ///
    /// # Errors
    /// If the work panics; the text is in the error. Of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted)
    /// if the client goes first: the work is then done all the same, and its result dropped.
    pub fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        self.line.offload(work)
    }

    /// Names the user whose credentials the handler has verified, for the log; see
    /// [`Response::user`](crate::service::Response::user). Has an effect before the response has begun to leave.
    pub fn set_user(&self, name: &str) {
        self.line.with(|state| state.user = Some(name.into()));
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.line.with(|state| state.notes.add(text.to_string()));
    }

    /// Writes a line to the server's log: the same one (contract row HB46).
    pub fn log_error(&self, text: impl fmt::Display) {
        self.log_message(text);
    }

    /// Writes Python's line for a request to the server's log. The server writes one for every exchange by itself; this
    /// is for another.
    pub fn log_request(&self, status: impl fmt::Display, size: impl fmt::Display) {
        self.log_message(format_args!("\"{}\" {status} {size}", self.requestline()));
    }

    /// What the server sends as `Server` (see [`HttpServer::server_name`](crate::HttpServer::server_name)); empty for
    /// nothing.
    pub fn version_string(&self) -> &str {
        self.server_name
    }

    /// A time in the form of `Date`; now, if none is given (contract row HB42).
    pub fn date_time_string(&self, time: Option<SystemTime>) -> String {
        format_http_date(time.unwrap_or_else(SystemTime::now))
    }

    /// Whether the client still waits for a word before it sends its body.
    pub(super) fn expects_continue(&self) -> bool {
        self.line.with(|state| state.holds_back)
    }

    /// Lets go of everything.
    pub(super) fn close(&self) {
        self.line.give_back();
    }
}

/// Request lines and targets are ASCII: others are refused when they are parsed.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.requestline())
    }
}
