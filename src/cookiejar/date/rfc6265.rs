//! The date parser of RFC 6265 section 5.1.1: the parts of a date in any order, with almost any text between them. The
//! zone is ignored, because every date is interpreted as UTC.

use super::{Civil, Scanner, civil_from_days, month};

/// Parses a date. Returns `None` if a part is missing, the date does not exist, or the year is before 1601.
pub(in crate::cookiejar) fn parse_cookie_date(text: &str) -> Option<i64> {
    let mut time = None;
    let mut day = None;
    let mut month_number = None;
    let mut year = None;
    // Each token is parsed as the first missing part that it matches, in the order time, day, month, year.
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() && set(&mut time, clock(token)) {
            continue;
        }
        if day.is_none() && set(&mut day, leading_number(token, 1, 2)) {
            continue;
        }
        if month_number.is_none() && set(&mut month_number, token.get(..3).and_then(month)) {
            continue;
        }
        if year.is_none() {
            set(&mut year, leading_number(token, 2, 4));
        }
    }
    let ((hour, minute, second), day, month) = (time?, day?, month_number?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    if year < 1601 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = Civil { year, month, day, hour, minute, second }.unix();
    // `unix` converts a day beyond the end of its month to a day of the next month. Such a date is rejected.
    let exists = civil_from_days(seconds.div_euclid(super::DAY)) == (year, month, day);
    exists.then_some(seconds)
}

/// Sets a missing date part to `found`. Returns true if `found` is `Some`.
fn set<T>(place: &mut Option<T>, found: Option<T>) -> bool {
    *place = found;
    place.is_some()
}

/// `delimiter` in RFC 6265 section 5.1.1: HTAB, the space, and ASCII punctuation other than the colon.
fn is_delimiter(character: char) -> bool {
    matches!(character, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// `hms-time`: three numbers of one or two digits, separated by colons, and not followed by another digit.
fn clock(token: &str) -> Option<(i64, i64, i64)> {
    let mut scanner = Scanner::new(token);
    let hour = scanner.number(1, 2)?;
    let minute = scanner.skip_one_of(":").then(|| scanner.number(1, 2))??;
    let second = scanner.skip_one_of(":").then(|| scanner.number(1, 2))??;
    (!scanner.rest.starts_with(|c: char| c.is_ascii_digit())).then_some((hour, minute, second))
}

/// A number of `least` to `most` digits that is not followed by another digit.
fn leading_number(token: &str, least: usize, most: usize) -> Option<i64> {
    let mut scanner = Scanner::new(token);
    let number = scanner.number(least, most)?;
    (!scanner.rest.starts_with(|c: char| c.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: i64 = 1_991_600_612;

    #[test]
    fn parts_come_in_any_order() {
        for text in [
            "Wed, 09 Feb 2033 22:23:32 GMT",
            "Wednesday, 09-Feb-33 22:23:32 GMT",
            "Wed Feb  9 22:23:32 2033",
            "2033 22:23:32 9 February",
            "Wed, 09 Feb 2033 22:23:32 BST",
            "Wed, 09 Feb 2033 22:23:32 +0100",
            "9th febRUARY, 2033 (22:23:32)",
            "22:23:32 9/Feb/33",
            "\"Wed, 09 Feb 2033 22:23:32 GMT\"",
            "9 Feb 2033 22:23:32.75",
        ] {
            assert_eq!(parse_cookie_date(text), Some(LATER), "{text}");
        }
    }

    #[test]
    fn two_digits_are_a_year_from_1970_to_2069() {
        for (text, year) in [("70", 1970), ("99", 1999), ("00", 2000), ("69", 2069)] {
            let read = parse_cookie_date(&format!("01 Mar {text} 00:00:00"));
            assert_eq!(read, parse_cookie_date(&format!("01 Mar {year} 00:00:00")));
            assert_eq!(read.map(super::super::year_of), Some(year));
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_none() {
        for text in [
            "",
            "tomorrow",
            "Wed, 09 Foo 2033 22:23:32 GMT",
            "09 Feb 2033",
            "09 Feb 22:23:32",
            "Feb 2033 22:23:32",
            "30 Feb 2033 22:23:32",
            "29 Feb 2033 22:23:32",
            "00 Feb 2033 22:23:32",
            "32 Jan 2033 22:23:32",
            "09 Feb 1600 22:23:32",
            "09 Feb 2033 24:00:00",
            "09 Feb 2033 22:60:00",
            "09 Feb 2033 22:23:60",
            "09 Feb 20333 22:23:32",
            "09 Feb 2033 22:23:322",
            "09-02-2033 22:23:32 GMT",
            "9 F\u{e9}b 2033 22:23:32",
        ] {
            assert_eq!(parse_cookie_date(text), None, "{text}");
        }
        assert!(parse_cookie_date("29 Feb 2032 22:23:32").is_some());
        assert_eq!(parse_cookie_date("01 Jan 1601 00:00:00"), Some(-11_644_473_600));
    }
}
