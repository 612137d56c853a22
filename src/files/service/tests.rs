use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::*;
use crate::files::{Account, Symlinks};
use crate::service::Body;

/// A directory with a service over it.
struct TestSite {
    dir: tempfile::TempDir,
    files: FileService,
}

impl TestSite {
    fn new(files: &[(&str, &str)]) -> TestSite {
        TestSite::with(files, |builder| builder)
    }

    fn with(files: &[(&str, &str)], build: impl FnOnce(FileServiceBuilder) -> FileServiceBuilder) -> TestSite {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            write(&dir, name, content);
        }
        let mut files = build(FileService::builder(dir.path())).build().unwrap();
        // What was written just now is not cached; this clock is late enough for it to be.
        files.policy.clock = || SystemTime::now() + Duration::from_secs(10);
        TestSite { dir, files }
    }

    fn write(&self, name: &str, content: &str) {
        write(&self.dir, name, content);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sets a file's time of modification, in seconds since 1970.
    fn date(&self, name: &str, seconds: i64) {
        let stamp = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: stamp, last_modification: stamp };
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, self.path(name), &times, flags).unwrap();
    }

    fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> TestResponse {
        let request =
            fields.iter().fold(Request::builder(method, target), |request, (name, value)| request.header(name, value));
        TestResponse::from(self.files.respond(&request.build()))
    }

    fn get(&self, target: &str) -> TestResponse {
        self.ask("GET", target, &[])
    }

    fn status(&self, target: &str) -> u16 {
        self.get(target).status
    }
}

fn write(dir: &tempfile::TempDir, name: &str, content: &str) {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn a_large_file_stays_open_for_a_moment() {
    let site = TestSite::new(&[("large", &"x".repeat(100_000))]);
    let ask = || match site.files.respond(&Request::builder("GET", "/large").build()).body {
        Body::File(slice) => Arc::downgrade(&slice.file),
        other => panic!("{other:?}"),
    };
    assert!(ask().upgrade().is_none(), "nobody would close it");
    let (start, note) = (Instant::now(), &mut |_: Option<_>, _: &str| {});
    assert_eq!(site.files.after_turn(start, note), None);
    let first = ask();
    assert!(first.ptr_eq(&ask()), "it was still open");
    let mut now = start;
    while let Some(wait) = site.files.after_turn(now, note) {
        now += wait;
    }
    assert!(now <= start + Duration::from_secs(2));
    assert!(first.upgrade().is_none(), "an idle server holds nothing");
}

/// A response as a client sees it.
#[derive(Debug)]
struct TestResponse {
    status: u16,
    head: Vec<(String, String)>,
    message: Option<String>,
    body: Vec<u8>,
}

impl From<Response> for TestResponse {
    fn from(response: Response) -> TestResponse {
        let field = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
        let announced = response.head.content_length();
        let body = bytes(response.body);
        if let (Some(announced), false) = (announced, body.is_empty()) {
            assert_eq!(announced, body.len() as u64);
        }
        TestResponse {
            status: response.status.code(),
            head: response.head.iter().map(field).collect(),
            message: response.error.and_then(|error| error.message).map(Into::into),
            body,
        }
    }
}

fn bytes(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes.into_owned(),
        Body::Shared(bytes) => bytes.to_vec(),
        Body::File(slice) => {
            let mut bytes = vec![0; slice.length as usize];
            std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.offset).unwrap();
            bytes
        }
        Body::Stream(mut source) => {
            let mut all = Vec::new();
            let mut buf = [0; 1000];
            while let count @ 1.. = source.read(&mut buf).unwrap() {
                all.extend_from_slice(&buf[..count]);
            }
            all
        }
    }
}

