//! Parses the request target, which has one of four forms, into its path, query and authority.

use super::host::is_authority;
use crate::http::{Method, Request, Span};
use crate::http1::Violation;

/// Parses the target, which is `request.head[start..end]`, in one of the four forms of RFC 9112 section 3.2.
///
/// The method and `Host` must already have been parsed. The authority of an absolute-form target replaces the one from
/// `Host` (section 3.2.2).
pub(crate) fn read(request: &mut Request, start: usize, end: usize) -> Result<(), Violation> {
    let target = &request.head[start..end];
    match (target, &request.method) {
        (authority, Method::Connect) => {
            // The authority form always has a port (RFC 9112 section 3.2.3), so it contains a colon and ends in a
            // digit.
            let has_port = authority.last().is_some_and(u8::is_ascii_digit) && authority.contains(&b':');
            if !is_authority(authority) || !has_port {
                return Err(Violation::Target);
            }
            request.authority = Some(Span::new(start, end));
            request.path = Span::new(end, end);
            Ok(())
        }
        ([b'/', ..], _) => {
            request.split_path(start, end);
            Ok(())
        }
        (b"*", Method::Options) => {
            request.path = Span::new(start, end);
            Ok(())
        }
        _ => absolute(request, start, end),
    }
}

/// Parses an absolute-form target: `http://` or `https://`, authority, path and query (RFC 9112 section 3.2.2).
fn absolute(request: &mut Request, start: usize, end: usize) -> Result<(), Violation> {
    let target = &request.head[start..end];
    let scheme = memchr::memmem::find(target, b"://").ok_or(Violation::Target)?;
    let known = target[..scheme].eq_ignore_ascii_case(b"http");
    let secure = target[..scheme].eq_ignore_ascii_case(b"https");
    if !known && !secure {
        return Err(Violation::Target);
    }
    let authority = start + scheme + 3;
    let after = &request.head[authority..end];
    // The path can be empty, in which case the query follows the authority directly.
    let length = after.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
    if !is_authority(&after[..length]) {
        return Err(Violation::Host);
    }
    // Without TLS the server is not authoritative for an https resource (RFC 9110 section 7.4). The error for a
    // malformed host takes precedence.
    if secure && request.tls.is_none() {
        return Err(Violation::Misdirected);
    }
    request.authority = Some(Span::new(authority, authority + length));
    request.split_path(authority + length, end);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &str, target: &str) -> Result<(String, Option<String>, Option<String>), Violation> {
        let mut request = Request::builder(method, target).header("Host", "host").build();
        let start = method.len() + 1;
        read(&mut request, start, start + target.len())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok((text(request.path()), request.query().map(text), request.authority().map(text)))
    }

    #[test]
    fn a_target_has_one_of_four_forms() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(target("GET", "/a?b?c"), Ok(("/a".into(), some("b?c"), some("host"))));
        assert_eq!(target("OPTIONS", "*"), Ok(("*".into(), None, some("host"))));
        assert_eq!(target("GET", "HTTP://Other:80/a?b"), Ok(("/a".into(), some("b"), some("Other:80"))));
        assert_eq!(target("GET", "http://other?b"), Ok(("/".into(), some("b"), some("other"))));
        assert_eq!(target("GET", "http://other"), Ok(("/".into(), None, some("other"))));
        assert_eq!(target("CONNECT", "other:443"), Ok(("".into(), None, some("other:443"))));
    }

    #[test]
    fn an_https_target_is_served_over_tls() {
        let mut request = Request::builder("GET", "https://other/a").header("Host", "host").build();
        request.tls = Some(Default::default());
        read(&mut request, 4, 4 + "https://other/a".len()).unwrap();
        assert_eq!((request.authority(), request.path()), (Some(&b"other"[..]), &b"/a"[..]));
    }

    #[test]
    fn other_targets_are_refused() {
        for (method, text, violation) in [
            ("GET", "*", Violation::Target),
            ("GET", "a.txt", Violation::Target),
            ("GET", "ftp://host/", Violation::Target),
            ("GET", "host:80", Violation::Target),
            ("GET", "http:///a", Violation::Host),
            ("GET", "http://user@host/", Violation::Host),
            ("GET", "http://host:a/", Violation::Host),
            ("GET", "https://host/", Violation::Misdirected),
            ("CONNECT", "/a", Violation::Target),
            ("CONNECT", "host", Violation::Target),
            ("CONNECT", "host:", Violation::Target),
            ("CONNECT", "host1", Violation::Target),
        ] {
            assert_eq!(target(method, text), Err(violation), "{method} {text}");
        }
    }
}
