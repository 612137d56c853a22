//! The stages of an exchange and the data of each stage. The code that a session runs in each stage is in `stages/`.

use std::cell::Cell;
use std::sync::Arc;

use super::body_writer::BodyWriter;
use crate::http::{Request, Status};
use crate::log::OwnedLoggedRequest;
use crate::service::{Response, Upstream};
use crate::session::CloseReason;

/// The stage of an exchange. Advancing a stage consumes it and returns the next one.
pub(super) enum Stage {
    /// The transport is performing its handshake, which precedes the first byte of HTTP.
    Handshake,
    /// The connection is reading a head or waiting for one.
    Head,
    /// The response is known, but a short unwanted body is read first. A malformed body turns the response into a 400.
    /// After a valid body, the connection can persist.
    Deferred(Box<Deferred>),
    /// An upstream consumes the body of the request and produces the response.
    AwaitingUpstream(Box<PendingUpstream>),
    /// The body of the response is being sent.
    Sending(Box<Sending>),
    /// The response is being sent with an injected fault.
    #[cfg(feature = "harness")]
    Faulty(Box<super::stages::FaultyResponse>),
    /// The response is complete. The rest of the request's body is being discarded. Contains the number of bytes that
    /// may still be discarded.
    Draining(u64),
    /// The last bytes of the connection are still in the output. Once they have been sent, the connection is closed.
    /// Contains the reason for closing.
    Closing(CloseReason),
    /// The sending side has been shut down. Bytes that the client still sends are discarded until it closes its side.
    /// Contains the reason for closing.
    Lingering(CloseReason),
}

impl Stage {
    /// The response whose body is being sent, with or without a fault. `None` in all other stages.
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
    /// The number of bytes of the body that may still be discarded.
    pub(super) left: u64,
}

/// An upstream that has not responded yet, or that still reads the body while its response is sent.
pub(super) struct PendingUpstream {
    pub(super) upstream: Box<dyn Upstream>,
    pub(super) request: Request,
    /// True once [`Upstream::end`] has been called.
    pub(super) has_whole_body: bool,
    /// True if the connection has been upgraded to another protocol, so the upstream receives the client's bytes
    /// unchanged.
    pub(super) is_upgraded: bool,
}

impl PendingUpstream {
    /// Switches to another protocol. The request's body has ended, and bytes of the other protocol follow.
    pub(super) fn upgrade(&mut self) {
        (self.is_upgraded, self.has_whole_body) = (true, false);
    }

    /// True if the upstream has not received all of the body and wants more of it now.
    pub(super) fn wants_body(&self) -> bool {
        !self.has_whole_body && self.upstream.wants_body()
    }

    /// True if the body is not complete and the upstream continues to read it while its response is sent.
    pub(super) fn reads_on(&self) -> bool {
        !self.has_whole_body && self.upstream.reads_on()
    }
}

/// A response whose body is not sent together with its head.
pub(super) struct Sending {
    pub(super) body: BodyWriter,
    pub(super) record: ExchangeRecord,
    /// The upstream that produced the response. `None` if the response did not come from an upstream, or if the
    /// upstream has failed since.
    pub(super) upstream: Option<Box<PendingUpstream>>,
    /// True if the source of the body has no bytes at the moment.
    pub(super) is_waiting: bool,
}

impl Sending {
    /// The outcome of the exchange so far, with the number of bytes that have been sent.
    pub(super) fn outcome(&self) -> Outcome {
        let ExchangeRecord { status, ref user, is_counted, .. } = self.record;
        Outcome { status, user: user.clone(), sent: self.body.sent(), is_counted, cut: None }
    }

    /// True if the upstream has not yet received all of the request's body. The bytes of another protocol do not count
    /// as a body, because the time limits for bodies do not apply to them.
    pub(super) fn feeds_upstream(&self) -> bool {
        self.upstream.as_ref().is_some_and(|pending| !pending.has_whole_body && !pending.is_upgraded)
    }

    /// True if the upstream wants more of the request's body now.
    pub(super) fn wants_body(&self) -> bool {
        self.upstream.as_ref().is_some_and(|pending| pending.wants_body())
    }
}

/// The data for the log line of an exchange. It is kept because the request is overwritten before the response is
/// complete.
pub(super) struct ExchangeRecord {
    pub(super) request: OwnedLoggedRequest,
    pub(super) status: Status,
    /// The user whose credentials the service has verified.
    pub(super) user: Option<Arc<str>>,
    /// See [`Outcome::is_counted`].
    pub(super) is_counted: bool,
    /// True once the log line of this exchange has been written.
    pub(super) is_logged: Cell<bool>,
}

/// The outcome of an exchange, as its log line reports it.
pub(super) struct Outcome {
    pub(super) status: Status,
    /// The user whose credentials the service has verified.
    pub(super) user: Option<Arc<str>>,
    /// The number of bytes of the body that were sent or written to the output.
    pub(super) sent: u64,
    /// True if the length was known when the response began and the body is not the server's error page. Only then does
    /// Python's log print a size.
    pub(super) is_counted: bool,
    /// The reason why the response was cut short. `None` if it was not.
    pub(super) cut: Option<CloseReason>,
}
