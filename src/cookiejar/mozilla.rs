//! The `cookies.txt` format of Netscape, which Mozilla, curl, wget and Python's `MozillaCookieJar` also use.

use super::Cookie;
use super::file::{CookieFile, FileFormat, Format, LineError, lines};

/// The prefix of a line that contains a cookie with the `HttpOnly` attribute.
const HTTP_ONLY: &str = "#HttpOnly_";

/// A file in the `cookies.txt` format, which Python's `MozillaCookieJar` reads and writes.
///
/// A line has seven fields, separated by tabs: domain, `TRUE` if the domain begins with a dot, path, `TRUE` if the
/// cookie has `Secure`, the time in seconds at which the cookie expires, name and value. `#HttpOnly_` before the domain
/// means that the cookie has `HttpOnly`. Ports, comments, `SameSite` and other attributes are lost, because the format
/// cannot represent them.
///
/// ```
/// use serve_forever::cookiejar::{CookieJar, FileOptions, MozillaFile, RequestUrl};
/// # let folder = tempfile::tempdir()?;
/// let file = MozillaFile::new(folder.path().join("cookies.txt"));
/// let (now, options) = (1_700_000_000, FileOptions::default());
/// let mut jar = CookieJar::new();
/// jar.extract(&RequestUrl::parse("https://www.example.com/")?, ["a=1; Max-Age=60; HttpOnly"], now);
/// file.save(&jar, now, options)?;
///
/// let mut again = CookieJar::new();
/// file.load(&mut again, now, options)?;
/// assert_eq!(again.to_string(), "<CookieJar[<Cookie a=1 for www.example.com/>]>");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type MozillaFile = CookieFile<Mozilla>;

/// The `cookies.txt` format, as a type parameter for [`CookieFile`]. This type has no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mozilla {}

impl FileFormat for Mozilla {
    const FORMAT: Format = Format {
        header: "# Netscape HTTP Cookie File\n\
                 # https://curl.se/docs/http-cookies.html\n\
                 # This is a generated file! Do not edit.\n\n",
        write,
        read,
    };
}

fn write(cookie: &Cookie) -> Option<String> {
    let flag = |set| if set { "TRUE" } else { "FALSE" };
    let domain = cookie.domain.as_str();
    let expires = cookie.expires.map(|expires| expires.to_string()).unwrap_or_default();
    // In this format, a cookie without a value is written as a value with an empty name.
    let (name, value) = match &cookie.value {
        Some(value) => (cookie.name.as_str(), value.as_str()),
        None => ("", cookie.name.as_str()),
    };
    let breaks = |field: &str| field.contains(['\t', '\n', '\r']);
    let is_comment = domain.trim_start().starts_with(['#', '$']);
    if is_comment || [domain, &cookie.path, name, value].into_iter().any(breaks) {
        return None;
    }
    let fields = [domain, flag(domain.starts_with('.')), &cookie.path, flag(cookie.secure), &expires, name, value];
    let prefix = if cookie.is_http_only() { HTTP_ONLY } else { "" };
    Some(format!("{prefix}{}", fields.join("\t")))
}

fn read(text: &str) -> Result<Vec<Cookie>, LineError> {
    let mut lines = lines(text);
    let magic = lines.next().map_or("", |(_, line)| line);
    // As in Python, the rest of the first line can be anything.
    if !["# Netscape HTTP Cookie File", "# HTTP Cookie File"].iter().any(|known| magic.starts_with(known)) {
        return Err((1, "not a cookies.txt file: its first line is not \"# Netscape HTTP Cookie File\"".to_owned()));
    }
    let cookies = lines.map(|(number, line)| read_line(line).map_err(|reason| (number, reason)));
    cookies.filter_map(Result::transpose).collect()
}

fn read_line(line: &str) -> Result<Option<Cookie>, String> {
    let (http_only, line) = match line.strip_prefix(HTTP_ONLY) {
        Some(line) => (true, line),
        None => (false, line),
    };
    let blank = line.trim();
    if blank.is_empty() || blank.starts_with(['#', '$']) {
        return Ok(None);
    }
    let fields: Vec<&str> = line.split('\t').collect();
    let [domain, flag, path, secure, expires, name, value] = fields[..] else {
        return Err(format!("expected 7 fields with tabs between them, found {}", fields.len()));
    };
    let is_domain = domain.starts_with('.');
    if (flag == "TRUE") != is_domain {
        return Err(format!("the flag {flag:?} contradicts the domain {domain:?}"));
    }
    let expires = read_expires(expires).ok_or_else(|| format!("{expires:?} is not a number of seconds"))?;
    let (name, value) = if name.is_empty() { (value, None) } else { (name, Some(value.to_owned())) };
    let rest = if http_only { vec![("HTTPOnly".to_owned(), Some(String::new()))] } else { Vec::new() };
    Ok(Some(Cookie {
        value,
        path: path.to_owned(),
        secure: secure == "TRUE",
        expires,
        discard: expires.is_none(),
        rest,
        ..Cookie::new(name, "", domain)
    }))
}

