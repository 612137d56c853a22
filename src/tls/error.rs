//! `TlsError`: the error for a TLS configuration that cannot be built, as one line that names the file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::pem::BadPem;

/// The error for a TLS configuration that could not be built. Its message is one line, which names the file if the
/// problem is in a file.
#[derive(Debug)]
pub struct TlsError {
    path: Option<PathBuf>,
    kind: TlsErrorKind,
}

/// The kinds of [`TlsError`], for programs that handle them differently.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The file cannot be read.
    Read(io::Error),
    /// The file is larger than 1 MiB, which is the limit for certificate and key files.
    TooLarge,
    /// A PEM block cannot be decoded.
    Pem {
        /// The 1-based number of the line at which the block begins.
        line: usize,
        /// The reason, such as `the block has no end`.
        why: &'static str,
    },
    /// The file contains no PEM certificate.
    NoCertificate,
    /// The file contains no PEM private key.
    NoPrivateKey,
    /// A certificate in the file cannot be parsed, or is of an unsupported kind.
    Certificate(String),
    /// The private key cannot be parsed.
    PrivateKey,
    /// The private key is of an unsupported kind, such as an EC key on the curve P-521.
    UnsupportedKey(String),
    /// The RSA key has fewer than 2048 or more than 4096 bits. Contains the number of bits.
    RsaKeyLength(usize),
    /// The private key is encrypted, but no password is set.
    PasswordNeeded,
    /// The private key is encrypted with a different password.
    WrongPassword,
    /// The encryption of the private key is not supported.
    UnsupportedEncryption,
    /// The private key in the file does not match the certificate.
    KeyMismatch {
        /// The path of the certificate file.
        certificate: PathBuf,
    },
    /// No certificate was configured.
    NothingToServe,
    /// A name for a self-signed certificate is neither a DNS name nor an address.
    Name(String),
    /// The TLS library rejected the configuration, or the system's random number generator failed. Contains the
    /// message.
    Configuration(String),
}

impl TlsError {
    pub(super) fn new(path: &Path, kind: TlsErrorKind) -> TlsError {
        TlsError { path: Some(path.to_owned()), kind }
    }

    /// The path of the file that caused the error. `None` if no file caused it.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The kind of the error, with its details, such as the position of an invalid PEM block.
    pub fn kind(&self) -> &TlsErrorKind {
        &self.kind
    }
}

impl From<TlsErrorKind> for TlsError {
    fn from(kind: TlsErrorKind) -> TlsError {
        TlsError { path: None, kind }
    }
}

impl From<BadPem> for TlsErrorKind {
    fn from(BadPem { line, why }: BadPem) -> TlsErrorKind {
        TlsErrorKind::Pem { line, why }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        TlsErrorKind::Configuration(error.to_string()).into()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, &self.kind) {
            (Some(path), TlsErrorKind::Read(error)) => write!(f, "cannot read '{}': {error}", shown(path)),
            (Some(path), TlsErrorKind::Pem { line, why }) => write!(f, "{}:{line}: {why}", shown(path)),
            (Some(path), kind) => write!(f, "{}: {kind}", shown(path)),
            (None, kind) => kind.fmt(f),
        }
    }
}

impl fmt::Display for TlsErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsErrorKind::Read(error) => error.fmt(f),
            TlsErrorKind::TooLarge => f.write_str("the file is larger than 1 MiB"),
            TlsErrorKind::Pem { line, why } => write!(f, "line {line}: {why}"),
            TlsErrorKind::NoCertificate => {
                f.write_str("the file contains no certificate (a line -----BEGIN CERTIFICATE-----)")
            }
            TlsErrorKind::NoPrivateKey => {
                f.write_str("the file contains no private key (a line -----BEGIN PRIVATE KEY-----)")
            }
            TlsErrorKind::Certificate(why) => write!(f, "the certificate cannot be used: {why}"),
            TlsErrorKind::PrivateKey => f.write_str("the private key cannot be parsed"),
            TlsErrorKind::UnsupportedKey(what) => write!(
                f,
                "the private key cannot be used: {what} is not supported (must be RSA, P-256, P-384 or Ed25519)"
            ),
            TlsErrorKind::RsaKeyLength(bits) => {
                write!(f, "the private key cannot be used: RSA with {bits} bits (must be 2048 to 4096)")
            }
            TlsErrorKind::PasswordNeeded => f.write_str("the key is encrypted: a password is needed"),
            TlsErrorKind::WrongPassword => f.write_str("the password does not decrypt the private key"),
            TlsErrorKind::UnsupportedEncryption => f.write_str(
                "the private key is encrypted in a way that is not supported (must be PKCS #8 with PBES2, or AES or \
                 triple DES in DEK-Info)",
            ),
            TlsErrorKind::KeyMismatch { certificate } => {
                write!(f, "the private key does not belong to the certificate in {}", shown(certificate))
            }
            TlsErrorKind::NothingToServe => f.write_str("TLS needs a certificate"),
            TlsErrorKind::Name(name) => {
                write!(f, "invalid name for a certificate: '{}' (must be a DNS name or an address)", printable(name))
            }
            TlsErrorKind::Configuration(why) => write!(f, "TLS cannot be configured: {why}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            TlsErrorKind::Read(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// Formats a path for a one-line message, with control characters escaped.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Replaces the control characters in `text`, so that it stays on one line and cannot control a terminal.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_that_names_the_file() {
        let at = |kind| TlsError::new(Path::new("a\nb.pem"), kind).to_string();
        assert_eq!(at(TlsErrorKind::Read(io::Error::other("gone"))), r"cannot read 'a\nb.pem': gone");
        assert_eq!(at(TlsErrorKind::Pem { line: 3, why: "bad" }), r"a\nb.pem:3: bad");
        assert_eq!(
            at(TlsErrorKind::KeyMismatch { certificate: "c\u{1b}".into() }),
            r"a\nb.pem: the private key does not belong to the certificate in c\u{1b}"
        );
        assert_eq!(TlsError::from(TlsErrorKind::NothingToServe).to_string(), "TLS needs a certificate");
    }
}
