//! The methods of [`Exchange`] that read the request or write to the log. The methods that wait are in `waiting.rs`,
//! and the methods that produce the response in `respond.rs`.

use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::SystemTime;

use super::context::HandlerContext;
use super::exchange_state::ExchangeState;
#[cfg(feature = "client")]
use super::outbound::HandlerPool;
use crate::coroutine::{HandlerIo, Rfile, Wfile, Yielder};
use crate::http::{BodyLength, HttpError, Request, RequestFields, Status, UrlPath, Version, format_http_date};
use crate::tls_info::TlsInfo;

/// One request and its response, with method names like those of Python's `BaseHTTPRequestHandler`.
///
/// The connection frames the response. If the handler sets a `Content-Length`, exactly that many bytes are sent:
/// writing more is an error, and if fewer are written, the connection is closed early. Otherwise, a response that is
/// complete before the handler first suspends gets a `Content-Length`. Any other response is chunked, or, for an
/// HTTP/1.0 client, which cannot decode chunks, ends when the connection is closed.
pub struct Exchange<'y> {
    request: &'y Request,
    server_name: &'y str,
    pub(super) state: &'y ExchangeState,
    pub(super) io: HandlerIo<'y>,
    #[cfg(feature = "client")]
    pub(super) pool: &'y HandlerPool,
}

