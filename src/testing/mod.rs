//! Helpers for testing programs that use this library. They run a service or a handler in memory, without a socket, or
//! run a server on a port until the test ends.
//!
//! [`get`] is the simplest way to send a request. [`answer`] sends the raw bytes of one or more requests, and returns
//! those of the responses. The clients of a [`Bench`] can send and receive piece by piece. A [`TestServer`] runs a
//! server on a socket. Each wait of these helpers is limited to a minute, which is long enough for a slow machine.

mod bench;
mod registrar;
mod response;
mod server;

pub use crate::session::CloseReason;
pub use bench::{Bench, Client};
#[cfg(any(test, feature = "internals"))]
pub use registrar::MemoryRegistrar;
pub use response::TestResponse;
pub use server::{TestServer, TestableServer};

use crate::service::IntoService;

/// Returns the response of a service to a GET for `target`.
///
/// ```
/// use serve_forever::{http::Request, service::Response, testing};
///
/// let service = |request: &Request| match request.url_path()?.route()[..] {
///     ["hello"] => Ok(Response::text("hello")),
///     _ => Err(serve_forever::http::HttpError::new(404)),
/// };
/// let response = testing::get(service, "/hello");
/// assert_eq!((response.status().code(), response.text()), (200, "hello"));
/// assert_eq!(response.header("content-type").unwrap(), "text/plain; charset=utf-8");
/// assert_eq!(testing::get(service, "/none").status(), 404);
/// ```
///
/// # Panics
/// Panics in the same cases as [`Client::request`].
pub fn get<M>(service: impl IntoService<M, Service: Send + 'static>, target: &str) -> TestResponse {
    Bench::new(service).connect().get(target)
}

/// Sends `bytes` to a service, closes the client's sending side, and returns all bytes that the server sends.
///
/// ```
/// use serve_forever::{http::Request, service::Response, testing::answer};
///
/// let hello = |_: &Request| Response::text("hello");
/// let bytes = answer(hello, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// assert!(bytes.ends_with(b"hello"));
/// ```
pub fn answer<M>(service: impl IntoService<M, Service: Send + 'static>, bytes: &[u8]) -> Vec<u8> {
    let bench = Bench::new(service);
    let mut client = bench.connect();
    client.send(bytes);
    client.finish();
    client.run_to_end();
    client.take()
}
