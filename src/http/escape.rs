//! Escaping for the two languages that names end up in: HTML text and URL paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What stays as it is in a URL path: letters, digits and `_.-~`, as Python's `urllib.parse.quote` has it.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// Percent-encodes one segment of a path. Everything but letters, digits and `_.-~` is encoded, so that a name can
/// never be read as a scheme, a query, an attribute's end or another segment (contract row SH32).
///
/// ```
/// use serve_forever::http::percent_encode_segment;
/// assert_eq!(percent_encode_segment(b"a b&\xff.txt").to_string(), "a%20b%26%FF.txt");
/// ```
pub fn percent_encode_segment(segment: &[u8]) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::percent_encode(segment, PATH_SEGMENT)
}

/// Decodes `%XX` once; `None` where a `%` is not followed by two hexadecimal digits.
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
/// Quotes are left alone when `quotes` is false, as Python's `html.escape(quote=False)` does for text
/// (contract row HB32).
pub fn escape_html(text: &str, quotes: bool) -> Cow<'_, str> {
    // Names and messages are short: looking at each byte costs less than setting out to look at many at a time.
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
    fn html() {
        assert_eq!(escape_html("a < b & \"c\"", false), "a &lt; b &amp; \"c\"");
        assert_eq!(escape_html("\"'", true), "&quot;&#x27;");
        assert!(matches!(escape_html("plain 'text'", false), Cow::Borrowed(_)));
    }

    #[test]
    fn percent_once() {
        assert_eq!(percent_decode(b"%2541%2F").unwrap().as_ref(), b"%41/");
        for broken in [&b"%"[..], b"%4", b"%zz", b"a%2", b"%%41"] {
            assert_eq!(percent_decode(broken), None, "{broken:?}");
        }
    }
}
