//! `Error`: the errors that a client returns, named after Python's exceptions.

use std::fmt;
use std::io;

use crate::http::{InvalidHeader, Status};
use crate::http1::{InvalidRequest, Violation};

/// An error that a client returns. Most variants correspond to exceptions of `http.client`. The others are for requests
/// and responses that CPython accepts and this client rejects, and for features that CPython does not have.
///
/// `?` converts an `Error` to an [`io::Error`], and [`Error::from`] extracts it again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A request was begun before the previous one was finished, or body bytes were sent before the head of the request.
    CannotSendRequest,
    /// `putheader` or `endheaders` was called without a request in progress.
    CannotSendHeader,
    /// `getresponse` was called before the request was sent, or before the previous response was read completely.
    ResponseNotReady,
    /// The connection is closed, and opening it automatically is disabled.
    NotConnected,
    /// The connection is currently in use by another thread or handler.
    InUse,
    /// A host, port or target is invalid. The variant contains the rejected text.
    InvalidUrl(String),
    /// The method is not a token. The variant contains the method.
    InvalidMethod(String),
    /// A header field is invalid. The variant contains the reason.
    InvalidHeader(String),
    /// The body is longer or shorter than its announced length, or cannot be encoded. The variant contains the reason.
    InvalidBody(&'static str),
    /// The HTTP major version of the response is not 1. The variant contains the version.
    UnknownProtocol(String),
    /// The response does not begin with a status line. The variant contains the text that was received instead.
    BadStatusLine(String),
    /// The server closed the connection before the first byte of a response.
    RemoteDisconnected,
    /// The response ended before it was complete, or its chunks are malformed.
    IncompleteRead {
        /// The bytes of the body that the call had read before it failed.
        partial: Vec<u8>,
        /// The number of bytes that are missing, if the length of the body is known.
        expected: Option<u64>,
    },
    /// A line is longer than its limit. The variant contains the kind of line, such as `status line`.
    LineTooLong(&'static str),
    /// There are more header fields than the limit allows. The variant contains the limit.
    TooManyHeaders(usize),
    /// The whole head is longer than its limit. The variant contains the limit in bytes.
    HeadTooLarge(usize),
    /// A field line of the header or the trailer section is malformed.
    BadHeader,
    /// The fields that frame the body are malformed or contradict each other. The variant contains the violated rule.
    BadFraming(&'static str),
    /// There are more interim responses than the limit allows. The variant contains the limit.
    TooManyInterim(usize),
    /// The proxy refused the tunnel. The variant contains the status and the reason phrase.
    TunnelFailed(Status, String),
    /// A tunnel was set after the connection had been opened.
    TunnelAfterConnect,
    /// The pool's limit on connections to this server was reached, and none of them became free in time.
    PoolFull,
    /// A wait timed out. The variant contains the phase of the exchange.
    Timeout(WaitPhase),
    /// TLS failed, for example because the server has no trusted certificate for its name, or because the server
    /// violates the protocol. The variant contains the reason.
    Tls(String),
    /// The host name could not be resolved.
    Resolve(io::Error),
    /// The connection was refused, was reset, or failed otherwise.
    Io(io::Error),
}

/// A phase of an exchange in which a wait can time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitPhase {
    /// The connection is being opened, including the tunnel.
    Connect,
    /// The TLS handshake is in progress.
    Tls,
    /// The request is being sent.
    Send,
    /// The client is waiting for the head of the response.
    Head,
    /// The body of the response is being read.
    Body,
}

impl Error {
    /// A short name for the error, such as `IncompleteRead`, `Timeout` or `ConnectionReset`. If Python has an exception
    /// for the error, this is the name of that exception. The name of a system error lacks Python's suffix `Error`.
    pub fn name(&self) -> &'static str {
        match self {
            Error::CannotSendRequest => "CannotSendRequest",
            Error::CannotSendHeader => "CannotSendHeader",
            Error::ResponseNotReady => "ResponseNotReady",
            Error::NotConnected => "NotConnected",
            Error::InUse => "InUse",
            Error::InvalidUrl(_) => "InvalidURL",
            Error::InvalidMethod(_) => "InvalidMethod",
            Error::InvalidHeader(_) => "InvalidHeader",
            Error::InvalidBody(_) => "InvalidBody",
            Error::UnknownProtocol(_) => "UnknownProtocol",
            Error::BadStatusLine(_) => "BadStatusLine",
            Error::RemoteDisconnected => "RemoteDisconnected",
            Error::IncompleteRead { .. } => "IncompleteRead",
            Error::LineTooLong(_) => "LineTooLong",
            Error::TooManyHeaders(_) => "TooManyHeaders",
            Error::HeadTooLarge(_) => "HeadTooLarge",
            Error::BadHeader => "BadHeader",
            Error::BadFraming(_) => "BadFraming",
            Error::TooManyInterim(_) => "TooManyInterim",
            Error::TunnelFailed(..) => "TunnelFailed",
            Error::TunnelAfterConnect => "TunnelAfterConnect",
            Error::PoolFull => "PoolFull",
            Error::Timeout(_) => "Timeout",
            Error::Tls(_) => "TlsError",
            Error::Resolve(_) => "ResolveError",
            Error::Io(error) => io_name(error.kind()),
        }
    }

    /// The kind of the [`io::Error`] that this error is converted to.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Error::InvalidUrl(_) | Error::InvalidMethod(_) | Error::InvalidHeader(_) | Error::InvalidBody(_) => {
                io::ErrorKind::InvalidInput
            }
            Error::NotConnected => io::ErrorKind::NotConnected,
            Error::InUse => io::ErrorKind::ResourceBusy,
            Error::RemoteDisconnected => io::ErrorKind::ConnectionReset,
            Error::IncompleteRead { .. } => io::ErrorKind::UnexpectedEof,
            Error::Timeout(_) | Error::PoolFull => io::ErrorKind::TimedOut,
            Error::Resolve(error) | Error::Io(error) => error.kind(),
            Error::TunnelFailed(..) => io::ErrorKind::ConnectionRefused,
            Error::UnknownProtocol(_)
            | Error::BadStatusLine(_)
            | Error::LineTooLong(_)
            | Error::TooManyHeaders(_)
            | Error::HeadTooLarge(_)
            | Error::BadHeader
            | Error::BadFraming(_)
            | Error::Tls(_)
            | Error::TooManyInterim(_) => io::ErrorKind::InvalidData,
            Error::CannotSendRequest
            | Error::CannotSendHeader
            | Error::ResponseNotReady
            | Error::TunnelAfterConnect => io::ErrorKind::Other,
        }
    }

    /// Converts an I/O error. A timeout becomes [`Error::Timeout`] with `phase`.
    pub(super) fn in_phase(error: io::Error, phase: WaitPhase) -> Error {
        match Error::from(error) {
            Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Error::Timeout(phase),
            error => error,
        }
    }
}

