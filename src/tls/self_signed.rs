//! A certificate for development: generated in memory, signed by its own key, and never written to a file.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

use super::error::{TlsError, TlsErrorKind};
use super::private_key;

/// The validity period of the certificate: 30 days. The period begins one hour in the past (`EARLIER`), for clients
/// whose clocks are slow.
const VALIDITY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const EARLIER: Duration = Duration::from_secs(60 * 60);

/// Generates a P-256 key and a certificate for these DNS names and addresses. `now` is the time since the Unix epoch.
pub(super) fn certificate(names: Vec<String>, now: Duration) -> Result<CertifiedKey, TlsError> {
    let refused = |error: rcgen::Error| TlsError::from(TlsErrorKind::Configuration(error.to_string()));
    let mut params = CertificateParams::default();
    for name in names {
        let one = CertificateParams::new(vec![name.clone()]).map_err(|_| TlsErrorKind::Name(name))?;
        params.subject_alt_names.extend(one.subject_alt_names);
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "serve-forever, self-signed");
    let start = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(EARLIER);
    (params.not_before, params.not_after) = (start, start + VALIDITY);
    // Some clients reject a server whose own certificate is a CA certificate.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(refused)?;
    let certificate = params.self_signed(&key).map_err(refused)?;
    let key = private_key::load(&PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}
