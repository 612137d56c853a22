//! The parts of a request that cookies depend on: the scheme, host, port and path of its URL, and the page for which
//! the request was made.

use std::fmt;

/// The parts of a request URL that cookies depend on.
///
/// ```
/// use serve_forever::cookiejar::RequestUrl;
/// let url = RequestUrl::parse("https://www.Example.com:8443/shop/cart?item=1")?;
/// assert_eq!((url.scheme(), url.host(), url.port(), url.path()), ("https", "www.example.com", 8443, "/shop/cart"));
/// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestUrl {
    scheme: String,
    host: String,
    port: u16,
    path: String,
    origin: Option<String>,
}

/// The error for a URL that [`RequestUrl::parse`] rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUrl(String);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid URL {:?}", self.0)
    }
}

impl std::error::Error for InvalidUrl {}

impl From<InvalidUrl> for std::io::Error {
    fn from(error: InvalidUrl) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

impl RequestUrl {
    /// Parses an absolute URL. Userinfo, query and fragment are ignored. A non-ASCII host is kept in lower case; with
    /// the feature `idna` it is converted to its ASCII form (RFC 6265 section 5.1.2).
    ///
    /// # Errors
    /// Returns an error if the URL has no scheme or no host, contains a control character, or has a port that is not a
    /// number up to 65535. With the feature `idna`, also returns an error if the host has no ASCII form.
    pub fn parse(url: &str) -> Result<RequestUrl, InvalidUrl> {
        RequestUrl::read(url).ok_or_else(|| InvalidUrl(url.to_owned()))
    }

    fn read(url: &str) -> Option<RequestUrl> {
        let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| !scheme.is_empty())?;
        if url.contains(char::is_control) || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = split_port(authority);
        let port = match port {
            "" if matches!(&*scheme, "https" | "wss") => 443,
            "" => 80,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        let path = match rest.split(['?', '#']).next() {
            None | Some("") => "/",
            Some(path) => path,
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return None;
        }
        Some(RequestUrl { scheme, host: canonical(host)?, port, path: path.to_owned(), origin: None })
    }

    /// Marks a request as unverifiable (RFC 2965 section 3.3.6): the user had no opportunity to approve it, because it
    /// loads a part of a page from the host `origin`, or follows a redirect from that host. If the two hosts are
    /// unrelated, the policy then treats it as a request to a third party.
    ///
    /// ```
    /// use serve_forever::cookiejar::RequestUrl;
    /// let url = RequestUrl::parse("https://adverts.example/banner.png")?.unverifiable("www.acme.com");
    /// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
    /// ```
    pub fn unverifiable(mut self, origin: &str) -> RequestUrl {
        self.origin = Some(origin.to_lowercase());
        self
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host in lower case; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the URL. The default is 443 for `https` and `wss`, and 80 for every other scheme.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path as written in the URL, or `/` if the URL has no path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host of the page or redirect that caused an [unverifiable](RequestUrl::unverifiable) request; `None` for any
    /// other request.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

/// Splits `host:port`. A colon in the brackets of an IPv6 address is not a separator. If no port is given, the returned
/// port is empty.
fn split_port(authority: &str) -> (&str, &str) {
    let brackets = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[brackets..].rfind(':') {
        Some(at) => (&authority[..brackets + at], &authority[brackets + at + 1..]),
        None => (authority, ""),
    }
}

#[cfg(feature = "idna")]
fn canonical(host: &str) -> Option<String> {
    // An ASCII name is not checked, because IDNA rejects some names that are in use, such as those with an underscore.
    if host.is_ascii() {
        Some(host.to_ascii_lowercase())
    } else {
        idna::domain_to_ascii(host).ok().filter(|host| !host.is_empty())
    }
}

#[cfg(not(feature = "idna"))]
fn canonical(host: &str) -> Option<String> {
    Some(host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (url, scheme, host, port, path) in [
            ("http://www.example.com", "http", "www.example.com", 80, "/"),
            ("http://www.example.com?x=/y", "http", "www.example.com", 80, "/"),
            ("http://www.example.com#x/y", "http", "www.example.com", 80, "/"),
            ("HTTPS://WWW.Example.com/A/b;c?d#e", "https", "www.example.com", 443, "/A/b;c"),
            ("wss://h/", "wss", "h", 443, "/"),
            ("http://h:/x", "http", "h", 80, "/x"),
            ("http://user:pw@h:8080/@x", "http", "h", 8080, "/@x"),
            ("http://[::1]:81/", "http", "[::1]", 81, "/"),
            ("http://[::1]/", "http", "[::1]", 80, "/"),
        ] {
            let parsed = RequestUrl::parse(url).unwrap();
            assert_eq!((parsed.scheme(), parsed.host(), parsed.port(), parsed.path()), (scheme, host, port, path));
        }
    }

    #[test]
    fn urls_without_a_host_are_refused() {
        for url in ["", "/x", "http://", "://h/", "http:///x", "h", "http://h:x/", "http://h:65536/", "http://h:+1/"] {
            assert_eq!(RequestUrl::parse(url), Err(InvalidUrl(url.to_owned())));
        }
        for url in ["http://a b/", "http://a\n/", "http://a/\r\nX: 1", "a b://h/"] {
            assert!(RequestUrl::parse(url).is_err(), "{url:?}");
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_host_beyond_ascii_becomes_its_ascii_form() {
        assert_eq!(RequestUrl::parse("http://M\u{dc}nchen.example/").unwrap().host(), "xn--mnchen-3ya.example");
        assert_eq!(RequestUrl::parse("http://a_b.example/").unwrap().host(), "a_b.example");
        assert!(RequestUrl::parse("http://\u{ad}/").is_err());
    }
}
