//! The methods of an exchange that produce the response: status, fields, and complete responses.
//!
//! The connection adds the framing and the `Server` and `Date` fields.

use std::cell::RefMut;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::exchange::Exchange;
use super::response_state::{ResponseStage, ResponseState, misuse};
use crate::http::{FieldBlock, FieldValue, HeaderList, IntoStatus, Method, Status, StatusClass};
use crate::service::{Body, ErrorText, FileSlice, Reply, Response, Service};
use crate::transport::FileSection;

impl Exchange<'_> {
    /// Begins the response. The connection adds `Server` and `Date`. The reason phrase is the standard one for the
    /// status. The request is logged after the response has been sent, with the number of bytes sent.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the number is not a status, if the
    /// status is an interim one (1xx), or if a response has already begun.
    pub fn send_response(&self, status: impl IntoStatus) -> io::Result<()> {
        let status = final_status(status)?;
        let mut state = self.unbegun()?;
        state.status = Some(status);
        state.head.reserve(USUAL_HEAD);
        Ok(())
    }

    /// Begins an interim response (RFC 9110 section 15.2) if the status is from 102 to 199. An example is 103, with
    /// links that the client can already fetch (RFC 8297). [`end_headers`](Exchange::end_headers) ends the interim
    /// response, and a final response must follow. An interim response is sent when the handler suspends or returns. It
    /// is dropped if the client uses HTTP/1.0, or if too many interim responses are queued because the client does not
    /// read them.
    ///
    /// With status 100, the server tells the client immediately to send its body, instead of waiting until the body is
    /// first read. Any other status is passed to [`send_response`](Exchange::send_response).
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Page;
    /// impl RequestHandler for Page {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         x.send_response_only(103)?;
    ///         x.send_header("Link", "</style.css>; rel=preload; as=style")?;
    ///         x.end_headers()?;
    ///         let page = x.offload(|| "<!DOCTYPE html><title>A page that takes long</title>")?;
    ///         x.respond(Response::html(page))
    ///     }
    /// }
    /// let bytes = answer(Handlers::new(|| Page), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\nHTTP/1.1 200 OK\r\n";
    /// assert!(bytes.starts_with(hints.as_bytes()));
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`send_response`](Exchange::send_response). The status 101 is an error; see
    /// [`upgrade`](Exchange::upgrade).
    pub fn send_response_only(&self, status: impl IntoStatus) -> io::Result<()> {
        let status = status.into_status()?;
        match status.code() {
            100 => self.state.expects_continue.set(false),
            102..=199 => self.unbegun()?.status = Some(status),
            _ => return self.send_response(status),
        }
        Ok(())
    }

    /// Adds a header field to the response. Fields can be set before [`send_response`](Exchange::send_response) or
    /// [`send_error`](Exchange::send_error). Text is sent as Latin-1, and bytes are sent unchanged; see [`FieldValue`].
    ///
    /// `Content-Length` and `Connection` affect the connection. With `Connection: close`, the connection is closed
    /// after this response. With `Connection: keep-alive`, the field is sent, and the connection stays open even if the
    /// server [uses HTTP/1.0](crate::HttpServer::protocol). However, `close` is sent instead if the connection must be
    /// closed after this response. This is the case, for example, if the client does not allow another request (RFC
    /// 9112 section 9.3), if the response body is close-delimited, if the client still waits to send its own body, or
    /// if the server is stopping.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if `name` and `value` do not form exactly
    /// one field, if a text contains a character above U+00FF, if the field contradicts the framing (see
    /// [`FieldBlock::add`](crate::http::FieldBlock::add)), or if the head has ended.
    pub fn send_header(&self, name: &str, value: impl FieldValue) -> io::Result<()> {
        let mut state = self.state.response.borrow_mut();
        if !state.is_head_open() {
            return Err(misuse(HEAD_ENDED));
        }
        Ok(state.head.add(name, value)?)
    }

    /// Adds all fields of a list to the response, like [`send_header`](Exchange::send_header) for each of them. A proxy
    /// passes on the [`end_to_end`](HeaderList::end_to_end) fields of a response in this way.
    ///
    /// # Errors
    /// Returns the same errors as [`send_header`](Exchange::send_header). No field is then added.
    pub fn send_headers(&self, fields: &HeaderList) -> io::Result<()> {
        let mut state = self.state.response.borrow_mut();
        if !state.is_head_open() {
            return Err(misuse(HEAD_ENDED));
        }
        Ok(state.head.add_all(fields)?)
    }

    /// Ends the head of the response. The body is then written to [`wfile`](Exchange::wfile).
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if no response has begun, if the head has
    /// already ended, or if an interim response has a `Content-Length` or `Connection` field. Such an interim response
    /// is discarded together with its fields, and another response can then begin.
    pub fn end_headers(&self) -> io::Result<()> {
        let mut state = self.state.response.borrow_mut();
        if !state.is_head_open() {
            return Err(misuse(HEAD_ENDED));
        }
        let status = state.status.ok_or_else(|| misuse("end_headers before send_response"))?;
        if status.class() == StatusClass::Informational {
            // The stage stays `Head`, because the final response or another interim response follows.
            state.status = None;
            let head = std::mem::take(&mut state.head);
            return end_interim(&mut state, status, head);
        }
        let omit_body = *self.request().method() == Method::Head || status.is_bodiless();
        state.begin_body(omit_body);
        Ok(())
    }

    /// Does nothing, because the head is sent with the first bytes of the body, or when the handler suspends or
    /// returns.
    pub fn flush_headers(&self) {}

    /// Responds with the server's error page. The default for `message` is the reason phrase of the status, and the
    /// default for `explain` is the description of the status. The reason phrase is `message` in Latin-1, with `?` for
    /// each character outside Latin-1. The page shows `message` unchanged.
    ///
    /// The connection is kept open, unless the client is still sending or `Connection: close` was set.
    ///
    /// # Errors
    /// Returns the same errors as [`send_response`](Exchange::send_response).
    pub fn send_error(&self, status: impl IntoStatus, message: Option<&str>, explain: Option<&str>) -> io::Result<()> {
        let status = final_status(status)?;
        let own = |text: Option<&str>| text.map(|text| text.to_owned().into());
        let error = Some(ErrorText { message: own(message), explain: own(explain), cause: None });
        let head = std::mem::take(&mut self.unbegun()?.head);
        self.complete(Reply::Now(Response { head, error, ..Response::new(status) }));
        Ok(())
    }

    /// Responds with the server's error page. Equivalent to [`send_error`](Exchange::send_error) with the default texts
    /// for the status.
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::testing::answer;
    ///
    /// struct Nothing;
    /// impl RequestHandler for Nothing {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         x.error(404)
    ///     }
    /// }
    /// assert!(answer(Handlers::new(|| Nothing), b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 404 Not Found\r\n"));
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`send_response`](Exchange::send_response).
    pub fn error(&self, status: impl IntoStatus) -> io::Result<()> {
        self.send_error(status, None, None)
    }

    /// Passes the request to a service, such as one for files or CGI. A Python program does this by subclassing
    /// `SimpleHTTPRequestHandler` and calling a method of the base class. The handler should then return.
    ///
    /// Fields that have already been set are added to the response, unless the service returns an
    /// [`Upstream`](crate::service::Upstream). If the response has a field with the same name, such as `Content-Type`,
    /// only the field of the response is sent. `Set-Cookie`, `Vary`, `Link` and `WWW-Authenticate` may occur several
    /// times, so all of them are sent.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if a response has already begun, or a
    /// field that was set contradicts a field of the service.
    pub fn serve(&self, service: &(impl Service + ?Sized)) -> io::Result<()> {
        // The service is not called if its response could not be sent.
        drop(self.unbegun()?);
        self.complete_with(service.call(self.request()))
    }

    /// Responds with a complete response. Fields that have already been set are added to it, as by
    /// [`serve`](Exchange::serve).
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::answer};
    ///
    /// struct Hello;
    /// impl RequestHandler for Hello {
    ///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
    ///         x.respond(Response::text("hello"))
    ///     }
    /// }
    /// assert!(answer(Handlers::new(|| Hello), b"GET / HTTP/1.0\r\n\r\n").ends_with(b"hello"));
    /// ```
    ///
    /// # Errors
    /// Returns the same errors as [`serve`](Exchange::serve).
    pub fn respond(&self, response: Response) -> io::Result<()> {
        self.complete_with(Reply::Now(response))
    }

    /// Sends a whole open file, from its first byte, as the rest of the body, after
    /// [`end_headers`](Exchange::end_headers). If no bytes of the body have been written before, the operating system,
    /// where possible, sends the file without copying it through the program.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the file is not a regular file or does
    /// not have the declared length, or if the head has not ended. Also returns errors from reading the file and from
    /// writing to [`wfile`](Exchange::wfile).
    pub fn send_file(&self, file: File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(misuse("only a regular file can be sent"));
        }
        let length = metadata.len();
        let slice = FileSlice { file: Arc::new(file), offset: 0, length };
        if !self.complete_with_file(&slice)? {
            let FileSlice { file, offset, length } = slice;
            io::copy(&mut FileSection::new(file, offset, length), &mut self.wfile())?;
        }
        Ok(())
    }

    /// Makes the file the body of the response. Returns false if the file must be copied instead, either because the
    /// request is HEAD and the bytes are only counted, or because bytes that were written earlier must be sent first.
    fn complete_with_file(&self, slice: &FileSlice) -> io::Result<bool> {
        let mut state = self.state.response.borrow_mut();
        state.check_body()?;
        let length = slice.length;
        if state.declared.is_some_and(|declared| declared != state.written + length) {
            return Err(misuse(format!("a file of {length} bytes does not fill the Content-Length")));
        }
        if !matches!(state.stage, ResponseStage::Body) || state.written > 0 || state.omit_body {
            return Ok(false);
        }
        let response = state.take_head(Body::File(slice.clone()));
        state.stage = ResponseStage::Complete(Box::new(response.into()));
        Ok(true)
    }

    /// Closes the connection after this response, like Python's `close_connection = True`.
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the head has ended.
    pub fn close_connection(&self) -> io::Result<()> {
        self.send_header("Connection", "close")
    }

    /// Borrows the state of the response. Returns an error if the response has begun.
    #[inline]
    pub(super) fn unbegun(&self) -> io::Result<RefMut<'_, ResponseState>> {
        let state = self.state.response.borrow_mut();
        state.check_not_begun()?;
        Ok(state)
    }

    /// Completes the response with a reply. If the reply already contains a response, the fields that the handler has
    /// set are added to that response. After an error, they are still set.
    fn complete_with(&self, mut reply: Reply) -> io::Result<()> {
        let mut state = self.unbegun()?;
        if let Reply::Now(response) = &mut reply {
            add_missing_fields(&mut response.head, &state.head)?;
        }
        state.stage = ResponseStage::Complete(Box::new(reply));
        Ok(())
    }

    fn complete(&self, reply: Reply) {
        self.state.response.borrow_mut().stage = ResponseStage::Complete(Box::new(reply));
    }
}

