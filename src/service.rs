//! The interface between a connection, which speaks HTTP, and the code that responds to requests.
//!
//! A connection calls a [`Service`] once for each request, as soon as the head is complete. The service returns a
//! [`Response`], or an [`Upstream`] that receives the body and responds later. The body of a response consists of
//! bytes, is a section of a file, or comes from a [`Source`] that is read whenever the client can accept more. The
//! connection frames, sends and logs the response.
//!
//! When the client disconnects, the connection drops the `Upstream` or the `Source`. There is no other form of
//! cancellation.
//!
//! Invariant: no function here blocks. `WouldBlock` means that nothing is available now, and a short count means that
//! no more is available now.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "harness")]
mod fault;
mod into_service;
mod response;
#[cfg(test)]
mod tests;

pub use crate::failure::{ByInto, IntoError, SendSync};
pub use crate::session::{Registrar, Waker};
pub use into_service::{AsItIs, ByValue, FallibleClosure, IntoService, RequestCopier};
pub use response::{ErrorText, Response};

use crate::http::{FieldBlock, Request, Status};
use crate::watchdog::Watchdog;
#[cfg(feature = "harness")]
#[doc(hidden)]
pub use fault::Fault;
#[cfg(feature = "harness")]
pub(crate) use fault::{CutEnd, CutPoint, FaultKind, WireEffect};

/// The code that responds to requests.
///
/// A closure that takes a `&Request` and returns a [`Response`] is a service. It may return a `Result`, so that its
/// code can use `?`; see [`Response::failure`] for the response in case of an error.
///
/// ```
/// use serve_forever::http::{HttpError, Request};
/// use serve_forever::service::Response;
/// use serve_forever::testing::answer;
///
/// let service = |request: &Request| -> Result<Response, HttpError> {
///     match request.url_path()?.route()[..] {
///         ["files", name] => {
///             let text = std::fs::read_to_string(name).map_err(|_| HttpError::new(404))?;
///             Ok(Response::text(text))
///         }
///         _ => Err(HttpError::new(404)),
///     }
/// };
/// assert!(answer(service, b"GET /files/none HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 404 "));
/// ```
pub trait Service {
    /// Responds to one request. Called as soon as the head of the request is complete, before its body is read.
    ///
    /// This runs on the loop's only thread, so no other client is served in the meantime.
    ///
    /// If a call takes longer than [`HttpServer::stuck_after`](crate::HttpServer::stuck_after), the request line is
    /// written to standard error.
    fn call(&self, request: &Request) -> Reply;

    /// Calls [`Service::call`] with a watchdog that reports the request if the call blocks the loop. A service whose
    /// calls are always short, or whose handlers report to a watchdog themselves, does not use `watchdog`.
    #[doc(hidden)]
    fn call_watched(&self, request: &Request, watchdog: Option<&Watchdog>) -> Reply {
        match watchdog {
            Some(watchdog) => watchdog.watch(request.request_line(), || self.call(request)),
            None => self.call(request),
        }
    }

    /// Called at the end of every turn of the loop. `now` is the time at which the turn began. Use it for work that no
    /// client is waiting for, such as handling a child process that outlives its connection. `note` writes a line to
    /// the server's log, with or without the address of a client. Returns the maximum time for which the loop may sleep
    /// before the next call.
    ///
    /// The default implementation does nothing. A service that wraps another one must pass the call on.
    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        _ = (now, note);
        None
    }

    /// Called when the loop has ended and all connections are closed. The service must finish all remaining work,
    /// because no further turn follows. The loop may run again later.
    ///
    /// The default implementation does nothing. A service that wraps another one must pass the call on.
    fn after_run(&self, note: &mut LogCallback<'_>) {
        _ = note;
    }

    /// Creates a service for one connection, if the service keeps state between the requests of a connection. Called
    /// before the first request of each connection. The new service is dropped when the connection ends. If the result
    /// is `None`, requests on the connection go to this service itself. `server_name` is the value of the `Server`
    /// field, or empty if the field is omitted.
    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        _ = server_name;
        None
    }

    /// Calls `note` with each new line for the server's log. A connection calls this method on the service that
    /// [`Service::connect`] has returned, whenever that service or its upstream has run.
    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        _ = note;
    }

    /// True if the connection that is being accepted must never be read from, in order to test its client. A service
    /// that wraps another one must pass the call on. `is_loopback` is true if only this machine can reach the listener.
    #[cfg(feature = "harness")]
    #[doc(hidden)]
    fn next_is_deaf(&self, is_loopback: bool) -> bool {
        _ = is_loopback;
        false
    }
}

