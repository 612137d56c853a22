//! Hosts and domains: the matching rules of RFC 6265 and of Python, and the public suffixes, which must not be the
//! domain of a cookie.

use std::net::Ipv4Addr;

/// True for an IPv4 address, or an IPv6 address in brackets. An address has no parent domain.
pub(super) fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

/// True if `host` is `domain`, or a name below it (RFC 6265 section 5.1.3). Both must be in lower case, and the domain
/// must not have a leading dot.
pub(super) fn domain_match(host: &str, domain: &str) -> bool {
    match host.strip_suffix(domain) {
        Some("") => true,
        Some(rest) => rest.ends_with('.') && !is_address(host) && !domain.is_empty(),
        None => false,
    }
}

/// True for a domain under which unrelated parties register names. A response must not set a cookie for such a domain.
/// Examples are `com`, and with the feature `public-suffix` also `co.uk`, `github.io` and the rest of the [public
/// suffix list](https://publicsuffix.org).
///
/// The name must be in lower case. The list is compiled into the program by the `psl` crate.
///
/// ```
/// use serve_forever::cookiejar::is_public_suffix;
/// assert!(is_public_suffix("com"));
/// assert!(!is_public_suffix("example.com"));
/// ```
pub fn is_public_suffix(domain: &str) -> bool {
    is_single_label(domain) || (!is_address(domain) && is_listed(domain))
}

/// True for a name without a dot. Every such name is a public suffix, because the public suffix list contains the rule
/// `*`.
pub(super) fn is_single_label(domain: &str) -> bool {
    !domain.contains('.') && !is_address(domain)
}

#[cfg(feature = "public-suffix")]
fn is_listed(domain: &str) -> bool {
    psl::suffix_str(domain).is_some_and(|suffix| suffix.len() == domain.len())
}

#[cfg(not(feature = "public-suffix"))]
fn is_listed(_: &str) -> bool {
    false
}

/// The host name for which Python stores and sends cookies: a name without a dot gets the suffix `.local`.
pub(super) fn effective_host(host: &str) -> String {
    if host.contains('.') { host.to_owned() } else { format!("{host}.local") }
}

/// True if the text ends in a dot followed by digits. Python considers such a host an IP address.
pub(super) fn ends_in_number(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()))
}

/// True for text that Python considers a host name. Such text is not empty, not an address, and does not begin or end
/// with a dot.
fn is_host_name(text: &str) -> bool {
    !ends_in_number(text) && !text.is_empty() && !text.starts_with('.') && !text.ends_with('.')
}

/// Python's version of the matching rule in RFC 2965 section 1. True if `host` equals `domain`. Also true if `domain`
/// begins with a dot and occurs in `host` after the first character. As in CPython, `host` need not end in `domain`.
pub(super) fn strict_domain_match(host: &str, domain: &str) -> bool {
    let below = || host.rfind(domain).is_some_and(|at| at > 0);
    host == domain || (is_host_name(host) && below() && domain.strip_prefix('.').is_some_and(is_host_name))
}

/// The rule for matching the domain of a cookie against an entry in a list of blocked or allowed domains, when the jar
/// follows RFC 6265bis. An entry with a leading dot matches this domain and every domain below it. Any other entry
/// matches only this domain. A leading dot of `domain` is ignored.
pub(super) fn listed_domain_match(domain: &str, listed: &str) -> bool {
    let (domain, listed) = (domain.strip_prefix('.').unwrap_or(domain), listed.to_lowercase());
    match listed.strip_prefix('.') {
        Some(above) => domain_match(domain, above),
        None => domain == listed,
    }
}

/// Python's rule for matching a domain against an entry in a list of blocked or allowed domains. An entry with a
/// leading dot matches every domain that ends with the entry. Any other entry matches only an identical domain.
pub(super) fn user_domain_match(domain: &str, listed: &str) -> bool {
    let listed = listed.to_lowercase();
    if ends_in_number(domain) || ends_in_number(&listed) || !listed.starts_with('.') {
        return domain == listed;
    }
    domain.ends_with(&listed)
}

/// The "reach" of a host (RFC 2965 section 1): the domain whose hosts are not third parties to this host.
fn reach(host: &str) -> String {
    match host.split_once('.') {
        Some((_, above)) if is_host_name(host) && (above.contains('.') || above == "local") => format!(".{above}"),
        _ => host.to_owned(),
    }
}

