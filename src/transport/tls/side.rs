//! `TlsSide`, the interface of [`TlsStream`](super::TlsStream) to one side of a TLS connection, and `ServerSide`, its
//! implementation for servers. Bytes are read and written in `stream.rs`.

use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::UnbufferedStatus;
use rustls::{CipherSuite, CommonState, HandshakeKind, ProtocolVersion, ServerConfig};

use super::hello::{ClientOpening, look_at};
use crate::tls_info::TlsInfo;

/// One side of a TLS connection: a wrapper around an unbuffered rustls connection.
pub trait TlsSide {
    /// The type parameter of the rustls types for this side, such as `ServerConnectionData`.
    type Data;

    /// Processes the records in `input` until rustls reaches its next state.
    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// The state that both sides have in common.
    fn common(&self) -> &CommonState;

    /// The server name that the client has requested. `None` if it has not requested one, or if its ClientHello has not
    /// been processed.
    fn server_name(&self) -> Option<&str>;

    /// True on a server until the client's first message has been processed. The response to that message is expensive.
    fn awaits_hello(&self) -> bool {
        false
    }

    /// Inspects received bytes before rustls processes them. The default implementation leaves all of them to rustls.
    fn look_at(&mut self, input: &[u8]) -> FirstLook {
        _ = input;
        FirstLook::Process
    }
}

/// The decision about the first bytes from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLook {
    /// rustls should process the bytes.
    Process,
    /// The bytes are incomplete, so the stream should wait for more.
    Wait,
    /// The bytes are not TLS, but unencrypted HTTP.
    Text,
    /// The bytes are a ClientHello of an unsupported version.
    TooOld,
}

/// The server side of a TLS connection. It inspects the ClientHello before rustls processes it.
pub struct ServerSide {
    connection: UnbufferedServerConnection,
    server_name: Option<Box<str>>,
    /// The configuration; `None` once the ClientHello has been processed.
    before_hello: Option<Arc<ServerConfig>>,
}

impl ServerSide {
    /// Creates the server side of a new connection.
    ///
    /// If ChaCha20 is first in the client's list of cipher suites, the order of that list is respected even if the
    /// configuration ignores it otherwise. Such a client has no CPU instructions for AES, so AES would be slow for it.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, for example because `max_fragment_size` is out of range.
    pub fn new(config: Arc<ServerConfig>) -> Result<ServerSide, rustls::Error> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&config))?;
        Ok(ServerSide { connection, server_name: None, before_hello: Some(config) })
    }

    /// Replaces the connection with one whose configuration respects the client's order of cipher suites. Must be
    /// called before rustls has processed any bytes.
    #[cold]
    fn keep_order_of_client(&mut self, config: &ServerConfig) {
        let mut config = config.clone();
        config.ignore_client_order = false;
        // No error is expected, because a connection has already been created with otherwise the same configuration.
        // After an error, the server's order remains in effect.
        if let Ok(connection) = UnbufferedServerConnection::new(config.into()) {
            self.connection = connection;
        }
    }
}

impl TlsSide for ServerSide {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, ServerConnectionData> {
        self.connection.process_tls_records(input)
    }

    fn common(&self) -> &CommonState {
        &self.connection
    }

    fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    fn awaits_hello(&self) -> bool {
        self.before_hello.is_some()
    }

    fn look_at(&mut self, input: &[u8]) -> FirstLook {
        let Some(config) = &self.before_hello else { return FirstLook::Process };
        match look_at(input) {
            // rustls would consume a partial ClientHello, and then the server name could no longer be extracted from
            // it.
            ClientOpening::Incomplete => return FirstLook::Wait,
            ClientOpening::Text => return FirstLook::Text,
            ClientOpening::TooOld => return FirstLook::TooOld,
            ClientOpening::Hello { server_name, prefers_chacha } => {
                self.server_name = server_name;
                if prefers_chacha && config.ignore_client_order {
                    let config = Arc::clone(config);
                    self.keep_order_of_client(&config);
                }
            }
            // rustls rejects these bytes with the appropriate alert.
            ClientOpening::Other => {}
        }
        // `before_hello` is cleared after the first message, so that a second ClientHello, after a HelloRetryRequest,
        // is passed to rustls like any other record.
        self.before_hello = None;
        FirstLook::Process
    }
}

/// Collects the results of a completed handshake.
pub(super) fn info(side: &impl TlsSide) -> TlsInfo {
    let common = side.common();
    // The verifier has accepted these certificates, because the handshake is complete.
    let certificates = common.peer_certificates().unwrap_or_default();
    TlsInfo {
        version: common.protocol_version().map_or("", protocol_name),
        cipher: common.negotiated_cipher_suite().map_or("", |suite| cipher_name(suite.suite())),
        server_name: side.server_name().map(Into::into),
        alpn: common.alpn_protocol().map(Into::into),
        is_resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        peer_certificates: certificates.iter().map(|certificate| (**certificate).into()).collect(),
    }
}

fn protocol_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        other => other.as_str().unwrap_or_default(),
    }
}

/// The OpenSSL name of a rustls cipher suite.
fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        // These are the cipher suites of the ring provider of rustls. For TLS 1.3, OpenSSL uses the names from the RFC.
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => other.as_str().unwrap_or_default(),
    }
}