/// Parses the time in seconds at which a cookie expires. Returns `Some(None)` for a session cookie, whose field is
/// empty, or 0 in files written by curl. A fraction is truncated.
fn read_expires(field: &str) -> Option<Option<i64>> {
    let field = field.trim();
    if field.is_empty() {
        return Some(None);
    }
    let seconds = match field.parse::<i64>() {
        Ok(seconds) => seconds,
        // The conversion truncates a fraction, and saturates if the number is too large.
        Err(_) => field.parse::<f64>().ok().filter(|seconds| seconds.is_finite())? as i64,
    };
    Some((seconds != 0).then_some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookiejar::{CookieJar, FileOptions, Saved};

    const MAGIC: &str = "# Netscape HTTP Cookie File\n";

    fn one(line: &str) -> Result<Cookie, LineError> {
        read(&format!("{MAGIC}{line}\n")).map(|mut cookies| cookies.remove(0))
    }

    #[test]
    fn a_cookie_is_a_line_of_seven_fields() {
        let cookie =
            Cookie { expires: Some(1_991_600_612), discard: false, ..Cookie::new("a", "b", "www.example.com") };
        let domain = Cookie { secure: true, path: "/x".to_owned(), ..Cookie::new("c", "", ".example.com") };
        let http_only = Cookie { rest: vec![("httponly".to_owned(), None)], ..Cookie::new("a", "b", "a.com") };
        let without_value = Cookie { value: None, ..Cookie::new("a", "", "a.com") };
        for (cookie, line) in [
            (cookie, "www.example.com\tFALSE\t/\tFALSE\t1991600612\ta\tb"),
            (domain, ".example.com\tTRUE\t/x\tTRUE\t\tc\t"),
            (http_only, "#HttpOnly_a.com\tFALSE\t/\tFALSE\t\ta\tb"),
            (without_value, "a.com\tFALSE\t/\tFALSE\t\t\ta"),
        ] {
            assert_eq!(write(&cookie).as_deref(), Some(line));
            let again = one(line).unwrap();
            assert_eq!(again.is_http_only(), cookie.is_http_only());
            assert_eq!(Cookie { rest: Vec::new(), ..again }, Cookie { rest: Vec::new(), ..cookie });
        }
    }

    #[test]
    fn what_would_break_the_file_is_left_out() {
        for cookie in [
            Cookie::new("a", "b\tc", "a.com"),
            Cookie::new("a\nb", "c", "a.com"),
            Cookie::new("a", "b", "a\r.com"),
            Cookie::new("a", "b", "#a.com"),
            Cookie { path: "/\n".to_owned(), ..Cookie::new("a", "b", "a.com") },
        ] {
            assert_eq!(write(&cookie), None, "{cookie:?}");
        }
        let mut jar = CookieJar::new();
        jar.set_cookie(Cookie::new("a", "\u{20ac}", "a.com"));
        jar.set_cookie(Cookie::new("b", "\u{e9}", "a.com"));
        let (content, saved) =
            MozillaFile::content(&jar, 0, FileOptions { ignore_discard: true, ..Default::default() });
        assert_eq!(saved, Saved { written: 1, unwritable: 1 });
        assert!(content.ends_with(b"\n\na.com\tFALSE\t/\tFALSE\t\tb\t\xe9\n"), "{}", content.escape_ascii());
    }

    #[test]
    fn the_first_line_is_one_of_two() {
        let line = "a.com\tFALSE\t/\tFALSE\t1\ta\tb\r\n";
        for magic in ["# Netscape HTTP Cookie File\r\n", "# HTTP Cookie File\n", "# Netscape HTTP Cookie File v2\n"] {
            assert_eq!(read(&format!("{magic}{line}")).unwrap().len(), 1, "{magic}");
        }
        for magic in ["", "\n", "#LWP-Cookies-2.0\n", " # HTTP Cookie File\n"] {
            assert_eq!(read(&format!("{magic}{line}")).unwrap_err().0, 1, "{magic}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let text = format!("{MAGIC}# x\n\n  \n$x\n#HttpOnly_\n");
        assert_eq!(read(&text), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_the_line_and_what_was_expected() {
        for (line, reason) in [
            ("a.com\tFALSE\t/\tFALSE\ta\tb", "expected 7 fields with tabs between them, found 6"),
            ("a.com\tFALSE\t/\tFALSE\t1\ta\tb\tc", "expected 7 fields with tabs between them, found 8"),
            ("a.com\tTRUE\t/\tFALSE\t1\ta\tb", "the flag \"TRUE\" contradicts the domain \"a.com\""),
            (".a.com\tFALSE\t/\tFALSE\t1\ta\tb", "the flag \"FALSE\" contradicts the domain \".a.com\""),
            ("a.com\tFALSE\t/\tFALSE\tsoon\ta\tb", "\"soon\" is not a number of seconds"),
            ("a.com\tFALSE\t/\tFALSE\tinf\ta\tb", "\"inf\" is not a number of seconds"),
        ] {
            assert_eq!(one(&format!("\n{line}")), Err((3, reason.to_owned())));
        }
    }

    #[test]
    fn a_date_is_a_number_of_seconds() {
        for (field, expires) in [
            ("1991600612.75", Some(1_991_600_612)),
            ("1e3", Some(1000)),
            ("-1", Some(-1)),
            ("0", None),
            ("0.5", None),
            ("", None),
            ("99999999999999999999", Some(i64::MAX)),
        ] {
            let cookie = one(&format!("a.com\tFALSE\t/\tFALSE\t{field}\ta\tb")).unwrap();
            assert_eq!((cookie.expires, cookie.discard), (expires, expires.is_none()), "{field}");
        }
    }
}
