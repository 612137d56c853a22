//! [`CookieJar`]: extracts cookies from responses and adds them to requests. The parsers of the fields and the rules
//! for cookies are in `rfc6265` and `python`; the order of the cookies and the limits on their number are in
//! `store.rs`.

use std::fmt;

use super::domain::{effective_host, parents};
use super::store::Store;
use super::{Cookie, CookiePolicy, Policy, RequestUrl, Standard, python, rfc6265};
use crate::http::{FieldValue, HeaderList, InvalidHeader, latin1};

/// The cookies of a client, like Python's `CookieJar`.
///
/// The jar has no clock. The argument `now` is the time in seconds since 1970-01-01 00:00:00 UTC, and should not
/// decrease between calls.
///
/// ```
/// use serve_forever::cookiejar::{CookieJar, RequestUrl};
/// let now = 1_700_000_000;
/// let mut jar = CookieJar::new();
/// let login = RequestUrl::parse("https://www.example.com/login")?;
/// jar.extract(&login, ["session=31d4d96e; Path=/; Secure; HttpOnly", "lang=en; Max-Age=60"], now);
///
/// let page = RequestUrl::parse("https://www.example.com/account")?;
/// assert_eq!(jar.header(&page, now).as_deref(), Some("session=31d4d96e; lang=en"));
/// assert_eq!(jar.header(&page, now + 60).as_deref(), Some("session=31d4d96e"));
/// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CookieJar<P = Policy> {
    store: Store,
    policy: P,
}

impl CookieJar {
    /// Creates an empty jar that follows RFC 6265bis. For a jar that behaves like Python's, use
    /// `CookieJar::with_policy(Policy::python())`.
    pub fn new() -> CookieJar {
        CookieJar::default()
    }
}

impl<P: CookiePolicy> CookieJar<P> {
    /// Creates an empty jar that follows `policy`.
    pub fn with_policy(policy: P) -> CookieJar<P> {
        CookieJar { store: Store::default(), policy }
    }

    /// The policy that this jar follows.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Mutable access to the policy. Changing the policy does not remove cookies from the jar. Later calls to
    /// [`header`](CookieJar::header) apply the new policy.
    pub fn policy_mut(&mut self) -> &mut P {
        &mut self.policy
    }

