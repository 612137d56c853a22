//! CPython's parser for a `Set-Cookie` field: the function `parse_ns_headers`, and the steps of `make_cookies` that
//! follow it. The rules for keeping the cookie are in `rules.rs`.

use crate::cookiejar::date::parse_python;
use crate::cookiejar::domain::effective_host;
use crate::cookiejar::path::{default_path, escape_path};
use crate::cookiejar::{Cookie, RequestUrl};

/// Parses a `Set-Cookie` field. Returns `None` if CPython ignores the field, and an expired cookie if the field removes
/// a cookie.
pub(in crate::cookiejar) fn parse(field: &str, url: &RequestUrl, now: i64) -> Option<Cookie> {
    let mut parts = field.split(';').map(split_part);
    let (name, value) = parts.next().filter(|(name, _)| !name.is_empty())?;
    let mut attributes = Attributes::default();
    for (name, value) in parts.filter(|(name, _)| !name.is_empty()) {
        attributes.read(name, value, now)?;
    }
    attributes.cookie(name, value, url)
}

/// Splits a part of a field into a name and the value after the first `=`. The value is `None` if there is no `=`.
fn split_part(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (part.trim(), None),
    }
}

/// The attributes that have been parsed so far. Of repeated attributes, the first one is used, except for `Max-Age`.
#[derive(Debug, Default)]
struct Attributes<'f> {
    expires: Option<i64>,
    version: Option<&'f str>,
    domain: Option<&'f str>,
    path: Option<&'f str>,
    port: Option<Option<&'f str>>,
    secure: bool,
    discard: bool,
    comment: Option<Option<&'f str>>,
    comment_url: Option<Option<&'f str>>,
    rest: Vec<(String, Option<String>)>,
}

impl<'f> Attributes<'f> {
    /// Parses one attribute. Returns `None` if CPython ignores a field with this attribute.
    fn read(&mut self, name: &'f str, value: Option<&'f str>, now: i64) -> Option<()> {
        match &*name.to_lowercase() {
            // A malformed date is ignored.
            "expires" if self.expires.is_none() => {
                self.expires = value.and_then(|date| parse_python(strip_quotes(date), now));
            }
            "expires" => {}
            // `Max-Age` takes precedence over `Expires` in either order.
            "max-age" => self.expires = Some(now.saturating_add(parse_int(value?)?)),
            "version" => first(&mut self.version, value)?,
            "domain" => first(&mut self.domain, value)?,
            "path" => first(&mut self.path, value)?,
            "port" => _ = self.port.get_or_insert(value),
            "secure" => self.secure = true,
            "discard" => self.discard = true,
            "comment" => _ = self.comment.get_or_insert(value),
            "commenturl" => _ = self.comment_url.get_or_insert(value),
            _ => self.read_other(name, value),
        }
        Some(())
    }

    /// Stores an attribute that the parser does not interpret, in its original spelling. Of repeated attributes, the
    /// last one is used.
    fn read_other(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self.rest.iter_mut().find(|(other, _)| other == name) {
            Some((_, kept)) => *kept = value,
            None => self.rest.push((name.to_owned(), value)),
        }
    }

    fn cookie(self, name: &str, value: Option<&str>, url: &RequestUrl) -> Option<Cookie> {
        // Version 1 is an RFC 2109 cookie, which CPython treats as a Netscape cookie unless RFC 2965 support is
        // enabled. No other version is defined.
        if self.version.is_some_and(|version| !matches!(parse_int(strip_quotes(version)), Some(0 | 1))) {
            return None;
        }
        let path = self.path.filter(|path| !path.is_empty());
        let domain = self.domain.map(str::to_lowercase);
        let initial_dot = domain.as_ref().is_some_and(|domain| domain.starts_with('.'));
        let owned = |text: Option<Option<&str>>| text.flatten().map(str::to_owned);
        Some(Cookie {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            domain_specified: domain.is_some(),
            domain_initial_dot: initial_dot,
            domain: match domain {
                None => effective_host(url.host()),
                Some(domain) if initial_dot => domain,
                Some(domain) => format!(".{domain}"),
            },
            path_specified: path.is_some(),
            path: match path {
                Some(path) => escape_path(path),
                None => default_path(&escape_path(url.path())).to_owned(),
            },
            port_specified: matches!(self.port, Some(Some(_))),
            // `Port` without a value means the port of the request.
            port: self.port.map(|port| match port {
                Some(port) => port.chars().filter(|c| !c.is_whitespace()).collect(),
                None => url.port().to_string(),
            }),
            secure: self.secure,
            expires: self.expires,
            discard: self.discard || self.expires.is_none(),
            version: 0,
            comment: owned(self.comment),
            comment_url: owned(self.comment_url),
            rest: self.rest,
        })
    }
}

/// Stores the value of an attribute, unless an earlier attribute with the same name has set `place`. Returns `None` if
/// the attribute has no value and `place` is not set.
fn first<'f>(place: &mut Option<&'f str>, value: Option<&'f str>) -> Option<()> {
    if place.is_none() {
        *place = Some(value?);
    }
    Some(())
}

