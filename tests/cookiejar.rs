//! The cookie jar as a client uses it: sessions of several responses and requests, under both standards, and files that
//! other programs wrote and read. The unit tests next to the code test each rule.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::PathBuf;

use serve_forever::cookiejar::{
    Cookie, CookieJar, FileOptions, LoadError, LwpFile, MozillaFile, Policy, RequestUrl, Saved,
};
use serve_forever::http::HeaderList;

/// 14 November 2023.
const NOW: i64 = 1_700_000_000;
const LATER: &str = "Wed, 09 Feb 2033 22:23:32 GMT";
const LATER_AT: i64 = 1_991_600_612;

const ALL: FileOptions = FileOptions { ignore_discard: true, ignore_expires: true };

fn url(text: &str) -> RequestUrl {
    RequestUrl::parse(text).unwrap()
}

fn python() -> CookieJar {
    CookieJar::with_policy(Policy::python())
}

/// A jar with the cookies of one response.
fn with(mut jar: CookieJar, from: &str, fields: &[&str]) -> CookieJar {
    jar.extract(&url(from), fields, NOW);
    jar
}

fn header(jar: &mut CookieJar, to: &str) -> String {
    jar.header(&url(to), NOW).unwrap_or_default()
}

/// A folder that is removed with the test, and the path of a file in it.
fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cookies");
    (folder, path)
}

#[test]
fn a_cookie_is_for_its_host_alone_under_rfc_6265() {
    let mut jar = with(CookieJar::new(), "http://example.com/", &["a=b"]);
    assert_eq!(header(&mut jar, "http://example.com/x"), "a=b");
    assert_eq!(header(&mut jar, "http://www.example.com/"), "");
}

#[test]
fn a_cookie_goes_below_its_host_under_python() {
    let mut jar = with(python(), "http://example.com/", &["a=b"]);
    assert_eq!(header(&mut jar, "http://www.example.com/"), "a=b");
    assert_eq!(header(&mut jar, "http://badexample.com/"), "");
    assert_eq!(header(&mut jar, "http://example.com.evil.org/"), "");
}

#[test]
fn longer_paths_come_first_and_then_older_cookies() {
    let fields =
        ["a=1; domain=.example.com; path=/", "b=2; path=/", "c=3; domain=.example.com; path=/", "d=4; path=/x"];
    let mut jar = with(CookieJar::new(), "http://www.example.com/", &fields);
    assert_eq!(header(&mut jar, "http://www.example.com/x"), "d=4; a=1; b=2; c=3");
    jar.extract(&url("http://www.example.com/"), ["a=5; domain=example.com"], NOW);
    assert_eq!(header(&mut jar, "http://www.example.com/"), "a=5; b=2; c=3", "a new value keeps the age");
    let mut jar = with(python(), "http://www.example.com/", &fields);
    assert_eq!(header(&mut jar, "http://www.example.com/x"), "d=4; a=1; c=3; b=2", "Python keeps a domain together");
}

#[test]
fn a_date_that_is_over_removes_the_cookie_of_the_same_place() {
    for jar in [CookieJar::new(), python()] {
        let mut jar = with(jar, "http://a.com/", &["a=1; path=/", "a=2; path=/x"]);
        jar.extract(&url("http://a.com/"), ["a=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"], NOW);
        assert_eq!(header(&mut jar, "http://a.com/x"), "a=2");
        jar.extract(&url("http://a.com/"), ["a=; path=/x; max-age=0"], NOW);
        assert!(jar.is_empty());
    }
}

/// CPython removes the cookie before the policy is asked.
#[test]
fn a_foreign_host_cannot_remove_a_cookie() {
    for jar in [CookieJar::new(), python()] {
        let mut jar = with(jar, "http://a.com/", &["a=1; domain=a.com; path=/"]);
        jar.extract(&url("http://evil.com/"), ["a=; domain=a.com; path=/; max-age=0"], NOW);
        assert_eq!(header(&mut jar, "http://a.com/"), "a=1");
    }
}

#[test]
fn cookies_end_in_their_second_and_are_forgotten() {
    let mut jar = with(CookieJar::new(), "http://a.com/", &["a=1; max-age=10", "b=2"]);
    assert_eq!(jar.header(&url("http://a.com/"), NOW + 9).as_deref(), Some("a=1; b=2"));
    assert_eq!(jar.header(&url("http://a.com/"), NOW + 10).as_deref(), Some("b=2"));
    assert_eq!(jar.len(), 1);
}

