//! Parses and formats the hosts and ports of connections, of absolute targets and of the `Host` field.

use std::borrow::Cow;

use super::Error;
use super::places::PoolKey;
use super::settings::ConnectionRoute;

/// The default port for `http` (RFC 9110 section 4.2.1).
pub(super) const HTTP_PORT: u16 = 80;

/// The default port for `https` (RFC 9110 section 4.2.2).
pub(super) const HTTPS_PORT: u16 = 443;

/// Splits `host:port`. The brackets of an IPv6 host are removed. `port` takes precedence over a port in `host`; if
/// neither is given, the returned port is `None`.
///
/// # Errors
/// Returns [`Error::InvalidUrl`] if the port is not a number up to 65535, or the host is empty or contains a character
/// that is not allowed in a host.
pub(super) fn split(host: &str, port: Option<u16>) -> Result<(String, Option<u16>), Error> {
    let invalid = || Error::InvalidUrl(host.to_owned());
    let after_brackets = host.rfind(']').map_or(0, |at| at + 1);
    let (name, port) = match (port, host[after_brackets..].rfind(':')) {
        (Some(_), _) | (None, None) => (host, port),
        (None, Some(colon)) => {
            let (name, digits) = (&host[..after_brackets + colon], &host[after_brackets + colon + 1..]);
            match digits {
                // As in Python, an empty port means the default port.
                "" => (name, None),
                _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (name, Some(digits.parse().map_err(|_| invalid())?))
                }
                _ => return Err(invalid()),
            }
        }
    };
    let name = name.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(name);
    if name.is_empty() || !name.chars().all(is_host_char) {
        return Err(invalid());
    }
    // A name that cannot be converted to ASCII is rejected here, before the connection is opened.
    ascii(name)?;
    Ok((name.to_owned(), port))
}

/// True for a character that may occur in a host. Any other character would end the host in a URL or break the request.
fn is_host_char(character: char) -> bool {
    !character.is_ascii_control() && !matches!(character, ' ' | '/' | '?' | '#' | '@' | '\\' | '[' | ']')
}

/// The host in ASCII. A name with non-ASCII characters is converted to its IDNA form, which requires the feature
/// `idna`.
pub(super) fn ascii(host: &str) -> Result<Cow<'_, str>, Error> {
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    #[cfg(feature = "idna")]
    if let Some(host) = idna::domain_to_ascii(host).ok().filter(|host| !host.is_empty()) {
        return Ok(Cow::Owned(host));
    }
    Err(Error::InvalidUrl(host.to_owned()))
}

/// Formats the host for a `Host` field or a target. An IPv6 address is enclosed in brackets. Its zone is removed,
/// because a zone is meaningful only on this machine (RFC 6874).
pub(super) fn bracketed(host: &str) -> Result<String, Error> {
    if host.contains(':') {
        return Ok(format!("[{}]", host.split('%').next().unwrap_or(host)));
    }
    ascii(host).map(Cow::into_owned)
}

/// The value of the `Host` field: the host, followed by the port unless the port is `default_port`.
pub(super) fn host_field(host: &str, port: u16, default_port: u16) -> Result<String, Error> {
    let host = bracketed(host)?;
    Ok(if port == default_port { host } else { format!("{host}:{port}") })
}

/// The value of the `Host` field for an absolute target; `None` for any other target.
///
/// # Errors
/// Returns [`Error::InvalidUrl`] if the authority has userinfo, which must not be sent (RFC 9110 section 4.2.4), or no
/// host.
pub(super) fn host_of_target(target: &str) -> Result<Option<String>, Error> {
    let Some((scheme, rest)) = target.split_once("://") else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Ok(None);
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let (host, _) = split(authority, None).map_err(|_| Error::InvalidUrl(target.to_owned()))?;
    match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((_, port)) => Ok(Some(bracketed(&host)? + port)),
        None => Ok(Some(authority.to_owned())),
    }
}

