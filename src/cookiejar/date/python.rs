//! Parses dates in the same way as CPython's `http.cookiejar.http2time`: day, month and year in this order, with an
//! optional time of day and zone.

use super::{Civil, Scanner, is_blank, month, year_of};

/// Parses a date. Returns `None` for text in any other form, a year before 1970 or after 9999, or a zone whose offset
/// is unknown.
///
/// A two-digit year becomes the year nearest to `now` that ends in these digits. If the month does not exist, CPython
/// raises an exception and ignores all cookies of the response (gh-153677). This function returns `None`.
pub(in crate::cookiejar) fn parse_python(text: &str, now: i64) -> Option<i64> {
    let mut scanner = Scanner::new(without_weekday(text.trim_start()));
    let day = scanner.number(1, 2)?;
    separator(&mut scanner)?;
    let month = month_of(scanner.run(usize::MAX, |c| c.is_ascii_alphanumeric() || c == '_'))?;
    separator(&mut scanner)?;
    let year = full_year(scanner.number(1, usize::MAX)?, now);
    let (hour, minute, second) = clock(&mut scanner).unwrap_or_default();
    scanner.blanks();
    let offset = match zone(&mut scanner) {
        Some(zone) => offset(zone)?,
        None => 0,
    };
    scanner.blanks();
    zone_in_parentheses(&mut scanner);
    scanner.blanks();
    let at_end = scanner.rest.is_empty();
    let seconds = Civil { year, month, day, hour, minute, second }.checked_as_in_python()?;
    at_end.then_some(seconds - offset)
}

/// Removes a leading day of the week and the comma after it. Only the first three letters of the day are checked.
fn without_weekday(text: &str) -> &str {
    let is_weekday = |start: &str| {
        ["sun", "mon", "tue", "wed", "thu", "fri", "sat"].iter().any(|day| day.eq_ignore_ascii_case(start))
    };
    if !text.get(..3).is_some_and(is_weekday) {
        return text;
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    rest.strip_prefix(',').unwrap_or(rest).trim_start_matches(is_blank)
}

/// Skips white space, a hyphen or a slash.
fn separator(scanner: &mut Scanner<'_>) -> Option<()> {
    (scanner.blanks() || scanner.skip_one_of("-/")).then_some(())
}

fn month_of(word: &str) -> Option<i64> {
    month(word).or_else(|| word.parse().ok())
}

/// Completes a year below 1000. A two-digit year becomes the year nearest to that of `now` that ends in these digits.
/// As in CPython, a year from 100 to 999 is changed by the same calculation, although it is already complete.
fn full_year(year: i64, now: i64) -> i64 {
    if year >= 1000 {
        return year;
    }
    let this_year = year_of(now);
    let near = year + this_year - this_year % 100;
    match this_year % 100 - year {
        51.. => near + 100,
        ..=-51 => near - 100,
        _ => near,
    }
}

/// Parses the time of day, which must be preceded by white space or a colon: hours, minutes and optional seconds.
fn clock(scanner: &mut Scanner<'_>) -> Option<(i64, i64, i64)> {
    let mut ahead = *scanner;
    if !ahead.blanks() && !ahead.skip_one_of(":") {
        return None;
    }
    let hour = ahead.number(1, 2)?;
    let minute = ahead.skip_one_of(":").then(|| ahead.number(2, 2))??;
    *scanner = ahead;
    let second = if ahead.skip_one_of(":") { ahead.number(2, 2) } else { None };
    if second.is_some() {
        *scanner = ahead;
    }
    Some((hour, minute, second.unwrap_or(0)))
}

/// Consumes a zone: a word other than `AM` and `PM`, or two to four digits with an optional sign.
fn zone<'t>(scanner: &mut Scanner<'t>) -> Option<&'t str> {
    let before = scanner.rest;
    let mut ahead = *scanner;
    let word = ahead.run(usize::MAX, |c| c.is_ascii_alphabetic());
    if word.is_empty() {
        ahead.skip_one_of("+-");
        ahead.number(2, 4)?;
    } else if word.eq_ignore_ascii_case("am") || word.eq_ignore_ascii_case("pm") {
        return None;
    }
    *scanner = ahead;
    Some(&before[..before.len() - ahead.rest.len()])
}

