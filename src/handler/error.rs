//! An error with a status, so that a handler can end its request by `?`.

use std::borrow::Cow;
use std::fmt;
use std::io;

use crate::http::Status;
use crate::service::Response;

/// An error with the status of its error page.
///
/// If a handler returns it, inside an [`io::Error`] and before the head of the response was sent, the client gets the
/// server's error page with that status. For any other error the client gets 500.
///
/// ```
/// use serve_forever::handler::HttpError;
/// use serve_forever::http::Status;
///
/// fn half(text: &str) -> std::io::Result<f64> {
///     let number: f64 = text.parse().map_err(|_| HttpError::new(Status::UNPROCESSABLE_CONTENT))?;
///     Ok(number / 2.0)
/// }
/// assert!(half("x").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    status: Status,
    message: Option<Cow<'static, str>>,
}

impl HttpError {
    /// An error with this status and no message: the status's phrase is used.
    pub fn new(status: Status) -> HttpError {
        HttpError { status, message: None }
    }

    /// Sets the message, which is the reason phrase and is shown on the page.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> HttpError {
        self.message = Some(message.into());
        self
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The `HttpError` inside an [`io::Error`], if there is one.
    pub(super) fn find(error: &io::Error) -> Option<&HttpError> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn response(&self) -> Response {
        let response = Response::error(self.status);
        match &self.message {
            Some(message) => response.message(message.clone()),
            None => response,
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.message.as_deref().unwrap_or_else(|| self.status.phrase()))
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> Self {
        io::Error::other(error)
    }
}
