//! The weight of an element in `Accept` and `Accept-Encoding` (RFC 9110 section 12.4.2).

/// Parses a qvalue, `0` or `1` with up to three decimals, and returns it in thousandths.
///
/// Values above 1 are malformed, but some clients send them. They are returned unchanged (`1.5` is 1500), and the
/// caller decides whether to accept them.
pub(crate) fn parse_qvalue(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |digit| u16::from(digit - b'0'));
    Some(u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qvalue_has_one_digit_and_up_to_three_decimals() {
        for (value, thousandths) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.001", Some(1)),
            ("1.000", Some(1000)),
            ("1.5", Some(1500)),
            ("", None),
            (".5", None),
            ("2", None),
            ("0.1234", None),
            ("0.x", None),
            ("-0", None),
        ] {
            assert_eq!(parse_qvalue(value.as_bytes()), thousandths, "{value}");
        }
    }
}
