//! A server on a socket, which is stopped when the test ends. Each request is sent on a new connection.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bench::request_bytes;
use super::response::TestResponse;
use crate::event_loop::LoopMember;
use crate::{EventLoop, HttpServer, Stopped, Stopper};

/// A server that runs on its own thread. Dropping this value stops the server. Nothing is logged unless the program has
/// set a log for the server.
///
/// ```
/// use serve_forever::{HttpServer, service::Response, testing::TestServer};
///
/// # fn main() -> std::io::Result<()> {
/// let server = TestServer::start(HttpServer::bind("127.0.0.1:0")?.service(|_| Response::text("hello")));
/// assert_eq!(server.get("/")?.text(), "hello");
/// # Ok(()) }
/// ```
///
/// A `TestServer` can also run a raw server or an [`EventLoop`]:
///
/// ```
/// use std::io::{self, Read, Write};
/// use serve_forever::socketserver::{StreamRequest, StreamRequestHandler, TcpServer};
/// use serve_forever::testing::TestServer;
///
/// struct Hello;
/// impl StreamRequestHandler for Hello {
///     fn handle(&mut self, x: &mut StreamRequest<'_>) -> io::Result<()> {
///         x.wfile().write_all(b"hello")
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let server = TestServer::start(TcpServer::bind("127.0.0.1:0")?.handler(|| Hello));
/// let mut text = String::new();
/// std::net::TcpStream::connect(server.address())?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(()) }
/// ```
#[must_use = "the server stops when this is dropped"]
pub struct TestServer {
    address: Option<SocketAddr>,
    stopper: Stopper,
    is_encrypted: bool,
    thread: Option<JoinHandle<io::Result<Stopped>>>,
}

/// A server that a [`TestServer`] can run. Implemented by every server of this crate, and by [`EventLoop`].
pub trait TestableServer: Send + 'static {
    /// The address to which clients connect; `None` if the server has no single network address.
    #[doc(hidden)]
    fn test_address(&self) -> Option<SocketAddr>;

    #[doc(hidden)]
    fn test_stopper(&self) -> Stopper;

    /// True if clients must use TLS.
    #[doc(hidden)]
    fn test_is_encrypted(&self) -> bool {
        false
    }

    /// Turns logging off, unless the program has set a log.
    #[doc(hidden)]
    fn test_quieten(&mut self);

    #[doc(hidden)]
    fn test_run(&mut self) -> io::Result<Stopped>;
}

/// Implements [`TestableServer`] for a server type by calling the server's own methods.
macro_rules! testable {
    ($server:ty, $address:expr $(, $is_encrypted:expr)?) => {
        impl TestableServer for $server {
            fn test_address(&self) -> Option<SocketAddr> {
                let address: fn(&$server) -> Option<SocketAddr> = $address;
                address(self)
            }

            fn test_stopper(&self) -> Stopper {
                self.stopper()
            }

            $(fn test_is_encrypted(&self) -> bool {
                let is_encrypted: fn(&$server) -> bool = $is_encrypted;
                is_encrypted(self)
            })?

            fn test_quieten(&mut self) {
                self.quieten();
            }

            fn test_run(&mut self) -> io::Result<Stopped> {
                self.serve_forever()
            }
        }
    };
}

testable!(HttpServer, |server| Some(server.server_address()), |server| server.is_encrypted());
testable!(EventLoop, |_| None);
#[cfg(unix)]
testable!(crate::socketserver::TcpServer, |server| Some(server.server_address()), |server| server.is_encrypted());
#[cfg(unix)]
testable!(crate::socketserver::UdpServer, |server| Some(server.server_address()));
#[cfg(unix)]
testable!(crate::socketserver::UnixStreamServer, |_| None);
#[cfg(unix)]
testable!(crate::socketserver::UnixDatagramServer, |_| None);

/// The maximum time for which a request waits for more bytes of its response.
const PATIENCE: Duration = Duration::from_secs(60);

impl TestServer {
    /// Starts the server. Clients can connect as soon as this returns, because the listener is already bound.
    pub fn start(mut server: impl TestableServer) -> TestServer {
        let (address, stopper) = (server.test_address(), server.test_stopper());
        let is_encrypted = server.test_is_encrypted();
        server.test_quieten();
        let thread = std::thread::spawn(move || server.test_run());
        TestServer { address, stopper, is_encrypted, thread: Some(thread) }
    }

