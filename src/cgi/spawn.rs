//! Starts a script as a child process.
//!
//! The environment is built in `environment`, and the child is watched in `reaper`.
//!
//! Invariant: if a user is specified, the script runs as that user, with that user's group and no other group, or does
//! not run.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;

use super::environment::Variables;
use super::script::{NoScript, Script};
use super::user::{ScriptUser, check_groups};
use crate::http::Status;
use crate::service::Response;

/// Starts a script in its own directory and its own process group, with this environment. The script inherits only the
/// descriptors of its three pipes. It receives no arguments, because many programs would parse a query in an argument
/// (RFC 3875 section 4.4) as options.
///
/// # Errors
/// Returns any error from the operating system. The script then does not run, and [`refusal`] builds the response.
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
        // Setting the user also drops the supplementary groups.
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

/// The error response for a script that could not be started. The status is 403 if the file is not executable, 431 if
/// the environment is too large because of the request's fields, 503 if the system is short of resources, 500 if
/// privileges could not be dropped, and 502 for any other error, for example if the script's interpreter does not
/// exist.
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
    fn the_status_depends_on_the_error_of_the_system() {
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
