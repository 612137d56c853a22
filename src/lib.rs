//! Python's `http.server` and `socketserver` as a single-threaded mio event loop.

#[cfg(feature = "cli")]
pub mod cli;
pub mod connection;
mod event_loop;
pub mod files;
pub mod handler;
pub mod http;
mod listen;
pub mod log;
pub mod proto;
pub mod reactor;
mod server;
pub mod service;
#[cfg(unix)]
pub mod socketserver;
pub mod testing;

pub use event_loop::{EventLoop, Open, Part};
pub use listen::ListenOptions;
pub use reactor::{SignalAction, Stopper};
pub use server::{HttpServer, Served, Stopped};
