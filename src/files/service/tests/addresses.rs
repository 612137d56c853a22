//! Tests of base paths, clean URLs, single-page applications and error pages.

use super::*;

#[test]
fn a_base_path_is_the_prefix_of_every_address() {
    for base in ["/docs/v1", "docs/v1/", "/docs//%76%31"] {
        let site = TestSite::with(&[("a", "x"), ("sub/b", "")], |builder| builder.base_path(base));
        assert_eq!(site.get("/docs/v1/a").text(), "x");
        assert_eq!(site.get("/docs/v1").field("Location"), Some("/docs/v1/"));
        assert_eq!(site.get("/docs/v1/sub?q").field("Location"), Some("/docs/v1/sub/?q"));
        assert!(site.get("/docs/v1/").text().contains("/docs/v1/"));
        for target in ["/a", "/", "/docs/", "/docs/v1a", "/docs/v10/a", "/docs/v1/../a"] {
            assert_eq!(site.status(target), 404, "{target}");
        }
    }
    assert!(FileService::builder(".").base_path("/%zz").build().is_err());
}

#[test]
fn every_path_outside_the_base_path_is_404() {
    let site = TestSite::with(&[("index.html", "app"), ("about.html", ""), ("404.html", "own page")], |builder| {
        builder.base_path("/b").spa(Some("index.html")).clean_urls(true).error_page(Status::NOT_FOUND, "404.html")
    });
    assert_eq!(site.get("/b").field("Location"), Some("/b/"));
    assert_eq!((site.get("/b/").text(), site.get("/b/route").text()), ("app", "app"));
    // The second request for a target is a hit in the negative cache.
    for target in ["/", "/route", "/b2/route", "/bb", "/about", "/about.html", "/index.html", "/b/../route", "/route"] {
        for _ in 0..2 {
            let response = site.send("GET", target, &[("Accept", "text/html")]);
            assert_eq!((response.status, response.text()), (404, "own page"), "{target}");
        }
    }
}

#[test]
fn clean_urls_serve_pages_without_html_and_redirect_to_them() {
    let files = [
        ("index.html", "home"),
        ("about.html", "about"),
        ("both.html", "page"),
        ("both/index.html", "directory"),
        ("file", "file"),
        ("file.html", "hidden by file"),
        ("sub/index.html", "sub"),
        ("only/a", ""),
        (".html", "dot"),
    ];
    let site = TestSite::with(&files, |builder| builder.clean_urls(true));
    for (target, body) in [
        ("/", "home"),
        ("/about", "about"),
        ("/both", "page"),
        ("/both/", "directory"),
        ("/file", "file"),
        ("/file.html", "hidden by file"),
        ("/sub/", "sub"),
        ("/.html", "dot"),
    ] {
        assert_eq!(site.get(target).text(), body, "{target}");
    }
    rustix::fs::mkfifoat(rustix::fs::CWD, site.path("fifo"), 0o600.into()).unwrap();
    site.write("fifo.html", "page");
    for target in ["/about.html/", "/file/", "/sub/index.html/", "/fifo"] {
        assert_eq!(site.status(target), 404, "{target}");
    }
    for (target, location) in [
        ("/about.html", "/about"),
        ("/about.html?q=1", "/about?q=1"),
        ("/about/", "/about"),
        ("/index.html", "/"),
        ("/sub/index.html", "/sub/"),
        ("/sub", "/sub/"),
        ("/only", "/only/"),
    ] {
        let response = site.get(target);
        assert_eq!((response.status, response.field("Location")), (301, Some(location)), "{target}");
    }
    assert_eq!(site.status("/none"), 404);
    site.write("about", "a real file");
    assert_eq!(site.get("/about").text(), "a real file");
    let plain = TestSite::new(&files);
    assert_eq!((plain.status("/about"), plain.get("/about.html").text()), (404, "about"));
}

#[test]
fn the_spa_page_replaces_404_for_pages_only() {
    let site = TestSite::with(&[("index.html", "app"), ("a.js", "script")], |builder| builder.spa(Some("index.html")));
    for target in ["/users/5", "/users/", "/a.js/deep", "/x?y"] {
        assert_eq!((site.status(target), site.get(target).text()), (200, "app"), "{target}");
    }
    assert_eq!(site.get("/a.js").text(), "script");
    assert_eq!(site.status("/missing.js"), 404);
    let navigation = [("Accept", "application/xhtml+xml, Text/HTML;q=0.9")];
    assert_eq!(site.send("GET", "/users/jane.doe", &navigation).text(), "app");
    assert_eq!(site.send("GET", "/missing.png", &[("Accept", "image/*,*/*;q=0.8")]).status, 404);
    assert_eq!(site.status("/%zz"), 400);
    site.write("index.html", "new app");
    assert_eq!(site.get("/users/5").text(), "new app");
    fs::remove_file(site.path("index.html")).unwrap();
    assert_eq!(site.status("/users/5"), 404);
}

#[test]
fn an_error_page_keeps_its_status() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("405.txt"), "no").unwrap();
    let site = TestSite::with(&[("404.html", "<h1>gone</h1>"), ("a", "12345")], |builder| {
        builder
            .error_page(Status::NOT_FOUND, "404.html")
            .error_page(Status::METHOD_NOT_ALLOWED, outer.path().join("405.txt"))
            .error_page(Status::BAD_REQUEST, "missing.html")
    });
    let response = site.get("/none");
    assert_eq!((response.status, response.text(), response.message.as_deref()), (404, "<h1>gone</h1>", None));
    assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!((response.field("Content-Length"), response.field("ETag")), (Some("13"), None));
    let conditional = site.send("GET", "/none", &[("If-None-Match", "*"), ("Range", "bytes=0-1")]);
    assert_eq!((conditional.status, conditional.text()), (404, "<h1>gone</h1>"));
    let response = site.send("POST", "/a", &[]);
    assert_eq!((response.status, response.text(), response.field("Allow")), (405, "no", Some("GET, HEAD, OPTIONS")));
    assert_eq!(site.get("/%zz").message.as_deref(), Some("Bad percent-encoding in path"));
}
