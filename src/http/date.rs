use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that an IMF-fixdate can express: 31 December 9999, 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

/// A time in whole seconds, as HTTP knows it (RFC 9110 section 5.6.7).
///
/// Times before 1970 count as the first second of 1970 and times after 9999 as the last second of 9999: a file with
/// an odd time stamp must not break the response that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpDate(u64);

impl HttpDate {
    /// The date some seconds after 1970-01-01 00:00:00 UTC.
    pub fn from_unix(seconds: i64) -> HttpDate {
        HttpDate(u64::try_from(seconds).unwrap_or(0).min(LAST_SECOND))
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub fn unix(self) -> u64 {
        self.0
    }
}

impl From<SystemTime> for HttpDate {
    /// Cuts the fraction of a second off, as CPython does for `Last-Modified` (contract row SH16).
    fn from(time: SystemTime) -> HttpDate {
        HttpDate(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST_SECOND))
    }
}

impl std::fmt::Display for HttpDate {
    /// An IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}

/// The IMF-fixdate of a time, the form of `Date` and `Last-Modified` (contract row HB42).
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
/// assert_eq!(serve_forever::http::format_http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
pub fn format_http_date(time: SystemTime) -> String {
    HttpDate::from(time).to_string()
}

/// Reads any of the three date forms of RFC 9110 section 5.6.7; `None` for anything else.
pub fn parse_http_date(value: &[u8]) -> Option<HttpDate> {
    let text = std::str::from_utf8(value).ok()?;
    httpdate::parse_http_date(text).ok().map(HttpDate::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_one_date() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text.as_bytes()), Some(HttpDate(784_111_777)), "{text}");
        }
        for text in ["", "yesterday", "Sun, 06 Nov 1994 08:49:37 +0100", "784111777"] {
            assert_eq!(parse_http_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn odd_times_are_clamped() {
        assert_eq!(HttpDate::from(UNIX_EPOCH - Duration::from_secs(5)).unix(), 0);
        assert_eq!(HttpDate::from_unix(-1).to_string(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(HttpDate::from_unix(i64::MAX).to_string(), "Fri, 31 Dec 9999 23:59:59 GMT");
        let fraction = HttpDate::from(UNIX_EPOCH + Duration::from_millis(1999));
        assert_eq!(fraction.unix(), 1);
    }
}
