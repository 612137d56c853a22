//! Content types that are missing or wrong in the table of `mime_guess`, with the reason for each group. Extensions for
//! which that table is right are not listed. `mime` defines the order of lookups.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

/// Finds the type for an extension. The lookup is case-sensitive; the caller also tries lower case.
pub(super) fn find(extension: &str) -> Option<&'static str> {
    BY_EXTENSION.get(extension).copied()
}

/// The entries of [`TYPES`], by extension. A map is used because the table has about 400 extensions, and a file that is
/// not cached needs two lookups. The keys are fixed, so a hash without a random seed is safe.
static BY_EXTENSION: LazyLock<HashMap<&str, &str, FixedState>> = LazyLock::new(|| {
    let pairs = |(content_type, extensions): &(&'static str, &'static [&'static str])| {
        let content_type = *content_type;
        extensions.iter().map(move |extension| (*extension, content_type))
    };
    TYPES.iter().flat_map(pairs).collect()
});

/// Content types with their extensions. The preferred type is the one that IANA has registered for the format that the
/// extension usually denotes today. The second choice, for readable text, is `text/plain`, because browsers display it
/// but offer to save unknown types. The last choice is the name that most systems use.
const TYPES: &[(&str, &[&str])] = &[
    // As in Python's `extensions_map`, the type of a compressed file is that of its compression format. This includes
    // archives with a short extension, such as `.tgz` for `.tar.gz`.
    ("application/gzip", &["gz", "tgz", "taz", "tz"]),
    ("application/octet-stream", &["Z"]),
    ("application/x-bzip2", &["bz2", "tbz", "tbz2", "tb2"]),
    ("application/x-xz", &["xz", "txz"]),
    ("application/zstd", &["zst", "tzst"]),
    // RFC 9239 has made all other media types for JavaScript obsolete.
    ("text/javascript", &["js", "mjs", "cjs"]),
    // Source maps, HTTP archives and TopoJSON files are JSON, and browsers display them as such.
    ("application/json", &["map", "har", "topojson"]),
    // Fonts have their own top-level type (RFC 8081).
    ("font/woff", &["woff"]),
    ("font/otf", &["otf"]),
    ("font/ttf", &["ttf"]),
    // IANA has registered these types. The table of `mime_guess` has older or unregistered ones instead.
    ("application/mathml+xml", &["mml"]),
    ("application/pem-certificate-chain", &["pem"]),
    ("application/sql", &["sql"]),
    ("application/toml", &["toml"]),
    ("application/vnd.apache.arrow.file", &["arrow"]),
    ("application/vnd.chess-pgn", &["pgn"]),
    ("application/vnd.debian.binary-package", &["deb", "udeb"]),
    ("application/vnd.microsoft.portable-executable", &["exe", "dll", "scr"]),
    ("application/vnd.ms-cab-compressed", &["cab"]),
    ("application/vnd.rar", &["rar"]),
    ("application/vnd.sqlite3", &["sqlite", "sqlite3"]),
    ("application/xml-dtd", &["dtd"]),
    ("application/yaml", &["yaml", "yml"]),
    ("audio/mp4", &["m4a", "m4b", "m4p", "m4r"]),
    ("audio/matroska", &["mka"]),
    ("video/matroska", &["mkv"]),
    ("video/matroska-3d", &["mk3d"]),
    ("video/mp4", &["m4v"]),
    ("image/emf", &["emf"]),
    ("image/wmf", &["wmf"]),
    ("image/vnd.adobe.photoshop", &["psd"]),
    ("image/vnd.dwg", &["dwg"]),
    ("image/vnd.dxf", &["dxf"]),
    ("model/3mf", &["3mf"]),
    ("model/mtl", &["mtl"]),
    ("model/obj", &["obj"]),
    ("model/step", &["step", "stp"]),
    ("model/stl", &["stl"]),
    ("model/vnd.usdz+zip", &["usdz"]),
    ("model/vrml", &["wrl", "vrml"]),
    ("text/markdown", &["md", "markdown", "mkd", "mdown"]),
    ("text/troff", &["t", "tr", "roff", "troff", "man", "me", "ms"]),
    ("text/vcard", &["vcf", "vcard"]),
    ("text/vnd.graphviz", &["gv", "dot"]),
    ("text/wgsl", &["wgsl"]),
    // A cursor file has the format of an icon file, except for the number in its second field.
    ("image/vnd.microsoft.icon", &["ico", "cur"]),
    // Apple's players require this type for playlists. The audio types for these extensions denote another format.
    ("application/vnd.apple.mpegurl", &["m3u8", "m3u"]),
    // MPEG transport streams. The type is the registered one, not DLNA's. `.ts` is also the extension of TypeScript,
    // but browsers cannot run that, and players require a video type.
    ("video/mp2t", &["ts", "m2ts", "m2t", "mts", "tts"]),
    // These extensions once belonged to RealAudio's plugin and to Authorware. Today they belong to Linux packages and
    // Android bundles.
    ("application/x-rpm", &["rpm"]),
    ("application/octet-stream", &["aab"]),
    // Old versions of Windows and Internet Explorer executed these files directly from a site, so their own types are
    // not used.
    ("application/octet-stream", &["com", "hta", "lnk"]),
    // Patches, logs, checksums and settings: plain text that browsers should display.
    (PLAIN, &["diff", "patch", "rej", "log", "lock", "sum", "md5", "sha1", "sha256", "sha512", "sfv", "nfo"]),
    (PLAIN, &["properties", "conf", "cfg", "cnf", "ini", "inf", "reg", "desktop", "service", "tf", "tfvars", "hcl"]),
    // Formats for structured data, notebooks, subtitles and song lyrics that have no registered type.
    (PLAIN, &["jsonl", "ndjson", "json5", "jsonc", "hjson", "ipynb", "srt", "ass", "ssa", "lrc", "cue"]),
    // Text documents and markup. The registry assigns `.org` to Lotus Organizer, but today it is used by Org mode. The
    // type of reStructuredText is registered only in the personal tree (`prs.`).
    (PLAIN, &["text", "org", "rst", "adoc", "asciidoc", "tex", "latex", "ltx", "sty", "bib", "texi", "texinfo", "gmi"]),
    (PLAIN, &["gemini"]),
    // Source files in compiled languages. `.mod` and `.work` belong to Go.
    (PLAIN, &["go", "mod", "work", "kt", "kts", "java", "scala", "sbt", "groovy", "gradle", "swift", "m", "mm", "rs"]),
    (PLAIN, &["cu", "cuh", "d", "zig", "nim", "hs", "lhs", "ml", "mli", "fs", "fsi", "fsx", "erl", "hrl", "ex", "exs"]),
    (PLAIN, &["v", "sv", "vhdl", "asm", "wat", "wit", "glsl", "vert", "frag", "hlsl", "metal", "proto", "thrift"]),
    // Source files in interpreted languages and shell scripts.
    (PLAIN, &["py", "pyi", "pyw", "pyx", "rb", "pl", "pm", "php", "lua", "r", "jl", "scm", "rkt", "lisp", "el", "clj"]),
    (PLAIN, &["cljs", "cljc", "edn", "tcl", "tk", "awk", "sed", "vim", "sh", "bash", "zsh", "fish", "csh", "ksh"]),
    (PLAIN, &["bat", "cmd", "ps1", "psm1", "psd1", "vbs", "sct", "wsc", "nix", "cmake", "bzl", "dockerfile", "gql"]),
    (PLAIN, &["graphql", "gd"]),
    // Source files of pages and style sheets that are translated by a build tool or executed by another kind of server.
    (PLAIN, &["vue", "svelte", "astro", "tsx", "cts", "coffee", "litcoffee", "less", "styl", "stylus", "slim", "slm"]),
    (PLAIN, &["pug", "jade", "haml", "ejs", "erb", "j2", "njk", "liquid", "mustache", "tpl", "tmpl", "twig"]),
    (PLAIN, &["asp", "aspx", "ascx", "asa", "asax", "ashx", "asmx", "cshtml", "jsp", "htt", "dlm"]),
];

const PLAIN: &str = "text/plain";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extension_is_listed_twice() {
        let mut all: Vec<_> = TYPES.iter().flat_map(|(_, extensions)| extensions.iter()).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn every_type_is_well_formed_and_none_names_a_charset() {
        for (content_type, extensions) in TYPES {
            let (kind, subtype) = content_type.split_once('/').unwrap();
            assert!(crate::http::is_token(kind.as_bytes()) && crate::http::is_token(subtype.as_bytes()));
            assert!(extensions.iter().all(|extension| !extension.is_empty() && !extension.contains('.')));
        }
    }
}
