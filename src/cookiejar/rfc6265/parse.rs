//! The parser for a `Set-Cookie` field (RFC 6265bis sections 5.6 and 5.7, steps 1 to 12). The rules for keeping the
//! cookie are in `rules.rs`.

use crate::cookiejar::date::parse_cookie_date;
use crate::cookiejar::domain::is_address;
use crate::cookiejar::path::default_path;
use crate::cookiejar::{Cookie, Policy, RequestUrl};

/// The maximum total number of bytes in the name and the value. A longer pair makes the field invalid (section 5.6).
const MAX_PAIR: usize = 4096;

/// The maximum number of bytes in the value of an attribute. An attribute with a longer value is ignored (section 5.6).
const MAX_ATTRIBUTE: usize = 1024;

/// Parses a `Set-Cookie` field. Returns `None` if the field must be ignored, and an expired cookie if the field removes
/// a cookie.
pub(in crate::cookiejar) fn parse(policy: &Policy, field: &str, url: &RequestUrl, now: i64) -> Option<Cookie> {
    if field.contains(|c: char| c.is_ascii_control() && c != '\t') {
        return None;
    }
    let mut parts = field.split(';');
    let pair = parts.next().unwrap_or_default();
    // A field without `=` is parsed as a value without a name.
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let (name, value) = (trim(name), trim(value));
    let is_empty = name.is_empty() && value.is_empty();
    if is_empty || length(name) + length(value) > MAX_PAIR {
        return None;
    }
    let mut attributes = SetCookieAttributes::default();
    parts.for_each(|part| attributes.read(part, now));
    let domain = attributes.domain.take().unwrap_or_default();
    let mut cookie = attributes.cookie(name, value, url);
    set_domain(&mut cookie, &domain, policy, url)?;
    Some(cookie)
}

/// Removes surrounding spaces and tabs, the only white space in the grammar.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The length of Latin-1 text in bytes. Each character represents one byte.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// The attributes that have been parsed so far. Of repeated attributes, the last valid one is used.
#[derive(Debug, Default)]
struct SetCookieAttributes {
    expires: Option<i64>,
    max_age: Option<i64>,
    domain: Option<String>,
    path: Option<Option<String>>,
    secure: bool,
    rest: Vec<(String, Option<String>)>,
}

impl SetCookieAttributes {
    fn read(&mut self, part: &str, now: i64) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (trim(part), None),
        };
        let text = value.unwrap_or_default();
        if length(text) > MAX_ATTRIBUTE {
            return;
        }
        match &*name.to_ascii_lowercase() {
            "" => {}
            "expires" => self.expires = parse_cookie_date(text).or(self.expires),
            "max-age" => self.max_age = end_after(text, now).or(self.max_age),
            "domain" => self.domain = Some(text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase()),
            "path" => self.path = Some(text.starts_with('/').then(|| text.to_owned())),
            "secure" => self.secure = true,
            _ => {
                self.rest.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                self.rest.push((name.to_owned(), value.map(str::to_owned)));
            }
        }
    }

    fn cookie(self, name: &str, value: &str, url: &RequestUrl) -> Cookie {
        // `Max-Age` takes precedence over `Expires`, in either order.
        let expires = self.max_age.or(self.expires);
        let path = self.path.flatten();
        Cookie {
            path_specified: path.is_some(),
            path: path.unwrap_or_else(|| default_path(url.path()).to_owned()),
            secure: self.secure,
            expires,
            discard: expires.is_none(),
            rest: self.rest,
            ..Cookie::new(name, value, url.host())
        }
    }
}

/// The time in seconds at which a cookie with this `Max-Age` expires (section 5.6.2). If `Max-Age` is 0 or negative,
/// the cookie has already expired. If it is too large, the result is the latest representable time. Returns `None` if
/// `value` is not a number.
fn end_after(value: &str, now: i64) -> Option<i64> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse().unwrap_or(i64::MAX);
    Some(if value.starts_with('-') || seconds == 0 { i64::MIN } else { now.saturating_add(seconds) })
}

