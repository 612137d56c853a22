//! What the values of several flags have in common.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::model::BadValue;
use crate::cli::words::shown;
use crate::http::{FieldValue, Head, is_token};

pub(super) fn invalid(what: &str, value: &OsStr) -> BadValue {
    format!("invalid {what}: '{}'", shown(value)).into()
}

/// The same, with the values that are allowed: `invalid WHAT: 'VALUE' (must ALLOWED)`.
pub(super) fn must(allowed: &str, what: &str, value: &OsStr) -> BadValue {
    invalid(what, value).hint(format_args!("must {allowed}"))
}

/// A value that has to be text.
pub(super) fn text<'v>(what: &str, value: &'v OsStr) -> Result<&'v str, BadValue> {
    value.to_str().ok_or_else(|| must("be UTF-8", what, value))
}

/// The name of a file. Only a settings file can have a NUL in it.
pub(super) fn file(value: &OsStr) -> Result<PathBuf, BadValue> {
    path("file", value)
}

/// The name of a file or a directory.
pub(super) fn path(what: &str, value: &OsStr) -> Result<PathBuf, BadValue> {
    match value.is_empty() || value.as_encoded_bytes().contains(&0) {
        true => Err(must("be the name of one", what, value)),
        false => Ok(PathBuf::from(value)),
    }
}

/// One of several words, each with what it means.
pub(super) fn choice<T: Copy>(words: &[(&str, T)], value: &OsStr) -> Result<T, BadValue> {
    let known = words.iter().find(|(word, _)| value == *word);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        invalid("choice", value).hint(format_args!("choose from {}", words.join(", ")))
    })
}

/// The two sides of a value such as `404=404.html`, parted at the first `=`.
pub(super) fn pair<'v>(what: &str, value: &'v OsStr) -> Result<(&'v str, &'v str), BadValue> {
    let parts = value.to_str().and_then(|text| text.split_once('='));
    parts.ok_or_else(|| must("have a = between two texts", what, value))
}

/// The number in a text that Python's `int()` accepts, without the blanks, plus and underscores that it allows:
/// ` +1_0 ` is `10`. ASCII digits only.
pub(super) fn python_int(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    digits.split('_').all(is_number).then(|| format!("{sign}{}", digits.replace('_', "")))
}

/// An IP address, with or without a zone, or what could be the name of a host: without a blank or a character that ends
/// a host in a URL. The system that looks the name up may have further rules.
pub(super) fn is_host(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    let is_name =
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:?#[]@%".contains(c));
    address.parse::<std::net::IpAddr>().is_ok() || is_name
}

/// `type/subtype`, with or without parameters; these have to be a valid field value but are not looked into
/// (RFC 9110 section 8.3.1).
pub(super) fn is_media_type(text: &str) -> bool {
    let (essence, _parameters) = text.split_once(';').unwrap_or((text, ""));
    let named = essence.trim_end().split_once('/');
    named.is_some_and(|(kind, subtype)| is_token(kind.as_bytes()) && is_token(subtype.as_bytes()))
        && Head::new().add("Content-Type", text).is_ok()
}

/// A number of seconds with or without a fraction. Read without floating point, for which the program has no other
/// use.
fn seconds(value: &OsStr) -> Result<Duration, BadValue> {
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

/// A time limit. Zero is allowed: no limit for most of them, no time at all for the grace period.
pub(super) fn some_or_no_seconds(value: &OsStr) -> Result<Duration, BadValue> {
    seconds(value).map_err(|why| why.hint("must be from 0 to 4294967295, such as 2.5"))
}

pub(super) fn count(value: &OsStr) -> Result<usize, BadValue> {
    let count = number(value).filter(|number| *number > 0).ok_or_else(|| invalid("number", value))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A whole number. One that is too large for any limit is no limit.
pub(super) fn number(value: &OsStr) -> Option<u64> {
    let digits = value.to_str().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// The bytes of a field value: a text as Latin-1, as Python sends it; `None` if Latin-1 does not have one of its
/// characters. A value that is not UTF-8 is sent as it is.
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
    fn the_value_of_a_header_is_latin1() {
        let header = |value: &OsStr| {
            let mut options = Options::default();
            options.add_header("X-Own".as_ref(), value).map(|()| options.headers)
        };
        assert_eq!(header("caf\u{e9}".as_ref()), Ok(vec![("X-Own".to_owned(), b"caf\xe9".to_vec())]));
        let refused = header("5 \u{20ac}".as_ref()).unwrap_err().to_string();
        assert!(refused.starts_with("invalid value for X-Own: '5 "), "{refused}");
        assert!(refused.ends_with("' (must be one line of Latin-1 without control characters)"), "{refused}");
        assert!(header("\u{10d}\u{10a}".as_ref()).is_err(), "these are not cut to CR and LF");
        #[cfg(unix)]
        {
            let bytes: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xff");
            assert_eq!(header(bytes), Ok(vec![("X-Own".to_owned(), b"caf\xff".to_vec())]), "bytes that are no text");
        }
    }

    #[test]
    fn times_are_seconds() {
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
