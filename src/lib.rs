//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.
//!
//! One thread, one [`Poll`](mio::Poll), a table of connections, and no step that waits. A server is bound, told who
//! answers, and run:
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
//! Who answers is a [`Service`](service::Service): the ready-made [`FileService`](files::FileService), or a closure.
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
//! # The rooms, for readers
//!
//! To see how a selector loop works, read them in this order; each says first what it is for and what must stay out.
//!
//! 1. [`reactor`]: *sleep, mark, run, reap*. The loop is one screen long.
//! 2. [`connection`]: *fill, advance, flush*, until none of them moves. One client, and nobody else's concern.
//! 3. [`proto`]: HTTP/1.x as bytes in and events out; two state machines that move together in one place.
//! 4. [`service`]: the narrow waist between those who speak HTTP and those who have something to say.
//! 5. [`files`]: a folder as a service, and `cgi`: scripts as one. [`http`] has the nouns they all share,
//!    [`log`](mod@log) a log that cannot wait.

#[cfg(all(feature = "cgi", target_os = "linux"))]
pub mod cgi;
#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
mod crew;
mod event_loop;
pub mod files;
pub mod handler;
pub mod http;
mod listen;
pub mod log;
mod memory;
pub mod proto;
pub mod reactor;
mod server;
pub mod service;
#[cfg(unix)]
pub mod socketserver;
pub mod testing;

pub use event_loop::{EventLoop, Open, Part, Served, Stopped};
pub use listen::ListenOptions;
pub use reactor::{SignalAction, Stopper};
pub use server::{HttpServer, Reload};

/// The examples of the README, compiled with the other doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
