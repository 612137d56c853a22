//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.

#[cfg(feature = "cli")]
pub mod cli;
pub mod http;
pub mod log;
pub mod service;
