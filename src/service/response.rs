//! The response of a service: its status, header fields and body, or the message and explanation of an error response.
//! The connection frames and sends it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Body;
use crate::failure::{IntoError, error_chain};
use crate::http::{FieldBlock, FieldValue, HttpError, HttpErrorPage, IntoStatus, InvalidHeader, Status};

/// A response, with a status, header fields and a body.
#[derive(Debug)]
#[must_use = "a response is sent only if it is returned"]
pub struct Response {
    /// The status. An interim status (1xx) results in a 500 response, except 101 with a [`Body::Upgrade`].
    pub status: Status,
    /// The reason phrase. `None` means the standard phrase for the status. Control characters are sent as `?`. The
    /// message of an error response takes precedence.
    pub reason: Option<Box<str>>,
    /// The header fields, except those that the connection adds: `Server`, `Date`, the framing fields and `Connection`.
    pub head: FieldBlock,
    /// The body. If a response to HEAD has a body, its length is announced, but its bytes are not sent.
    pub body: Body,
    /// The user whose credentials the service has verified; see [`Response::user`].
    pub user: Option<Arc<str>>,
    /// The message, explanation and cause of an error response. If this is set, the body is the server's error page,
    /// and `body` is not used.
    pub error: Option<ErrorText>,
}

/// The message, explanation and cause of an error response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorText {
    /// The message. It becomes the reason phrase, and is shown on the error page and in the log. `None` means the
    /// standard phrase for the status.
    pub message: Option<Cow<'static, str>>,
    /// The explanation, which is shown only on the error page. `None` means the standard description of the status.
    pub explain: Option<Cow<'static, str>>,
    /// The cause, which is only logged; see [`Response::cause`].
    pub cause: Option<Box<str>>,
}

impl Response {
    /// Creates a response without header fields and without a body. `status` is a [`Status`] or a number. A number
    /// outside 100 to 999 makes the response a [failure](Response::failure).
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// assert_eq!(Response::new(204).status.phrase(), "No Content");
    /// ```
    pub fn new(status: impl IntoStatus) -> Response {
        match status.into_status() {
            Ok(status) => {
                Response { status, reason: None, head: FieldBlock::new(), body: Body::Empty, user: None, error: None }
            }
            Err(error) => Response::failure(error),
        }
    }

    /// Creates a 200 response whose body is text (`text/plain; charset=utf-8`).
    pub fn text(text: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/plain; charset=utf-8", text)
    }

    /// Creates a 200 response whose body is an HTML page (`text/html; charset=utf-8`).
    pub fn html(page: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/html; charset=utf-8", page)
    }

    /// Creates a 200 response whose body is JSON (`application/json`). The argument is JSON text, or a value that
    /// displays as JSON, such as `serde_json::Value`. For a type with `Serialize`, use
    /// `serde_json::to_string(&value)?`.
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::json(serde_json::json!({"id": 7})).status(201);
    /// assert_eq!(response.status.code(), 201);
    /// ```
    pub fn json(json: impl fmt::Display) -> Response {
        Response::of_type("application/json", json.to_string())
    }

