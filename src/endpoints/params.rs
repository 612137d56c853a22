//! The parameters of an endpoint: the pairs in the query, and parsers for numbers, seeds and durations.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::replies::EndpointError;
use crate::http::Request;
use crate::http::query_pairs;

/// The maximum duration that a parameter can request.
pub(crate) const MOST_TIME: Duration = Duration::from_secs(60);

/// The decoded pairs of a query, in order.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Parses the parameters in the query of a request.
    pub(crate) fn of(request: &Request) -> Params {
        Params(request.query().map(query_pairs).unwrap_or_default())
    }

    /// Parses the parameters of a form or a query.
    pub(crate) fn parse(text: &[u8]) -> Params {
        Params(query_pairs(text))
    }

    /// The parameters as names and values, in order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Like [`pairs`](Self::pairs), but returns owned pairs.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// The value of the first parameter with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Parses a parameter as an unsigned integer. Returns `default` if there is no parameter with this name.
    pub(crate) fn number(&self, name: &str, default: u64, range: RangeInclusive<u64>) -> Result<u64, EndpointError> {
        self.get(name).map_or(Ok(default), |text| number(name, text, range))
    }

    /// Parses the parameter `seed`, which is the seed of the generator. Default: 0.
    pub(crate) fn seed(&self) -> Result<u64, EndpointError> {
        self.number("seed", 0, 0..=u64::MAX)
    }

    /// Parses a parameter as a duration. Returns `default` if there is no parameter with this name.
    pub(crate) fn time(&self, name: &str, default: Duration) -> Result<Duration, EndpointError> {
        self.get(name).map_or(Ok(default), |text| time(name, text))
    }

    /// Parses a parameter as a number from 0 to 1. Returns `default` if there is no parameter with this name.
    pub(crate) fn rate(&self, name: &str, default: f64) -> Result<f64, EndpointError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let rate = decimal(text).filter(|rate| (0.0..=1.0).contains(rate));
        rate.ok_or_else(|| EndpointError::bad_request(format!("{name} must be a number from 0 to 1, not {text:?}")))
    }

    /// Parses a required parameter as a signed integer.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, EndpointError> {
        let text = self.get(name).ok_or_else(|| EndpointError::bad_request(format!("{name} is missing")))?;
        integer(name, text)
    }
}

/// Parses an unsigned decimal integer. `name` is used in the error message.
pub(crate) fn number(name: &str, text: &str, range: RangeInclusive<u64>) -> Result<u64, EndpointError> {
    // `parse` alone would accept a plus sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        EndpointError::bad_request(format!("{name} must be a whole number from {least} to {most}, not {text:?}"))
    })
}

/// Parses a signed 64-bit integer. `name` is used in the error message.
pub(crate) fn integer(name: &str, text: &str) -> Result<i64, EndpointError> {
    let why = || EndpointError::bad_request(format!("{name} must be a whole number of 64 bits, not {text:?}"));
    text.parse().map_err(|_| why())
}

/// Parses a duration from 0 to 60 seconds, such as `1.5`, `1.5s`, `200ms` or `250us`. `name` is used in the error
/// message.
pub(crate) fn time(name: &str, text: &str) -> Result<Duration, EndpointError> {
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0)];
    let with_unit = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)));
    let (digits, scale) = with_unit.unwrap_or((text, &1.0));
    let seconds = decimal(digits).map(|number| number * scale).filter(|seconds| *seconds <= MOST_TIME.as_secs_f64());
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        EndpointError::bad_request(format!("{name} must be a time from 0 to 60s, such as 1.5 or 200ms, not {text:?}"))
    })
}

/// Parses digits with an optional fraction. A sign, an exponent, `inf` and `nan`, which `f64` accepts, are refused.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds_and_end_at_a_minute() {
        for (text, micros) in [("0", 0), ("1.5", 1_500_000), ("1.5s", 1_500_000), ("200ms", 200_000), ("250us", 250)] {
            assert_eq!(time("t", text).unwrap(), Duration::from_micros(micros), "{text}");
        }
        assert_eq!(time("t", "60").unwrap(), MOST_TIME);
        for text in ["", "60.1", "61s", "60001ms", "-1", "+1", "1e1", "inf", "nan", "NaN", "1h", "ms", ".", "s"] {
            assert!(time("t", text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_digits_within_the_range() {
        assert_eq!(number("n", "007", 0..=9).unwrap(), 7);
        for text in ["", "10", "-1", "+1", " 1", "x", "99999999999999999999"] {
            assert!(number("n", text, 0..=9).is_err(), "{text}");
        }
    }
}
