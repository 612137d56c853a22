//! Python's `socketserver`, the layer below HTTP: TCP, UDP and Unix sockets with handlers on the same loop.
//!
//! A [`TcpServer`] or [`UnixStreamServer`] creates a [`StreamRequestHandler`] for each connection, and a [`UdpServer`]
//! or [`UnixDatagramServer`] creates a [`DatagramRequestHandler`] for each datagram. The method `handle` is ordinary
//! code that reads and writes. While a handler is suspended, other clients are served. Several servers share one thread
//! in an [`EventLoop`](crate::EventLoop).
//!
//! Python's mix-ins have no counterpart. Like `ThreadingTCPServer`, [`TcpServer`] serves many clients at the same time,
//! but without threads; a handler passes blocking code and long computations to [`StreamRequest::offload`]. To use all
//! processors, as `ForkingTCPServer` does, start the program several times with
//! [`ListenOptions::reuse_port`](crate::ListenOptions::reuse_port).
//!
//! ```
//! use std::io::{self, BufRead, Write};
//! use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};
//!
//! /// Python: `for line in self.rfile: self.wfile.write(line.upper())`.
//! struct Upper;
//!
//! impl StreamRequestHandler for Upper {
//!     fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
//!         for line in x.rfile().lines() {
//!             writeln!(x.wfile(), "{}", line?.to_uppercase())?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let server = TcpServer::bind("127.0.0.1:0")?.handler(|| Upper);
//! # Ok::<(), io::Error>(())
//! ```
//!
//! Like an HTTP handler, a raw handler runs on a coroutine and can write to a log. This module implements no protocol:
//! it neither parses requests nor frames responses.
//!
//! Invariant: a handler that fails, panics or never returns affects only its own client.

mod address;
mod datagram;
mod datagram_session;
mod listener;
mod raw_handler;
mod socket_file;
mod stream;
mod stream_session;
#[cfg(test)]
mod tests;

pub use crate::coroutine::{OutgoingConnector, OutgoingStream, Rfile, Shared, Wfile};
pub use crate::failure::IntoError;
pub use address::Address;
pub use datagram::{
    DatagramRequest, DatagramRequestHandler, DatagramServer, DatagramWriter, UdpServer, UnixDatagramServer,
};
pub use datagram_session::DatagramSocket;
pub use listener::StreamListener;
pub use stream::{StreamRequest, StreamRequestHandler, StreamServer, TcpServer, UnixStreamServer};
