//! ISO 8601 dates, in the form that LWP cookie files use.

use super::{Civil, DAY, Scanner, civil_from_days};

/// Formats a time as `1994-11-24 08:49:37Z`. The year has four digits, so a time outside the years 0 to 9999 is clamped
/// to that range.
pub(in crate::cookiejar) fn format_iso(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Parses a date in the forms that CPython's `http.cookiejar.iso2time` accepts, in which separators, time of day and
/// zone are optional. Returns `None` for any other text, and for a year before 1970.
pub(in crate::cookiejar) fn parse_iso(text: &str) -> Option<i64> {
    let mut scanner = Scanner::new(text.trim_start());
    let year = scanner.number(4, 4)?;
    scanner.skip_one_of("-/");
    let month = scanner.number(1, 2)?;
    scanner.skip_one_of("-/");
    let day = scanner.number(1, 2)?;
    let (hour, minute, second) = clock(&mut scanner).unwrap_or_default();
    scanner.blanks();
    let offset = offset(&mut scanner);
    scanner.blanks();
    let at_end = scanner.rest.is_empty();
    let seconds = Civil { year, month, day, hour, minute, second }.checked_as_in_python()?;
    at_end.then_some(seconds - offset)
}

/// Parses the time of day, which must be preceded by white space, a hyphen, a colon or `T`. A fraction of a second is
/// ignored.
fn clock(scanner: &mut Scanner<'_>) -> Option<(i64, i64, i64)> {
    let mut ahead = *scanner;
    if !ahead.blanks() && !ahead.skip_one_of("-:Tt") {
        return None;
    }
    let hour = ahead.number(1, 2)?;
    ahead.skip_one_of(":");
    let minute = ahead.number(2, 2)?;
    *scanner = ahead;
    ahead.skip_one_of(":");
    let Some(second) = ahead.number(2, 2) else { return Some((hour, minute, 0)) };
    if ahead.skip_one_of(".") {
        ahead.run(usize::MAX, |c| c.is_ascii_digit());
    }
    *scanner = ahead;
    Some((hour, minute, second))
}

/// Parses a zone: `Z`, or an optional sign, hours and optional minutes. Returns its offset in seconds, or 0 if the zone
/// is missing.
fn offset(scanner: &mut Scanner<'_>) -> i64 {
    if scanner.skip_one_of("Zz") {
        return 0;
    }
    let negative = scanner.rest.starts_with('-');
    scanner.skip_one_of("+-");
    let Some(hours) = scanner.number(1, 2) else { return 0 };
    scanner.skip_one_of(":");
    let minutes = scanner.number(2, 2).unwrap_or(0);
    let seconds = 3600 * hours + 60 * minutes;
    if negative { -seconds } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: i64 = 1_991_600_612;

    #[test]
    fn a_date_is_written_and_read_back() {
        for (seconds, text) in [
            (LATER, "2033-02-09 22:23:32Z"),
            (0, "1970-01-01 00:00:00Z"),
            (253_402_300_799, "9999-12-31 23:59:59Z"),
            (951_827_696, "2000-02-29 12:34:56Z"),
        ] {
            assert_eq!(format_iso(seconds), text);
            assert_eq!(parse_iso(text), Some(seconds));
        }
        assert_eq!(format_iso(i64::MAX), "9999-12-31 23:59:59Z");
        assert_eq!(format_iso(i64::MIN), "0000-01-01 00:00:00Z");
    }

    #[test]
    fn separators_time_and_zone_may_be_missing() {
        for (text, expected) in [
            ("2033-02-09T22:23:32Z", LATER),
            ("20330209T222332Z", LATER),
            ("2033/2/9 22:23:32", LATER),
            ("2033-02-09 22:23:32.75z", LATER),
            ("2033-02-09 22:23", LATER - 32),
            ("2033-02-09 22:23:32 -0100", LATER + 3600),
            ("2033-02-09 22:23:32 +01:30", LATER - 5400),
            ("20330209", LATER - 22 * 3600 - 23 * 60 - 32),
            (" 2033-02-09 ", LATER - 22 * 3600 - 23 * 60 - 32),
        ] {
            assert_eq!(parse_iso(text), Some(expected), "{text}");
        }
        for text in ["", "2033", "2033-13-09", "2033-02-09 25:00:00", "1969-12-31", "2033-02-09 22:23:32 GMT", "x"] {
            assert_eq!(parse_iso(text), None, "{text}");
        }
    }
}
