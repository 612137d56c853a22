//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.

pub mod files;
pub mod http;
pub mod service;
