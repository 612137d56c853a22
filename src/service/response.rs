//! The response of a service: status, header fields, body, and the texts of an error. Not here: framing and sending.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Body;
use crate::failure::{IntoError, error_chain};
use crate::http::{FieldBlock, FieldValue, HttpError, IntoStatus, InvalidHeader, Status};

/// A response: status, header fields and body.
#[derive(Debug)]
#[must_use = "a response is sent only if it is returned"]
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
#[non_exhaustive]
pub struct ErrorText {
    /// The short text: the reason phrase, the page's message and the log's.
    pub message: Option<Cow<'static, str>>,
    /// The long text on the page.
    pub explain: Option<Cow<'static, str>>,
    /// The cause, for the log; see [`Response::cause`].
    pub cause: Option<Box<str>>,
}

impl Response {
    /// A response with this status, or its number, and without fields and body. A number outside 100 to 999 makes it a
    /// [failure](Response::failure).
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

    /// 200 with a text, as `text/plain; charset=utf-8`.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/plain; charset=utf-8", text)
    }

    /// 200 with a page, as `text/html; charset=utf-8`.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Response {
        Response::of_type("text/html; charset=utf-8", page)
    }

    /// 200 with JSON, as `application/json`: a text that is JSON, or a value that displays as JSON, such as
    /// `serde_json::Value`. For a type with `Serialize`, the text is `serde_json::to_string(&value)?`.
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::json(serde_json::json!({"id": 7})).status(201);
    /// assert_eq!(response.status.code(), 201);
    /// ```
    pub fn json(json: impl fmt::Display) -> Response {
        Response::of_type("application/json", json.to_string())
    }

    /// 200 with bytes of this content type. A type that is not a field value makes it a [failure](Response::failure).
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

    /// 303 with this `Location`: the client sends a GET for it (RFC 9110 section 15.4.4). [`status`](Response::status)
    /// makes it another redirect, such as 308, which keeps the method. A location with control characters, or with
    /// characters above U+00FF, makes it a [failure](Response::failure): percent-encode it first.
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::redirect("/new").status(308);
    /// assert_eq!(response.head.get("Location"), Some(&b"/new"[..]));
    /// ```
    pub fn redirect(location: &str) -> Response {
        Response::new(Status::SEE_OTHER).header("Location", location).unwrap_or_else(Response::failure)
    }

    /// An error: the server's error page with this status, or its number. Python's `send_error`.
    ///
    /// ```
    /// use serve_forever::service::Response;
    /// let response = Response::error(404).message("File not found");
    /// ```
    pub fn error(status: impl IntoStatus) -> Response {
        Response { error: Some(ErrorText::default()), ..Response::new(Status::OK) }.status(status)
    }

    /// The response to a request that has failed with `error`. If an [`HttpError`] is among the error and its sources,
    /// the error page with its status. Otherwise the page of 500, and a line in the log with the error and all of its
    /// sources. The error is not shown to the client.
    ///
    /// A service that returns this error by `?` gives this response. [`IntoError`] lists the types of errors.
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

    /// Sets the status, or its number. A number outside 100 to 999 makes it a [failure](Response::failure).
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

    /// Sets the cause of an error: a line in the log, after the method and the path of the request. It is not sent.
    pub fn cause(mut self, cause: impl Into<Box<str>>) -> Response {
        self.error.get_or_insert_default().cause = Some(cause.into());
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

/// The error page with the status and the message of the error, and its fields.
impl From<HttpError> for Response {
    fn from(error: HttpError) -> Response {
        let (status, message, head) = error.into_parts();
        let error = Some(ErrorText { message, ..ErrorText::default() });
        Response { head, error, ..Response::new(status) }
    }
}
