//! The paths of cookies: the default path, the matching rule, and Python's escaping.

use std::fmt::Write;

/// The path of a cookie without a `Path` attribute (RFC 6265 section 5.1.4): the part of the request's path before the
/// last `/`, or `/` if that part is empty.
pub(super) fn default_path(request: &str) -> &str {
    match request.rfind('/') {
        Some(1..) if request.starts_with('/') => &request[..request.rfind('/').unwrap_or(0)],
        _ => "/",
    }
}

/// True if the path `request` matches the path `cookie` (RFC 6265 section 5.1.4): they are equal, or `request` is below
/// `cookie`. `/foobar` does not match `/foo`.
pub(super) fn path_match(request: &str, cookie: &str) -> bool {
    match request.strip_prefix(cookie) {
        Some(rest) => rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// Percent-encodes the UTF-8 bytes of each character that is not allowed in a path, and converts the digits of existing
/// escapes to upper case. Python compares paths in this form.
pub(super) fn escape_path(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    let mut bytes = path.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = match rest {
            [high, low, rest @ ..] if *byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                escaped.extend(['%', high.to_ascii_uppercase().into(), low.to_ascii_uppercase().into()]);
                rest
            }
            _ => {
                if byte.is_ascii_alphanumeric() || b"_.-~%/;:@&=+$,!*'()".contains(byte) {
                    escaped.push(char::from(*byte));
                } else {
                    _ = write!(escaped, "%{byte:02X}");
                }
                rest
            }
        };
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_folder_of_the_page() {
        for (request, expected) in
            [("/", "/"), ("/page", "/"), ("/dir/page", "/dir"), ("/x/y/", "/x/y"), ("//", "/"), ("", "/"), ("x/y", "/")]
        {
            assert_eq!(default_path(request), expected, "{request}");
        }
    }

    /// Before gh-79828 was fixed, CPython compared only the beginnings of the paths.
    #[test]
    fn a_path_matches_itself_and_what_is_below() {
        for (cookie, request, expected) in [
            ("/foo", "/foo", true),
            ("/foo", "/foo/", true),
            ("/foo", "/foo/bar", true),
            ("/foo/", "/foo/bar", true),
            ("/foo", "/foobar", false),
            ("/foo", "/Foo", false),
            ("/foo", "/fo", false),
            ("/foo/", "/foo", false),
            ("/", "/anything", true),
        ] {
            assert_eq!(path_match(request, cookie), expected, "{cookie} {request}");
        }
    }

    #[test]
    fn paths_are_escaped_as_in_python() {
        for (path, expected) in [
            ("/a b/%c3%a4", "/a%20b/%C3%A4"),
            ("/\u{e4}", "/%C3%A4"),
            ("/%", "/%"),
            ("/%zz%4", "/%zz%4"),
            ("/a\"<>[]\\^`{|}", "/a%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D"),
            ("/aZ09_.-~;:@&=+$,!*'()", "/aZ09_.-~;:@&=+$,!*'()"),
        ] {
            assert_eq!(escape_path(path), expected, "{path}");
        }
    }
}
