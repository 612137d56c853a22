//! One cookie of a client, as stored in the jar. The rules that select the cookies to keep and to send are not here;
//! see `policy.rs`.

use std::fmt;

/// A cookie, like Python's `Cookie`, without the parts that only RFC 2965 needs.
///
/// Text is Latin-1, as in every header field, so the character U+00E9 represents the byte 0xE9. Times are seconds since
/// 1970-01-01 00:00:00 UTC.
///
/// ```
/// use serve_forever::cookiejar::Cookie;
/// let cookie = Cookie { path: "/shop".to_owned(), secure: true, ..Cookie::new("a", "1", "www.example.com") };
/// assert_eq!(cookie.to_string(), "<Cookie a=1 for www.example.com/shop>");
/// assert!(!cookie.is_expired(1_700_000_000), "a cookie without a date ends with the session");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The name. Under [`Standard::Rfc6265`](super::Standard::Rfc6265), the name is empty if the cookie was set by a
    /// field without `=`.
    pub name: String,
    /// The value. Under [`Standard::Python`](super::Standard::Python), the value is `None` if the cookie was set by a
    /// field without `=`. Such a cookie is sent as its name alone.
    pub value: Option<String>,
    /// The domain of the cookie: a host, or a domain with a leading dot.
    pub domain: String,
    /// True if `domain` comes from the `Domain` attribute of the `Set-Cookie` field. If not, the cookie is sent only to
    /// the host that set it, except under [`Standard::Python`](super::Standard::Python).
    pub domain_specified: bool,
    /// True if the value of the `Domain` attribute began with a dot.
    pub domain_initial_dot: bool,
    /// The path. The cookie is sent with requests for this path and every path below it.
    pub path: String,
    /// True if `path` comes from the `Path` attribute of the `Set-Cookie` field. If not, `path` is the default path of
    /// the request.
    pub path_specified: bool,
    /// The ports to which the cookie is sent, separated by commas; `None` means all ports.
    pub port: Option<String>,
    /// True if the `Port` attribute had a value.
    pub port_specified: bool,
    /// True if the cookie is sent only over secure protocols.
    pub secure: bool,
    /// The time in seconds at which the cookie expires; `None` means that the cookie is kept until the session ends.
    pub expires: Option<i64>,
    /// True if the cookie is discarded at the end of the session, even if it has not expired.
    pub discard: bool,
    /// 0, or the version number that RFC 2109 and RFC 2965 define. In Python's mode, cookies with a version other than
    /// 0 are not sent.
    pub version: u32,
    /// A description of the cookie's purpose.
    pub comment: Option<String>,
    /// The URL of a page about the cookie's purpose.
    pub comment_url: Option<String>,
    /// All other attributes, in their original spelling: `HttpOnly`, `SameSite` and unknown ones.
    pub rest: Vec<(String, Option<String>)>,
}

impl Cookie {
    /// Creates a session cookie for all paths. If `domain` begins with a dot, the cookie is for that domain; otherwise,
    /// `domain` is the only host to which it is sent.
    pub fn new(name: &str, value: &str, domain: &str) -> Cookie {
        let is_domain = domain.starts_with('.');
        Cookie {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            domain: domain.to_lowercase(),
            domain_specified: is_domain,
            domain_initial_dot: is_domain,
            path: "/".to_owned(),
            path_specified: false,
            port: None,
            port_specified: false,
            secure: false,
            expires: None,
            discard: true,
            version: 0,
            comment: None,
            comment_url: None,
            rest: Vec::new(),
        }
    }

    /// True if the cookie has expired, which is the case when `now` reaches [`expires`](Cookie::expires). `now` is in
    /// seconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// True if the cookie has the `HttpOnly` attribute, which hides the cookie from scripts in a page. The case of the
    /// attribute's name is ignored.
    pub fn is_http_only(&self) -> bool {
        self.attribute("HttpOnly").is_some()
    }

    /// The value of the attribute with this name in [`rest`](Cookie::rest); case is ignored. `None` if there is no such
    /// attribute, `Some(None)` if it has no value.
    pub fn attribute(&self, name: &str) -> Option<Option<&str>> {
        let found = self.rest.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_deref())
    }

    /// The name and value as they appear in a `Cookie` field.
    pub fn pair(&self) -> String {
        match &self.value {
            None => self.name.clone(),
            Some(value) if self.name.is_empty() => value.clone(),
            Some(value) => format!("{}={value}", self.name),
        }
    }

    /// The domain without a leading dot.
    pub(super) fn bare_domain(&self) -> &str {
        self.domain.strip_prefix('.').unwrap_or(&self.domain)
    }

    /// True if both cookies have the same domain, path and name, so that a jar keeps only one of them.
    pub(super) fn replaces(&self, other: &Cookie) -> bool {
        self.name == other.name && self.path == other.path && self.domain == other.domain
    }

    /// True if the name or the value contains a character that would split the header field.
    pub(super) fn splits_fields(&self) -> bool {
        let splits = |text: &str| text.contains(['\r', '\n', '\0']);
        splits(&self.name) || self.value.as_deref().is_some_and(splits)
    }
}

impl fmt::Display for Cookie {
    /// Formats the cookie like Python's `str`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Cookie {} for {}", self.pair(), self.domain)?;
        if let Some(port) = &self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}>", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_written_as_it_came() {
        let mut cookie = Cookie::new("a", "b", "h");
        assert_eq!(cookie.pair(), "a=b");
        cookie.name.clear();
        assert_eq!(cookie.pair(), "b", "RFC 6265bis: a field without an equals sign is a value without a name");
        cookie = Cookie { name: "a".to_owned(), value: None, ..cookie };
        assert_eq!(cookie.pair(), "a", "CPython: a field without an equals sign is a name without a value");
    }

    #[test]
    fn the_second_in_which_a_cookie_ends_is_too_late() {
        let cookie = Cookie { expires: Some(10), ..Cookie::new("a", "b", "h") };
        assert_eq!([9, 10, 11].map(|now| cookie.is_expired(now)), [false, true, true]);
    }

    #[test]
    fn a_cookie_is_shown_with_its_port() {
        let cookie = Cookie { port: Some("8080".to_owned()), ..Cookie::new("a", "b", ".example.com") };
        assert_eq!(cookie.to_string(), "<Cookie a=b for .example.com:8080/>");
    }

    #[test]
    fn http_only_is_known_in_any_spelling() {
        let mut cookie = Cookie::new("a", "b", "h");
        assert!(!cookie.is_http_only());
        cookie.rest.push(("HTTPOnly".to_owned(), None));
        assert!(cookie.is_http_only());
        assert_eq!(cookie.attribute("httponly"), Some(None));
    }
}
