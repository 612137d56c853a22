//! The settings of a client: time limits and size limits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[cfg(feature = "client-tls")]
use super::ClientTls;
use super::authority::{HTTP_PORT, HTTPS_PORT};
use crate::http1::MessageLimits;

/// The settings of a connection. As in Python, there are no time limits by default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The maximum duration of a single wait: for the connection, for the server to accept more of the request, or for
    /// more bytes of the response. A slow response can take longer in total. No limit by default.
    pub timeout: Option<Duration>,
    /// The maximum time for opening the connection: for resolving the name, connecting, the `CONNECT` request to a proxy
    /// and the TLS handshake together. If it is `None`, the default, `timeout` limits the first two together, and each
    /// wait during the others.
    pub connect_timeout: Option<Duration>,
    /// The maximum time from the beginning of a request to the last byte of its response. No limit by default.
    pub total_timeout: Option<Duration>,
    /// The maximum time to wait for the 100 response to a request with `Expect: 100-continue`. The body is sent after
    /// that time even without a 100 response (RFC 9110 section 10.1.1). One second by default.
    pub continue_timeout: Duration,
    /// The size in bytes of the blocks in which a body is read from a reader and sent. If the body is chunked, each
    /// block is one chunk. Default: 8192.
    pub block_size: usize,
    /// If true, a request opens the connection if it is closed. Default: true.
    pub auto_open: bool,
    /// The local address to bind the connection to.
    pub source: Option<SocketAddr>,
    /// The host and port to connect to, if they differ from those of the connection. The `Host` field and the TLS
    /// handshake still use the host of the connection.
    pub connect_to: Option<(String, u16)>,
    /// The TLS configuration. If it is set, the connection uses `https`, and the default port is 443.
    #[cfg(feature = "client-tls")]
    pub tls: Option<ClientTls>,
    /// The size limits of a response.
    pub limits: ClientLimits,
}

impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            timeout: None,
            connect_timeout: None,
            total_timeout: None,
            continue_timeout: Duration::from_secs(1),
            block_size: 8192,
            auto_open: true,
            source: None,
            connect_to: None,
            #[cfg(feature = "client-tls")]
            tls: None,
            limits: ClientLimits::default(),
        }
    }
}

impl ClientSettings {
    /// True if the connection uses `https`.
    pub(super) fn is_secure(&self) -> bool {
        #[cfg(feature = "client-tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "client-tls"))]
        return false;
    }

    pub(super) fn route(&self) -> ConnectionRoute {
        ConnectionRoute {
            source: self.source,
            connect_to: self.connect_to.clone(),
            #[cfg(feature = "client-tls")]
            tls: self.tls.clone(),
        }
    }

    /// The port to use if none was given: 443 for `https`, otherwise 80.
    pub(super) fn default_port(&self) -> u16 {
        if self.is_secure() { HTTPS_PORT } else { HTTP_PORT }
    }
}

/// The settings that determine which server a connection reaches and which certificates it trusts. An idle connection
/// is reused only if it was opened with the same values of these settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConnectionRoute {
    source: Option<SocketAddr>,
    connect_to: Option<(String, u16)>,
    #[cfg(feature = "client-tls")]
    tls: Option<ClientTls>,
}

/// The size limits for a response. The body has no limit, because it is read in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// The maximum length of the status line and of each field line, in bytes including the CRLF. Default: 64 KiB, as
    /// in CPython.
    pub line: usize,
    /// The maximum length of the whole head in bytes. Default: 128 KiB.
    pub head: usize,
    /// The maximum number of header fields. Default: 100, as in CPython.
    pub fields: usize,
    /// The maximum total length of chunk extensions and trailer fields in one body, in bytes. Default: 16 KiB.
    pub chunk_overhead: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let MessageLimits { start_line, head, fields, chunk_overhead, .. } = MessageLimits::default();
        ClientLimits { line: start_line, head, fields, chunk_overhead }
    }
}

impl ClientLimits {
    /// Converts the limits to the type that [`ClientMachine`](crate::http1::ClientMachine) uses.
    pub(super) fn message(self) -> MessageLimits {
        MessageLimits {
            start_line: self.line,
            field_line: self.line,
            head: self.head,
            fields: self.fields,
            chunk_overhead: self.chunk_overhead,
            ..MessageLimits::default()
        }
    }
}

/// The time limits for the waits in one exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WaitLimits {
    /// The maximum duration of a single wait, such as a wait for input.
    pub(super) each: Option<Duration>,
    /// The deadline for all waits of the exchange together.
    pub(super) total: Option<Instant>,
}

impl WaitLimits {
    /// The deadline for a wait that begins now.
    pub(super) fn until(self, now: Instant) -> Option<Instant> {
        // A limit that is too large for an `Instant` counts as no limit.
        let each = self.each.and_then(|each| now.checked_add(each));
        each.into_iter().chain(self.total).min()
    }
}
