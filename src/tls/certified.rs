//! Reads a certificate and its private key from files, decrypts the key, and checks that the two match.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::error::{TlsError, TlsErrorKind};
use super::pem::{self, PemBlock};
use super::private_key;
use super::x509::Certificate;

/// The maximum size of a certificate or key file in bytes. The usual size of a certificate chain is a few kilobytes.
const LARGEST_FILE: u64 = 1 << 20;

/// A certificate with its chain and key, the names by which it is chosen for a client, and the metadata for warnings.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The DNS names in the certificate, in lower case.
    pub(super) names: Vec<String>,
    /// The paths of the certificate file and of the key file, for warnings.
    pub(super) certificate_file: PathBuf,
    pub(super) key_file: PathBuf,
    /// The metadata of the key file when it was read.
    pub(super) key_attributes: Metadata,
}

impl Pair {
    /// Reads a certificate with its chain, and its private key. Both can be in the same file. The password is used if
    /// the key is encrypted.
    pub(super) fn load(certificate: &Path, key: &Path, password: Option<&str>) -> Result<Pair, TlsError> {
        let (blocks, _) = read_pem(certificate)?;
        let chain = certificates(blocks);
        let first = chain.first().ok_or_else(|| TlsError::new(certificate, TlsErrorKind::NoCertificate))?;
        let unusable = |why: &str| TlsError::new(certificate, TlsErrorKind::Certificate(why.to_owned()));
        let names = Certificate::parse(first).ok_or_else(|| unusable("it is not X.509"))?.dns_names;
        let (blocks, key_attributes) = read_pem(key)?;
        let loaded = private_key::find(&blocks, password).and_then(|key| private_key::load(&key));
        let loaded = loaded.map_err(|kind| TlsError::new(key, kind))?;
        let pair = CertifiedKey::new(chain, loaded);
        match pair.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Pair {
                key: Arc::new(pair),
                names,
                certificate_file: certificate.to_owned(),
                key_file: key.to_owned(),
                key_attributes,
            }),
            Err(Error::InconsistentKeys(_)) => {
                Err(TlsError::new(key, TlsErrorKind::KeyMismatch { certificate: certificate.to_owned() }))
            }
            Err(error) => Err(unusable(&error.to_string())),
        }
    }
}

/// The certificates among the PEM blocks of a file, in the order of the file.
pub(super) fn certificates(blocks: Vec<PemBlock>) -> Vec<CertificateDer<'static>> {
    let of_certificates = |block: &PemBlock| matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE");
    blocks.into_iter().filter(of_certificates).map(|block| block.contents.into()).collect()
}

/// Reads the PEM blocks in a file, and the file's metadata.
pub(super) fn read_pem(path: &Path) -> Result<(Vec<PemBlock>, Metadata), TlsError> {
    let read = || {
        let file = File::open(path)?;
        let (attributes, mut bytes) = (file.metadata()?, Vec::new());
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        Ok((bytes, attributes))
    };
    let (bytes, attributes) = read().map_err(|error| TlsError::new(path, TlsErrorKind::Read(error)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(TlsError::new(path, TlsErrorKind::TooLarge));
    }
    let blocks = pem::blocks(&bytes).map_err(|bad| TlsError::new(path, bad.into()))?;
    Ok((blocks, attributes))
}
