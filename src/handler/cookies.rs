//! Parses and formats cookies like Python's `http.cookies`, except where that would allow injection. Text is Latin-1,
//! as in all field values. This file does not store cookies.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::io;

use cookie::Cookie;

use super::exchange::Exchange;
use crate::cookies::unquote_escapes;
use crate::http::{FieldValue, HttpDate, latin1, trim_ows};

/// The cookies of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// The value of the first cookie with this name. Browsers send the cookie with the most specific path first.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The name and value of every cookie, in the order in which the request contains them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Exchange<'_> {
    /// The cookies of the request. A malformed pair is skipped. A quoted value in Python's form is decoded. Bytes above
    /// 0x7f are read as Latin-1, as in [`RequestFields::get_str`](crate::http::RequestFields::get_str).
    pub fn cookies(&self) -> Cookies {
        let fields = self.headers().get_all("Cookie");
        Cookies(fields.flat_map(|field| field.split(|byte| *byte == b';')).filter_map(pair).collect())
    }

    /// Adds a `Set-Cookie` field. A value with characters that are not allowed in a cookie is quoted as in Python: most
    /// of these characters become octal escapes. [`cookies`](Exchange::cookies) decodes such a value.
    ///
    /// ```
    /// # use serve_forever::handler::Exchange;
    /// # fn visit(x: &Exchange<'_>) -> std::io::Result<()> {
    /// use serve_forever::cookie::time::Duration;
    /// use serve_forever::handler::{Cookie, SameSite};
    /// x.set_cookie(Cookie::build(("visits", "1")).path("/").http_only(true))?;
    /// let week = Duration::days(7);
    /// x.set_cookie(Cookie::build(("lang", "en")).max_age(week).secure(true).same_site(SameSite::Lax))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns an error of kind [`InvalidInput`](io::ErrorKind::InvalidInput) if the name is not a token, if the value
    /// contains a control character or a character above U+00FF, or if an attribute contains a control character or
    /// `;`. Also returns any error from [`send_header`](Exchange::send_header).
    pub fn set_cookie<'c>(&self, cookie: impl Into<Cookie<'c>>) -> io::Result<()> {
        let line = write(&cookie.into())?;
        self.send_header("Set-Cookie", line)
    }
}

/// Parses `name=value`, and ignores white space around the pair. Returns `None` if the pair is malformed.
fn pair(part: &[u8]) -> Option<(String, String)> {
    let part = trim_ows(part);
    let (name, value) = part.split_at(memchr::memchr(b'=', part)?);
    let (name, value) = (std::str::from_utf8(name).ok().filter(|name| is_name(name))?, &value[1..]);
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let value = quoted.map_or(Cow::Borrowed(value), |quoted| unquote_escapes(quoted).into());
    Some((name.to_owned(), latin1(&value).into_owned()))
}

fn write(cookie: &Cookie<'_>) -> io::Result<String> {
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    if !is_name(cookie.name()) {
        return Err(bad(format!("invalid cookie name {:?}", cookie.name())));
    }
    if cookie.value().chars().any(char::is_control) {
        return Err(bad(format!("control character in the value of cookie {:?}", cookie.name())));
    }
    let mut value = Vec::with_capacity(cookie.value().len());
    let encoded = cookie.value().append_to(&mut value);
    encoded.map_err(|character| bad(format!("invalid value for cookie {:?}: {character}", cookie.name())))?;
    let mut line = format!("{}={}", cookie.name(), Quoted(&value));
    for (key, value) in [("Path", cookie.path()), ("Domain", cookie.domain())] {
        let Some(value) = value else { continue };
        if value.chars().any(|c| c.is_control() || c == ';') {
            return Err(bad(format!("invalid {key} {value:?} of cookie {:?}", cookie.name())));
        }
        _ = write!(line, "; {key}={value}");
    }
    if let Some(age) = cookie.max_age() {
        _ = write!(line, "; Max-Age={}", age.whole_seconds().max(0));
    }
    if let Some(expires) = cookie.expires_datetime() {
        _ = write!(line, "; Expires={}", HttpDate::from_unix(expires.unix_timestamp()));
    }
    for (flag, set) in [("Secure", cookie.secure()), ("HttpOnly", cookie.http_only())] {
        line.extend(set.filter(|set| *set).map(|_| format!("; {flag}")));
    }
    line.extend(cookie.same_site().map(|same_site| format!("; SameSite={same_site}")));
    line.extend(cookie.partitioned().filter(|set| *set).map(|_| "; Partitioned"));
    Ok(line)
}

