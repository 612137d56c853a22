//! Escapes names and messages for HTML text and URL paths.
//!
//! Path normalisation is in `path`; escaping for the log is done elsewhere.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The bytes that are percent-encoded: all except letters, digits and `_.-~`, as in Python's `urllib.parse.quote` with
/// `safe=''`.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// Percent-encodes one segment of a path. All bytes except letters, digits and `_.-~` are encoded, so that no part of
/// the segment can be parsed as a scheme, a query, the end of an HTML attribute or another segment.
///
/// ```
/// use serve_forever::http::percent_encode_segment;
/// assert_eq!(percent_encode_segment(b"a b&\xff.txt").to_string(), "a%20b%26%FF.txt");
/// ```
pub fn percent_encode_segment(segment: &[u8]) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::percent_encode(segment, PATH_SEGMENT)
}

/// Decodes every `%XX` once. Returns `None` if a `%` is not followed by two hexadecimal digits.
pub fn percent_decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return None,
        }
    }
    Some(percent_encoding::percent_decode(text).into())
}

/// Escapes `&`, `<`, `>`, `"` and `'` for HTML text and attribute values.
///
/// If `quotes` is false, `"` and `'` are not escaped, as in Python's `html.escape(quote=False)`.
pub fn escape_html(text: &str, quotes: bool) -> Cow<'_, str> {
    // Names and messages are so short that a loop over the bytes is cheaper than setting up a vectorised search.
    let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'>') || (quotes && matches!(byte, b'"' | b'\''));
    if !text.as_bytes().iter().any(special) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' if quotes => escaped.push_str("&quot;"),
            '\'' if quotes => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped_with_and_without_quotes() {
        assert_eq!(escape_html("a < b & \"c\"", false), "a &lt; b &amp; \"c\"");
        assert_eq!(escape_html("\"'", true), "&quot;&#x27;");
        assert!(matches!(escape_html("plain 'text'", false), Cow::Borrowed(_)));
    }

    #[test]
    fn percent_escapes_are_decoded_once() {
        assert_eq!(percent_decode(b"%2541%2F").unwrap().as_ref(), b"%41/");
        for broken in [&b"%"[..], b"%4", b"%zz", b"a%2", b"%%41"] {
            assert_eq!(percent_decode(broken), None, "{broken:?}");
        }
    }
}