#[test]
fn a_response_over_http_cannot_overlay_a_secure_cookie() {
    let mut jar = with(CookieJar::new(), "https://www.example.com/", &["a=good; secure; path=/"]);
    for field in ["a=evil; path=/", "a=evil; path=/x; domain=example.com", "a=; path=/; max-age=0"] {
        jar.extract(&url("http://www.example.com/"), [field], NOW);
    }
    assert_eq!(header(&mut jar, "https://www.example.com/x"), "a=good");
    assert_eq!(header(&mut jar, "http://www.example.com/"), "");
}

#[test]
fn a_domain_keeps_180_cookies_and_the_jar_3000() {
    let mut jar = CookieJar::new();
    let home = url("https://www.example.com/");
    jar.extract(&home, ["first=1; secure"], NOW);
    for number in 0..500 {
        jar.extract(&home, [format!("n{number}=1; domain=example.com")], NOW);
        jar.extract(&home, [format!("w{number}=1")], NOW);
    }
    assert_eq!(jar.len(), 360, "a host and the domain above it are counted apart");
    assert!(jar.iter().any(|cookie| cookie.name == "first"), "cookies without Secure go first");
    assert!(jar.iter().any(|cookie| cookie.name == "n499") && jar.iter().all(|cookie| cookie.name != "n0"));
    assert_eq!(jar.policy().max_cookies, 3000);
    jar.policy_mut().max_cookies = 400;
    for number in 0..400 {
        jar.extract(&url(&format!("http://h{number}.example.net/")), ["a=1"], NOW);
    }
    assert_eq!(jar.len(), 400);
    assert!(jar.iter().all(|cookie| cookie.domain != "www.example.com"), "those used longest ago have gone");

    let mut jar = python();
    (0..500).for_each(|number| jar.extract(&home, [format!("n{number}=1")], NOW));
    assert_eq!(jar.len(), 500, "Python has no limit");
}

#[test]
fn same_site_cookies_stay_out_of_requests_for_other_sites() {
    let fields = ["a=1; SameSite=Strict", "b=2; SameSite=Lax", "c=3"];
    let mut jar = with(CookieJar::new(), "https://www.acme.com/", &fields);
    let sister = url("https://www.acme.com/").unverifiable("shop.acme.com");
    assert_eq!(jar.header(&sister, NOW).as_deref(), Some("a=1; b=2; c=3"));
    let other = url("https://www.acme.com/").unverifiable("other.com");
    assert_eq!(jar.header(&other, NOW).as_deref(), Some("c=3"));
    jar.policy_mut().strict_ns_unverifiable = true;
    assert_eq!(jar.header(&other, NOW), None);
}

#[test]
fn lists_of_domains_hold_in_both_directions() {
    for (standard, blocked) in [(Policy::default(), ".x.acme.com"), (Policy::python(), ".acme.com")] {
        let mut jar = CookieJar::with_policy(Policy { blocked_domains: vec![blocked.to_owned()], ..standard });
        jar.extract(&url("http://x.acme.com/"), ["a=b"], NOW);
        jar.extract(&url("http://acme.com/"), ["c=d"], NOW);
        assert_eq!(jar.len(), 1);
        jar.policy_mut().allowed_domains = Some(Vec::new());
        assert_eq!(header(&mut jar, "http://acme.com/"), "", "an empty list allows no domain");
        jar.policy_mut().allowed_domains = None;
        assert_eq!(header(&mut jar, "http://acme.com/"), "c=d");
        jar.policy_mut().netscape = false;
        assert_eq!(header(&mut jar, "http://acme.com/"), "");
    }
}

#[test]
fn a_blocked_domain_blocks_cookies_with_and_without_the_attribute_domain() {
    for (listed, blocks_below) in [("acme.com", false), (".acme.com", true)] {
        let policy = Policy { blocked_domains: vec![listed.to_owned()], ..Policy::default() };
        let mut jar = CookieJar::with_policy(policy);
        jar.extract(&url("http://acme.com/"), ["a=b", "c=d; Domain=acme.com"], NOW);
        assert!(jar.is_empty(), "{listed}");
        jar.extract(&url("http://x.acme.com/"), ["e=f"], NOW);
        assert_eq!(jar.is_empty(), blocks_below, "{listed}");
    }
}