/// Implements `Service` for boxed services. A generic implementation for all boxes would overlap with the one for
/// closures.
macro_rules! service_for_box {
    ($($service:ty),*) => {
        $(impl Service for Box<$service> {
            fn call(&self, request: &Request) -> Reply {
                (**self).call(request)
            }

            fn call_watched(&self, request: &Request, watchdog: Option<&Watchdog>) -> Reply {
                (**self).call_watched(request, watchdog)
            }

            fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
                (**self).after_turn(now, note)
            }

            fn after_run(&self, note: &mut LogCallback<'_>) {
                (**self).after_run(note);
            }

            fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
                (**self).connect(server_name)
            }

            fn take_notes(&self, note: &mut dyn FnMut(&str)) {
                (**self).take_notes(note);
            }

            #[cfg(feature = "harness")]
            fn next_is_deaf(&self, is_loopback: bool) -> bool {
                (**self).next_is_deaf(is_loopback)
            }
        })*
    };
}

service_for_box!(dyn Service, dyn Service + Send);

/// A callback that writes a line to the server's log. The arguments are the address of the client concerned, if any,
/// and the text.
pub type LogCallback<'a> = dyn FnMut(Option<SocketAddr>, &str) + 'a;

impl<F, R> Service for F
where
    F: Fn(&Request) -> R,
    R: Into<Reply>,
{
    fn call(&self, request: &Request) -> Reply {
        self(request).into()
    }
}

/// The result of a call to a service.
#[derive(Debug)]
pub enum Reply {
    /// A response. The body of the request is discarded.
    Now(Response),
    /// An upstream, which receives the body and responds later.
    Later(Box<dyn Upstream>),
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Now(response)
    }
}

/// Converts a result to a reply. An error becomes the response that [`Response::failure`] creates.
impl<T: Into<Reply>, E: Into<Box<dyn Error>>> From<Result<T, E>> for Reply {
    fn from(result: Result<T, E>) -> Reply {
        match result {
            Ok(reply) => reply.into(),
            Err(error) => Reply::Now(Response::failure(error)),
        }
    }
}

impl<U: Upstream + 'static> From<Box<U>> for Reply {
    fn from(upstream: Box<U>) -> Reply {
        Reply::Later(upstream)
    }
}

/// Receives the body of a request and produces its response. Examples are a running handler and a CGI script.
pub trait Upstream {
    /// True if the upstream accepts bytes of the body now. While this is false, the connection does not read from the
    /// client. A client that sent `Expect: 100-continue` receives 100 once the upstream wants the body (RFC 9110
    /// section 10.1.1).
    fn wants_body(&self) -> bool {
        true
    }

    /// True if the upstream continues to read the body while its response is sent. Called when the response begins
    /// before the end of the body. If this is false, and the rest of the body is in chunks or longer than
    /// [`Limits::drain`](crate::Limits::drain), the response contains `Connection: close` and the connection is closed
    /// in stages (RFC 9112 section 9.6).
    ///
    /// The default is [`Upstream::wants_body`]. An upstream that only pauses, because its buffer is full, returns true
    /// here.
    fn reads_on(&self) -> bool {
        self.wants_body()
    }

    /// Passes decoded bytes of the body to the upstream, and returns the number of bytes accepted. A number less than
    /// the length of `body` means that the upstream accepts no more at the moment.
    ///
    /// # Errors
    /// An error ends the exchange in the same way as an error from [`Upstream::poll`].
    fn feed(&mut self, body: &[u8]) -> io::Result<usize>;

    /// Called once when the body is complete, even if it is empty, unless the client disconnects first.
    ///
    /// # Errors
    /// An error ends the exchange in the same way as an error from [`Upstream::poll`].
    fn end(&mut self) -> io::Result<()>;

    /// Returns the response once it is available. Called immediately after the service has returned this upstream, and
    /// then whenever the connection runs, until this returns a response. A connection runs, for example, when bytes of
    /// the body arrive, when a source that is registered with `registrar` has an event, and at the
    /// [`deadline`](Upstream::deadline).
    ///
    /// # Errors
    /// If this returns an error, the client receives a 502 response, and the text of the error is logged.
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>>;

