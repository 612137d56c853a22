//! The arguments that a server accepts as its service: a [`Service`], or a closure that takes the request by value.

use std::fmt;

use super::{Reply, Service};
use crate::http::Request;

/// A [`Service`], or a closure that takes the [`Request`] by value and gets a copy of it.
///
/// A closure whose argument has no type, such as `|_| Response::text("hello")`, takes it by value. One with the type
/// `&Request` is a `Service` itself, and copies nothing. `M` distinguishes the two; the compiler infers it.
///
/// ```
/// use serve_forever::{HttpServer, service::Response};
/// # fn main() -> std::io::Result<()> {
/// let server = HttpServer::bind("127.0.0.1:0")?.service(|_| Response::text("hello"));
/// # drop(server);
/// # Ok(()) }
/// ```
pub trait IntoService<M> {
    /// The service.
    type Service: Service;

    /// Makes the service.
    fn into_service(self) -> Self::Service;
}

/// The marker of [`IntoService`] for a [`Service`].
#[derive(Debug)]
pub struct AsItIs;

/// The marker of [`IntoService`] for a closure that takes the request by value.
#[derive(Debug)]
pub struct ByValue;

impl<S: Service> IntoService<AsItIs> for S {
    type Service = S;

    fn into_service(self) -> S {
        self
    }
}

impl<F, R> IntoService<(ByValue, R)> for F
where
    F: Fn(Request) -> R,
    R: Into<Reply>,
{
    type Service = RequestCopier<F>;

    fn into_service(self) -> RequestCopier<F> {
        RequestCopier(self)
    }
}

/// A service that calls a closure with a copy of each request.
pub struct RequestCopier<F>(F);

impl<F, R> Service for RequestCopier<F>
where
    F: Fn(Request) -> R,
    R: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        (self.0)(request.clone()).into()
    }
}

impl<F> fmt::Debug for RequestCopier<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestCopier")
    }
}
