//! The arguments that a server accepts as its service: a [`Service`], a closure that takes the request by value, or a
//! closure whose error is `Box<dyn Error + Send + Sync>`.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use super::{ByInto, Reply, Response, SendSync, Service};
use crate::http::Request;

/// A value that a server accepts as its service: a [`Service`], or a closure of one of two further kinds. A closure of
/// the first kind takes the [`Request`] by value and therefore receives a copy. A closure of the second kind returns
/// `Box<dyn Error + Send + Sync>` as its error.
///
/// A closure with the argument type `&Request`, as in `|request: &Request|`, is itself a `Service`, and the request is
/// not copied. A closure whose argument has no type annotation, such as `|_| Response::text("hello")`, takes the
/// request by value. Such a closure cannot call methods of the request, because the compiler cannot infer the type of
/// `request` in `|request| request.url_path()`. The parameter `M` distinguishes these cases, and is inferred by the
/// compiler.
///
/// ```
/// use serve_forever::{HttpServer, service::Response};
/// # fn main() -> std::io::Result<()> {
/// let server = HttpServer::bind("127.0.0.1:0")?.service(|_| Response::text("hello"));
/// # drop(server);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    note = "a type that implements `RequestHandler` goes to `HttpServer::handler`, in a closure that makes one: `.handler(|| MyHandler)`",
    note = "a closure has the form `|request: &Request| ..` and returns a `Response`, or a `Result` with one"
)]
pub trait IntoService<M> {
    /// The type of the service that `into_service` returns.
    type Service: Service;

    /// Converts the value to a service. A value that already is a service is returned unchanged.
    fn into_service(self) -> Self::Service;
}

/// A marker for the parameter `M` of [`IntoService`]. Selects the implementation for types that implement [`Service`].
#[derive(Debug)]
pub struct AsItIs;

/// A marker that is part of the parameter `M` of [`IntoService`]. Selects an implementation for closures that take the
/// request by value.
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
        RequestCopier(self, PhantomData)
    }
}

impl<F, T> IntoService<(ByValue, SendSync)> for F
where
    F: Fn(Request) -> Result<T, Box<dyn Error + Send + Sync>>,
    T: Into<Reply>,
{
    type Service = RequestCopier<F, SendSync>;

    fn into_service(self) -> RequestCopier<F, SendSync> {
        RequestCopier(self, PhantomData)
    }
}

/// A service that calls a closure with a copy of each request.
pub struct RequestCopier<F, M = ByInto>(F, PhantomData<fn() -> M>);

impl<F, R> Service for RequestCopier<F>
where
    F: Fn(Request) -> R,
    R: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        (self.0)(request.clone()).into()
    }
}

impl<F, T> Service for RequestCopier<F, SendSync>
where
    F: Fn(Request) -> Result<T, Box<dyn Error + Send + Sync>>,
    T: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        reply((self.0)(request.clone()))
    }
}

impl<F, M> fmt::Debug for RequestCopier<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestCopier")
    }
}

impl<F, T> IntoService<SendSync> for F
where
    F: Fn(&Request) -> Result<T, Box<dyn Error + Send + Sync>>,
    T: Into<Reply>,
{
    type Service = FallibleClosure<F>;

    fn into_service(self) -> FallibleClosure<F> {
        FallibleClosure(self)
    }
}

/// A service that calls a closure whose error is `Box<dyn Error + Send + Sync>`.
pub struct FallibleClosure<F>(F);

impl<F, T> Service for FallibleClosure<F>
where
    F: Fn(&Request) -> Result<T, Box<dyn Error + Send + Sync>>,
    T: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        reply((self.0)(request))
    }
}

fn reply(result: Result<impl Into<Reply>, Box<dyn Error + Send + Sync>>) -> Reply {
    result.map_or_else(|error| Response::failure(error).into(), Into::into)
}

impl<F> fmt::Debug for FallibleClosure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FallibleClosure")
    }
}
