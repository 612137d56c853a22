//! The grammar of chunk extensions (RFC 9112 section 7.1.1). Extensions are checked and then ignored. Without the
//! check, this parser and a proxy in front of it could disagree about where the line ends. The size of a chunk and the
//! limit on extensions are in `chunked.rs`.

use crate::http::is_token;

/// True for `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, where the value is a token or a quoted string.
pub(super) fn is_chunk_ext(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some(rest) = after_name(bytes) else { return false };
        // White space after a name is allowed only before "=" or ";". Any other white space is rejected when it is
        // parsed as the next extension.
        bytes = match after_blanks(rest).strip_prefix(b"=") {
            Some(value) => match after_value(after_blanks(value)) {
                Some(rest) => rest,
                None => return false,
            },
            None => rest,
        };
    }
    true
}

/// Skips `BWS ";" BWS name`, and returns the remaining bytes; `None` if the grammar does not match.
fn after_name(bytes: &[u8]) -> Option<&[u8]> {
    let name = after_blanks(after_blanks(bytes).strip_prefix(b";")?);
    after_token(name)
}

/// Skips a token or a quoted string, and returns the remaining bytes; `None` if `bytes` begin with neither.
fn after_value(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.strip_prefix(b"\"") {
        Some(text) => after_quoted(text),
        None => after_token(bytes),
    }
}

/// Skips a token, and returns the remaining bytes; `None` if `bytes` do not begin with a token.
fn after_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().take_while(|byte| is_token(std::slice::from_ref(byte))).count();
    (length > 0).then(|| &bytes[length..])
}

/// Skips the rest of a quoted string whose opening quote precedes `bytes` (RFC 9110 section 5.6.4). Returns the bytes
/// after the closing quote; `None` if the string is malformed.
fn after_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    // qdtext and quoted-pair allow the same bytes, except for `"` and `\`.
    let is_text = |byte: u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    loop {
        // A backslash escapes one byte, so an escaped quote does not end the string.
        bytes = match bytes {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_text(*escaped) => rest,
            [b'\\', ..] => return None,
            [byte, rest @ ..] if is_text(*byte) => rest,
            _ => return None,
        };
    }
}

/// Skips any number of spaces and tabs (BWS, RFC 9110 section 5.6.3).
fn after_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_extensions_are_accepted() {
        for text in [
            "",
            ";a",
            ";a=b",
            ";a=\"b\"",
            ";a=\"\"",
            ";a=\"b;c=d\"",
            r#";a="\"""#,
            r#";a="b\\""#,
            ";a;b;c=d",
            " ; a = b ; c",
            "\t;\ta\t=\tb",
            ";a=\"\u{e9}\t\"",
        ] {
            assert!(is_chunk_ext(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn malformed_extensions_are_refused() {
        for text in [
            ";",
            " ",
            "; ",
            ";;",
            ";a;",
            ";a ",
            ";a=",
            ";a= ",
            ";=b",
            ";a=b=c",
            ";a b",
            ";a=b c",
            ";a=\"",
            ";a=\"b",
            ";a=\"b\\",
            r#";a="b\""#,
            ";a=\"b\"c",
            ";bad[=x",
            ";a=b[",
            ";a\x01",
            ";a=\"\x01\"",
            ";a=\"\x7f\"",
            ";a=\"\\\x01\"",
            "a",
            "=",
        ] {
            assert!(!is_chunk_ext(text.as_bytes()), "{text:?}");
        }
    }
}
