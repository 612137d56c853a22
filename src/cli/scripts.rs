//! From options to a service that runs scripts beside the files.

use std::io;
use std::time::Duration;

use super::exit::Exit;
use super::options::Options;
#[cfg(any(test, all(feature = "cgi", target_os = "linux")))]
use super::options::ScriptOptions;
use super::words::shown;
#[cfg(all(feature = "cgi", target_os = "linux"))]
use crate::cgi::{CgiLimits, CgiService, ScriptUser};
use crate::files::{FileService, Symlinks};
use crate::service::Service;

/// Refuses switches that cannot be obeyed: a symbolic link cannot be kept from being followed when a script is started,
/// and the settings of scripts need scripts.
pub(super) fn check(options: &Options) -> Result<(), Exit> {
    let scripts = &options.scripts;
    if scripts.run {
        return match options.site.symlinks {
            Symlinks::Follow => Ok(()),
            _ => Err(Exit::usage("argument --cgi: not allowed with argument --symlinks")),
        };
    }
    let seconds = |time: &Duration| time.as_secs_f64().to_string();
    let without_scripts = [
        ("--cgi-env", scripts.variables.first().map(|name| shown(name))),
        ("--cgi-user", scripts.user.clone()),
        ("--cgi-timeout", scripts.timeout.as_ref().map(seconds)),
        ("--cgi-first-byte", scripts.first_byte.as_ref().map(seconds)),
        ("--cgi-max", scripts.most.map(|most| most.to_string())),
    ];
    match without_scripts.into_iter().find_map(|(switch, value)| Some((switch, value?))) {
        Some((switch, value)) => {
            Err(Exit::usage(format_args!("argument {switch}: '{value}' is only allowed with --cgi")))
        }
        None => Ok(()),
    }
}

/// The user that `--cgi-user` names, who has to be found before the root changes.
#[cfg(all(feature = "cgi", target_os = "linux"))]
pub(super) fn user(options: &Options) -> Result<Option<ScriptUser>, Exit> {
    let unknown = |name: &str| {
        let name = shown(name.as_ref());
        Exit::usage(format_args!("argument --cgi-user: no user '{name}' (must be one of /etc/passwd, or UID:GID)"))
    };
    options.scripts.user.as_ref().map(|name| ScriptUser::named(name).map_err(|_| unknown(name))).transpose()
}

/// The user of scripts, where there are none.
#[cfg(not(all(feature = "cgi", target_os = "linux")))]
pub(super) fn user(_: &Options) -> Result<Option<ScriptUser>, Exit> {
    Ok(None)
}

#[cfg(not(all(feature = "cgi", target_os = "linux")))]
pub(super) type ScriptUser = std::convert::Infallible;

/// Makes services that run scripts. Each of them takes over the scripts that its predecessor has started.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    #[cfg(all(feature = "cgi", target_os = "linux"))]
    before: Option<CgiService>,
}

impl Scripts {
    /// The service for the files, with scripts beside them if that was asked for.
    #[cfg(all(feature = "cgi", target_os = "linux"))]
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

    /// The service for the files.
    #[cfg(not(all(feature = "cgi", target_os = "linux")))]
    pub(super) fn beside(
        &mut self,
        files: FileService,
        _: Option<ScriptUser>,
        _: &Options,
    ) -> io::Result<Box<dyn Service + Send>> {
        Ok(Box::new(files))
    }
}

#[cfg(all(feature = "cgi", target_os = "linux"))]
fn limits(scripts: &ScriptOptions) -> CgiLimits {
    let default = CgiLimits::default();
    CgiLimits {
        live: scripts.most.unwrap_or(default.live),
        first_byte: scripts.first_byte.unwrap_or(default.first_byte),
        whole: scripts.timeout.unwrap_or(default.whole),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &Options) -> String {
        check(options).unwrap_err().text().trim_end().rsplit('\n').next().unwrap_or_default().to_owned()
    }

    #[test]
    fn links_cannot_be_refused_for_scripts() {
        let mut options = Options::default();
        options.site.symlinks = Symlinks::Deny;
        assert!(check(&options).is_ok());
        options.scripts.run = true;
        assert!(refused(&options).ends_with("argument --cgi: not allowed with argument --symlinks"));
        options.site.symlinks = Symlinks::Follow;
        options.site.hidden = false;
        options.site.base_path = "/b".into();
        options.site.accounts.push(crate::files::Account::new("a", "b"));
        assert!(check(&options).is_ok());
    }

    #[test]
    fn settings_of_scripts_need_scripts() {
        let time = std::time::Duration::from_millis(2500);
        for (scripts, why) in [
            (ScriptOptions { user: Some("web".into()), ..ScriptOptions::default() }, "--cgi-user: 'web'"),
            (ScriptOptions { variables: vec!["A".into()], ..ScriptOptions::default() }, "--cgi-env: 'A'"),
            (ScriptOptions { timeout: Some(time), ..ScriptOptions::default() }, "--cgi-timeout: '2.5'"),
            (ScriptOptions { first_byte: Some(Duration::ZERO), ..ScriptOptions::default() }, "--cgi-first-byte: '0'"),
            (ScriptOptions { most: Some(3), ..ScriptOptions::default() }, "--cgi-max: '3'"),
        ] {
            let mut options = Options { scripts, ..Options::default() };
            assert!(refused(&options).ends_with(&format!("argument {why} is only allowed with --cgi")), "{why}");
            options.scripts.run = true;
            assert!(check(&options).is_ok());
        }
    }
}
