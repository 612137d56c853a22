//! Tests of files that change while the server runs. The caches must detect the changes.

use super::*;

#[test]
fn an_index_file_is_noticed_when_it_appears_or_disappears() {
    let site = TestSite::new(&[("a", "")]);
    assert!(site.get("/").text().contains("Directory listing for /"));
    site.write("index.htm", "short");
    assert_eq!(site.get("/").text(), "short");
    site.write("index.html", "long");
    assert_eq!(site.get("/").text(), "long");
    fs::remove_file(site.path("index.html")).unwrap();
    assert_eq!(site.get("/").text(), "short");
    fs::remove_file(site.path("index.htm")).unwrap();
    assert!(site.get("/").text().contains("Directory listing for /"));
}

#[test]
fn a_changed_replaced_or_removed_file_is_noticed() {
    let large = "x".repeat(100_000);
    let site = TestSite::new(&[("a", "one"), ("large", &large)]);
    assert_eq!(site.get("/a").text(), "one");
    site.write("a", "longer");
    assert_eq!(site.get("/a").text(), "longer");
    site.write("new", "two");
    fs::rename(site.path("new"), site.path("a")).unwrap();
    assert_eq!(site.get("/a").text(), "two");
    fs::remove_file(site.path("a")).unwrap();
    assert_eq!(site.status("/a"), 404);
    fs::create_dir(site.path("a")).unwrap();
    assert_eq!(site.status("/a"), 301);
    fs::remove_dir(site.path("a")).unwrap();
    site.write("a", "back");
    assert_eq!(site.get("/a").text(), "back");

    // The body of a response in progress is still read from the file whose length was announced.
    let response = site.files.respond(&Request::builder("GET", "/large").build());
    site.write("other", "short");
    fs::rename(site.path("other"), site.path("large")).unwrap();
    assert_eq!(bytes(response.body), large.as_bytes());
    assert_eq!(site.get("/large").text(), "short");
}

#[test]
fn a_large_file_replaced_within_the_turn_has_its_own_validators() {
    let content = |letter: &str| letter.repeat(100_000);
    let site = TestSite::new(&[("large", &content("x"))]);
    let request = Request::builder("GET", "/large").build();
    let get = || TestResponse::from(site.files.respond(&request));
    let first = get();
    assert_eq!(first.text(), content("x"));
    site.write("other", &content("y"));
    fs::rename(site.path("other"), site.path("large")).unwrap();
    let second = get();
    assert_eq!(second.text(), content("y"));
    assert_ne!(second.field("ETag"), first.field("ETag"));
}

#[test]
fn a_body_keeps_its_announced_length_when_the_file_grows_or_shrinks() {
    let site = TestSite::new(&[("log", &"x".repeat(50_000)), ("small", "1234")]);
    let send = |target: &str| site.files.respond(&Request::builder("GET", target).build());
    let (large, small) = (send("/log"), send("/small"));
    let append = |name: &str, text: &str| {
        let mut file = fs::File::options().append(true).open(site.path(name)).unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    append("log", "more");
    append("small", "5678");
    assert_eq!((large.head.content_length(), large.body.length()), (Some(50_000), Some(50_000)));
    assert_eq!(bytes(large.body).len(), 50_000);
    assert_eq!(bytes(small.body), b"1234");
    assert_eq!(site.get("/log").body.len(), 50_004);
    assert_eq!(site.get("/small").text(), "12345678");
    let cut = send("/log");
    fs::File::options().write(true).open(site.path("log")).unwrap().set_len(10).unwrap();
    // The connection detects that bytes are missing, and cuts the response short.
    assert_eq!((cut.head.content_length(), cut.body.length()), (Some(50_004), Some(50_004)));
    assert_eq!(site.get("/log").body.len(), 10);
}

#[test]
fn a_replaced_root_is_served_and_a_removed_one_is_404() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("site");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), "one").unwrap();
    let files = FileService::new(&root).unwrap();
    let get = || TestResponse::from(files.respond(&Request::builder("GET", "/a").build()));
    assert_eq!(get().text(), "one");
    fs::rename(&root, outer.path().join("old")).unwrap();
    assert_eq!(get().status, 404);
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), "two").unwrap();
    assert_eq!(get().text(), "two");
    let gone = outer.path().join("gone");
    assert!(FileService::new(&gone).unwrap_err().to_string().contains("gone"));
}

#[test]
fn a_cached_file_is_checked_once_a_turn() {
    let site = TestSite::new(&[("a", "one")]);
    let turn = Instant::now();
    let get = |arrived: Instant| {
        let mut request = Request::builder("GET", "/a").build();
        request.arrived = arrived;
        TestResponse::from(site.files.respond(&request))
    };
    assert_eq!(get(turn).text(), "one");
    fs::remove_file(site.path("a")).unwrap();
    assert_eq!(get(turn).text(), "one");
    assert_eq!(get(turn + Duration::from_nanos(1)).status, 404);
}

