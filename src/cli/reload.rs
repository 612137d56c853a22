//! SIGHUP: settings are read again, and what can change while the program runs does.
//!
//! It is all or nothing. Whatever the new settings need is read, opened and made before anything of the old ones is
//! given up, so that a typing error costs one line and nobody a request. What only a start can change stays as it is,
//! and is named.
//!
//! Invariant: nothing here waits, and nothing here ends the program.

use std::time::SystemTime;

use super::exit::Exit;
use super::options::Options;
use super::scripts::{self, Scripts};
use super::site::{self, check_file};
use super::sources::Sources;
use super::words::shown;
use super::{conflicts, logging};
use crate::Reload;
use crate::log::AccessLog;
use crate::service::Service;

/// Changes a running server as its settings say.
pub(super) struct Reloader {
    sources: Sources,
    /// What stands.
    options: Options,
    scripts: Scripts,
    /// Standard error, where the log is elsewhere.
    aside: AccessLog,
}

/// What has been made of settings, and only has to be put into its place.
struct Prepared {
    options: Options,
    log: AccessLog,
    service: Box<dyn Service + Send>,
    /// The settings that were to change and cannot.
    kept: Vec<&'static str>,
}

impl Reloader {
    /// For a server that was made of these options.
    pub(super) fn new(sources: Sources, options: Options, scripts: Scripts) -> Reloader {
        Reloader { sources, options, scripts, aside: AccessLog::stderr() }
    }

    /// Reads the settings again and has the server follow them, or says why not.
    pub(super) fn reload(&mut self, server: &Reload<'_>) {
        match self.prepare() {
            Ok(Prepared { options, log, service, kept }) => {
                server.set_service(service);
                server.set_limits(options.limits.clone());
                server.set_protocol(options.protocol);
                // The name was checked when the settings were read.
                _ = server.set_server_name(site::server_name(&options));
                server.set_log(log);
                self.options = options;
                self.say(server, &format!("settings read again{}", self.from()));
                if !kept.is_empty() {
                    self.say(server, &format!("takes effect at the next start: {}", kept.join(", ")));
                }
            }
            Err(exit) => self.say(server, &format!("settings not changed: {}", exit.reason())),
        }
    }

    fn prepare(&mut self) -> Result<Prepared, Exit> {
        if self.options.confinement.chroot.is_some() {
            // Under the new root, what has the name of the file may be anybody's.
            return Err(Exit::failure("with --chroot they are read at the start only"));
        }
        self.options.config.iter().try_for_each(|path| check_file(path))?;
        let mut options = self.sources.read()?;
        let kept = keep(&mut options, &self.options);
        conflicts::check(&options)?;
        options.site.auth_file.iter().try_for_each(|path| check_file(path))?;
        let script_user = scripts::user(&options)?;
        let files = site::service(&options, site::accounts(&options)?)?;
        let log = logging::log(&options)?;
        let gate = files.gate();
        let scripts = self.scripts.beside(files, script_user, &options).map_err(Exit::failure)?;
        let service = site::off_loop(gate, scripts);
        Ok(Prepared { options, log, service, kept })
    }

    /// ` from 'FILE'`.
    fn from(&self) -> String {
        let file = self.options.config.as_ref().or(self.options.site.auth_file.as_ref());
        file.map(|path| format!(" from '{}'", shown(path.as_os_str()))).unwrap_or_default()
    }

    /// Writes a line to standard error, which is where the log is unless somebody said otherwise.
    fn say(&mut self, server: &Reload<'_>, text: &str) {
        if self.options.log.file.is_none() && !self.options.quiet {
            return server.message(text);
        }
        self.aside.message(None, text, SystemTime::now());
        self.aside.flush();
    }
}

/// Leaves what only a start can change as it was, and says what of it was to change.
fn keep(next: &mut Options, present: &Options) -> Vec<&'static str> {
    let mut kept = Vec::new();
    kept.extend(keep_one("port", &mut next.port, &present.port));
    kept.extend(keep_one("bind", &mut next.bind, &present.bind));
    kept.extend(keep_one("reuse-port", &mut next.reuse_port, &present.reuse_port));
    if present.confinement.sandbox {
        kept.extend(keep_one("directory", &mut next.directory, &present.directory));
    }
    let (changed, stands) = (&mut next.confinement, &present.confinement);
    kept.extend(keep_one("user", &mut changed.user, &stands.user));
    kept.extend(keep_one("chroot", &mut changed.chroot, &stands.chroot));
    kept.extend(keep_one("sandbox", &mut changed.sandbox, &stands.sandbox));
    kept.extend(keep_one("cgi", &mut next.scripts.run, &present.scripts.run));
    kept
}

fn keep_one<T: Clone + PartialEq>(name: &'static str, next: &mut T, present: &T) -> Option<&'static str> {
    if next == present {
        return None;
    }
    next.clone_from(present);
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_only_a_start_can_change_is_kept_and_named() {
        let mut present = Options::default();
        let mut next = Options { port: 1, bind: Some("::1".into()), reuse_port: true, ..Options::default() };
        next.directory = PathBuf::from("elsewhere");
        next.confinement.user = Some("nobody".into());
        next.confinement.chroot = Some("/".into());
        next.confinement.sandbox = true;
        next.scripts.run = true;
        next.quiet = true;
        let mut merged = next.clone();
        let kept = keep(&mut merged, &present);
        assert_eq!(kept, ["port", "bind", "reuse-port", "user", "chroot", "sandbox", "cgi"]);
        assert_eq!(merged, Options { quiet: true, directory: "elsewhere".into(), ..Options::default() });
        present.confinement.sandbox = true;
        assert_eq!(keep(&mut next, &present)[3], "directory", "the sandbox has no other");
        assert_eq!(next, Options { quiet: true, ..present });
    }
}
