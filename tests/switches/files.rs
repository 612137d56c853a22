//! The options for the served files.

use std::os::unix::fs::symlink;

use crate::program::{Program, field, refusal, tree};

#[test]
fn index_names_in_their_order() {
    let root = tree(&[("a/one.html", "1"), ("a/two.html", "2"), ("b/two.html", "2"), ("c/index.html", "3")]);
    let program = Program::start(root.path(), &["--index", "one.html", "--index", "two.html"]);
    assert_eq!(program.status_and_body("/a/"), (200, "1".into()));
    assert_eq!(program.status_and_body("/b/"), (200, "2".into()));
    assert!(program.get("/c/").contains("index.html</a>"), "the usual names are replaced");
}

#[test]
fn a_single_page_application() {
    let root = tree(&[("index.html", "app"), ("other.html", "other")]);
    let program = Program::start(root.path(), &["--spa"]);
    assert_eq!(program.status_and_body("/users/5"), (200, "app".into()));
    assert_eq!(program.status("/missing.js"), 404);
    let program = Program::start(root.path(), &["--spa=other.html"]);
    assert_eq!(program.status_and_body("/users/5"), (200, "other".into()));
}

#[test]
fn error_pages() {
    let root = tree(&[("404.html", "mine"), ("d/x", "")]);
    let program = Program::start(root.path(), &["--error-page", "404=404.html", "--error-page=403=404.html"]);
    assert_eq!(program.status_and_body("/missing"), (404, "mine".into()));
    let program = Program::start(root.path(), &["--no-listing", "--error-page=403=404.html"]);
    assert_eq!(program.status_and_body("/d/"), (403, "mine".into()));
}

#[test]
fn listings() {
    let root = tree(&[("a", ""), ("b/x", "")]);
    assert_eq!(Program::start(root.path(), &["--no-listing"]).status("/"), 403);
    let entries = |words: &[&str]| {
        let listing = Program::start(root.path(), words).ask("GET", "/", &["Accept: application/json"]);
        listing.find("\"a\"").unwrap() < listing.find("\"b").unwrap()
    };
    assert!(entries(&[]));
    assert!(!entries(&["--folders-first"]));
    let refused = Program::start(root.path(), &["--folders-first", "--no-listing"]);
    assert_eq!(refused.status("/"), 403, "a folder that is not listed has no order");
}

#[test]
fn hidden_names() {
    let root = tree(&[(".env", "secret"), (".well-known/a", "found")]);
    assert_eq!(Program::start(root.path(), &["--hidden", "serve"]).status("/.env"), 200);
    let program = Program::start(root.path(), &["--hidden", "deny"]);
    assert_eq!(program.status("/.env"), 404);
    assert!(!program.get("/").contains(".env"));
    assert_eq!(program.status("/.well-known/a"), 200);
}

#[test]
fn symbolic_links() {
    let outside = tree(&[("secret", "secret")]);
    let root = tree(&[("file", "file")]);
    symlink(outside.path().join("secret"), root.path().join("out")).unwrap();
    symlink("file", root.path().join("in")).unwrap();
    for (how, inner, outer) in [("follow", 200, 200), ("within", 200, 404), ("deny", 404, 404)] {
        let program = Program::start(root.path(), &["--symlinks", how]);
        assert_eq!((program.status("/in"), program.status("/out")), (inner, outer), "{how}");
        assert_eq!(program.status("/file"), 200, "{how}");
    }
}

#[test]
fn scripts_of_other_origins() {
    let root = tree(&[("a", "")]);
    let allowed = |words: &[&str]| {
        let response = Program::start(root.path(), words).get("/a");
        field(&response, "Access-Control-Allow-Origin").map(str::to_owned)
    };
    assert_eq!(allowed(&[]), None);
    assert_eq!(allowed(&["--cors"]).as_deref(), Some("*"));
    assert_eq!(allowed(&["--cors=https://app.example"]).as_deref(), Some("https://app.example"));
}

#[test]
fn isolated_pages() {
    let root = tree(&[("a", "")]);
    let response = Program::start(root.path(), &["--coop-coep"]).get("/a");
    assert_eq!(field(&response, "Cross-Origin-Opener-Policy"), Some("same-origin"));
    assert_eq!(field(&response, "Cross-Origin-Embedder-Policy"), Some("require-corp"));
}

