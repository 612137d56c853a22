//! The content codings that a client accepts (`Accept-Encoding`, RFC 9110 section 12.5.3). `siblings` looks for files
//! in these codings.

use std::cmp::Reverse;

use super::qvalue::parse_qvalue;
use crate::http::{RequestFields, list_elements};

/// A content coding for which a file can have a compressed sibling. The most compact coding comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// Every coding, in the server's order of preference.
    pub(crate) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstandard, Coding::Gzip];

    /// Returns the name of the coding in the `Content-Encoding` field.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// Returns the suffix that is appended to a file's name to form the name of its sibling.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstandard => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    fn is_named(self, name: &[u8]) -> bool {
        // `x-gzip` is the same as `gzip` (RFC 9110 section 8.4.1.3).
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || (self == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// The codings that a client accepts and prefers to `identity`, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AcceptedCodings {
    codings: [Option<Coding>; 3],
}

impl AcceptedCodings {
    /// Parses `Accept-Encoding`. Codings with equal weights are in the order of [`Coding::ALL`]. If the request has no
    /// `Accept-Encoding` field, the result is empty, because many simple clients do not send the field and cannot
    /// decode any coding.
    pub(crate) fn of(headers: RequestFields<'_>) -> AcceptedCodings {
        let (mut named, mut rest, mut identity) = ([None; 3], None, None);
        for (name, weight) in elements(headers) {
            // If a name occurs more than once, `get_or_insert` keeps its first weight.
            if let Some(at) = Coding::ALL.iter().position(|coding| coding.is_named(name)) {
                named[at].get_or_insert(weight);
            } else if name == b"*" {
                rest.get_or_insert(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                identity.get_or_insert(weight);
            }
        }
        // If the field does not name `identity`, then `identity` is acceptable, but every coding with a non-zero weight
        // is preferred.
        let least = identity.unwrap_or(0).max(1);
        let mut weighed = [0, 1, 2].map(|at| (named[at].or(rest).unwrap_or(0), Coding::ALL[at]));
        weighed.sort_by_key(|(weight, _)| Reverse(*weight));
        AcceptedCodings { codings: weighed.map(|(weight, coding)| (weight >= least).then_some(coding)) }
    }

    /// True if the client accepts none of the codings, or prefers the uncompressed file to all of them.
    pub(crate) fn is_empty(&self) -> bool {
        self.codings == [None; 3]
    }

    /// Returns the accepted codings in order of preference.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Coding> {
        self.codings.into_iter().flatten()
    }
}

/// Returns the coding names listed in `Accept-Encoding`, with their weights in thousandths. Elements with a malformed
/// weight are skipped. A weight above 1 is treated as 1.
fn elements<'a>(headers: RequestFields<'a>) -> impl Iterator<Item = (&'a [u8], u16)> {
    list_elements(headers.get_all("Accept-Encoding")).filter_map(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next()?;
        let weight = parts.next().map_or(Some(1000), |part| match part {
            [b'q' | b'Q', b'=', value @ ..] => parse_qvalue(value),
            _ => None,
        });
        Some((name, weight?.min(1000)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    fn accepted(fields: &[&str]) -> String {
        let request =
            fields.iter().fold(Request::builder("GET", "/"), |request, value| request.header("Accept-Encoding", value));
        let names: Vec<_> = AcceptedCodings::of(request.build().headers()).iter().map(Coding::name).collect();
        names.join(" ")
    }

    #[test]
    fn codings_by_weight_then_by_our_order() {
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
}