    /// Creates a 200 response with these bytes as the body and with this content type. If the content type is not a
    /// valid field value, the response is a [failure](Response::failure).
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let pixel = Response::bytes("image/gif", b"GIF89a");
    /// ```
    pub fn bytes(content_type: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Response {
        match Response::new(Status::OK).header("Content-type", content_type) {
            Ok(response) => response.body(Body::Bytes(bytes.into())),
            Err(error) => Response::failure(error),
        }
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

    /// Creates a 303 response with this `Location`. The client then sends a GET request for that location (RFC 9110
    /// section 15.4.4). [`status`](Response::status) can make it another redirect, such as 308, which keeps the method.
    /// Control characters and characters above U+00FF must be percent-encoded; otherwise the response is a
    /// [failure](Response::failure).
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::redirect("/new").status(308);
    /// assert_eq!(response.head.get("Location"), Some(&b"/new"[..]));
    /// ```
    pub fn redirect(location: &str) -> Response {
        Response::new(Status::SEE_OTHER).header("Location", location).unwrap_or_else(Response::failure)
    }

    /// Creates an error response, whose body is the server's error page, like Python's `send_error`. `status` is a
    /// [`Status`] or a number.
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::error(404).message("File not found");
    /// ```
    pub fn error(status: impl IntoStatus) -> Response {
        Response { error: Some(ErrorText::default()), ..Response::new(Status::OK) }.status(status)
    }

    /// Creates the response to a request whose processing has failed with `error`. If the error or one of its sources
    /// is an [`HttpError`], the response is the error page with the status of the `HttpError`. Otherwise it is the
    /// error page for 500, and the error is logged with all of its sources but not shown to the client.
    ///
    /// The response is the same if a service returns the error, for example with `?`. [`IntoError`] lists the possible
    /// error types.
    ///
    /// ```
    /// use serve_forever::{http::Request, service::Response, testing::answer};
    /// let service = |_: &Request| -> anyhow::Result<Response> { Ok(Response::text(std::fs::read_to_string("none")?)) };
    /// assert!(answer(service, b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 500 "));
    /// ```
    pub fn failure<M>(error: impl IntoError<M>) -> Response {
        let error = error.into_error();
        match HttpError::find(&*error) {
            Some(found) => found.into(),
            None => Response::error(Status::INTERNAL_SERVER_ERROR)
                .cause(format!("the service failed: {}", error_chain(&*error))),
        }
    }

    /// Sets the status, given as a [`Status`] or a number. A number outside 100 to 999 makes the
    /// response a [failure](Response::failure).
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// assert_eq!(Response::text("made").status(201).status.code(), 201);
    /// ```
    pub fn status(mut self, status: impl IntoStatus) -> Response {
        match status.into_status() {
            Ok(status) => self.status = status,
            Err(error) => return Response::failure(error),
        }
        self
    }

    /// Sets the message of an error response, which is shown on the error page and is also the reason phrase. Turns
    /// another response into an error response.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Response {
        self.error.get_or_insert_default().message = Some(message.into());
        self
    }

    /// Sets the explanation of an error response, which is shown only on the error page. Turns another response into an
    /// error response, like [`message`](Response::message).
    pub fn explain(mut self, explain: impl Into<Cow<'static, str>>) -> Response {
        self.error.get_or_insert_default().explain = Some(explain.into());
        self
    }

    /// Sets the cause of an error response. It is written to the log, after the method and the path of the request, but
    /// not sent to the client. Turns another response into an error response, like [`message`](Response::message).
    pub fn cause(mut self, cause: impl Into<Box<str>>) -> Response {
        self.error.get_or_insert_default().cause = Some(cause.into());
        self
    }

    /// Adds a header field. Text is written as Latin-1; see [`FieldValue`].
    ///
    /// # Errors
    /// Returns an error if `name` and `value` do not form one valid field; see [`FieldBlock::add`].
    pub fn header(mut self, name: &str, value: impl FieldValue) -> Result<Response, InvalidHeader> {
        self.head.add(name, value)?;
        Ok(self)
    }

    /// Sets the user whose credentials the service has verified. The access log contains the name as the third field in
    /// the common and the combined format, and as `user` in the JSON format. The name is not sent to the client. A
    /// response that rejects credentials should not set a user, because a password may have been entered as the name.
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

    /// Replaces the body. The header fields are not changed.
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

/// Creates an error response with the status, message, explanation and header fields of the error. The cause is logged.
impl From<HttpError> for Response {
    fn from(error: HttpError) -> Response {
        let HttpErrorPage { status, message, explain, fields, cause } = error.into_page();
        let cause = cause.map(|cause| error_chain(&*cause).into());
        Response { head: fields, error: Some(ErrorText { message, explain, cause }), ..Response::new(status) }
    }
}
