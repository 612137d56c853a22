//! Python's `http.server` and `socketserver` as a single-threaded [mio] event loop.
//!
//! A [`RequestHandler`](handler::RequestHandler) is Python's `BaseHTTPRequestHandler`. Its methods are ordinary
//! blocking code; while one of them waits, the loop serves other clients.
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
//! Both are a [`Service`](service::Service). So is a closure that returns a response:
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
//! | `cli` | yes | the program `serve-forever`: options, settings file, manual page, completions |
//! | `cgi` | yes | `cgi`, scripts as a service; only on Linux |
//! | `cookie` | yes | `handler::Cookies`, `Exchange::set_cookie` and the `cookie` crate: the cookies of a request and a response |
//! | `client` | no | `client`, Python's `http.client`, and `cookiejar`; `docs/client.md` has Python's programs in Rust |
//! | `client-tls` | no | `https` for `client`, with the roots of the system; implies `client` |
//! | `webpki-roots` | no | Mozilla's roots for `client`, compiled in; implies `client-tls` |
//! | `public-suffix` | no | the public suffix list for `cookiejar`, compiled in; implies `client` |
//! | `trace` | yes | `trace`, for watching the loop at work: `HttpServer::trace`, `HttpServer::explain`; part of `cli` |
//! | `harness` | yes | for benchmarks and test suites: `endpoints`, `faults`, server counters, and services that report them |
//! | `idna` | no | hosts beyond ASCII for `client` and `cookiejar`; implies `client` |
//! | `load` | no | the program `load-forever`, a load generator |
//! | `tls` | yes | TLS 1.2 and 1.3 for [`HttpServer`] and `socketserver::TcpServer`, and the `tls` module with its configuration |
//! | `sandbox` | yes | the `--sandbox` option of the program; implies `cli` |
//!
//! A program that needs only the library sets `default-features = false`.
//!
//! The `internals` feature makes the modules of the engine public for tests, fuzz targets and benchmarks.
//!
//! # Panics
//!
//! A panic in a handler, in a service or in work that a handler has offloaded is caught: its client gets a 500
//! response, or a cut connection if the response has begun. The panic message is logged, and all other clients are
//! still served. A handler that has panicked is dropped with its connection.
//!
//! With `panic = "abort"` in a program's profile, a panic ends the process with all of its connections. The process
//! also ends if a handler ignores the error that reports a disconnected client and waits again, because the loop then
//! unwinds the handler's stack. This means that a client can end the process by disconnecting. The setting makes the
//! program smaller, but do not use it in a program with handlers, unless a supervisor restarts the program and clients
//! retry.
//!
//! # Examples
//!
//! Each is a complete program in the `examples` folder of the repository:
//!
//! | example | shows |
//! |---|---|
//! | `hello`, `routes`, `addition` | a page; paths with a variable part; JSON |
//! | `echo`, `count_upload`, `upload_form` | bodies of requests: whole, as a stream, multipart |
//! | `deferred`, `generate` | responses that wait, and that are made while they are sent |
//! | `cookies`, `error_page`, `rickroll` | cookies; error pages of the program; methods of the program |
//! | `basic_auth`, `cors_files` | files with passwords ([`BasicAuth`](files::BasicAuth) is for handlers), and for scripts of other sites |
//! | `websocket_echo`, `websocket_chat`, `live_reload` | WebSocket; handlers that wait for each other; server-sent events |
//! | `line_echo`, `udp_upper` | servers below HTTP |
//! | `reverse_proxy`, `gateway` | handlers that ask other servers: streamed both ways; several at once |
//! | `fetch`, `mirror`, `jar` | programs that are clients: one request; a folder with its subfolders; cookies |
//!
//! # Versions
//!
//! Semantic versioning covers the items on this page and in its modules, except `cli` and the modules that only the
//! `internals` feature makes public. Those can change in any version.
//!
//! # The source, for readers
//!
//! Read the modules in this order to learn how an event loop works. The documentation of each module begins with its
//! purpose and its boundaries. `cargo doc --open --features internals` also shows the documentation of 2 to 6.
//!
//! 1. `buffer`: the bytes between a socket and a protocol.
//! 2. `session`: the interface between the loop and its sessions: readiness in, the next step out.
//! 3. `reactor`: the loop: sleep, mark, accept, run, reap.
//! 4. `transport`: byte streams that do not block.
//! 5. `connection`: one client of an HTTP server: fill, advance, flush.
//! 6. `http1`: HTTP/1.x without I/O: bytes in, events out; two state machines.
//! 7. [`service`]: the interface between a connection and the code that produces responses.
//! 8. [`files`] and `cgi`: a directory as a service, and scripts as a service.
//! 9. [`handler`] and `socketserver`: handlers on coroutines, for HTTP and below it.
//!
//! [`cookies`], `cookiejar` and `client` are Python's `http.cookies`, `http.cookiejar` and `http.client`; the server does not
//! need them.
//!
//! [`http`] has the types of messages, and [`log`](mod@log) a log that does not block. [`HttpServer`] and [`EventLoop`]
//! connect the modules.

// Without `internals`, items that only tests, fuzz targets and benchmarks use would be reported as unused. A build with
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
