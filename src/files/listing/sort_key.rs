//! Sort keys for names: CPython's order and natural order.

/// Appends the sort key of a name to `out`, or nothing if the name is its own key. Comparing keys as bytes yields the
/// order of CPython's `sorted(names, key=str.lower)`, which compares the code points of the lower-case names. A byte
/// that is not UTF-8 is compared as the surrogate to which Python decodes it. If `natural` is true, sequences of digits
/// are compared as numbers.
pub(super) fn push_sort_key(name: &[u8], natural: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if !name.is_ascii() {
        push_key_of_chunks(name, out);
    } else if name.iter().any(u8::is_ascii_uppercase) {
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }
    if natural && name.iter().any(u8::is_ascii_digit) {
        let plain = if out.len() > start { out.split_off(start) } else { name.to_vec() };
        push_with_numbers(&plain, out);
    }
}

/// Appends a key in which each number is preceded by the count of its digits, so that numbers with fewer digits come
/// first. The count is itself written as a digit, so that numbers sort like digits relative to other characters. If
/// there are nine or more digits, the count is written as a `9` followed by the count as one byte.
fn push_with_numbers(mut rest: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = rest.iter().position(u8::is_ascii_digit) {
        out.extend_from_slice(&rest[..at]);
        let after = rest[at..].iter().position(|byte| !byte.is_ascii_digit()).map_or(rest.len(), |length| at + length);
        // Leading zeros are not part of the key, because they do not change the number. Names with equal keys are
        // compared by their bytes later.
        let zeros = rest[at..after].iter().take_while(|byte| **byte == b'0').count();
        let digits = &rest[at + zeros..after];
        out.push(b'0' + digits.len().min(9) as u8);
        if digits.len() >= 9 {
            // A name has at most 255 bytes, so the count fits into one byte.
            out.push(digits.len().min(255) as u8);
        }
        out.extend_from_slice(digits);
        rest = &rest[after..];
    }
    out.extend_from_slice(rest);
}

fn push_key_of_chunks(name: &[u8], out: &mut Vec<u8>) {
    for chunk in name.utf8_chunks() {
        out.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
        for byte in chunk.invalid() {
            // These are the three bytes that UTF-8 would use for the surrogate, U+DC80 to U+DCFF.
            out.extend_from_slice(&[0xed, 0xb0 | (byte >> 6), 0x80 | (byte & 0x3f)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        push_sort_key(name, false, &mut key);
        if key.is_empty() { name.to_vec() } else { key }
    }

    #[test]
    fn keys_give_the_order_of_cpython() {
        // The order of `sorted(names, key=str.lower)` in CPython 3.11, with names decoded with `surrogateescape`.
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
    fn keys_are_lower_case_in_all_scripts() {
        assert_eq!(key("ÀΣ".as_bytes()), "àς".as_bytes());
        assert_eq!(key(b"plain.txt"), b"plain.txt");
        assert_eq!(key(b"\xff"), [0xed, 0xb3, 0xbf]);
        assert_eq!(key(b"\x80"), [0xed, 0xb2, 0x80]);
    }

    #[test]
    fn natural_keys_compare_numbers() {
        let sorted = [
            "!",
            "0",
            "00",
            "1",
            "01",
            "2a",
            "10",
            "99999999",
            "123456789",
            "1234567890",
            "a",
            "File1",
            "file02",
            "file2.txt",
            "file2b",
            "file10.2",
            "file10.10",
            "file10.txt",
            "filex",
            "v1.2.9",
            "v1.2.10",
            "v1.10.0",
            "é9",
            "É10",
        ];
        let key = |name: &&str| {
            let mut key = Vec::new();
            push_sort_key(name.as_bytes(), true, &mut key);
            if key.is_empty() { name.as_bytes().to_vec() } else { key }
        };
        let mut names = sorted;
        names.reverse();
        names.sort_by_key(|name| (key(name), name.as_bytes()));
        assert_eq!(names.map(|name| key(&name)), sorted.map(|name| key(&name)));
    }
}
