//! The manual page and the completions, which are kept in `docs/` and checked here against the table of flags.
//!
//! They are made by a test and not by the program, so that the program does not carry their generators. After a
//! change of the table, `UPDATE_PAGES=1 cargo test pages` writes them anew.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::flags::NAME;
use super::parser::command;

/// What the table of flags does not know: how the program ends.
const ENDINGS: &str = "\
.SH CONFIGURATION FILE
The file that \\fB\\-\\-config\\fR names is TOML with the long names of the options as keys. A switch is true or false.
An option that may be repeated takes an array, or a table if its values are pairs; an option without a value is true.
A key that is not known is an error.
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
Each option can be set by a variable: SERVE_FOREVER_LOG_FILE is \\fB\\-\\-log\\-file\\fR.
A switch is 1 or 0. What may be repeated has one value a line, and a header field is NAME: VALUE.
An empty variable is as good as none; a variable with this beginning that is no option is an error.
Where a cluster makes such variables of the names of its services, switch that off (enableServiceLinks in Kubernetes).
.PP
For each option the command line counts before the environment, and the environment before the file.
.SH SOCKETS
A service manager can hand down sockets that listen already, as systemd does by LISTEN_FDS and LISTEN_PID. They count
before the port and the address. As the manager keeps them open, the program can be restarted without losing a
request: start the new process, wait for its ready line, send SIGTERM to the old one.
.SH SIGNALS
SIGINT ends the program at once.
SIGTERM lets it finish the answers that it has begun, for a limited time.
SIGHUP has it open the log file again, and read the files of \\-\\-config and \\-\\-auth\\-file again; the command line and
the environment still count before them. What has changed holds for the requests that begin then. Nobody is cut off:
what has begun is answered as it was going to be. A line on standard error says so, or names what is wrong with its file
and line: then all settings stay as they were. Another one names what takes effect at the next start only: port, bind,
reuse\\-port, user, chroot, sandbox, cgi, and the directory of a sandbox.
Without any of these files SIGHUP is ignored, unless standard error is a terminal: then it ends the program at once,
because the terminal is gone.
.SH EXIT STATUS
.TP
0
a signal ended the program, or it was asked for help or its version
.TP
1
it could not start or go on: one line on standard error names the reason
.TP
2
the command line, the environment or the configuration file is wrong, and nothing was started
";

/// Holds a page in `docs/` against what it should be, or writes it if that was asked for.
fn check(path: &str, page: &[u8]) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
    }
    let kept = std::fs::read(&path).unwrap_or_default();
    assert!(kept == page, "{} is not up to date: run UPDATE_PAGES=1 cargo test pages", path.display());
}

#[test]
fn the_manual_page_is_up_to_date() {
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page).unwrap();
    page.extend_from_slice(ENDINGS.as_bytes());
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