    /// Adds the cookies that the response to a request for this URL sets, like Python's `extract_cookies`. `fields`
    /// contains the values of the response's `Set-Cookie` fields, in order. Each is text, or Latin-1 bytes as returned
    /// by [`HeaderList::get_all`].
    ///
    /// A field that cannot be parsed, or whose cookie the policy rejects, is skipped. A cookie that has already expired
    /// removes the cookie that it would have replaced.
    ///
    /// ```
    /// use serve_forever::cookiejar::{CookieJar, RequestUrl};
    /// use serve_forever::http::HeaderList;
    /// let mut headers = HeaderList::new();
    /// headers.add("Set-Cookie", "session=31d4d96e; Expires=Thu, 01 Jan 2099 00:00:00 GMT")?;
    /// headers.add("Set-Cookie", "lang=en")?;
    /// let mut jar = CookieJar::new();
    /// jar.extract(&RequestUrl::parse("http://example.com/")?, headers.get_all("Set-Cookie"), 1_700_000_000);
    /// assert_eq!(jar.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extract<F: FieldValue>(&mut self, url: &RequestUrl, fields: impl IntoIterator<Item = F>, now: i64) {
        let mut bytes = Vec::new();
        for field in fields {
            bytes.clear();
            // Text with a character outside Latin-1 cannot come from a field, and is skipped.
            if field.append_to(&mut bytes).is_err() {
                continue;
            }
            let field = latin1(&bytes);
            let cookie = match self.policy.settings().standard {
                Standard::Rfc6265 => rfc6265::parse(self.policy.settings(), &field, url, now),
                Standard::Python => python::parse(&field, url, now),
            };
            if let Some(cookie) = cookie {
                self.set_cookie_if_ok(cookie, url, now);
            }
        }
    }

    /// Adds a cookie if a response to a request for this URL may set it. If the cookie has already expired, removes the
    /// cookie that it would have replaced. Returns false if the cookie was rejected.
    ///
    /// Another cookie may be removed to respect the limits on the number of cookies.
    pub fn set_cookie_if_ok(&mut self, cookie: Cookie, url: &RequestUrl, now: i64) -> bool {
        if !self.policy.set_ok(&cookie, url) || self.would_overlay_secure(&cookie, url) {
            return false;
        }
        if cookie.is_expired(now) {
            self.store.remove(&cookie.domain, &cookie.path, &cookie.name);
            return true;
        }
        let bare = cookie.bare_domain().to_owned();
        self.store.insert(cookie);
        let Policy { max_per_domain, max_cookies, .. } = *self.policy.settings();
        if self.store.exceeds(&bare, max_per_domain, max_cookies) {
            self.clear_expired_cookies(now);
            self.store.evict(&bare, max_per_domain, max_cookies);
        }
        true
    }

    fn would_overlay_secure(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        let settings = self.policy.settings();
        settings.standard == Standard::Rfc6265
            && !settings.is_secure(url)
            && self.store.unordered().any(|kept| rfc6265::overlays_secure(cookie, &kept.cookie))
    }

    /// Adds a cookie without consulting the policy. No other cookie is removed, even if a limit is then exceeded.
    pub fn set_cookie(&mut self, cookie: Cookie) {
        self.store.insert(cookie);
    }

    /// The value of the `Cookie` field for a request for this URL; `None` if no cookie matches. Expired cookies are
    /// removed.
    ///
    /// Cookies with longer paths come first. Cookies with paths of equal length are ordered by age, oldest first, under
    /// [`Standard::Rfc6265`], and grouped by domain under [`Standard::Python`]. A cookie that contains CR, LF or NUL,
    /// which [`set_cookie`](CookieJar::set_cookie) does not reject, is left out.
    pub fn header(&mut self, url: &RequestUrl, now: i64) -> Option<String> {
        let keys = self.keys(url);
        let policy = &self.policy;
        self.store.mark_used(&keys, |cookie| is_for(policy, cookie, url, now));
        let pairs: Vec<String> = self.cookies_for(url, now).into_iter().map(Cookie::pair).collect();
        self.clear_expired_cookies(now);
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Adds the `Cookie` field to the fields of a request for this URL, like Python's `add_cookie_header`. Does not add
    /// a second `Cookie` field. Expired cookies are removed in any case.
    ///
    /// ```
    /// use serve_forever::cookiejar::{Cookie, CookieJar, RequestUrl};
    /// use serve_forever::http::HeaderList;
    /// let mut jar = CookieJar::new();
    /// jar.set_cookie(Cookie::new("a", "1", "www.example.com"));
    /// let mut headers = HeaderList::new();
    /// jar.add_cookie_header(&RequestUrl::parse("http://www.example.com/")?, &mut headers, 1_700_000_000)?;
    /// assert_eq!(headers.lines(), b"Cookie: a=1\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if a cookie that was added with [`set_cookie`](CookieJar::set_cookie) contains a character that
    /// is not allowed in a field.
    pub fn add_cookie_header(
        &mut self,
        url: &RequestUrl,
        headers: &mut HeaderList,
        now: i64,
    ) -> Result<(), InvalidHeader> {
        let Some(value) = self.header(url, now) else { return Ok(()) };
        if headers.contains("Cookie") { Ok(()) } else { headers.add("Cookie", value) }
    }

    /// The cookies for a request for this URL, in the order of [`header`](CookieJar::header).
    pub fn cookies_for(&self, url: &RequestUrl, now: i64) -> Vec<&Cookie> {
        let mut found = self.store.select(&self.keys(url), |cookie| is_for(&self.policy, cookie, url, now));
        if self.policy.settings().standard == Standard::Rfc6265 {
            found.sort_by_key(|stored| stored.created);
        }
        found.sort_by_key(|stored| std::cmp::Reverse(stored.cookie.path.len()));
        found.into_iter().map(|stored| &stored.cookie).collect()
    }

    /// The keys of [`Store`] under which cookies for this URL can be found: the host and its parent domains, each with
    /// and without a leading dot.
    fn keys(&self, url: &RequestUrl) -> Vec<String> {
        let mut hosts = vec![url.host().to_owned()];
        if self.policy.settings().standard == Standard::Python {
            hosts.push(effective_host(url.host()));
        }
        hosts.dedup();
        let mut keys: Vec<String> = hosts.iter().flat_map(|host| parents(host)).map(str::to_owned).collect();
        keys.extend(keys.clone().into_iter().map(|key| format!(".{key}")));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// All cookies. The domains are in the order in which they were first seen. Within a domain, the cookies are
    /// grouped by path.
    pub fn iter(&self) -> impl Iterator<Item = &Cookie> {
        self.store.iter().map(|stored| &stored.cookie)
    }

    /// The number of cookies.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// True if there are no cookies.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all cookies.
    pub fn clear(&mut self) {
        self.store.retain(|_| false);
    }

    /// Removes the cookies whose [`Cookie::domain`] is `domain`. Returns false if there were none. Corresponds to
    /// Python's `clear(domain)`.
    pub fn clear_domain(&mut self, domain: &str) -> bool {
        self.remove_where(|cookie| cookie.domain == domain)
    }

    /// Removes the cookies with this domain and path. Returns false if there were none. Corresponds to Python's
    /// `clear(domain, path)`.
    pub fn clear_path(&mut self, domain: &str, path: &str) -> bool {
        self.remove_where(|cookie| cookie.domain == domain && cookie.path == path)
    }

    fn remove_where(&mut self, mut is_one: impl FnMut(&Cookie) -> bool) -> bool {
        let before = self.len();
        self.store.retain(|cookie| !is_one(cookie));
        self.len() < before
    }

    /// Removes the cookie with this domain, path and name, and returns it. Corresponds to Python's `clear(domain, path,
    /// name)`.
    pub fn remove(&mut self, domain: &str, path: &str, name: &str) -> Option<Cookie> {
        self.store.remove(domain, path, name)
    }

    /// Removes all session cookies, for which [`Cookie::discard`] is true.
    pub fn clear_session_cookies(&mut self) {
        self.store.retain(|cookie| !cookie.discard);
    }

    /// Removes the expired cookies. [`header`](CookieJar::header) also does this.
    pub fn clear_expired_cookies(&mut self, now: i64) {
        self.store.retain(|cookie| !cookie.is_expired(now));
    }
}

/// True if the cookie must be sent with a request for this URL.
fn is_for(policy: &impl CookiePolicy, cookie: &Cookie, url: &RequestUrl, now: i64) -> bool {
    !cookie.is_expired(now) && !cookie.splits_fields() && policy.return_ok(cookie, url)
}

impl<P: CookiePolicy> fmt::Display for CookieJar<P> {
    /// Formats the jar like Python's `str`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cookies: Vec<String> = self.iter().map(Cookie::to_string).collect();
        write!(f, "<CookieJar[{}]>", cookies.join(", "))
    }
}
