//! Python's quoting of cookie values (RFC 2109, with `,` and `;` escaped too). These functions accept any value.
//! [`Morsel`](super::Morsel) rejects control characters, even in quotes.

use std::borrow::Cow;
use std::fmt::Write;

/// True for the characters that are allowed in a name and in an unquoted value: letters, digits and `` !#$%&'*+-.^_`|~:
/// ``.
pub(super) fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:".contains(character)
}

/// True for the characters that need no escape in a quoted value.
fn is_unescaped(character: char) -> bool {
    is_legal(character) || " ()/<=>?@[]{}".contains(character)
}

/// Encodes a value for sending. A value is quoted if it is empty, or contains a character other than letters, digits
/// and `` !#$%&'*+-.^_`|~: ``. In a quoted value, `"` and `\` are preceded by a backslash, and control characters, `,`,
/// `;` and the characters from U+007F to U+00FF are written as a backslash and three octal digits.
///
/// ```
/// use serve_forever::cookies::quote;
/// assert_eq!(quote("newton"), "newton");
/// assert_eq!(quote("a,b \"c\""), r#""a\054b \"c\"""#);
/// ```
pub fn quote(value: &str) -> Cow<'_, str> {
    // An empty value is quoted, because Python's pattern for unquoted values requires at least one character.
    if !value.is_empty() && value.chars().all(is_legal) {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // As in Python, a character outside Latin-1 is rejected later, when the header field is created.
            _ if is_unescaped(character) || character > '\u{ff}' => quoted.push(character),
            _ => _ = write!(quoted, "\\{:03o}", u32::from(character)),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Reverses [`quote`]. Text that does not begin and end with a quote is returned unchanged.
///
/// A backslash and three octal digits, up to 377, are decoded to the character with that number. Before any other
/// character, a backslash is removed and the character is kept. Decoding takes linear time (CVE-2024-7592).
///
/// ```
/// use serve_forever::cookies::unquote;
/// assert_eq!(unquote(r#""a\054b \"c\"""#), r#"a,b "c""#);
/// assert_eq!(unquote(r"a\054b"), r"a\054b", "no quotes around it");
/// ```
pub fn unquote(coded: &str) -> Cow<'_, str> {
    match coded.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if inner.contains('\\') => Cow::Owned(unescape(inner)),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(coded),
    }
}

fn unescape(inner: &str) -> String {
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(number) = octal(rest.as_bytes()) {
            value.push(char::from(number));
            rest = &rest[3..];
        } else if let Some(escaped) = rest.chars().next() {
            value.push(escaped);
            rest = &rest[escaped.len_utf8()..];
        } else {
            value.push('\\');
        }
    }
    value + rest
}

/// Decodes the escapes in a quoted value, like [`unquote`], but on bytes. `inner` is the value without its surrounding
/// quotes.
#[cfg(any(feature = "cookie", test))]
pub(crate) fn unquote_escapes(inner: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(inner.len()), inner);
    loop {
        rest = match rest {
            [] => return bytes,
            [b'\\', after @ ..] if octal(after).is_some() => {
                bytes.extend(octal(after));
                &after[3..]
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        }
    }
}

/// The value of the three octal digits at the beginning of `digits`, from 000 to 377. `None` if `digits` does not begin
/// with such a number.
fn octal(digits: &[u8]) -> Option<u8> {
    match digits {
        [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_as_in_python() {
        for (plain, coded) in [
            ("abc!#$%&'*+-.^_`|~:", "abc!#$%&'*+-.^_`|~:"),
            ("", r#""""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a,b;c", r#""a\054b\073c""#),
            ("\n\0\u{7f}", r#""\012\000\177""#),
            ("\u{80}é\u{ff}", r#""\200\351\377""#),
            ("()/<=>?@[]{} ", r#""()/<=>?@[]{} ""#),
            ("a€", "\"a€\""),
        ] {
            assert_eq!(quote(plain), coded);
            assert_eq!(unquote(coded), plain, "{coded}");
        }
    }

    #[test]
    fn escapes_are_read_between_quotes_only() {
        for (coded, plain) in [
            (r"a\012b", r"a\012b"),
            (r#""a\bc""#, "abc"),
            (r#""\400""#, "400"),
            (r#""\\012""#, r"\012"),
            (r#""\1""#, "1"),
            (r#""a\"#, r#""a\"#),
            ("\"", "\""),
            ("\"\"", ""),
            ("\"\\\"", "\\"),
            ("\"\\é\"", "é"),
        ] {
            assert_eq!(unquote(coded), plain, "{coded}");
        }
    }

    #[test]
    fn bytes_are_unquoted_as_text_is() {
        for inner in [r"a\054b\\\x\377\400\", "plain", r"\1", r"\", ""] {
            let quoted = format!("\"{inner}\"");
            let expected: Vec<u8> = unquote(&quoted).chars().map(|c| u8::try_from(c).unwrap()).collect();
            assert_eq!(unquote_escapes(inner.as_bytes()), expected, "{inner}");
        }
    }

    /// CVE-2024-7592: CPython searched the rest of the value once for each backslash.
    #[test]
    fn a_million_backslashes_are_unquoted_in_one_pass() {
        let coded = format!("\"{}\"", "\\".repeat(1_000_000));
        assert_eq!(unquote(&coded).len(), 500_000);
    }
}
