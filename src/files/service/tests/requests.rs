//! Tests of request methods, and of the resources that paths name and their content.

use super::*;

#[test]
fn a_service_is_send() {
    fn is_send<T: Send>() {}
    is_send::<FileService>();
}

#[test]
fn a_file_is_sent_with_its_fields() {
    let site = TestSite::new(&[("a.txt", "hello"), ("empty", "")]);
    let response = site.get("/a.txt");
    assert_eq!((response.status, response.text()), (200, "hello"));
    assert_eq!(response.names(), ["Content-type", "Content-Length", "Last-Modified", "ETag", "Accept-Ranges"]);
    assert_eq!(response.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.field("Content-Length"), Some("5"));
    assert_eq!(site.get("/%61.txt?query").text(), "hello");
    let empty = site.get("/empty");
    assert_eq!((empty.status, empty.field("Content-Length"), empty.text()), (200, Some("0"), ""));
    let large = "0123456789".repeat(100_000);
    site.write("large", &large);
    assert_eq!(site.get("/large").text(), large);
}

#[test]
fn a_missing_file_is_404_and_a_malformed_path_is_400() {
    let site = TestSite::new(&[("a.txt", ""), ("dir/b", "")]);
    let long = format!("/{}", "x".repeat(300));
    let longest = format!("/{}", "x/".repeat(4000));
    for target in ["/none", "/a.txt/", "/a.txt%2f", "/a.txt/b", "/dir/none", "/none/", "*", &long, &longest] {
        let response = site.get(target);
        assert_eq!((response.status, response.message.as_deref()), (404, Some("File not found")), "{target}");
    }
    assert_eq!(site.get("/%00").message.as_deref(), Some("NUL in path"));
    assert_eq!(site.get("/%zz").status, 400);
}

