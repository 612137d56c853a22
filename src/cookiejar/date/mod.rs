//! Cookie dates, in seconds since 1970-01-01 00:00:00 UTC: one parser for each standard, and the calendar computations
//! that they share. No code here reads a clock: the time is an argument of the parser that needs the current year.

mod iso;
mod python;
mod rfc6265;

pub(super) use iso::{format_iso, parse_iso};
pub(super) use python::parse_python;
pub(super) use rfc6265::parse_cookie_date;

/// The length of a day in seconds. Unix time ignores leap seconds.
const DAY: i64 = 86_400;

/// The first three letters of each month's name, in lower case.
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The number of a month, from 1 to 12. `name` is the first three letters of the month; case is ignored.
fn month(name: &str) -> Option<i64> {
    let position = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(position + 1).ok()
}

/// The number of days from 1970-01-01 to a date in the Gregorian calendar. `month` is 1 to 12; `day` may be beyond the
/// end of the month.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The calculation uses years that begin in March, so that the leap day is the last day of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, month and day of the date `days` days after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The year that contains the time `seconds`.
fn year_of(seconds: i64) -> i64 {
    civil_from_days(seconds.div_euclid(DAY)).0
}

/// A parsed date and time of day, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    fn unix(self) -> i64 {
        let seconds = self.hour * 3600 + self.minute * 60 + self.second;
        days_from_civil(self.year, self.month, self.day) * DAY + seconds
    }

    /// Converts the date to seconds since 1970. Returns `None` if it violates the rules that are common to Python's
    /// parsers: a year from 1970 to 9999, hours up to 24 and seconds up to 61. A day beyond the end of its month
    /// becomes a day of the next month.
    fn checked_as_in_python(self) -> Option<i64> {
        let Civil { year, month, day, hour, minute, second } = self;
        let valid = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..=24).contains(&hour)
            && (0..=59).contains(&minute)
            && (0..=61).contains(&second);
        valid.then(|| self.unix())
    }
}

/// Reads the parts of a date from a string, from left to right.
#[derive(Debug, Clone, Copy)]
struct Scanner<'t> {
    rest: &'t str,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str) -> Scanner<'t> {
        Scanner { rest: text }
    }

    /// Consumes characters as long as `kind` returns true, up to `most` characters. Returns the consumed text.
    fn run(&mut self, most: usize, kind: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.char_indices().take(most).find(|(_, c)| !kind(*c)).map(|(at, _)| at);
        let end = end.unwrap_or_else(|| self.rest.char_indices().nth(most).map_or(self.rest.len(), |(at, _)| at));
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        run
    }

    /// Consumes a number with `least` to `most` digits and returns its value. Consumes nothing if there are fewer
    /// digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let mut ahead = *self;
        let digits = ahead.run(most, |c| c.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| digits.len() >= least)?;
        *self = ahead;
        Some(number)
    }

    /// Skips the next character if it is one of `characters`. Returns true if it was.
    fn skip_one_of(&mut self, characters: &str) -> bool {
        self.run(1, |c| characters.contains(c)).len() == 1
    }

    /// Skips white space. Returns true if there was any.
    fn blanks(&mut self) -> bool {
        !self.run(usize::MAX, is_blank).is_empty()
    }
}

/// True for ASCII white space, as matched by Python's regular expressions.
fn is_blank(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_both_ways() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (-25_508, (1900, 3, 1)),
            (2_932_896, (9999, 12, 31)),
            (-719_528, (0, 1, 1)),
        ] {
            assert_eq!(civil_from_days(days), date);
            assert_eq!(days_from_civil(date.0, date.1, date.2), days);
        }
        for days in (-800_000..3_000_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn a_year_begins_at_midnight() {
        assert_eq!([1_704_067_199, 1_704_067_200, -1].map(year_of), [2023, 2024, 1969]);
    }
}
