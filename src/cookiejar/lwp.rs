//! The `Set-Cookie3` format of libwww-perl, which stores all attributes of a cookie. Python's `LWPCookieJar` uses it.

use super::Cookie;
use super::date::{format_iso, parse_iso};
use super::file::{CookieFile, FileFormat, Format, LineError, lines};

/// The prefix of each line that contains a cookie.
const FIELD: &str = "Set-Cookie3:";

/// The attribute names that the format defines. An attribute in [`Cookie::rest`] with such a name is not written,
/// because a reader would take it for the attribute that the format defines.
const STANDARD: [&str; 12] = [
    "version",
    "port",
    "path",
    "domain",
    "expires",
    "comment",
    "commenturl",
    "port_spec",
    "path_spec",
    "domain_dot",
    "secure",
    "discard",
];

/// A file in the format of libwww-perl, which Python's `LWPCookieJar` reads and writes. It stores all parts of a
/// cookie. An expiry time after the year 9999 is written as the end of that year.
///
/// ```
/// use serve_forever::cookiejar::{Cookie, CookieJar, FileOptions, LwpFile};
/// let mut jar = CookieJar::new();
/// jar.set_cookie(Cookie { expires: Some(1_991_600_612), discard: false, ..Cookie::new("a", "1", "www.example.com") });
/// let (content, saved) = LwpFile::content(&jar, 1_700_000_000, FileOptions::default());
/// assert_eq!(saved.written, 1);
/// assert_eq!(
///     String::from_utf8_lossy(&content),
///     "#LWP-Cookies-2.0\n\
///      Set-Cookie3: a=1; path=\"/\"; domain=\"www.example.com\"; expires=\"2033-02-09 22:23:32Z\"; version=0\n"
/// );
/// ```
pub type LwpFile = CookieFile<Lwp>;

/// The format of libwww-perl, as a type parameter for [`CookieFile`]. This type has no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lwp {}

impl FileFormat for Lwp {
    const FORMAT: Format = Format { header: "#LWP-Cookies-2.0\n", write, read };
}

fn write(cookie: &Cookie) -> Option<String> {
    let version = cookie.version.to_string();
    let expires = cookie.expires.map(format_iso);
    let mut words: Vec<(&str, Option<&str>)> =
        vec![(&cookie.name, cookie.value.as_deref()), ("path", Some(&cookie.path)), ("domain", Some(&cookie.domain))];
    let flag = |name, set: bool| set.then_some((name, None));
    words.extend(cookie.port.as_deref().map(|port| ("port", Some(port))));
    words.extend(flag("path_spec", cookie.path_specified));
    words.extend(flag("port_spec", cookie.port_specified));
    words.extend(flag("domain_dot", cookie.domain_initial_dot));
    words.extend(flag("secure", cookie.secure));
    words.extend(expires.as_deref().map(|expires| ("expires", Some(expires))));
    words.extend(flag("discard", cookie.discard));
    words.extend(cookie.comment.as_deref().map(|comment| ("comment", Some(comment))));
    words.extend(cookie.comment_url.as_deref().map(|url| ("commenturl", Some(url))));
    let mut rest: Vec<_> = cookie.rest.iter().filter(|(name, _)| is_writable_name(name)).collect();
    rest.sort();
    words.extend(rest.into_iter().map(|(name, value)| (name.as_str(), value.as_deref())));
    words.push(("version", Some(&version)));
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let is_broken = words.iter().any(|(_, value)| value.is_some_and(breaks));
    (is_token(&cookie.name) && !is_broken).then(|| format!("{FIELD} {}", join(&words)))
}

/// True if an attribute in [`Cookie::rest`] with this name can be written.
fn is_writable_name(name: &str) -> bool {
    is_token(name) && !STANDARD.contains(&&*name.to_ascii_lowercase())
}

/// True if the text is read back as a single name when it is written in this format.
fn is_token(text: &str) -> bool {
    !text.is_empty() && !text.contains(ends_token)
}

fn ends_token(character: char) -> bool {
    is_blank(character) || matches!(character, '=' | ';' | ',')
}

/// True for white space as matched by Python's regular expressions.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// Joins words like Python's `join_header_words`. A value of letters, digits and `_` is written unchanged; any other
/// value is quoted.
fn join(words: &[(&str, Option<&str>)]) -> String {
    let word = |(name, value): &(&str, Option<&str>)| match value {
        None => (*name).to_owned(),
        Some(value) if !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            format!("{name}={value}")
        }
        Some(value) => format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    words.iter().map(word).collect::<Vec<_>>().join("; ")
}

