//! The content of a log line, independent of its format.
//!
//! `format`, `apache` and `json` turn a record into the text of a line, including the date and the escaping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::http::Status;
use crate::tls_info::TlsInfo;

/// One exchange: the client, its request, and the response.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// The client's address.
    pub peer: SocketAddr,
    /// The authenticated user, as set by the service; see [`Response::user`](crate::service::Response::user). Python's
    /// format does not show the user.
    pub user: Option<&'r str>,
    /// The parts of the request that the log shows.
    pub request: LoggedRequest<'r>,
    /// The status of the response.
    pub status: Status,
    /// The number of body bytes that were sent.
    pub sent: u64,
    /// True if the length of the body was known when the response began, and the body is not the server's error page.
    /// If this is false, Python's format shows `-` instead of the number of bytes, as programs that parse it expect.
    /// The other formats always show the number.
    pub is_counted: bool,
    /// The reason why the response was cut short; `None` if it is complete.
    pub cut: Option<&'r str>,
    /// The time at which the response ended, whether complete or cut short.
    pub at: SystemTime,
    /// The same time as `at`, but on the monotonic clock. The duration of the exchange is the difference between
    /// `ended` and `request.arrived`.
    pub ended: Instant,
}

/// The parts of a request that a log shows. Fields that the log's format does not show are `None`.
#[derive(Debug, Clone, Copy)]
pub struct LoggedRequest<'r> {
    /// The request line as the client sent it, without CRLF.
    pub line: &'r [u8],
    /// The value of the `Referer` field; `None` if it is absent, or if the format does not show it.
    pub referer: Option<&'r [u8]>,
    /// The value of the `User-Agent` field; `None` if it is absent, or if the format does not show it.
    pub user_agent: Option<&'r [u8]>,
    /// The result of the TLS handshake. `None` if the connection is not encrypted, or if the format does not show it.
    pub tls: Option<&'r Arc<TlsInfo>>,
    /// The time at which the request was read.
    pub arrived: Instant,
}

/// A copy of a [`LoggedRequest`], for a response that outlives its request.
#[derive(Debug)]
pub struct OwnedLoggedRequest {
    line: Box<[u8]>,
    referer: Option<Box<[u8]>>,
    user_agent: Option<Box<[u8]>>,
    tls: Option<Arc<TlsInfo>>,
    arrived: Instant,
}

impl LoggedRequest<'_> {
    /// Copies the parts of the request, so that they can be kept after the request has been dropped.
    pub fn keep(&self) -> OwnedLoggedRequest {
        OwnedLoggedRequest {
            line: self.line.into(),
            referer: self.referer.map(Into::into),
            user_agent: self.user_agent.map(Into::into),
            tls: self.tls.cloned(),
            arrived: self.arrived,
        }
    }
}

impl OwnedLoggedRequest {
    /// Returns the copied parts in the form that a [`Record`] contains.
    pub fn as_logged(&self) -> LoggedRequest<'_> {
        let (referer, user_agent) = (self.referer.as_deref(), self.user_agent.as_deref());
        LoggedRequest { line: &self.line, referer, user_agent, tls: self.tls.as_ref(), arrived: self.arrived }
    }
}

#[cfg(test)]
impl<'r> Record<'r> {
    /// Creates the record of a successful exchange for tests. `line` is the request line.
    pub(super) fn of(line: &'r [u8]) -> Record<'r> {
        let now = Instant::now();
        Record {
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            user: None,
            request: LoggedRequest { line, referer: None, user_agent: None, tls: None, arrived: now },
            status: Status::OK,
            sent: 0,
            is_counted: true,
            cut: None,
            at: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_171_520_045),
            ended: now,
        }
    }
}
