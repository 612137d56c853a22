//! Parses durations and numbers from the command line, and formats durations for reports.

use std::io;
use std::path::Path;
use std::time::Duration;

/// The suffixes of durations, with their lengths in seconds. `us` and `ms` must come before `s`, because both end in
/// `s`.
const TIME_UNITS: [(&str, f64); 6] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];

/// Parses a duration such as `10`, `1.5s`, `200ms`, `250us`, `2m` or `1h`. Without a suffix it is in seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let found = TIME_UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)));
    let (number, unit) = found.unwrap_or((text, &1.0));
    let seconds = number.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0).map(|n| n * unit);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is not a time such as 10s, 200ms or 2m"))
}

/// Parses a number above 0.
pub(super) fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text:?} is not a number above 0"))
}

/// Formats a duration in microseconds as a number with a unit, such as `250 us`, `1.50 ms` or `12.00 s`.
pub(super) fn time_text(micros: f64) -> String {
    match micros {
        micros if micros < 1e3 => format!("{micros:.0} us"),
        micros if micros < 1e6 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

/// Prefixes the message of an error with the name of the file.
pub(super) fn named(error: io::Error, file: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_in_seconds() {
        for (text, micros) in
            [("10", 10_000_000), ("1.5s", 1_500_000), ("200ms", 200_000), ("7us", 7), ("2m", 120_000_000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "inf", "nan", "1e300h"] {
            assert!(parse_time(text).unwrap_err().contains(&format!("{text:?}")), "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_a_unit_that_fits() {
        assert_eq!([12.0, 1_234.0, 2_500_000.0].map(time_text), ["12 us", "1.23 ms", "2.50 s"]);
    }
}
