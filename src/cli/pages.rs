//! Tests that the manual page and the completions in `docs/` match the table of flags.
//!
//! The tests can also regenerate these files, so the program itself does not contain the generators. After a change to
//! the table, run `UPDATE_PAGES=1 cargo test --lib pages`.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::flags::NAME;
use super::parser::command;

/// The sections of the manual page that are not generated from the table of flags.
const SECTIONS: &str = "\
.SH CONFIGURATION FILE
The file that \\fB\\-\\-config\\fR names is TOML with the long names of the options as keys.
An option without a value is set to true or false. An option that may be repeated is set to an array, or to a table if
its values are pairs. An option whose value may be left out may be true. An unknown key is an error.
.PP
.nf
port = 8080
directory = \"site\"
no\\-listing = true
index = [\"index.html\", \"README.md\"]
cache = { \"*.html\" = \"no\\-cache\", \"*.js\" = 3600 }
header = { X\\-Frame\\-Options = \"DENY\" }
.fi
.SH ENVIRONMENT
Each option can be set by a variable: SERVE_FOREVER_LOG_FILE sets \\fB\\-\\-log\\-file\\fR.
An option without a value is set to 1 or 0. An option that may be repeated has one value per line, and a header field
is written as NAME: VALUE. An empty variable is ignored. A variable that begins with SERVE_FOREVER_ and names no option is an error.
If a cluster generates such variables from the names of its services, turn this off (enableServiceLinks in Kubernetes).
.PP
For each option, the command line takes precedence over the environment, and the environment over the file.
.SH SOCKETS
A service manager can pass listening sockets, as systemd does with LISTEN_FDS and LISTEN_PID. They take precedence over
the port and the address. Because the manager keeps the sockets open, the program can be restarted without losing a
request: start the new process, wait for the line that it prints when it is ready, and send SIGTERM to the old process.
.SH SIGNALS
SIGINT stops the program immediately.
SIGTERM stops it after it has completed the responses in flight, within a time limit (\\-\\-grace).
SIGHUP makes it open the log file again, and read the files of \\-\\-config, \\-\\-auth\\-file and \\-\\-tls\\-cert again,
with keys, password and client authorities.
The command line and the environment still take precedence. The new settings apply to requests that begin afterwards.
No connection is closed. A line on standard error confirms the reload. If a file has an error, the line contains the file,
the number of the line in it, and the error, and no setting is changed. Another line names the options that have changed
but take effect only at the next start: port, bind, reuse\\-port, user, chroot, sandbox, cgi, tls\\-self\\-signed, redirect\\-http, max\\-read, max\\-write, slow\\-motion, trace,
trace\\-connections, trace\\-limit, explain, the directory of a sandbox, and the options for the start and the end of the program, from port\\-file to exit\\-codes.
Without any of these files, SIGHUP is ignored, or, if standard error is a terminal, ends the program immediately, because
the terminal has been closed.
.SH READINESS
When the program listens, and before it accepts the first connection, it announces this in the following order: in the
file of \\-\\-port\\-file, by the line on standard output, by a line on the descriptor of \\-\\-ready\\-fd, and by READY=1 to
the socket that the variable NOTIFY_SOCKET names. When it begins to end, it sends STOPPING=1 to that socket.
.SH END
The program ends after a signal, and when \\-\\-duration, \\-\\-idle\\-exit, \\-\\-exit\\-after or \\-\\-exit\\-with\\-stdin requires it.
Each of these options has the effect of SIGTERM: no further connection is accepted, idle connections are closed, and
responses in flight have the time of \\-\\-grace to complete. After another signal, the program does not wait for them.
.SH EXIT STATUS
.TP
0
the program ended as requested, or printed the help or the version
.TP
1
the program could not start or continue: a line on standard error contains the reason
.TP
2
the command line, the environment or the configuration file has an error, and the server was not started
.PP
With \\-\\-exit\\-codes fine, some failures have a status of their own:
.TP
3
the address could not be bound
.TP
4
the directory, or a file that an option names, is missing, unreadable or not writable
.TP
5
the certificate or its key cannot be used
.TP
6
responses were cut short when the program ended, after \\-\\-grace or because of a second signal
";

/// Compares a file in `docs/` with `page`. If `UPDATE_PAGES` is set, writes `page` to the file first.
fn check(path: &str, page: &[u8]) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
    }
    let present = std::fs::read(&path).unwrap_or_default();
    assert!(present == page, "{} is not up to date: run UPDATE_PAGES=1 cargo test --lib pages", path.display());
}

#[test]
fn the_manual_page_is_up_to_date() {
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page).unwrap();
    page.extend_from_slice(SECTIONS.as_bytes());
    check("serve-forever.1", &page);
}

#[test]
fn the_completions_are_up_to_date() {
    for (shell, path) in [
        (Shell::Bash, "completions/serve-forever.bash"),
        (Shell::Zsh, "completions/_serve-forever"),
        (Shell::Fish, "completions/serve-forever.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), NAME, &mut script);
        check(path, &script);
    }
}
