//! Tests of hidden names, symbolic links, listings and credentials.

use super::*;

#[test]
fn a_directory_without_index_file_is_listed_unless_listings_are_off() {
    let site = TestSite::new(&[("a&b", ""), ("D/x", ""), ("c", ""), (".hidden", "")]);
    let response = site.get("/");
    assert_eq!(response.field("Content-type"), Some("text/html; charset=utf-8"));
    let at = |text: &str| response.text().find(text).unwrap_or_else(|| panic!("no {text} in {}", response.text()));
    assert!(at("<a href=\".hidden\">.hidden</a>") < at("<a href=\"a%26b\">a&amp;b</a>"));
    assert!(at("<a href=\"a%26b\">") < at("<a href=\"c\">c</a>"));
    assert!(at("<a href=\"c\">c</a>") < at("<a href=\"D/\">D/</a>"));
    let closed = TestSite::with(&[("a", ""), ("sub/index.html", "index")], |builder| builder.listing(false));
    assert_eq!(
        (closed.status("/"), closed.get("/").message.as_deref()),
        (403, Some("No permission to list directory"))
    );
    assert_eq!(closed.get("/sub/").text(), "index");
}

#[test]
fn hidden_files_are_404_if_denied() {
    let files = [(".env", "secret"), (".git/config", ""), ("sub/.x/y", ""), (".well-known/acme", "token"), ("a", "")];
    let open = TestSite::new(&files);
    assert_eq!(open.get("/.env").text(), "secret");
    let site = TestSite::with(&files, |builder| builder.hidden(true));
    for target in ["/.env", "/%2eenv", "/.git/config", "/.git", "/.git/", "/sub/.x/y", "/.well-known/.x", "/a/.x"] {
        assert_eq!(site.status(target), 404, "{target}");
    }
    assert_eq!(site.get("/.well-known/acme").text(), "token");
    assert!(!site.get("/").text().contains(".env"));
}

#[test]
#[cfg(target_os = "linux")]
fn symbolic_links_are_followed_confined_or_denied() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "out").unwrap();
    let send = |symlinks: Symlinks| {
        let site = TestSite::with(&[("dir/a", "in")], |builder| builder.symlinks(symlinks));
        symlink(outer.path(), site.path("out")).unwrap();
        symlink("dir/a", site.path("in")).unwrap();
        symlink("dir", site.path("folder")).unwrap();
        ["/out/secret", "/out/", "/in", "/folder/a", "/folder", "/dir/a", "/dir/"].map(|target| site.status(target))
    };
    assert_eq!(send(Symlinks::Follow), [200, 200, 200, 200, 301, 200, 200]);
    assert_eq!(send(Symlinks::Within), [404, 404, 200, 200, 301, 200, 200]);
    assert_eq!(send(Symlinks::Deny), [404, 404, 404, 404, 404, 200, 200]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_listing_shows_exactly_the_links_that_are_served() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "seven77").unwrap();
    let names = |symlinks: Symlinks, target: &str, accept: &str| {
        let site = TestSite::with(&[("dir/a", "in"), (".hidden/x", "")], |builder| builder.symlinks(symlinks));
        for (link, to) in [
            ("out", &*outer.path().join("secret")),
            ("out-folder", outer.path()),
            ("out-nowhere", Path::new("/nowhere")),
            ("broken", Path::new("nowhere")),
            ("loop", Path::new("loop")),
            ("in", &site.path("dir/a")),
            ("folder", Path::new("dir")),
            ("dir/out", &outer.path().join("secret")),
            ("dir/in", Path::new("../in")),
        ] {
            symlink(to, site.path(link)).unwrap();
        }
        let send = |method| site.send(method, target, &[("Accept", accept)]);
        let response = send("GET");
        assert_eq!(send("HEAD").field("Content-Length"), response.field("Content-Length"));
        let text = response.text();
        let all = ["out", "out-folder/", "out-nowhere", "broken", "loop", "in", "folder/", "dir/", "a"];
        let shown =
            |name: &&str| text.contains(&format!("href=\"{name}\"")) || text.contains(&format!("\"href\": \"{name}\""));
        let shown: Vec<_> = all.into_iter().filter(shown).collect();
        for name in &all {
            let path = format!("{}{name}", target.split('?').next().unwrap());
            let served = matches!(site.status(&path), 200 | 301);
            assert!(!served || shown.contains(name), "{path} is served and not listed");
            assert!(served || symlinks == Symlinks::Follow || !shown.contains(name), "{path} is listed and not served");
        }
        shown.join(" ")
    };
    for accept in ["text/html", "application/json"] {
        for order in ["", "?sort=size", "?sort=date&order=desc", "?folders=first", "?sort=name&order=desc"] {
            let names = |symlinks, path: &str| names(symlinks, &format!("{path}{order}"), accept);
            let all = "out out-folder/ out-nowhere broken loop in folder/ dir/";
            assert_eq!(names(Symlinks::Follow, "/"), all);
            assert_eq!(names(Symlinks::Within, "/"), "in folder/ dir/");
            assert_eq!(names(Symlinks::Deny, "/"), "dir/");
            assert_eq!(names(Symlinks::Within, "/folder/"), "in a");
            assert_eq!(names(Symlinks::Deny, "/dir/"), "a");
        }
    }
}