#[test]
fn how_long_files_may_be_kept() {
    let root = tree(&[("a.html", ""), ("a.js", ""), ("assets/b.js", "")]);
    let words = ["--cache", "no-cache", "--cache", "*.js=60", "--cache", "assets/*=immutable"];
    let program = Program::start(root.path(), &words);
    let kept = |path: &str| field(&program.get(path), "Cache-Control").map(str::to_owned);
    assert_eq!(kept("/a.html").as_deref(), Some("no-cache"));
    assert_eq!(kept("/a.js").as_deref(), Some("max-age=60"));
    assert_eq!(kept("/assets/b.js").as_deref(), Some("public, max-age=31536000, immutable"));
}

#[test]
fn content_types() {
    let root = tree(&[("a.foo", ""), ("a.bar", ""), ("a.html", "")]);
    let words = ["--mime", "foo=text/x-foo", "--mime=.html=application/xhtml+xml", "--content-type", "text/x-other"];
    let program = Program::start(root.path(), &words);
    let kind = |path: &str| field(&program.get(path), "Content-Type").map(str::to_owned);
    assert_eq!(kind("/a.foo").as_deref(), Some("text/x-foo; charset=utf-8"));
    assert_eq!(kind("/a.html").as_deref(), Some("application/xhtml+xml"));
    assert_eq!(kind("/a.bar").as_deref(), Some("text/x-other; charset=utf-8"));
}

#[test]
fn content_codings_and_charsets() {
    let root = tree(&[("x.wasm.br", ""), ("a.txt", ""), ("a.html", "<meta charset=euc-kr>")]);
    let program = Program::start(root.path(), &["--encoding", "br=br", "--charset", "iso-8859-1"]);
    let response = program.get("/x.wasm.br");
    assert_eq!(field(&response, "Content-Type"), Some("application/wasm"));
    assert_eq!(field(&response, "Content-Encoding"), Some("br"));
    assert_eq!(field(&program.get("/a.txt"), "Content-Type"), Some("text/plain; charset=iso-8859-1"));
    let program = Program::start(root.path(), &[]);
    assert_eq!(field(&program.get("/a.html"), "Content-Type"), Some("text/html"));
    let program = Program::start(root.path(), &["--charset=none"]);
    assert_eq!(field(&program.get("/a.txt"), "Content-Type"), Some("text/plain"));
}

#[test]
fn pages_without_their_extension() {
    let root = tree(&[("about.html", "about")]);
    let program = Program::start(root.path(), &["--clean-urls"]);
    assert_eq!(program.status_and_body("/about"), (200, "about".into()));
    assert_eq!(field(&program.get("/about.html"), "Location"), Some("/about"));
}

#[test]
fn files_that_were_compressed_beforehand() {
    let root = tree(&[("a.js", "plain"), ("a.js.gz", "gzip")]);
    let asked = |words: &[&str]| Program::start(root.path(), words).ask("GET", "/a.js", &["Accept-Encoding: gzip"]);
    let response = asked(&[]);
    assert!(response.ends_with("plain"), "{response}");
    assert_eq!((field(&response, "Content-Encoding"), field(&response, "Vary")), (None, None));
    let response = asked(&["--precompressed"]);
    assert!(response.ends_with("gzip"), "{response}");
    assert_eq!(field(&response, "Content-Encoding"), Some("gzip"));
    assert_eq!(field(&response, "Vary"), Some("Accept-Encoding"));
}

#[test]
fn the_name_of_the_server() {
    let root = tree(&[("a", "a"), ("d/x", "")]);
    let program = Program::start(root.path(), &["-H", "Server", "mine/1"]);
    let silent = Program::start(root.path(), &["-H", "Server", ""]);
    for (path, method) in
        [("/a", "GET"), ("/d", "GET"), ("/d/", "HEAD"), ("/none", "GET"), ("/a", "POST"), ("/a", "B A D")]
    {
        assert_eq!(field(&program.ask(method, path, &[]), "Server"), Some("mine/1"), "{method} {path}");
        assert_eq!(field(&silent.ask(method, path, &[]), "Server"), None, "{method} {path}");
    }
}