/// A name for a system error, derived from Python's exceptions, such as `ConnectionRefused` for
/// `ConnectionRefusedError`. An aborted connection and a broken pipe also count as `ConnectionReset`. Every other error
/// is an `OSError`.
fn io_name(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "ConnectionRefused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "ConnectionReset"
        }
        io::ErrorKind::TimedOut => "Timeout",
        _ => "OSError",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::CannotSendRequest => f.write_str("the last request is not finished"),
            Error::CannotSendHeader => f.write_str("no request has been begun"),
            Error::ResponseNotReady => f.write_str("the request is not sent, or the last response is not read"),
            Error::NotConnected => f.write_str("the connection is not open"),
            Error::InUse => f.write_str("the connection is in use elsewhere"),
            Error::InvalidUrl(text) => write!(f, "invalid URL {text:?}"),
            Error::InvalidMethod(text) => write!(f, "invalid method {text:?}"),
            Error::InvalidHeader(reason) => f.write_str(reason),
            Error::InvalidBody(reason) => f.write_str(reason),
            Error::UnknownProtocol(version) => write!(f, "unknown protocol HTTP/{version}"),
            Error::BadStatusLine(line) => write!(f, "bad status line '{line}'"),
            Error::RemoteDisconnected => f.write_str("the server closed the connection without a response"),
            Error::IncompleteRead { partial, expected: Some(expected) } => {
                write!(f, "incomplete read: {} bytes read, {expected} more expected", partial.len())
            }
            Error::IncompleteRead { partial, expected: None } => {
                write!(f, "incomplete read: {} bytes read", partial.len())
            }
            Error::LineTooLong(line) => write!(f, "the {line} is too long"),
            Error::TooManyHeaders(limit) => write!(f, "got more than {limit} headers"),
            Error::HeadTooLarge(limit) => write!(f, "got more than {limit} bytes of headers"),
            Error::BadHeader => f.write_str("bad header line"),
            Error::BadFraming(rule) => f.write_str(rule),
            Error::TooManyInterim(limit) => write!(f, "got more than {limit} interim responses"),
            Error::TunnelFailed(status, reason) => write!(f, "tunnel connection failed: {} {reason}", status.code()),
            Error::TunnelAfterConnect => f.write_str("the tunnel must be set before the connection is opened"),
            Error::PoolFull => f.write_str("no connection of the pool has become free"),
            Error::Timeout(phase) => f.write_str(match phase {
                WaitPhase::Connect => "timed out while connecting",
                WaitPhase::Tls => "timed out in the TLS handshake",
                WaitPhase::Send => "timed out while sending the request",
                WaitPhase::Head => "timed out while waiting for the response",
                WaitPhase::Body => "timed out while reading the body of the response",
            }),
            Error::Tls(reason) => write!(f, "TLS: {reason}"),
            Error::Resolve(error) => write!(f, "cannot resolve the host name: {error}"),
            Error::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Resolve(error) | Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            error => io::Error::new(error.kind(), error),
        }
    }
}

