//! An error with a status. When a service or a handler returns it, it becomes the response to the request. The server
//! renders the error page.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::{BadPath, FieldBlock, FieldValue, IntoStatus, InvalidHeader, Status};

/// An error with the status of its error page.
///
/// A service or a handler can return it, alone or as the source of another error. Unless the head of the response has
/// already been sent, the client gets the server's error page with this status. For an error without an `HttpError`,
/// the client gets a 500.
///
/// ```
/// use serve_forever::http::HttpError;
///
/// fn half(text: &str) -> Result<f64, HttpError> {
///     let number: f64 = text.parse().map_err(|_| HttpError::new(422).message("Not a number"))?;
///     Ok(number / 2.0)
/// }
/// assert_eq!(half("x").unwrap_err().status().code(), 422);
/// ```
#[derive(Debug, Clone)]
#[must_use = "an error has an effect only if it is returned"]
pub struct HttpError {
    page: HttpErrorPage,
}

/// The parts of an [`HttpError`] that determine its response. An `HttpError` returns its page as its
/// [source](Error::source). [`HttpError::find`] can therefore find the page even if a wrapper such as `anyhow::Error`
/// hides the type of the `HttpError`, because the wrapper still exposes the source of the `HttpError`.
#[derive(Debug, Clone)]
pub(crate) struct HttpErrorPage {
    pub(crate) status: Status,
    pub(crate) message: Option<Cow<'static, str>>,
    pub(crate) explain: Option<Cow<'static, str>>,
    pub(crate) fields: FieldBlock,
    /// The cause is reference-counted, because an `HttpError` can be cloned.
    pub(crate) cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl HttpError {
    /// Creates an error with this status and without a message, so that the reason phrase of the status is used. A
    /// number outside 100 to 999 becomes 500.
    pub fn new(status: impl IntoStatus) -> HttpError {
        let status = status.into_status().unwrap_or(Status::INTERNAL_SERVER_ERROR);
        let fields = FieldBlock::new();
        HttpError { page: HttpErrorPage { status, message: None, explain: None, fields, cause: None } }
    }

    /// Sets the message. It becomes the reason phrase and is shown on the page.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> HttpError {
        self.page.message = Some(message.into());
        self
    }

    /// Sets the explanation, a longer text that is shown only on the page.
    pub fn explain(mut self, explain: impl Into<Cow<'static, str>>) -> HttpError {
        self.page.explain = Some(explain.into());
        self
    }

    /// Sets the error that caused this one. It is logged on a separate line, with its sources. The client does not
    /// receive it.
    ///
    /// ```
    /// use serve_forever::http::HttpError;
    /// let missing = std::fs::read("/no/such/file").map_err(|error| HttpError::new(503).cause(error)).unwrap_err();
    /// assert_eq!(missing.to_string(), "503 Service Unavailable");
    /// ```
    pub fn cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> HttpError {
        self.page.cause = Some(cause.into().into());
        self
    }

    /// Adds a header field to the response.
    ///
    /// ```
    /// use serve_forever::http::HttpError;
    /// let error = HttpError::new(405).header("Allow", "GET, HEAD")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if `name` and `value` do not form one valid field; see [`FieldBlock::add`].
    pub fn header(mut self, name: &str, value: impl FieldValue) -> Result<HttpError, InvalidHeader> {
        self.page.fields.add(name, value)?;
        Ok(self)
    }

    /// The status of the error page.
    pub fn status(&self) -> Status {
        self.page.status
    }

    /// Extracts the parts that determine the response.
    pub(crate) fn into_page(self) -> HttpErrorPage {
        self.page
    }

    /// Finds an `HttpError`: `error` itself or one of its sources. If there are several, returns a copy of the
    /// outermost one.
    ///
    /// ```
    /// use serve_forever::http::{HttpError, Status};
    /// let error = std::io::Error::other(HttpError::new(404));
    /// assert_eq!(HttpError::find(&error).unwrap().status(), Status::NOT_FOUND);
    /// assert!(HttpError::find(&std::io::Error::other("no status")).is_none());
    /// ```
    pub fn find(error: &(dyn Error + 'static)) -> Option<HttpError> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(found) = error.downcast_ref::<HttpError>() {
                return Some(found.clone());
            }
            if let Some(page) = error.downcast_ref::<HttpErrorPage>() {
                return Some(HttpError { page: page.clone() });
            }
            link = error.source();
        }
        None
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HttpErrorPage { status, message, .. } = &self.page;
        write!(f, "{status} {}", message.as_deref().unwrap_or_else(|| status.phrase()))
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.page)
    }
}

impl fmt::Display for HttpErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client gets status {}", self.status)
    }
}

impl Error for HttpErrorPage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> Self {
        io::Error::other(error)
    }
}

/// Creates an error with status 400. The text of the path error becomes its message.
impl From<BadPath> for HttpError {
    fn from(bad: BadPath) -> Self {
        HttpError::new(Status::BAD_REQUEST).message(bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_in_an_error_and_among_its_sources() {
        let gone = || HttpError::new(410).message("moved out");
        let wrapped = io::Error::other(io::Error::other(gone()));
        for error in [&gone() as &(dyn Error + 'static), &wrapped] {
            assert_eq!(HttpError::find(error).unwrap().to_string(), "410 moved out");
        }
        assert!(HttpError::find(&io::Error::other("none")).is_none());
    }

    #[test]
    fn a_status_is_found_through_wrappers_that_hide_its_type() {
        for error in [anyhow::Error::new(HttpError::new(404)), anyhow::Error::new(HttpError::new(404)).context("outer")]
        {
            let boxed: Box<dyn Error> = error.into();
            assert_eq!(HttpError::find(&*boxed).map(|found| found.status()), Some(Status::NOT_FOUND));
        }
    }

    #[test]
    fn a_number_that_is_no_status_becomes_500() {
        assert_eq!(HttpError::new(99).status(), Status::INTERNAL_SERVER_ERROR);
        assert_eq!(HttpError::new(1000).status(), Status::INTERNAL_SERVER_ERROR);
    }
}
