//! Private keys in PEM, in all formats that OpenSSL writes. Also determines the reason for rejecting a key.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;

use super::der::{Elements, tag};
use super::encryption::{decrypt_legacy, decrypt_pkcs8};
use super::error::TlsErrorKind;
use super::pem::PemBlock;

/// The encoded contents of the object identifiers for key types and curves.
mod identifier {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(super) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    pub(super) const ED448: &[u8] = &[0x2b, 0x65, 0x71];
}

/// Finds the first private key among the blocks of a file, and decrypts it if necessary.
pub(super) fn find(blocks: &[PemBlock], password: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsErrorKind> {
    let key = blocks.iter().find(|block| is_private_key(&block.label)).ok_or(TlsErrorKind::NoPrivateKey)?;
    let contents = match key.header("DEK-Info") {
        Some(info) => decrypt_legacy(&key.contents, info, password)?,
        None if key.label == "ENCRYPTED PRIVATE KEY" => decrypt_pkcs8(&key.contents, password)?,
        None => key.contents.clone(),
    };
    Ok(match key.label.as_str() {
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(contents).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(contents).into(),
        _ => PrivatePkcs8KeyDer::from(contents).into(),
    })
}

fn is_private_key(label: &str) -> bool {
    matches!(label, "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY")
}

/// Converts the key to a signing key. The error for an unsupported key states the kind or the size of the key.
pub(super) fn load(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, TlsErrorKind> {
    // The error from rustls does not say why the key is invalid, so the reason is determined here.
    rustls::crypto::ring::sign::any_supported_type(key).map_err(|_| why_unusable(key))
}

/// Determines why rustls has rejected a key.
fn why_unusable(key: &PrivateKeyDer<'_>) -> TlsErrorKind {
    let found = match key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => sec1_curve(key.secret_sec1_der()).map(curve),
        PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der()),
        _ => None,
    };
    found.unwrap_or(TlsErrorKind::PrivateKey)
}

/// Checks a PKCS #8 key, which contains a version, the algorithm with its parameters, and the key in the format of that
/// algorithm (RFC 5958 section 2).
fn pkcs8(key: &[u8]) -> Option<TlsErrorKind> {
    let mut fields = Elements(key).enter(tag::SEQUENCE)?;
    fields.next_with(tag::INTEGER)?;
    let mut algorithm = fields.enter(tag::SEQUENCE)?;
    let key = fields.next_with(tag::OCTET_STRING)?;
    match algorithm.next_with(tag::OBJECT_IDENTIFIER)?.contents {
        identifier::RSA => rsa(key.contents),
        identifier::EC => algorithm.next_with(tag::OBJECT_IDENTIFIER).map(|parameters| curve(parameters.contents)),
        identifier::ED448 => Some(TlsErrorKind::UnsupportedKey("Ed448".into())),
        _ => Some(TlsErrorKind::UnsupportedKey("its algorithm".into())),
    }
}

/// Checks a PKCS #1 key, which contains a version and the modulus, whose length is the length of the key (RFC 8017
/// appendix A.1.2).
fn rsa(key: &[u8]) -> Option<TlsErrorKind> {
    let mut fields = Elements(key).enter(tag::SEQUENCE)?;
    fields.next_with(tag::INTEGER)?;
    let modulus = fields.next_with(tag::INTEGER)?.contents;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let bits = (modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize;
    (!(2048..=4096).contains(&bits)).then_some(TlsErrorKind::RsaKeyLength(bits))
}

/// The curve of a SEC1 key, which contains a version, the key, and the curve in `[0]` (RFC 5915 section 3).
fn sec1_curve(key: &[u8]) -> Option<&[u8]> {
    let mut fields = Elements(key).enter(tag::SEQUENCE)?;
    fields.next_with(tag::INTEGER)?;
    fields.next_with(tag::OCTET_STRING)?;
    Some(fields.enter(tag::context(0))?.next_with(tag::OBJECT_IDENTIFIER)?.contents)
}

fn curve(identifier: &[u8]) -> TlsErrorKind {
    let curve = if identifier == identifier::P521 { "the curve P-521" } else { "its curve" };
    TlsErrorKind::UnsupportedKey(curve.into())
}