/// Sets the domain of the cookie, or leaves the cookie restricted to the host if `domain` is empty or too broad.
/// Returns `None` if the domain is not allowed (section 5.7, steps 7 to 10).
fn set_domain(cookie: &mut Cookie, domain: &str, policy: &Policy, url: &RequestUrl) -> Option<()> {
    if domain.is_empty() {
        return Some(());
    }
    // A `Domain` that is a public suffix is accepted only from the host with the same name. An address has no names
    // below it. In both cases, the cookie stays restricted to the host.
    let host_only = is_address(url.host()) || (policy.is_public_suffix)(domain);
    if host_only || !domain.is_ascii() {
        return (domain == url.host()).then_some(());
    }
    cookie.domain = format!(".{domain}");
    (cookie.domain_specified, cookie.domain_initial_dot) = (true, true);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn read(url: &str, field: &str) -> Option<Cookie> {
        parse(&Policy::default(), field, &RequestUrl::parse(url).unwrap(), NOW)
    }

    fn at_home(field: &str) -> Option<Cookie> {
        read("http://www.example.com/dir/page", field)
    }

    #[test]
    fn defaults_are_the_host_and_the_folder() {
        let cookie = at_home("a=b").unwrap();
        let expected = Cookie { path: "/dir".to_owned(), ..Cookie::new("a", "b", "www.example.com") };
        assert_eq!(cookie, expected);
    }

    #[test]
    fn names_and_values_of_section_5_6() {
        for (field, expected) in [
            ("a=b=c", Some(("a", "b=c"))),
            (" a = b ; x", Some(("a", "b"))),
            ("a=\"b c\"", Some(("a", "\"b c\""))),
            ("a", Some(("", "a"))),
            ("=b", Some(("", "b"))),
            ("a=", Some(("a", ""))),
            ("", None),
            ("=", None),
            (" ;a=b", None),
            ("a=b\tc", Some(("a", "b\tc"))),
            ("a=b\u{1}c", None),
            ("a=b; path=/\n", None),
            ("a=\u{7f}", None),
            ("a=\u{e9}", Some(("a", "\u{e9}"))),
        ] {
            let cookie = at_home(field);
            let found = cookie.as_ref().map(|cookie| (cookie.name.as_str(), cookie.value.as_deref().unwrap()));
            assert_eq!(found, expected, "{field:?}");
        }
    }

    #[test]
    fn a_name_and_a_value_have_4096_bytes_together() {
        let with = |bytes| at_home(&format!("a={}", "\u{e9}".repeat(bytes)));
        assert!(with(4095).is_some() && with(4096).is_none());
    }

    #[test]
    fn an_attribute_has_1024_bytes() {
        let path = |bytes| at_home(&format!("a=b; path=/{}", "y".repeat(bytes))).unwrap().path.len();
        assert_eq!([path(1023), path(1024)], [1024, "/dir".len()]);
    }

    #[test]
    fn the_last_valid_attribute_counts() {
        let expires = |field| at_home(field).unwrap().expires;
        assert_eq!(expires("a=b; max-age=1; Max-Age=2"), Some(NOW + 2));
        assert_eq!(expires("a=b; max-age=1; max-age=x"), Some(NOW + 1));
        assert_eq!(expires("a=b; max-age=1; expires=Wed, 09 Feb 2033 22:23:32 GMT"), Some(NOW + 1));
        assert_eq!(expires("a=b; expires=Wed, 09 Feb 2033 22:23:32 GMT; expires=x"), Some(1_991_600_612));
        assert_eq!(at_home("a=b; path=/x; path=/y").unwrap().path, "/y");
        assert_eq!(at_home("a=b; path=/x; path=y").unwrap().path, "/dir");
        assert_eq!(at_home("a=b; domain=example.com; domain=").unwrap().domain, "www.example.com");
    }

    #[test]
    fn max_age_of_section_5_6_2() {
        for (value, expected) in [
            ("60", Some(NOW + 60)),
            ("0", Some(i64::MIN)),
            ("-1", Some(i64::MIN)),
            ("999999999999999999999999999", Some(i64::MAX)),
            ("-999999999999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("+5", None),
            ("5s", None),
            ("1.5", None),
            ("\"5\"", None),
        ] {
            let cookie = at_home(&format!("a=b; Max-Age={value}")).unwrap();
            assert_eq!((cookie.expires, cookie.discard), (expected, expected.is_none()), "{value}");
        }
    }

    #[test]
    fn domains_of_section_5_7() {
        for (url, domain, expected) in [
            ("http://www.example.com/", "Example.COM", Some(".example.com")),
            ("http://www.example.com/", ".example.com", Some(".example.com")),
            ("http://www.example.com/", "", Some("www.example.com")),
            ("http://www.example.com/", ".", Some("www.example.com")),
            ("http://www.example.com/", "com", None),
            ("http://www.example.com/", "ex\u{e4}mple.com", None),
            ("http://localhost/", "localhost", Some("localhost")),
            ("http://127.0.0.1/", "127.0.0.1", Some("127.0.0.1")),
            ("http://127.0.0.1/", "0.0.1", None),
            ("http://[::1]/", "[::1]", Some("[::1]")),
        ] {
            let cookie = read(url, &format!("a=b; Domain={domain}"));
            assert_eq!(cookie.as_ref().map(|cookie| cookie.domain.as_str()), expected, "{url} {domain}");
            assert!(cookie.is_none_or(|cookie| cookie.domain_specified == cookie.domain.starts_with('.')));
        }
    }

    #[test]
    fn other_attributes_are_kept_in_their_spelling() {
        let cookie = at_home("a=b; SECURE; httpOnly; samesite = Lax;; =x; Foo=1; foo=2").unwrap();
        let rest: Vec<_> = cookie.rest.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(rest, [("httpOnly", None), ("samesite", Some("Lax")), ("foo", Some("2"))]);
        assert!(cookie.secure && cookie.is_http_only());
    }
}