#[test]
fn a_listing_shows_well_known_at_the_base_only_if_hidden_names_are_denied() {
    let files = [(".well-known/a", ""), ("sub/.well-known/a", ""), (".env", "")];
    let site = TestSite::with(&files, |builder| builder.hidden(true).base_path("/b"));
    let listed = |target: &str| site.get(target).text().contains("<a href=\".well-known/\">");
    assert!(listed("/b/") && !listed("/b/sub/"));
    assert!(!site.get("/b/").text().contains(".env"));
    assert_eq!((site.status("/b/.well-known/a"), site.status("/b/sub/.well-known/a")), (200, 404));
}

#[test]
fn every_request_but_a_preflight_needs_credentials() {
    let site = TestSite::with(&[("a", "secret"), ("dir/b", "")], |builder| {
        builder.auth(Account::new("ann", "pass:word")).realm("the site").cors("*")
    });
    // The Base64 form of "ann:pass:word". A password can contain a colon.
    let right = ("Authorization", "Basic YW5uOnBhc3M6d29yZA==");
    let etag = site.send("GET", "/a", &[right]).field("ETag").unwrap().to_owned();
    for (method, target, field) in [
        ("GET", "/a", None),
        ("HEAD", "/a", None),
        ("GET", "/a", Some(("Range", "bytes=0-1"))),
        ("GET", "/a", Some(("If-None-Match", &*etag))),
        ("GET", "/a", Some(("If-Match", "\"x\""))),
        ("GET", "/a", Some(("Authorization", "Basic YW5uOnBhc3M="))),
        ("GET", "/none", None),
        ("GET", "/dir", None),
        ("GET", "/%zz", None),
        ("POST", "/a", None),
        ("FOO", "/a", None),
        ("OPTIONS", "/a", None),
    ] {
        let response = site.send(method, target, &Vec::from_iter(field));
        assert_eq!(response.status, 401, "{method} {target} {field:?}");
        assert_eq!(response.field("WWW-Authenticate"), Some("Basic realm=\"the site\", charset=\"UTF-8\""));
        assert_eq!((response.field("ETag"), response.field("Content-Length"), response.text()), (None, None, ""));
    }
    assert_eq!(site.send("GET", "/a", &[right]).text(), "secret");
    assert_eq!(site.send("GET", "/none", &[right]).status, 404);
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(site.send("OPTIONS", "/a", &preflight).status, 204);
    assert!(FileService::builder(".").auth(Account::new("a", "b")).realm("a\nb").build().is_err());
}

#[test]
fn no_spelling_of_a_path_leads_around_the_accounts_of_its_subtree() {
    let build = |builder: FileServiceBuilder| builder.auth_under("/private/", Account::new("ann", "pass:word"));
    let site = TestSite::with(&[("private/a", "secret"), ("private/sub/b", "b"), ("privately", "open")], build);
    let right = ("Authorization", "Basic YW5uOnBhc3M6d29yZA==");
    for target in [
        "/private",
        "/private/",
        "/private/a",
        "/%70rivate/a",
        "//private/a",
        "/x/../private/a",
        "/private%2Fa",
        "/./private/./a",
        "/x%2F..%2Fprivate/sub/b",
        "/private/sub/",
        "/PRIVATE/a",
        "/private/none",
    ] {
        assert_eq!(site.status(target), 401, "{target}");
        assert_ne!(site.send("GET", target, &[right]).status, 401, "{target}");
    }
    assert_eq!(site.send("GET", "/%70rivate/a", &[right]).text(), "secret");
    // The response is now cached, but a client without credentials must not get it.
    assert_eq!(site.status("/%70rivate/a"), 401);
    for (target, status) in [("/", 200), ("/privately", 200), ("/private/../privately", 200), ("/private/%zz", 400)] {
        assert_eq!(site.status(target), status, "{target}");
    }
}

#[test]
fn a_guarded_path_that_no_request_has_is_refused() {
    let build = |base: &str, path: &str| {
        FileService::builder(".").base_path(base).auth_under(path, Account::new("a", "b")).build().map(drop)
    };
    assert!(build("/docs", "/docs/private").is_ok());
    for (base, path) in [("/docs", "/private"), ("/", "/%zz")] {
        assert_eq!(build(base, path).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{base} {path}");
    }
}

#[test]
fn slow_passwords_of_a_subtree_are_verified_off_the_loop() {
    let hash = "ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".parse().unwrap();
    let site = TestSite::with(&[("private/a", "x")], |builder| builder.auth_under("/private", hash));
    let service = site.files.offloading();
    let later = |target: &str| {
        // The Base64 form of "ann:secret".
        let request = Request::builder("GET", target).header("Authorization", "Basic YW5uOnNlY3JldA==").build();
        matches!(service.call(&request), Reply::Later(_))
    };
    assert!(later("//private/a") && !later("/"));
}
