//! An HTTP server without sockets and without the event loop, for in-memory clients. The time limit for the waits of a
//! client is long enough for a slow machine.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use crate::connection::{HttpSession, ServerState};
use crate::http::ErrorPage;
use crate::limits::Limits;
use crate::log::AccessLog;
use crate::service::{IntoService, Waker};
use crate::session::{CloseReason, Next, Ready, Scratch, Session, StepContext, TurnClock};
use crate::transport::Memory;

use super::registrar::MemoryRegistrar;
use super::response::TestResponse;

/// An HTTP server without sockets, for in-memory clients.
///
/// ```
/// use serve_forever::{http::Request, service::Response, testing::Bench};
///
/// let bench = Bench::new(|_: &Request| Response::text("hello"));
/// let mut client = bench.connect();
/// client.send(b"GET / HTTP/1.1\r\nHost: local");
/// assert_eq!(client.take(), b"", "half a request gets no response");
/// client.send(b"host\r\n\r\n");
/// assert!(client.take().starts_with(b"HTTP/1.1 200 OK\r\n"));
/// ```
///
/// While a client waits for its response, a handler can wait for a shared value:
///
/// ```
/// use serve_forever::handler::{Exchange, Handlers, RequestHandler, Shared};
/// use serve_forever::{service::Response, testing::Bench};
///
/// /// A long poll.
/// struct Poll(Shared<u32>);
/// impl RequestHandler for Poll {
///     fn do_get(&mut self, x: &mut Exchange<'_>) -> std::io::Result<()> {
///         let found = x.wait_until(&self.0, None, |value| (*value > 0).then_some(*value))?;
///         x.respond(Response::json(found.unwrap_or_default()))
///     }
/// }
/// let value = Shared::new(0);
/// let bench = Bench::new(Handlers::new({
///     let value = value.clone();
///     move || Poll(value.clone())
/// }));
/// let mut client = bench.connect();
/// client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert_eq!(client.take(), b"", "the handler waits");
/// value.with(|value| *value = 5);
/// assert_eq!(client.response_to("GET").text(), "5");
/// ```
///
/// A bench uses the real clock, so a handler that sleeps for 30 seconds takes 30 seconds; a test should configure
/// shorter times. A bench cannot be shut down; to test a shutdown, use a [`TestServer`](super::TestServer).
#[must_use = "a bench serves only its clients"]
pub struct Bench {
    site: ServerState,
}

impl Bench {
    /// Creates a server with `service`, the default limits and no log.
    pub fn new<M>(service: impl IntoService<M, Service: Send + 'static>) -> Bench {
        let mut site = ServerState::new(service.into_service(), SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)));
        site.log = AccessLog::off().into();
        Bench { site }
    }

    /// Sets the limits of the server.
    pub fn limits(self, limits: Limits) -> Bench {
        self.site.set_limits(limits);
        self
    }

    /// Sets the error page, which formats the bodies of error responses.
    pub fn error_page(mut self, page: impl ErrorPage + 'static) -> Bench {
        self.site.error_page = Box::new(page);
        self
    }

    /// Sets the log. Its lines are written whenever a call of a client has run the server.
    pub fn log(mut self, log: AccessLog) -> Bench {
        self.site.log = log.into();
        self
    }

    /// Connects a client from port 50000 on the loopback address.
    pub fn connect(&self) -> Client<'_> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50000));
        let (wake, woken) = channel();
        let waker = Waker::new(move || _ = wake.send(()));
        Client {
            site: &self.site,
            session: Some(HttpSession::new(&self.site, Memory::default(), peer, Instant::now())),
            sent: Vec::new(),
            scratch: Scratch::default(),
            waker,
            woken,
            deadline: None,
            closed: None,
        }
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bench")
    }
}

/// The maximum time that a client waits for an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// An in-memory client. Dropping it drops the session, as if the connection had been lost.
pub struct Client<'b> {
    site: &'b ServerState,
    /// The session; `None` once the server has closed the connection.
    session: Option<HttpSession<'b, Memory>>,
    /// Received bytes that have not been taken. They arrived before the connection was closed, or were put back by
    /// [`response_to`](Self::response_to).
    sent: Vec<u8>,
    scratch: Scratch,
    waker: Waker,
    woken: Receiver<()>,
    deadline: Option<Instant>,
    closed: Option<CloseReason>,
}