#[test]
fn fields_that_the_server_makes_are_refused() {
    let root = tree(&[]);
    for (name, hint) in [("Content-Type", ", see --mime or --content-type or --charset"), ("etag", ""), ("DATE", "")] {
        let (status, line) = refusal(root.path(), &["-H", name, "mine"]);
        let name = ["Content-Type", "ETag", "Date"].into_iter().find(|other| other.eq_ignore_ascii_case(name)).unwrap();
        let why = format!("{name} cannot be 'mine': the server makes this field{hint}");
        assert_eq!((status, line), (2, format!("serve-forever: error: argument -H/--header: {why}")));
    }
}

#[test]
fn passwords() {
    let root = tree(&[("a", "secret")]);
    let elsewhere = tree(&[(
        "users",
        "# comment\n\nbob:sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n",
    )]);
    let users = elsewhere.path().join("users");
    let program = Program::start(root.path(), &["--auth", "ann:s:t", "--auth-file", users.to_str().unwrap()]);
    assert_eq!(program.status("/a"), 401);
    for (credentials, status) in [("YW5uOnM6dA==", "200"), ("Ym9iOnNlY3JldA==", "200"), ("YW5uOnNlY3JldA==", "401")] {
        let response = program.ask("GET", "/a", &[&format!("Authorization: Basic {credentials}")]);
        assert_eq!(&response[9..12], status, "{credentials}");
    }
}

#[test]
fn a_base_path() {
    let root = tree(&[("a", "a")]);
    let program = Program::start(root.path(), &["--base-path", "/docs"]);
    assert_eq!((program.status("/docs/a"), program.status("/a")), (200, 404));
}

#[test]
fn wrong_values_are_status_2_and_name_the_flag() {
    let root = tree(&[]);
    for (word, why) in [
        ("--index=a/b", "--index: invalid file name: 'a/b'"),
        ("--error-page=200=x", "--error-page: '200' is not in 400..=599"),
        ("--hidden=show", "--hidden: invalid choice: 'show' (choose from serve, deny)"),
        ("--symlinks=no", "--symlinks: invalid choice: 'no' (choose from follow, within, deny)"),
        ("--cors=example", "--cors: invalid origin: 'example'"),
        ("--cache=never", "--cache: invalid value: 'never' (choose from SECONDS, no-cache, immutable)"),
        ("--mime=x", "--mime: invalid EXT=TYPE: 'x'"),
        (
            "--encoding=gz=zip",
            "--encoding: invalid choice: 'zip' (choose from br, compress, deflate, gzip, identity, zstd)",
        ),
        ("--charset=a b", "--charset: invalid charset: 'a b' (must be a name such as iso-8859-1, or none)"),
        ("--auth=ann", "--auth: an account is USER:PASSWORD, USER:sha256:HEX or USER:BCRYPT-HASH"),
        ("--auth=:", "--auth: an account must begin with a user name"),
        ("--base-path=x", "--base-path: invalid path: 'x'"),
    ] {
        let (code, line) = refusal(root.path(), &[word]);
        assert_eq!(code, 2, "{line}");
        assert!(line.starts_with(&format!("serve-forever: error: argument {why}")), "{line}");
    }
}

#[test]
fn missing_files_are_status_1_and_named() {
    let root = tree(&[("empty", "# nobody\n"), ("bad", "\nann")]);
    let missing =
        |name: &str| format!("serve-forever: error: cannot read '{name}': No such file or directory (os error 2)");
    assert_eq!(refusal(root.path(), &["--spa"]), (1, missing("./index.html")));
    assert_eq!(refusal(root.path(), &["--error-page=404=no"]), (1, missing("./no")));
    assert_eq!(refusal(root.path(), &["--auth-file=no"]), (1, missing("no")));
    assert_eq!(
        refusal(root.path(), &["--auth-file=empty"]),
        (1, "serve-forever: error: empty: the file contains no user".into())
    );
    let why = "serve-forever: error: bad:2: an account is USER:PASSWORD, USER:sha256:HEX or USER:BCRYPT-HASH";
    assert_eq!(refusal(root.path(), &["--auth-file=bad"]), (1, why.into()));
}
