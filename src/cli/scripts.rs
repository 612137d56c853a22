//! Builds the service that runs CGI scripts in addition to the files. `no_scripts.rs` replaces this file in a build
//! without scripts.

use std::io;

use super::exit::Exit;
use super::options::{Options, ScriptOptions};
use super::words::shown;
use crate::cgi::{CgiLimits, CgiService, ScriptUser};
use crate::files::FileService;
use crate::service::Service;

/// Looks up the user that `--cgi-user` names. Must be called before the root changes, because it reads `/etc/passwd`.
pub(super) fn user(options: &Options) -> Result<Option<ScriptUser>, Exit> {
    let unknown = |name: &str| {
        let name = shown(name.as_ref());
        Exit::usage(format_args!("argument --cgi-user: no user '{name}' (must be in /etc/passwd, or UID:GID)"))
    };
    options.scripts.user.as_ref().map(|name| ScriptUser::named(name).map_err(|_| unknown(name))).transpose()
}

/// Builds the service that runs scripts at startup, and a new one at each reload. Each new service takes over the
/// running scripts of the previous one.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    previous: Option<CgiService>,
}

impl Scripts {
    /// Wraps the service for the files, so that with `--cgi` it also runs scripts.
    pub(super) fn beside(
        &mut self,
        files: FileService,
        user: Option<ScriptUser>,
        options: &Options,
    ) -> io::Result<Box<dyn Service + Send>> {
        if !options.scripts.run {
            return Ok(Box::new(files));
        }
        let mut scripts = CgiService::builder(&options.directory)
            .pass_env(&options.scripts.variables)
            .gate_of(&files)
            .base_path(&options.site.base_path)
            .hidden(!options.site.hidden)
            .limits(limits(&options.scripts))
            // Reaping consumes the exit status of any child, which is safe because no other part of the program starts
            // children and waits for their status.
            .reap_orphans(true);
        if let Some(user) = user {
            scripts = scripts.user(user);
        }
        if let Some(previous) = &self.previous {
            scripts = scripts.taking_over(previous);
        }
        let scripts = scripts.build(files)?;
        self.previous = Some(scripts.clone());
        Ok(Box::new(scripts))
    }
}

/// The limits on scripts. If no option sets a limit, it has the library's default.
fn limits(scripts: &ScriptOptions) -> CgiLimits {
    let default = CgiLimits::default();
    CgiLimits {
        live: scripts.max_running.unwrap_or(default.live),
        first_byte: scripts.first_byte.unwrap_or(default.first_byte),
        whole: scripts.timeout.unwrap_or(default.whole),
        ..default
    }
}
