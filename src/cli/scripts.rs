//! From options to a service that runs scripts beside the files.

use std::io;

use super::exit::Exit;
use super::options::Options;
#[cfg(all(feature = "cgi", target_os = "linux"))]
use crate::cgi::{CgiService, ScriptUser};
use crate::files::{FileService, Symlinks};
use crate::service::Service;

/// What guards the files does not guard the scripts among them: whoever asks for both is told so, instead of being left
/// with a door open.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    let site = &options.site;
    let guards = [
        ("--auth", !site.accounts.is_empty()),
        ("--auth-file", site.auth_file.is_some()),
        ("--base-path", site.base_path != "/"),
        ("--hidden deny", !site.hidden),
        ("--symlinks", site.symlinks != Symlinks::Follow),
    ];
    match guards.iter().find(|(_, given)| *given && options.scripts.run) {
        Some((guard, _)) => Err(Exit::usage(format_args!("argument --cgi: not allowed with argument {guard}"))),
        None => Ok(()),
    }
}

/// Makes services that run scripts, each of which takes over those that the one before has started.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    before: Option<CgiService>,
}

impl Scripts {
    /// Who serves the files, and runs scripts if that was asked for.
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    pub(super) fn beside(&mut self, files: FileService, options: &Options) -> io::Result<Box<dyn Service + Send>> {
        if !options.scripts.run {
            return Ok(Box::new(files));
        }
        let mut scripts = CgiService::builder(&options.directory).pass_env(&options.scripts.variables);
        if let Some(user) = &options.scripts.user {
            scripts = scripts.user(ScriptUser::named(user)?);
        }
        if let Some(before) = &self.before {
            scripts = scripts.taking_over(before);
        }
        let scripts = scripts.build(files)?;
        self.before = Some(scripts.clone());
        Ok(Box::new(scripts))
    }

    /// Who serves the files.
    #[cfg(not(all(feature = "cgi", target_os = "linux")))]
    pub(super) fn beside(&mut self, files: FileService, _: &Options) -> io::Result<Box<dyn Service + Send>> {
        Ok(Box::new(files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_do_not_hide_behind_what_guards_files() {
        let mut options = Options::default();
        options.site.hidden = false;
        assert!(check(&options).is_ok());
        options.scripts.run = true;
        let exit = check(&options).unwrap_err();
        assert!(exit.text().ends_with("argument --cgi: not allowed with argument --hidden deny\n"), "{}", exit.text());
        options.site.hidden = true;
        assert!(check(&options).is_ok());
        options.site.accounts.push(crate::files::Account::new("a", "b"));
        assert!(check(&options).is_err());
    }
}