/// The offset of a zone in seconds. The only zone names with a known offset are those of UTC.
fn offset(zone: &str) -> Option<i64> {
    if ["GMT", "UTC", "UT", "Z"].iter().any(|utc| utc.eq_ignore_ascii_case(zone)) {
        return Some(0);
    }
    let digits = zone.trim_start_matches(['+', '-']);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // If there are three or four digits, the last two are minutes.
    let (hours, minutes) = if digits.len() > 2 { digits.split_at(digits.len() - 2) } else { (digits, "0") };
    let seconds = 3600 * hours.parse::<i64>().ok()? + 60 * minutes.parse::<i64>().ok()?;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

/// Skips an additional zone name in parentheses.
fn zone_in_parentheses(scanner: &mut Scanner<'_>) {
    let mut ahead = *scanner;
    let open = ahead.skip_one_of("(");
    let name = ahead.run(usize::MAX, |c| c.is_ascii_alphanumeric() || c == '_');
    if open && !name.is_empty() && ahead.skip_one_of(")") {
        *scanner = ahead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The current time in the tests: 14 November 2023.
    const NOW: i64 = 1_700_000_000;
    const LATER: i64 = 1_991_600_612;
    const MIDNIGHT: i64 = LATER - 22 * 3600 - 23 * 60 - 32;

    #[test]
    fn the_forms_that_python_reads() {
        for (text, expected) in [
            ("Wed, 09 Feb 2033 22:23:32 GMT", LATER),
            ("Wed, 09-Feb-2033 22:23:32 GMT", LATER),
            ("Wednesday, 09-Feb-33 22:23:32 GMT", LATER),
            ("  wed 9/feb/2033:22:23:32 utc  ", LATER),
            ("09-02-2033 22:23:32 Z", LATER),
            ("09 Feb 2033 22:23:32", LATER),
            ("09 Feb 2033 22:23", LATER - 32),
            ("09 Feb 2033", MIDNIGHT),
            ("09 Feb 2033 GMT", MIDNIGHT),
            ("09 Feb 2033 22:23:32 +0100", LATER - 3600),
            ("09 Feb 2033 22:23:32 -0130", LATER + 5400),
            ("09 Feb 2033 22:23:32 -130", LATER + 5400),
            ("09 Feb 2033 22:23:32 +01", LATER - 3600),
            ("09 Feb 2033 22:23:32 +0000 (GMT)", LATER),
            ("31 Feb 2033 00:00:00 GMT", MIDNIGHT + 22 * 86_400),
            ("01 Jan 1970 00:00:00 GMT", 0),
        ] {
            assert_eq!(parse_python(text, NOW), Some(expected), "{text}");
        }
    }

    #[test]
    fn two_digits_are_the_nearest_year() {
        for (digits, year) in [("72", 2072), ("73", 2073), ("74", 1974), ("00", 2000), ("23", 2023)] {
            let read = parse_python(&format!("09 Feb {digits} 22:23:32 GMT"), NOW);
            assert_eq!(read.map(year_of), Some(year), "{digits}");
        }
        assert_eq!(parse_python("09 Feb 72 22:23:32 GMT", NOW), Some(3_222_282_212));
    }

    #[test]
    fn other_forms_are_no_date() {
        for text in [
            "",
            "Wed",
            "Wed Feb  9 22:23:32 2033",
            "2033 22:23:32 9 February",
            "Wed, 09 Foo 2033 22:23:32 GMT",
            "Wed, 09 February 2033 22:23:32 GMT",
            "09 13 2033",
            "09 Feb 2033 22:23:32 BST",
            "09 Feb 2033 10:23 PM",
            "09 Feb 2033 22:23:3",
            "09 Feb 2033 22:2",
            "09 Feb 2033 22:60",
            "00 Feb 2033",
            "32 Jan 2033",
            "09 Feb 1969",
            "09 Feb 10000",
            "09 Feb 99999999999999999999",
            "09 Feb 2033 22:23:32 GMT x",
            "09Feb2033",
            "\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(parse_python(text, NOW), None, "{text}");
        }
    }
}
