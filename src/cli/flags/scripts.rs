//! The flags for CGI scripts.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const SCRIPTS: &[Flag] = &[
    Flag {
        name: "cgi",
        letter: None,
        action: Action::Switch(Options::set_cgi),
        help: "run the programs in /cgi-bin and /htbin of the directory instead of sending them",
        more: "They follow the Common Gateway Interface, RFC 3875. Without --auth, every client that can reach the \
               port can run the programs. --auth, --base-path and --hidden apply to scripts too. If the server runs as \
               root, scripts run as nobody.",
    },
    Flag {
        name: "cgi-env",
        letter: None,
        action: Action::Many("NAME", Options::add_cgi_env),
        help: "variable of the environment to pass to scripts; may be repeated",
        more: "Otherwise, scripts get only PATH and the variables that describe the request.",
    },
    Flag {
        name: "cgi-user",
        letter: None,
        action: Action::One("USER", Options::set_cgi_user),
        help: "user for scripts if the server runs as root: a name, or UID:GID (default: nobody)",
        more: "Scripts get the user's group, and no other groups.",
    },
    Flag {
        name: "cgi-timeout",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_timeout),
        help: "time for a script from its start to its end, 0 for no limit (default: 900)",
        more: "When the time has passed, the script and all processes of its group are terminated, and the response is \
               cut short.",
    },
    Flag {
        name: "cgi-first-byte",
        letter: None,
        action: Action::One("SECONDS", Options::set_cgi_first_byte),
        help: "time for a script to send the head of its response, 0 for no limit (default: 55)",
        more: "The time begins when the script starts, and again whenever the script reads a part of the request body. \
               When it has passed, the response is 504. A request that waits this long for its script to start gets a \
               503.",
    },
    Flag {
        name: "cgi-max",
        letter: None,
        action: Action::One("N", Options::set_cgi_max),
        help: "maximum number of scripts that run at the same time; further requests wait (default: 64)",
        more: "",
    },
];
