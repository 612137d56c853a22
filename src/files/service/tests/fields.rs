//! Tests of header fields that settings add or change.

use super::*;

#[test]
fn extra_fields_are_on_200_and_206_or_everywhere() {
    let extra = |builder: FileServiceBuilder| {
        builder.extra_header("X-A", "1").extra_header("X-A", "2").extra_header("Cache-Control", "no-cache")
    };
    let files = [("a", "x"), ("dir/b", "")];
    let site = TestSite::with(&files, extra);
    for (target, fields) in [("/a", None), ("/dir/", None), ("/a", Some(("Range", "bytes=0-0")))] {
        let response = site.send("GET", target, &Vec::from_iter(fields));
        assert_eq!(response.names().iter().filter(|name| **name == "X-A").count(), 2, "{target}");
        assert_eq!(response.field("Cache-Control"), Some("no-cache"));
    }
    for target in ["/dir", "/none"] {
        assert_eq!(site.get(target).field("X-A"), None);
    }
    assert_eq!(site.send("GET", "/a", &[("If-None-Match", "*")]).field("X-A"), None);
    let site = TestSite::with(&files, |builder| extra(builder).extra_headers_everywhere(true));
    for (target, fields) in [("/a", None), ("/dir", None), ("/none", None), ("/a", Some(("If-None-Match", "*")))] {
        let response = site.send("GET", target, &Vec::from_iter(fields));
        assert_eq!(response.names().iter().filter(|name| **name == "X-A").count(), 2, "{target}");
    }
    let bad = |name: &str, value: &str| FileService::builder(".").extra_header(name, value).build().unwrap_err().kind();
    assert_eq!(bad("X", "a\r\nb"), io::ErrorKind::InvalidInput);
    assert_eq!(bad("X Y", "a"), io::ErrorKind::InvalidInput);
    assert!(FileService::builder(".").mime("a", "b\n").build().is_err());
    assert!(FileService::builder(".").default_type("b\0").build().is_err());
}

#[test]
fn an_extra_field_is_sent_as_latin1() {
    use crate::testing::Bench;
    let service =
        FileService::builder("src").extra_header("X-Text", "caf\u{e9}").extra_header("X-Bytes", b"caf\xc3\xa9");
    let bench = Bench::new(service.build().unwrap());
    let mut client = bench.connect();
    client.send(b"HEAD /lib.rs HTTP/1.1\r\nHost: h\r\n\r\n");
    let response = client.take();
    for field in [&b"\r\nX-Text: caf\xe9\r\n"[..], b"\r\nX-Bytes: caf\xc3\xa9\r\n"] {
        assert!(response.windows(field.len()).any(|window| window == field), "{}", response.escape_ascii());
    }
    let refused = FileService::builder("src").extra_header("X-Price", "5 \u{20ac}").build().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(refused.to_string(), "invalid value for header \"X-Price\": '\u{20ac}' is not in Latin-1");
}

#[test]
fn a_field_that_the_server_makes_cannot_be_an_extra_field() {
    for name in [
        "accept-ranges",
        "Allow",
        "CONNECTION",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Last-Modified",
        "Location",
        "Server",
        "Transfer-Encoding",
        "WWW-Authenticate",
    ] {
        for everywhere in [false, true] {
            let builder = FileService::builder(".").extra_header(name, "a\nb").extra_headers_everywhere(everywhere);
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.to_lowercase().starts_with(&format!("{} cannot be 'a\\nb'", name.to_lowercase())), "{text}");
        }
    }
    let error = FileService::builder(".").extra_header("Server", "x").build().unwrap_err();
    assert_eq!(error.to_string(), "Server cannot be 'x': the server makes this field, see HttpServer::server_name");
}