/// The number of bytes that are reserved for the fields of a response. Most responses need no more.
const USUAL_HEAD: usize = 256;

/// The error message for a call that would change a head that has ended.
const HEAD_ENDED: &str = "the head of the response has ended";

/// Queues an interim response.
///
/// # Errors
/// Returns an error if the interim response has a `Content-Length` or `Connection` field.
fn end_interim(state: &mut ResponseState, status: Status, head: FieldBlock) -> io::Result<()> {
    if head.content_length().is_some() || head.keep_alive().is_some() {
        return Err(misuse(format!("{status} has no body and ends no connection")));
    }
    state.add_interim(status, head);
    Ok(())
}

/// Converts a value to a [`Status`], and rejects the status of an interim response (1xx).
fn final_status(status: impl IntoStatus) -> io::Result<Status> {
    let status = status.into_status()?;
    match status.code() {
        100..=199 => Err(misuse(format!("{status} is not the status of a final response"))),
        _ => Ok(status),
    }
}

/// The fields that may occur several times in a response.
const REPEATABLE: [&str; 4] = ["Set-Cookie", "Vary", "Link", "WWW-Authenticate"];

/// Adds fields of `more` to `head`: those that may be repeated, and those whose names do not occur in `head`.
/// `Connection: close` in either block takes precedence over `keep-alive` in the other.
fn add_missing_fields(head: &mut FieldBlock, more: &FieldBlock) -> io::Result<()> {
    // `iter` does not return the `Connection` field, so it is added separately. `FieldBlock::add` combines the two
    // values.
    if let Some(keep_alive) = more.keep_alive() {
        head.add("Connection", if keep_alive { "keep-alive" } else { "close" })?;
    }
    let is_repeatable = |name: &str| REPEATABLE.iter().any(|repeatable| name.eq_ignore_ascii_case(repeatable));
    // All fields are selected before the first one is added, because a name may occur several times in `more`.
    let added: Vec<_> = more.iter().filter(|(name, _)| is_repeatable(name) || head.get(name).is_none()).collect();
    for (name, value) in added {
        head.add(name, value)?;
    }
    Ok(())
}
