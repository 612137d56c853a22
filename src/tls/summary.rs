//! `CertificateSummary`: the parts of a certificate as text.

use std::fmt::Write as _;

use super::distinguished_name;
use super::x509::Certificate;

/// The parts of a certificate as text, for handlers, scripts and logs. The certificate is not verified here.
///
/// ```
/// use serve_forever::tls::CertificateSummary;
///
/// assert_eq!(CertificateSummary::of(b"no certificate"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateSummary {
    /// The name of the subject in RFC 4514 format, such as `CN=Carla,O=Example`. The name is always a single line.
    pub subject: String,
    /// The name of the issuer, in the same format as `subject`.
    pub issuer: String,
    /// The serial number in hexadecimal digits.
    pub serial_number: String,
}

impl CertificateSummary {
    /// Parses a certificate in DER, such as one from `TlsInfo::peer_certificates`. `None` if it cannot be parsed.
    pub fn of(der: &[u8]) -> Option<CertificateSummary> {
        let certificate = Certificate::parse(der)?;
        // DER puts a zero byte before a positive number whose first bit is set.
        let digits = match certificate.serial {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        Some(CertificateSummary {
            subject: distinguished_name::text(certificate.subject)?,
            issuer: distinguished_name::text(certificate.issuer)?,
            serial_number: digits.iter().fold(String::new(), |mut text, byte| {
                _ = write!(text, "{byte:02X}");
                text
            }),
        })
    }
}