    /// The address of the server.
    ///
    /// # Panics
    /// Panics for an [`EventLoop`], because each of its servers has its own address, and for a server on a Unix socket.
    pub fn address(&self) -> SocketAddr {
        // NOTE(unwrap): the panic is documented and makes the test fail.
        self.address.expect("an event loop and a Unix socket have no network address of their own")
    }

    /// Sends a GET on a new connection and returns the response.
    ///
    /// # Errors
    /// Returns any error of the connection, including a timeout after a minute without bytes.
    ///
    /// # Panics
    /// Panics in the same cases as [`request`](TestServer::request).
    pub fn get(&self, target: &str) -> io::Result<TestResponse> {
        self.request("GET", target, &[], b"")
    }

    /// Sends a request on a new connection, and returns the response. The request has the fields `Host` and `fields`,
    /// and a `Content-Length` if the body is not empty. The connection is not encrypted. To test a server with TLS, use
    /// `client::HttpConnection`, as in the example for `Tls::self_signed`.
    ///
    /// # Errors
    /// Returns any error of the connection, including a timeout after a minute without bytes.
    ///
    /// # Panics
    /// Panics if the server uses TLS or sends bytes that are not a response, and in the same cases as
    /// [`address`](TestServer::address).
    pub fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<TestResponse> {
        assert!(!self.is_encrypted, "the server has TLS: connect with client::HttpConnection and ClientTls::ca_pem");
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&request_bytes(method, target, fields, body))?;
        let (mut received, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut part)?;
            received.extend_from_slice(&part[..count]);
            match TestResponse::read(method, &received, count == 0) {
                Some((response, _)) => return Ok(response),
                None if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => {}
            }
        }
    }

    /// Stops the server after the responses in progress have been sent, and returns the reason why it stopped. While
    /// other threads of the test borrow the `TestServer`, this method cannot be called. In such a test, get a stopper
    /// with [`HttpServer::stopper`] before starting the server, and use it instead.
    ///
    /// # Errors
    /// Returns the errors that [`HttpServer::serve_forever`] returns.
    ///
    /// # Panics
    /// Panics if the thread of the server has panicked.
    pub fn stop(mut self) -> io::Result<Stopped> {
        self.stopper.stop();
        let thread = self.thread.take();
        // NOTE(unwrap): only this method and `drop` take the thread. A panic of the thread must make the test fail.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::AccessLog;
    use crate::service::Response;

    #[test]
    fn only_a_log_that_was_not_set_is_turned_off() {
        let server = || HttpServer::bind("127.0.0.1:0").unwrap();
        for (mut server, is_on) in [(server(), false), (server().log(AccessLog::to_fn(|_| {})), true)] {
            server.quieten();
            assert_eq!(server.is_logging(), is_on);
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    #[should_panic(expected = "the server has TLS: connect with client::HttpConnection and ClientTls::ca_pem")]
    fn a_server_with_tls_is_not_asked_without_encryption() {
        let tls = crate::tls::Tls::self_signed(["localhost"]).unwrap();
        _ = TestServer::start(HttpServer::bind("127.0.0.1:0").unwrap().tls(tls)).get("/");
    }

    #[cfg(all(feature = "tls", unix))]
    #[test]
    #[should_panic(expected = "the server has TLS: connect with client::HttpConnection and ClientTls::ca_pem")]
    fn a_raw_server_with_tls_is_not_asked_without_encryption() {
        let tls = crate::tls::Tls::self_signed(["localhost"]).unwrap();
        _ = TestServer::start(crate::socketserver::TcpServer::bind("127.0.0.1:0").unwrap().tls(tls)).get("/");
    }

    #[test]
    fn an_event_loop_runs_until_its_test_server_is_stopped() {
        let http = HttpServer::bind("127.0.0.1:0").unwrap().service(|_| Response::text("hello"));
        let (address, mut servers) = (http.server_address(), EventLoop::new().unwrap());
        servers.add(http);
        let server = TestServer::start(servers);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        assert_eq!(server.stop().unwrap(), Stopped::ByStopper);
    }
}
