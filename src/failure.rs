//! Converts errors of services and handlers to `Box<dyn Error>`, and errors and panics to text for the log. Callers
//! write the log and create the response to a failure.

use std::any::Any;
use std::error::Error;

/// An error that a service or a handler can return: any [`Error`], text, `anyhow::Error`, `Box<dyn Error>`, and
/// `Box<dyn Error + Send + Sync>`.
///
/// `std` converts all of them except the last to `Box<dyn Error>`. The type parameter `M` distinguishes these two
/// cases, and the compiler infers it.
///
/// ```
/// use std::error::Error;
/// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
/// use serve_forever::{http::Request, service::Response, testing};
///
/// type AnyError = Box<dyn Error + Send + Sync>;
///
/// fn double(request: &Request) -> Result<Response, AnyError> {
///     let number: i64 = request.param("n").ok_or("no number")?.parse()?;
///     Ok(Response::text((2 * number).to_string()))
/// }
/// assert_eq!(testing::get(double, "/?n=21").text(), "42");
/// assert_eq!(testing::get(double, "/?n=many").status(), 500);
///
/// struct Doubles;
/// impl RequestHandler<AnyError> for Doubles {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> Result<(), AnyError> {
///         Ok(x.respond(double(x.request())?)?)
///     }
/// }
/// assert_eq!(testing::get(Handlers::new(|| Doubles), "/?n=21").text(), "42");
/// assert_eq!(testing::get(Handlers::new(|| Doubles), "/").status(), 500);
/// ```
pub trait IntoError<M> {
    /// Boxes the error, unless it is already boxed.
    fn into_error(self) -> Box<dyn Error>;
}

/// The marker of [`IntoError`] for errors that `std` converts.
#[derive(Debug)]
pub struct ByInto;

/// The marker of [`IntoError`] for `Box<dyn Error + Send + Sync>`.
#[derive(Debug)]
pub struct SendSync;

impl<E: Into<Box<dyn Error>>> IntoError<ByInto> for E {
    fn into_error(self) -> Box<dyn Error> {
        self.into()
    }
}

impl IntoError<SendSync> for Box<dyn Error + Send + Sync> {
    fn into_error(self) -> Box<dyn Error> {
        self
    }
}

/// The messages of an error and of its sources, from the outermost to the innermost, joined into one text.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        // Many errors already end with the text of their source.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// The text of a panic, or "no text" if its payload is not a string.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_every_source_once() {
        let disk = std::io::Error::other("disk full");
        let error = anyhow::Error::new(disk).context("cannot save 'a': disk full").context("POST failed");
        let boxed: Box<dyn Error> = error.into();
        assert_eq!(error_chain(&*boxed), "POST failed: cannot save 'a': disk full");
        assert_eq!(error_chain(&std::fmt::Error), std::fmt::Error.to_string());
    }
}
