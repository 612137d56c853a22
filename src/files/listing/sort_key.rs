//! Names compared as CPython compares them.

/// Appends the key of a name to `out`, unless the name is its own key. Keys compared as bytes give the order of
/// CPython's `sorted(names, key=str.lower)` (contract row SH29): code points of the lower-case name, where a byte that
/// is no UTF-8 counts as the surrogate code point that Python decodes it to.
pub(super) fn push_sort_key(name: &[u8], out: &mut Vec<u8>) {
    if !name.is_ascii() {
        push_key_of_chunks(name, out);
    } else if name.iter().any(u8::is_ascii_uppercase) {
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }
}

fn push_key_of_chunks(name: &[u8], out: &mut Vec<u8>) {
    for chunk in name.utf8_chunks() {
        out.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
        for byte in chunk.invalid() {
            // U+DC80 to U+DCFF, in the three bytes that UTF-8 would have for them.
            out.extend_from_slice(&[0xed, 0xb0 | (byte >> 6), 0x80 | (byte & 0x3f)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        push_sort_key(name, &mut key);
        if key.is_empty() { name.to_vec() } else { key }
    }

    #[test]
    fn the_order_of_cpython() {
        // sorted(names, key=str.lower) of CPython 3.11, names decoded with surrogateescape.
        let sorted: [&[u8]; 14] = [
            b" x",
            b".b",
            b"_",
            b"A.txt",
            b"a0",
            b"B",
            b"c\xc3",
            b"Z",
            b"\xc3\x89t\xc3\xa9",
            "日本".as_bytes(),
            b"\x80",
            b"\xff",
            "\u{fb01}".as_bytes(),
            "\u{1f600}".as_bytes(),
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by_key(|name| key(name));
        assert_eq!(names, sorted);
    }

    #[test]
    fn lower_case_of_all_scripts() {
        assert_eq!(key("ÀΣ".as_bytes()), "àς".as_bytes());
        assert_eq!(key(b"plain.txt"), b"plain.txt");
        assert_eq!(key(b"\xff"), [0xed, 0xb3, 0xbf]);
        assert_eq!(key(b"\x80"), [0xed, 0xb2, 0x80]);
    }
}
