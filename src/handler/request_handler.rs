//! `RequestHandler`: the interface of a handler, with one method for each request method, as in Python.
//!
//! `connection_handler` decides when a method is called and on which stack.

use std::io;

use super::exchange::Exchange;
use crate::http::{Method, Status};
use crate::service::{ByInto, IntoError};

/// Responds to the requests of one connection, in code that reads and writes as if it had its own thread.
///
/// This trait is modelled on Python's `BaseHTTPRequestHandler`: it has a method for each request method. Each
/// connection has its own instance, whose fields keep their values from one request to the next. A method that is not
/// implemented responds with 501. This includes HEAD, which is not derived from GET.
///
/// While a method is suspended in `rfile`, `wfile`, [`sleep`](Exchange::sleep) or [`offload`](Exchange::offload), other
/// clients are served. While a method computes, no other client is served and nothing can interrupt the method, so long
/// computations and blocking calls belong in [`offload`](Exchange::offload). When the client disconnects, the operation
/// that suspended the handler returns an error. The handler should pass the error on with `?`, so that the values that
/// it owns are dropped.
///
/// An error that is returned after the head of the response has been sent closes the connection before the response is
/// complete. An error that is returned earlier becomes an error page. If the error or one of its sources is an
/// [`HttpError`](super::HttpError), the page has the status of that `HttpError`. Otherwise the status is 500, and the
/// error and all of its sources are logged.
///
/// The error page for a returned error does not include the fields that the handler has set. The page that
/// [`error`](Exchange::error) sends includes them. [`HttpError::header`](super::HttpError::header) adds a field to one
/// page, and [`HttpServer::common_header`](crate::HttpServer::common_header) adds one to all responses.
///
/// By default, at most 1024 handlers can be running or suspended at the same time. Further requests wait, which is
/// logged. A program with more long-lived responses, such as server-sent events or long polls, can raise the limit with
/// [`Handlers::most`](super::Handlers::most).
///
/// `E` is the error type of the methods. It is [`io::Error`] unless the implementation names another type, such as
/// `anyhow::Error` or `Box<dyn Error>`; see [`HandlerError`].
///
/// ```
/// use serve_forever::handler::{Exchange, Handlers, HttpError, RequestHandler};
/// use serve_forever::{service::Response, testing::answer};
///
/// struct Twice;
/// impl RequestHandler<anyhow::Error> for Twice {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> anyhow::Result<()> {
///         let number: u32 = x.param("n").ok_or(HttpError::new(422))?.parse()?;
///         Ok(x.respond(Response::text(format!("{}", 2 * number)))?)
///     }
/// }
/// for (target, status) in [("/?n=4", "200 OK"), ("/", "422 "), ("/?n=x", "500 ")] {
///     let request = format!("GET {target} HTTP/1.0\r\n\r\n");
///     let bytes = answer(Handlers::new(|| Twice), request.as_bytes());
///     assert!(bytes.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{target}");
/// }
/// ```
///
/// ```no_run
/// use std::io::{self, Write};
/// use serve_forever::{HttpServer, handler::{Exchange, RequestHandler}};
///
/// struct Hello;
///
/// impl RequestHandler for Hello {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
///         x.send_response(200)?;
///         x.send_header("Content-Type", "text/plain")?;
///         x.end_headers()?;
///         x.wfile().write_all(b"hello")
///     }
/// }
///
/// HttpServer::bind("127.0.0.1:8000")?.handler(|| Hello).serve_forever()?;
/// # Ok::<(), io::Error>(())
/// ```
pub trait RequestHandler<E: From<io::Error> = io::Error> {
    /// Responds to GET.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_get(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to HEAD. Bytes written to `wfile` are counted for `Content-Length` and not sent, so a handler that
    /// serves HEAD like GET can call `self.do_get(x)` here.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_head(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to POST.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_post(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to PUT.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_put(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to DELETE.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_delete(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to PATCH.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_patch(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to OPTIONS.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_options(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        unsupported(x)
    }

    /// Responds to every other method. `name` is any token, such as `TRACE` or `RICKROLL`, and is case-sensitive.
    ///
    /// The example `rickroll` implements a method of its own. As in Python, the response to a method without an
    /// implementation is 501. A resource for which a known method is not allowed should respond with 405 and an `Allow`
    /// field (RFC 9110 section 15.5.6): `x.send_header("Allow", "GET, POST")?` and then `x.error(405)`.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_method(&mut self, name: &str, x: &mut Exchange<'_>) -> Result<(), E> {
        _ = name;
        unsupported(x)
    }

    /// Returns true if a client that sent `Expect: 100-continue` may send its body. Before a handler returns false, it
    /// must send a response, for example with `x.error(417)?`. No other method is then called.
    ///
    /// `100 Continue` is sent when the body is first read, not by this method.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn handle_expect_100(&mut self, x: &mut Exchange<'_>) -> Result<bool, E> {
        _ = x;
        Ok(true)
    }

    /// Calls the `do_` method that corresponds to the request's method. An implementation can override
    /// `handle_one_request` to act on every request before a `do_` method is called.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> Result<(), E> {
        if x.expects_continue() && !self.handle_expect_100(x)? {
            return Ok(());
        }
        match x.request().method() {
            Method::Get => self.do_get(x),
            Method::Head => self.do_head(x),
            Method::Post => self.do_post(x),
            Method::Put => self.do_put(x),
            Method::Delete => self.do_delete(x),
            Method::Patch => self.do_patch(x),
            Method::Options => self.do_options(x),
            Method::Connect | Method::Trace | Method::Other(_) => {
                let name = x.command().to_owned();
                self.do_method(&name, x)
            }
        }
    }
}

/// The error type that a handler's methods return. `?` converts an [`io::Error`] from the exchange to this type, and
/// the type provides a message and sources for the log.
///
/// Every type with these two conversions implements this trait, for example [`io::Error`], `Box<dyn Error>`, `Box<dyn
/// Error + Send + Sync>` and `anyhow::Error`. `M` selects the conversion of the error for the log, and is inferred by
/// the compiler.
pub trait HandlerError<M = ByInto>: From<io::Error> + IntoError<M> + 'static {}

impl<M, E: From<io::Error> + IntoError<M> + 'static> HandlerError<M> for E {}

/// Sends Python's error page for a method that the handler does not implement.
fn unsupported<E: From<io::Error>>(x: &mut Exchange<'_>) -> Result<(), E> {
    // The method is truncated, because it becomes part of the reason phrase and a client can send a long method.
    let method: String = x.command().chars().take(64).collect();
    Ok(x.send_error(Status::NOT_IMPLEMENTED, Some(&format!("Unsupported method ('{method}')")), None)?)
}
