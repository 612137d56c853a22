//! Starting a script.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;

use super::environment::Variables;
use super::script::{NoScript, Script};
use super::user::{ScriptUser, check_groups};
use crate::http::Status;
use crate::service::Response;

/// Starts a script in its own directory, in a process group of its own, with this environment and nothing else of the
/// server's: every descriptor that the server has is closed in its children. It gets no arguments; a query that looks
/// like one (RFC 3875 section 4.4, contract row CG14) would be taken for options by many a program.
///
/// # Errors
/// What the system says; the script does not run then. [`refusal`] makes a response of it.
pub(super) fn spawn(
    script: &Script,
    environment: Variables,
    user: Option<ScriptUser>,
    has_body: bool,
) -> io::Result<Child> {
    let mut command = Command::new(&script.file);
    if let Some(directory) = script.file.parent() {
        command.current_dir(directory);
    }
    if let Some(user) = user {
        check_groups()?;
        // Setting the user drops the other groups too.
        command.gid(user.gid()).uid(user.uid());
    }
    command
        .env_clear()
        .envs(environment)
        .process_group(0)
        .stdin(if has_body { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// The response when a script could not be started: the client's fault, the system's, the script's, or ours because
/// privileges could not be dropped (contract row CG15).
pub(super) fn refusal(error: &io::Error, script: &Script) -> Response {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS) => NoScript::NotExecutable(script.name.clone()).response(),
        Some(Errno::TOOBIG) => Response::error(Status::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => Response::error(Status::SERVICE_UNAVAILABLE),
        Some(Errno::PERM | Errno::INVAL) => Response::error(Status::INTERNAL_SERVER_ERROR),
        _ => Response::error(Status::BAD_GATEWAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_it_is() {
        let script = Script { file: "/x".into(), name: b"/cgi-bin/x".to_vec(), path_info: Vec::new() };
        for (errno, code) in [
            (Errno::ACCESS, 403),
            (Errno::TOOBIG, 431),
            (Errno::AGAIN, 503),
            (Errno::MFILE, 503),
            (Errno::PERM, 500),
            (Errno::NOENT, 502),
            (Errno::NOEXEC, 502),
        ] {
            assert_eq!(refusal(&errno.into(), &script).status.code(), code, "{errno}");
        }
    }
}