impl From<io::Error> for Error {
    /// Extracts the [`Error`] from an [`io::Error`] that contains one. Any other error becomes [`Error::Io`].
    fn from(error: io::Error) -> Self {
        error.downcast::<Error>().unwrap_or_else(Error::Io)
    }
}

impl From<InvalidHeader> for Error {
    fn from(error: InvalidHeader) -> Self {
        Error::InvalidHeader(error.to_string())
    }
}

impl From<InvalidRequest> for Error {
    fn from(error: InvalidRequest) -> Self {
        match error {
            InvalidRequest::Method(method) => Error::InvalidMethod(method),
            InvalidRequest::Target(target) => Error::InvalidUrl(target),
            error => Error::InvalidHeader(error.to_string()),
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::StatusLine(line) => Error::BadStatusLine(line),
            Violation::EmptyLines => Error::BadStatusLine(String::new()),
            Violation::UnsupportedVersion(version) => Error::UnknownProtocol(version),
            Violation::LongStatusLine(_) => Error::LineTooLong("status line"),
            Violation::LongField(_) => Error::LineTooLong("header line"),
            Violation::ChunkOverhead => Error::LineTooLong("extension of a chunk or trailer section"),
            Violation::ManyFields(limit) => Error::TooManyHeaders(limit),
            Violation::LongHead(limit) => Error::HeadTooLarge(limit),
            Violation::ManyInterim(limit) => Error::TooManyInterim(limit),
            Violation::ContentLength => Error::BadFraming("Content-Length is not one decimal number"),
            Violation::TwoFramings => Error::BadFraming("Content-Length and Transfer-Encoding in one response"),
            Violation::TransferEncoding => Error::BadFraming("Transfer-Encoding does not end in one chunked"),
            Violation::UnknownCoding => Error::BadFraming("unknown transfer coding"),
            Violation::LargeBody => Error::BadFraming("the body is too long"),
            // CPython also reports a malformed chunk as `IncompleteRead`.
            Violation::Chunk => Error::IncompleteRead { partial: Vec::new(), expected: None },
            _ => Error::BadHeader,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_an_io_error() {
        let error = io::Error::from(Error::IncompleteRead { partial: b"ab".to_vec(), expected: Some(3) });
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), "incomplete read: 2 bytes read, 3 more expected");
        assert!(matches!(Error::from(error), Error::IncompleteRead { expected: Some(3), .. }));
        let error = io::Error::from(Error::Io(io::ErrorKind::BrokenPipe.into()));
        assert_eq!((error.kind(), Error::from(error).name()), (io::ErrorKind::BrokenPipe, "ConnectionReset"));
    }

    #[test]
    fn a_time_out_names_its_phase() {
        let error = Error::in_phase(io::ErrorKind::TimedOut.into(), WaitPhase::Head);
        assert_eq!(
            (error.name(), error.to_string()),
            ("Timeout", "timed out while waiting for the response".to_owned())
        );
    }
}