impl TestResponse {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn names(&self) -> Vec<&str> {
        self.head.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[test]
fn a_service_may_move_to_the_thread_of_its_loop() {
    fn is_send<T: Send>() {}
    is_send::<FileService>();
}

#[test]
fn a_file() {
    let site = TestSite::new(&[("a.txt", "hello"), ("empty", "")]);
    let answer = site.get("/a.txt");
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert_eq!(answer.names(), ["Content-type", "Content-Length", "Last-Modified", "ETag", "Accept-Ranges"]);
    assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("Content-Length"), Some("5"));
    assert_eq!(site.get("/%61.txt?query").text(), "hello");
    let empty = site.get("/empty");
    assert_eq!((empty.status, empty.field("Content-Length"), empty.text()), (200, Some("0"), ""));
    let large = "0123456789".repeat(100_000);
    site.write("large", &large);
    assert_eq!(site.get("/large").text(), large);
}

#[test]
fn what_is_not_there() {
    let site = TestSite::new(&[("a.txt", ""), ("dir/b", "")]);
    let long = format!("/{}", "x".repeat(300));
    let longest = format!("/{}", "x/".repeat(4000));
    for target in ["/none", "/a.txt/", "/a.txt%2f", "/a.txt/b", "/dir/none", "/none/", "*", &long, &longest] {
        let answer = site.get(target);
        assert_eq!((answer.status, answer.message.as_deref()), (404, Some("File not found")), "{target}");
    }
    assert_eq!(site.get("/%00").message.as_deref(), Some("NUL in path"));
    assert_eq!(site.get("/%zz").status, 400);
}

#[test]
fn what_is_no_regular_file() {
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
fn methods() {
    let site = TestSite::new(&[("a", "hello")]);
    let head = site.ask("HEAD", "/a", &[]);
    assert_eq!(head.head, site.get("/a").head);
    for target in ["/a", "/none", "*"] {
        let options = site.ask("OPTIONS", target, &[]);
        assert_eq!((options.status, options.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"] {
        let answer = site.ask(method, "/a", &[]);
        assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
    let unknown = site.ask("FOO", "/a", &[]);
    assert_eq!((unknown.status, unknown.message.as_deref()), (501, Some("Unsupported method ('FOO')")));
    assert_eq!(site.ask("get", "/a", &[]).status, 501);
}

#[test]
fn a_directory_without_its_slash() {
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
        let answer = site.get(target);
        assert_eq!((answer.status, answer.field("Location")), (301, Some(location)), "{target}");
        assert_eq!(answer.names(), ["Location", "Content-Length"]);
        assert_eq!(answer.field("Content-Length"), Some("0"));
    }
    assert_eq!(site.status("/sub%2f"), 200);
}

#[test]
fn index_files() {
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
fn an_index_that_comes_and_goes() {
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
fn listings() {
    let site = TestSite::new(&[("a&b", ""), ("D/x", ""), ("c", ""), (".hidden", "")]);
    let answer = site.get("/");
    assert_eq!(answer.field("Content-type"), Some("text/html; charset=utf-8"));
    let at = |text: &str| answer.text().find(text).unwrap_or_else(|| panic!("no {text} in {}", answer.text()));
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
fn names_that_are_no_text() {
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

/// The files of procfs and sysfs state another size than they have.
#[test]
#[cfg(target_os = "linux")]
fn files_that_the_system_makes_when_they_are_read() {
    let service = |root: &str| FileService::new(root).unwrap();
    for (root, target) in [("/proc/sys/kernel", "/ostype"), ("/sys/devices/system/cpu", "/possible")] {
        let files = service(root);
        let ask = |method: &str, fields: &[(&str, &str)]| {
            let request = Request::builder(method, target);
            let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
            TestResponse::from(files.respond(&request.build()))
        };
        let expected = fs::read(format!("{root}{target}")).unwrap();
        let stated = fs::metadata(format!("{root}{target}")).unwrap().len();
        assert_ne!(expected.len() as u64, stated);
        let (whole, head) = (ask("GET", &[]), ask("HEAD", &[]));
        assert_eq!((whole.status, &whole.body), (200, &expected), "{target}");
        assert_eq!((head.status, &head.head), (200, &whole.head));
        assert_eq!(whole.field("Content-Length"), Some(&*expected.len().to_string()));
        assert_eq!(whole.field("Last-Modified"), None, "its date is not that of its content");
        let part = ask("GET", &[("Range", "bytes=1-")]);
        assert_eq!((part.status, &part.body[..]), (206, &expected[1..]));
        let etag = whole.field("ETag").unwrap();
        assert_eq!(ask("GET", &[("If-None-Match", etag)]).status, 304);
        assert_eq!(ask("GET", &[("Range", "bytes=5000-")]).status, 416);
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
fn dates() {
    let site = TestSite::new(&[("old", "x"), ("future", "x")]);
    let set = |name: &str, seconds: u64| {
        let file = fs::File::options().append(true).open(site.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(seconds, 999_999_999)).unwrap();
    };
    set("old", 784_111_777);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(site.get("/old").field("Last-Modified"), Some(date));
    assert_eq!(site.ask("GET", "/old", &[("If-Modified-Since", date)]).status, 304);
    assert_eq!(site.ask("GET", "/old", &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")]).status, 200);
    set("future", 9_000_000_000);
    let announced = site.get("/future").field("Last-Modified").map(str::to_owned).unwrap();
    let announced = crate::http::parse_http_date(announced.as_bytes()).unwrap();
    assert!(announced <= HttpDate::from(SystemTime::now() + Duration::from_secs(11)), "{announced}");
}

#[test]
fn files_from_before_1970_have_their_date() {
    let site = TestSite::new(&[("a", "x")]);
    site.date("a", -185_000_000);
    let date = "Thu, 20 Feb 1964 19:06:40 GMT";
    let at = |value: &str| site.ask("GET", "/a", &[("If-Modified-Since", value)]).status;
    assert_eq!(site.get("/a").field("Last-Modified"), Some(date));
    assert_eq!((at(date), at("Thu, 20 Feb 1964 19:06:39 GMT"), at("Thu, 01 Jan 1970 00:00:00 GMT")), (304, 200, 304));
}

#[test]
fn times_0_and_1_say_nothing_about_a_file() {
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
            let answer = site.ask("GET", "/a", &[("Range", "bytes=5-"), (name, value)]);
            let expected = if name == "If-Range" { (200, "0123456789") } else { (206, "56789") };
            assert_eq!((answer.status, answer.text()), expected, "{name}: {value}");
            assert_eq!(answer.field("Last-Modified"), None);
        }
        assert_eq!(site.ask("GET", "/a", &[("If-None-Match", etag)]).status, 304);
        assert_eq!(site.ask("GET", "/a", &[("Range", "bytes=5-"), ("If-Range", etag)]).status, 206);
        site.write("a", "9876543210");
        site.date("a", seconds);
        let answer = site.ask("GET", "/a", &[("If-None-Match", etag)]);
        assert_eq!((answer.status, answer.text()), (200, "9876543210"), "the same inode, size and time");
    }
    let site = TestSite::new(&[("a", "x")]);
    for (seconds, date) in [(-1, "Wed, 31 Dec 1969 23:59:59 GMT"), (2, "Thu, 01 Jan 1970 00:00:02 GMT")] {
        site.date("a", seconds);
        assert_eq!(site.get("/a").field("Last-Modified"), Some(date));
    }
}

#[test]
fn not_modified() {
    let site = TestSite::new(&[("a", "x")]);
    let etag = site.get("/a").field("ETag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let answer = site.ask("GET", "/a", &[("If-None-Match", &etag)]);
    assert_eq!((answer.status, answer.names(), answer.text()), (304, vec!["ETag"], ""));
    assert_eq!(answer.field("ETag"), Some(&*etag));
    assert_eq!(site.ask("HEAD", "/a", &[("If-None-Match", &etag)]).status, 304);
    assert_eq!(site.ask("GET", "/a", &[("If-Match", "\"x\"")]).status, 412);
    site.write("a", "y");
    assert_eq!(site.ask("GET", "/a", &[("If-None-Match", &etag)]).text(), "y");
}

#[test]
fn conditions_count_only_where_there_is_something() {
    let site = TestSite::new(&[("dir/a", "")]);
    for fields in [&[("If-None-Match", "*")][..], &[("If-Match", "\"x\"")], &[("Range", "bytes=0-1")]] {
        assert_eq!(site.ask("GET", "/none", fields).status, 404);
        assert_eq!(site.ask("GET", "/dir", fields).status, 301);
        assert_eq!(site.ask("GET", "/dir/", fields).status, 200);
    }
}

#[test]
fn ranges() {
    let large = "0123456789".repeat(10_000);
    let site = TestSite::new(&[("small", "0123456789"), ("large", &large), ("empty", "")]);
    for target in ["/small", "/large"] {
        let whole = site.get(target);
        let n = whole.body.len();
        let answer = site.ask("GET", target, &[("Range", "bytes=2-4")]);
        assert_eq!((answer.status, answer.text()), (206, "234"));
        assert_eq!(answer.field("Content-Range"), Some(&*format!("bytes 2-4/{n}")));
        for name in ["Content-type", "Last-Modified", "ETag"] {
            assert_eq!(answer.field(name), whole.field(name));
        }
        let several = site.ask("GET", target, &[("Range", "bytes=0-1,-1")]);
        assert_eq!((several.status, several.field("Content-Range")), (206, None));
        let kind = several.field("Content-type").unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
        assert!(several.text().starts_with(&format!("\r\n--{boundary}\r\n")));
        assert_eq!(several.field("Content-Length"), Some(&*several.body.len().to_string()));
        assert_eq!(several.text().matches(boundary).count(), 3);
        assert!(several.text().contains(&format!("Content-Range: bytes {}-{}/{n}\r\n\r\n9\r\n", n - 1, n - 1)));
        let beyond = site.ask("GET", target, &[("Range", &format!("bytes={n}-"))]);
        assert_eq!((beyond.status, beyond.field("Content-Range")), (416, Some(&*format!("bytes */{n}"))));
        assert_eq!(site.ask("HEAD", target, &[("Range", "bytes=2-4")]).status, 200);
        assert_eq!(site.ask("GET", target, &[("Range", "lines=2-4")]).status, 200);
    }
    assert_eq!(site.ask("GET", "/empty", &[("Range", "bytes=0-")]).status, 416);
}

#[test]
fn a_resumed_download_is_of_one_file() {
    let site = TestSite::new(&[("a", "0123456789")]);
    let whole = site.get("/a");
    let (etag, date) = (whole.field("ETag").unwrap(), whole.field("Last-Modified").unwrap());
    let resume = |validator: &str| site.ask("GET", "/a", &[("Range", "bytes=5-"), ("If-Range", validator)]);
    assert_eq!((resume(etag).status, resume(etag).text()), (206, "56789"));
    assert_eq!(resume(date).status, 206);
    assert_eq!(resume(&format!("W/{etag}")).status, 200);
    site.write("a", "9876543210");
    assert_eq!((resume(etag).status, resume(etag).text()), (200, "9876543210"));
}

#[test]
fn a_tree_that_changes() {
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

    // A body that is being sent keeps the file it was announced from.
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
fn a_file_that_grows_or_shrinks_while_it_is_sent() {
    let site = TestSite::new(&[("log", &"x".repeat(50_000)), ("small", "1234")]);
    let ask = |target: &str| site.files.respond(&Request::builder("GET", target).build());
    let (large, small) = (ask("/log"), ask("/small"));
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
    let cut = ask("/log");
    fs::File::options().write(true).open(site.path("log")).unwrap().set_len(10).unwrap();
    // That there are fewer bytes is for the connection to notice, which sends none it was not promised.
    assert_eq!((cut.head.content_length(), cut.body.length()), (Some(50_004), Some(50_004)));
    assert_eq!(site.get("/log").body.len(), 10);
}

#[test]
fn the_root_may_be_replaced_or_go() {
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
fn a_large_file_is_not_read() {
    let site = TestSite::new(&[]);
    let length = (4 << 30) + 10;
    fs::File::create(site.path("huge")).unwrap().set_len(length).unwrap();
    let response = site.files.respond(&Request::builder("GET", "/huge").build());
    assert_eq!((response.head.content_length(), response.body.length()), (Some(length), Some(length)));
    let end = site.ask("GET", "/huge", &[("Range", "bytes=-5")]);
    assert_eq!((end.status, end.body.len()), (206, 5));
    assert_eq!(end.field("Content-Range"), Some(&*format!("bytes {}-{}/{length}", length - 5, length - 1)));
}

#[test]
fn one_turn_looks_once() {
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
fn extra_fields() {
    let extra = |builder: FileServiceBuilder| {
        builder.extra_header("X-A", "1").extra_header("X-A", "2").extra_header("Cache-Control", "no-cache")
    };
    let files = [("a", "x"), ("dir/b", "")];
    let site = TestSite::with(&files, extra);
    for (target, fields) in [("/a", None), ("/dir/", None), ("/a", Some(("Range", "bytes=0-0")))] {
        let answer = site.ask("GET", target, &Vec::from_iter(fields));
        assert_eq!(answer.names().iter().filter(|name| **name == "X-A").count(), 2, "{target}");
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
    }
    for target in ["/dir", "/none"] {
        assert_eq!(site.get(target).field("X-A"), None);
    }
    assert_eq!(site.ask("GET", "/a", &[("If-None-Match", "*")]).field("X-A"), None);
    let site = TestSite::with(&files, |builder| extra(builder).extra_headers_everywhere(true));
    for (target, fields) in [("/a", None), ("/dir", None), ("/none", None), ("/a", Some(("If-None-Match", "*")))] {
        let answer = site.ask("GET", target, &Vec::from_iter(fields));
        assert_eq!(answer.names().iter().filter(|name| **name == "X-A").count(), 2, "{target}");
    }
    let bad = |name: &str, value: &str| FileService::builder(".").extra_header(name, value).build().unwrap_err().kind();
    assert_eq!(bad("X", "a\r\nb"), io::ErrorKind::InvalidInput);
    assert_eq!(bad("X Y", "a"), io::ErrorKind::InvalidInput);
    assert!(FileService::builder(".").mime("a", "b\n").build().is_err());
    assert!(FileService::builder(".").default_type("b\0").build().is_err());
}

#[test]
fn an_extra_field_is_latin1() {
    use crate::testing::Bench;
    let service =
        FileService::builder("src").extra_header("X-Text", "caf\u{e9}").extra_header("X-Bytes", b"caf\xc3\xa9");
    let bench = Bench::new(service.build().unwrap());
    let mut client = bench.connect();
    client.send(b"HEAD /lib.rs HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = client.take();
    for field in [&b"\r\nX-Text: caf\xe9\r\n"[..], b"\r\nX-Bytes: caf\xc3\xa9\r\n"] {
        assert!(answer.windows(field.len()).any(|window| window == field), "{}", answer.escape_ascii());
    }
    let refused = FileService::builder("src").extra_header("X-Price", "5 \u{20ac}").build().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(refused.to_string(), "invalid value for header \"X-Price\": '\u{20ac}' is not in Latin-1");
}

#[test]
fn fields_that_the_server_makes_are_refused() {
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
    let fields = |answer: &TestResponse| -> Vec<(String, String)> {
        let names = ["Cache-Control", "Content-Location", "ETag", "Expires", "Vary"];
        let is_named = |name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        answer.head.iter().filter(|(name, _)| is_named(name)).cloned().collect()
    };
    for target in ["/a", "/large", "/dir/", "/fallback"] {
        for accept in ["identity", "gzip"] {
            let ask = |method: &str, name: &str, value: &str| {
                site.ask(method, target, &[("Accept-Encoding", accept), (name, value)])
            };
            // The first of them fills the cache, the others are answered from it.
            let [not_modified, head_not_modified] = ["GET", "HEAD"].map(|method| ask(method, "If-None-Match", "*"));
            let whole = ask("GET", "X", "y");
            assert_eq!((whole.status, not_modified.status, head_not_modified.status), (200, 304, 304), "{target}");
            assert!(fields(&whole).len() >= 6, "{whole:?}");
            for answer in [not_modified, head_not_modified, ask("HEAD", "X", "y"), ask("GET", "Range", "bytes=0-0")] {
                assert_eq!(fields(&answer), fields(&whole), "{target} {accept} {}", answer.status);
                assert_eq!(answer.field("X-Other").is_some(), answer.status != 304);
            }
        }
    }
}

#[test]
fn parts_can_be_replaced() {
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
fn siblings() {
    let files = [
        ("app.js", "plain"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip"),
        ("lone.css", "lone"),
        ("x.gz", "x"),
        ("x.gz.br", "y"),
    ];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    let get = |target: &str, accept: &str| site.ask("GET", target, &[("Accept-Encoding", accept)]);
    for (accept, body, coding) in [
        ("gzip, deflate, br, zstd", "brotli", Some("br")),
        ("gzip", "gzip", Some("gzip")),
        ("br;q=0.1, gzip", "gzip", Some("gzip")),
        ("zstd", "plain", None),
        ("identity", "plain", None),
        ("identity;q=0, *", "brotli", Some("br")),
    ] {
        let answer = get("/app.js", accept);
        assert_eq!((answer.text(), answer.field("Content-Encoding")), (body, coding), "{accept}");
        assert_eq!(answer.field("Vary"), Some("Accept-Encoding"));
        assert_eq!(answer.field("Content-type"), Some("text/javascript; charset=utf-8"));
    }
    assert_eq!((site.get("/app.js").text(), site.get("/app.js").field("Vary")), ("plain", Some("Accept-Encoding")));
    assert_eq!((get("/lone.css", "br").text(), get("/lone.css", "br").field("Vary")), ("lone", None));
    assert_eq!(get("/app.js.gz", "gzip").field("Content-Encoding"), None);
    assert_eq!(get("/x.gz", "br").text(), "x", "a compressed file has no compressed siblings");

    let etags = ["br", "gzip", "identity"].map(|accept| get("/app.js", accept).field("ETag").unwrap().to_owned());
    assert!(etags[0] != etags[1] && etags[1] != etags[2] && etags[0] != etags[2]);
    let fields = [("Accept-Encoding", "br"), ("If-None-Match", &*etags[0])];
    let answer = site.ask("GET", "/app.js", &fields);
    assert_eq!((answer.status, answer.names()), (304, vec!["ETag", "Vary"]));
    let part = site.ask("GET", "/app.js", &[("Accept-Encoding", "br"), ("Range", "bytes=0-2")]);
    assert_eq!((part.status, part.text(), part.field("Content-Encoding")), (206, "bro", Some("br")));
}

#[test]
fn siblings_are_not_looked_for_unless_that_is_asked_for() {
    let site = TestSite::new(&[("dump.sql", "plain"), ("dump.sql.gz", "another dump")]);
    for _ in ["loaded", "cached"] {
        let answer = site.ask("GET", "/dump.sql", &[("Accept-Encoding", "gzip")]);
        assert_eq!((answer.text(), answer.field("Content-Encoding"), answer.field("Vary")), ("plain", None, None));
    }
    assert_eq!(site.files.cache.borrow().len(), 1, "one entry for all codings");
}

#[test]
fn an_empty_sibling_is_none() {
    let site =
        TestSite::with(&[("a", "plain"), ("a.br", ""), ("a.gz", "gzip"), ("b", "plain"), ("b.zst", "")], |builder| {
            builder.precompressed(true)
        });
    let get = |target: &str| site.ask("GET", target, &[("Accept-Encoding", "br, zstd, gzip")]);
    assert_eq!((get("/a").text(), get("/a").field("Content-Encoding")), ("gzip", Some("gzip")));
    let alone = get("/b");
    assert_eq!((alone.text(), alone.field("Content-Encoding"), alone.field("Vary")), ("plain", None, None));
    site.write("b.zst", "zstd");
    assert_eq!(get("/b").text(), "zstd");
}

#[test]
fn siblings_that_come_and_go_and_grow_old() {
    let site = TestSite::with(&[("a", "plain")], |builder| builder.precompressed(true));
    let get = || site.ask("GET", "/a", &[("Accept-Encoding", "gzip, br")]).text().to_owned();
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
    assert_eq!(site.ask("GET", "/a", &[("Accept-Encoding", "gzip")]).status, 404);
}

#[test]
fn files_that_are_asked_for_by_their_compressed_name_say_their_coding() {
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
                    let answer = site.ask(method, target, &[("Accept-Encoding", accepted)]);
                    assert_eq!(answer.status, 200, "{target}");
                    assert_eq!(answer.field("Content-Type"), Some(content_type), "{target}");
                    assert_eq!(answer.field("Content-Encoding"), coding, "{target}");
                    assert_eq!(answer.field("Vary"), None, "{target}");
                }
            }
        }
    }
    let part = site.ask("GET", "/x.wasm.br", &[("Range", "bytes=2-4")]);
    assert_eq!((part.status, part.text(), part.field("Content-Encoding")), (206, "234", Some("br")));
    let etag = part.field("ETag").unwrap().to_owned();
    let unchanged = site.ask("GET", "/x.wasm.br", &[("If-None-Match", &etag)]);
    assert_eq!((unchanged.status, unchanged.field("Content-Encoding")), (304, None));
}

#[test]
fn error_pages_may_be_compressed() {
    let site = TestSite::with(&[("404.html.gz", "compressed")], |builder| {
        builder.encoding("gz", "gzip").error_page(Status::NOT_FOUND, "404.html.gz")
    });
    let answer = site.get("/none");
    assert_eq!((answer.status, answer.text()), (404, "compressed"));
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
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
        let ask = |method, fields: &[_]| site.ask(method, target, fields).field("Content-Type").map(str::to_owned);
        let whole = ask("GET", &[]);
        assert_eq!(ask("HEAD", &[]), whole, "{target}");
        assert_eq!(ask("GET", &[]), whole, "{target} from the cache");
        if !target.ends_with("none") {
            assert_eq!(ask("GET", &[("Range", "bytes=1-2")]), whole, "{target} in part");
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
fn a_page_declares_its_encoding_for_its_compressed_siblings_too() {
    let files = [("a.html", "<meta charset=euc-kr>"), ("a.html.gz", "gzip"), ("b.html", "<p>"), ("b.html.gz", "gzip")];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    let content_type = |target| {
        let answer = site.ask("GET", target, &[("Accept-Encoding", "gzip")]);
        assert_eq!(answer.text(), "gzip");
        answer.field("Content-Type").unwrap().to_owned()
    };
    assert_eq!(
        (content_type("/a.html"), content_type("/b.html")),
        ("text/html".into(), "text/html; charset=utf-8".into())
    );
}

#[test]
fn hidden_files() {
    let files = [(".env", "secret"), (".git/config", ""), ("sub/.x/y", ""), (".well-known/acme", "token"), ("a", "")];
    let open = TestSite::new(&files);
    assert_eq!(open.get("/.env").text(), "secret");
    let site = TestSite::with(&files, |builder| builder.hidden(false));
    for target in ["/.env", "/%2eenv", "/.git/config", "/.git", "/.git/", "/sub/.x/y", "/.well-known/.x", "/a/.x"] {
        assert_eq!(site.status(target), 404, "{target}");
    }
    assert_eq!(site.get("/.well-known/acme").text(), "token");
    assert!(!site.get("/").text().contains(".env"));
}

#[test]
#[cfg(target_os = "linux")]
fn symbolic_links() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "out").unwrap();
    let ask = |symlinks: Symlinks| {
        let site = TestSite::with(&[("dir/a", "in")], |builder| builder.symlinks(symlinks));
        symlink(outer.path(), site.path("out")).unwrap();
        symlink("dir/a", site.path("in")).unwrap();
        symlink("dir", site.path("folder")).unwrap();
        ["/out/secret", "/out/", "/in", "/folder/a", "/folder", "/dir/a", "/dir/"].map(|target| site.status(target))
    };
    assert_eq!(ask(Symlinks::Follow), [200, 200, 200, 200, 301, 200, 200]);
    assert_eq!(ask(Symlinks::Within), [404, 404, 200, 200, 301, 200, 200]);
    assert_eq!(ask(Symlinks::Deny), [404, 404, 404, 404, 404, 200, 200]);
}

#[test]
#[cfg(target_os = "linux")]
fn listings_show_no_link_whose_request_is_refused() {
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
        let ask = |method| site.ask(method, target, &[("Accept", accept)]);
        let answer = ask("GET");
        assert_eq!(ask("HEAD").field("Content-Length"), answer.field("Content-Length"));
        let text = answer.text();
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
fn listings_show_well_known_at_the_base_only_if_hidden_names_are_denied() {
    let files = [(".well-known/a", ""), ("sub/.well-known/a", ""), (".env", "")];
    let site = TestSite::with(&files, |builder| builder.hidden(false).base_path("/b"));
    let listed = |target: &str| site.get(target).text().contains("<a href=\".well-known/\">");
    assert!(listed("/b/") && !listed("/b/sub/"));
    assert!(!site.get("/b/").text().contains(".env"));
    assert_eq!((site.status("/b/.well-known/a"), site.status("/b/sub/.well-known/a")), (200, 404));
}

#[test]
fn a_link_that_is_turned_round() {
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
fn base_paths() {
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
fn outside_of_the_base_path_everything_is_404() {
    let site = TestSite::with(&[("index.html", "app"), ("about.html", ""), ("404.html", "own page")], |builder| {
        builder.base_path("/b").spa(Some("index.html")).clean_urls(true).error_page(Status::NOT_FOUND, "404.html")
    });
    assert_eq!(site.get("/b").field("Location"), Some("/b/"));
    assert_eq!((site.get("/b/").text(), site.get("/b/route").text()), ("app", "app"));
    // The misses of this turn are asked first, so each target is asked for twice.
    for target in ["/", "/route", "/b2/route", "/bb", "/about", "/about.html", "/index.html", "/b/../route", "/route"] {
        for _ in 0..2 {
            let answer = site.ask("GET", target, &[("Accept", "text/html")]);
            assert_eq!((answer.status, answer.text()), (404, "own page"), "{target}");
        }
    }
}

#[test]
fn clean_addresses() {
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
        let answer = site.get(target);
        assert_eq!((answer.status, answer.field("Location")), (301, Some(location)), "{target}");
    }
    assert_eq!(site.status("/none"), 404);
    site.write("about", "a real file");
    assert_eq!(site.get("/about").text(), "a real file");
    let plain = TestSite::new(&files);
    assert_eq!((plain.status("/about"), plain.get("/about.html").text()), (404, "about"));
}

#[test]
fn single_page_applications() {
    let site = TestSite::with(&[("index.html", "app"), ("a.js", "script")], |builder| builder.spa(Some("index.html")));
    for target in ["/users/5", "/users/", "/a.js/deep", "/x?y"] {
        assert_eq!((site.status(target), site.get(target).text()), (200, "app"), "{target}");
    }
    assert_eq!(site.get("/a.js").text(), "script");
    assert_eq!(site.status("/missing.js"), 404);
    let navigation = [("Accept", "application/xhtml+xml, Text/HTML;q=0.9")];
    assert_eq!(site.ask("GET", "/users/jane.doe", &navigation).text(), "app");
    assert_eq!(site.ask("GET", "/missing.png", &[("Accept", "image/*,*/*;q=0.8")]).status, 404);
    assert_eq!(site.status("/%zz"), 400);
    site.write("index.html", "new app");
    assert_eq!(site.get("/users/5").text(), "new app");
    fs::remove_file(site.path("index.html")).unwrap();
    assert_eq!(site.status("/users/5"), 404);
}

#[test]
fn error_pages() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("405.txt"), "no").unwrap();
    let site = TestSite::with(&[("404.html", "<h1>gone</h1>"), ("a", "12345")], |builder| {
        builder
            .error_page(Status::NOT_FOUND, "404.html")
            .error_page(Status::METHOD_NOT_ALLOWED, outer.path().join("405.txt"))
            .error_page(Status::BAD_REQUEST, "missing.html")
    });
    let answer = site.get("/none");
    assert_eq!((answer.status, answer.text(), answer.message.as_deref()), (404, "<h1>gone</h1>", None));
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!((answer.field("Content-Length"), answer.field("ETag")), (Some("13"), None));
    let conditional = site.ask("GET", "/none", &[("If-None-Match", "*"), ("Range", "bytes=0-1")]);
    assert_eq!((conditional.status, conditional.text()), (404, "<h1>gone</h1>"));
    let answer = site.ask("POST", "/a", &[]);
    assert_eq!((answer.status, answer.text(), answer.field("Allow")), (405, "no", Some("GET, HEAD, OPTIONS")));
    assert_eq!(site.get("/%zz").message.as_deref(), Some("Bad percent-encoding in path"));
}

#[test]
fn scripts_of_other_sites() {
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
        let answer = site.ask(method, target, &Vec::from_iter(fields));
        for name in ["Access-Control-Allow-Origin", "Cross-Origin-Opener-Policy", "Cross-Origin-Embedder-Policy"] {
            assert_eq!(answer.names().iter().filter(|other| **other == name).count(), 1, "{method} {target} {name}");
        }
    }
    let preflight = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "range,x-mine, bad header"),
    ];
    let answer = site.ask("OPTIONS", "/a", &preflight);
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(answer.field("Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(answer.field("Access-Control-Allow-Headers"), Some("range, x-mine"));
    let closed = TestSite::new(&[]).ask("OPTIONS", "/a", &preflight);
    assert!(closed.names().iter().all(|name| !name.starts_with("Access-Control")));
    assert!(FileService::builder(".").cors("a\nb").build().is_err());
}

#[test]
fn cache_control() {
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
        let answer = site.get(target);
        assert_eq!(answer.field("Cache-Control"), Some(value), "{target}");
        let etag = answer.field("ETag").unwrap();
        assert_eq!(site.ask("GET", target, &[("If-None-Match", etag)]).field("Cache-Control"), Some(value));
    }
    assert_eq!(site.get("/none").field("Cache-Control"), None);
    assert!(FileService::builder(".").cache_control("[", "no-cache").build().is_err());
    assert!(FileService::builder(".").cache_control("*", "a\nb").build().is_err());
}

#[test]
fn authentication_comes_before_everything() {
    let site = TestSite::with(&[("a", "secret"), ("dir/b", "")], |builder| {
        builder.auth(Account::new("ann", "pass:word")).realm("the site").cors("*")
    });
    // "ann:pass:word"
    let right = ("Authorization", "Basic YW5uOnBhc3M6d29yZA==");
    let etag = site.ask("GET", "/a", &[right]).field("ETag").unwrap().to_owned();
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
        let answer = site.ask(method, target, &Vec::from_iter(field));
        assert_eq!(answer.status, 401, "{method} {target} {field:?}");
        assert_eq!(answer.field("WWW-Authenticate"), Some("Basic realm=\"the site\", charset=\"UTF-8\""));
        assert_eq!((answer.field("ETag"), answer.field("Content-Length"), answer.text()), (None, None, ""));
    }
    assert_eq!(site.ask("GET", "/a", &[right]).text(), "secret");
    assert_eq!(site.ask("GET", "/none", &[right]).status, 404);
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(site.ask("OPTIONS", "/a", &preflight).status, 204);
    assert!(FileService::builder(".").auth(Account::new("a", "b")).realm("a\nb").build().is_err());
}

#[test]
fn a_hit_allocates_nothing() {
    let files = [("index.html", "x"), ("a.js", "x"), ("a.js.gz", "y")];
    let site = TestSite::with(&files, |builder| builder.precompressed(true));
    for (target, accept) in [("/", "identity"), ("/a.js", "gzip, deflate, br, zstd"), ("/a.js", "identity")] {
        let builder = Request::builder("GET", target).header("Host", "localhost").header("Accept-Encoding", accept);
        let mut request = builder.build();
        let count = |request: &Request| {
            let mut answer = None;
            let info = allocation_counter::measure(|| answer = Some(site.files.respond(request)));
            assert_eq!(answer.unwrap().status, Status::OK);
            info.count_total
        };
        assert_ne!(count(&request), 0, "the first time it does");
        request.arrived += Duration::from_millis(1);
        assert_eq!(count(&request), 0, "{target} {accept}");
    }
}

/// Numbers that look random and are the same every time.
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
fn whatever_is_asked_stays_inside_and_adds_up() {
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
            // The comparison of the announced length with the body is in `TestResponse::from`.
            let answer = TestResponse::from(files.respond(&request.build()));
            assert!(matches!(answer.status, 200 | 206 | 301 | 304 | 400 | 404 | 416), "{target}: {}", answer.status);
            assert!(!String::from_utf8_lossy(&answer.body).contains("SECRET"), "{target}");
            let location = answer.field("Location").unwrap_or("/").split('?').next().unwrap();
            assert!(location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'), "{location}");
        }
    }
}

#[test]
fn what_is_missing_is_looked_for_once_a_turn() {
    let site = TestSite::new(&[]);
    let turn = Request::builder("GET", "/late.txt").build();
    assert_eq!(site.files.respond(&turn).status, 404);
    site.write("late.txt", "here");
    assert_eq!(site.files.respond(&turn).status, 404, "the same turn");
    assert_eq!(site.status("/late.txt"), 200, "the next one");
}
