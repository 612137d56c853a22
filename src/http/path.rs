//! Decodes and normalises the path of a request target, for all services that use paths.
//!
//! The file system is not accessed, so the name in a `UrlPath` need not exist.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use super::{percent_decode, percent_encode_segment};

/// The path of a request target, decoded and normalised. No other code in this crate normalises paths.
///
/// Percent-escapes are decoded exactly once, so an encoded slash becomes a slash. Then empty segments and `.` are
/// removed, and `..` removes the preceding segment, if any (RFC 3986 section 5.2.4). The result can be joined to a
/// directory and stays below it, except through a symbolic link.
///
/// ```
/// use serve_forever::http::UrlPath;
/// let path = UrlPath::parse(b"//sub/./%2e%2e/a%20b/").unwrap();
/// assert_eq!(path.relative().to_str(), Some("a b"));
/// assert_eq!(path.location(), "/a%20b/");
/// assert_eq!(path.to_string(), "/a b");
/// assert!(UrlPath::parse(b"/%zz").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPath {
    /// The decoded segments, joined by single slashes, without leading and trailing slashes.
    joined: Vec<u8>,
    trailing_slash: bool,
    /// The segments of [`UrlPath::route`], joined by NUL, which no path contains. `None` if they are the same as the
    /// segments of `joined`.
    route: Option<String>,
}

/// The reason why a path is rejected with a 400 response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadPath {
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// The decoded path contains NUL, which file names cannot contain.
    Nul,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadPath::Escape => "Bad percent-encoding in path",
            BadPath::Nul => "NUL in path",
        })
    }
}

impl std::error::Error for BadPath {}

impl UrlPath {
    /// Decodes and normalises the path of a target. `raw` must not contain the query.
    ///
    /// # Errors
    /// Returns an error if an escape is malformed, or if the decoded path contains NUL.
    pub fn parse(raw: &[u8]) -> Result<UrlPath, BadPath> {
        let decoded = percent_decode(raw).ok_or(BadPath::Escape)?;
        if memchr::memchr(0, &decoded).is_some() {
            return Err(BadPath::Nul);
        }
        let mut joined = Vec::with_capacity(decoded.len());
        // The loop always overwrites this value, because even an empty path has one (empty) segment.
        let mut trailing_slash = true;
        for segment in decoded.split(|byte| *byte == b'/') {
            // A path that ends in a dot segment names a directory, like one that ends in a slash.
            trailing_slash = matches!(segment, b"" | b"." | b"..");
            match segment {
                b"" | b"." => {}
                b".." => joined.truncate(memchr::memrchr(b'/', &joined).unwrap_or(0)),
                name => {
                    if !joined.is_empty() {
                        joined.push(b'/');
                    }
                    joined.extend_from_slice(name);
                }
            }
        }
        // Most paths contain no encoded slash and are UTF-8. Then `route` can split `joined`.
        let slashes = |path: &[u8]| memchr::memchr_iter(b'/', path).count();
        let has_encoded_slash = slashes(raw) != slashes(&decoded);
        let differs = has_encoded_slash || std::str::from_utf8(&joined).is_err();
        Ok(UrlPath { joined, trailing_slash, route: differs.then(|| route(raw)) })
    }

    /// The segments for a `match` that selects a route. Unlike in [`segments`](UrlPath::segments), an encoded slash is
    /// part of its segment: `/users/a%2Fb` has the two segments `users` and `a/b`. Bytes that are not UTF-8 are
    /// replaced with U+FFFD.
    ///
    /// A program that passes other requests on to a file service must check access with
    /// [`starts_with`](UrlPath::starts_with) and not with these segments: `/private%2Fa` is a file in `private`, but
    /// has only one segment here.
    ///
    /// ```
    /// use serve_forever::http::UrlPath;
    /// let route = |raw: &str| match UrlPath::parse(raw.as_bytes()).unwrap().route()[..] {
    ///     [] => "home".to_owned(),
    ///     ["users", id] => format!("user {id}"),
    ///     _ => "not found".to_owned(),
    /// };
    /// assert_eq!([route("/"), route("//users/./a%2Fb"), route("/users")], ["home", "user a/b", "not found"]);
    /// ```
    ///
    /// The segments borrow from the path, so a `let` with `else` needs a variable for the path:
    ///
    /// ```
    /// # use serve_forever::{handler::{Exchange, HttpError}, service::Response};
    /// fn user(x: &Exchange<'_>) -> std::io::Result<()> {
    ///     let path = x.url_path()?;
    ///     let ["users", id] = path.route()[..] else { return Err(HttpError::new(404).into()) };
    ///     x.respond(Response::text(id.to_owned()))
    /// }
    /// ```
    pub fn route(&self) -> Vec<&str> {
        let (route, separator) = match &self.route {
            Some(route) => (route.as_str(), '\0'),
            // `parse` has checked that these bytes are UTF-8.
            None => (std::str::from_utf8(&self.joined).unwrap_or_default(), '/'),
        };
        route.split(separator).filter(|segment| !segment.is_empty()).collect()
    }

    /// The path relative to the served directory; empty for the directory itself.
    pub fn relative(&self) -> &Path {
        bytes_path(&self.joined)
    }

