//! The flags for the served files.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const SITE: &[Flag] = &[
    Flag {
        name: "content-type",
        letter: None,
        action: Action::One("TYPE", Options::set_content_type),
        help: "content type of files with an unknown extension (default: application/octet-stream)",
        more: "",
    },
    Flag {
        name: "index",
        letter: None,
        action: Action::Many("NAME", Options::add_index),
        help: "file to serve for a directory (default: index.html, index.htm); may be repeated, and the first that \
               exists is served",
        more: "",
    },
    Flag {
        name: "spa",
        letter: None,
        action: Action::Maybe("FILE", Options::set_spa),
        help: "page to serve for paths that do not exist, for single-page applications (without FILE: index.html)",
        more: "FILE is relative to the directory. A path whose last segment contains a dot, such as /missing.js, still \
               gets a 404 response, unless the request's Accept field names text/html.",
    },
    Flag {
        name: "error-page",
        letter: None,
        action: Action::Many("CODE=FILE", Options::add_error_page),
        help: "page to send with an error, such as 404=404.html; may be repeated",
        more: "FILE is relative to the directory. The page is sent for errors about files, not for malformed requests.",
    },
    Flag {
        name: "no-listing",
        letter: None,
        action: Action::Switch(Options::set_no_listing),
        help: "refuse requests for directories that have no index file",
        more: "",
    },
    Flag {
        name: "folders-first",
        letter: None,
        action: Action::Switch(Options::set_folders_first),
        help: "list directories before files",
        more: "",
    },
    Flag {
        name: "hidden",
        letter: None,
        action: Action::One("HOW", Options::set_hidden),
        help: "serve or deny names that begin with a dot (default: serve)",
        more: "A denied name is neither served nor listed. /.well-known is always served.",
    },
    Flag {
        name: "symlinks",
        letter: None,
        action: Action::One("HOW", Options::set_symlinks),
        help: "follow symbolic links, follow them within the directory, or deny them (default: follow)",
        more: "HOW is follow, within or deny. The kernel enforces this while it opens a file, so that a link cannot be \
               replaced between a check and its use. With within, absolute links are followed too if their targets are \
               in the directory. A request for a link that is not followed gets a 404 response, and listings leave the \
               link out.",
    },
    Flag {
        name: "cors",
        letter: None,
        action: Action::Maybe("ORIGIN", Options::set_cors),
        help: "let scripts from another origin, such as https://app.example, read the files (without ORIGIN: from any \
               origin)",
        more: "",
    },
    Flag {
        name: "coop-coep",
        letter: None,
        action: Action::Switch(Options::set_coop_coep),
        help: "isolate pages from other sites, so that they can use SharedArrayBuffer",
        more: "Responses contain Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: \
               require-corp.",
    },
    Flag {
        name: "cache",
        letter: None,
        action: Action::Many("[GLOB=]VALUE", Options::add_cache),
        help: "Cache-Control of files: SECONDS, no-cache or immutable; with GLOB only of files that match, such as \
               *.js=3600; may be repeated, and the last match counts",
        more: "A GLOB that contains a slash is matched against the path below the directory, any other against the \
               file name. Caches may keep an immutable file for a year without revalidation.",
    },
    Flag {
        name: "mime",
        letter: None,
        action: Action::Many("EXT=TYPE", Options::add_mime),
        help: "content type of files with the extension EXT, such as md=text/markdown; may be repeated",
        more: "",
    },
    Flag {
        name: "encoding",
        letter: None,
        action: Action::Many("EXT=CODING", Options::add_encoding),
        help: "content coding of files with the extension EXT, such as br=br or gz=gzip; may be repeated",
        more: "The content type is that of the name before the extension: x.wasm.br is sent as application/wasm with \
               Content-Encoding: br. CODING is br, compress, deflate, gzip, zstd, or identity for no coding. The files \
               are sent even to clients that do not accept the coding. svgz=gzip is the default.",
    },
    Flag {
        name: "charset",
        letter: None,
        action: Action::One("NAME", Options::set_charset),
        help: "charset of all text, or none (default: utf-8, unless the text declares its encoding)",
        more: "By default XML is sent without a charset, and so are HTML and CSS files that declare their encoding in \
               the first 1,024 bytes or begin with a byte order mark. A charset in a type of --mime takes precedence \
               over NAME.",
    },
    Flag {
        name: "clean-urls",
        letter: None,
        action: Action::Switch(Options::set_clean_urls),
        help: "serve about.html as /about, and redirect /about.html to /about",
        more: "",
    },
    Flag {
        name: "precompressed",
        letter: None,
        action: Action::Switch(Options::set_precompressed),
        help: "serve app.js.br, app.js.zst or app.js.gz instead of app.js to clients that accept the coding",
        more: "A compressed file that is empty or older than app.js is not used. Without this option, the program does \
               not look for such files.",
    },
    Flag {
        name: "auth",
        letter: None,
        action: Action::Many("USER:PASSWORD", Options::add_auth),
        help: "require a user name and a password; may be repeated",
        more: "Other users of this machine can read the command line. To hide the password from them, use --auth-file \
               or the environment, or give a hash instead: sha256:HEX, where HEX is the output of printf %s PASSWORD | \
               sha256sum, or the bcrypt hash of htpasswd -nB USER ($2y$, $2a$ or $2b$, of cost 4 to 17). Other hashes, \
               such as $apr1$ and {SHA}, are refused. Clients send passwords unencrypted, except over HTTPS.",
    },
    Flag {
        name: "auth-file",
        letter: None,
        action: Action::One("FILE", Options::set_auth_file),
        help: "file with more users, one per line, in the form of --auth",
        more: "The output of htpasswd -B is accepted. Empty lines and lines that begin with # are ignored. The file is \
               read at the start, and again on SIGHUP.",
    },
    Flag {
        name: "base-path",
        letter: None,
        action: Action::One("PATH", Options::set_base_path),
        help: "URL path under which the directory is served, such as /docs (default: /)",
        more: "A request for any other path gets a 404 response.",
    },
];