impl Client<'_> {
    /// Sends bytes, and runs the server until it has to wait.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(session) = &mut self.session {
            session.transport().incoming.extend_from_slice(bytes);
        }
        self.run();
    }

    /// Sends a GET and waits for its response.
    ///
    /// # Panics
    /// Panics in the same cases as [`request`](Client::request).
    pub fn get(&mut self, target: &str) -> TestResponse {
        self.request("GET", target, &[], b"")
    }

    /// Sends a request with the fields `Host` and `fields`, and with `Content-Length` if the body is not empty. Waits
    /// for the response.
    ///
    /// ```
    /// use serve_forever::handler::{Exchange, Handlers, RequestHandler};
    /// use serve_forever::{service::Response, testing::Bench};
    /// use std::io::{self, Read};
    ///
    /// struct Length;
    /// impl RequestHandler for Length {
    ///     fn do_put(&mut self, x: &mut Exchange<'_>) -> io::Result<()> {
    ///         let length = io::copy(&mut x.rfile(), &mut io::sink())?;
    ///         x.respond(Response::json(length))
    ///     }
    /// }
    /// let bench = Bench::new(Handlers::new(|| Length));
    /// let mut client = bench.connect();
    /// let response = client.request("PUT", "/", &[("Content-Type", "text/plain")], b"hello");
    /// assert_eq!(response.text(), "5");
    /// ```
    ///
    /// # Panics
    /// Panics if the server sends nothing for a minute or closes the connection while the response is incomplete, or if
    /// it sends bytes that are not a response.
    pub fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> TestResponse {
        self.send(&request_bytes(method, target, fields, body));
        self.response_to(method)
    }

    /// Waits for the response to an earlier request with this method.
    ///
    /// # Panics
    /// Panics in the same cases as [`request`](Client::request).
    pub fn response_to(&mut self, method: &str) -> TestResponse {
        loop {
            let bytes = self.take();
            let has_ended = self.session.is_none();
            if let Some((response, length)) = TestResponse::read(method, &bytes, has_ended) {
                self.sent = bytes[length..].to_vec();
                return response;
            }
            assert!(!has_ended, "no whole response: {:?}", String::from_utf8_lossy(&bytes));
            self.sent = bytes;
            // If `wait` returns false and the connection is open, nothing has happened for a minute, so the server will
            // not respond.
            let waits = self.wait();
            assert!(waits || self.session.is_none(), "no response: {:?}", String::from_utf8_lossy(&self.sent));
        }
    }

    /// Closes the client's sending side, and runs the server until it has to wait.
    pub fn finish(&mut self) {
        if let Some(session) = &mut self.session {
            session.transport().at_end = true;
        }
        self.run();
    }

    /// Takes the bytes that the server has sent since the last call. Does not run the server. To receive a response to
    /// a change that another thread has made, or to a changed [`Shared`](crate::handler::Shared), call
    /// [`wait`](Client::wait) first.
    pub fn take(&mut self) -> Vec<u8> {
        let mut taken = std::mem::take(&mut self.sent);
        if let Some(session) = &mut self.session {
            taken.append(&mut session.transport().sent);
        }
        taken
    }

    /// Allows the server to send `bytes` more bytes, and runs it until it has to wait. Before the first call, the
    /// server may send any number of bytes.
    pub fn open_window(&mut self, bytes: usize) {
        if let Some(session) = &mut self.session {
            session.transport().open_window(bytes);
        }
        self.run();
    }

    /// Waits until a deadline of the connection has passed or another thread has woken the connection, and then runs
    /// the server. Returns false if the connection was already closed, or if neither happens within a minute, so that
    /// the test of a server that never responds fails instead of hanging.
    pub fn wait(&mut self) -> bool {
        if self.session.is_none() {
            return false;
        }
        let until_deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let time = until_deadline.unwrap_or(PATIENCE).min(PATIENCE);
        let woken = self.woken.recv_timeout(time).is_ok();
        self.run();
        woken || until_deadline == Some(time)
    }

    /// Runs the server until it has closed the connection, or nothing has happened for a minute.
    pub fn run_to_end(&mut self) {
        while self.wait() {}
    }

    /// The reason why the server closed the connection; `None` if it is open.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Runs the server until it would have to wait.
    fn run(&mut self) {
        while let Some(session) = &mut self.session {
            let clock = TurnClock::new(Instant::now(), SystemTime::now());
            let mut registrar = MemoryRegistrar::new(self.waker.clone(), clock.now);
            let mut cx = StepContext {
                clock,
                scratch: &mut self.scratch,
                registrar: &mut registrar,
                memory_is_short: false,
                handshakes_left: 1,
            };
            let mut ready = Ready::FRESH;
            let next = session.step(&mut ready, &mut cx);
            // Like most clients, this one closes its sending side when it reads EOF.
            session.transport().at_end |= session.transport().ended;
            match next {
                Next::Again => {}
                Next::Wait(deadline) => {
                    self.deadline = deadline;
                    if self.woken.try_recv().is_err() {
                        break;
                    }
                }
                Next::Close(reason) => {
                    self.sent.append(&mut session.transport().sent);
                    self.closed = Some(reason);
                    self.session = None;
                }
            }
        }
        self.site.log.borrow_mut().flush();
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.session = None;
        self.site.log.borrow_mut().flush();
    }
}

/// Formats a request as the bytes that a client sends.
pub(super) fn request_bytes(method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    // A request without a body has no `Content-Length`, as in a browser's GET request.
    if !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    [&bytes, &b"\r\n"[..], body].concat()
}

impl fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("closed", &self.closed).finish_non_exhaustive()
    }
}