    /// The same path as [`UrlPath::relative`], as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.joined
    }

    /// The decoded segments. A segment is never empty, `.` or `..`, and never contains a slash or NUL.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.joined.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// True if the first segments equal those of `base`, a decoded path such as `/private`. Empty segments of `base`
    /// are ignored. As with [`Path::starts_with`], `/privately` does not start with `/private`.
    ///
    /// The comparison is case-sensitive. On a file system that ignores case, `/Private` names the same directory as
    /// `/private`, but does not start with it, so files should be guarded with
    /// [`auth_under`](crate::files::FileServiceBuilder::auth_under) instead.
    pub fn starts_with(&self, base: &str) -> bool {
        let mut segments = self.segments();
        base.split('/').filter(|segment| !segment.is_empty()).all(|segment| segments.next() == Some(segment.as_bytes()))
    }

    /// True if the path has no segments, so that it names the served directory itself.
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// True if the path names a directory: it ends in a slash, encoded or not, or in a dot segment.
    pub fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// The percent-encoded path with a trailing slash, for the `Location` field. It begins with exactly one slash, and
    /// contains no characters that a browser could parse as part of a scheme or a host.
    pub fn location(&self) -> String {
        let mut location = String::from("/");
        for segment in self.segments() {
            location.extend(percent_encode_segment(segment));
            location.push('/');
        }
        location
    }
}

/// Normalises a path like [`UrlPath::parse`], but splits it into segments before it decodes them.
fn route(raw: &[u8]) -> String {
    let mut kept: Vec<String> = Vec::new();
    for segment in raw.split(|byte| *byte == b'/') {
        // The caller has decoded the whole path, so no segment is malformed.
        let decoded = percent_decode(segment).unwrap_or_default();
        match &*decoded {
            b"" | b"." => {}
            b".." => _ = kept.pop(),
            name => kept.push(String::from_utf8_lossy(name).into_owned()),
        }
    }
    kept.join("\0")
}

/// Writes the decoded path with a leading slash and no trailing slash, for use in a `match`. Bytes that are not UTF-8
/// are replaced with U+FFFD.
impl fmt::Display for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.joined))
    }
}

#[cfg(unix)]
fn bytes_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(OsStr::from_bytes(bytes))
}

/// On systems where file names are not bytes, a path that is not UTF-8 cannot name a file. It becomes the single
/// character U+FFFD.
#[cfg(not(unix))]
fn bytes_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::new(std::str::from_utf8(bytes).unwrap_or("\u{fffd}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once_and_normalised() {
        for (raw, relative, slash, location) in [
            ("/", "", true, "/"),
            ("", "", true, "/"),
            ("/a.txt", "a.txt", false, "/a.txt/"),
            ("/a//b/", "a/b", true, "/a/b/"),
            ("/../../etc/passwd", "etc/passwd", false, "/etc/passwd/"),
            ("/a/%2e%2e/b", "b", false, "/b/"),
            ("/a%2f..%2fb", "b", false, "/b/"),
            ("/a/..", "", true, "/"),
            ("/a/.", "a", true, "/a/"),
            ("/a%2F", "a", true, "/a/"),
            ("/%252e%252e/x", "%2e%2e/x", false, "/%252e%252e/x/"),
            ("//evil.example/..%2f..%2fsub", "sub", false, "/sub/"),
            ("/\\evil.example/..", "", true, "/"),
            ("/\\evil.example", "\\evil.example", false, "/%5Cevil.example/"),
            ("/a b?", "a b?", false, "/a%20b%3F/"),
        ] {
            let path = UrlPath::parse(raw.as_bytes()).unwrap();
            assert_eq!(path.relative(), Path::new(relative), "{raw}");
            assert_eq!(path.has_trailing_slash(), slash, "{raw}");
            assert_eq!(path.location(), location, "{raw}");
        }
        assert_eq!(UrlPath::parse(b"/a%00b"), Err(BadPath::Nul));
        assert_eq!(UrlPath::parse(b"/a%"), Err(BadPath::Escape));
    }

    #[test]
    fn a_route_keeps_encoded_slashes_and_is_utf8() {
        for (raw, route) in [
            ("/", &[][..]),
            ("//users/./7/", &["users", "7"]),
            ("/users/a%20b", &["users", "a b"]),
            ("/users/a%2Fb", &["users", "a/b"]),
            ("/a%2f..%2fb", &["a/../b"]),
            ("/a/%2e%2e/%2f", &["/"]),
            ("/inv-%ff/x", &["inv-\u{fffd}", "x"]),
        ] {
            assert_eq!(UrlPath::parse(raw.as_bytes()).unwrap().route(), route, "{raw}");
        }
    }

    #[test]
    fn a_path_starts_with_whole_segments() {
        let path = UrlPath::parse(b"/a%20b/c").unwrap();
        for base in ["", "/", "/a b", "a b/", "/a b//c", "/a b/c/"] {
            assert!(path.starts_with(base), "{base}");
        }
        for base in ["/a", "/a%20b", "/a b/c/d", "/c"] {
            assert!(!path.starts_with(base), "{base}");
        }
        assert_eq!(path.to_string(), "/a b/c");
        assert_eq!(UrlPath::parse(b"/").unwrap().to_string(), "/");
    }

    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let path = UrlPath::parse(b"/inv-%ff").unwrap();
        assert_eq!(path.as_bytes(), b"inv-\xff");
        assert_eq!(path.location(), "/inv-%FF/");
    }
}
