//! The policy for accepting and sending cookies: its settings, and the trait with which a program adds its own rules.
//! The rules of the two standards are in `python` and `rfc6265`.

use super::domain::{is_single_label, is_third_party, listed_domain_match, user_domain_match};
use super::{Cookie, RequestUrl, is_public_suffix, python, rfc6265};

/// The standard that a jar follows where RFC 6265bis and Python differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standard {
    /// RFC 6265bis, which browsers follow.
    #[default]
    Rfc6265,
    /// CPython's `http.cookiejar`: Netscape cookies, parsed leniently. RFC 2965 cookies are not supported.
    Python,
}

/// The settings of a cookie jar: the settings of Python's `DefaultCookiePolicy`, and those for RFC 6265bis.
///
/// ```
/// use serve_forever::cookiejar::{CookieJar, Policy, RequestUrl};
/// let policy = Policy { blocked_domains: vec![".adverts.example".to_owned()], ..Policy::default() };
/// let mut jar = CookieJar::with_policy(policy);
/// let url = RequestUrl::parse("https://www.adverts.example/")?;
/// jar.extract(&url, ["id=1"], 1_700_000_000);
/// assert!(jar.is_empty());
/// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    /// The cookie specification that the jar follows.
    pub standard: Standard,
    /// If false, no cookies are accepted or sent. Named after Python's setting, which applies only to Netscape cookies.
    /// This module supports no other kind.
    pub netscape: bool,
    /// Domains whose cookies are neither accepted nor sent. An entry is compared with [`Cookie::domain`], without regard
    /// to case.
    ///
    /// With [`Standard::Rfc6265`], an entry with a leading dot matches this domain and every domain below it. Any other
    /// entry matches only this domain. A leading dot of [`Cookie::domain`], which a cookie with a `Domain` attribute
    /// has, is ignored.
    ///
    /// With [`Standard::Python`], an entry with a leading dot matches every domain that ends with the entry. Any other
    /// entry matches only an identical domain. To block a domain and its subdomains, list it both with and without the
    /// dot.
    pub blocked_domains: Vec<String>,
    /// The only domains whose cookies are accepted and sent, compared in the same way as `blocked_domains`; `None`
    /// means all domains.
    pub allowed_domains: Option<Vec<String>>,
    /// The schemes over which cookies with the `Secure` attribute are sent.
    pub secure_protocols: Vec<String>,
    /// If true, no cookies are sent with an [unverifiable](RequestUrl::unverifiable) request to a third party, or
    /// accepted from its response.
    pub strict_ns_unverifiable: bool,
    /// A function that returns true for a name that must not be the domain of a cookie. The argument is in lower case,
    /// without a leading dot. The default is [`is_public_suffix`]. Used only with [`Standard::Rfc6265`].
    pub is_public_suffix: fn(&str) -> bool,
    /// The maximum number of cookies per domain. When there are more, cookies without `Secure` are removed before
    /// others, and less recently used cookies before more recently used ones. Default: 180 for [`Standard::Rfc6265`]
    /// (section 6.1 requires at least 50), and no limit for Python.
    pub max_per_domain: usize,
    /// The maximum number of cookies in the whole jar. Default: 3000 for [`Standard::Rfc6265`] (the minimum in section
    /// 6.1), and no limit for Python.
    pub max_cookies: usize,
    /// If true, Python's heuristic is used to reject domains such as `.co.uk`. Used only with [`Standard::Python`].
    pub strict_domain: bool,
    /// A combination of the flags [`STRICT_NO_DOTS`](Policy::STRICT_NO_DOTS),
    /// [`STRICT_NON_DOMAIN`](Policy::STRICT_NON_DOMAIN) and [`RFC2965_MATCH`](Policy::RFC2965_MATCH); 0 means no flags.
    /// Used only with [`Standard::Python`].
    pub strict_ns_domain: u8,
    /// If true, a cookie whose name begins with `$` is rejected. Used only with [`Standard::Python`].
    pub strict_ns_set_initial_dollar: bool,
    /// If true, a cookie whose `Path` attribute does not match the request is rejected. Used only with
    /// [`Standard::Python`].
    pub strict_ns_set_path: bool,
}

impl Default for Policy {
    /// A policy that follows RFC 6265bis, with its default settings.
    fn default() -> Self {
        Policy {
            standard: Standard::Rfc6265,
            netscape: true,
            blocked_domains: Vec::new(),
            allowed_domains: None,
            secure_protocols: vec!["https".to_owned(), "wss".to_owned()],
            strict_ns_unverifiable: false,
            is_public_suffix,
            max_per_domain: 180,
            max_cookies: 3000,
            strict_domain: false,
            strict_ns_domain: 0,
            strict_ns_set_initial_dollar: false,
            strict_ns_set_path: false,
        }
    }
}

