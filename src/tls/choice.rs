//! The choice among several certificates, by the server name in the ClientHello and by the signature schemes that the
//! client supports.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certified::Pair;

/// A certificate, and the DNS names for which it is chosen.
#[derive(Debug)]
struct Named {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

/// Chooses a certificate for each client. The first certificate is the default.
#[derive(Debug)]
pub(super) struct CertificateChoice(Vec<Named>);

impl CertificateChoice {
    /// Creates a choice among these certificates.
    pub(super) fn new(pairs: Vec<Pair>) -> CertificateChoice {
        CertificateChoice(pairs.into_iter().map(|pair| Named { names: pair.names, key: pair.key }).collect())
    }

    /// Creates a choice with a single certificate.
    pub(super) fn only(key: CertifiedKey) -> CertificateChoice {
        CertificateChoice(vec![Named { names: Vec::new(), key: Arc::new(key) }])
    }

    /// The certificates for a server name: those with exactly this name; otherwise those with a matching wildcard;
    /// otherwise the default certificate and those that share a name with it.
    fn candidates(&self, server_name: Option<&str>) -> Vec<&Named> {
        let having = |is_meant: &dyn Fn(&str) -> bool| -> Vec<&Named> {
            self.0.iter().filter(|named| named.names.iter().any(|name| is_meant(name))).collect()
        };
        if let Some(server_name) = server_name.map(str::to_ascii_lowercase) {
            let exact = having(&|name| name == server_name);
            let found = if exact.is_empty() { having(&|name| wildcard_matches(name, &server_name)) } else { exact };
            if !found.is_empty() {
                return found;
            }
        }
        let Some((default, others)) = self.0.split_first() else { return Vec::new() };
        let shares = |other: &&Named| other.names.iter().any(|name| default.names.contains(name));
        std::iter::once(default).chain(others.iter().filter(shares)).collect()
    }
}

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name());
        let is_usable = |named: &&&Named| named.key.key.choose_scheme(hello.signature_schemes()).is_some();
        // If the client supports none of the candidates, the first one is returned. rustls then finds that it cannot be
        // used, and ends the handshake with the appropriate alert.
        let chosen = candidates.iter().find(is_usable).or(candidates.first())?;
        Some(Arc::clone(&chosen.key))
    }
}

/// True if a pattern such as `*.example.org` matches a name with one label before `.example.org` (RFC 9525 section
/// 6.3).
fn wildcard_matches(pattern: &str, name: &str) -> bool {
    let rest = |text: &'_ str| text.find('.').map(|dot| text.split_at(dot).1.to_owned());
    pattern.strip_prefix('*').is_some_and(|suffix| suffix.starts_with('.') && rest(name).as_deref() == Some(suffix))
}
