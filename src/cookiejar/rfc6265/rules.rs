//! The rules for keeping cookies (RFC 6265bis section 5.7, from step 10) and sending them (section 5.8.3).

use crate::cookiejar::domain::domain_match;
use crate::cookiejar::path::path_match;
use crate::cookiejar::{Cookie, Policy, RequestUrl};

/// True if a response to this request may set the cookie.
pub(in crate::cookiejar) fn set_ok(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    let secure_url = policy.is_secure(url);
    is_for_host(cookie, url)
        && (secure_url || !cookie.secure)
        && (cookie.secure || !same_site(cookie).is_some_and(|value| value.eq_ignore_ascii_case("None")))
        && prefix_holds(cookie)
}

/// True if the cookie may be sent with this request.
pub(in crate::cookiejar) fn return_ok(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    is_for_host(cookie, url) && path_match(url.path(), &cookie.path) && (!cookie.secure || policy.is_secure(url))
}

/// True if `kept` has `Secure` and `cookie`, which was received over an insecure protocol, would overlay it (section
/// 5.7, step 16). That is the case if the names are equal, one domain matches the other, and the path of `cookie`
/// matches that of `kept`.
pub(in crate::cookiejar) fn overlays_secure(cookie: &Cookie, kept: &Cookie) -> bool {
    let (new, old) = (cookie.bare_domain(), kept.bare_domain());
    kept.secure
        && kept.name == cookie.name
        && (domain_match(new, old) || domain_match(old, new))
        && path_match(&cookie.path, &kept.path)
}

/// True if the cookie is not sent with cross-site requests (`SameSite` is `Strict` or `Lax`).
pub(in crate::cookiejar) fn is_same_site_only(cookie: &Cookie) -> bool {
    same_site(cookie).is_some_and(|value| ["Strict", "Lax"].iter().any(|only| only.eq_ignore_ascii_case(value)))
}

fn same_site(cookie: &Cookie) -> Option<&str> {
    cookie.attribute("SameSite").flatten()
}

fn is_for_host(cookie: &Cookie, url: &RequestUrl) -> bool {
    if cookie.domain_specified { domain_match(url.host(), cookie.bare_domain()) } else { url.host() == cookie.domain }
}

/// True if the cookie has the attributes that the prefix of its name requires (section 5.7, steps 20 to 22).
fn prefix_holds(cookie: &Cookie) -> bool {
    let begins = |text: &str, prefix: &str| text.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix));
    // A cookie without a name is sent as its value alone, which a server could parse as a name.
    if cookie.name.is_empty() {
        let value = cookie.value.as_deref().unwrap_or_default();
        return !begins(value, "__Secure-") && !begins(value, "__Host-");
    }
    let host = cookie.secure && !cookie.domain_specified && cookie.path_specified && cookie.path == "/";
    (cookie.secure || !begins(&cookie.name, "__Secure-")) && (host || !begins(&cookie.name, "__Host-"))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn url(text: &str) -> RequestUrl {
        RequestUrl::parse(text).unwrap()
    }

    fn taken(from: &str, field: &str) -> bool {
        let policy = Policy::default();
        parse(&policy, field, &url(from), 0).is_some_and(|cookie| set_ok(&policy, &cookie, &url(from)))
    }

    #[test]
    fn names_with_a_prefix_require_attributes() {
        let https = "https://www.example.com/";
        for (from, field, expected) in [
            (https, "__Secure-a=b", false),
            (https, "__Secure-a=b; secure", true),
            (https, "__secure-a=b", false),
            ("http://www.example.com/", "__Secure-a=b; secure", false),
            (https, "__Host-a=b; secure; path=/", true),
            (https, "__Host-a=b; secure", false),
            (https, "__Host-a=b; secure; path=/x", false),
            (https, "__Host-a=b; path=/", false),
            (https, "__HOST-a=b; secure; path=/; domain=example.com", false),
            (https, "=__Host-a=b; secure; path=/", false),
            (https, "__Secure-a; secure", false),
            (https, "__Hos=b", true),
        ] {
            assert_eq!(taken(from, field), expected, "{field}");
        }
    }

    #[test]
    fn only_secure_protocols_set_secure_cookies() {
        assert!(!taken("http://www.example.com/", "a=b; secure"));
        assert!(taken("https://www.example.com/", "a=b; secure"));
        assert!(taken("wss://www.example.com/", "a=b; secure"));
    }

    #[test]
    fn same_site_none_needs_secure() {
        let https = "https://www.example.com/";
        assert!(!taken(https, "a=b; SameSite=none"));
        assert!(taken(https, "a=b; SameSite=None; secure"));
        assert!(taken(https, "a=b; SameSite=Lax"));
        assert!(taken(https, "a=b; SameSite"));
    }

    #[test]
    fn a_domain_is_that_of_the_host_or_above() {
        let home = "http://www.example.com/";
        for (domain, expected) in [
            ("example.com", true),
            ("www.example.com", true),
            ("x.www.example.com", false),
            ("ample.com", false),
            ("other.com", false),
        ] {
            assert_eq!(taken(home, &format!("a=b; domain={domain}")), expected, "{domain}");
        }
    }

    #[test]
    fn a_cookie_over_http_does_not_overlay_a_secure_one() {
        let with = |domain: &str, path: &str, secure| Cookie {
            path: path.to_owned(),
            secure,
            ..Cookie::new("a", "b", domain)
        };
        let kept = with("www.example.com", "/shop", true);
        for (domain, path, expected) in [
            ("www.example.com", "/shop", true),
            ("www.example.com", "/shop/cart", true),
            ("www.example.com", "/", false),
            ("www.example.com", "/shopping", false),
            (".example.com", "/shop", true),
            ("x.www.example.com", "/shop", true),
            ("other.com", "/shop", false),
        ] {
            assert_eq!(overlays_secure(&with(domain, path, false), &kept), expected, "{domain} {path}");
        }
        assert!(!overlays_secure(&kept, &with("www.example.com", "/shop", false)));
        assert!(!overlays_secure(&Cookie::new("b", "b", "www.example.com"), &kept));
    }
}
