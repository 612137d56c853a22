//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.

pub mod http;
pub mod log;
pub mod service;
