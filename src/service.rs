//! The interface between a connection, which speaks HTTP, and the code that responds to requests.
//!
//! A connection calls a [`Service`] once for each request, as soon as the head is complete. The service returns a [`Response`], or
//! an [`Upstream`] that takes the body and responds later. The body of a response is bytes, a slice of a file, or a [`Source`] that
//! is read when the client has room. What stays out: framing, sending and logging, which are the connection's.
//!
//! Dropping an `Upstream` or a `Source` means that the client is gone. There is no other cancellation.
//!
//! Invariant: no function here blocks. `WouldBlock` means that there is nothing now, and a short count that there is no more now.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::session::{Registrar, Waker};

use crate::http::{FieldBlock, FieldValue, HttpError, InvalidHeader, Request, Status};

/// Responds to requests.
///
/// A closure from `&Request` to a [`Response`] is a service:
///
/// ```
/// use serve_forever::http::Request;
/// use serve_forever::service::{Response, Service};
/// fn serves(_: impl Service) {}
/// serves(|request: &Request| Response::text(format!("you asked for {:?}", request.target())));
/// ```
pub trait Service {
    /// Responds to one request. Called as soon as its head is complete, before its body is read.
    ///
    /// It runs on the loop's only thread: while it runs, no other client is served.
    fn call(&self, request: &Request) -> Reply;

    /// Called at the end of every turn of the loop, which began at `now`: for work that no client waits for any more, such as a
    /// child process that ended after its connection. `note` writes to the server's log, about a client
    /// or about none. Returns how long the loop may sleep at most until this is called again.
    ///
    /// It does nothing unless a service says otherwise. A service that wraps another one has to pass it on.
    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        _ = (now, note);
        None
    }

    /// Called when the loop has ended and the connections are gone, so that nothing is left running that only a turn
    /// of the loop would end. The loop may run again later.
    ///
    /// It does nothing unless a service says otherwise. A service that wraps another one has to pass it on.
    fn after_run(&self, note: &mut LogCallback<'_>) {
        _ = note;
    }

    /// Makes a service for one connection, if state has to be kept from one request to the next. Called before the first request
    /// of each connection; the result is dropped when the connection ends. With `None`, this service responds itself. `server_name` is what the server sends as `Server`, empty for none.
    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        _ = server_name;
        None
    }

    /// Calls `note` with each new line for the server's log. Called on the service that [`Service::connect`] made, whenever it
    /// or its upstream has run.
    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        _ = note;
    }
}

impl Service for Box<dyn Service + Send> {
    fn call(&self, request: &Request) -> Reply {
        (**self).call(request)
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        (**self).after_turn(now, note)
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        (**self).after_run(note);
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        (**self).connect(server_name)
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        (**self).take_notes(note);
    }
}

/// Writes a line to the server's log. The arguments are the client that the line is about, if any, and the text.
pub type LogCallback<'a> = dyn FnMut(Option<SocketAddr>, &str) + 'a;

impl<F, R> Service for F
where
    F: Fn(&Request) -> R,
    R: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        self(request).into()
    }
}

/// The reply of a service to a request.
#[derive(Debug)]
pub enum Reply {
    /// The response. The body of the request is not wanted.
    Now(Response),
    /// An upstream, which takes the body and responds later.
    Later(Box<dyn Upstream>),
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Now(response)
    }
}

impl<U: Upstream + 'static> From<Box<U>> for Reply {
    fn from(upstream: Box<U>) -> Reply {
        Reply::Later(upstream)
    }
}

/// Takes the body of a request and produces its response: a running handler, or a CGI child.
pub trait Upstream {
    /// True if it wants the body, or more of it. While it does not, the client is not read from. A client that sent
    /// `Expect: 100-continue` receives 100 once the upstream wants the body (RFC 9110 section 10.1.1).
    fn wants_body(&self) -> bool {
        true
    }

    /// True if it goes on reading the body while its response is sent. Called when the response begins and some of the body is
    /// still to come. If it does not, and the rest of the body is in chunks or longer than
    /// [`Limits::drain`](crate::Limits::drain), then the response says `Connection: close` and the connection is
    /// closed in stages (RFC 9112 section 9.6).
    ///
    /// The default is [`Upstream::wants_body`]. An upstream that only pauses, because its buffer is full, returns true here.
    fn reads_on(&self) -> bool {
        self.wants_body()
    }

    /// Takes decoded bytes of the body and returns how many it took. A short count means that it takes no more now.
    ///
    /// # Errors
    /// An error ends the exchange as one of [`Upstream::poll`] does.
    fn feed(&mut self, body: &[u8]) -> io::Result<usize>;

    /// Called once when the body is complete, also for an empty body, unless the client disconnects first.
    ///
    /// # Errors
    /// An error ends the exchange as one of [`Upstream::poll`] does.
    fn end(&mut self) -> io::Result<()>;

    /// Returns the response once it is known. Called right after the service returned this upstream, and after every event of a
    /// source that was registered with `registrar`, until it returns a response.
    ///
    /// # Errors
    /// An error before the response becomes a 502; its text goes to the log.
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>>;

    /// Takes an interim response that is to be sent before the response (RFC 9110 section 15.2), such as 103 with links that the
    /// client may fetch meanwhile (RFC 8297). Called after every [`Upstream::poll`] until it returns `None`. An interim response is
    /// left out if its status is 101 or not an interim one, if the client speaks HTTP/1.0, or if it does not take its output.
    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        None
    }

    /// The time at which [`Upstream::poll`] is called even if no event comes before.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

impl fmt::Debug for dyn Upstream + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstream")
    }
}

