//! The times and limits of a client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[cfg(feature = "client-tls")]
use super::ClientTls;
use super::authority::{HTTP_PORT, HTTPS_PORT};
use crate::http1::MessageLimits;

/// The settings of a connection. The defaults are those of Python, which waits without a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientSettings {
    /// The longest single wait: for the connection, for the server to take more of the request, for more of the response. A
    /// response that arrives slowly may take longer in all. No limit by default.
    pub timeout: Option<Duration>,
    /// The longest time for opening the connection, in place of `timeout`.
    pub connect_timeout: Option<Duration>,
    /// The longest time from the beginning of a request to the last byte of its response. No limit by default.
    pub total_timeout: Option<Duration>,
    /// The time that a request with `Expect: 100-continue` waits for 100 before its body is sent anyway (RFC 9110 section
    /// 10.1.1). One second by default.
    pub continue_timeout: Duration,
    /// Bytes of a reader that are sent at a time, each as a chunk if the body is chunked. 8192 by default.
    pub block_size: usize,
    /// True if a request opens the connection when it is closed, as by default.
    pub auto_open: bool,
    /// The address of this side of the connection.
    pub source: Option<SocketAddr>,
    /// The host and port to connect to, in place of those that the requests name.
    pub connect_to: Option<(String, u16)>,
    /// The TLS configuration. With it the connection uses `https`, and the default port is 443.
    #[cfg(feature = "client-tls")]
    pub tls: Option<ClientTls>,
    /// The sizes that bound a response.
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
    /// True for `https`.
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

    /// The port that a URL without a port means.
    pub(super) fn default_port(&self) -> u16 {
        if self.is_secure() { HTTPS_PORT } else { HTTP_PORT }
    }
}

/// The settings that decide where a connection leads and which server it trusts. An idle connection is used only under the
/// settings that have opened it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct ConnectionRoute {
    source: Option<SocketAddr>,
    connect_to: Option<(String, u16)>,
    #[cfg(feature = "client-tls")]
    tls: Option<ClientTls>,
}

/// The sizes that bound a response. A body has no limit, because it is read in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// The most bytes of the status line, and of one field line, each with its CRLF: 64 KiB by default, as in CPython.
    pub line: usize,
    /// The most bytes of the whole head: 128 KiB by default.
    pub head: usize,
    /// The largest number of header fields: 100 by default, as in CPython.
    pub fields: usize,
    /// The most bytes of all chunk extensions and trailer fields of one body: 16 KiB by default.
    pub chunk_overhead: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let MessageLimits { start_line, head, fields, chunk_overhead, .. } = MessageLimits::default();
        ClientLimits { line: start_line, head, fields, chunk_overhead }
    }
}

impl ClientLimits {
    /// The limits as the protocol checks them.
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

/// The limits of the waits in one exchange.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WaitLimits {
    /// The longest single wait.
    pub(super) each: Option<Duration>,
    /// The deadline of all waits.
    pub(super) total: Option<Instant>,
}

impl WaitLimits {
    /// The deadline of a wait that begins now.
    pub(super) fn until(self, now: Instant) -> Option<Instant> {
        // A limit that overflows the clock means no limit.
        let each = self.each.and_then(|each| now.checked_add(each));
        each.into_iter().chain(self.total).min()
    }
}
