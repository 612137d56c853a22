//! Python's `http.server` and `socketserver` as a single-threaded [mio] event loop.
//!
//! A [`RequestHandler`](handler::RequestHandler) corresponds to Python's `BaseHTTPRequestHandler`. Its methods are
//! ordinary blocking code. While one of them waits, the loop serves other clients.
//!
//! ```no_run
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
//! HttpServer::bind("127.0.0.1:8000")?.handler(|| Hello).serve_forever()?;
//! # Ok(()) }
//! ```
//!
//! A [`FileService`](files::FileService) serves a directory:
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
//! Both run as a [`Service`](service::Service). A closure that returns a response is also a service:
//!
//! ```
//! use serve_forever::{HttpServer, http::Request, http::Status, service::Response};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = HttpServer::bind("127.0.0.1:0")?.service(|request: &Request| match request.url_path() {
//!     Ok(path) if path.is_root() => Response::text("hello"),
//!     _ => Response::error(Status::NOT_FOUND),
//! });
//! # drop(server);
//! # Ok(()) }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `serve-forever`: options, configuration file, manual page, shell completions |
//! | `cgi` | yes | `cgi`, a service that runs scripts; only on Linux |
//! | `cookie` | yes | `handler::Cookies`, `Exchange::set_cookie` and the `cookie` crate: cookies in requests and responses |
//! | `client` | no | `client`, Python's `http.client`, and `cookiejar`; `docs/client.md` shows Python programs and their counterparts in Rust |
//! | `client-tls` | no | `https` for `client`, with the root certificates of the system; implies `client` |
//! | `webpki-roots` | no | Mozilla's root certificates for `client`, compiled in; implies `client-tls` |
//! | `public-suffix` | no | the public suffix list for `cookiejar`, compiled in; implies `client` |
//! | `trace` | yes | `trace`, for observing the loop: `HttpServer::trace`, `HttpServer::explain`; implied by `cli` |
//! | `harness` | yes | for benchmarks and test suites: `endpoints`, `faults`, server counters, and services that report them |
//! | `idna` | no | non-ASCII host names for `client` and `cookiejar`; implies `client` |
//! | `load` | no | the program `load-forever`, a load generator |
//! | `tls` | yes | TLS 1.2 and 1.3 for [`HttpServer`] and `socketserver::TcpServer`, and the `tls` module with its configuration |
//! | `sandbox` | yes | the `--sandbox` option of the program; implies `cli` |
//!
//! A program that needs only the library sets `default-features = false`.
//!
//! The `internals` feature makes internal modules public, such as the loop, for tests, fuzz targets and benchmarks.
//!
//! # Panics
//!
//! A panic in a handler, in a service or in work that a handler has offloaded is caught. The client gets a 500
//! response, or the connection is closed if the response has already begun. The panic message is logged, and all other
//! clients are still served. A handler that has panicked is dropped with its connection.
//!
//! With `panic = "abort"` in a program's profile, a panic ends the process with all of its connections. The process
//! also ends if a handler ignores the error that reports a disconnected client and waits again, because the loop then
//! unwinds the handler's stack. In such a program, a client can end the process by disconnecting. The setting makes a
//! program smaller, but do not use it in a program with handlers, unless a supervisor restarts the program and clients
//! retry.
//!
//! # Examples
//!
//! Each example is a complete program in the `examples` folder of the repository:
//!
//! | example | shows |
//! |---|---|
//! | `hello`, `routes`, `addition` | a page; paths with a variable part; JSON |
//! | `echo`, `count_upload`, `upload_form` | request bodies: read as a whole; read as a stream; multipart |
//! | `deferred`, `generate` | a response that is sent later; a response that is generated while it is being sent |
//! | `cookies`, `error_page`, `rickroll` | cookies; a custom error page; a custom method |
//! | `basic_auth`, `cors_files` | files that need a password ([`BasicAuth`](files::BasicAuth) is for handlers); files that scripts of other sites may read |
//! | `websocket_echo`, `websocket_chat`, `live_reload` | WebSocket; handlers that wait for each other; server-sent events |
//! | `line_echo`, `udp_upper` | servers for other protocols, over TCP and UDP |
//! | `reverse_proxy`, `gateway` | handlers that send requests to other servers: both bodies streamed; several servers at once |
//! | `fetch`, `mirror`, `jar` | clients: one request; a folder with its subfolders; a cookie jar |
//!
//! # Versions
//!
//! Semantic versioning covers the items on this page and in its modules, except `cli` and the modules that only the
//! `internals` feature makes public. Those can change in any version.
//!
//! # The source, for readers
//!
//! Read the modules in this order to learn how an event loop works. The documentation of each module begins with its
//! purpose and its boundaries. `cargo doc --open --features internals` also shows the documentation of the modules 2 to
//! 6.
//!
//! 1. `buffer`: the bytes between a socket and a protocol.
//! 2. `session`: the interface between the loop and its sessions. The loop passes in readiness; a session returns its
//!    next step.
//! 3. `reactor`: the loop: sleep, mark, accept, run, reap.
//! 4. `transport`: byte streams that do not block.
//! 5. `connection`: one connection of an HTTP server: fill, advance, flush.
//! 6. `http1`: HTTP/1.x without I/O: two state machines, for server and client, that turn received bytes into events.
//! 7. [`service`]: the interface between a connection and the code that produces responses.
//! 8. [`files`] and `cgi`: services that serve a directory and run scripts.
//! 9. [`handler`] and `socketserver`: handlers on coroutines, for HTTP and for other protocols.
//!
//! [`cookies`], `cookiejar` and `client` correspond to Python's `http.cookies`, `http.cookiejar` and `http.client`. The
//! server does not need them.
//!
//! [`http`] contains the data types of messages, and [`log`](mod@log) a log that does not block. [`HttpServer`] and
//! [`EventLoop`] connect the modules.

