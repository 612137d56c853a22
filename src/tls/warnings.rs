//! Warnings about problems with certificates that are served anyway. Each warning is one line that names the file.

use std::fs::Metadata;

use jiff::Timestamp;

use super::certified::Pair;
use super::error::shown;
use super::x509::Certificate;

/// The remaining validity in seconds below which a warning is given. Automatic renewal usually takes place earlier, so
/// for a certificate with less remaining validity it has probably failed.
const SOON: i64 = 7 * 24 * 60 * 60;

/// The warnings about one certificate and its key. `now` is a Unix time in seconds.
pub(super) fn of_pair(pair: &Pair, now: i64) -> Vec<String> {
    let file = shown(&pair.certificate_file);
    let mut chain = pair.key.cert.iter().map(|der| Certificate::parse(der));
    let (first, second) = (chain.next().flatten(), chain.next());
    let mut lines: Vec<String> = Vec::new();
    if let Some(first) = &first {
        lines.extend(validity(first, now).map(|what| format!("{file}: the certificate {what}")));
    }
    if let (Some(first), Some(second)) = (&first, &second)
        && second.as_ref().is_none_or(|second| second.subject != first.issuer)
    {
        lines.push(format!("{file}: the second certificate does not issue the first, so clients may refuse it"));
    }
    if let Some(mode) = readable_by_others(&pair.key_attributes) {
        lines.push(format!("{}: other users can read the private key (mode {mode:04o})", shown(&pair.key_file)));
    }
    lines
}

/// Warnings about certificates that can never be selected: those without a DNS name, except for the first certificate.
pub(super) fn of_names(pairs: &[Pair]) -> Vec<String> {
    let nameless = pairs.iter().skip(1).filter(|pair| pair.names.is_empty());
    let line =
        |pair: &Pair| format!("{}: the certificate has no DNS name, so it is not used", shown(&pair.certificate_file));
    nameless.map(line).collect()
}

/// Returns the second half of a warning, such as `has expired`, if the certificate has expired, is not valid yet, or
/// expires soon.
fn validity(certificate: &Certificate<'_>, now: i64) -> Option<String> {
    let time = |seconds| Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string());
    let (begin, end) = (certificate.not_before, certificate.not_after);
    match () {
        () if now > end => Some(format!("has expired: it was valid until {}", time(end))),
        () if now < begin => Some(format!("is not valid yet: it is valid from {} on", time(begin))),
        () if end - now < SOON => Some(format!("expires soon: it is valid until {}", time(end))),
        () => None,
    }
}

/// The permissions of the key file, if other users can read it. A file that belongs to root and that its group can read
/// is not reported, because this is a common way to share a key with services.
#[cfg(unix)]
fn readable_by_others(key: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    // If the key comes from a pipe or a socket, only processes that have it open can read it, so its permissions do not
    // matter.
    let mode = key.mode() & 0o777;
    let is_shared_by_root = key.uid() == 0 && mode & 0o037 == 0;
    (key.is_file() && mode & 0o077 != 0 && !is_shared_by_root).then_some(mode)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Metadata) -> Option<u32> {
    None
}
