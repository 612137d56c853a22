//! From options to a service that runs scripts beside the files.

use std::io;

use super::exit::Exit;
use super::options::{Options, ScriptOptions};
use super::words::shown;
use crate::cgi::{CgiLimits, CgiService, ScriptUser};
use crate::files::FileService;
use crate::service::Service;

/// The user that `--cgi-user` names, who has to be found before the root changes.
pub(super) fn user(options: &Options) -> Result<Option<ScriptUser>, Exit> {
    let unknown = |name: &str| {
        let name = shown(name.as_ref());
        Exit::usage(format_args!("argument --cgi-user: no user '{name}' (must be one of /etc/passwd, or UID:GID)"))
    };
    options.scripts.user.as_ref().map(|name| ScriptUser::named(name).map_err(|_| unknown(name))).transpose()
}

/// Makes services that run scripts. Each of them takes over the scripts that its predecessor has started.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    before: Option<CgiService>,
}

impl Scripts {
    /// The service for the files, with scripts beside them if that was asked for.
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
            .hidden(options.site.hidden)
            .limits(limits(&options.scripts))
            // No other part of the program starts children whose status could be lost.
            .reap_orphans(true);
        if let Some(user) = user {
            scripts = scripts.user(user);
        }
        if let Some(before) = &self.before {
            scripts = scripts.taking_over(before);
        }
        let scripts = scripts.build(files)?;
        self.before = Some(scripts.clone());
        Ok(Box::new(scripts))
    }
}

fn limits(scripts: &ScriptOptions) -> CgiLimits {
    let default = CgiLimits::default();
    CgiLimits {
        live: scripts.most.unwrap_or(default.live),
        first_byte: scripts.first_byte.unwrap_or(default.first_byte),
        whole: scripts.timeout.unwrap_or(default.whole),
        ..default
    }
}
