//! Selects the end-to-end fields of a message, which a proxy passes on.
//!
//! The proxy itself adds fields such as `Via`.

use super::{HeaderList, RequestFields, list_elements};

/// The hop-by-hop fields, in addition to those that `Connection` names (RFC 9110 section 7.6.1) and to all fields whose
/// names begin with `Proxy-`.
const HOP_BY_HOP: [&str; 6] = ["Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"];

/// The number of fields for which memory is reserved in addition, because a proxy adds fields such as `Via`.
const MORE_FIELDS: usize = 4;

/// The number of bytes that are reserved for these fields.
const MORE_BYTES: usize = 128;

impl RequestFields<'_> {
    /// A copy of the fields that a proxy passes on. Hop-by-hop fields are omitted: `Connection` and the fields that it
    /// names, `Keep-Alive`, `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade` and `Proxy-...` (RFC 9110 section 7.6.1).
    /// `Content-Length` is omitted if there is a `Transfer-Encoding`, because it then does not determine the length of
    /// the body (RFC 9112 section 6.3).
    pub fn end_to_end(self) -> HeaderList {
        let named: Vec<&[u8]> = list_elements(self.get_all("Connection")).collect();
        let is_chunked = self.contains("Transfer-Encoding");
        let is_left_out = |name: &[u8]| {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            let is_for_a_proxy = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"Proxy-"));
            let is_named = named.iter().any(|other| name.eq_ignore_ascii_case(other));
            is_for_a_proxy || is_named || HOP_BY_HOP.into_iter().any(is) || (is_chunked && is("Content-Length"))
        };
        let mut kept = HeaderList::new();
        kept.reserve(self.len() + MORE_FIELDS, self.head.len() + MORE_BYTES);
        for field in self.fields.all() {
            if !is_left_out(field.name.slice(self.head)) {
                kept.push_from(self.head, *field);
            }
        }
        kept
    }
}

impl HeaderList {
    /// A copy of the fields that a proxy passes on, selected as in [`RequestFields::end_to_end`].
    pub fn end_to_end(&self) -> HeaderList {
        self.view().end_to_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(fields: &[(&str, &str)]) -> String {
        let mut list = HeaderList::new();
        fields.iter().for_each(|(name, value)| list.add(name, *value).unwrap());
        String::from_utf8(list.end_to_end().lines().to_vec()).unwrap()
    }

    #[test]
    fn fields_of_this_connection_and_those_that_it_names_are_left_out() {
        let fields = [
            ("Host", "a"),
            ("connection", "close, X-One"),
            ("x-one", "1"),
            ("X-Two", "2"),
            ("Connection", "x-three"),
            ("X-Three", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authorization", "Basic eA=="),
            ("TE", "trailers"),
            ("Trailer", "X-Sum"),
            ("Upgrade", "h2c"),
            ("Content-Length", "5"),
            ("Proxy", "kept"),
        ];
        assert_eq!(passed_on(&fields), "Host: a\r\nX-Two: 2\r\nContent-Length: 5\r\nProxy: kept\r\n");
    }

    #[test]
    fn a_content_length_beside_a_transfer_encoding_is_left_out() {
        let fields = [("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("X", "1")];
        assert_eq!(passed_on(&fields), "X: 1\r\n");
    }
}
