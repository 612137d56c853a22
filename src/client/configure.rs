//! The methods that configure a new [`HttpConnection`].

use std::net::SocketAddr;
use std::time::Duration;

#[cfg(feature = "client-tls")]
use super::ClientTls;
use super::{ClientLimits, ClientSettings, Connector, HttpConnection};

impl<C: Connector> HttpConnection<C> {
    /// Replaces all settings.
    pub fn settings(mut self, settings: ClientSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets [`ClientSettings::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Sets [`ClientSettings::total_timeout`].
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.settings.total_timeout = Some(timeout);
        self
    }

    /// Sets [`ClientSettings::tls`]. The connection then uses `https`, like Python's `HTTPSConnection`.
    #[cfg(feature = "client-tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Sets [`ClientSettings::source`].
    pub fn source_address(mut self, address: SocketAddr) -> Self {
        self.settings.source = Some(address);
        self
    }

    /// Sets [`ClientSettings::connect_to`].
    pub fn connect_to(mut self, host: &str, port: u16) -> Self {
        self.settings.connect_to = Some((host.to_owned(), port));
        self
    }

    /// Sets [`ClientSettings::limits`].
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.settings.limits = limits;
        self
    }
}