#[test]
fn a_cookie_that_would_split_the_header_is_not_sent() {
    for mut jar in [CookieJar::new(), python()] {
        for value in ["b\r\nX: 1", "b\nc", "b\0"] {
            jar.set_cookie(Cookie::new("a", value, "a.com"));
            assert_eq!(header(&mut jar, "http://a.com/"), "", "{value:?}");
        }
    }
}

#[test]
fn a_head_that_has_a_cookie_field_keeps_it() {
    let mut jar = with(CookieJar::new(), "http://a.com/", &["a=b"]);
    let mut head = HeaderList::new();
    head.add("cookie", "mine=1").unwrap();
    jar.add_cookie_header(&url("http://a.com/"), &mut head, NOW).unwrap();
    assert_eq!(head.lines(), b"cookie: mine=1\r\n");
    let mut head = HeaderList::new();
    head.add("X-Cookie", "1").unwrap();
    jar.add_cookie_header(&url("http://a.com/"), &mut head, NOW).unwrap();
    jar.add_cookie_header(&url("http://b.com/"), &mut head, NOW).unwrap();
    assert_eq!(head.lines(), b"X-Cookie: 1\r\nCookie: a=b\r\n");
}

#[test]
fn cookies_are_cleared_by_domain_path_and_name() {
    let fields = ["a=1; path=/", "b=2; path=/x", &format!("c=3; path=/x; expires={LATER}")];
    let three = || with(with(CookieJar::new(), "http://a.com/", &fields), "http://b.com/", &["d=4"]);
    let names = |jar: &CookieJar| jar.iter().map(|cookie| cookie.name.clone()).collect::<String>();
    let mut jar = three();
    assert!(!jar.clear_domain("c.com") && jar.clear_domain("a.com"));
    assert_eq!(names(&jar), "d");
    let mut jar = three();
    assert!(!jar.clear_path("b.com", "/x") && jar.clear_path("a.com", "/x"));
    assert_eq!(names(&jar), "ad");
    let mut jar = three();
    assert!(jar.remove("a.com", "/", "b").is_none());
    assert_eq!(jar.remove("a.com", "/x", "b").and_then(|cookie| cookie.value).as_deref(), Some("2"));
    assert_eq!(names(&jar), "acd");
    jar.clear_session_cookies();
    assert_eq!(names(&jar), "c");
    jar.clear_expired_cookies(LATER_AT);
    assert_eq!(names(&jar), "");
    let mut jar = three();
    jar.clear();
    assert!(jar.is_empty());
}

#[test]
fn cookies_txt_goes_there_and_back() {
    let (_folder, path) = file();
    let fields = [
        &format!("a=b; HttpOnly; expires={LATER}"),
        &format!("c=; domain=example.com; path=/x; expires={LATER}"),
        "s=1",
        "v",
    ];
    let mut jar = with(CookieJar::new(), "https://www.example.com/", &fields.map(AsRef::as_ref));
    let file = MozillaFile::new(&path);
    assert_eq!(file.save(&jar, NOW, FileOptions::default()).unwrap(), Saved { written: 2, unwritable: 0 });
    let mut again = CookieJar::new();
    file.load(&mut again, NOW, FileOptions::default()).unwrap();
    assert_eq!(header(&mut again, "https://www.example.com/x"), "c=; a=b");
    assert_eq!(file.save(&jar, NOW, ALL).unwrap(), Saved { written: 4, unwritable: 0 });
    file.revert(&mut again, NOW, ALL).unwrap();
    for page in ["https://www.example.com/x", "https://x.example.com/x"] {
        assert_eq!(header(&mut again, page), header(&mut jar, page));
    }
    again.extract(&url("https://www.example.com/"), ["w"], NOW);
    assert_eq!(again.len(), 4, "a value without a name is the same cookie as before");
}

#[test]
fn lwp_files_lose_nothing() {
    let (_folder, path) = file();
    let fields = [
        "a=b; path=/x; port=\"80\"; Comment=why",
        "c",
        "d=\"e,f\"; domain=.example.com; max-age=5; SameSite=Lax; HTTPOnly",
    ];
    let jar = with(python(), "http://www.example.com/", &fields);
    let file = LwpFile::new(&path);
    file.save(&jar, NOW, ALL).unwrap();
    let mut again = python();
    file.load(&mut again, NOW, ALL).unwrap();
    let sorted = |jar: &CookieJar| {
        let mut cookies: Vec<Cookie> = jar.iter().cloned().collect();
        cookies.iter_mut().for_each(|cookie| cookie.rest.sort());
        cookies
    };
    assert_eq!(sorted(&again), sorted(&jar));
}