/// A body that is produced while it is sent.
pub trait Source {
    /// Writes the next bytes into `buf` and returns how many. 0 is the end, `WouldBlock` means not yet.
    ///
    /// A source that returns `WouldBlock` must come from an [`Upstream`] whose registrar wakes the connection, and must fail once
    /// that upstream is dropped: no limit ends the wait for a source. A source that has used its share of a turn returns
    /// `Interrupted`, and is read again in the next turn.
    ///
    /// # Errors
    /// Any other error cuts the connection: the response was announced and cannot be completed.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
}

/// The body of a response.
#[derive(Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes that belong to this response, or to the program.
    Bytes(Cow<'static, [u8]>),
    /// Bytes that many responses share, such as a small file kept in memory.
    Shared(Arc<[u8]>),
    /// A part of a file, sent without passing through the program where the system can do that.
    File(FileSlice),
    /// Bytes that are produced while they are sent. Counted if the head has a `Content-Length`; otherwise chunked, or for HTTP/1.0
    /// ended by closing the connection.
    Stream(Box<dyn Source>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Shared(bytes) => write!(f, "Shared({})", bytes.len()),
            Body::File(slice) => write!(f, "File({}..+{})", slice.offset, slice.length),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Body {
    /// The number of bytes, if it is known before they are read.
    pub fn length(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Shared(bytes) => Some(bytes.len() as u64),
            Body::File(slice) => Some(slice.length),
            Body::Stream(_) => None,
        }
    }
}

/// A part of an open file.
#[derive(Debug, Clone)]
pub struct FileSlice {
    /// The file. Other responses may read it too, so that its own offset is not used.
    pub file: Arc<File>,
    /// The offset of the first byte.
    pub offset: u64,
    /// The number of bytes. A file that turns out to be shorter cuts the connection.
    pub length: u64,
}

/// A response: status, header fields and body.
#[derive(Debug)]
pub struct Response {
    /// The status. An interim one (1xx) is no response: the client gets 500 instead.
    pub status: Status,
    /// The reason phrase, if it is not the usual one of the status. A control character in it is sent as `?`. The message of an
    /// error takes precedence.
    pub reason: Option<Box<str>>,
    /// The header fields, without those that the connection adds: `Server`, `Date`, the framing, `Connection`.
    pub head: FieldBlock,
    /// The body. A response to HEAD may have one: its length is announced and the bytes are not sent.
    pub body: Body,
    /// The user whose credentials the service has verified; see [`Response::user`].
    pub user: Option<Arc<str>>,
    /// The texts of an error: the body is then the server's error page and `body` is not used.
    pub error: Option<ErrorText>,
}

/// The texts of an error response. `None` stands for the status's own phrase or description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorText {
    /// The short text: the reason phrase, the page's message and the log's.
    pub message: Option<Cow<'static, str>>,
    /// The long text on the page.
    pub explain: Option<Cow<'static, str>>,
}

impl Response {
    /// A response without fields and body.
    pub fn new(status: Status) -> Response {
        Response { status, reason: None, head: FieldBlock::new(), body: Body::Empty, user: None, error: None }
    }

    /// 200 with a text, as `text/plain; charset=utf-8`.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/plain; charset=utf-8", text)
    }

    /// 200 with a page, as `text/html; charset=utf-8`.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/html; charset=utf-8", page)
    }

    fn of_type(content_type: &'static str, text: impl Into<Cow<'static, str>>) -> Response {
        let mut response = Response::new(Status::OK);
        response.head.put("Content-type", content_type);
        response.body = Body::Bytes(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        });
        response
    }

    /// An error: the server's error page with this status. Python's `send_error`.
    ///
    /// ```
    /// use serve_forever::http::Status;
    /// use serve_forever::service::Response;
    /// let response = Response::error(Status::NOT_FOUND).message("File not found");
    /// ```
    pub fn error(status: Status) -> Response {
        Response { error: Some(ErrorText::default()), ..Response::new(status) }
    }

    /// Sets the short text of an error.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Response {
        self.error.get_or_insert_default().message = Some(message.into());
        self
    }

    /// Sets the long text of an error.
    pub fn explain(mut self, explain: impl Into<Cow<'static, str>>) -> Response {
        self.error.get_or_insert_default().explain = Some(explain.into());
        self
    }

    /// Adds a header field. A text is written as Latin-1; see [`FieldValue`].
    ///
    /// # Errors
    /// If the name or the value would not be one field on the wire; see [`FieldBlock::add`].
    pub fn header(mut self, name: &str, value: impl FieldValue) -> Result<Response, InvalidHeader> {
        self.head.add(name, value)?;
        Ok(self)
    }

    /// Names the user whose credentials the service has verified, for the log: the third field of the common and the
    /// combined form, `user` of the JSON form. It is not sent. A response that refuses credentials should name none,
    /// because a password may have been typed as the name.
    ///
    /// ```
    /// use serve_forever::http::Request;
    /// use serve_forever::service::Response;
    /// let service = |request: &Request| match request.headers().get("X-Token") {
    ///     Some(b"of ann") => Response::text("hello ann").user("ann"),
    ///     _ => Response::error(serve_forever::http::Status::UNAUTHORIZED),
    /// };
    /// # _ = service;
    /// ```
    pub fn user(mut self, name: impl Into<Arc<str>>) -> Response {
        self.user = Some(name.into());
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: Body) -> Response {
        self.body = body;
        self
    }

    /// Closes the connection after this response.
    pub fn close(mut self) -> Response {
        self.head.put("Connection", "close");
        self
    }
}

/// The error page with the status and the message of the error.
impl From<HttpError> for Response {
    fn from(error: HttpError) -> Response {
        let response = Response::error(error.status());
        match error.message_text() {
            Some(message) => response.message(message.clone()),
            None => response,
        }
    }
}
