//! Tests of whole listings: HTML, JSON, orders and large directories.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fd::AsFd;
use tempfile::TempDir;

use super::*;
use crate::http::{FieldBlock, InvalidHeader, Method};
use crate::service::Source;

/// Creates a directory with these files. The content of each file is its name.
fn dir_of(names: &[&[u8]]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    dir
}

fn dir_of_many(count: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..count {
        // The files are created in scattered order, so that the slices must be merged.
        fs::write(dir.path().join(format!("{:05}", number * 7919 % count)), "").unwrap();
    }
    dir
}

fn set_modified(dir: &TempDir, name: &str, seconds: u64) {
    let file = fs::File::options().append(true).open(dir.path().join(name)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

fn make_fifo(dir: &TempDir, name: &str) {
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join(name), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
}

fn get(dir: &TempDir, target: &str, accept: &str) -> Response {
    let request = Request::builder("GET", target).header("Accept", accept).build();
    let url = UrlPath::parse(request.path()).unwrap();
    respond(dir.path(), &url, &request, &ListingOptions::default()).unwrap()
}

fn bytes(body: Body) -> Vec<u8> {
    match body {
        Body::Bytes(bytes) => bytes.into_owned(),
        Body::Stream(mut source) => read_all(&mut *source).0,
        other => panic!("{other:?}"),
    }
}

/// Reads a source to its end. Returns the bytes, the number of calls that returned `Interrupted`, and the maximum
/// number of bytes that one call returned.
fn read_all(source: &mut dyn Source) -> (Vec<u8>, usize, usize) {
    let (mut all, mut interrupted, mut most) = (Vec::new(), 0, 0);
    let mut buf = vec![0; 65536];
    loop {
        match source.read(&mut buf) {
            Ok(0) => return (all, interrupted, most),
            Ok(count) => {
                most = most.max(count);
                all.extend_from_slice(&buf[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => interrupted += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

fn page(dir: &TempDir, target: &str) -> String {
    String::from_utf8(bytes(get(dir, target, "*/*").body)).unwrap()
}

fn json(dir: &TempDir, target: &str) -> serde_json::Value {
    serde_json::from_slice(&bytes(get(dir, target, "application/json").body)).unwrap()
}

/// Returns the lines of the page that Python's listing also contains.
fn li_lines(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("<li><a ")).collect()
}

/// Returns the names in the order of the page.
fn names(page: &str) -> Vec<&str> {
    li_lines(page).into_iter().map(|line| line.split(['>', '<']).nth(4).unwrap()).collect()
}

#[test]
fn the_page_contains_the_lines_of_python() {
    let dir = dir_of(&[b"b.txt", b"a&b <c> \"d\" 'e'?#%", b"\xff.bin", "é".as_bytes(), b"javascript:x", b".dot"]);
    fs::create_dir(dir.path().join("sub")).unwrap();
    symlink("b.txt", dir.path().join("link")).unwrap();
    symlink("sub", dir.path().join("linkdir")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    let page = page(&dir, "/x/");
    assert_eq!(
        li_lines(&page),
        [
            "<li><a href=\".dot\">.dot</a>",
            "<li><a href=\"a%26b%20%3Cc%3E%20%22d%22%20%27e%27%3F%23%25\">a&amp;b &lt;c&gt; \"d\" 'e'?#%</a>",
            "<li><a href=\"b.txt\">b.txt</a>",
            "<li><a href=\"broken\">broken@</a>",
            "<li><a href=\"javascript%3Ax\">javascript:x</a>",
            "<li><a href=\"link\">link@</a>",
            "<li><a href=\"linkdir/\">linkdir@</a>",
            "<li><a href=\"sub/\">sub/</a>",
            "<li><a href=\"%C3%A9\">é</a>",
            "<li><a href=\"%FF.bin\">\u{fffd}.bin</a>",
        ]
    );
    for line in
        ["<!DOCTYPE HTML>", "<html lang=\"en\">", "<meta charset=\"utf-8\">", "<hr>", "<ul>", "</ul>", "</html>"]
    {
        assert!(page.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn only_entries_and_the_parent_are_links() {
    let dir = dir_of(&[b"a", b"b"]);
    assert_eq!(page(&dir, "/").matches("<a ").count(), 2);
    let below = page(&dir, "/x/y/");
    assert_eq!(below.matches("<a ").count(), 3);
    assert!(below.contains("<a href=\"../\">..</a>"));
    assert_eq!(li_lines(&below).len(), 2);
}

#[test]
fn newlines_and_escape_sequences_stay_inside_their_line() {
    let dir = dir_of(&[b"new\nline\r.txt", b"esc\x1b[2J"]);
    let page = page(&dir, "/a%0Ab/");
    assert_eq!(
        li_lines(&page),
        ["<li><a href=\"esc%1B%5B2J\">esc&#27;[2J</a>", "<li><a href=\"new%0Aline%0D.txt\">new&#10;line&#13;.txt</a>"]
    );
    assert!(page.contains("<title>Directory listing for /a&#10;b/</title>\n"));
    assert!(!page.contains('\r') && !page.contains('\u{1b}'));
}

#[test]
fn the_title_is_the_decoded_path_without_the_query() {
    let dir = dir_of(&[]);
    for (target, title) in [
        ("/", "/"),
        ("/list/?a=b", "/list/"),
        ("/a&b%3Cc%3E/?<script>", "/a&amp;b&lt;c&gt;/"),
        ("/%C3%BCn%C3%AF/", "/ünï/"),
        ("/%FF//x/", "/\u{fffd}/x/"),
    ] {
        let page = page(&dir, target);
        assert!(page.contains(&format!("<title>Directory listing for {title}</title>\n")), "{target}");
        assert!(page.contains(&format!("\n<h1>Directory listing for {title}</h1>\n")), "{target}");
        assert!(!page.contains("<script>\""), "{target}");
    }
}

#[test]
fn breadcrumbs_have_a_button_for_each_parent() {
    let dir = dir_of(&[]);
    let page = page(&dir, "/a%3Cb/c/");
    let crumbs = "<button formaction=\"../../\">/</button><button formaction=\"../\">a&lt;b/</button>\
                  <span aria-current=\"page\">c/</span>";
    assert!(page.contains(crumbs), "{page}");
    assert!(super::tests::page(&dir, "/").contains("<form><span aria-current=\"page\">/</span></form>"));
}

#[test]
fn header_fields_of_html_and_json() {
    let dir = dir_of(&[b"a"]);
    for (accept, content_type) in [("*/*", "text/html; charset=utf-8"), ("application/json", "application/json")] {
        let response = get(&dir, "/", accept);
        let field = |name| response.head.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(response.status, Status::OK);
        assert_eq!(field("Content-type").as_deref(), Some(content_type));
        assert_eq!(field("Vary").as_deref(), Some("Accept"));
        assert_eq!(field("X-Content-Type-Options").as_deref(), Some("nosniff"));
        assert!(field("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(field("Last-Modified"), None);
        assert!(response.body.length().is_some(), "a small listing has a length");
    }
}

#[test]
fn head_and_get_have_the_same_header_fields() {
    let dir = dir_of(&[b"a"]);
    let request = Request::builder("HEAD", "/").build();
    assert_eq!(request.method(), &Method::Head);
    let url = UrlPath::parse(b"/").unwrap();
    let response = respond(dir.path(), &url, &request, &ListingOptions::default()).unwrap();
    let other = get(&dir, "/", "*/*");
    assert_eq!(response.head.lines(), other.head.lines());
    assert_eq!(response.body.length(), other.body.length());
}

#[test]
fn the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else() {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let dir = dir_of(&[b"a"]);
    let response = get(&dir, "/", "*/*");
    let policy = String::from_utf8(response.head.get("Content-Security-Policy").unwrap().to_vec()).unwrap();
    let page = String::from_utf8(bytes(response.body)).unwrap();
    let hash = |element: &str| {
        let (_, rest) = page.split_once(&format!("<{element}>")).unwrap();
        let (text, rest) = rest.split_once(&format!("</{element}>")).unwrap();
        assert!(!rest.contains(&format!("<{element}")), "one {element}");
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
    };
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; form-action 'self'; base-uri 'none'",
        hash("style"),
        hash("script")
    );
    assert_eq!(policy, expected);
    for inline in [" style=", " onclick=", "http:", "https:", "url("] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[test]
fn sizes_and_dates_follow_the_line_of_their_entry() {
    let dir = dir_of(&[b"five5"]);
    set_modified(&dir, "five5", 1_614_834_367);
    fs::create_dir(dir.path().join("sub")).unwrap();
    let page = page(&dir, "/");
    let item = "<li><a href=\"five5\">five5</a>\n<span class=\"m\"><data value=\"5\">5 B</data>\
                <time datetime=\"2021-03-04T05:06:07Z\">2021-03-04 05:06</time></span></li>\n";
    assert!(page.contains(item), "{page}");
    assert!(page.contains("<li><a href=\"sub/\">sub/</a>\n<span class=\"m\"><time "), "{page}");
}

#[test]
fn entries_are_sorted_as_the_query_says() {
    let dir = dir_of(&[b"A", b"b22", b"C22", b"d4444"]);
    for (name, seconds) in [("A", 400), ("b22", 300), ("C22", 200), ("d4444", 100)] {
        set_modified(&dir, name, seconds);
    }
    fs::create_dir(dir.path().join("c")).unwrap();
    symlink("c", dir.path().join("B")).unwrap();
    fs::File::open(dir.path().join("c")).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(150)).unwrap();
    for (query, expected) in [
        ("", "A B@ b22 c/ C22 d4444"),
        ("sort=name&order=desc", "d4444 C22 c/ b22 B@ A"),
        ("sort=size", "B@ c/ A b22 C22 d4444"),
        ("sort=size&order=desc", "d4444 b22 C22 A B@ c/"),
        ("sort=date", "d4444 B@ c/ C22 b22 A"),
        ("sort=date&order=desc", "A b22 C22 B@ c/ d4444"),
        ("folders=first", "B@ c/ A b22 C22 d4444"),
        ("folders=first&order=desc", "c/ B@ d4444 C22 b22 A"),
        ("folders=first&sort=size&order=desc", "B@ c/ d4444 b22 C22 A"),
        ("sort=<script>&order=1", "A B@ b22 c/ C22 d4444"),
    ] {
        assert_eq!(names(&page(&dir, &format!("/?{query}"))).join(" "), expected, "{query}");
    }
}

#[test]
fn names_that_differ_in_case_only_are_sorted_by_bytes() {
    let dir = dir_of(&[b"abC", b"\xff", b"aBC", b"abc", b"ABC", b"\xfe", b"Abc", b"AbC", b"aBc", b"ABc"]);
    let page = page(&dir, "/");
    let hrefs: Vec<_> = li_lines(&page).into_iter().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(hrefs, ["ABC", "ABc", "AbC", "Abc", "aBC", "aBc", "abC", "abc", "%FE", "%FF"]);
}

#[test]
fn names_with_a_long_common_prefix_are_sorted_in_both_directions() {
    let dir = dir_of(&[b"twenty letters alike 2", b"twenty letters alike 10", b"twenty letters alike 1"]);
    let order =
        |query: &str| names(&page(&dir, query)).into_iter().map(|name| name[20..].to_owned()).collect::<Vec<_>>();
    assert_eq!(order("/"), [" 1", " 10", " 2"]);
    assert_eq!(order("/?sort=name&order=desc"), [" 2", " 10", " 1"]);
}

#[test]
fn entries_without_a_size_come_before_empty_files() {
    let dir = dir_of(&[]);
    fs::write(dir.path().join("a"), "").unwrap();
    fs::create_dir(dir.path().join("z")).unwrap();
    assert_eq!(names(&page(&dir, "/?sort=size")), ["z/", "a"]);
}

#[test]
fn times_before_1970_sort_first() {
    let dir = dir_of(&[b"a", b"b"]);
    set_modified(&dir, "a", 5);
    fs::File::open(dir.path().join("b")).unwrap().set_modified(UNIX_EPOCH - Duration::from_secs(5)).unwrap();
    let page = page(&dir, "/?sort=date");
    assert_eq!(names(&page), ["b", "a"]);
    assert!(page.contains("<time datetime=\"1969-12-31T23:59:55Z\">1969-12-31 23:59</time>"));
}

#[test]
fn entries_of_unknown_type_are_looked_up() {
    let dir = dir_of(&[b"file"]);
    symlink("file", dir.path().join("link")).unwrap();
    let open = fs::File::open(dir.path()).unwrap();
    let look_up = |name: &str| {
        let facts = Facts::look_up(open.as_fd(), name.as_bytes(), rustix::fs::FileType::Unknown, None).unwrap();
        (facts.kind, facts.target, facts.size)
    };
    assert_eq!(look_up("file"), (Kind::File, None, Some(4)));
    assert_eq!(look_up("link"), (Kind::Symlink, Some(Kind::File), Some(4)));
    assert_eq!(look_up("gone"), (Kind::Other, None, None));
}

#[test]
fn entries_are_counted() {
    for (names, count) in [(&[][..], "0 entries"), (&[&b"a"[..]], "1 entry"), (&[b"a", b"b"], "2 entries")] {
        assert!(
            page(&dir_of(names), "/")
                .contains(&format!("</ul>\n<hr>\n<footer aria-live=\"polite\">{count}</footer>\n")),
            "{count}"
        );
    }
}

#[test]
fn column_headers_state_the_order_and_reverse_it() {
    let dir = dir_of(&[]);
    let page = |query: &str| page(&dir, &format!("/?{query}"));
    let button = |by: &str, next: &str, sorted: &str, folders: &str| {
        format!(
            "<div role=\"columnheader\" aria-sort=\"{sorted}\"><input type=\"hidden\" name=\"folders\" value=\"{folders}\">\
             <input type=\"hidden\" name=\"sort\" value=\"{by}\"><button name=\"order\" value=\"{next}\">"
        )
    };
    let plain = page("");
    for (by, next, sorted) in [("name", "desc", "ascending"), ("size", "desc", "none"), ("date", "desc", "none")] {
        assert!(plain.contains(&button(by, next, sorted, "mixed")), "{by}");
    }
    let sorted = page("sort=size&order=desc&folders=first");
    for (by, next, order) in [("name", "asc", "none"), ("size", "asc", "descending"), ("date", "desc", "none")] {
        assert!(sorted.contains(&button(by, next, order, "first")), "{by}");
    }
    assert!(sorted.contains("<button name=\"folders\" value=\"mixed\" aria-pressed=\"true\">"));
    assert!(sorted.contains("<button name=\"sort\" value=\"natural\" aria-pressed=\"false\">"));
    let natural = page("sort=natural&order=desc");
    assert!(natural.contains(&button("natural", "asc", "descending", "mixed")));
    assert!(natural.contains("<button name=\"sort\" value=\"name\" aria-pressed=\"true\">"));
}

#[test]
fn an_entry_is_one_item_of_the_list() {
    let dir = dir_of(&[b"a", b"b"]);
    fs::create_dir(dir.path().join("sub")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    let page = page(&dir, "/x/");
    assert_eq!((page.matches("<li").count(), page.matches("</li>").count()), (4, 4));
    let item = page.split("<li>").find(|item| item.contains("href=\"broken\"")).unwrap();
    assert!(
        item.starts_with("<a href=\"broken\">broken@</a>\n<span class=\"m\"><span>broken link</span><time "),
        "{item}"
    );
    assert_eq!(page.matches("broken link").count(), 1);
}

#[test]
fn numbers_in_names_are_compared_in_natural_order_only() {
    let dir = dir_of(&[b"file10", b"File2", b"file1", b"other"]);
    for (query, expected) in [
        ("", "file1 file10 File2 other"),
        ("sort=natural", "file1 File2 file10 other"),
        ("sort=natural&order=desc", "other file10 File2 file1"),
    ] {
        assert_eq!(names(&page(&dir, &format!("/?{query}"))).join(" "), expected, "{query}");
    }
}

#[test]
fn hidden_names_and_folders_first_are_options() {
    let dir = dir_of(&[b".hidden", b"a"]);
    fs::create_dir(dir.path().join("z")).unwrap();
    let request = Request::builder("GET", "/").build();
    let options = ListingOptions { show_hidden: false, folders_first: true, ..ListingOptions::default() };
    let response = respond(dir.path(), &UrlPath::parse(b"/").unwrap(), &request, &options).unwrap();
    let page = String::from_utf8(bytes(response.body)).unwrap();
    assert_eq!(names(&page), ["z/", "a"]);
    assert!(page.contains(">2 entries</footer>"));
}

#[test]
fn json_has_every_kind_of_entry() {
    let dir = dir_of(&[b"a\"\n\\", b"\xff"]);
    set_modified(&dir, "a\"\n\\", 1_614_834_367);
    fs::create_dir(dir.path().join("sub")).unwrap();
    symlink("sub", dir.path().join("to-sub")).unwrap();
    symlink("gone", dir.path().join("to-gone")).unwrap();
    make_fifo(&dir, "zfifo");
    let mut value = json(&dir, "/x%22/?sort=name");
    assert_eq!(value["path"], "/x\"/");
    let entries = value["entries"].as_array_mut().unwrap();
    assert_eq!(entries[0]["modified"], "2021-03-04T05:06:07Z");
    for entry in entries.iter_mut() {
        let modified = entry.as_object_mut().unwrap().remove("modified").unwrap();
        assert!(modified.as_str().unwrap().ends_with('Z'), "{entry}");
    }
    let expected = serde_json::json!([
        {"name": "a\"\n\\", "href": "a%22%0A%5C", "type": "file", "size": 4},
        {"name": "sub", "href": "sub/", "type": "directory", "size": null},
        {"name": "to-gone", "href": "to-gone", "type": "symlink", "target_type": null, "broken": true, "size": null},
        {"name": "to-sub", "href": "to-sub/", "type": "symlink", "target_type": "directory", "broken": false, "size": null},
        {"name": "zfifo", "href": "zfifo", "type": "other", "size": null},
        {"name": "\u{fffd}", "href": "%FF", "type": "file", "size": 1},
    ]);
    assert_eq!(value["entries"], expected);
    assert_eq!(json(&dir_of(&[]), "/")["entries"], serde_json::json!([]));
}

/// A template that writes every value of an entry, and adds a header field.
struct PlainTemplate;

impl ListingTemplate for PlainTemplate {
    fn content_type(&self) -> &str {
        "text/plain"
    }

    fn add_headers(&self, head: &mut FieldBlock) -> Result<(), InvalidHeader> {
        head.add("X-Own", "1")
    }

    fn entry(&self, page: &Page, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let line = format!("{}{} {} {}\n", page.path(), entry.display_name(), entry.href(), entry.index);
        out.extend_from_slice(line.as_bytes());
    }
}

#[test]
fn a_template_replaces_the_page() {
    let dir = dir_of(&[b"a b\xff"]);
    fs::create_dir(dir.path().join("sub&")).unwrap();
    symlink("sub&", dir.path().join("to")).unwrap();
    let request = Request::builder("GET", "/x/").build();
    let options = ListingOptions { template: Arc::new(PlainTemplate), ..ListingOptions::default() };
    let response = respond(dir.path(), &UrlPath::parse(b"/x/").unwrap(), &request, &options).unwrap();
    assert_eq!(response.head.get("X-Own"), Some(&b"1"[..]));
    assert_eq!(response.head.get("Content-type"), Some(&b"text/plain"[..]));
    let page = String::from_utf8(bytes(response.body)).unwrap();
    assert_eq!(page, "/x/a b\u{fffd} a%20b%FF 0\n/x/sub&/ sub%26/ 1\n/x/to@ to/ 2\n");
}

#[test]
fn a_large_directory_is_listed_in_slices() {
    let count = 3 * AT_ONCE;
    let dir = dir_of_many(count);
    // One call reads up to 1,024 names, but only 256 if the order requires looking up each entry, so such an order
    // takes more turns.
    for (query, turns) in [("", 2), ("?order=desc", 2), ("?sort=date", 7), ("?sort=size", 7), ("?folders=first", 7)] {
        let response = get(&dir, &format!("/{query}"), "*/*");
        assert_eq!(response.body.length(), None, "the page is not generated yet");
        let Body::Stream(mut source) = response.body else { panic!("a stream") };
        let (all, interrupted, most) = read_all(&mut *source);
        assert!(interrupted >= turns, "{query}: {interrupted} turns to read {count} names");
        assert!(most < 65536, "{most} bytes in one turn");
        let page = String::from_utf8(all).unwrap();
        assert!(page.ends_with("</html>\n"));
        let mut expected: Vec<_> = (0..count).map(|number| format!("{number:05}")).collect();
        if query == "?order=desc" {
            expected.reverse();
        }
        if !query.contains("date") {
            assert_eq!(names(&page), expected, "{query}");
        }
        assert_eq!(names(&page).len(), count);
        assert!(page.contains(&format!(">{count} entries</footer>")));
    }
    let entries = json(&dir, "/")["entries"].as_array().unwrap().len();
    assert_eq!(entries, count);
}

#[test]
fn a_directory_of_up_to_at_once_entries_has_a_length() {
    let dir = dir_of_many(AT_ONCE);
    assert!(get(&dir, "/", "*/*").body.length().is_some());
    fs::write(dir.path().join("one more"), "").unwrap();
    assert!(get(&dir, "/", "*/*").body.length().is_none());
}

#[test]
fn an_entry_removed_during_the_listing_has_neither_size_nor_date() {
    let dir = dir_of_many(2 * AT_ONCE);
    let Body::Stream(mut source) = get(&dir, "/", "*/*").body else { panic!("a stream") };
    let mut buf = vec![0; 65536];
    let start = source.read(&mut buf).unwrap();
    assert!(buf[..start].ends_with(b"<ul>\n"), "the beginning needs no entries");
    while source.read(&mut []).is_err() {}
    fs::remove_file(dir.path().join("01999")).unwrap();
    let page = String::from_utf8(read_all(&mut *source).0).unwrap();
    assert!(page.contains("<li><a href=\"01999\">01999</a>\n<span class=\"m\"></span></li>\n"));
}

#[test]
fn a_small_buffer_loses_nothing() {
    let dir = dir_of_many(AT_ONCE + 1);
    let Body::Stream(mut source) = get(&dir, "/", "*/*").body else { panic!("a stream") };
    let mut all = Vec::new();
    let mut buf = [0; 7];
    loop {
        match source.read(&mut buf) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buf[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Interrupted),
        }
    }
    assert_eq!(all, bytes(get(&dir, "/", "*/*").body));
}

#[test]
fn errors_of_opening_are_returned() {
    let dir = dir_of(&[b"file"]);
    let request = Request::builder("GET", "/").build();
    let url = UrlPath::parse(b"/").unwrap();
    let kind =
        |path: &str| respond(&dir.path().join(path), &url, &request, &ListingOptions::default()).unwrap_err().kind();
    assert_eq!(kind("missing"), io::ErrorKind::NotFound);
    assert_eq!(kind("file"), io::ErrorKind::NotADirectory);
    make_fifo(&dir, "fifo");
    assert_eq!(kind("fifo"), io::ErrorKind::NotADirectory, "without waiting for a writer");
    fs::create_dir(dir.path().join("closed")).unwrap();
    fs::set_permissions(dir.path().join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    // Root can open every directory, so this cannot be tested as root.
    if !rustix::process::geteuid().is_root() {
        assert_eq!(kind("closed"), io::ErrorKind::PermissionDenied);
    }
}