impl<'y> Exchange<'y> {
    pub(super) fn new(
        request: &'y Request,
        server_name: &'y str,
        state: &'y ExchangeState,
        yielder: &'y Yielder,
        context: &'y HandlerContext,
    ) -> Exchange<'y> {
        Exchange {
            request,
            server_name,
            state,
            io: HandlerIo::new(yielder, &state.channel, state, &context.resources),
            #[cfg(feature = "client")]
            pool: &context.pool,
        }
    }

    /// The request. [`Request`] has further methods that have no counterpart in Python.
    pub fn request(&self) -> &Request {
        self.request
    }

    /// The address of the client.
    pub fn client_address(&self) -> SocketAddr {
        self.request.client_address()
    }

    /// The request line as the client sent it, without its CRLF.
    pub fn requestline(&self) -> &str {
        text(self.request.request_line())
    }

    /// The method, such as `GET`.
    pub fn command(&self) -> &str {
        self.request.method().as_str()
    }

    /// The request target as the client sent it: not decoded, and including the query. This is Python's `path`.
    ///
    /// As in Python, many different paths can name the same resource. Use [`url_path`](Exchange::url_path) to select a
    /// resource or to check access.
    pub fn path(&self) -> &str {
        self.target()
    }

    /// The request target as text, under its HTTP name. [`path`](Exchange::path) is Python's name for it.
    pub fn target(&self) -> &str {
        text(self.request.target())
    }

    /// The path of the target, decoded and normalised; see [`Request::url_path`].
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Users;
    /// impl RequestHandler for Users {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         match x.url_path()?.route()[..] {
    ///             ["users", name] => x.respond(Response::text(format!("hello {name}"))),
    ///             _ => x.error(404),
    ///         }
    ///     }
    /// }
    /// assert!(answer(Handlers::new(|| Users), b"GET //%75sers/ann?x=y HTTP/1.0\r\n\r\n").ends_with(b"hello ann"));
    /// ```
    ///
    /// The example `routes` selects a function by path and method.
    ///
    /// # Errors
    /// Returns an [`HttpError`] with status 400 if the path is malformed.
    pub fn url_path(&self) -> io::Result<UrlPath> {
        Ok(self.request.url_path()?)
    }

    /// The HTTP version of the request.
    pub fn request_version(&self) -> Version {
        self.request.version()
    }

    /// The result of the connection's TLS handshake: version, cipher, server name, and client certificates. `None` if
    /// the connection is not encrypted.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.request.tls()
    }

    /// The header fields of the request, like Python's `headers`. Values are bytes; [`get_str`](RequestFields::get_str)
    /// decodes a value.
    pub fn headers(&self) -> RequestFields<'_> {
        self.request.headers()
    }

    /// The pairs of the query in order, decoded like a form: `+` is a space, `%XX` is a byte, and invalid UTF-8 is
    /// replaced. A name can occur several times. This is Python's `urllib.parse.parse_qsl` with `keep_blank_values`.
    pub fn query(&self) -> Vec<(String, String)> {
        self.request.query_pairs()
    }

    /// The first value with this name in the query, decoded; see [`query`](Exchange::query).
    pub fn param(&self, name: &str) -> Option<String> {
        self.request.param(name)
    }

    /// A reader for the body of the request. A client can send malformed data, so a handler should convert a parser's
    /// error to an [`HttpError`] with status 400. If the handler passes the error on with `?` alone, it counts as a
    /// failure of the handler, and the status is 500.
    ///
    /// The example `count_upload` reads a body of any length in constant memory, and `addition` parses JSON.
    pub fn rfile(&self) -> Rfile<'_> {
        self.io.rfile()
    }

    /// A writer for the body of the response. Writing before [`end_headers`](Exchange::end_headers) is an error.
    ///
    /// The example `generate` writes an endless body.
    pub fn wfile(&self) -> Wfile<'_> {
        self.io.wfile()
    }

    /// Reads the whole body of the request, which may have at most `limit` bytes.
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Length;
    /// impl RequestHandler for Length {
    ///     fn do_post(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         let body = x.body(5)?;
    ///         x.respond(Response::text(format!("{} bytes", body.len())))
    ///     }
    /// }
    /// let post = |head: &str| answer(Handlers::new(|| Length), format!("POST / HTTP/1.0\r\n{head}").as_bytes());
    /// assert!(post("Content-Length: 5\r\n\r\nhello").ends_with(b"5 bytes"));
    /// assert!(post("Content-Length: 6\r\n\r\n").starts_with(b"HTTP/1.1 413 "));
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`limit_body`](Exchange::limit_body), and any error from reading
    /// [`rfile`](Exchange::rfile).
    pub fn body(&self, limit: u64) -> io::Result<Vec<u8>> {
        self.limit_body(limit)?;
        let mut body = Vec::new();
        self.rfile().read_to_end(&mut body)?;
        Ok(body)
    }

    /// Like [`body`](Exchange::body), but for UTF-8 text.
    ///
    /// # Errors
    /// Returns the same errors as [`body`](Exchange::body), and an [`HttpError`] with status 400 if the body is not
    /// UTF-8.
    pub fn body_text(&self, limit: u64) -> io::Result<String> {
        let bad = |_| HttpError::new(Status::BAD_REQUEST).explain("The body is not text in UTF-8").into();
        String::from_utf8(self.body(limit)?).map_err(bad)
    }

    /// Limits the body of the request to `limit` bytes, including those that have already been read. After these bytes,
    /// every read returns an [`HttpError`] with status 413 if the body is longer.
    ///
    /// The examples `echo` and `upload_form` limit the bodies that they read.
    ///
    /// # Errors
    /// Returns an [`HttpError`] with status 413 if the request announces a longer body, or if more than `limit` bytes
    /// of a chunked body have already arrived in [`rfile`](Exchange::rfile).
    pub fn limit_body(&self, limit: u64) -> io::Result<()> {
        self.io.set_input_limit(limit, too_large);
        let length = match self.request.body_length() {
            BodyLength::Known(length) => length,
            BodyLength::None | BodyLength::Chunked => self.io.fetched(),
        };
        if length > limit { Err(too_large()) } else { Ok(()) }
    }

    /// Sets the user name for the log; see [`Response::user`](crate::service::Response::user). The handler must have
    /// verified the user's credentials. A name that is set after the head has been sent has no effect.
    pub fn set_user(&self, name: &str) {
        self.state.response.borrow_mut().user = Some(name.into());
    }

    /// Writes a line to the server's log.
    pub fn log_message(&self, text: impl fmt::Display) {
        self.io.log_message(text);
    }

    /// Writes a line to the server's log, as [`log_message`](Exchange::log_message) does.
    pub fn log_error(&self, text: impl fmt::Display) {
        self.log_message(text);
    }

    /// Writes a line about this request to the server's log, in Python's format: request line, status and size. The
    /// server also logs every exchange itself, so this adds a second line.
    pub fn log_request(&self, status: impl fmt::Display, size: impl fmt::Display) {
        self.log_message(format_args!("\"{}\" {status} {size}", self.requestline()));
    }

    /// The value of the `Server` field (see [`HttpServer::server_name`](crate::HttpServer::server_name)); empty if the
    /// server sends none.
    pub fn version_string(&self) -> &str {
        self.server_name
    }

    /// Formats `time`, or the current time if it is `None`, in the format of the `Date` field.
    pub fn date_time_string(&self, time: Option<SystemTime>) -> String {
        format_http_date(time.unwrap_or_else(SystemTime::now))
    }

    /// True if the client waits for `100 Continue` before it sends the request body.
    pub(super) fn expects_continue(&self) -> bool {
        self.state.holds_body_back()
    }

    /// Returns input that the handler has not read to the channel. Must be called when the handler has returned and no
    /// longer uses the exchange.
    pub(super) fn close(&self) {
        self.io.return_unread();
    }
}

fn too_large() -> io::Error {
    HttpError::new(Status::CONTENT_TOO_LARGE).into()
}

/// Converts a request line or a target to text. Both are ASCII, because the parser rejects other bytes.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.requestline())
    }
}
