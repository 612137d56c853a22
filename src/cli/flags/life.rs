//! The flags that control the life of the process: how it announces that it is ready, which reports it writes, and when
//! it ends.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const LIFE: &[Flag] = &[
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
