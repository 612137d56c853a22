//! A URL from the command line: its weight, its host and port, and its request target. Also resolves the host.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// A URL that receives a share of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetUrl {
    /// The share of the requests, relative to the weights of the other URLs.
    pub(super) weight: u32,
    pub(super) is_https: bool,
    /// The host without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The path and the query, as they are sent.
    pub(super) target: String,
}

impl TargetUrl {
    /// Parses `[WEIGHT*]http://HOST[:PORT][/PATH]`, or the same with `https`.
    pub(super) fn parse(text: &str) -> Result<TargetUrl, String> {
        let wrong = |reason: &str| format!("{text:?}: {reason}");
        let (weight, url) = match text.split_once('*') {
            Some((weight, url)) if weight.bytes().all(|byte| byte.is_ascii_digit()) => {
                let weight = weight.parse().ok().filter(|weight| (1..=MOST_WEIGHT).contains(weight));
                (weight.ok_or_else(|| wrong("the weight must be from 1 to 1000"))?, url)
            }
            _ => (1, text),
        };
        let (is_https, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(wrong("a URL begins with http:// or https://")),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if target.bytes().any(|byte| !(0x21..0x7f).contains(&byte) || byte == b'#') {
            return Err(wrong("a path is visible ASCII without #; encode other characters as %XX"));
        }
        let (host, port) =
            split_authority(authority).ok_or_else(|| wrong("a host, or a host and a port, is missing"))?;
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        Ok(TargetUrl { weight, is_https, host, port, target })
    }

    /// The value of the `Host` field. The port is omitted if it is the default port of the scheme.
    pub(super) fn host_field(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.is_https { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

/// The maximum weight of a URL.
const MOST_WEIGHT: u32 = 1000;

/// Splits `HOST[:PORT]`; an IPv6 address is in brackets. `None` if the host is empty or the port is not a number.
fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        // The digits are checked, because `parse` alone would accept a plus sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"@/\\\"<>".contains(&byte));
    is_host.then(|| (host.to_owned(), port))
}

/// The address to connect to.
#[derive(Debug, Clone)]
pub(super) enum LoadAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl LoadAddress {
    /// Resolves the host of a URL, once, before the run begins.
    pub(super) fn of(url: &TargetUrl) -> io::Result<LoadAddress> {
        let mut addresses = (url.host.as_str(), url.port)
            .to_socket_addrs()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", url.host)))?;
        let first = addresses.next();
        first.map(LoadAddress::Tcp).ok_or_else(|| io::Error::other(format!("{}: no address", url.host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_may_have_a_weight_a_port_and_a_target() {
        let url = TargetUrl::parse("3*http://[::1]:8000/a?b").unwrap();
        assert_eq!((url.weight, url.host.as_str(), url.port, url.target.as_str()), (3, "::1", 8000, "/a?b"));
        assert_eq!(url.host_field(), "[::1]:8000");
        let url = TargetUrl::parse("https://example.org?q=2*3").unwrap();
        assert_eq!((url.weight, url.is_https, url.port, url.target.as_str()), (1, true, 443, "/?q=2*3"));
        assert_eq!(url.host_field(), "example.org");
    }

    #[test]
    fn a_wrong_url_is_named() {
        for text in [
            "",
            "example.org",
            "ftp://h/",
            "http://",
            "http:///a",
            "http://h:x/",
            "http://h:70000/",
            "http://h:+80/",
            "http://[::1/",
            "http://h/a b",
            "http://h/#a",
            "http://u@h/",
            "0*http://h/",
            "1001*http://h/",
        ] {
            assert!(TargetUrl::parse(text).unwrap_err().contains(&format!("{text:?}")), "{text}");
        }
    }
}
