//! The stages of an exchange, as data. Not here: what a session does in a stage (`stages/`).

use std::cell::Cell;
use std::sync::Arc;

use super::body_writer::BodyWriter;
use crate::http::{Request, Status};
use crate::log::OwnedLoggedRequest;
use crate::service::{Response, Upstream};
use crate::session::CloseReason;

/// The stage of an exchange. Each stage has its own data. Advancing a stage returns the next one.
pub(super) enum Stage {
    /// The transport's own handshake comes before the first byte of HTTP.
    Handshake,
    /// The connection reads a head, or waits for one.
    Head,
    /// The response is known, but a short unwanted body is read first: a malformed one turns the response into 400, and after a
    /// good one the connection continues.
    Deferred(Box<Deferred>),
    /// An upstream takes the body of the request and produces the response.
    AwaitingUpstream(Box<PendingUpstream>),
    /// The body of the response is being sent.
    Sending(Box<Sending>),
    /// The response is sent with a fault.
    #[cfg(feature = "harness")]
    Faulty(Box<super::stages::FaultyResponse>),
    /// The response is complete; the rest of the request's body is discarded, up to this many bytes.
    Draining(u64),
    /// The output still holds the last bytes of the connection. It is closed for this reason once they have left.
    Closing(CloseReason),
    /// The client was told that no more bytes follow. The bytes that it still sends are discarded until it closes its
    /// side.
    Lingering(CloseReason),
}

impl Stage {
    /// The response whose body is being sent.
    pub(super) fn sending(&self) -> Option<&Sending> {
        match self {
            Stage::Sending(sending) => Some(sending),
            #[cfg(feature = "harness")]
            Stage::Faulty(faulty) => faulty.sending(),
            _ => None,
        }
    }
}

/// A response that is held until the request's body has been read.
pub(super) struct Deferred {
    pub(super) response: Response,
    pub(super) request: Request,
    /// Bytes of the body that may still be discarded.
    pub(super) left: u64,
}

/// An upstream that has not responded yet, or that still reads the body while its response is sent.
pub(super) struct PendingUpstream {
    pub(super) upstream: Box<dyn Upstream>,
    pub(super) request: Request,
    /// [`Upstream::end`] was called.
    pub(super) has_whole_body: bool,
    /// The connection has left HTTP, so the upstream gets the client's bytes as they are.
    pub(super) is_upgraded: bool,
}

impl PendingUpstream {
    /// Leaves HTTP: the body of the request has ended, and bytes of another protocol follow.
    pub(super) fn upgrade(&mut self) {
        (self.is_upgraded, self.has_whole_body) = (true, false);
    }

    /// True if some of the body is still to come, and the upstream wants it now.
    pub(super) fn wants_body(&self) -> bool {
        !self.has_whole_body && self.upstream.wants_body()
    }

    /// True if the upstream keeps reading the body while its response is sent.
    pub(super) fn reads_on(&self) -> bool {
        !self.has_whole_body && self.upstream.reads_on()
    }
}

/// A response whose body does not leave with its head.
pub(super) struct Sending {
    pub(super) body: BodyWriter,
    pub(super) record: ExchangeRecord,
    /// The upstream that the response came from, while it may still read the request's body.
    pub(super) upstream: Option<Box<PendingUpstream>>,
    /// The source of the body has no bytes now.
    pub(super) is_waiting: bool,
}

impl Sending {
    /// The outcome of the exchange so far.
    pub(super) fn outcome(&self) -> Outcome {
        let ExchangeRecord { status, ref user, is_counted, .. } = self.record;
        Outcome { status, user: user.clone(), sent: self.body.sent(), is_counted, cut: None }
    }

    /// True if the upstream has not yet received all of the request's body. Bytes of another protocol are not a body,
    /// because no limit applies to their duration.
    pub(super) fn feeds_upstream(&self) -> bool {
        self.upstream.as_ref().is_some_and(|pending| !pending.has_whole_body && !pending.is_upgraded)
    }

    /// True if the upstream wants more of the request's body now.
    pub(super) fn wants_body(&self) -> bool {
        self.upstream.as_ref().is_some_and(|pending| pending.wants_body())
    }
}

/// The data for the log line of an exchange whose response outlives its request.
pub(super) struct ExchangeRecord {
    pub(super) request: OwnedLoggedRequest,
    pub(super) status: Status,
    /// The user whose credentials the service has verified.
    pub(super) user: Option<Arc<str>>,
    /// See [`Outcome::is_counted`].
    pub(super) is_counted: bool,
    /// The line of this exchange has been written to the log.
    pub(super) is_logged: Cell<bool>,
}

/// The outcome of an exchange, for its line in the log.
pub(super) struct Outcome {
    pub(super) status: Status,
    /// The user whose credentials the service has verified.
    pub(super) user: Option<Arc<str>>,
    /// Bytes of the body that were sent.
    pub(super) sent: u64,
    /// True if the length was known when the response began and the body is not our error page. Python's log prints a size
    /// only then.
    pub(super) is_counted: bool,
    /// Why the response was cut short, if it was.
    pub(super) cut: Option<CloseReason>,
}
