//! The table of flags. To add a flag, add an entry here and its setter in `options/`.

use super::flag::{Action, Flag};
use super::options::Options;

/// The name of the program in its messages, independent of the name of its file.
pub(super) const NAME: &str = "serve-forever";

/// The version that `--version` prints.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The program in one sentence, at the beginning of the help and of the manual page.
pub(super) const ABOUT: &str = "Serve the files of a directory over HTTP.";

/// All flags, in the order of the help.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        name: "port",
        letter: None,
        action: Action::Positional(Options::set_port),
        help: "port to listen on, or 0 for any free port (default: 8000)",
        more: "The line that the program prints when it is ready contains the port that it listens on. On a terminal, \
               a second line lists the URLs to open in a browser.",
    },
    Flag { name: "help", letter: Some('h'), action: Action::Help, help: "show this help and exit", more: "" },
    Flag { name: "version", letter: Some('V'), action: Action::Version, help: "show the version and exit", more: "" },
    Flag {
        name: "bind",
        letter: Some('b'),
        action: Action::One("ADDRESS", Options::set_bind),
        help: "address or host name to listen on (default: all interfaces)",
        more: "All interfaces means IPv6 and IPv4 if the system has both. With 127.0.0.1 or ::1, only this machine can \
               connect.",
    },
    Flag {
        name: "directory",
        letter: Some('d'),
        action: Action::One("DIRECTORY", Options::set_directory),
        help: "directory to serve (default: the current directory)",
        more: "Every client that can reach the port can read every file below it.",
    },
    Flag {
        name: "protocol",
        letter: Some('p'),
        action: Action::One("VERSION", Options::set_protocol),
        help: "HTTP/1.1, or HTTP/1.0 to close each connection after one response unless the client asks for keep-alive \
               (default: HTTP/1.1)",
        more: "",
    },
    Flag {
        name: "tls-cert",
        letter: None,
        action: Action::Many("PATH", Options::add_tls_cert),
        help: "PEM file with a certificate and its chain, to serve HTTPS; may be repeated, each for the DNS names in it",
        more: "The first certificate is the default, for all other names. Of several for one name, the first whose kind \
               of key the client supports is used, so that a client without ECDSA can get one with an RSA key. A \
               certificate that has expired, or that expires within 7 days, is served with a warning.",
    },
    Flag {
        name: "tls-key",
        letter: None,
        action: Action::Many("PATH", Options::add_tls_key),
        help: "PEM file with the private key (default: the file of the certificate); may be repeated, one for each \
               --tls-cert",
        more: "Keys are RSA with 2048 to 4096 bits, P-256, P-384 or Ed25519.",
    },
    Flag {
        name: "tls-password-file",
        letter: None,
        action: Action::One("PATH", Options::set_tls_password_file),
        help: "file with the password of encrypted private keys",
        more: "Space around the password is removed. The program never asks for a password.",
    },
    Flag {
        name: "tls-min",
        letter: None,
        action: Action::One("VERSION", Options::set_tls_min),
        help: "lowest version of TLS: 1.2 or 1.3 (default: 1.2)",
        more: "",
    },
    Flag {
        name: "tls-client-ca",
        letter: None,
        action: Action::One("PATH", Options::set_tls_client_ca),
        help: "PEM file with certificate authorities whose clients are accepted",
        more: "Clients without a certificate of one of them are refused in the handshake. Revocation lists are not \
               read.",
    },
    Flag {
        name: "tls-client-auth",
        letter: None,
        action: Action::One("HOW", Options::set_tls_client_auth),
        help: "certificates of clients are required or optional (default: required)",
        more: "With optional, a client may have no certificate; scripts see that in SSL_CLIENT_VERIFY.",
    },
    Flag {
        name: "tls-self-signed",
        letter: None,
        action: Action::Maybe("NAME", Options::add_tls_self_signed),
        help: "serve HTTPS with a certificate made at the start, for development; it is for localhost, the address of \
               --bind and NAME",
        more: "It exists in memory only and is valid for 30 days. Its SHA-256 fingerprint is printed to standard error.",
    },
    Flag {
        name: "hsts",
        letter: None,
        action: Action::Maybe("SECONDS", Options::set_hsts),
        help: "make browsers use only HTTPS for this host from now on (without SECONDS: for a year)",
        more: "Responses have the field Strict-Transport-Security (RFC 6797). 0 ends it.",
    },
    Flag {
        name: "redirect-http",
        letter: None,
        action: Action::One("PORT", Options::set_redirect_http),
        help: "port of unencrypted HTTP that redirects to HTTPS",
        more: "It listens on the address of --bind. Every response is 308 with the same host, path and query.",
    },
    Flag {
        name: "header",
        letter: Some('H'),
        action: Action::Two(["NAME", "VALUE"], Options::add_header),
        help: "header field to add to every successful response; may be repeated",
        more: "Cache-Control, Content-Location, Expires and Vary are also added to 304 responses. Server replaces the \
               server's own value in all responses, errors included; an empty VALUE leaves the field out. Other fields \
               that the server sets itself, such as Content-Type and Date, are refused. VALUE cannot begin with a \
               hyphen, unless it is a negative number.",
    },
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
        help: "file to serve for a directory (default: index.html, index.htm); may be repeated, the first that exists \
               is served",
        more: "",
    },
    Flag {
        name: "spa",
        letter: None,
        action: Action::Maybe("FILE", Options::set_spa),
        help: "page to serve for paths that do not exist, for single-page applications (without FILE: index.html)",
        more: "FILE is relative to the directory. A path whose last segment contains a dot, such as /missing.js, \
               remains 404 unless the request's Accept field names text/html.",
    },
    Flag {
        name: "error-page",
        letter: None,
        action: Action::Many("CODE=FILE", Options::add_error_page),
        help: "page to send with an error, such as 404=404.html; may be repeated",
        more: "FILE is relative to the directory. The page is sent for errors about files, not for requests that are \
               malformed.",
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
        more: "A denied name is neither served nor listed. /.well-known is served in any case.",
    },
    Flag {
        name: "symlinks",
        letter: None,
        action: Action::One("HOW", Options::set_symlinks),
        help: "follow symbolic links, follow them within the directory, or deny them (default: follow)",
        more: "HOW is follow, within or deny. The kernel enforces this while it opens a file, so that a link cannot be \
               exchanged between a check and its use. With within, absolute links are followed too if their targets \
               are in the directory. A link that is not followed is 404 and is left out of listings.",
    },
    Flag {
        name: "cors",
        letter: None,
        action: Action::Maybe("ORIGIN", Options::set_cors),
        help: "let scripts of another origin, such as https://app.example, read the files (without ORIGIN: of all \
               origins)",
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
               *.js=3600; may be repeated, the last match counts",
        more: "A GLOB that contains a slash is matched with the path below the directory, any other with the file \
               name. Caches may keep an immutable file for a year without asking again.",
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
               the first 1,024 bytes or begin with a byte order mark. A charset that is part of a type of --mime takes \
               precedence over NAME.",
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
               such as $apr1$ and {SHA}, are refused. Clients send passwords unencrypted, except with --tls-cert.",
    },
    Flag {
        name: "auth-file",
        letter: None,
        action: Action::One("FILE", Options::set_auth_file),
        help: "file with more users, one on each line, in the form of --auth",
        more: "The output of htpasswd -B is accepted. Empty lines and lines that begin with # are ignored. The file is \
               read at the start, and again on SIGHUP.",
    },
    Flag {
        name: "base-path",
        letter: None,
        action: Action::One("PATH", Options::set_base_path),
        help: "URL path under which the directory is served, such as /docs (default: /)",
        more: "Every other path is 404.",
    },
    Flag {
        name: "log-format",
        letter: None,
        action: Action::One("FORMAT", Options::set_log_format),
        help: "format of the log: python, common, combined or json (default: python)",
        more: "common and combined are Apache's formats. json is one object on each line, with time, address, user, \
               request, status, bytes, duration in seconds, referer and user_agent, and with cut, the reason, if the \
               response was cut short. The other formats have a separate line with the reason before the line of the \
               request. Text from a client cannot end a line or a field, and cannot control a terminal.",
    },
    Flag {
        name: "log-file",
        letter: None,
        action: Action::One("FILE", Options::set_log_file),
        help: "file for the log (default: standard error)",
        more: "Lines are appended. On SIGHUP the file is opened again by its name, so that it can be renamed before.",
    },
    Flag {
        name: "grace",
        letter: None,
        action: Action::One("SECONDS", Options::set_grace),
        help: "time to finish responses after SIGTERM (default: 5)",
        more: "A connection that is idle at SIGTERM can send one more request within half a second; the response \
               closes the connection.",
    },
    Flag {
        name: "reuse-port",
        letter: None,
        action: Action::Switch(Options::set_reuse_port),
        help: "let other processes of the same user listen on the same port",
        more: "The system distributes new connections among the processes. For restarts without a lost request, let a \
               service manager pass the socket instead: see SOCKETS.",
    },
    Flag {
        name: "max-connections",
        letter: None,
        action: Action::One("N", Options::set_max_connections),
        help: "connections at a time (default: as many as file descriptors allow)",
        more: "At the limit, the connection that has been idle longest is closed for a new one. If no connection is \
               idle, new ones wait.",
    },
    Flag {
        name: "max-connections-per-peer",
        letter: None,
        action: Action::One("N", Options::set_max_connections_per_peer),
        help: "connections of one address at a time (default: no limit)",
        more: "Further connections are closed without a response.",
    },
    Flag {
        name: "head-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_head_timeout),
        help: "time to receive the head of a request, from its first byte to its last, 0 for no limit (default: 10)",
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
        help: "time without progress while receiving the body of a request, 0 for no limit (default: 30)",
        more: "A client that reads nothing of its response for this time is closed if connections or memory run short.",
    },
    Flag {
        name: "send-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_send_timeout),
        help: "time without progress while sending a response, 0 for no limit (default: 600)",
        more: "",
    },
    Flag {
        name: "body-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_body_timeout),
        help: "time to receive the body of a request, 0 for no limit (default: 30)",
        more: "Only the time that the server waits for the client counts. Every --body-rate bytes that arrive extend \
               it by a second.",
    },
    Flag {
        name: "body-rate",
        letter: None,
        action: Action::One("N", Options::set_body_rate),
        help: "bytes per second that the body of a request must bring after --body-timeout, 0 for no limit (default: \
               500)",
        more: "",
    },
    Flag {
        name: "user",
        letter: None,
        action: Action::One("NAME", Options::set_user),
        help: "user to switch to after the port is bound and the log is open",
        more: "The program gives up all groups except that user's own. If a step fails, it does not start. For SIGHUP, \
               the user must be able to open the log file and to read the file of --config, certificates and keys.",
    },
    Flag {
        name: "chroot",
        letter: None,
        action: Action::One("DIRECTORY", Options::set_chroot),
        help: "directory to make the root of all paths after the port is bound and the log is open",
        more: "The program then looks for the directory to serve and for the pages below it; without --directory, all \
               of it is served. Use it with --user: a program that runs as root can leave it. On SIGHUP, no settings \
               are read, and a log file outside of the new root stays open, because it cannot be opened again: a line \
               on standard error or in the log says so.",
    },
    Flag {
        name: "sandbox",
        letter: None,
        action: Action::Switch(Options::set_sandbox),
        help: "let the kernel restrict the program to reading the served directory (Linux, Landlock)",
        more: "The program can still write to the folder of the log file, and read the folders of certificates and keys. It cannot read the file of --config again, \
               unless the file is in the directory. It cannot connect to anything. Symbolic links that lead out of the \
               directory are refused. If the kernel has no Landlock, the program does not start. --cgi is refused, \
               because no script could be run.",
    },
    Flag {
        name: "config",
        letter: None,
        action: Action::One("FILE", Options::set_config),
        help: "TOML file with options under their long names",
        more: "The command line takes precedence over the environment, and the environment over the file. Paths in the \
               file are relative to the working directory. On SIGHUP the file is read again: see SIGNALS.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi",
        letter: None,
        action: Action::Switch(Options::set_cgi),
        help: "run the programs in /cgi-bin and /htbin of the directory instead of sending them",
        more: "They follow the Common Gateway Interface, RFC 3875. Without --auth, every client that can reach the \
               port can run them. --auth, --base-path and --hidden apply to scripts too. If the server runs as root, \
               scripts run as nobody.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-env",
        letter: None,
        action: Action::Many("NAME", Options::add_cgi_env),
        help: "variable of the environment to pass to scripts; may be repeated",
        more: "Otherwise, scripts get only PATH and the variables that describe the request.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-user",
        letter: None,
        action: Action::One("USER", Options::set_cgi_user),
        help: "user that scripts run as if the server runs as root: a name, or UID:GID (default: nobody)",
        more: "Scripts get the user's group, and no other groups.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_timeout),
        help: "time for a script from its start to its end, 0 for no limit (default: 900)",
        more: "After it, the script and all processes of its group are terminated, and the response is cut short.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-first-byte",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_first_byte),
        help: "time for a script to send the head of its response, 0 for no limit (default: 55)",
        more: "It begins when the script starts, and again when the script reads a part of the request's body. After \
               it, the response is 504. A request that waits this long for its script to be started gets 503.",
    },
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    Flag {
        name: "cgi-max",
        letter: None,
        action: Action::One("N", Options::set_cgi_max),
        help: "scripts that run at a time; further requests wait (default: 64)",
        more: "",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "bench-endpoints",
        letter: None,
        action: Action::Maybe("PREFIX", Options::set_bench_endpoints),
        help: "answer paths for benchmarks and tests of clients, such as /bytes/1000, before the files",
        more: "The endpoints are below PREFIX, a path such as /httpbin, or at the root. They are for this machine and \
               test networks: any client may ask for a body of a gibibyte or for a second of the program's time, and \
               --auth does not apply to them. docs/harness.md lists them.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "dataset",
        letter: None,
        action: Action::One("FILE", Options::set_dataset),
        help: "JSON file with the items of the endpoint /json/N (default: 50 built-in items)",
        more: "It is an array of objects, each with the whole numbers price and quantity. It has no effect without \
               --bench-endpoints.",
    },
    Flag {
        name: "trace",
        letter: None,
        action: Action::One("FILE", Options::set_trace),
        help: "write a trace of the loop and the first connections to FILE, for https://ui.perfetto.dev",
        more: "It shows every turn of the loop, and of each connection the states, the waits, and every read and write. A \
               request line is the only text of a client in it. An existing file is emptied. A trace is for looking, not for \
               load: a request takes about 2 kB.",
    },
    Flag {
        name: "trace-connections",
        letter: None,
        action: Action::One("N", Options::set_trace_connections),
        help: "connections that the trace shows, counted from the start (default: 64)",
        more: "The loop itself is always shown.",
    },
    Flag {
        name: "trace-limit",
        letter: None,
        action: Action::One("MIB", Options::set_trace_limit),
        help: "largest size of the trace in MiB (default: 64)",
        more: "The last event of a full trace says that it is full.",
    },
    Flag {
        name: "explain",
        letter: None,
        action: Action::Maybe("N", Options::set_explain),
        help: "say in sentences on standard error what happens to the N-th connection, or to all (without N: the first)",
        more: "",
    },
    Flag {
        name: "max-read",
        letter: None,
        action: Action::One("N", Options::set_max_read),
        help: "read at most N bytes at a time from a client, once a turn of the loop (default: no limit)",
        more: "For watching and testing: requests then arrive in small parts. Timeouts stay as they are.",
    },
    Flag {
        name: "max-write",
        letter: None,
        action: Action::One("N", Options::set_max_write),
        help: "write at most N bytes at a time to a client, once a turn of the loop (default: no limit)",
        more: "For watching and testing: responses then leave in small parts.",
    },
    Flag {
        name: "slow-motion",
        letter: None,
        action: Action::One("MS", Options::set_slow_motion),
        help: "milliseconds that a connection pauses after a read of --max-read or a write of --max-write bytes \
               (default: none)",
        more: "The loop does not sleep: other connections are served meanwhile. A pause longer than --send-timeout ends \
               the connection.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault",
        letter: None,
        action: Action::Many("KIND:RATE[:KEY=VALUE,...]", Options::add_fault),
        help: "give this share of the responses a fault, such as close:0.1:body=100; may be repeated, the first that \
               applies counts",
        more: "RATE is a number from 0 to 1. KIND is reset, close, empty, stall, bad-chunk, garbage, drip, rate, \
               latency, status, length, duplicate-head, early-hints, late-100 or deaf; docs/harness.md has their keys. A \
               fault has a line in the log. Without --faults-anywhere, the address must be a loopback address.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "fault-seed",
        letter: None,
        action: Action::One("N", Options::set_fault_seed),
        help: "seed that decides which responses have a fault (default: 0)",
        more: "With the same seed, the same requests have a fault, counted in the order in which they arrive.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "faults-anywhere",
        letter: None,
        action: Action::Switch(Options::set_faults_anywhere),
        help: "allow faults on addresses that other machines can reach",
        more: "",
    },
    Flag {
        name: "port-file",
        letter: None,
        action: Action::One("FILE", Options::set_port_file),
        help: "file to write the port to when the program listens; removed at its end",
        more: "The file appears as a whole: the port and a newline, written to FILE.tmp, which is then renamed. It is \
               removed if it still has this port and if the user of --user may write to its directory.",
    },
    Flag {
        name: "ready",
        letter: None,
        action: Action::One("FORM", Options::set_ready),
        help: "the line on standard output when the program is ready: python or json (default: python)",
        more: "json is one object with port, addresses (a list), pid, version, and nonce, 16 hexadecimal digits that \
               are new at each start.",
    },
    Flag {
        name: "ready-fd",
        letter: None,
        action: Action::One("N", Options::set_ready_fd),
        help: "open descriptor to write the line of --ready json to when the program is ready, and then to close",
        more: "1 is the same as --ready json. The service managers s6 and dinit wait for this line. Connections that \
               are made after it are served. This option and --healthcheck are not settings of --config and the \
               environment.",
    },
    Flag {
        name: "nonce-header",
        letter: None,
        action: Action::Switch(Options::set_nonce_header),
        help: "send the nonce of this start in all responses, as X-Serve-Nonce",
        more: "A client that knows the nonce of --ready json can tell this program from an older one on the same port.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats",
        letter: None,
        action: Action::Maybe("PATH", Options::set_stats),
        help: "report counters at a URL path: JSON, or text for Prometheus (without PATH: /__stats)",
        more: "?format=prometheus gives the text, and so does an Accept field with text/plain;version=0.0.4. POST to \
               PATH/reset begins a new window for percentiles and maxima. Clients on loopback addresses get the \
               report; for all others there is nothing at the path.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats-from",
        letter: None,
        action: Action::Many("NETWORK", Options::add_stats_from),
        help: "network whose clients get the report of --stats, such as 10.0.0.0/8, instead of loopback; may be \
               repeated",
        more: "Only the address of the connection counts, and no field of the request.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats-on-exit",
        letter: None,
        action: Action::Maybe("FILE", Options::set_stats_on_exit),
        help: "write the counters as one line of JSON at the end (without FILE: to standard output)",
        more: "",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "health",
        letter: None,
        action: Action::Maybe("PATH", Options::set_health),
        help: "respond at a URL path with 200, and with 503 once the end has begun (without PATH: /__health)",
        more: "With --lame-duck, a load balancer can see it in time.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "exit-after",
        letter: None,
        action: Action::One("N", Options::set_exit_after),
        help: "end after N responses",
        more: "Every final response counts when its last byte has left, errors included. Requests that have begun are \
               answered too.",
    },
    Flag {
        name: "idle-exit",
        letter: None,
        action: Action::One("SECONDS", Options::set_idle_exit),
        help: "end after this time without a request",
        more: "It begins anew when a connection is accepted or closed and when a response is complete. Connections \
               without a request in progress do not count.",
    },
    Flag {
        name: "duration",
        letter: None,
        action: Action::One("SECONDS", Options::set_duration),
        help: "end after this time",
        more: "",
    },
    Flag {
        name: "exit-with-stdin",
        letter: None,
        action: Action::Switch(Options::set_exit_with_stdin),
        help: "end when standard input ends, which must be a pipe or a socket",
        more: "So the program ends with the process that started it. What it reads is discarded.",
    },
    Flag {
        name: "lame-duck",
        letter: None,
        action: Action::One("SECONDS", Options::set_lame_duck),
        help: "time to go on serving after SIGTERM or SIGINT, before --grace begins",
        more: "Load balancers can see in this time that the program ends: the service manager gets STOPPING=1 at its \
               beginning. A second signal ends this time.",
    },
    Flag {
        name: "cpu",
        letter: None,
        action: Action::One("N", Options::set_cpu),
        help: "core to run on, counted from 0 (Linux)",
        more: "The threads that verify passwords run there too.",
    },
    Flag {
        name: "exit-codes",
        letter: None,
        action: Action::One("TABLE", Options::set_exit_codes),
        help: "exit statuses, coarse or fine (default: coarse). coarse: 0 for a clean end, 1 for a failure, 2 for an \
               invalid option. fine has in addition 3 for an address that cannot be bound, 4 for a directory or a \
               file that is missing, unreadable or not writable, 5 for a certificate or key that cannot be used, and \
               6 if the end cut responses",
        more: "",
    },
    Flag {
        name: "healthcheck",
        letter: None,
        action: Action::One("URL", Options::set_healthcheck),
        help: "do not serve: get the http URL, and exit with 0 if the status is 2xx within 5 seconds, else with 1",
        more: "It is for containers without another client. All other options are ignored. Redirects are not followed.",
    },
    Flag {
        name: "quiet",
        letter: Some('q'),
        action: Action::Switch(Options::set_quiet),
        help: "do not log requests",
        more: "Errors of the server itself are still printed.",
    },
];

/// Finds a flag by its name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The flags whose long name begins with `start`.
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
    fn help_does_not_end_in_a_full_stop_and_details_do() {
        for flag in FLAGS {
            assert!(!flag.help.is_empty() && !flag.help.ends_with('.'), "{flag}");
            assert!(flag.more.is_empty() || flag.more.ends_with('.'), "{flag}");
        }
    }
}
