//! The verification of client certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::certified::{certificates, read_pem};
use super::error::{TlsError, TlsErrorKind};

/// Determines whether clients without a certificate are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client without a certificate is rejected in the handshake, with the alert `certificate_required` in TLS 1.3.
    #[default]
    Required,
    /// A client need not have a certificate. If the client sends a certificate, it must have been issued by an accepted
    /// authority.
    Optional,
}

/// The clients that a configuration accepts: the hash of the authorities, and the mode. `None` if no certificates are
/// requested. A session that began under one configuration can be resumed under another only if both accept the same
/// clients, because a resumed session is not verified again.
pub(super) type AcceptedClients = Option<([u8; 32], ClientAuth)>;

/// Creates a verifier that accepts client certificates issued by the authorities in a file.
pub(super) fn verifier(
    file: &Path,
    mode: ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, AcceptedClients), TlsError> {
    let authorities = certificates(read_pem(file)?.0);
    if authorities.is_empty() {
        return Err(TlsError::new(file, TlsErrorKind::NoCertificate));
    }
    let unusable = |why: String| TlsError::new(file, TlsErrorKind::Certificate(why));
    let mut roots = RootCertStore::empty();
    let mut hash = hmac_sha256::Hash::new();
    for authority in authorities {
        hash.update(&authority);
        roots.add(authority).map_err(|error| unusable(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match mode {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    let verifier = builder.build().map_err(|error| unusable(error.to_string()))?;
    Ok((verifier, Some((hash.finalize(), mode))))
}
