//! What is logged of an exchange.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use crate::http::Status;

/// One exchange: who asked for what, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// Who asked.
    pub peer: SocketAddr,
    /// The user whose credentials were verified, if the service that answered said so; see
    /// [`Response::user`](crate::service::Response::user). Python's form has no place for it.
    pub user: Option<&'r str>,
    /// What was asked for.
    pub request: LoggedRequest<'r>,
    /// The status of the response.
    pub status: Status,
    /// The bytes of body that were sent.
    pub sent: u64,
    /// Whether it was known how many they would be when the response arrived, and they were not the server's page for an
    /// error. Python's form shows `-` instead of any other number, as scripts that read it expect; the other forms show
    /// all of them.
    pub is_counted: bool,
    /// Why the response was cut short, if it was. The JSON form has a field for it, the others a line of its own.
    pub cut: Option<&'r str>,
    /// When the response was complete.
    pub at: SystemTime,
    /// The same on the clock that `request.arrived` was read from.
    pub ended: Instant,
}

/// What is logged of a request. A log that does not show a field has not looked for it.
#[derive(Debug, Clone, Copy)]
pub struct LoggedRequest<'r> {
    /// The request line as it came, without its end.
    pub line: &'r [u8],
    /// The value of `Referer`.
    pub referer: Option<&'r [u8]>,
    /// The value of `User-Agent`.
    pub user_agent: Option<&'r [u8]>,
    /// When the request was read.
    pub arrived: Instant,
}

/// The same for a response that takes longer than its request is kept.
#[derive(Debug)]
pub struct OwnedLoggedRequest {
    line: Box<[u8]>,
    referer: Option<Box<[u8]>>,
    user_agent: Option<Box<[u8]>>,
    arrived: Instant,
}

impl LoggedRequest<'_> {
    /// A copy that outlives the request.
    pub fn keep(&self) -> OwnedLoggedRequest {
        OwnedLoggedRequest {
            line: self.line.into(),
            referer: self.referer.map(Into::into),
            user_agent: self.user_agent.map(Into::into),
            arrived: self.arrived,
        }
    }
}

impl OwnedLoggedRequest {
    /// What was kept.
    pub fn as_logged(&self) -> LoggedRequest<'_> {
        let (referer, user_agent) = (self.referer.as_deref(), self.user_agent.as_deref());
        LoggedRequest { line: &self.line, referer, user_agent, arrived: self.arrived }
    }
}

#[cfg(test)]
impl<'r> Record<'r> {
    /// A successful exchange for tests.
    pub(super) fn of(line: &'r [u8]) -> Record<'r> {
        let now = Instant::now();
        Record {
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            user: None,
            request: LoggedRequest { line, referer: None, user_agent: None, arrived: now },
            status: Status::OK,
            sent: 0,
            is_counted: true,
            cut: None,
            at: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_171_520_045),
            ended: now,
        }
    }
}