impl Policy {
    /// A flag for [`strict_ns_domain`](Policy::strict_ns_domain): the part of the host before the domain must not
    /// contain a dot. Corresponds to Python's `DomainStrictNoDots`.
    pub const STRICT_NO_DOTS: u8 = 1;
    /// A flag for [`strict_ns_domain`](Policy::strict_ns_domain): a cookie without a `Domain` attribute is sent only to
    /// its host. Corresponds to Python's `DomainStrictNonDomain`.
    pub const STRICT_NON_DOMAIN: u8 = 2;
    /// A flag for [`strict_ns_domain`](Policy::strict_ns_domain): the matching rule of RFC 2965 applies, under which
    /// `.example.com` does not match `example.com`. Corresponds to Python's `DomainRFC2965Match`.
    pub const RFC2965_MATCH: u8 = 4;

    /// The settings of Python's `DefaultCookiePolicy()`.
    ///
    /// ```
    /// use serve_forever::cookiejar::{CookieJar, Policy, RequestUrl};
    /// let mut jar = CookieJar::with_policy(Policy::python());
    /// jar.extract(&RequestUrl::parse("http://example.com/")?, ["a=1"], 1_700_000_000);
    /// let below = RequestUrl::parse("http://www.example.com/")?;
    /// assert_eq!(jar.header(&below, 1_700_000_000).as_deref(), Some("a=1"), "Python sends it below the host, too");
    /// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
    /// ```
    pub fn python() -> Policy {
        Policy { standard: Standard::Python, max_per_domain: usize::MAX, max_cookies: usize::MAX, ..Policy::default() }
    }

    /// The settings for RFC 6265bis without the public suffix list: only a name without a dot is rejected as a domain.
    pub fn without_public_suffixes() -> Policy {
        Policy { is_public_suffix: is_single_label, ..Policy::default() }
    }

    /// True if the scheme of the request is one of [`secure_protocols`](Policy::secure_protocols).
    pub(super) fn is_secure(&self, url: &RequestUrl) -> bool {
        self.secure_protocols.iter().any(|scheme| scheme == url.scheme())
    }

    /// True if this domain is not blocked, and is in the list of allowed domains if there is one.
    fn allows(&self, domain: &str) -> bool {
        let matches = match self.standard {
            Standard::Rfc6265 => listed_domain_match,
            Standard::Python => user_domain_match,
        };
        let is_in = |list: &[String]| list.iter().any(|listed| matches(domain, listed));
        !is_in(&self.blocked_domains) && self.allowed_domains.as_deref().is_none_or(is_in)
    }

    /// True if the cookie passes the checks that both standards share. They apply when a cookie is accepted and when it
    /// is sent.
    fn is_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        let third_party = url.origin().is_some_and(|origin| is_third_party(url.host(), origin));
        self.netscape
            && !(third_party && self.strict_ns_unverifiable)
            // A cookie with `SameSite=Strict` or `Lax` is set and sent only by same-site requests (RFC 6265bis section
            // 5.6.7).
            && !(third_party && self.standard == Standard::Rfc6265 && rfc6265::is_same_site_only(cookie))
            && self.allows(&cookie.domain)
    }
}

/// The rules that determine the cookies that a jar accepts and sends. [`Policy`] implements the rules of the standards.
/// A program can add its own rules by implementing this trait, like a subclass of Python's `DefaultCookiePolicy`.
///
/// ```
/// use serve_forever::cookiejar::{Cookie, CookieJar, CookiePolicy, Policy, RequestUrl};
///
/// /// Cookies of sessions only.
/// struct Sessions(Policy);
///
/// impl CookiePolicy for Sessions {
///     fn settings(&self) -> &Policy {
///         &self.0
///     }
///     fn set_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
///         cookie.discard && self.settings().set_ok(cookie, url)
///     }
/// }
///
/// let mut jar = CookieJar::with_policy(Sessions(Policy::default()));
/// jar.extract(&RequestUrl::parse("http://example.com/")?, ["a=1", "b=2; Max-Age=60"], 1_700_000_000);
/// assert_eq!(jar.iter().map(|cookie| cookie.name.as_str()).collect::<Vec<_>>(), ["a"]);
/// # Ok::<(), serve_forever::cookiejar::InvalidUrl>(())
/// ```
pub trait CookiePolicy {
    /// The settings. They also determine how fields are parsed, how cookies are ordered, and the maximum number of
    /// cookies.
    fn settings(&self) -> &Policy;

    /// True if this cookie is accepted from a response to this request. Also called for a cookie that has already
    /// expired. Accepting such a cookie removes the stored cookie that it replaces.
    fn set_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        self.settings().set_ok(cookie, url)
    }

    /// True if this cookie is sent with this request. Not called for expired cookies.
    fn return_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        self.settings().return_ok(cookie, url)
    }
}

impl CookiePolicy for Policy {
    fn settings(&self) -> &Policy {
        self
    }

    fn set_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        let rules = match self.standard {
            Standard::Rfc6265 => rfc6265::set_ok,
            Standard::Python => python::set_ok,
        };
        self.is_ok(cookie, url) && rules(self, cookie, url)
    }

    fn return_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        let rules = match self.standard {
            Standard::Rfc6265 => rfc6265::return_ok,
            Standard::Python => python::return_ok,
        };
        self.is_ok(cookie, url) && rules(self, cookie, url)
    }
}
