//! The table of flags: the only place where a flag is written down.

use super::flag::{Action, Flag};
use super::options::Options;

/// The name under which the program speaks of itself, whatever it was started as.
pub(super) const NAME: &str = "serve-forever";

/// The version that `--version` prints.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the program is, in one sentence: the help and the manual page begin with it.
pub(super) const ABOUT: &str = "Serve the files of a directory over HTTP.";

/// All of them, in the order in which they are shown.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        name: "port",
        letter: None,
        action: Action::Positional(Options::set_port),
        help: "port to listen on, 0 for any free one (default: 8000)",
        more: "The line that the program prints when it is ready has the real port. On a terminal a second line has the \
               addresses to open in a browser.",
    },
    Flag { name: "help", letter: Some('h'), action: Action::Help, help: "show this help and exit", more: "" },
    Flag { name: "version", letter: Some('V'), action: Action::Version, help: "show the version and exit", more: "" },
    Flag {
        name: "bind",
        letter: Some('b'),
        action: Action::One("ADDRESS", Options::set_bind),
        help: "address or host name to listen on (default: all interfaces)",
        more: "All interfaces are those of IPv6 and IPv4 where the system has both. Only this machine can reach \
               127.0.0.1 and ::1.",
    },
    Flag {
        name: "directory",
        letter: Some('d'),
        action: Action::One("DIRECTORY", Options::set_directory),
        help: "directory to serve (default: the current one)",
        more: "Everything below it can be read by everybody who can reach the port.",
    },
    Flag {
        name: "protocol",
        letter: Some('p'),
        action: Action::One("VERSION", Options::set_protocol),
        help: "HTTP/1.1, or HTTP/1.0 to close each connection after one answer unless the client asks otherwise \
               (default: HTTP/1.1)",
        more: "",
    },
    Flag {
        name: "header",
        letter: Some('H'),
        action: Action::Two(["NAME", "VALUE"], Options::add_header),
        help: "header field to add to every successful answer; may be repeated",
        more: "Cache-Control, Content-Location, Expires and Vary are added to a 304 as well. Server is set for all \
               answers, errors too, and left out if VALUE is empty. Other fields that the server makes, such as \
               Content-Type and Date, are refused. A value that begins with a hyphen cannot be given, unless it is a \
               negative number.",
    },
    Flag {
        name: "content-type",
        letter: None,
        action: Action::One("TYPE", Options::set_content_type),
        help: "content type of files whose extension is not known (default: application/octet-stream)",
        more: "",
    },
    Flag {
        name: "index",
        letter: None,
        action: Action::Many("NAME", Options::add_index),
        help: "file to serve for a directory (default: index.html, index.htm); may be repeated, the first one found is \
               served",
        more: "",
    },
    Flag {
        name: "spa",
        letter: None,
        action: Action::Maybe("FILE", Options::set_spa),
        help: "page to serve where nothing is, for single-page applications (without FILE: index.html)",
        more: "FILE is relative to the directory. Paths that look like files, such as /missing.js, remain 404 unless a \
               page is asked for.",
    },
    Flag {
        name: "error-page",
        letter: None,
        action: Action::Many("CODE=FILE", Options::add_error_page),
        help: "page to send with an error, such as 404=404.html; may be repeated",
        more: "FILE is relative to the directory. The page is for what the directory refuses, not for requests that \
               are no HTTP.",
    },
    Flag {
        name: "no-listing",
        letter: None,
        action: Action::Switch(Options::set_no_listing),
        help: "refuse directories that have no index file",
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
        more: "What is denied is neither served nor listed, but for /.well-known, which is there to be found.",
    },
    Flag {
        name: "symlinks",
        letter: None,
        action: Action::One("HOW", Options::set_symlinks),
        help: "follow symbolic links, follow them within the directory, or deny them (default: follow)",
        more: "The words are follow, within and deny. The kernel sees to that while it opens a file, so that there \
               is no moment in which a link could be exchanged. Absolute links are followed, too, if what they lead to \
               is within the directory. A link that is not followed is 404, and left out of listings.",
    },
    Flag {
        name: "cors",
        letter: None,
        action: Action::Maybe("ORIGIN", Options::set_cors),
        help: "let scripts of another origin, such as https://app.example, read the files (without ORIGIN: of all)",
        more: "",
    },
    Flag {
        name: "coop-coep",
        letter: None,
        action: Action::Switch(Options::set_coop_coep),
        help: "isolate pages from other sites, so that they may use SharedArrayBuffer",
        more: "The fields are Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.",
    },
    Flag {
        name: "cache",
        letter: None,
        action: Action::Many("[GLOB=]VALUE", Options::add_cache),
        help: "how long files may be kept by others: SECONDS, no-cache or immutable; with GLOB only those that it fits, \
               such as *.js=3600; may be repeated, the last one that fits counts",
        more: "A GLOB with a slash is compared with the path below the directory, another with the name of the file. \
               What is immutable is kept for a year.",
    },
    Flag {
        name: "mime",
        letter: None,
        action: Action::Many("EXT=TYPE", Options::add_mime),
        help: "content type of files with an extension, such as md=text/markdown; may be repeated",
        more: "",
    },
    Flag {
        name: "encoding",
        letter: None,
        action: Action::Many("EXT=CODING", Options::add_encoding),
        help: "content coding of files with an extension, such as br=br or gz=gzip; may be repeated",
        more: "The type is then that of the name before the extension: x.wasm.br is application/wasm with \
               Content-Encoding: br. CODING is br, compress, deflate, gzip, zstd, or identity for none. The files are \
               sent to clients that do not accept the coding, too. svgz=gzip is the default.",
    },
    Flag {
        name: "charset",
        letter: None,
        action: Action::One("NAME", Options::set_charset),
        help: "charset of all text, or none (default: utf-8, unless the text declares its encoding)",
        more: "By default XML is sent without a charset, and so are HTML and CSS that declare their encoding in the \
               first 1,024 bytes or begin with a byte order mark. A charset that --mime gives with a type counts before \
               NAME.",
    },
    Flag {
        name: "clean-urls",
        letter: None,
        action: Action::Switch(Options::set_clean_urls),
        help: "serve about.html as /about, and send those there who ask for /about.html",
        more: "",
    },
    Flag {
        name: "precompressed",
        letter: None,
        action: Action::Switch(Options::set_precompressed),
        help: "serve app.js.br, app.js.zst or app.js.gz as app.js to clients that accept that coding",
        more: "One that is empty or older than app.js is not served. Without this switch no such file is looked for.",
    },
    Flag {
        name: "auth",
        letter: None,
        action: Action::Many("USER:PASSWORD", Options::add_auth),
        help: "let only those in who know a password; may be repeated",
        more: "Other users of this machine can see the command line: --auth-file and the environment keep the password \
               from them, and so does a hash in its place: sha256:HEX, where HEX is what printf %s PASSWORD | sha256sum \
               prints, or the bcrypt hash of htpasswd -nB USER ($2y$, $2a$ or $2b$, of cost 4 to 17). Other hashes, such \
               as $apr1$ and {SHA}, are refused. Passwords travel in the clear.",
    },
    Flag {
        name: "auth-file",
        letter: None,
        action: Action::One("FILE", Options::set_auth_file),
        help: "file with more users, one a line as for --auth",
        more: "What htpasswd -B writes can be read. Empty lines and lines that begin with # are left out. It is read before the first client, and again on SIGHUP.",
    },
    Flag {
        name: "base-path",
        letter: None,
        action: Action::One("PATH", Options::set_base_path),
        help: "path under which the directory is served, such as /docs (default: /)",
        more: "Everything outside of it is 404.",
    },
    Flag {
        name: "log-format",
        letter: None,
        action: Action::One("FORMAT", Options::set_log_format),
        help: "python, common, combined or json (default: python)",
        more: "common and combined are Apache's, json is an object a line with time, address, user, request, status, \
               bytes, duration in seconds, referer and user_agent, and cut with the reason if a response was cut short. \
               The other formats have a line before the request's for that. What a client sends cannot end a line or a \
               field, nor reach a terminal.",
    },
    Flag {
        name: "log-file",
        letter: None,
        action: Action::One("FILE", Options::set_log_file),
        help: "file to log requests to (default: standard error)",
        more: "Lines are appended. On SIGHUP it is opened again by its name, after it was renamed.",
    },
    Flag {
        name: "grace",
        letter: None,
        action: Action::One("SECONDS", Options::set_grace),
        help: "time for answers in flight after SIGTERM (default: 5)",
        more: "Who is idle then is told to close with its next answer, for which it has half a second.",
    },
    Flag {
        name: "reuse-port",
        letter: None,
        action: Action::Switch(Options::set_reuse_port),
        help: "let other processes of the same user listen on the port, too",
        more: "The system deals out connections between them. For restarts that lose nothing a service manager should \
               hand the socket down: see SOCKETS.",
    },
    Flag {
        name: "max-connections",
        letter: None,
        action: Action::One("N", Options::set_max_connections),
        help: "connections at a time (default: as many as there are descriptors for)",
        more: "Those that are idle are closed for newcomers, oldest first; if none is, newcomers wait.",
    },
    Flag {
        name: "max-connections-per-peer",
        letter: None,
        action: Action::One("N", Options::set_max_connections_per_peer),
        help: "connections of one address at a time (default: no limit)",
        more: "More are closed without an answer.",
    },
    Flag {
        name: "head-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_head_timeout),
        help: "time for the head of a request, from its first byte to its last, 0 for no limit (default: 10)",
        more: "",
    },
    Flag {
        name: "idle-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_idle_timeout),
        help: "time between two requests of a connection, 0 for no limit (default: 15)",
        more: "",
    },
    Flag {
        name: "stall-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_stall_timeout),
        help: "time without progress in a request's body, 0 for no limit (default: 30)",
        more: "A client that takes nothing of its response for as long is closed if connections or memory run short.",
    },
    Flag {
        name: "send-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_send_timeout),
        help: "time without progress in sending a response, 0 for no limit (default: 600)",
        more: "",
    },
    Flag {
        name: "body-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_body_timeout),
        help: "time for the whole body of a request, as far as it is waited for, 0 for no limit (default: 30)",
        more: "It grows by a second for every --body-rate bytes that come.",
    },
    Flag {
        name: "body-rate",
        letter: None,
        action: Action::One("N", Options::set_body_rate),
        help: "bytes a second that a request's body has to bring once its time is over, 0 for no limit (default: 500)",
        more: "",
    },
    Flag {
        name: "user",
        letter: None,
        action: Action::One("NAME", Options::set_user),
        help: "user to become once the port is bound and the log is open",
        more: "All groups but that user's own are given up, too. If anything of it fails the program does not start. \
               For SIGHUP that user has to be able to open the log file, and to read the file of --config.",
    },
    Flag {
        name: "chroot",
        letter: None,
        action: Action::One("DIRECTORY", Options::set_chroot),
        help: "directory to make the root of all paths once the port is bound and the log is open",
        more: "The directory to serve and the pages are then looked for below it; without --directory all of it is \
               served. Only with --user is it a wall: root can climb over it. On SIGHUP a log file outside of it is \
               kept, as it cannot be opened again, and no settings are read: a line on standard error or in the log says \
               so.",
    },
    Flag {
        name: "sandbox",
        letter: None,
        action: Action::Switch(Options::set_sandbox),
        help: "have the kernel see to it that only the served directory can be read (Linux, Landlock)",
        more: "The folder of a log file can still be written to. The file of --config cannot be read again, unless it \
               is in the directory. Nothing can be connected to. Symbolic links that \
               lead out of the directory are refused. If the kernel has no Landlock the program does not start. No \
               script can be run, so that --cgi is refused.",
    },
    Flag {
        name: "config",
        letter: None,
        action: Action::One("FILE", Options::set_config),
        help: "TOML file with any of these settings under their long names",
        more: "The command line counts before the environment, the environment before the file. Files that it names \
               are relative to the working directory. On SIGHUP it is read again: see SIGNALS.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi",
        letter: None,
        action: Action::Switch(Options::set_cgi),
        help: "run the programs in /cgi-bin and /htbin of the directory instead of sending them",
        more: "They follow the Common Gateway Interface, RFC 3875. Without --auth everybody who can reach the port can \
               run them. --auth, --base-path and --hidden are for scripts, too. If the server is root they run as \
               nobody.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-env",
        letter: None,
        action: Action::Many("NAME", Options::add_cgi_env),
        help: "variable of this environment that scripts get too; may be repeated",
        more: "They get PATH, what describes their request, and nothing else.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-user",
        letter: None,
        action: Action::One("USER", Options::set_cgi_user),
        help: "user that scripts run as if the server is root: a name, or UID:GID (default: nobody)",
        more: "The group is the user's, and all other groups are dropped.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_timeout),
        help: "time for a script from its start to its end, 0 for no limit (default: 900)",
        more: "Then the script and all processes of its group are ended, and its response is cut.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-first-byte",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_first_byte),
        help: "time for a script from its start, or from the last byte of the request's body that it read, to the head \
               of its response, 0 for no limit (default: 55)",
        more: "Then the answer is 504. A request that waits as long for its script to be started is answered with 503.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-max",
        letter: None,
        action: Action::One("N", Options::set_cgi_max),
        help: "scripts that run at a time; requests for more wait (default: 64)",
        more: "",
    },
    Flag {
        name: "quiet",
        letter: Some('q'),
        action: Action::Switch(Options::set_quiet),
        help: "do not log requests",
        more: "Errors of the server itself are still printed.",
    },
];

/// The flag with this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The flags whose long name begins like that.
pub(super) fn beginning_with(start: &str) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| !flag.is_positional() && flag.name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_unique() {
        for (at, flag) in FLAGS.iter().enumerate() {
            for other in &FLAGS[at + 1..] {
                assert_ne!(flag.name, other.name);
                assert!(flag.letter.is_none() || flag.letter != other.letter, "{flag} and {other}");
            }
        }
    }

    #[test]
    fn every_flag_says_what_it_is_for_in_the_style_of_the_others() {
        for flag in FLAGS {
            assert!(!flag.help.is_empty() && !flag.help.ends_with('.'), "{flag}");
            assert!(flag.more.is_empty() || flag.more.ends_with('.'), "{flag}");
        }
    }
}
