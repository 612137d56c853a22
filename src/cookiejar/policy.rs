//! Which cookies are taken from a response, and which are sent with a request: the settings, and the trait by which a
//! program adds rules of its own. The rules themselves are in `python.rs` and `rfc6265.rs`.

use super::domain::{is_single_label, is_third_party, user_domain_match};
use super::{Cookie, RequestUrl, is_public_suffix, python, rfc6265};

/// The document that a jar follows where the two differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standard {
    /// RFC 6265bis, which browsers follow.
    #[default]
    Rfc6265,
    /// CPython's `http.cookiejar`: the cookies of Netscape, read liberally. Those of RFC 2965 are not read.
    Python,
}

/// The settings of a jar: Python's `DefaultCookiePolicy`, and the rules of RFC 6265bis.
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
    /// Which document is followed.
    pub standard: Standard,
    /// False to take and send no cookies. In Python, this switch is for cookies of Netscape, which are the only kind
    /// here.
    pub netscape: bool,
    /// Domains whose cookies are neither taken nor sent. A domain with a dot in front means all names below it, one
    /// without a dot means that name alone.
    pub blocked_domains: Vec<String>,
    /// The only domains whose cookies are taken and sent, in the same form; `None` for all.
    pub allowed_domains: Option<Vec<String>>,
    /// The schemes over which cookies with the attribute `Secure` are sent.
    pub secure_protocols: Vec<String>,
    /// True if an [unverifiable](RequestUrl::unverifiable) request to a third party neither gets nor sets cookies.
    pub strict_ns_unverifiable: bool,
    /// Returns true for a name that no cookie may have as its domain. The argument is in lower case, without a dot in
    /// front. The default is [`is_public_suffix`]; only [`Standard::Rfc6265`] uses it.
    pub is_public_suffix: fn(&str) -> bool,
    /// The most cookies that one domain may have. Beyond it, the least recently used cookie is removed, those without `Secure`
    /// first. 180 for [`Standard::Rfc6265`] (at least 50 in section 6.1), no limit for Python.
    pub max_per_domain: usize,
    /// The most cookies in the whole jar: 3000 for [`Standard::Rfc6265`] (the least in section 6.1), no limit for Python.
    pub max_cookies: usize,
    /// True if domains such as `.co.uk` are refused, by Python's guess. Used only with [`Standard::Python`].
    pub strict_domain: bool,
    /// The sum of [`STRICT_NO_DOTS`](Policy::STRICT_NO_DOTS), [`STRICT_NON_DOMAIN`](Policy::STRICT_NON_DOMAIN) and
    /// [`RFC2965_MATCH`](Policy::RFC2965_MATCH); 0 for none of them. Used only with [`Standard::Python`].
    pub strict_ns_domain: u8,
    /// True if a name that begins with `$` is refused. Used only with [`Standard::Python`].
    pub strict_ns_set_initial_dollar: bool,
    /// True if a path that the request does not match is refused. Used only with [`Standard::Python`].
    pub strict_ns_set_path: bool,
}

impl Default for Policy {
    /// RFC 6265bis.
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
    /// For [`strict_ns_domain`](Policy::strict_ns_domain): the part of the host before the domain has no dot. Python's
    /// `DomainStrictNoDots`.
    pub const STRICT_NO_DOTS: u8 = 1;
    /// For [`strict_ns_domain`](Policy::strict_ns_domain): a cookie without the attribute `Domain` is for its host alone.
    /// Python's `DomainStrictNonDomain`.
    pub const STRICT_NON_DOMAIN: u8 = 2;
    /// For [`strict_ns_domain`](Policy::strict_ns_domain): the match of RFC 2965, under which `.example.com` is not for
    /// `example.com`. Python's `DomainRFC2965Match`.
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

    /// The settings of RFC 6265bis without a list of public suffixes: only names without a dot are refused.
    pub fn without_public_suffixes() -> Policy {
        Policy { is_public_suffix: is_single_label, ..Policy::default() }
    }

    /// True if the scheme of the request is one of [`secure_protocols`](Policy::secure_protocols).
    pub(super) fn is_secure(&self, url: &RequestUrl) -> bool {
        self.secure_protocols.iter().any(|scheme| scheme == url.scheme())
    }

    /// True if the lists of domains allow this one.
    fn allows(&self, domain: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|listed| user_domain_match(domain, listed));
        !is_in(&self.blocked_domains) && self.allowed_domains.as_deref().is_none_or(is_in)
    }

    /// The rules that hold for both documents and both directions.
    fn is_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        let third_party = url.origin().is_some_and(|origin| is_third_party(url.host(), origin));
        self.netscape
            && !(third_party && self.strict_ns_unverifiable)
            // A cookie with SameSite (RFC 6265bis section 5.6.7) is sent only with requests that its own site makes.
            && !(third_party && self.standard == Standard::Rfc6265 && rfc6265::is_same_site_only(cookie))
            && self.allows(&cookie.domain)
    }
}

/// Rules about the cookies that a jar takes and sends. [`Policy`] has those of the standards; a type of a program adds its
/// own, as a subclass of Python's `DefaultCookiePolicy` does.
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
    /// The settings, which also say how cookies are read, ordered and limited in number.
    fn settings(&self) -> &Policy;

    /// True if this cookie of a response to this request is taken. The policy is also asked about a cookie that has
    /// expired already: it removes the one that it would replace.
    fn set_ok(&self, cookie: &Cookie, url: &RequestUrl) -> bool {
        self.settings().set_ok(cookie, url)
    }

    /// True if this cookie is sent with this request. The policy is not asked about expired cookies.
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