    /// Called whenever a connection that has switched to another protocol ([`Body::Upgrade`]) runs. The two directions
    /// of that protocol are independent of each other, so this method is called even while the client accepts no bytes
    /// and the source is not read.
    ///
    /// # Errors
    /// After an error, the upstream is dropped, so it receives no more bytes from the client.
    fn step_upgraded(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Takes an interim response to send before the response (RFC 9110 section 15.2), such as 103 with links that the
    /// client can already fetch (RFC 8297). Called after every [`Upstream::poll`] until it returns `None`. An interim
    /// response is omitted if its status is 101 or not an interim status, if the client uses HTTP/1.0, or if the client
    /// does not accept output at the moment.
    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        None
    }

    /// The time at which [`Upstream::poll`] must be called even if there is no event. `None`, the default, means that
    /// there is no such time.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Takes the fault to inject into the response that the last [`Upstream::poll`] has returned. Faults are for
    /// testing clients. This is the only way in which a service can make a connection violate HTTP, and only this crate
    /// can create a fault.
    #[cfg(feature = "harness")]
    #[doc(hidden)]
    fn take_fault(&mut self) -> Option<Fault> {
        None
    }
}

impl fmt::Debug for dyn Upstream + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstream")
    }
}

/// A body that is generated while it is being sent.
pub trait Source {
    /// Writes the next bytes of the body into `buf` and returns the number of bytes written. Returning 0 means the end
    /// of the body, and `WouldBlock` means that no bytes are available yet.
    ///
    /// A source that returns `WouldBlock` must come from an [`Upstream`] whose registrar wakes the connection. The
    /// source must return another error once that upstream has been dropped, because no time limit ends the wait for a
    /// source. A source that has used up its share of a turn returns `Interrupted`, and is read again in the next turn.
    ///
    /// # Errors
    /// Any other error closes the connection, because the response has begun and cannot be completed.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Takes the trailer fields of the body (RFC 9110 section 6.5). Called once, after the end of the body. The fields
    /// are omitted if the body is not sent in chunks, because its length is known or the client uses HTTP/1.0.
    fn take_trailers(&mut self) -> FieldBlock {
        FieldBlock::new()
    }
}

/// The body of a response.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// A body of length 0.
    #[default]
    Empty,
    /// Bytes that are owned by this response, or that are part of the program.
    Bytes(Cow<'static, [u8]>),
    /// Bytes that several responses share, such as a small file that is kept in memory.
    Shared(Arc<[u8]>),
    /// A section of a file. If the system supports it, the section is sent without being copied into the program.
    File(FileSlice),
    /// Bytes that are generated while they are being sent. Unless the head has a `Content-Length`, the body is chunked,
    /// or close-delimited for an HTTP/1.0 client.
    Stream(Box<dyn Source>),
    /// Bytes of another protocol, which follow a response with status 101 to a request that asked for that protocol
    /// (RFC 9110 section 7.8). The response must come from an [`Upstream`] and have an `Upgrade` field. After the
    /// response, the bytes from the client are passed to [`Upstream::feed`] unchanged. A call to [`Upstream::end`] then
    /// means that the client has shut down its sending side, or that the server is stopping. When the source ends, the
    /// connection is closed.
    Upgrade(Box<dyn Source>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Shared(bytes) => write!(f, "Shared({})", bytes.len()),
            Body::File(slice) => write!(f, "File({}..+{})", slice.offset, slice.length),
            Body::Stream(_) => f.write_str("Stream"),
            Body::Upgrade(_) => f.write_str("Upgrade"),
        }
    }
}

impl Body {
    /// The length of the body in bytes. `None` if it is known only after the body has been read.
    pub fn length(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Shared(bytes) => Some(bytes.len() as u64),
            Body::File(slice) => Some(slice.length),
            Body::Stream(_) | Body::Upgrade(_) => None,
        }
    }
}

/// A section of an open file.
#[derive(Debug, Clone)]
pub struct FileSlice {
    /// The file. Other responses may read the same file at the same time, so its cursor is not used.
    pub file: Arc<File>,
    /// The offset of the first byte in the file.
    pub offset: u64,
    /// The number of bytes in the section. If the file turns out to be shorter, the connection is closed early.
    pub length: u64,
}
