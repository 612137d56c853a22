//! Responds to a client that sends unencrypted HTTP to a TLS port with a single unencrypted response, which names the
//! URL to use. The transport distinguishes unencrypted HTTP from TLS.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::core::ConnectionCore;
use crate::connection::stage::Stage;
use crate::http::{Request, Status};
use crate::limits::Limits;
use crate::observer::ConnectionObserver;
use crate::service::{Body, Response};
use crate::session::TurnClock;

/// The length in bytes at which an incomplete head is answered. The server does not wait for the rest, because the
/// client may not be using HTTP at all.
pub(super) const MOST_TEXT: usize = 1024;

/// The maximum time from the detection of unencrypted HTTP to the end of the head.
const TEXT_TIMEOUT: Duration = Duration::from_secs(1);

impl<T, O: ConnectionObserver> ConnectionCore<'_, T, O> {
    /// Shortens the time limit for the head if the client sends unencrypted HTTP.
    #[cold]
    pub(super) fn expect_text(&mut self) {
        let mut limits = Limits::clone(&self.limits);
        // A `head_timeout` of zero means no limit.
        if limits.head_timeout.is_zero() || limits.head_timeout > TEXT_TIMEOUT {
            limits.head_timeout = TEXT_TIMEOUT;
        }
        self.limits = Arc::new(limits);
    }

    /// Responds to an unencrypted request whose head is incomplete.
    #[cold]
    pub(super) fn refuse_incomplete_text(&mut self, request: &mut Request, clock: TurnClock) -> Stage {
        (request.peer, request.local, request.arrived) = (self.peer, self.server.local, clock.now);
        // The log identifies the request by the part of its first line that has arrived.
        self.machine.note_line(&self.input, request);
        self.refuse_text(request, clock)
    }

    /// Responds to unencrypted HTTP on a TLS port with an unencrypted page that names the URL to use, and ends the
    /// connection. `request` holds the parts of the request that have arrived and could be parsed.
    #[cold]
    pub(super) fn refuse_text(&mut self, request: &Request, clock: TurnClock) -> Stage {
        let mut text = b"This port speaks HTTPS, and the request came as plain HTTP.\n".to_vec();
        if let Some(authority) = request.authority().filter(|authority| !authority.is_empty()) {
            text.extend_from_slice(b"Use https://");
            text.extend_from_slice(authority);
            // The target of an OPTIONS request can be `*`, which has no path.
            text.extend_from_slice(if request.path().starts_with(b"/") { request.path() } else { b"/" });
            text.push(b'\n');
        }
        self.timers.begin_exchange(&self.limits, clock.now);
        self.machine.refuse();
        let mut response = Response::new(Status::BAD_REQUEST).body(Body::Bytes(text.into()));
        response.head.put("Content-Type", "text/plain; charset=utf-8");
        response.head.put("X-Content-Type-Options", "nosniff");
        self.respond(&mut response, request, None, clock)
    }
}
