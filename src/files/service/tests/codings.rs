//! Tests of content codings and character encodings.

use super::*;

#[test]
fn a_compressed_sibling_is_chosen_by_accept_encoding() {
    let files = [
        ("app.js", "plain"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip"),
        ("lone.css", "lone"),
        ("x.gz", "x"),
        ("x.gz.br", "y"),
    ];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    let get = |target: &str, accept: &str| site.send("GET", target, &[("Accept-Encoding", accept)]);
    for (accept, body, coding) in [
        ("gzip, deflate, br, zstd", "brotli", Some("br")),
        ("gzip", "gzip", Some("gzip")),
        ("br;q=0.1, gzip", "gzip", Some("gzip")),
        ("zstd", "plain", None),
        ("identity", "plain", None),
        ("identity;q=0, *", "brotli", Some("br")),
    ] {
        let response = get("/app.js", accept);
        assert_eq!((response.text(), response.field("Content-Encoding")), (body, coding), "{accept}");
        assert_eq!(response.field("Vary"), Some("Accept-Encoding"));
        assert_eq!(response.field("Content-type"), Some("text/javascript; charset=utf-8"));
    }
    assert_eq!((site.get("/app.js").text(), site.get("/app.js").field("Vary")), ("plain", Some("Accept-Encoding")));
    assert_eq!((get("/lone.css", "br").text(), get("/lone.css", "br").field("Vary")), ("lone", None));
    assert_eq!(get("/app.js.gz", "gzip").field("Content-Encoding"), None);
    assert_eq!(get("/x.gz", "br").text(), "x", "a compressed file has no compressed siblings");

    let etags = ["br", "gzip", "identity"].map(|accept| get("/app.js", accept).field("ETag").unwrap().to_owned());
    assert!(etags[0] != etags[1] && etags[1] != etags[2] && etags[0] != etags[2]);
    let fields = [("Accept-Encoding", "br"), ("If-None-Match", &*etags[0])];
    let response = site.send("GET", "/app.js", &fields);
    assert_eq!((response.status, response.names()), (304, vec!["ETag", "Vary"]));
    let part = site.send("GET", "/app.js", &[("Accept-Encoding", "br"), ("Range", "bytes=0-2")]);
    assert_eq!((part.status, part.text(), part.field("Content-Encoding")), (206, "bro", Some("br")));
}

#[test]
fn siblings_are_off_by_default() {
    let site = TestSite::new(&[("dump.sql", "plain"), ("dump.sql.gz", "another dump")]);
    for _ in ["loaded", "cached"] {
        let response = site.send("GET", "/dump.sql", &[("Accept-Encoding", "gzip")]);
        assert_eq!(
            (response.text(), response.field("Content-Encoding"), response.field("Vary")),
            ("plain", None, None)
        );
    }
    assert_eq!(site.files.cache.borrow().len(), 1, "one entry for all codings");
}

#[test]
fn an_empty_sibling_is_ignored() {
    let site =
        TestSite::with(&[("a", "plain"), ("a.br", ""), ("a.gz", "gzip"), ("b", "plain"), ("b.zst", "")], |builder| {
            builder.precompressed(true)
        });
    let get = |target: &str| site.send("GET", target, &[("Accept-Encoding", "br, zstd, gzip")]);
    assert_eq!((get("/a").text(), get("/a").field("Content-Encoding")), ("gzip", Some("gzip")));
    let alone = get("/b");
    assert_eq!((alone.text(), alone.field("Content-Encoding"), alone.field("Vary")), ("plain", None, None));
    site.write("b.zst", "zstd");
    assert_eq!(get("/b").text(), "zstd");
}

#[test]
fn a_file_requested_by_its_compressed_name_has_its_coding() {
    let large = "x".repeat(100_000);
    let files = [("a.svgz", "0123456789"), ("x.wasm.br", "0123456789"), ("l.js.br", &large), ("x.tar.gz", "g")];
    let site = TestSite::with(&files, |builder| builder.encoding("br", "BR"));
    for _ in 0..2 {
        for (target, content_type, coding) in [
            ("/a.svgz", "image/svg+xml", Some("gzip")),
            ("/x.wasm.br", "application/wasm", Some("br")),
            ("/l.js.br", "text/javascript; charset=utf-8", Some("br")),
            ("/x.tar.gz", "application/gzip", None),
        ] {
            for accepted in ["gzip, br", "identity;q=1, *;q=0"] {
                for method in ["GET", "HEAD"] {
                    let response = site.send(method, target, &[("Accept-Encoding", accepted)]);
                    assert_eq!(response.status, 200, "{target}");
                    assert_eq!(response.field("Content-Type"), Some(content_type), "{target}");
                    assert_eq!(response.field("Content-Encoding"), coding, "{target}");
                    assert_eq!(response.field("Vary"), None, "{target}");
                }
            }
        }
    }
    let part = site.send("GET", "/x.wasm.br", &[("Range", "bytes=2-4")]);
    assert_eq!((part.status, part.text(), part.field("Content-Encoding")), (206, "234", Some("br")));
    let etag = part.field("ETag").unwrap().to_owned();
    let unchanged = site.send("GET", "/x.wasm.br", &[("If-None-Match", &etag)]);
    assert_eq!((unchanged.status, unchanged.field("Content-Encoding")), (304, None));
}

#[test]
fn an_error_page_may_be_compressed() {
    let site = TestSite::with(&[("404.html.gz", "compressed")], |builder| {
        builder.encoding("gz", "gzip").error_page(Status::NOT_FOUND, "404.html.gz")
    });
    let response = site.get("/none");
    assert_eq!((response.status, response.text()), (404, "compressed"));
    assert_eq!(response.field("Content-Encoding"), Some("gzip"));
    assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn text_that_declares_its_encoding_is_sent_without_a_charset() {
    let korean = "<!doctype html><meta charset=\"euc-kr\">";
    let large = format!("{korean}{}", " ".repeat(100_000));
    let late = format!("{}{korean}", " ".repeat(2_000));
    let files = [
        ("a.html", korean),
        ("large.html", &large),
        ("late.html", &late),
        ("plain.html", "<p>"),
        ("a.css", "@charset \"euc-kr\";"),
        ("plain.css", "p{}"),
        ("mark.css", "\u{feff}p{}"),
        ("a.xml", "<?xml version='1.0' encoding='euc-kr'?><a/>"),
        ("a.txt", korean),
        ("404.html", korean),
    ];
    let build = |builder: FileServiceBuilder| builder.error_page(Status::NOT_FOUND, "404.html");
    let charsets = |site: &TestSite, target: &str| {
        let send = |method, fields: &[_]| site.send(method, target, fields).field("Content-Type").map(str::to_owned);
        let whole = send("GET", &[]);
        assert_eq!(send("HEAD", &[]), whole, "{target}");
        assert_eq!(send("GET", &[]), whole, "{target} from the cache");
        if !target.ends_with("none") {
            assert_eq!(send("GET", &[("Range", "bytes=1-2")]), whole, "{target} in part");
        }
        whole.unwrap()
    };
    let site = TestSite::with(&files, build);
    for (target, content_type) in [
        ("/a.html", "text/html"),
        ("/large.html", "text/html"),
        ("/late.html", "text/html; charset=utf-8"),
        ("/plain.html", "text/html; charset=utf-8"),
        ("/a.css", "text/css"),
        ("/plain.css", "text/css; charset=utf-8"),
        ("/mark.css", "text/css"),
        ("/a.xml", "text/xml"),
        ("/a.txt", "text/plain; charset=utf-8"),
        ("/none", "text/html"),
    ] {
        assert_eq!(charsets(&site, target), content_type, "{target}");
    }
    let named = TestSite::with(&files, |builder| build(builder).charset(Some("big5")));
    let unsaid = TestSite::with(&files, |builder| build(builder).charset(None::<String>));
    for (name, kind) in
        [("a.html", "html"), ("plain.html", "html"), ("a.css", "css"), ("a.xml", "xml"), ("a.txt", "plain")]
    {
        assert_eq!(charsets(&named, &format!("/{name}")), format!("text/{kind}; charset=big5"));
        assert_eq!(charsets(&unsaid, &format!("/{name}")), format!("text/{kind}"));
    }
    assert!(FileService::builder(".").charset(Some("a b")).build().is_err());
    assert!(FileService::builder(".").encoding("gz", "zip").build().is_err());
}

#[test]
fn a_compressed_sibling_has_the_charset_that_its_original_declares() {
    let files = [("a.html", "<meta charset=euc-kr>"), ("a.html.gz", "gzip"), ("b.html", "<p>"), ("b.html.gz", "gzip")];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    let content_type = |target| {
        let response = site.send("GET", target, &[("Accept-Encoding", "gzip")]);
        assert_eq!(response.text(), "gzip");
        response.field("Content-Type").unwrap().to_owned()
    };
    assert_eq!(
        (content_type("/a.html"), content_type("/b.html")),
        ("text/html".into(), "text/html; charset=utf-8".into())
    );
}