/// The file has curl's comments, a session cookie with the date 0, and a byte above 0x7F.
#[test]
fn a_file_of_curl_is_read() {
    let (_folder, path) = file();
    let text = b"# Netscape HTTP Cookie File\n# https://curl.se/docs/http-cookies.html\n\
        # This file was generated by libcurl! Edit at your own risk.\n\n\
        #HttpOnly_.example.com\tTRUE\t/\tTRUE\t0\tsession\t\xe9\nwww.example.com\tFALSE\t/\tFALSE\t1991600612\ta\tb\n";
    fs::write(&path, text).unwrap();
    let mut jar = CookieJar::new();
    MozillaFile::new(&path).load(&mut jar, NOW, ALL).unwrap();
    assert_eq!(header(&mut jar, "https://www.example.com/"), "session=\u{e9}; a=b");
    jar.clear_session_cookies();
    assert_eq!(header(&mut jar, "https://www.example.com/"), "a=b");
}

#[test]
fn a_failing_load_changes_nothing_and_names_the_line() {
    let (_folder, path) = file();
    let mut jar = with(CookieJar::new(), "http://a.com/", &["x=y"]);
    fs::write(&path, "# Netscape HTTP Cookie File\na.com\tFALSE\t/\tFALSE\t\ta\tb\nbroken\n").unwrap();
    for file in [MozillaFile::load, MozillaFile::revert] {
        let error = file(&MozillaFile::new(&path), &mut jar, NOW, ALL).unwrap_err();
        assert!(matches!(error, LoadError::Format { line: 3, .. }));
        let expected = format!("{}:3: expected 7 fields with tabs between them, found 1", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(header(&mut jar, "http://a.com/"), "x=y");
    }
    let missing = path.with_extension("missing");
    let error = LwpFile::new(&missing).revert(&mut jar, NOW, ALL).unwrap_err();
    assert!(matches!(&error, LoadError::Io { .. }) && error.to_string().starts_with(&missing.display().to_string()));
    assert_eq!(header(&mut jar, "http://a.com/"), "x=y");
}

#[test]
fn a_cookie_that_would_break_the_file_is_left_out_and_counted() {
    let mut jar = with(CookieJar::new(), "http://b.com/", &["x=y", "t=a\tb"]);
    jar.set_cookie(Cookie::new("a", "b\tc\nd", "a.com"));
    for save in [MozillaFile::content, LwpFile::content] {
        let (_, saved) = save(&jar, NOW, ALL);
        assert_eq!(saved.written + saved.unwritable, 3);
    }
    let (_folder, path) = file();
    assert_eq!(MozillaFile::new(&path).save(&jar, NOW, ALL).unwrap(), Saved { written: 1, unwritable: 2 });
    let mut again = CookieJar::new();
    MozillaFile::new(&path).load(&mut again, NOW, ALL).unwrap();
    assert_eq!(header(&mut again, "http://b.com/"), "x=y");
}

#[cfg(unix)]
#[test]
fn a_saved_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    MozillaFile::new(&path).save(&CookieJar::new(), NOW, ALL).unwrap();
    assert_eq!(mode(), 0o600);
    LwpFile::new(&path).save(&CookieJar::new(), NOW, ALL).unwrap();
    assert_eq!((mode(), fs::read_to_string(&path).unwrap().as_str()), (0o600, "#LWP-Cookies-2.0\n"));
}

#[cfg(feature = "public-suffix")]
#[test]
fn no_cookie_is_for_a_public_suffix() {
    let mut jar = with(CookieJar::new(), "http://www.acme.co.uk/", &["a=b; domain=co.uk", "c=d; domain=acme.co.uk"]);
    assert_eq!(header(&mut jar, "http://www.acme.co.uk/"), "c=d");
    let mut jar = with(CookieJar::new(), "http://github.io/", &["a=b; domain=github.io"]);
    assert_eq!(header(&mut jar, "http://github.io/"), "a=b", "the suffix itself may have cookies");
    assert_eq!(header(&mut jar, "http://you.github.io/"), "");
    let mut jar =
        with(CookieJar::with_policy(Policy::without_public_suffixes()), "http://a.co.uk/", &["a=b; domain=co.uk"]);
    assert_eq!(header(&mut jar, "http://b.co.uk/"), "a=b");
}