/// True if `host` is a third party to `origin`, the host of the page that caused the request (RFC 2965 section 3.3.6).
pub(super) fn is_third_party(host: &str, origin: &str) -> bool {
    !strict_domain_match(host, &reach(origin))
}

/// Python's heuristic for public suffixes below a country code: true for `.co.uk` and similar names.
pub(super) fn looks_like_country_suffix(domain: &str) -> bool {
    const SECOND_LEVEL: [&str; 21] = [
        "co", "ac", "com", "edu", "org", "net", "gov", "mil", "int", "aero", "biz", "cat", "coop", "info", "jobs",
        "mobi", "museum", "name", "pro", "travel", "eu",
    ];
    let parts = domain.strip_prefix('.').and_then(|bare| bare.split_once('.'));
    parts.is_some_and(|(second, top)| top.len() == 2 && !top.contains('.') && SECOND_LEVEL.contains(&second))
}

/// The host and all of its parent domains, without leading dots. For `a.b.c`, these are `a.b.c`, `b.c` and `c`.
pub(super) fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_matched_by_itself_and_by_names_below() {
        for (host, domain, expected) in [
            ("example.com", "example.com", true),
            ("www.example.com", "example.com", true),
            ("a.b.example.com", "example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com", "www.example.com", false),
            ("example.com.evil.org", "example.com", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "0.0.1", false),
            ("[::1]", "[::1]", true),
            ("example.com", "", false),
        ] {
            assert_eq!(domain_match(host, domain), expected, "{host} {domain}");
        }
    }

    #[test]
    fn names_without_a_dot_are_public_suffixes() {
        for (domain, expected) in [("com", true), ("local", true), ("example.com", false), ("[::1]", false)] {
            assert_eq!(is_public_suffix(domain), expected, "{domain}");
        }
    }

    #[cfg(feature = "public-suffix")]
    #[test]
    fn the_list_is_compiled_in() {
        for (domain, expected) in
            [("co.uk", true), ("github.io", true), ("acme.co.uk", false), ("me.github.io", false), ("10.0.0.1", false)]
        {
            assert_eq!(is_public_suffix(domain), expected, "{domain}");
        }
    }

    #[test]
    fn the_strict_match_of_python_wants_a_dot_in_front() {
        for (host, domain, expected) in [
            ("x.y.com", ".y.com", true),
            ("x.y.com", "y.com", false),
            ("y.com", ".y.com", false),
            ("a.b.c.com", ".c.com", true),
            ("1.2.3.4", ".3.4", false),
            ("x.y.com", "x.y.com", true),
        ] {
            assert_eq!(strict_domain_match(host, domain), expected, "{host} {domain}");
        }
    }

    #[test]
    fn a_listed_domain_with_a_dot_is_all_names_below() {
        for (domain, listed, expected) in [
            ("x.acme.com", ".acme.com", true),
            ("acme.com", ".acme.com", false),
            ("x.acme.com", "acme.com", false),
            ("acme.com", "ACME.com", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", ".0.0.1", false),
        ] {
            assert_eq!(user_domain_match(domain, listed), expected, "{domain} {listed}");
        }
    }

    #[test]
    fn a_listed_domain_is_compared_without_the_dot_of_the_cookie() {
        for (domain, listed, expected) in [
            ("acme.com", "acme.com", true),
            (".acme.com", "ACME.com", true),
            ("x.acme.com", "acme.com", false),
            ("acme.com", ".acme.com", true),
            (".acme.com", ".acme.com", true),
            (".x.acme.com", ".Acme.com", true),
            ("badacme.com", ".acme.com", false),
            ("10.0.0.1", ".0.0.1", false),
            ("acme.com", "", false),
        ] {
            assert_eq!(listed_domain_match(domain, listed), expected, "{domain} {listed}");
        }
    }

    #[test]
    fn a_sister_of_the_origin_is_no_third_party() {
        for (host, origin, expected) in [
            ("x.acme.com", "www.acme.com", false),
            ("other.com", "www.acme.com", true),
            ("acme.com", "acme.com", false),
            ("www.acme.com", "acme.com", true),
            ("b.local", "a.local", false),
        ] {
            assert_eq!(is_third_party(host, origin), expected, "{host} {origin}");
        }
    }

    #[test]
    fn python_guesses_the_suffixes_of_countries() {
        for (domain, expected) in
            [(".co.uk", true), (".acme.co.uk", false), (".co.com", false), (".foo.uk", false), ("co.uk", false)]
        {
            assert_eq!(looks_like_country_suffix(domain), expected, "{domain}");
        }
    }
}