/// Removes a leading quote and a trailing quote, if present.
fn strip_quotes(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

/// Parses a number in the same way as Python's `int`: surrounding white space, a sign, and single underscores between
/// digits are allowed. A number that is too large saturates to `i64::MAX`.
fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let number = digits.replace('_', "").parse().unwrap_or(i64::MAX);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const LATER: &str = "Wed, 09 Feb 2033 22:23:32 GMT";
    const LATER_AT: i64 = 1_991_600_612;

    fn read(field: &str) -> Option<Cookie> {
        parse(field, &RequestUrl::parse("http://www.example.com/dir/page").unwrap(), NOW)
    }

    #[test]
    fn defaults_are_the_host_and_the_folder() {
        let expected = Cookie { path: "/dir".to_owned(), ..Cookie::new("a", "b", "www.example.com") };
        assert_eq!(read("a=b"), Some(expected));
        let local = parse("a=b", &RequestUrl::parse("http://localhost/").unwrap(), NOW);
        assert_eq!(local.unwrap().domain, "localhost.local");
    }

    #[test]
    fn names_and_values_are_read_as_python_reads_them() {
        for (field, expected) in [
            ("a=b=c", Some(("a", Some("b=c")))),
            ("a", Some(("a", None))),
            ("a=", Some(("a", Some("")))),
            ("a=b, c=d", Some(("a", Some("b, c=d")))),
            ("expires=1", Some(("expires", Some("1")))),
            ("=b", None),
            (";a=b", None),
            ("", None),
        ] {
            let cookie = read(field);
            let found = cookie.as_ref().map(|cookie| (cookie.name.as_str(), cookie.value.as_deref()));
            assert_eq!(found, expected, "{field}");
        }
    }

    #[test]
    fn the_first_attribute_counts() {
        let cookie = read("a=b; path=/x; path=/y; Domain=.Example.COM; domain=other.com").unwrap();
        assert_eq!((cookie.path.as_str(), cookie.domain.as_str()), ("/x", ".example.com"));
        assert!(cookie.path_specified && cookie.domain_specified && cookie.domain_initial_dot);
        assert!(
            read("a=b; path=/; path; domain=a.com; domain; version=0; version=x").is_some(),
            "the second is not looked at"
        );
    }

    #[test]
    fn dates_end_the_cookie_and_max_age_wins() {
        for (attributes, expected) in [
            (format!("expires={LATER}"), Some(LATER_AT)),
            (format!("expires=\"{LATER}\""), Some(LATER_AT)),
            (format!("expires={LATER}; max-age=60"), Some(NOW + 60)),
            (format!("max-age=60; expires={LATER}"), Some(NOW + 60)),
            ("max-age=-1".to_owned(), Some(NOW - 1)),
            ("max-age= +1_0 ".to_owned(), Some(NOW + 10)),
            ("max-age=99999999999".to_owned(), Some(NOW + 99_999_999_999)),
            ("max-age=99999999999999999999".to_owned(), Some(i64::MAX)),
            ("expires=".to_owned(), None),
            ("expires".to_owned(), None),
            ("expires=Wed, 09 Foo 2033 22:23:32 GMT".to_owned(), None),
        ] {
            let cookie = read(&format!("a=b; {attributes}")).unwrap();
            assert_eq!((cookie.expires, cookie.discard), (expected, expected.is_none()), "{attributes}");
        }
        assert!(read(&format!("a=b; discard; expires={LATER}")).unwrap().discard);
    }

    #[test]
    fn some_attributes_make_the_cookie_invalid() {
        for attribute in [
            "max-age=soon",
            "max-age",
            "max-age=",
            "max-age=1__0",
            "Version=x",
            "version",
            "version=2",
            "Domain",
            "path",
        ] {
            assert_eq!(read(&format!("a=b; {attribute}")), None, "{attribute}");
        }
        for attribute in ["Version=1", "version=\"1\"", "secure=no", "port", "comment", "path="] {
            assert_eq!(read(&format!("a=b; {attribute}")).unwrap().version, 0, "{attribute}");
        }
    }

    #[test]
    fn paths_are_escaped() {
        let cookie = read("a=b; path=/a b/%c3%a4").unwrap();
        assert_eq!(cookie.path, "/a%20b/%C3%A4");
    }

    #[test]
    fn ports_are_a_list_or_the_port_of_the_request() {
        let port = |field| {
            let cookie = read(field).unwrap();
            (cookie.port, cookie.port_specified)
        };
        assert_eq!(port("a=b; port"), (Some("80".to_owned()), false));
        assert_eq!(port("a=b; port=80, 8080"), (Some("80,8080".to_owned()), true));
        assert_eq!(port("a=b"), (None, false));
    }

    #[test]
    fn other_attributes_are_kept_in_their_spelling() {
        let cookie = read("a=b; HTTPOnly; c=1; c=2; C=3").unwrap();
        let rest: Vec<_> = cookie.rest.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(rest, [("HTTPOnly", None), ("c", Some("2")), ("C", Some("3"))]);
    }
}