/// Splits an absolute URL into the server and the request target. The path may be missing.
///
/// # Errors
/// Returns [`Error::InvalidUrl`] for an unsupported scheme, userinfo, or a malformed host. The target is checked later,
/// when it is sent.
pub(super) fn split_url(url: &str) -> Result<(PoolKey, &str), Error> {
    let invalid = || Error::InvalidUrl(url.to_owned());
    // Searching for one character takes less time than searching for a string.
    let (scheme, rest) = url.split_once(':').ok_or_else(invalid)?;
    let rest = rest.strip_prefix("//").ok_or_else(invalid)?;
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
        return Err(invalid());
    }
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A query or a fragment directly after the authority is rejected: a target that begins with `?` is not valid (RFC
    // 9112 section 3.2.1).
    if !target.is_empty() && !target.starts_with('/') {
        return Err(invalid());
    }
    let (host, port) = split(authority, None).map_err(|_| invalid())?;
    let port = port.unwrap_or(if is_secure { HTTPS_PORT } else { HTTP_PORT });
    let key = PoolKey { is_secure, host: host.to_ascii_lowercase(), port, route: ConnectionRoute::default() };
    Ok((key, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_and_brackets() {
        for (text, port, host, expected) in [
            ("www.example", None, "www.example", None),
            ("www.example:8080", None, "www.example", Some(8080)),
            ("www.example:", None, "www.example", None),
            ("[::1]", None, "::1", None),
            ("[::1]:8080", None, "::1", Some(8080)),
            ("[::1]:", None, "::1", None),
            ("[::1]", Some(1), "::1", Some(1)),
            ("2001:db8::1", Some(82), "2001:db8::1", Some(82)),
            ("fe80::2%eth0", Some(82), "fe80::2%eth0", Some(82)),
        ] {
            assert_eq!(split(text, port).unwrap(), (host.to_owned(), expected), "{text}");
        }
        for text in ["", ":80", "h:http", "h:+80", "h:65536", "a b", "a\n", "a\0", "a\x7f", "u@h", "h/x", "h\r\nX: y:1"]
        {
            assert!(matches!(split(text, None), Err(Error::InvalidUrl(_))), "{text:?}");
        }
    }

    #[test]
    fn the_host_field_leaves_out_the_default_port_and_the_zone() {
        assert_eq!(host_field("h", 80, 80).unwrap(), "h");
        assert_eq!(host_field("h", 80, 443).unwrap(), "h:80");
        assert_eq!(host_field("fe80::2%eth0", 81, 80).unwrap(), "[fe80::2]:81");
    }

    #[test]
    fn the_host_field_of_an_absolute_target_is_its_authority() {
        for (target, host) in [
            ("/", None),
            ("*", None),
            ("ftp://h/", None),
            ("http://h:8080/x", Some("h:8080")),
            ("HTTPS://h?x", Some("h")),
            ("http://[fe80::2%eth0]", Some("[fe80::2]")),
            ("http://[::1]:81/", Some("[::1]:81")),
        ] {
            assert_eq!(host_of_target(target).unwrap().as_deref(), host, "{target}");
        }
        for target in ["http://u:p@h/", "http:///x", "http://h:x/"] {
            assert!(matches!(host_of_target(target), Err(Error::InvalidUrl(_))), "{target}");
        }
    }

    #[test]
    fn a_url_has_a_server_and_a_target() {
        for (url, is_secure, host, port, expected) in [
            ("http://h", false, "h", 80, ""),
            ("HTTP://Host:81/a?b", false, "host", 81, "/a?b"),
            ("https://[::1]/", true, "::1", 443, "/"),
        ] {
            let (key, target) = split_url(url).unwrap();
            assert_eq!((key.is_secure, &*key.host, key.port, target), (is_secure, host, port, expected), "{url}");
        }
        for url in ["/a", "h/a", "ftp://h/", "http:///a", "http://u@h/", "http://h?a", "http://h#a"] {
            assert!(matches!(split_url(url), Err(Error::InvalidUrl(_))), "{url}");
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_host_beyond_ascii_is_sent_in_its_ascii_form() {
        assert_eq!(split("b\u{fc}cher.example", None).unwrap().0, "b\u{fc}cher.example");
        assert_eq!(host_field("b\u{fc}cher.example", 80, 80).unwrap(), "xn--bcher-kva.example");
    }
}
