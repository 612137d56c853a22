//! A server on a port of its own that ends with the test. What stays out: a client.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use crate::{HttpServer, Stopped, Stopper};

/// A server on a thread of its own, which stops when this is dropped.
///
/// ```
/// use serve_forever::{HttpServer, http::Request, service::Response, testing::TestServer};
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let server = TestServer::start(HttpServer::bind("127.0.0.1:0")?.service(|_: &Request| Response::text("hello")));
/// let mut client = std::net::TcpStream::connect(server.address())?;
/// client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.ends_with("hello"));
/// # Ok(()) }
/// ```
pub struct TestServer {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
}

impl TestServer {
    /// Starts the server. It is bound already, so that clients can connect at once.
    pub fn start(mut server: HttpServer) -> TestServer {
        let (address, stopper) = (server.server_address(), server.stopper());
        let thread = std::thread::spawn(move || server.serve_forever());
        TestServer { address, stopper, thread: Some(thread) }
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server, lets responses in flight end, and returns how the run ended.
    ///
    /// # Errors
    /// Those of [`HttpServer::serve_forever`].
    ///
    /// # Panics
    /// If the server's thread has panicked.
    pub fn stop(mut self) -> io::Result<Stopped> {
        self.stopper.stop();
        let thread = self.thread.take();
        // NOTE(unwrap): the thread is only taken here and when this is dropped; its panic is to fail the test.
        thread.expect("a server is stopped once").join().expect("the server has panicked")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopper.stop_now();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("address", &self.address).finish_non_exhaustive()
    }
}
