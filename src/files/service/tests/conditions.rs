//! Tests of validators, preconditions and ranges.

use super::*;

#[test]
fn last_modified_is_the_files_time_and_never_in_the_future() {
    let site = TestSite::new(&[("old", "x"), ("future", "x")]);
    let set = |name: &str, seconds: u64| {
        let file = fs::File::options().append(true).open(site.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(seconds, 999_999_999)).unwrap();
    };
    set("old", 784_111_777);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(site.get("/old").field("Last-Modified"), Some(date));
    assert_eq!(site.send("GET", "/old", &[("If-Modified-Since", date)]).status, 304);
    assert_eq!(site.send("GET", "/old", &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")]).status, 200);
    set("future", 9_000_000_000);
    let announced = site.get("/future").field("Last-Modified").map(str::to_owned).unwrap();
    let announced = crate::http::parse_http_date(announced.as_bytes()).unwrap();
    assert!(announced <= HttpDate::from(SystemTime::now() + Duration::from_secs(11)), "{announced}");
}

#[test]
fn a_file_from_before_1970_has_its_date() {
    let site = TestSite::new(&[("a", "x")]);
    site.date("a", -185_000_000);
    let date = "Thu, 20 Feb 1964 19:06:40 GMT";
    let at = |value: &str| site.send("GET", "/a", &[("If-Modified-Since", value)]).status;
    assert_eq!(site.get("/a").field("Last-Modified"), Some(date));
    assert_eq!((at(date), at("Thu, 20 Feb 1964 19:06:39 GMT"), at("Thu, 01 Jan 1970 00:00:00 GMT")), (304, 200, 304));
}

#[test]
fn times_0_and_1_are_not_sent_and_not_compared() {
    for seconds in [0, 1] {
        let site = TestSite::new(&[("a", "0123456789")]);
        site.date("a", seconds);
        let whole = site.get("/a");
        assert_eq!((whole.status, whole.field("Last-Modified")), (200, None), "{seconds}");
        let (etag, date) = (whole.field("ETag").unwrap(), HttpDate::from_unix(seconds).to_string());
        for (name, value) in [
            ("If-Modified-Since", &*date),
            ("If-Unmodified-Since", "Wed, 31 Dec 1969 23:59:59 GMT"),
            ("If-Range", &date),
        ] {
            let response = site.send("GET", "/a", &[("Range", "bytes=5-"), (name, value)]);
            let expected = if name == "If-Range" { (200, "0123456789") } else { (206, "56789") };
            assert_eq!((response.status, response.text()), expected, "{name}: {value}");
            assert_eq!(response.field("Last-Modified"), None);
        }
        assert_eq!(site.send("GET", "/a", &[("If-None-Match", etag)]).status, 304);
        assert_eq!(site.send("GET", "/a", &[("Range", "bytes=5-"), ("If-Range", etag)]).status, 206);
        site.write("a", "9876543210");
        site.date("a", seconds);
        let response = site.send("GET", "/a", &[("If-None-Match", etag)]);
        assert_eq!((response.status, response.text()), (200, "9876543210"), "the same inode, size and time");
    }
    let site = TestSite::new(&[("a", "x")]);
    for (seconds, date) in [(-1, "Wed, 31 Dec 1969 23:59:59 GMT"), (2, "Thu, 01 Jan 1970 00:00:02 GMT")] {
        site.date("a", seconds);
        assert_eq!(site.get("/a").field("Last-Modified"), Some(date));
    }
}

#[test]
fn a_matching_entity_tag_is_304() {
    let site = TestSite::new(&[("a", "x")]);
    let etag = site.get("/a").field("ETag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let response = site.send("GET", "/a", &[("If-None-Match", &etag)]);
    assert_eq!((response.status, response.names(), response.text()), (304, vec!["ETag"], ""));
    assert_eq!(response.field("ETag"), Some(&*etag));
    assert_eq!(site.send("HEAD", "/a", &[("If-None-Match", &etag)]).status, 304);
    assert_eq!(site.send("GET", "/a", &[("If-Match", "\"x\"")]).status, 412);
    site.write("a", "y");
    assert_eq!(site.send("GET", "/a", &[("If-None-Match", &etag)]).text(), "y");
}

#[test]
fn preconditions_apply_to_files_only() {
    let site = TestSite::new(&[("dir/a", "")]);
    for fields in [&[("If-None-Match", "*")][..], &[("If-Match", "\"x\"")], &[("Range", "bytes=0-1")]] {
        assert_eq!(site.send("GET", "/none", fields).status, 404);
        assert_eq!(site.send("GET", "/dir", fields).status, 301);
        assert_eq!(site.send("GET", "/dir/", fields).status, 200);
    }
}

#[test]
fn ranges_are_206_or_416() {
    let large = "0123456789".repeat(10_000);
    let site = TestSite::new(&[("small", "0123456789"), ("large", &large), ("empty", "")]);
    for target in ["/small", "/large"] {
        let whole = site.get(target);
        let n = whole.body.len();
        let response = site.send("GET", target, &[("Range", "bytes=2-4")]);
        assert_eq!((response.status, response.text()), (206, "234"));
        assert_eq!(response.field("Content-Range"), Some(&*format!("bytes 2-4/{n}")));
        for name in ["Content-type", "Last-Modified", "ETag"] {
            assert_eq!(response.field(name), whole.field(name));
        }
        let several = site.send("GET", target, &[("Range", "bytes=0-1,-1")]);
        assert_eq!((several.status, several.field("Content-Range")), (206, None));
        let kind = several.field("Content-type").unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert!(several.text().starts_with(&format!("\r\n--{boundary}\r\n")));
        assert_eq!(several.field("Content-Length"), Some(&*several.body.len().to_string()));
        assert_eq!(several.text().matches(boundary).count(), 3);
        assert!(several.text().contains(&format!("Content-Range: bytes {}-{}/{n}\r\n\r\n9\r\n", n - 1, n - 1)));
        let beyond = site.send("GET", target, &[("Range", &format!("bytes={n}-"))]);
        assert_eq!((beyond.status, beyond.field("Content-Range")), (416, Some(&*format!("bytes */{n}"))));
        assert_eq!(site.send("HEAD", target, &[("Range", "bytes=2-4")]).status, 200);
        assert_eq!(site.send("GET", target, &[("Range", "lines=2-4")]).status, 200);
    }
    assert_eq!(site.send("GET", "/empty", &[("Range", "bytes=0-")]).status, 416);
}

#[test]
fn if_range_keeps_a_resumed_download_from_mixing_two_states() {
    let site = TestSite::new(&[("a", "0123456789")]);
    let whole = site.get("/a");
    let (etag, date) = (whole.field("ETag").unwrap(), whole.field("Last-Modified").unwrap());
    let resume = |validator: &str| site.send("GET", "/a", &[("Range", "bytes=5-"), ("If-Range", validator)]);
    assert_eq!((resume(etag).status, resume(etag).text()), (206, "56789"));
    assert_eq!(resume(date).status, 206);
    assert_eq!(resume(&format!("W/{etag}")).status, 200);
    site.write("a", "9876543210");
    assert_eq!((resume(etag).status, resume(etag).text()), (200, "9876543210"));
}

#[test]
fn a_304_has_the_fields_of_its_200() {
    let large = "x".repeat(100_000);
    let files = [("a", "0123456789"), ("large", &*large), ("dir/index.html", "x"), ("a.gz", "gzip")];
    let given = [
        ("cache-control", "no-cache"),
        ("Content-Location", "/a.en"),
        ("Expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
        ("VARY", "Accept-Language"),
        ("X-Other", "1"),
    ];
    let site = TestSite::with(&files, |builder| {
        let builder = builder.cache_control("*", "max-age=60").spa(Some("a")).precompressed(true);
        given.iter().fold(builder, |builder, (name, value)| builder.extra_header(*name, *value))
    });
    let fields = |response: &TestResponse| -> Vec<(String, String)> {
        let names = ["Cache-Control", "Content-Location", "ETag", "Expires", "Vary"];
        let is_named = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        response.head.iter().filter(|(name, _)| is_named(name)).cloned().collect()
    };
    for target in ["/a", "/large", "/dir/", "/fallback"] {
        for accept in ["identity", "gzip"] {
            let send = |method: &str, name: &str, value: &str| {
                site.send(method, target, &[("Accept-Encoding", accept), (name, value)])
            };
            // The first request fills the cache; the others are cache hits.
            let [not_modified, head_not_modified] = ["GET", "HEAD"].map(|method| send(method, "If-None-Match", "*"));
            let whole = send("GET", "X", "y");
            assert_eq!((whole.status, not_modified.status, head_not_modified.status), (200, 304, 304), "{target}");
            assert!(fields(&whole).len() >= 6, "{whole:?}");
            for response in [not_modified, head_not_modified, send("HEAD", "X", "y"), send("GET", "Range", "bytes=0-0")]
            {
                assert_eq!(fields(&response), fields(&whole), "{target} {accept} {}", response.status);
                assert_eq!(response.field("X-Other").is_some(), response.status != 304);
            }
        }
    }
}
