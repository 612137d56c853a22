//! Checks the cookies of servers and clients: no output splits a field or breaks a file, a written value is read back
//! unchanged, and a cookie is sent only to its host.
//!
//! The data is lines of Latin-1. Each line is read as a `Cookie` field. For a jar, a line with `://` is the URL of the
//! next request, and any other line a `Set-Cookie` field of a response. The whole data is also read as a file.

use serve_forever::cookies::{Morsel, SimpleCookie, pairs, quote, unquote};

pub fn check(data: &[u8]) {
    let text: String = data.iter().copied().map(char::from).collect();
    for line in text.split('\n') {
        field(line);
    }
    #[cfg(feature = "client")]
    jar::check(&text, data);
}

fn field(line: &str) {
    assert_eq!(unquote(&quote(line)), line);
    assert!(!quote(line).contains(|c: char| c.is_control() || c == ';' || !c.is_ascii()), "{line:?}");
    let mut cookies = SimpleCookie::new();
    if cookies.load(line).is_err() {
        assert!(cookies.is_empty(), "a refused text adds nothing");
    }
    cookies.iter().for_each(one_line);
    let output = cookies.output();
    assert!(output.matches("Set-Cookie: ").count() >= cookies.len());

    let server = SimpleCookie::from_cookie_field(line);
    server.iter().for_each(one_line);
    for (name, value) in pairs(line) {
        assert!(!name.is_empty() && !name.contains([';', '=']) && !value.contains(';'), "{name:?} {value:?}");
    }
    // A cookie that is set is sent as one pair, which a server reads back unchanged.
    if let Ok(morsel) = Morsel::new("n", line) {
        let read = SimpleCookie::from_cookie_field(&morsel.output_with(&[]));
        assert_eq!(read.get("n").map(Morsel::value), Some(line));
    }
}

fn one_line(morsel: &Morsel) {
    assert!(!morsel.to_string().contains(|c: char| c.is_ascii_control()), "{morsel:?}");
}

#[cfg(feature = "client")]
mod jar {
    use serve_forever::cookiejar::{
        Cookie, CookieJar, FileOptions, LwpFile, MozillaFile, Policy, RequestUrl, Standard,
    };

    const NOW: i64 = 1_700_000_000;
    const ALL: FileOptions = FileOptions { ignore_discard: true, ignore_expires: true };

    pub fn check(text: &str, data: &[u8]) {
        for policy in [Policy::default(), Policy::python()] {
            let mut jar = CookieJar::with_policy(policy.clone());
            let mut url = RequestUrl::parse("https://www.example.com/dir/page").expect("a URL");
            for line in text.split('\n').take(200) {
                match RequestUrl::parse(line) {
                    Ok(next) => {
                        url = next;
                        header(&mut jar, &url);
                    }
                    Err(_) => jar.extract(&url, [line], NOW),
                }
            }
            header(&mut jar, &url);
            assert!(jar.iter().all(|cookie| !cookie.is_expired(NOW)));
            files(&jar);
        }
        file_of(data, Policy::python());
    }

    fn header(jar: &mut CookieJar, url: &RequestUrl) {
        let expected: Vec<String> = jar.cookies_for(url, NOW).into_iter().map(Cookie::pair).collect();
        for cookie in jar.cookies_for(url, NOW) {
            belongs(cookie, url, jar.policy().standard);
        }
        let header = jar.header(url, NOW);
        assert_eq!(header.clone().unwrap_or_default(), expected.join("; "));
        assert!(!header.is_some_and(|value| value.contains(['\r', '\n', '\0'])));
    }

    /// Checks that the host is that of the cookie or a name below it, and that the path is that of the cookie or below
    /// it.
    fn belongs(cookie: &Cookie, url: &RequestUrl, standard: Standard) {
        let labels = |name: &str| -> Vec<String> { name.rsplit('.').map(str::to_owned).collect() };
        let mut host = url.host().to_owned();
        if standard == Standard::Python && !host.contains('.') {
            host += ".local";
        }
        let domain = labels(cookie.domain.strip_prefix('.').unwrap_or(&cookie.domain));
        assert!(labels(&host).starts_with(&domain), "{cookie} {url:?}");
        if standard == Standard::Rfc6265 {
            assert!(cookie.domain_specified || cookie.domain == host, "{cookie} {url:?}");
            assert!(url.path().starts_with(&cookie.path), "{cookie} {url:?}");
        }
        assert!(!cookie.secure || matches!(url.scheme(), "https" | "wss"), "{cookie} {url:?}");
    }

    /// Checks that a file contains the returned number of cookies, and that it does not change when it is loaded and
    /// written again.
    fn files(jar: &CookieJar) {
        let (content, saved) = MozillaFile::content(jar, NOW, ALL);
        assert_eq!(saved.written + saved.unwritable, jar.len());
        let again = file_of(&content, jar.policy().clone()).0.expect("our own file");
        assert_eq!(MozillaFile::content(&again, NOW, ALL).0, content);
        let (content, saved) = LwpFile::content(jar, NOW, ALL);
        assert_eq!(saved.written + saved.unwritable, jar.len());
        let again = file_of(&content, jar.policy().clone()).1.expect("our own file");
        assert_eq!(LwpFile::content(&again, NOW, ALL).0, content);
    }

    /// The cookies of a file in each of the formats, if it is in that format. The policy decides if a value without a name and
    /// a name without a value are one cookie.
    fn file_of(content: &[u8], policy: Policy) -> (Option<CookieJar>, Option<CookieJar>) {
        thread_local! {
            static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder");
        }
        let path = FOLDER.with(|folder| folder.path().join("cookies"));
        std::fs::write(&path, content).expect("a file");
        let [mut mozilla, mut lwp] = [(); 2].map(|()| CookieJar::with_policy(policy.clone()));
        let read = (
            MozillaFile::new(&path).load(&mut mozilla, NOW, ALL).is_ok(),
            LwpFile::new(&path).load(&mut lwp, NOW, ALL).is_ok(),
        );
        assert!(read.0 || mozilla.is_empty());
        assert!(read.1 || lwp.is_empty());
        (read.0.then_some(mozilla), read.1.then_some(lwp))
    }
}
