//! Compressed siblings: `app.js.br`, `app.js.zst` and `app.js.gz` beside `app.js`, chosen by `Accept-Encoding`
//! (RFC 9110 section 12.5.3). The build of the site makes them; nothing is compressed here, and nothing of this is used
//! unless the service is told to serve them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache::CacheDependency;
use super::tree::{Identity, Tree};
use crate::http::{RequestFields, list_elements};

/// A content coding that a sibling may have, the most compact one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstandard, Coding::Gzip];

impl Coding {
    /// The value of `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// What a sibling's name has after the original's.
    fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstandard => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    fn is_named(self, name: &[u8]) -> bool {
        // RFC 9110 section 8.4.1.3 has `x-gzip` for old clients.
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || (self == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// The codings that a client wants rather than none, the most accepted one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AcceptedCodings {
    codings: [Option<Coding>; 3],
}

impl AcceptedCodings {
    /// What `Accept-Encoding` asks for. Codings of equal weight come in our own order. Without the field nothing is
    /// accepted: many a simple client that sends none could not decode it.
    pub(crate) fn of(headers: RequestFields<'_>) -> AcceptedCodings {
        let (mut named, mut rest, mut identity) = ([None; 3], None, None);
        for (name, weight) in elements(headers) {
            // Of several weights for one name the first counts.
            if let Some(at) = ALL.iter().position(|coding| coding.is_named(name)) {
                named[at].get_or_insert(weight);
            } else if name == b"*" {
                rest.get_or_insert(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                identity.get_or_insert(weight);
            }
        }
        // A client that does not speak of identity accepts it, but does not ask for it.
        let least = identity.unwrap_or(0).max(1);
        let mut weighed = [0, 1, 2].map(|at| (named[at].or(rest).unwrap_or(0), ALL[at]));
        weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        AcceptedCodings { codings: weighed.map(|(weight, coding)| (weight >= least).then_some(coding)) }
    }

    /// Whether nothing but the original will do.
    pub(crate) fn is_none(&self) -> bool {
        self.codings == [None; 3]
    }

    /// The codings, the most accepted one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Coding> {
        self.codings.into_iter().flatten()
    }
}

/// Names and weights (in thousandths) of the field. An element whose weight is none is left out.
fn elements<'a>(headers: RequestFields<'a>) -> impl Iterator<Item = (&'a [u8], u16)> {
    list_elements(headers.get_all("Accept-Encoding")).filter_map(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next()?;
        let weight = parts.next().map_or(Some(1000), |part| match part {
            [b'q' | b'Q', b'=', value @ ..] => thousandths(value),
            _ => None,
        });
        Some((name, weight?))
    })
}

/// A qvalue (RFC 9110 section 12.4.2): 0 or 1 and up to three digits after the point.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u16::from(digit - b'0'));
    Some((u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2)).min(1000))
}

/// The siblings of a file as they are now.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    found: Vec<(Coding, CacheDependency)>,
}

impl Siblings {
    /// Looks for them. A file that is compressed itself has none.
    pub(crate) fn of(tree: &Tree, original: &Path) -> Siblings {
        let name = original.as_os_str().as_encoded_bytes();
        if ALL.iter().any(|coding| name.ends_with(coding.suffix().as_bytes())) {
            return Siblings::default();
        }
        let look = |coding: Coding| {
            let path = with_suffix(original, coding.suffix());
            (coding, CacheDependency { file: tree.file(&path), path })
        };
        Siblings { found: ALL.map(look).into() }
    }

    /// The one that the client wants most among those that can stand for the original.
    pub(crate) fn choose(&self, accepted: AcceptedCodings, original: &Identity) -> Option<(Coding, &Path, Identity)> {
        accepted.iter().find_map(|coding| {
            let (_, dependency) = self.found.iter().find(|(other, _)| *other == coding)?;
            let file = dependency.file.filter(|file| stands_for(file, original))?;
            Some((coding, dependency.path.as_path(), file))
        })
    }

    /// Whether what is sent depends on `Accept-Encoding`.
    pub(crate) fn any(&self, original: &Identity) -> bool {
        self.found.iter().any(|(_, dependency)| dependency.file.is_some_and(|file| stands_for(&file, original)))
    }

    /// What was found where.
    pub(crate) fn dependencies(self) -> impl Iterator<Item = CacheDependency> {
        self.found.into_iter().map(|(_, dependency)| dependency)
    }
}

/// Whether a sibling is the original in another coding, as far as that shows. An empty file is not: no coding makes
/// nothing of something, but a compressor that ran out of space leaves one behind.
fn stands_for(sibling: &Identity, original: &Identity) -> bool {
    sibling.size > 0 && !is_stale(sibling, original)
}

/// Whether the original changed after its sibling was made. Tools that give the sibling the original's time may cut
/// off the fraction of the second; then whole seconds are compared.
fn is_stale(sibling: &Identity, original: &Identity) -> bool {
    let mut changed = original.modified;
    if sibling.modified.nanoseconds == 0 {
        changed.nanoseconds = 0;
    }
    sibling.modified < changed
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tree::Timestamp;
    use crate::http::Request;

    fn accepted(fields: &[&str]) -> String {
        let request =
            fields.iter().fold(Request::builder("GET", "/"), |request, value| request.header("Accept-Encoding", value));
        let names: Vec<_> = AcceptedCodings::of(request.build().headers()).iter().map(Coding::name).collect();
        names.join(" ")
    }

    #[test]
    fn what_is_wanted() {
        for (field, codings) in [
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br zstd gzip"),
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("gzip;q=1.0, br;q=0.5", "gzip br"),
            ("gzip;q=0.001, br ; q=0", "gzip"),
            ("gzip;q=0", ""),
            ("gzip;q=0.000", ""),
            ("identity", ""),
            ("", ""),
            ("deflate", ""),
            ("*", "br zstd gzip"),
            ("*;q=0.5, br;q=0", "zstd gzip"),
            ("*;q=0, gzip", "gzip"),
            ("identity;q=1, *;q=0", ""),
            ("identity, gzip;q=0.5", ""),
            ("identity;q=0.5, gzip;q=0.5", "gzip"),
            ("identity;q=0, gzip;q=0.1", "gzip"),
            ("identity;q=0", ""),
            ("gzip;q=2, br;q=x, zstd;level=3", ""),
            ("gzip;q=0.1234", ""),
            ("gzip;q=1.5", "gzip"),
            ("gzip;q=", ""),
            ("gzip;q=.5", ""),
        ] {
            assert_eq!(accepted(&[field]), codings, "{field}");
        }
        assert_eq!(accepted(&[]), "");
        assert_eq!(accepted(&["gzip", "br"]), "br gzip");
    }

    #[test]
    fn a_sibling_must_not_be_older() {
        let identity = |seconds, nanoseconds| {
            let stamp = Timestamp { seconds, nanoseconds };
            Identity { device: 0, inode: 0, size: 0, modified: stamp, changed: stamp }
        };
        for (sibling, original, stale) in [
            ((10, 5), (10, 5), false),
            ((10, 6), (10, 5), false),
            ((10, 4), (10, 5), true),
            ((10, 0), (10, 5), false),
            ((9, 0), (10, 5), true),
            ((9, 999), (10, 0), true),
            ((11, 1), (10, 5), false),
        ] {
            let stale_now = is_stale(&identity(sibling.0, sibling.1), &identity(original.0, original.1));
            assert_eq!(stale_now, stale, "{sibling:?} {original:?}");
        }
    }
}