fn read(text: &str) -> Result<Vec<Cookie>, LineError> {
    let mut lines = lines(text);
    if !lines.next().is_some_and(|(_, line)| is_magic(line)) {
        return Err((1, "not an LWP cookie file: its first line is not \"#LWP-Cookies-2.0\"".to_owned()));
    }
    let mut cookies = Vec::new();
    // A line without the prefix `Set-Cookie3:` is a comment.
    for (number, line) in lines.filter_map(|(number, line)| Some((number, line.strip_prefix(FIELD)?))) {
        for words in split(line) {
            cookies.push(cookie(words).map_err(|reason| (number, reason))?);
        }
    }
    Ok(cookies)
}

/// True for a line that begins with `#LWP-Cookies-` and a version.
fn is_magic(line: &str) -> bool {
    let version = line.strip_prefix("#LWP-Cookies-").and_then(|version| version.split_once('.'));
    version.is_some_and(|(major, minor)| {
        !major.is_empty()
            && major.bytes().all(|byte| byte.is_ascii_digit())
            && minor.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// A name, and the value after the `=`; `None` if there is no `=`.
type Word = (String, Option<String>);

/// Splits a line into the words of each cookie, like Python's `split_header_words`. A comma begins the next cookie.
fn split(line: &str) -> Vec<Vec<Word>> {
    let mut cookies = vec![Vec::new()];
    let mut rest = line.trim_start_matches(is_blank);
    while let Some(next) = rest.chars().next() {
        if next == ',' {
            cookies.push(Vec::new());
            rest = &rest[1..];
        } else if ends_token(next) {
            rest = &rest[next.len_utf8()..];
        } else {
            let (name, after) = rest.split_at(rest.find(ends_token).unwrap_or(rest.len()));
            let (value, after) = split_value(after);
            cookies.last_mut().into_iter().for_each(|words| words.push((name.to_owned(), value.clone())));
            rest = after;
        }
        rest = rest.trim_start_matches(is_blank);
    }
    cookies.retain(|words| !words.is_empty());
    cookies
}

/// Parses the value that follows a name. Returns the value without quotes and escapes, and the rest of the text. The
/// value is `None` if the text does not begin with `=`.
fn split_value(text: &str) -> (Option<String>, &str) {
    let Some(after) = text.trim_start_matches(is_blank).strip_prefix('=') else { return (None, text) };
    let after = after.trim_start_matches(is_blank);
    if let Some((value, rest)) = after.strip_prefix('"').and_then(split_quoted) {
        return (Some(value), rest);
    }
    let (value, rest) = after.split_at(after.find(|c| is_blank(c) || c == ';' || c == ',').unwrap_or(after.len()));
    (Some(value.to_owned()), rest)
}

/// Parses the text up to the closing quote, and removes the backslashes that escape characters. Returns the value and
/// the text after the quote; `None` if there is no closing quote.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn cookie(words: Vec<Word>) -> Result<Cookie, String> {
    let mut words = words.into_iter();
    let (name, value) = words.next().unwrap_or_default();
    let mut cookie = Cookie { name, value, discard: false, ..Cookie::new("", "", "") };
    let (mut domain, mut path) = (None, None);
    for (name, value) in words {
        match &*name.to_ascii_lowercase() {
            "domain" => domain = value,
            "path" => path = value,
            "port" => cookie.port = value,
            "version" => {
                let text = value.unwrap_or_default();
                cookie.version = text.trim().parse().map_err(|_| format!("{text:?} is not a version"))?;
            }
            "expires" => cookie.expires = value.and_then(|date| parse_iso(&date)),
            "comment" => cookie.comment = value,
            "commenturl" => cookie.comment_url = value,
            "port_spec" => cookie.port_specified = true,
            "path_spec" => cookie.path_specified = true,
            "domain_dot" => cookie.domain_initial_dot = true,
            "secure" => cookie.secure = true,
            "discard" => cookie.discard = true,
            _ => cookie.rest.push((name, value)),
        }
    }
    cookie.domain = domain.ok_or("the cookie has no domain")?.to_lowercase();
    cookie.path = path.ok_or("the cookie has no path")?;
    cookie.domain_specified = cookie.domain.starts_with('.');
    cookie.discard |= cookie.expires.is_none();
    Ok(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: i64 = 1_991_600_612;

    fn full() -> Cookie {
        let text = |text: &str| Some(text.to_owned());
        Cookie {
            path: "/x".to_owned(),
            path_specified: true,
            port: text("80,8080"),
            port_specified: true,
            secure: true,
            expires: Some(LATER),
            discard: false,
            version: 1,
            comment: text("why \"not\""),
            comment_url: text("http://a/"),
            rest: vec![
                ("HttpOnly".to_owned(), None),
                ("SameSite".to_owned(), text("Lax")),
                ("empty".to_owned(), text("")),
            ],
            ..Cookie::new("a", "b,c; \\ \u{e9}", ".example.com")
        }
    }

    fn content(lines: &str) -> Result<Vec<Cookie>, LineError> {
        read(&format!("#LWP-Cookies-2.0\n{lines}"))
    }

    #[test]
    fn all_of_a_cookie_is_written_and_read_back() {
        let line = write(&full()).unwrap();
        assert_eq!(
            line,
            "Set-Cookie3: a=\"b,c; \\\\ \u{e9}\"; path=\"/x\"; domain=\".example.com\"; port=\"80,8080\"; path_spec; \
             port_spec; domain_dot; secure; expires=\"2033-02-09 22:23:32Z\"; comment=\"why \\\"not\\\"\"; \
             commenturl=\"http://a/\"; HttpOnly; SameSite=Lax; empty=\"\"; version=1"
        );
        assert_eq!(content(&line), Ok(vec![full()]));
    }

    #[test]
    fn a_cookie_without_a_value_and_without_a_date() {
        let cookie = Cookie { value: None, ..Cookie::new("a", "", "a.com") };
        let line = write(&cookie).unwrap();
        assert_eq!(line, "Set-Cookie3: a; path=\"/\"; domain=\"a.com\"; discard; version=0");
        assert_eq!(content(&line), Ok(vec![cookie]));
    }

    #[test]
    fn what_would_break_the_file_is_left_out() {
        for cookie in [
            Cookie::new("a", "b\nc", "a.com"),
            Cookie::new("a b", "c", "a.com"),
            Cookie::new("a;b", "c", "a.com"),
            Cookie { path: "/\r".to_owned(), ..Cookie::new("a", "b", "a.com") },
        ] {
            assert_eq!(write(&cookie), None, "{cookie:?}");
        }
        let odd = ["a b", "path", "Version", ""].map(|name| (name.to_owned(), None)).to_vec();
        let line = write(&Cookie { rest: odd, ..Cookie::new("a", "b", "a.com") }).unwrap();
        assert_eq!(line, "Set-Cookie3: a=b; path=\"/\"; domain=\"a.com\"; discard; version=0");
    }

    #[test]
    fn lines_are_read_as_python_reads_them() {
        let cookies = content(
            "# x\nSet-Cookie3: a=1; Path=/x;domain = a.com ;; FOO=bar secure, b; path=\"/\\y\"; domain=\"B.com\r\n\
             Set-Cookie: c=1\n",
        );
        let cookies = cookies.unwrap();
        assert_eq!(cookies.len(), 2);
        assert_eq!((cookies[0].path.as_str(), cookies[0].domain.as_str()), ("/x", "a.com"));
        assert!(cookies[0].secure);
        assert_eq!(cookies[0].rest, [("FOO".to_owned(), Some("bar".to_owned()))]);
        assert_eq!((cookies[1].value.as_deref(), cookies[1].path.as_str()), (None, "/y"));
        assert_eq!(cookies[1].domain, "\"b.com", "a quote that is not closed is a character");
    }

    #[test]
    fn the_first_line_has_a_version() {
        for magic in ["#LWP-Cookies-2.0", "#LWP-Cookies-1.0\r", "#LWP-Cookies-10.12 x"] {
            assert_eq!(read(&format!("{magic}\n")), Ok(Vec::new()), "{magic}");
        }
        for magic in ["", "# Netscape HTTP Cookie File", "#LWP-Cookies-", "#LWP-Cookies-2", "#LWP-Cookies-.0"] {
            assert_eq!(read(magic).unwrap_err().0, 1, "{magic}");
        }
    }

    #[test]
    fn an_error_names_the_line() {
        for (line, reason) in [
            ("a=b; path=\"/\"; version=0", "the cookie has no domain"),
            ("a=b; domain=\"a.com\"", "the cookie has no path"),
            ("a=b; domain; path=\"/\"", "the cookie has no domain"),
            ("a=b; domain=a.com; path=/; version=x", "\"x\" is not a version"),
        ] {
            assert_eq!(content(&format!("\nSet-Cookie3: {line}\n")), Err((3, reason.to_owned())));
        }
    }

    #[test]
    fn a_date_that_cannot_be_read_is_the_end_of_the_session() {
        let cookies = content("Set-Cookie3: a=b; path=/; domain=a.com; expires=\"soon\"; version=0").unwrap();
        assert_eq!((cookies[0].expires, cookies[0].discard), (None, true));
    }
}