#[test]
fn a_missing_file_is_looked_up_once_a_turn() {
    let site = TestSite::new(&[]);
    let turn = Request::builder("GET", "/late.txt").build();
    assert_eq!(site.files.respond(&turn).status, 404);
    site.write("late.txt", "here");
    assert_eq!(site.files.respond(&turn).status, 404, "the same turn");
    assert_eq!(site.status("/late.txt"), 200, "the next one");
}

#[test]
fn a_large_file_stays_open_for_up_to_two_seconds() {
    let site = TestSite::new(&[("large", &"x".repeat(100_000))]);
    let send = || match site.files.respond(&Request::builder("GET", "/large").build()).body {
        Body::File(slice) => Arc::downgrade(&slice.file),
        other => panic!("{other:?}"),
    };
    assert!(send().upgrade().is_none(), "no file is held before after_turn is called");
    let (start, note) = (Instant::now(), &mut |_: Option<_>, _: &str| {});
    assert_eq!(site.files.after_turn(start, note), None);
    let first = send();
    assert!(first.ptr_eq(&send()), "it was still open");
    let mut now = start;
    while let Some(wait) = site.files.after_turn(now, note) {
        now += wait;
    }
    assert!(now <= start + Duration::from_secs(2));
    assert!(first.upgrade().is_none(), "an idle server holds nothing");
}

#[test]
fn siblings_are_noticed_when_they_appear_disappear_or_become_stale() {
    let site = TestSite::with(&[("a", "plain")], |builder| builder.precompressed(true));
    let get = || site.send("GET", "/a", &[("Accept-Encoding", "gzip, br")]).text().to_owned();
    let touch = |name: &str, seconds: u64| {
        let file = fs::File::options().append(true).open(site.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    assert_eq!(get(), "plain");
    site.write("a.gz", "gzip");
    assert_eq!(get(), "gzip");
    site.write("a.br", "brotli");
    assert_eq!(get(), "brotli");
    site.write("a.br", "better");
    assert_eq!(get(), "better");
    touch("a", 2_000_000_000);
    touch("a.br", 1_999_999_999);
    touch("a.gz", 2_000_000_000);
    assert_eq!(get(), "gzip");
    touch("a.gz", 1_999_999_999);
    assert_eq!(get(), "plain");
    fs::remove_file(site.path("a.br")).unwrap();
    fs::create_dir(site.path("a.br")).unwrap();
    fs::remove_file(site.path("a.gz")).unwrap();
    assert_eq!(get(), "plain");
    fs::remove_file(site.path("a")).unwrap();
    site.write("a.gz", "gzip");
    assert_eq!(site.send("GET", "/a", &[("Accept-Encoding", "gzip")]).status, 404);
}

#[test]
fn vary_appears_with_the_first_sibling_also_for_a_client_that_accepts_no_coding() {
    let site = TestSite::with(&[("a", "plain")], |builder| builder.precompressed(true));
    assert_eq!(site.get("/a").field("Vary"), None);
    site.write("a.gz", "gzip");
    let response = site.get("/a");
    assert_eq!((response.text(), response.field("Vary")), ("plain", Some("Accept-Encoding")));
}

#[test]
fn a_symbolic_link_that_changes_its_target_is_checked_again() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "out").unwrap();
    let site = TestSite::with(&[("dir/secret", "in")], |builder| builder.symlinks(Symlinks::Within));
    symlink("dir", site.path("link")).unwrap();
    assert_eq!(site.get("/link/secret").text(), "in");
    fs::remove_file(site.path("link")).unwrap();
    symlink(outer.path(), site.path("link")).unwrap();
    assert_eq!(site.status("/link/secret"), 404);
}

#[test]
fn a_cache_hit_allocates_nothing() {
    let files = [("index.html", "x"), ("a.js", "x"), ("a.js.gz", "y")];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    for (target, accept) in [("/", "identity"), ("/a.js", "gzip, deflate, br, zstd"), ("/a.js", "identity")] {
        let builder = Request::builder("GET", target).header("Host", "localhost").header("Accept-Encoding", accept);
        let mut request = builder.build();
        let count = |request: &Request| {
            let mut response = None;
            let info = allocation_counter::measure(|| response = Some(site.files.respond(request)));
            assert_eq!(response.unwrap().status, Status::OK);
            info.count_total
        };
        assert_ne!(count(&request), 0, "the first time it does");
        request.arrived += Duration::from_millis(1);
        assert_eq!(count(&request), 0, "{target} {accept}");
    }
}
