//! Range requests (RFC 9110 section 14): determines the parts to send from the `Range` field and the length. The
//! `If-Range` field is evaluated in `preconditions`.

use std::ops::Range;

use crate::http::{RequestFields, list_elements};

/// The maximum number of ranges per request. A client that sends more ranges is probably an attacker (RFC 9110 section
/// 17.15).
const MAX_RANGES: usize = 16;

/// The part of a representation to send. Positions are in bytes; the end is exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The whole representation (200).
    Whole,
    /// One part (206 with `Content-Range`).
    Part(Range<u64>),
    /// Two or more parts, in the order in which the request lists them (206 with `multipart/byteranges`).
    Parts(Vec<Range<u64>>),
    /// No requested range exists (416).
    Unsatisfiable,
}

/// Returns the part or parts of a representation that the `Range` field of a GET request selects. The representation
/// has `length` bytes.
///
/// A `Range` field that is malformed, has a unit other than bytes or occurs twice is ignored (RFC 9110 section 14.2).
/// If ranges overlap, or if there are more than [`MAX_RANGES`], the whole representation is selected, because sending
/// it takes less work than sending the ranges.
pub(crate) fn select(headers: RequestFields<'_>, length: u64) -> Selection {
    let mut fields = headers.get_all("Range");
    let (Some(field), None) = (fields.next(), fields.next()) else { return Selection::Whole };
    let Some(specs) = parse(field) else { return Selection::Whole };
    let mut parts: Vec<Range<u64>> = specs.iter().filter_map(|spec| spec.within(length)).collect();
    match parts.len() {
        // The limit is checked before the field is declared unsatisfiable (416), because ranges beyond the limit were
        // not parsed, and one of them may be satisfiable.
        _ if specs.len() > MAX_RANGES => Selection::Whole,
        0 => Selection::Unsatisfiable,
        // Only a part of an empty representation can be empty, and `Content-Range` cannot describe an empty part.
        _ if parts.iter().any(Range::is_empty) || overlap(&parts) => Selection::Whole,
        1 => Selection::Part(parts.remove(0)),
        _ => Selection::Parts(parts),
    }
}

/// One range in the field. A number that does not fit into 64 bits saturates to `u64::MAX`, which is past the end of
/// any file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RangeSpec {
    /// The first and last position, both inclusive. If the range has no last position, the second number is `u64::MAX`.
    From(u64, u64),
    /// A suffix range: at most this number of bytes at the end of the representation.
    Suffix(u64),
}

impl RangeSpec {
    /// Returns the range of positions within a representation of `length` bytes, or `None` if the range is
    /// unsatisfiable (section 14.1.2). A suffix range of an empty representation is satisfiable and empty.
    fn within(self, length: u64) -> Option<Range<u64>> {
        match self {
            RangeSpec::From(first, _) if first >= length => None,
            RangeSpec::From(first, last) => Some(first..last.min(length - 1) + 1),
            // `bytes=-0` is well formed but selects no bytes.
            RangeSpec::Suffix(0) => None,
            RangeSpec::Suffix(count) => Some(length.saturating_sub(count)..length),
        }
    }
}

