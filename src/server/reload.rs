//! `Reload`, through which the settings of a server can be replaced while it runs.

use std::fmt;
use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::ServerState;
use crate::http::Version;
use crate::limits::Limits;
use crate::log::AccessLog;
use crate::service::IntoService;

/// A handle to a running server, passed to the [`HttpServer::on_reload`](crate::HttpServer::on_reload) callback so that
/// it can make changes.
///
/// Connections are not closed. A request that has already begun keeps the service and the limits with which it began.
pub struct Reload<'s>(&'s ServerState);

/// The type of the [`HttpServer::on_reload`](crate::HttpServer::on_reload) callback.
pub(super) type OnReload = dyn FnMut(&Reload<'_>) + Send;

impl<'s> Reload<'s> {
    pub(super) fn new(state: &'s ServerState) -> Reload<'s> {
        Reload(state)
    }

    /// Replaces the service for new requests. The previous service is dropped, and its
    /// [`after_turn`](crate::service::Service::after_turn) is no longer called. If the previous service still has work
    /// to do in `after_turn`, the new service must take over that work, as a `CgiService` does with its scripts.
    pub fn set_service<M>(&self, service: impl IntoService<M, Service: Send + 'static>) {
        self.0.set_service(service.into_service());
    }

    /// Replaces the limits for new requests. If [`Limits::connections_per_peer`] was not set before, existing
    /// connections do not count towards it.
    pub fn set_limits(&self, limits: Limits) {
        self.0.set_limits(limits);
    }

    /// Replaces the protocol version for new connections.
    pub fn set_protocol(&self, protocol: Version) {
        self.0.set_protocol(protocol);
    }

    /// Replaces the TLS configuration for new connections. Existing connections keep the configuration with which they
    /// began.
    #[cfg(feature = "tls")]
    pub fn set_tls(&self, config: impl Into<Arc<rustls::ServerConfig>>) {
        self.0.set_tls(config.into());
    }

    /// Replaces the duration in the `Strict-Transport-Security` field, like
    /// [`HttpServer::hsts`](crate::HttpServer::hsts).
    #[cfg(feature = "tls")]
    pub fn set_hsts(&self, max_age: Option<std::time::Duration>) {
        self.0.set_hsts(max_age);
    }

    /// Replaces the value of the `Server` field in all further responses, like
    /// [`HttpServer::server_name`](crate::HttpServer::server_name).
    ///
    /// # Errors
    /// Returns an error if the name is not valid in a header field.
    pub fn set_server_name(&self, name: &str) -> io::Result<()> {
        Ok(self.0.set_server_name(name)?)
    }

    /// Makes the server's log use the destination and the format of `log`.
    pub fn set_log(&self, log: AccessLog) {
        self.0.log.borrow_mut().become_like(log);
    }

    /// Writes a line to the log. The line has no client address.
    pub fn message(&self, text: &str) {
        self.0.log.borrow_mut().message(None, text, SystemTime::now());
    }
}

impl fmt::Debug for Reload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}
