//! Writes the text in listings: escaped names without line breaks, for HTML and JSON, and numbers, sizes and times.

use std::io::Write;

/// A set of bytes that must be escaped.
type ByteSet = [bool; 256];

/// The bytes that are escaped in HTML: markup and control characters. A tab is harmless in HTML and is not escaped.
const SPECIAL_IN_HTML: ByteSet = {
    let mut special = controls();
    special[b'\t' as usize] = false;
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special
};

/// The bytes that are escaped in JSON: quotes, backslashes and control characters.
const SPECIAL_IN_JSON: ByteSet = {
    let mut special = controls();
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special
};

const fn controls() -> ByteSet {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[0x7f] = true;
    special
}

/// Appends text, escaped for HTML as by Python's `html.escape(quote=False)`. Control characters become character
/// references: a newline in a name must not break the entry's line, and an escape sequence must not reach a terminal.
pub(super) fn push_html(text: &str, out: &mut Vec<u8>) {
    push_escaped(text, out, &SPECIAL_IN_HTML, |byte, out| match byte {
        b'&' => out.extend_from_slice(b"&amp;"),
        b'<' => out.extend_from_slice(b"&lt;"),
        b'>' => out.extend_from_slice(b"&gt;"),
        control => _ = write!(out, "&#{control};"),
    });
}

/// Appends a JSON string, including its quotes (RFC 8259 section 7).
pub(crate) fn push_json(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out, &SPECIAL_IN_JSON, |byte, out| match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        control => _ = write!(out, "\\u{control:04x}"),
    });
    out.push(b'"');
}

/// Appends text, and calls `escape` to write each byte that is in `special`. This set must contain only ASCII bytes.
#[inline]
fn push_escaped(text: &str, out: &mut Vec<u8>, special: &ByteSet, escape: impl Fn(u8, &mut Vec<u8>)) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| special[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends a number in decimal.
#[inline]
pub(super) fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a size with a decimal unit, such as `0 B`, `999 B`, `1.0 kB`, `15 MB`.
pub(super) fn push_size(size: u64, out: &mut Vec<u8>) {
    const UNITS: [&[u8]; 6] = [b" kB", b" MB", b" GB", b" TB", b" PB", b" EB"];
    if size < 1000 {
        push_number(size, out);
        out.extend_from_slice(b" B");
        return;
    }
    let (mut value, mut unit) = (1000, 0);
    // A size that would round to 1000 kB is shown as 1.0 MB.
    while size / (value / 10) >= 9995 && unit + 1 < UNITS.len() {
        value *= 1000;
        unit += 1;
    }
    // Values below 9.95 have one decimal place and others have none, so that a size has at least two significant
    // digits.
    if size / (value / 100) < 995 {
        let tenths = (size / (value / 100) + 5) / 10;
        push_number(tenths / 10, out);
        out.extend_from_slice(&[b'.', b'0' + (tenths % 10) as u8]);
    } else {
        push_number((size / (value / 10) + 5) / 10, out);
    }
    out.extend_from_slice(UNITS[unit]);
}

/// Appends a time, given in seconds since 1970, in ISO 8601 format: `2026-01-31T12:00:00Z`. Times before year 1 or
/// after year 9999, which occur only on a damaged file system, are clamped to that range.
pub(super) fn push_iso_time(seconds: i64, out: &mut Vec<u8>) {
    const FIRST: i64 = -62_135_596_800;
    let clamped = seconds.clamp(FIRST, jiff::Timestamp::MAX.as_second());
    let time = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(clamped).unwrap_or_default());
    let year = time.year().unsigned_abs();
    push_pair((year / 100) as u8, out);
    push_pair((year % 100) as u8, out);
    for (number, before) in
        [(time.month(), b'-'), (time.day(), b'-'), (time.hour(), b'T'), (time.minute(), b':'), (time.second(), b':')]
    {
        out.push(before);
        push_pair(number.unsigned_abs(), out);
    }
    out.push(b'Z');
}

/// Appends a number from 0 to 99 as two digits.
fn push_pair(number: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(push: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn html_is_escaped_as_python_does_and_without_control_characters() {
        assert_eq!(pushed(|out| push_html("a<b>&'\"\té", out)), "a&lt;b&gt;&amp;'\"\té");
        assert_eq!(pushed(|out| push_html("n\nr\r\u{1b}\u{7f}", out)), "n&#10;r&#13;&#27;&#127;");
    }

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(pushed(|out| push_json("a\"\\\n\té", out)), "\"a\\\"\\\\\\u000a\\u0009é\"");
    }

    #[test]
    fn sizes_have_two_digits_and_a_unit() {
        for (size, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1949, "1.9 kB"),
            (1950, "2.0 kB"),
            (9940, "9.9 kB"),
            (9960, "10 kB"),
            (99_499, "99 kB"),
            (999_400, "999 kB"),
            (999_500, "1.0 MB"),
            (15_400_000, "15 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(pushed(|out| push_size(size, out)), text, "{size}");
        }
    }

    #[test]
    fn times_are_iso_8601_and_clamped() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_614_834_367, "2021-03-04T05:06:07Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(pushed(|out| push_iso_time(seconds, out)), text);
        }
        assert!(pushed(|out| push_iso_time(i64::MAX, out)).starts_with("9999-12-30T"));
    }
}