/// True if Python allows the name: a token that may contain colons.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte == b':' || crate::http::is_token_byte(byte))
}

/// Formats a cookie value for sending. A value that contains a byte other than a cookie-octet is quoted, and most such
/// bytes become octal escapes.
struct Quoted<'v>(&'v [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes of `cookie-octet` (RFC 6265 section 4.1.1).
        let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
        if self.0.iter().copied().all(plain) {
            return f.write_str(&latin1(self.0));
        }
        f.write_char('"')?;
        for byte in self.0.iter().copied() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' ' => f.write_char(' ')?,
                byte if plain(byte) => f.write_char(byte.into())?,
                byte => write!(f, "\\{byte:03o}")?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Vec<(String, String)> {
        field.as_bytes().split(|byte| *byte == b';').filter_map(pair).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    #[test]
    fn a_malformed_pair_is_skipped() {
        assert_eq!(read("a=1; b[c]=2; d=3,;; =x; e; visits=4"), pairs([("a", "1"), ("d", "3,"), ("visits", "4")]));
        assert_eq!(read(r#"q="x y\054\073\"\\"; empty="#), pairs([("q", "x y,;\"\\"), ("empty", "")]));
        let cookies = Cookies(read("a=1; a=2"));
        assert_eq!((cookies.get("a"), cookies.get("b")), (Some("1"), None));
    }

    #[test]
    fn a_value_that_is_written_is_read_unchanged() {
        for value in ["", "plain", "two words", "a,b;c=\"d\\e\"", "ümlaut", "Ã¼", "\\054"] {
            let line = write(&Cookie::new("n", value)).unwrap();
            assert!(!line[2..].contains(';'), "{line}");
            assert_eq!(read(&line), pairs([("n", value)]), "{line}");
        }
    }

    #[test]
    fn values_are_latin1_and_quoted_as_python_does() {
        assert_eq!(write(&Cookie::new("n", "é\u{ff}")).unwrap(), r#"n="\351\377""#);
        assert_eq!(pair(b"n=\"\\351\"").unwrap().1, "é");
        assert_eq!(pair(b"n=\xe9").unwrap().1, "é");
        // The two bytes decode to two Latin-1 characters, not to one UTF-8 character.
        assert_eq!(pair(br#"n="\303\251""#).unwrap().1, "Ã©");
        assert!(pair(b"n\xe9=1").is_none(), "a name is a token");
        let refused = write(&Cookie::new("price", "5 €")).unwrap_err();
        assert_eq!(refused.to_string(), "invalid value for cookie \"price\": '€' is not in Latin-1");
    }

    #[test]
    fn attributes_are_written_in_a_fixed_order() {
        let cookie = Cookie::build(("visits", "1")).path("/").http_only(true);
        assert_eq!(write(&cookie.clone().build()).unwrap(), "visits=1; Path=/; HttpOnly");
        let cookie = cookie
            .secure(true)
            .same_site(cookie::SameSite::Lax)
            .domain("example.org")
            .max_age(cookie::time::Duration::seconds(5))
            .expires(cookie::time::OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            write(&cookie.build()).unwrap(),
            "visits=1; Path=/; Domain=example.org; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_that_would_split_the_field_is_refused() {
        assert!(write(&Cookie::new("x y", "1")).is_err());
        assert!(write(&Cookie::new("x", "1\r\nX: 2")).is_err());
        assert!(write(&Cookie::build(("x", "1")).path("/\r\nX: 1").build()).is_err());
        assert!(write(&Cookie::build(("x", "1")).path("/; Domain=evil").build()).is_err());
    }
}
