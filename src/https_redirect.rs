//! `HttpsRedirect`: a service for the unencrypted port of a server that uses TLS. Each response redirects to the same
//! resource over TLS.

use crate::http::{Request, Status};
use crate::service::{Reply, Response, Service};

/// The default port of `https` URLs (RFC 9110 section 4.2.2).
const DEFAULT_PORT: u16 = 443;

/// Redirects every request to the same host, path and query with the `https` scheme. The status is 308, so that clients
/// keep the method.
///
/// The response is 400 for a request without a host, which HTTP/1.0 allows, and for a target without a path.
///
/// ```
/// use serve_forever::HttpsRedirect;
/// use serve_forever::http::Request;
/// use serve_forever::service::{Reply, Service};
///
/// let request = Request::builder("GET", "/a?b=c").header("Host", "example.org:8080").build();
/// let Reply::Now(response) = HttpsRedirect::to_port(8443).call(&request) else { unreachable!() };
/// assert_eq!(response.status.code(), 308);
/// assert_eq!(response.head.get("Location"), Some("https://example.org:8443/a?b=c".as_bytes()));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HttpsRedirect {
    port: u16,
}

impl HttpsRedirect {
    /// Creates a service that redirects to `port`. Port 443 is omitted from the URLs.
    pub fn to_port(port: u16) -> HttpsRedirect {
        HttpsRedirect { port }
    }
}

impl Service for HttpsRedirect {
    fn call(&self, request: &Request) -> Reply {
        let redirect = location(request, self.port)
            .and_then(|location| Response::new(Status::PERMANENT_REDIRECT).header("Location", location).ok());
        redirect.unwrap_or_else(|| Response::error(Status::BAD_REQUEST)).into()
    }
}

/// The `https` URL of the requested resource. `None` if the request has no host or no path.
pub(crate) fn location(request: &Request, port: u16) -> Option<String> {
    let authority = request.authority().filter(|authority| !authority.is_empty())?;
    let authority = std::str::from_utf8(authority).ok()?;
    // Digits alone never follow the last colon of an IPv6 address, because a bracket closes the address. That colon is
    // therefore not mistaken for the beginning of a port.
    let host = match authority.rsplit_once(':') {
        Some((host, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let path = std::str::from_utf8(request.path()).ok().filter(|path| path.starts_with('/'))?;
    let mut location = match port {
        DEFAULT_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    };
    if let Some(query) = request.query() {
        location.push('?');
        location.push_str(std::str::from_utf8(query).ok()?);
    }
    Some(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(target: &str, host: Option<&str>, port: u16) -> Option<String> {
        let builder = Request::builder("POST", target);
        let builder = match host {
            Some(host) => builder.header("Host", host),
            None => builder,
        };
        let Reply::Now(response) = HttpsRedirect::to_port(port).call(&builder.build()) else { panic!("later") };
        let location = response.head.get("Location").map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(response.status.code(), if location.is_some() { 308 } else { 400 });
        location
    }

    #[test]
    fn a_redirect_keeps_host_path_and_query_and_replaces_the_port() {
        for (host, port, url) in [
            ("example.org", 443, "https://example.org/a%20b?q=1&r"),
            ("example.org:80", 443, "https://example.org/a%20b?q=1&r"),
            ("example.org:80", 8443, "https://example.org:8443/a%20b?q=1&r"),
            ("[::1]", 443, "https://[::1]/a%20b?q=1&r"),
            ("[::1]:8080", 8443, "https://[::1]:8443/a%20b?q=1&r"),
            ("example.org:", 443, "https://example.org/a%20b?q=1&r"),
        ] {
            assert_eq!(redirect("/a%20b?q=1&r", Some(host), port).as_deref(), Some(url));
        }
        assert_eq!(redirect("//evil.example/", Some("a"), 443).as_deref(), Some("https://a//evil.example/"));
        assert_eq!(redirect("/?", Some("a"), 443).as_deref(), Some("https://a/?"));
    }

    #[test]
    fn a_request_without_a_host_or_a_path_is_not_redirected() {
        assert_eq!(redirect("/", None, 443), None);
        assert_eq!(redirect("/", Some(""), 443), None);
        assert_eq!(redirect("*", Some("a"), 443), None);
    }
}
