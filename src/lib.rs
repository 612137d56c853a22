//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.

#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
pub mod files;
pub mod http;
mod listen;
pub mod log;
pub mod proto;
pub mod reactor;
mod server;
pub mod service;

pub use listen::ListenOptions;
pub use reactor::{SignalAction, Stopper};
pub use server::{HttpServer, Served, Stopped};

/// The examples of the README, compiled with the other doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
