//! `TlsInfo`: the result of a TLS handshake, for handlers, scripts and logs. Also converts a certificate to PEM. The
//! handshake itself is in `transport`.

use std::fmt;

#[cfg(any(feature = "tls", all(feature = "cgi", target_os = "linux")))]
use base64::{Engine, prelude::BASE64_STANDARD};

/// The result of the TLS handshake of a connection.
///
/// The names of versions and ciphers are those of OpenSSL, which Python's `ssl` module and CGI scripts also use.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsInfo {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) alpn: Option<Box<[u8]>>,
    pub(crate) is_resumed: bool,
    pub(crate) peer_certificates: Vec<Box<[u8]>>,
}

impl TlsInfo {
    /// The TLS version, `TLSv1.2` or `TLSv1.3`, like Python's `SSLSocket.version()`.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The cipher suite, such as `TLS_AES_256_GCM_SHA384` or `ECDHE-ECDSA-AES128-GCM-SHA256`, like Python's
    /// `SSLSocket.cipher()[0]`.
    pub fn cipher(&self) -> &'static str {
        self.cipher
    }

    /// The server name that the client requested (SNI, RFC 6066 section 3). `None` if the client sent no name.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocol that was selected with ALPN (RFC 7301), such as `http/1.1`. `None` if the client offered no
    /// protocols.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// True if the handshake resumed an earlier session of the client.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The verified certificates of the peer in DER, beginning with its own. Empty unless the server requested a
    /// certificate and the client sent one.
    pub fn peer_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.peer_certificates.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The certificates are omitted, because they are long and not legible.
        f.debug_struct("TlsInfo")
            .field("version", &self.version)
            .field("cipher", &self.cipher)
            .field("server_name", &self.server_name)
            .field("is_resumed", &self.is_resumed)
            .finish_non_exhaustive()
    }
}

/// Encodes a certificate as PEM, in lines of 64 characters (RFC 7468 section 2).
#[cfg(any(feature = "tls", all(feature = "cgi", target_os = "linux")))]
pub(crate) fn certificate_pem(certificate: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    // A line of 64 characters encodes 48 bytes.
    for bytes in certificate.chunks(48) {
        BASE64_STANDARD.encode_string(bytes, &mut text);
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}
