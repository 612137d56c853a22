//! The flags that control the life of the process: how it announces that it is ready, which reports it writes, and when
//! it ends.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const LIFE: &[Flag] = &[
    Flag {
        name: "port-file",
        letter: None,
        action: Action::One("FILE", Options::set_port_file),
        help: "file to write the port to when the program listens; removed when the program ends",
        more: "The port and a newline are written to FILE.tmp, which is then renamed, so FILE is never incomplete. \
               FILE is removed only if it still contains this port and if the user of --user may write to its \
               directory.",
    },
    Flag {
        name: "ready",
        letter: None,
        action: Action::One("FORM", Options::set_ready),
        help: "form of the line that the program prints when it is ready: python or json (default: python)",
        more: "json is one object with port, addresses (a list), pid, version and nonce. The nonce consists of 16 \
               hexadecimal digits and differs for each run of the program.",
    },
    Flag {
        name: "ready-fd",
        letter: None,
        action: Action::One("N", Options::set_ready_fd),
        help: "open descriptor to which the line of --ready json is written when the program is ready; it is then \
               closed",
        more: "1 is the same as --ready json. The service managers s6 and dinit wait for this line. Connections that \
               are opened after it are served. This option and --healthcheck cannot be set by --config or by the \
               environment.",
    },
    Flag {
        name: "nonce-header",
        letter: None,
        action: Action::Switch(Options::set_nonce_header),
        help: "send the nonce of this run in all responses, as X-Serve-Nonce",
        more: "A client that knows the nonce of --ready json can distinguish this program from an older one on the \
               same port.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats",
        letter: None,
        action: Action::Maybe("PATH", Options::set_stats),
        help: "report counters at a URL path: JSON, or text for Prometheus (without PATH: /__stats)",
        more: "?format=prometheus selects the text, and so does an Accept field with text/plain;version=0.0.4. POST to \
               PATH/reset begins a new window for percentiles and maxima. Only clients on loopback addresses get the \
               report; for all other clients, the path has no special meaning.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats-from",
        letter: None,
        action: Action::Many("NETWORK", Options::add_stats_from),
        help: "network whose clients get the report of --stats, such as 10.0.0.0/8, instead of loopback; may be \
               repeated",
        more: "Only the address of the connection counts, not a header field such as X-Forwarded-For.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "stats-on-exit",
        letter: None,
        action: Action::Maybe("FILE", Options::set_stats_on_exit),
        help: "write the counters as one line of JSON when the program ends (without FILE: to standard output)",
        more: "",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "health",
        letter: None,
        action: Action::Maybe("PATH", Options::set_health),
        help: "respond at a URL path with 200, and with 503 once the program has begun to end (without PATH: \
               /__health)",
        more: "With --lame-duck, a load balancer has time to notice the 503.",
    },
    #[cfg(feature = "harness")]
    Flag {
        name: "exit-after",
        letter: None,
        action: Action::One("N", Options::set_exit_after),
        help: "end after N responses",
        more: "Every final response counts when its last byte has been sent, including errors. Requests that have \
               begun by then still get their responses.",
    },
    Flag {
        name: "idle-exit",
        letter: None,
        action: Action::One("SECONDS", Options::set_idle_exit),
        help: "end after this time without a request",
        more: "The time begins again when a connection is accepted or closed and when a response is complete. \
               Connections without a request in progress do not count.",
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
        more: "If standard input is a pipe from the process that started it, the program ends with that process. The \
               input is discarded.",
    },
    Flag {
        name: "lame-duck",
        letter: None,
        action: Action::One("SECONDS", Options::set_lame_duck),
        help: "time to continue serving after SIGTERM or SIGINT, before --grace begins",
        more: "During this time, load balancers can notice that the program is about to end: the service manager gets \
               STOPPING=1 at its beginning. A second signal ends this time.",
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
               invalid option. fine: also 3 for an address that cannot be bound, 4 for a directory or a file that is \
               missing, unreadable or not writable, 5 for a certificate or key that cannot be used, and 6 if responses \
               were cut short at the end",
        more: "",
    },
    Flag {
        name: "healthcheck",
        letter: None,
        action: Action::One("URL", Options::set_healthcheck),
        help: "do not serve: request the http URL, and exit with 0 if the response has a 2xx status within 5 seconds, \
               else with 1",
        more: "This option is for containers without another HTTP client. All other options are ignored. Redirects are \
               not followed.",
    },
    Flag {
        name: "quiet",
        letter: Some('q'),
        action: Action::Switch(Options::set_quiet),
        help: "do not log requests",
        more: "Errors of the server itself are still printed.",
    },
];
