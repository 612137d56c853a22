//! Tests of content types, codings and charsets by name.

use super::*;

/// Returns the content type of an empty file with this name.
fn guess_with(naming: &MimeSettings, name: &str) -> String {
    let content_type = naming.content_type(Path::new(name), DEFAULT_TYPE);
    naming.with_charset(content_type, Vec::new).into_owned()
}

fn guess(name: &str) -> String {
    guess_with(&MimeSettings::default(), name)
}

fn owned<const N: usize>(types: [(&str, &str); N]) -> Vec<(String, String)> {
    types.map(|(extension, content_type)| (extension.to_owned(), content_type.to_owned())).into()
}

#[test]
fn content_types_of_common_files() {
    for (name, content_type) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.HTM", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.xml", "text/xml"),
        ("a.py", "text/plain; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.ico", "image/vnd.microsoft.icon"),
        ("a.woff", "font/woff"),
        ("a.woff2", "font/woff2"),
        ("a.ttf", "font/ttf"),
        ("a.otf", "font/otf"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mp3", "audio/mpeg"),
        ("a.tar", "application/x-tar"),
        ("a.tgz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.bz2", "application/x-bzip2"),
        ("a.xz", "application/x-xz"),
        ("a.Z", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("a.nothing-known", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ] {
        assert_eq!(guess(name), content_type, "{name}");
    }
}

#[test]
fn types_that_the_general_table_lacks_or_has_wrong() {
    for (content_type, extensions) in [
        ("application/gzip", "gz tgz taz tz tar.gz"),
        ("application/x-bzip2", "bz2 tbz tbz2 tb2"),
        ("application/x-xz", "xz txz"),
        ("application/zstd", "zst tzst"),
        ("application/octet-stream", "Z aab com hta lnk"),
        ("application/x-rpm", "rpm RPM"),
        ("application/json", "map har topojson"),
        ("application/pem-certificate-chain", "pem"),
        ("application/sql", "sql"),
        ("application/toml", "toml"),
        ("application/vnd.apache.arrow.file", "arrow"),
        ("application/vnd.apple.mpegurl", "m3u m3u8"),
        ("application/vnd.chess-pgn", "pgn"),
        ("application/vnd.debian.binary-package", "deb udeb"),
        ("application/vnd.microsoft.portable-executable", "exe dll scr"),
        ("application/vnd.ms-cab-compressed", "cab"),
        ("application/vnd.rar", "rar"),
        ("application/vnd.sqlite3", "sqlite sqlite3"),
        ("application/mathml+xml", "mml"),
        ("application/xml-dtd", "dtd"),
        ("application/yaml", "yaml yml"),
        ("audio/mp4", "m4a m4b m4p m4r"),
        ("audio/matroska", "mka"),
        ("video/matroska", "mkv"),
        ("video/matroska-3d", "mk3d"),
        ("video/mp4", "m4v mp4"),
        ("video/mp2t", "ts m2ts m2t mts tts"),
        ("image/emf", "emf"),
        ("image/wmf", "wmf"),
        ("image/vnd.adobe.photoshop", "psd"),
        ("image/vnd.dwg", "dwg"),
        ("image/vnd.dxf", "dxf"),
        ("image/vnd.microsoft.icon", "ico cur"),
        ("font/woff", "woff"),
        ("font/otf", "otf"),
        ("font/ttf", "ttf"),
        ("model/3mf", "3mf"),
        ("model/mtl", "mtl"),
        ("model/obj", "obj"),
        ("model/step", "step stp"),
        ("model/stl", "stl"),
        ("model/vnd.usdz+zip", "usdz"),
        ("model/vrml", "wrl vrml"),
        ("text/javascript; charset=utf-8", "js mjs cjs"),
        ("text/markdown; charset=utf-8", "md markdown mkd mdown"),
        ("text/troff; charset=utf-8", "t tr roff troff man me ms"),
        ("text/vcard; charset=utf-8", "vcf vcard"),
        ("text/vnd.graphviz; charset=utf-8", "gv dot"),
        ("text/wgsl; charset=utf-8", "wgsl"),
    ] {
        for extension in extensions.split(' ') {
            assert_eq!(guess(&format!("a.{extension}")), content_type, "{extension}");
        }
    }
}

#[test]
fn source_and_other_readable_files_are_plain_text() {
    let extensions = "diff patch rej log lock sum md5 sha1 sha256 sha512 sfv nfo properties conf cfg cnf ini inf reg \
        desktop service tf tfvars hcl jsonl ndjson json5 jsonc hjson ipynb srt ass ssa lrc cue text org rst adoc \
        asciidoc tex latex ltx sty bib texi texinfo gmi gemini go mod work kt kts java scala sbt groovy gradle swift m mm rs \
        cu cuh d zig nim hs lhs ml mli fs fsi fsx erl hrl ex exs v sv vhdl asm wat wit glsl vert frag hlsl metal proto \
        thrift py pyi pyw pyx rb pl pm php lua r R jl scm rkt lisp el clj cljs cljc edn tcl tk awk sed vim sh bash zsh \
        fish csh ksh bat cmd ps1 psm1 psd1 vbs sct wsc nix cmake bzl dockerfile gql graphql gd vue svelte astro tsx cts \
        coffee litcoffee less styl stylus slim slm pug jade haml ejs erb j2 njk liquid mustache tpl tmpl twig asp aspx \
        ascx asa asax ashx asmx cshtml jsp htt dlm \
        scss sass opml hbs pas f90 htc c h cpp cs txt LOG";
    for extension in extensions.split_ascii_whitespace() {
        assert_eq!(guess(&format!("a.{extension}")), "text/plain; charset=utf-8", "{extension}");
    }
}

#[test]
fn types_of_the_settings_come_first_and_the_last_one_counts() {
    let types = owned([("gz", "a/b"), ("foo", "text/x-foo"), ("foo", "text/x-foo; charset=latin-1"), ("BAR", "c/d")]);
    let naming = MimeSettings { types, ..MimeSettings::default() };
    assert_eq!(guess_with(&naming, "x.gz"), "a/b");
    assert_eq!(guess_with(&naming, "x.FOO"), "text/x-foo; charset=latin-1");
    assert_eq!(guess_with(&naming, "x.BAR"), "c/d");
    assert_eq!(guess_with(&naming, "x.bar"), DEFAULT_TYPE);
    assert_eq!(naming.content_type(Path::new("x.bar"), "text/plain"), "text/plain");
}

#[test]
fn codings_by_extension() {
    let codings = [("br", "br"), ("gz", "gzip"), ("tgz", "gzip"), ("off", "gzip"), ("off", "identity"), ("UP", "zstd")];
    let codings = codings.map(|(extension, coding)| (extension.to_owned(), coding)).into();
    let naming = MimeSettings { codings, types: owned([("foo", "a/b")]), ..MimeSettings::default() };
    for (name, content_type, coding) in [
        ("x.wasm.br", "application/wasm", Some("br")),
        ("x.WASM.BR", "application/wasm", Some("br")),
        ("x.js.gz", "text/javascript; charset=utf-8", Some("gzip")),
        ("x.tar.gz", "application/x-tar", Some("gzip")),
        ("x.foo.gz", "a/b", Some("gzip")),
        ("x.gz", "application/octet-stream", Some("gzip")),
        ("x.unknown.gz", "application/octet-stream", Some("gzip")),
        (".js.gz", "application/octet-stream", Some("gzip")),
        ("d.js/x.gz", "application/octet-stream", Some("gzip")),
        ("x.tgz", "application/x-tar", Some("gzip")),
        ("x.svgz", "image/svg+xml", Some("gzip")),
        ("x.SVGZ", "image/svg+xml", Some("gzip")),
        ("x.js.off", "application/octet-stream", None),
        ("x.txt.UP", "text/plain; charset=utf-8", Some("zstd")),
        ("x.txt.up", "application/octet-stream", None),
        (".br", "application/octet-stream", None),
        ("br", "application/octet-stream", None),
        ("x.js", "text/javascript; charset=utf-8", None),
    ] {
        let found = (guess_with(&naming, name), naming.coding(Path::new(name)));
        assert_eq!(found, (content_type.to_owned(), coding), "{name}");
    }
    assert_eq!(MimeSettings::default().coding(Path::new("x.svgz")), Some("gzip"));
    assert_eq!(MimeSettings::default().coding(Path::new("x.tar.gz")), None);
    let naming = MimeSettings { codings: vec![("svgz".to_owned(), "identity")], ..MimeSettings::default() };
    assert_eq!(naming.coding(Path::new("x.svgz")), None);
    assert_eq!(guess_with(&naming, "x.svgz"), "image/svg+xml");
    let naming = MimeSettings { types: owned([("svgz", "a/b")]), ..MimeSettings::default() };
    assert_eq!(guess_with(&naming, "x.svgz"), "a/b");
}

#[test]
fn the_charset_is_added_to_text_that_declares_none() {
    let declaring = || b"<meta charset=euc-kr>".to_vec();
    let sheet = || b"@charset \"euc-kr\";".to_vec();
    let naming = MimeSettings::default();
    assert_eq!(naming.with_charset("text/html", declaring), "text/html");
    assert_eq!(naming.with_charset("Text/HTML", declaring), "Text/HTML");
    assert_eq!(naming.with_charset("text/css", sheet), "text/css");
    assert_eq!(naming.with_charset("text/css", declaring), "text/css; charset=utf-8");
    assert_eq!(naming.with_charset("text/html", Vec::new), "text/html; charset=utf-8");
    let unread = || panic!("only HTML and CSS are searched");
    assert_eq!(naming.with_charset("text/plain", unread), "text/plain; charset=utf-8");
    for left in ["text/xml", "text/XML", "text/x+xml", "application/xml", "image/svg+xml", "text/html; charset=big5"] {
        assert_eq!(naming.with_charset(left, unread), left);
    }
    let named = MimeSettings { charset: Charset::Named("euc-kr".into()), ..MimeSettings::default() };
    for text in ["text/plain", "text/html", "text/css", "text/xml"] {
        assert_eq!(named.with_charset(text, unread), format!("{text}; charset=euc-kr"));
    }
    assert_eq!(named.with_charset("application/json", unread), "application/json");
    assert_eq!(named.with_charset("text/html; charset=big5", unread), "text/html; charset=big5");
    let absent = MimeSettings { charset: Charset::Absent, ..MimeSettings::default() };
    assert_eq!(absent.with_charset("text/plain", unread), "text/plain");
}