// Without `internals`, the compiler would report items that only tests, fuzz targets and benchmarks use. A build with
// the feature still reports dead private code.
#![cfg_attr(not(feature = "internals"), allow(dead_code, unused_imports))]

mod buffer;
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub mod cgi;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(not(feature = "internals"))]
mod connection;
#[cfg(feature = "internals")]
pub mod connection;
#[cfg(feature = "client")]
pub mod cookiejar;
pub mod cookies;
mod coroutine;
#[cfg(feature = "harness")]
pub mod endpoints;
mod event_loop;
mod failure;
#[cfg(feature = "harness")]
pub mod faults;
pub mod files;
pub mod handler;
pub mod http;
#[cfg(not(feature = "internals"))]
mod http1;
#[cfg(feature = "internals")]
pub mod http1;
mod https_redirect;
mod limits;
mod listen;
#[cfg(feature = "load")]
#[doc(hidden)]
pub mod load;
pub mod log;
mod log_hooks;
mod memory;
#[cfg(not(feature = "internals"))]
mod observer;
#[cfg(feature = "internals")]
pub mod observer;
#[cfg(not(feature = "internals"))]
mod reactor;
#[cfg(feature = "internals")]
pub mod reactor;
mod server;
pub mod service;
#[cfg(not(feature = "internals"))]
mod session;
#[cfg(feature = "internals")]
pub mod session;
#[cfg(unix)]
pub mod socketserver;
#[cfg(feature = "harness")]
pub mod statistics;
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
mod tls_info;
#[cfg(feature = "trace")]
pub mod trace;
#[cfg(not(feature = "internals"))]
mod transport;
#[cfg(feature = "internals")]
pub mod transport;
mod watchdog;

/// The `cookie` crate, whose type `Cookie` is the argument of [`Exchange::set_cookie`](handler::Exchange::set_cookie).
/// Its module `time` provides the durations and times for `Max-Age` and `Expires`.
#[cfg(feature = "cookie")]
pub use cookie;
/// The `mio` crate, whose types appear in the signatures of [`service::Registrar`] and of the servers in
/// `socketserver`.
pub use mio;

pub use event_loop::{EventLoop, LoopMember, Registration, Served, Stopped};
pub use https_redirect::HttpsRedirect;
pub use limits::Limits;
pub use listen::ListenOptions;
pub use reactor::{Lifetime, SignalAction, Stopper};
pub use server::{HttpServer, Reload};
pub use tls_info::TlsInfo;
pub use transport::Pace;

/// Compiles the examples in the README together with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the examples in the client documentation.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../docs/client.md")]
struct ClientDocument;

/// Compiles the example in the TLS documentation.
#[cfg(all(doctest, feature = "tls"))]
#[doc = include_str!("../docs/tls.md")]
struct TlsDocument;
