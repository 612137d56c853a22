//! The flags for logging, limits and privileges.

use crate::cli::flag::{Action, Flag};
use crate::cli::options::Options;

pub(super) const OPERATION: &[Flag] = &[
    Flag {
        name: "log-format",
        letter: None,
        action: Action::One("FORMAT", Options::set_log_format),
        help: "format of the log: python, common, combined or json (default: python)",
        more: "common and combined are Apache's formats. json is one object per line, with time, address, user, \
               request, status, bytes, duration in seconds, referer and user_agent. If the response was cut short, the \
               object also has cut, which is the reason; the other formats have a separate line with the reason before \
               the line of the request. Text from a client cannot end a line or a field, and cannot control a \
               terminal.",
    },
    Flag {
        name: "log-file",
        letter: None,
        action: Action::One("FILE", Options::set_log_file),
        help: "file for the log (default: standard error)",
        more: "Lines are appended. On SIGHUP the file is opened again by its name, so that the old file can be renamed \
               first.",
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
        help: "maximum number of open connections (default: as many as file descriptors allow)",
        more: "At the limit, the connection that has been idle longest is closed to make room for a new one. If no \
               connection is idle, new ones wait.",
    },
    Flag {
        name: "max-connections-per-peer",
        letter: None,
        action: Action::One("N", Options::set_max_connections_per_peer),
        help: "maximum number of open connections from one address (default: no limit)",
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
        help: "time between two requests on a connection, 0 for no limit (default: 15)",
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
        help: "minimum rate of a request body after --body-timeout, in bytes per second, 0 for no limit (default: 500)",
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
        help: "directory that becomes the root of all paths after the port is bound and the log is open",
        more: "The directory to serve, and the pages that options name, are then looked up below the new root; without \
               --directory, the whole new root is served. Use this option with --user: a program that runs as root can \
               leave the new root. On SIGHUP, no settings are read, and a log file outside the new root stays open, \
               because it cannot be opened again: a line on standard error or in the log reports this.",
    },
    Flag {
        name: "sandbox",
        letter: None,
        action: Action::Switch(Options::set_sandbox),
        help: "let the kernel restrict the program to reading the served directory (Linux, Landlock)",
        more: "The program can still write to the folder of the log file, and read the folders of certificates and \
               keys. It cannot read the file of --config again, unless the file is in the directory. It cannot open \
               connections to other programs. Symbolic links that lead out of the directory are refused. If the kernel \
               has no Landlock, the program does not start. --cgi is refused, because no script could run.",
    },
    Flag {
        name: "config",
        letter: None,
        action: Action::One("FILE", Options::set_config),
        help: "TOML file with options under their long names",
        more: "The command line takes precedence over the environment, and the environment over the file. Paths in the \
               file are relative to the working directory. On SIGHUP the file is read again: see SIGNALS.",
    },
];
