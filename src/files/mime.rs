use std::borrow::Cow;
use std::path::Path;

/// What a file without a known extension is, unless told otherwise (contract row SH27).
pub(crate) const DEFAULT_TYPE: &str = "application/octet-stream";

/// The content type of a file by its extension: Python's `guess_type`, without the host's own tables, so that every
/// machine gives the same answer (contract rows SH23 to SH27).
///
/// The extension is looked up as it stands, then in lower case, in the caller's `map` and in our own, and only then
/// in the general table. A name that is nothing but an extension, such as `.html`, has none (row SH25).
pub(crate) fn guess_type<'a>(path: &Path, map: &'a [(String, String)], default: &'a str) -> Cow<'a, str> {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
        return with_charset(default);
    };
    let lower = extension.to_ascii_lowercase();
    let known = find(map, extension)
        .or_else(|| find(OURS, extension))
        .or_else(|| find(map, &lower))
        .or_else(|| find(OURS, &lower))
        .or_else(|| mime_guess::from_ext(&lower).first_raw());
    with_charset(known.unwrap_or(default))
}

/// Says that a text is UTF-8 unless the type says something else already: browsers guess otherwise, and a page that
/// is guessed to be UTF-7 is a way in for scripts (row B19).
fn with_charset(content_type: &str) -> Cow<'_, str> {
    if content_type.starts_with("text/") && !content_type.contains(';') {
        Cow::Owned(format!("{content_type}; charset=utf-8"))
    } else {
        Cow::Borrowed(content_type)
    }
}

fn find<'a, T: AsRef<str>>(map: &'a [(T, T)], extension: &str) -> Option<&'a str> {
    // The last entry wins, so that what is added later replaces what stood before.
    map.iter().rev().find(|(known, _)| known.as_ref() == extension).map(|(_, content_type)| content_type.as_ref())
}

/// Python's four entries first (row SH24), then what the general table gets wrong: obsolete names (RFC 9239 for
/// JavaScript, RFC 8081 for fonts), types that no browser plays, and archives for which Python names the archive and
/// not its compression.
const OURS: &[(&str, &str)] = &[
    ("gz", "application/gzip"),
    ("Z", "application/octet-stream"),
    ("bz2", "application/x-bzip2"),
    ("xz", "application/x-xz"),
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    ("map", "application/json"),
    ("ico", "image/vnd.microsoft.icon"),
    ("woff", "font/woff"),
    ("otf", "font/otf"),
    ("ttf", "font/ttf"),
    ("zst", "application/zstd"),
    ("tgz", "application/x-tar"),
    ("taz", "application/x-tar"),
    ("tz", "application/x-tar"),
    ("tbz2", "application/x-tar"),
    ("txz", "application/x-tar"),
    ("rar", "application/vnd.rar"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m3u", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("ts", "video/mp2t"),
    ("py", "text/x-python"),
    ("pl", "text/plain"),
    ("bat", "text/plain"),
    ("ksh", "text/plain"),
    ("obj", "application/octet-stream"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(name: &str) -> String {
        guess_type(Path::new(name), &[], DEFAULT_TYPE).into_owned()
    }

    #[test]
    fn common_files() {
        for (name, content_type) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.py", "text/x-python; charset=utf-8"),
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
            ("a.tgz", "application/x-tar"),
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
    fn the_callers_map_comes_first_and_its_last_entry_wins() {
        let map = [("gz", "a/b"), ("foo", "text/x-foo"), ("foo", "text/x-foo; charset=latin-1"), ("BAR", "c/d")];
        let map = map.map(|(extension, content_type)| (extension.to_owned(), content_type.to_owned()));
        let guess = |name: &str| guess_type(Path::new(name), &map, "text/plain").into_owned();
        assert_eq!(guess("x.gz"), "a/b");
        assert_eq!(guess("x.FOO"), "text/x-foo; charset=latin-1");
        assert_eq!(guess("x.BAR"), "c/d");
        assert_eq!(guess("x.bar"), "text/plain; charset=utf-8");
    }
}
