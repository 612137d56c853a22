//! Parses the parts of a certificate (RFC 5280) that a server needs: names, validity and serial number. This file does
//! not verify certificates; rustls does.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::der::{Element, Elements, tag};

/// The encoded contents of the object identifier for subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The parsed parts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate<'d> {
    /// The serial number as big-endian bytes, possibly with a leading zero byte.
    pub(super) serial: &'d [u8],
    /// The encoded names of the issuer and the subject.
    pub(super) issuer: &'d [u8],
    pub(super) subject: &'d [u8],
    /// The first (`not_before`) and the last (`not_after`) second of the validity period, in Unix time.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// The DNS names among the subject's alternative names, in lower case.
    pub(super) dns_names: Vec<String>,
}

impl<'d> Certificate<'d> {
    /// Parses a certificate. `None` if the bytes are not a certificate.
    pub(super) fn parse(der: &'d [u8]) -> Option<Certificate<'d>> {
        let mut fields = Elements(der).enter(tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
        _ = fields.next_with(tag::context(0)); // version
        let serial = fields.next_with(tag::INTEGER)?.contents;
        fields.next_with(tag::SEQUENCE)?; // algorithm of the signature
        let issuer = fields.next_with(tag::SEQUENCE)?.whole;
        let mut validity = fields.enter(tag::SEQUENCE)?;
        let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
        let subject = fields.next_with(tag::SEQUENCE)?.whole;
        fields.next_with(tag::SEQUENCE)?; // public key
        let extensions = fields.find(|field| field.tag == tag::context(3));
        let mut extensions = extensions.and_then(|field| field.reader().enter(tag::SEQUENCE)).into_iter().flatten();
        let dns_names = extensions.find_map(alternative_names).map(dns_names).unwrap_or_default();
        Some(Certificate { serial, issuer, subject, not_before, not_after, dns_names })
    }
}

/// Parses a time in one of the two forms of RFC 5280 section 4.1.2.5. Returns the Unix time in seconds.
fn time(element: Element<'_>) -> Option<i64> {
    let digits = std::str::from_utf8(element.contents).ok()?.strip_suffix('Z')?;
    let (year, rest) = match element.tag {
        tag::UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(2 * at..2 * at + 2)?.parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The names in a subjectAltName extension. `None` for any other extension.
fn alternative_names(extension: Element<'_>) -> Option<Elements<'_>> {
    let mut fields = extension.reader();
    if fields.next_with(tag::OBJECT_IDENTIFIER)?.contents != SUBJECT_ALT_NAME {
        return None;
    }
    _ = fields.next_with(tag::BOOLEAN); // critical
    Elements(fields.next_with(tag::OCTET_STRING)?.contents).enter(tag::SEQUENCE)
}

fn dns_names(names: Elements<'_>) -> Vec<String> {
    let dns = names.filter(|name| name.tag == tag::context_bytes(2));
    dns.filter_map(|name| Some(std::str::from_utf8(name.contents).ok()?.to_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let read = |tag, text: &str| time(Element { tag, contents: text.as_bytes(), whole: &[] });
        assert_eq!(read(tag::UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(read(tag::UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(read(tag::GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        for wrong in ["", "Z", "7001010000Z", "701301000000Z", "70010100000\u{e9}Z", "700101000000"] {
            assert_eq!(read(tag::UTC_TIME, wrong), None, "{wrong}");
        }
        assert_eq!(read(tag::INTEGER, "700101000000Z"), None);
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        for wrong in [&b""[..], b"\x30\x00", b"\x30\x80", b"-----BEGIN"] {
            assert_eq!(Certificate::parse(wrong), None);
        }
    }
}
