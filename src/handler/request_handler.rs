use std::io;

use super::exchange::Exchange;
use crate::http::{Method, Status};

/// Answers the requests of one connection, in code that reads and writes as if it had a thread of its own.
///
/// Python's `BaseHTTPRequestHandler` (contract rows HB20, HB21, SS32): one method for each request method, and one
/// instance for each connection, which keeps its fields from one request to the next. What is not implemented is
/// answered with 501, HEAD included: a handler that answers HEAD says so.
///
/// While a method waits, in `rfile`, `wfile`, [`sleep`](Exchange::sleep) or [`offload`](Exchange::offload), other
/// clients are served. While it computes they are not, and nothing can interrupt it: long computations and calls that
/// block belong into [`offload`](Exchange::offload). When the client goes, whatever it waits for becomes an error,
/// which `?` hands up; what it owns is dropped then.
///
/// Returning an error before the head of the response is out sends an error page: that of an
/// [`HttpError`](super::HttpError)'s status, otherwise 500. Later it cuts the connection.
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
pub trait RequestHandler {
    /// Answers GET.
    ///
    /// # Errors
    /// See [`RequestHandler`]; so for all of these methods.
    fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers HEAD. What it writes to `wfile` is counted and not sent.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_head(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers POST.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_post(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers PUT.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_put(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers DELETE.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_delete(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers PATCH.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_patch(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers OPTIONS.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_options(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
        unsupported(x)
    }

    /// Answers every other method; `name` is any token, such as `TRACE` or `RICKROLL`, and has a case.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn do_method(&mut self, name: &str, x: &mut Exchange<'_>) -> io::Result<()> {
        _ = name;
        unsupported(x)
    }

    /// Decides whether a client that sent `Expect: 100-continue` may send its body (contract row HB27). Returning
    /// false after an answer, such as `x.send_error(417, None, None)?`, ends the exchange: no other method is called.
    ///
    /// The client is told to go on once the body is first read, not here.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn handle_expect_100(&mut self, x: &mut Exchange<'_>) -> io::Result<bool> {
        _ = x;
        Ok(true)
    }

    /// Hands a request to the method for it. Overriding this is a way to see every request first.
    ///
    /// # Errors
    /// See [`RequestHandler`].
    fn handle_one_request(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
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

/// Python's answer for a method that a handler does not have.
fn unsupported(x: &mut Exchange<'_>) -> io::Result<()> {
    let method: String = x.command().chars().take(64).collect();
    x.send_error(Status::NOT_IMPLEMENTED, Some(&format!("Unsupported method ('{method}')")), None)
}
