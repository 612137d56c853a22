//! Dates in the three forms of HTTP (RFC 9110 section 5.6.7). This module reads no clock. The local time in the access
//! log is formatted elsewhere.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first second that an IMF-fixdate can represent: 1 January 0000, 00:00:00.
const FIRST_SECOND: i64 = -62_167_219_200;

/// The last second that an IMF-fixdate can represent: 31 December 9999, 23:59:59.
const LAST_SECOND: i64 = 253_402_300_799;

/// The number of years by which dates before 1970 are moved into the future, because `httpdate` does not support them.
/// The Gregorian calendar repeats every 400 years, including the days of the week.
const SHIFT_YEARS: u16 = 2000;

/// [`SHIFT_YEARS`] in seconds: five cycles of 400 years, each of 146,097 days.
const SHIFT_SECONDS: i64 = 5 * 146_097 * 86_400;

/// A time in whole seconds from year 0 to year 9999, the range of an IMF-fixdate (RFC 9110 section 5.6.7).
///
/// A time outside this range is clamped to it, so that a file can be sent even if its modification time is out of
/// range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpDate(i64);

impl HttpDate {
    /// The date that is `seconds` after 1970-01-01 00:00:00 UTC. A negative number means an earlier date.
    pub fn from_unix(seconds: i64) -> HttpDate {
        HttpDate(seconds.clamp(FIRST_SECOND, LAST_SECOND))
    }

    /// Seconds since 1970-01-01 00:00:00 UTC; negative for earlier dates.
    pub fn unix(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for HttpDate {
    /// Rounds down to the second, like CPython for `Last-Modified`.
    fn from(time: SystemTime) -> HttpDate {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        HttpDate::from_unix(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => seconds(since),
            Err(before) => {
                // For a time before 1970, rounding down increases the number of seconds between that time and 1970.
                let before = before.duration();
                -seconds(before).saturating_add((before.subsec_nanos() > 0).into())
            }
        })
    }
}

impl fmt::Display for HttpDate {
    /// Writes an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(seconds) = u64::try_from(self.0) else { return f.write_str(&before_1970(self.0)) };
        imf_fixdate(seconds).fmt(f)
    }
}

fn imf_fixdate(seconds: u64) -> httpdate::HttpDate {
    httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The IMF-fixdate of a time before 1970. `seconds` is negative, but not less than [`FIRST_SECOND`].
fn before_1970(seconds: i64) -> String {
    let shifted = imf_fixdate(seconds.saturating_add(SHIFT_SECONDS).unsigned_abs()).to_string();
    let year = shifted[YEAR_OF_FIXDATE].parse::<u16>().unwrap_or(SHIFT_YEARS).saturating_sub(SHIFT_YEARS);
    format!("{}{year:04}{}", &shifted[..YEAR_OF_FIXDATE.start], &shifted[YEAR_OF_FIXDATE.end..])
}

/// The position of the year in an IMF-fixdate.
const YEAR_OF_FIXDATE: std::ops::Range<usize> = 12..16;

/// The position of the year in an `asctime` date.
const YEAR_OF_ASCTIME: std::ops::Range<usize> = 20..24;

/// Formats a time as an IMF-fixdate, the form of `Date` and `Last-Modified`.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
/// assert_eq!(serve_forever::http::format_http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
pub fn format_http_date(time: SystemTime) -> String {
    HttpDate::from(time).to_string()
}

/// Parses any of the three date forms of RFC 9110 section 5.6.7; `None` for anything else.
///
/// A two-digit year, which occurs only in the RFC 850 form, stands for a year from 1970 to 2069.
pub fn parse_http_date(value: &[u8]) -> Option<HttpDate> {
    let text = std::str::from_utf8(value).ok()?;
    let date = httpdate::parse_http_date(text).map(HttpDate::from);
    date.ok().or_else(|| [YEAR_OF_FIXDATE, YEAR_OF_ASCTIME].into_iter().find_map(|at| parse_before_1970(text, at)))
}

fn parse_before_1970(text: &str, at: std::ops::Range<usize>) -> Option<HttpDate> {
    // `httpdate` rejects years before 1970, so the year is shifted. The day of the week is the same 2000 years later,
    // so `httpdate` can still check it.
    let digits = text.get(at.clone()).filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()))?;
    let year = digits.parse::<u16>().ok().filter(|year| *year < 1970)?;
    let shifted = format!("{}{}{}", &text[..at.start], year + SHIFT_YEARS, &text[at.end..]);
    let date = HttpDate::from(httpdate::parse_http_date(&shifted).ok()?);
    Some(HttpDate(date.0 - SHIFT_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_date_forms_are_parsed() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text.as_bytes()), Some(HttpDate(784_111_777)), "{text}");
        }
        for text in ["Thu, 20 Feb 1964 19:06:40 GMT", "Thu Feb 20 19:06:40 1964"] {
            assert_eq!(parse_http_date(text.as_bytes()), Some(HttpDate(-185_000_000)), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "784111777",
            "Thu, 20 Feb 1964 19:06:40",
            "Fri, 20 Feb 1964 19:06:40 GMT",
            "Thu, 20 Feb +964 19:06:40 GMT",
            "Thu, 30 Feb 1964 19:06:40 GMT",
            "Th\u{e4}, 20 Feb 1964 19:06:40 GMT",
        ] {
            assert_eq!(parse_http_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn dates_before_1970_are_formatted_and_parsed() {
        for (seconds, text) in [
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-185_000_000, "Thu, 20 Feb 1964 19:06:40 GMT"),
            (-2_203_891_200, "Thu, 01 Mar 1900 00:00:00 GMT"),
            (-2_203_891_201, "Wed, 28 Feb 1900 23:59:59 GMT"),
            (FIRST_SECOND, "Sat, 01 Jan 0000 00:00:00 GMT"),
        ] {
            assert_eq!(HttpDate::from_unix(seconds).to_string(), text);
            assert_eq!(parse_http_date(text.as_bytes()), Some(HttpDate(seconds)), "{text}");
        }
    }

    #[test]
    fn times_outside_years_0_to_9999_become_the_nearest_second_within() {
        assert_eq!(HttpDate::from_unix(i64::MIN), HttpDate(FIRST_SECOND));
        assert_eq!(HttpDate::from_unix(FIRST_SECOND - 1), HttpDate(FIRST_SECOND));
        assert_eq!(HttpDate::from_unix(i64::MAX).to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn fractions_of_a_second_are_rounded_down() {
        let at = |millis: i64| {
            let duration = Duration::from_millis(millis.unsigned_abs());
            HttpDate::from(if millis < 0 { UNIX_EPOCH - duration } else { UNIX_EPOCH + duration }).unix()
        };
        assert_eq!([at(1999), at(0), at(-1), at(-1000), at(-1001)], [1, 0, -1, -1, -2]);
    }
}
