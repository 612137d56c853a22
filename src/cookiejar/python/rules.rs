//! The rules of CPython's `DefaultCookiePolicy` for Netscape cookies.

use crate::cookiejar::domain::{
    effective_host, ends_in_number, is_address, looks_like_country_suffix, strict_domain_match,
};
use crate::cookiejar::path::{escape_path, path_match};
use crate::cookiejar::{Cookie, Policy, RequestUrl};

/// True if a response to this request may set the cookie.
pub(in crate::cookiejar) fn set_ok(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    cookie.version == 0
        && !(policy.strict_ns_set_initial_dollar && cookie.name.starts_with('$'))
        && (!policy.strict_ns_set_path || !cookie.path_specified || path_match(&escape_path(url.path()), &cookie.path))
        && (!cookie.domain_specified || set_ok_domain(policy, cookie, url))
        && (!cookie.port_specified || set_ok_port(cookie, url))
}

/// True if the cookie may be sent with this request.
pub(in crate::cookiejar) fn return_ok(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    let port = url.port().to_string();
    cookie.version == 0
        && (!cookie.secure || policy.is_secure(url))
        && cookie.port.as_deref().is_none_or(|ports| ports.is_empty() || ports.split(',').any(|one| one == port))
        && path_match(&escape_path(url.path()), &cookie.path)
        && return_ok_domain(policy, cookie, url)
}

fn return_ok_domain(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    let host = effective_host(url.host());
    let host_alone = policy.strict_ns_domain & Policy::STRICT_NON_DOMAIN != 0 && !cookie.domain_specified;
    if host_alone && cookie.domain != host {
        return false;
    }
    // A cookie without `Domain` is also sent to names below the host, unless the host is an address (CPython's
    // `DomainLiberal`).
    match host.strip_suffix(cookie.bare_domain()) {
        Some("") => true,
        Some(above) => above.ends_with('.') && !is_address(url.host()),
        None => false,
    }
}

fn set_ok_domain(policy: &Policy, cookie: &Cookie, url: &RequestUrl) -> bool {
    let (domain, bare) = (cookie.domain.as_str(), cookie.bare_domain());
    if policy.strict_domain && looks_like_country_suffix(domain) {
        return false;
    }
    // Unlike in CPython, 10.0.0.1 cannot set a cookie for `.0.0.1`, because the cookie would be sent to other
    // addresses.
    if is_address(url.host()) && bare != url.host() {
        return false;
    }
    let host = effective_host(url.host());
    if !bare.contains('.') && !host.ends_with(".local") {
        return false;
    }
    let dotted = format!(".{host}");
    if !dotted.ends_with(domain) && !host.ends_with(&format!("{bare}.local")) {
        return false;
    }
    if policy.strict_ns_domain & Policy::RFC2965_MATCH != 0 && !strict_domain_match(&host, domain) {
        return false;
    }
    let end = url.host().len().saturating_sub(domain.len());
    let prefix = url.host().get(..end).unwrap_or_default();
    let no_dots = policy.strict_ns_domain & Policy::STRICT_NO_DOTS != 0;
    !(no_dots && prefix.contains('.') && !ends_in_number(url.host()))
}

/// True if the cookie's list of ports contains the port of the request. As in CPython, the first entry that is not a
/// number ends the list.
fn set_ok_port(cookie: &Cookie, url: &RequestUrl) -> bool {
    let port = url.port().to_string();
    let mut ports = cookie.port.as_deref().unwrap_or_default().split(',');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    ports.find(|one| *one == port || !is_number(one)).is_some_and(|one| one == port)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn url(text: &str) -> RequestUrl {
        RequestUrl::parse(text).unwrap()
    }

    fn taken(policy: &Policy, from: &str, field: &str) -> bool {
        parse(field, &url(from), 0).is_some_and(|cookie| set_ok(policy, &cookie, &url(from)))
    }

    #[test]
    fn a_domain_is_above_the_host_and_has_a_dot_inside() {
        let policy = Policy::python();
        for (from, domain, expected) in [
            ("http://www.example.com/", ".example.com", true),
            ("http://www.example.com/", "www.example.com", true),
            ("http://example.com/", ".example.com", true),
            ("http://example.com/", "www.example.com", false),
            ("http://www.example.com/", ".com", false),
            ("http://www.example.com/", "ample.com", false),
            ("http://www.example.com/", "other.com", false),
            ("http://www.example.com/", "", false),
            ("http://www.acme.co.uk/", ".co.uk", true),
            ("http://localhost/", ".local", true),
            ("http://localhost/", "localhost", true),
            ("http://10.0.0.1/", "10.0.0.1", true),
            ("http://10.0.0.1/", ".0.0.1", false),
        ] {
            assert_eq!(taken(&policy, from, &format!("a=b; domain={domain}")), expected, "{from} {domain}");
        }
    }

    #[test]
    fn strict_settings_refuse_more() {
        let refuses = |change: fn(&mut Policy), from: &str, field: &str| {
            let mut policy = Policy::python();
            assert!(taken(&policy, from, field), "{field}");
            change(&mut policy);
            !taken(&policy, from, field)
        };
        assert!(refuses(|policy| policy.strict_domain = true, "http://www.acme.co.uk/", "a=b; domain=.co.uk"));
        assert!(refuses(|policy| policy.strict_ns_domain = 4, "http://example.com/", "a=b; domain=.example.com"));
        assert!(refuses(|policy| policy.strict_ns_domain = 1, "http://a.b.c.com/", "a=b; domain=.c.com"));
        assert!(refuses(|policy| policy.strict_ns_set_initial_dollar = true, "http://c.com/", "$a=b"));
        assert!(refuses(|policy| policy.strict_ns_set_path = true, "http://c.com/x", "a=b; path=/y"));
    }

    #[test]
    fn a_cookie_goes_below_its_host_unless_it_is_strict() {
        let cookie = Cookie::new("a", "b", "example.com");
        let mut policy = Policy::python();
        assert!(return_ok(&policy, &cookie, &url("http://www.example.com/")));
        assert!(!return_ok(&policy, &cookie, &url("http://badexample.com/")), "CVE-2018-20852");
        policy.strict_ns_domain = Policy::STRICT_NON_DOMAIN;
        assert!(return_ok(&policy, &cookie, &url("http://example.com/")));
        assert!(!return_ok(&policy, &cookie, &url("http://www.example.com/")));
    }

    #[test]
    fn a_port_list_holds_the_port_of_the_request() {
        let policy = Policy::python();
        let from = "http://www.example.com:8080/";
        for (list, expected) in [("8080", true), ("80,8080", true), ("80", false), ("x,8080", false), ("8080,x", true)]
        {
            assert_eq!(taken(&policy, from, &format!("a=b; port={list}")), expected, "{list}");
        }
        let cookie = Cookie { port: Some("80,8080".to_owned()), ..Cookie::new("a", "b", "h.com") };
        assert!(return_ok(&policy, &cookie, &url("http://h.com:8080/")));
        assert!(!return_ok(&policy, &cookie, &url("http://h.com:81/")));
    }

    #[test]
    fn paths_are_compared_in_their_escaped_form() {
        let cookie = Cookie { path: "/a%20b".to_owned(), ..Cookie::new("a", "b", "h.com") };
        assert!(return_ok(&Policy::python(), &cookie, &url("http://h.com/a b/c")));
        assert!(!return_ok(&Policy::python(), &cookie, &url("http://h.com/a b.c")));
    }
}
