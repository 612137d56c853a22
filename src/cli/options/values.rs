//! Parsers for the kinds of values that several flags share, and the errors for invalid values.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::BadValue;
use crate::cli::words::shown;
use crate::http::{FieldBlock, FieldValue, is_token};

/// Creates the error `invalid WHAT: 'VALUE'`.
pub(super) fn invalid(what: &str, value: &OsStr) -> BadValue {
    format!("invalid {what}: '{}'", shown(value)).into()
}

/// Creates the error `invalid WHAT: 'VALUE' (must ALLOWED)`.
pub(super) fn must(allowed: &str, what: &str, value: &OsStr) -> BadValue {
    invalid(what, value).hint(format_args!("must {allowed}"))
}

/// Converts a value to a string. Returns an error if the value is not UTF-8.
pub(super) fn text<'v>(what: &str, value: &'v OsStr) -> Result<&'v str, BadValue> {
    value.to_str().ok_or_else(|| must("be UTF-8", what, value))
}

/// Parses a file path.
pub(super) fn file(value: &OsStr) -> Result<PathBuf, BadValue> {
    path("file", value)
}

/// Parses the path of a file or directory. It must not be empty and must not contain NUL. NUL can occur only in a value
/// from a configuration file.
pub(super) fn path(what: &str, value: &OsStr) -> Result<PathBuf, BadValue> {
    match value.is_empty() || value.as_encoded_bytes().contains(&0) {
        true => Err(must(&format!("be the name of a {what}"), what, value)),
        false => Ok(PathBuf::from(value)),
    }
}

/// Looks up a value in `words`, which pairs each allowed word with its meaning. The error for another value lists the
/// allowed words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)], value: &OsStr) -> Result<T, BadValue> {
    let known = words.iter().find(|(word, _)| value == *word);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        invalid("choice", value).hint(format_args!("choose from {}", words.join(", ")))
    })
}

/// Splits a value such as `404=404.html` at the first `=`.
pub(super) fn pair<'v>(what: &str, value: &'v OsStr) -> Result<(&'v str, &'v str), BadValue> {
    let parts = value.to_str().and_then(|text| text.split_once('='));
    parts.ok_or_else(|| must("contain =", what, value))
}

/// Parses a port number, in the syntax of Python's `int()`. 0 means any free port.
pub(super) fn port(value: &OsStr) -> Result<u16, BadValue> {
    let number = value.to_str().and_then(python_int);
    let number = number.ok_or_else(|| must("be a number from 0 to 65535", "int value", value))?;
    // A number that does not fit into an `i64` is out of range too, and results in the same message.
    let port = number.parse::<i64>().ok().and_then(|number| u16::try_from(number).ok());
    port.ok_or_else(|| format!("{number} is not in 0..=65535").into())
}

/// Normalises a number in the syntax of Python's `int()`: removes surrounding spaces, a plus sign and underscores, so
/// that ` +1_0 ` becomes `10`. Unlike Python, accepts ASCII digits only.
fn python_int(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    digits.split('_').all(is_number).then(|| format!("{sign}{}", digits.replace('_', "")))
}

/// True for an IP address with an optional zone, and for text that may be a host name: it contains neither spaces nor
/// characters that would end the host in a URL. Resolving the name can still fail later.
pub(super) fn is_host(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    let is_name =
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:?#[]@%".contains(c));
    address.parse::<std::net::IpAddr>().is_ok() || is_name
}

/// True for `type/subtype` with optional parameters (RFC 9110 section 8.3.1). The parameters must be valid in a header
/// field, but are not parsed.
pub(super) fn is_media_type(text: &str) -> bool {
    let (essence, _parameters) = text.split_once(';').unwrap_or((text, ""));
    let named = essence.trim_end().split_once('/');
    named.is_some_and(|(kind, subtype)| is_token(kind.as_bytes()) && is_token(subtype.as_bytes()))
        && FieldBlock::new().add("Content-Type", text).is_ok()
}

/// Parses a decimal number of seconds with an optional fraction. Floating point is avoided because it would make the
/// program larger.
pub(super) fn seconds(value: &OsStr) -> Result<Duration, BadValue> {
    let text = value.to_str().unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = || {
        let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        Some(Duration::new(whole.parse::<u32>().ok()?.into(), nanos))
    };
    let time = (digits(whole) && digits(fraction)).then(time).flatten();
    time.ok_or_else(|| invalid("number of seconds", value))
}

/// Parses a time limit. Zero is allowed and means no limit, except that with `--grace 0` the program does not wait at
/// all.
pub(super) fn some_or_no_seconds(value: &OsStr) -> Result<Duration, BadValue> {
    seconds(value).map_err(|why| why.hint("must be from 0 to 4294967295, such as 2.5"))
}

/// Parses a count, such as a number of connections, which must be at least 1.
pub(super) fn count(value: &OsStr) -> Result<usize, BadValue> {
    let count = number(value).filter(|number| *number > 0).ok_or_else(|| invalid("number", value))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Parses an unsigned integer. A value that is too large saturates to `u64::MAX`.
pub(super) fn number(value: &OsStr) -> Option<u64> {
    let digits = value.to_str().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// The bytes that represent a value in a header field. Text is encoded as Latin-1, as in Python. `None` if the text
/// contains a character that is not in Latin-1. A value that is not UTF-8 is used unchanged.
pub(super) fn field_value(value: &OsStr) -> Option<Vec<u8>> {
    let Some(text) = value.to_str() else { return Some(value.as_encoded_bytes().to_vec()) };
    let mut bytes = Vec::with_capacity(text.len());
    text.append_to(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Options;

    #[test]
    fn a_header_value_is_encoded_as_latin1() {
        let header = |value: &OsStr| {
            let mut options = Options::default();
            options.add_header("X-Own".as_ref(), value).map(|()| options.headers)
        };
        assert_eq!(header("caf\u{e9}".as_ref()), Ok(vec![("X-Own".to_owned(), b"caf\xe9".to_vec())]));
        let refused = header("5 \u{20ac}".as_ref()).unwrap_err().to_string();
        assert!(refused.starts_with("invalid value for X-Own: '5 "), "{refused}");
        assert!(refused.ends_with("' (must be one line of Latin-1 without control characters)"), "{refused}");
        assert!(header("\u{10d}\u{10a}".as_ref()).is_err(), "characters above U+00FF are not truncated to CR and LF");
        #[cfg(unix)]
        {
            let bytes: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xff");
            assert_eq!(header(bytes), Ok(vec![("X-Own".to_owned(), b"caf\xff".to_vec())]), "bytes that are not UTF-8");
        }
    }

    #[test]
    fn times_are_seconds_with_or_without_a_fraction() {
        let time = |text: &str| seconds(text.as_ref());
        assert_eq!(time("0"), Ok(Duration::ZERO));
        assert_eq!(time("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(time("0.0000000019"), Ok(Duration::from_nanos(1)));
        for text in ["", ".", ".5", "5.", "-1", "+1", "1.+5", "1e3", "inf", "nan", "1s", "99999999999999999999999"] {
            assert_eq!(time(text), Err(format!("invalid number of seconds: '{text}'").into()));
        }
        let why: BadValue = "invalid number of seconds: '-1' (must be from 0 to 4294967295, such as 2.5)".into();
        assert_eq!(some_or_no_seconds("-1".as_ref()), Err(why));
    }
}
