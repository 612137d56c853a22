//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.
//!
//! One thread, one [`Poll`](mio::Poll), a table of connections, and no step that waits. A server is bound, given a
//! service that answers its requests, and run:
//!
//! ```no_run
//! use serve_forever::HttpServer;
//! use serve_forever::files::FileService;
//!
//! # fn main() -> std::io::Result<()> {
//! HttpServer::bind("127.0.0.1:8000")?.service(FileService::new("site")?).serve_forever()?;
//! # Ok(()) }
//! ```
//!
//! A [`Service`](service::Service) is the ready-made [`FileService`](files::FileService), a closure, or
//! [`Handlers`](handler::Handlers), which run Python's request handlers. A closure answers at once:
//!
//! ```
//! use serve_forever::{HttpServer, http::Request, service::Response};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = HttpServer::bind("127.0.0.1:0")?.service(|request: &Request| match request.path() {
//!     b"/" => Response::text("hello"),
//!     _ => Response::error(serve_forever::http::Status::NOT_FOUND),
//! });
//! # drop(server);
//! # Ok(()) }
//! ```
//!
//! A [`RequestHandler`](handler::RequestHandler) is what `BaseHTTPRequestHandler` is in Python: it reads and writes where
//! it stands, and other clients are served while it waits.
//!
//! ```
//! use std::io::{self, Write};
//! use serve_forever::HttpServer;
//! use serve_forever::handler::{Exchange, RequestHandler};
//!
//! struct Hello;
//! impl RequestHandler for Hello {
//!     fn do_get(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
//!         x.send_response(200)?;
//!         x.send_header("Content-Type", "text/plain")?;
//!         x.end_headers()?;
//!         x.wfile().write_all(b"hello")
//!     }
//! }
//!
//! # fn main() -> io::Result<()> {
//! let server = HttpServer::bind("127.0.0.1:0")?.handler(|| Hello);
//! # drop(server);
//! # Ok(()) }
//! ```
//!
//! # The modules, for readers
//!
//! To see how a selector loop works, read them in this order; each says first what it is for and what must stay out.
//!
//! 1. [`reactor`]: *sleep, mark, run, reap*. The loop is one screen long.
//! 2. [`connection`]: one client; what is read, answered and written for it without waiting.
//! 3. [`http1`]: HTTP/1.x as bytes in and events out; two state machines that move together in one place.
//! 4. [`service`]: the narrow interface between a connection, which speaks HTTP, and the code that answers.
//! 5. [`files`]: a directory as a service, and `cgi`: scripts as one.
//! 6. [`handler`]: Python's request handlers on coroutines, as a service; and `socketserver`: the same below HTTP, for
//!    TCP, UDP and Unix sockets.
//!
//! [`http`] has the types that all of them share, [`log`](mod@log) a log that does not wait, `cli` the program, and
//! [`testing`] clients in memory. [`HttpServer`] and [`EventLoop`] put them together.

mod buffer;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub mod cgi;
#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
mod coroutine;
mod event_loop;
pub mod files;
pub mod handler;
pub mod http;
pub mod http1;
mod limits;
mod listen;
pub mod log;
mod log_hooks;
mod memory;
pub mod reactor;
mod server;
pub mod service;
pub mod session;
#[cfg(unix)]
pub mod socketserver;
pub mod testing;
pub mod transport;

pub use event_loop::{EventLoop, LoopMember, Registration, Served, Stopped};
pub use limits::Limits;
pub use listen::ListenOptions;
pub use reactor::{SignalAction, Stopper};
pub use server::{HttpServer, Reload};

/// The examples of the README, compiled with the other doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