fn parse(field: &[u8]) -> Option<Vec<RangeSpec>> {
    let equals = memchr::memchr(b'=', field)?;
    let (unit, set) = (&field[..equals], &field[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    // Parsing one range more than the limit is enough to detect that there are too many ranges.
    let specs: Option<Vec<RangeSpec>> = list_elements([set].into_iter()).take(MAX_RANGES + 1).map(parse_spec).collect();
    specs.filter(|specs| !specs.is_empty())
}

fn parse_spec(text: &[u8]) -> Option<RangeSpec> {
    let dash = memchr::memchr(b'-', text)?;
    match (&text[..dash], &text[dash + 1..]) {
        (b"", count) => number(count).map(RangeSpec::Suffix),
        (first, b"") => number(first).map(|first| RangeSpec::From(first, u64::MAX)),
        (first, last) => {
            let spec = RangeSpec::From(number(first)?, number(last)?);
            // The digits are compared, because both numbers may have been saturated to `u64::MAX`.
            (magnitude(first) <= magnitude(last)).then_some(spec)
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Returns a key that orders strings of digits by their numeric value, even if the numbers do not fit into 64 bits.
fn magnitude(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (digits.len() - zeros, &digits[zeros..])
}

/// True if two parts share a byte. Disjoint parts together are never longer than the whole representation.
fn overlap(parts: &[Range<u64>]) -> bool {
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_by_key(|part| part.start);
    sorted.windows(2).any(|pair| pair[1].start < pair[0].end)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use crate::http::Request;

    fn of(field: &str, length: u64) -> Selection {
        select(Request::builder("GET", "/").header("Range", field).build().headers(), length)
    }

    #[test]
    fn one_range_is_one_part() {
        for (field, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-4", 0..5),
            ("BYTES=3-7", 3..8),
            ("bytes=7-", 7..10),
            ("bytes=0-", 0..10),
            ("bytes=-5", 5..10),
            ("bytes=-10", 0..10),
            ("bytes=-99", 0..10),
            ("bytes=-18446744073709551616", 0..10),
            ("bytes=5-99999", 5..10),
            ("bytes=5-18446744073709551615", 5..10),
            ("bytes=5-99999999999999999999999", 5..10),
            ("bytes=009-009", 9..10),
            ("bytes=009-9", 9..10),
            ("bytes= 1-2 ", 1..3),
            ("bytes=,1-2,,", 1..3),
            ("bytes=0-2,50-60", 0..3),
        ] {
            assert_eq!(of(field, 10), Selection::Part(part), "{field}");
        }
        let huge = (5 << 32) - 1..5 << 32;
        assert_eq!(of("bytes=-1", 5 << 32), Selection::Part(huge));
    }

    #[test]
    fn disjoint_ranges_are_parts_and_overlapping_or_too_many_ones_the_whole() {
        assert_eq!(of("bytes=0-1, 4-5,-1", 10), Selection::Parts(vec![0..2, 4..6, 9..10]));
        assert_eq!(of("bytes=8-9,0-1", 10), Selection::Parts(vec![8..10, 0..2]));
        assert_eq!(of("bytes=0-4,5-9", 10), Selection::Parts(vec![0..5, 5..10]));
        assert_eq!(of("bytes=0-4,4-9", 10), Selection::Whole);
        assert_eq!(of("bytes=5-6,0-", 10), Selection::Whole);
        let many = |count: u64| (0..count).map(|at| format!("{}-{}", at * 2, at * 2)).collect::<Vec<_>>().join(",");
        assert!(matches!(of(&format!("bytes={}", many(16)), 100), Selection::Parts(parts) if parts.len() == 16));
        assert_eq!(of(&format!("bytes={}", many(17)), 100), Selection::Whole);
        assert_eq!(of(&format!("bytes={}0-0", "99-,".repeat(17)), 10), Selection::Whole);
    }

    #[test]
    fn ranges_past_the_end_are_unsatisfiable() {
        for field in
            ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999-", "bytes=10-,20-30", "bytes=-0,10-"]
        {
            assert_eq!(of(field, 10), Selection::Unsatisfiable, "{field}");
        }
        let wrapped = "bytes=18446744073709551616-18446744073709551620";
        assert_eq!(of(wrapped, 10), Selection::Unsatisfiable);
        assert_eq!(of("bytes=0-", 0), Selection::Unsatisfiable);
        assert_eq!(of("bytes=0-0", 0), Selection::Unsatisfiable);
        assert_eq!(of("bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn a_malformed_field_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=99999999999999999999-18446744073709551616",
            "bytes=--5",
            "bytes 0-4",
            "bytes=1-2-3",
            "bytes=0x0-5",
            "bytes=+1-5",
            "bytes=0.5-3",
            "bytes==0-5",
            "bytes=0 -5",
            "bytes=0-5x",
            "bytes=*",
            "bytes=0-5;6-7",
            "lines=0-1",
            "bytes =0-1",
            "bytes=0-1,x",
            "bytes=5",
        ] {
            assert_eq!(of(field, 10), Selection::Whole, "{field}");
        }
        let twice = Request::builder("GET", "/").header("Range", "bytes=0-1").header("Range", "bytes=0-1").build();
        assert_eq!(select(twice.headers(), 10), Selection::Whole);
        assert_eq!(select(Request::builder("GET", "/").build().headers(), 10), Selection::Whole);
    }
}
