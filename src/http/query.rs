//! Decodes queries and forms: `application/x-www-form-urlencoded`.

use std::borrow::Cow;

/// The decoded pairs of a query or a form, in order. Empty parts, as in `a&&b`, are skipped. A part without `=` is a
/// name with an empty value.
pub(crate) fn query_pairs(query: &[u8]) -> Vec<(String, String)> {
    let parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    let pair = |part: &[u8]| {
        let equals = memchr::memchr(b'=', part);
        let (name, value) = equals.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
        (decode(name), decode(value))
    };
    parts.map(pair).collect()
}

fn decode(text: &[u8]) -> String {
    let spaces: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes: Cow<'_, [u8]> = percent_encoding::percent_decode(&spaces).into();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_once_and_keeps_its_order() {
        let pairs = query_pairs(b"q=a+b&&q=%2541&empty&x=1=2&bad=%zz&umlaut=%C3%BC&broken=%FF");
        let expected = [
            ("q", "a b"),
            ("q", "%41"),
            ("empty", ""),
            ("x", "1=2"),
            ("bad", "%zz"),
            ("umlaut", "ü"),
            ("broken", "\u{fffd}"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
