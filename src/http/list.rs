//! Comma-separated lists in field values (RFC 9110 section 5.6.1).
//!
//! This code must not be used for lists whose elements can be quoted strings, because it would split an element at a
//! comma within quotes.

/// The elements of a list. `values` are the values of all field lines that contain parts of the list. White space (SP,
/// HTAB) around an element is removed, and empty elements are skipped (RFC 9110 section 5.6.1.2).
pub fn list_elements<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values.flat_map(|value| value.split(|byte| *byte == b',')).map(trim_ows).filter(|element| !element.is_empty())
}

/// Removes optional white space (SP and HTAB, RFC 9110 section 5.6.3) from both ends.
pub(crate) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_elements_are_skipped() {
        let lines = [&b"a, ,b\t,"[..], b"", b" c "];
        assert_eq!(list_elements(lines.into_iter()).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }
}