#[test]
fn guess_type_and_translate_path_replace_the_defaults() {
    let files = [("a.foo", "x"), ("b.foo", "y"), ("c", "z")];
    let site = TestSite::with(&files, |builder| {
        builder.mime("foo", "text/foo").default_type("text/plain").guess_type(|path| {
            match path.file_name()?.to_str()? {
                "b.foo" => Some("special/b".into()),
                "c" => Some("split\r\nme".into()),
                _ => None,
            }
        })
    });
    assert_eq!(site.get("/a.foo").field("Content-type"), Some("text/foo; charset=utf-8"));
    assert_eq!(site.get("/b.foo").field("Content-type"), Some("special/b"));
    assert_eq!(site.get("/c").field("Content-type"), Some("text/plain; charset=utf-8"));
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    fs::write(dir.path().join("real"), "translated").unwrap();
    let site = TestSite::with(&[], |builder| {
        builder.translate_path(move |url| (url.as_bytes() == b"virtual").then(|| root.join("real")))
    });
    assert_eq!(site.get("/virtual").text(), "translated");
    assert_eq!(site.status("/real"), 404);
}

#[test]
fn cors_fields_are_on_every_response_and_preflights_are_answered() {
    let site = TestSite::with(&[("a", "x"), ("dir/b", "")], |builder| builder.cors("*").coop_coep(true));
    let tag = site.get("/a").field("ETag").unwrap().to_owned();
    for (method, target, fields) in [
        ("GET", "/a", None),
        ("GET", "/a", Some(("Range", "bytes=0-0"))),
        ("GET", "/a", Some(("If-None-Match", &*tag))),
        ("GET", "/none", None),
        ("GET", "/dir", None),
        ("GET", "/dir/", None),
        ("POST", "/a", None),
        ("OPTIONS", "/a", None),
    ] {
        let response = site.send(method, target, &Vec::from_iter(fields));
        for name in ["Access-Control-Allow-Origin", "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy"] {
            assert_eq!(response.names().iter().filter(|other| **other == name).count(), 1, "{method} {target} {name}");
        }
    }
    let preflight = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "range,x-mine, bad header"),
    ];
    let response = site.send("OPTIONS", "/a", &preflight);
    assert_eq!(response.status, 204);
    assert_eq!(response.field("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(response.field("Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(response.field("Access-Control-Allow-Headers"), Some("range, x-mine"));
    let closed = TestSite::new(&[]).send("OPTIONS", "/a", &preflight);
    assert!(closed.names().iter().all(|name| !name.starts_with("Access-Control")));
    assert!(FileService::builder(".").cors("a\nb").build().is_err());
}

#[test]
fn cache_control_is_set_by_the_last_matching_pattern() {
    let files = [
        ("index.html", "x"),
        ("app.1a.js", "x"),
        ("vendor/lib.js", "x"),
        ("vendor/deep/lib.js", "x"),
        ("any/a", ""),
        ("any/b/c/d", ""),
    ];
    let site = TestSite::with(&files, |builder| {
        builder
            .cache_control("*", "no-cache")
            .cache_control("*.js", "max-age=60")
            .cache_control("vendor/*.js", "max-age=31536000, immutable")
            .cache_control("any/**/*", "no-store")
    });
    for (target, value) in [
        ("/", "no-cache"),
        ("/app.1a.js", "max-age=60"),
        ("/vendor/lib.js", "max-age=31536000, immutable"),
        ("/vendor/deep/lib.js", "max-age=60"),
        ("/any/a", "no-store"),
        ("/any/b/c/d", "no-store"),
    ] {
        let response = site.get(target);
        assert_eq!(response.field("Cache-Control"), Some(value), "{target}");
        let etag = response.field("ETag").unwrap();
        assert_eq!(site.send("GET", target, &[("If-None-Match", etag)]).field("Cache-Control"), Some(value));
    }
    assert_eq!(site.get("/none").field("Cache-Control"), None);
    assert!(FileService::builder(".").cache_control("[", "no-cache").build().is_err());
    assert!(FileService::builder(".").cache_control("*", "a\nb").build().is_err());
}