#[test]
fn only_regular_files_are_served() {
    let site = TestSite::new(&[("file", "x")]);
    rustix::fs::mknodat(rustix::fs::CWD, site.path("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    for (link, target) in [("null", "/dev/null"), ("loop", "loop"), ("dangling", "nowhere"), ("link", "file")] {
        symlink(target, site.path(link)).unwrap();
    }
    for target in ["/fifo", "/socket", "/null", "/loop", "/dangling", "/loop/x"] {
        assert_eq!(site.status(target), 404, "{target}");
    }
    assert_eq!(site.get("/link").text(), "x");
}

#[test]
fn methods_other_than_get_head_and_options_are_refused() {
    let site = TestSite::new(&[("a", "hello")]);
    let head = site.send("HEAD", "/a", &[]);
    assert_eq!(head.head, site.get("/a").head);
    for target in ["/a", "/none", "*"] {
        let options = site.send("OPTIONS", target, &[]);
        assert_eq!((options.status, options.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"] {
        let response = site.send(method, "/a", &[]);
        assert_eq!((response.status, response.field("Allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
    let unknown = site.send("FOO", "/a", &[]);
    assert_eq!((unknown.status, unknown.message.as_deref()), (501, Some("Unsupported method ('FOO')")));
    assert_eq!(site.send("get", "/a", &[]).status, 501);
}

#[test]
fn a_directory_without_its_slash_is_redirected() {
    let site = TestSite::new(&[("sub/dir/a", ""), ("evil/b", "")]);
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?a=b&c", "/sub/?a=b&c"),
        ("/sub?", "/sub/?"),
        ("/sub/dir", "/sub/dir/"),
        ("//evil", "/evil/"),
        ("//evil/..%2fsub", "/sub/"),
        ("/%73ub", "/sub/"),
    ] {
        let response = site.get(target);
        assert_eq!((response.status, response.field("Location")), (301, Some(location)), "{target}");
        assert_eq!(response.names(), ["Location", "Content-Length"]);
        assert_eq!(response.field("Content-Length"), Some("0"));
    }
    assert_eq!(site.status("/sub%2f"), 200);
}

#[test]
fn the_first_index_file_is_served() {
    let site =
        TestSite::new(&[("both/index.html", "l"), ("both/index.htm", "s"), ("short/index.htm", "s"), ("none/a", "")]);
    fs::create_dir(site.path("short/index.html")).unwrap();
    assert_eq!(site.get("/both/").text(), "l");
    assert_eq!(site.get("/short/").text(), "s");
    assert!(site.get("/none/").text().contains("<li><a href=\"a\">a</a>"));
    let site = TestSite::with(&[("index.html", "l"), ("README.md", "readme")], |builder| {
        builder.index_names(["none", "README.md"])
    });
    assert_eq!(site.get("/").text(), "readme");
    assert_eq!(site.get("/").field("Content-type"), Some("text/markdown; charset=utf-8"));
}

#[test]
fn names_that_are_not_utf8_are_found_by_both_spellings() {
    let site = TestSite::new(&[]);
    let name = std::ffi::OsStr::from_bytes(b"bad\xff.txt");
    fs::write(site.dir.path().join(name), "found").unwrap();
    fs::create_dir(site.dir.path().join(std::ffi::OsStr::from_bytes(b"dir\x80"))).unwrap();
    assert_eq!(site.get("/bad%ff.txt").text(), "found");
    assert_eq!(site.get("/bad%ED%B3%BF.txt").text(), "found");
    assert_eq!(site.status("/bad%ED%B3%BE.txt"), 404);
    assert_eq!(site.get("/dir%80").field("Location"), Some("/dir%80/"));
    assert_eq!(site.status("/dir%ED%B2%80/"), 200);
    site.write("bad\u{d7ff}", "text");
    assert_eq!(site.get("/bad%ed%9f%bf").text(), "text");
}

/// Tests files in procfs and sysfs, whose reported size is not the length of their content.
#[test]
#[cfg(target_os = "linux")]
fn files_with_a_wrong_reported_size_are_sent_whole() {
    let service = |root: &str| FileService::new(root).unwrap();
    for (root, target) in [("/proc/sys/kernel", "/ostype"), ("/sys/devices/system/cpu", "/possible")] {
        let files = service(root);
        let send = |method: &str, fields: &[(&str, &str)]| {
            let request = Request::builder(method, target);
            let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
            TestResponse::from(files.respond(&request.build()))
        };
        let expected = fs::read(format!("{root}{target}")).unwrap();
        let stated = fs::metadata(format!("{root}{target}")).unwrap().len();
        assert_ne!(expected.len() as u64, stated);
        let (whole, head) = (send("GET", &[]), send("HEAD", &[]));
        assert_eq!((whole.status, &whole.body), (200, &expected), "{target}");
        assert_eq!((head.status, &head.head), (200, &whole.head));
        assert_eq!(whole.field("Content-Length"), Some(&*expected.len().to_string()));
        assert_eq!(whole.field("Last-Modified"), None, "its date is not that of its content");
        let part = send("GET", &[("Range", "bytes=1-")]);
        assert_eq!((part.status, &part.body[..]), (206, &expected[1..]));
        let etag = whole.field("ETag").unwrap();
        assert_eq!(send("GET", &[("If-None-Match", etag)]).status, 304);
        assert_eq!(send("GET", &[("Range", "bytes=5000-")]).status, 416);
        assert_eq!(files.cache.borrow().len(), 0, "the next request may find other content");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_log_says_why_a_file_cannot_be_read() {
    let files = FileService::new("/proc/self").unwrap();
    let get = || files.respond(&Request::builder("GET", "/mem").build()).status;
    assert_eq!(get(), 500);
    let mut noted = Vec::new();
    files.after_turn(Instant::now(), &mut |_: Option<_>, text: &str| noted.push(text.to_owned()));
    assert_eq!(noted, ["cannot read '/proc/self/mem': Input/output error (os error 5)"]);
}

#[test]
fn a_large_file_is_not_read() {
    let site = TestSite::new(&[]);
    let length = (4 << 30) + 10;
    fs::File::create(site.path("huge")).unwrap().set_len(length).unwrap();
    let response = site.files.respond(&Request::builder("GET", "/huge").build());
    assert_eq!((response.head.content_length(), response.body.length()), (Some(length), Some(length)));
    let end = site.send("GET", "/huge", &[("Range", "bytes=-5")]);
    assert_eq!((end.status, end.body.len()), (206, 5));
    assert_eq!(end.field("Content-Range"), Some(&*format!("bytes {}-{}/{length}", length - 5, length - 1)));
}

/// A pseudo-random number generator with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }

    fn pick(&mut self, words: &[&str], most: usize) -> String {
        (0..self.roll(most + 1)).map(|_| words[self.roll(words.len())]).collect()
    }
}

#[test]
fn random_requests_stay_below_the_root_and_have_the_announced_length() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "SECRET").unwrap();
    let paths =
        ["/", "..", ".", "a", "sub", "%2e", "%2F", "%5c", "\\", "//", "secret", "%ff", "%ED%B3%BF", "%", "?", ".html"];
    let ranges = ["bytes=", "0", "-", ",", "1", "9", "18446744073709551615", " ", "bytes", "=", "-5"];
    let others = [
        "\"",
        "W/",
        "*",
        ",",
        " ",
        "x",
        "gzip",
        ";q=",
        "0",
        "1",
        ".",
        "br",
        "identity",
        "Sun, 06 Nov 1994 08:49:37 GMT",
    ];
    let root = outer.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    for (name, content) in [("a", "0123456789"), ("a.html", "page"), ("sub/index.html", "index"), ("a.br", "b")] {
        fs::write(root.join(name), content).unwrap();
    }
    for clean in [false, true] {
        let files = FileService::builder(&root).clean_urls(clean).precompressed(true).build().unwrap();
        let mut dice = Dice(1);
        for _ in 0..5_000 {
            let target = format!("/{}", dice.pick(&paths, 6));
            let request = Request::builder(["GET", "HEAD"][dice.roll(2)], &target)
                .header("Range", dice.pick(&ranges, 6))
                .header("Accept-Encoding", dice.pick(&others, 5))
                .header("If-None-Match", dice.pick(&others, 3))
                .header("If-Range", dice.pick(&others[..6], 3));
            // `TestResponse::from` compares the announced length with the body.
            let response = TestResponse::from(files.respond(&request.build()));
            assert!(
                matches!(response.status, 200 | 206 | 301 | 304 | 400 | 404 | 416),
                "{target}: {}",
                response.status
            );
            assert!(!String::from_utf8_lossy(&response.body).contains("SECRET"), "{target}");
            let location = response.field("Location").unwrap_or("/").split('?').next().unwrap();
            assert!(location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'), "{location}");
        }
    }
}
