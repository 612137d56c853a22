//! The response to SIGHUP: rereads the options and applies them to the running server.
//!
//! A reload takes effect in full or not at all. Every file is read and opened, and every service is built, before the
//! server is changed, so that a typo in a file results in a log line instead of failed requests. Options that can
//! change only at startup keep their values, and the log names them.
//!
//! Invariant: no function here waits or ends the program.

use std::time::SystemTime;

#[cfg(feature = "harness")]
use super::bench;
use super::exit::Exit;
use super::options::{LifeOptions, Options};
use super::scripts::{self, Scripts};
use super::site::{self, check_file};
use super::sources::Sources;
use super::statistics::Reports;
use super::tls::{self, Tls};
use super::words::shown;
use super::{conflicts, logging};
use crate::Reload;
use crate::log::AccessLog;
use crate::service::Service;

/// Applies changed options to a running server.
pub(super) struct Reloader {
    sources: Sources,
    /// The options that are in effect.
    options: Options,
    scripts: Scripts,
    /// The TLS configuration that is in effect.
    tls: Option<Tls>,
    reports: Reports,
    /// A log on standard error, for messages while the access log goes to a file or is off.
    stderr: AccessLog,
}

/// The parts that the reloaded options require, built but not yet in use.
struct Prepared {
    options: Options,
    log: AccessLog,
    service: Box<dyn Service + Send>,
    tls: Option<Tls>,
    /// The names of the changed options that take effect only at startup.
    kept: Vec<&'static str>,
}

impl Reloader {
    /// Creates a reloader for a server that was built from these options.
    pub(super) fn new(
        sources: Sources,
        options: Options,
        scripts: Scripts,
        tls: Option<Tls>,
        reports: Reports,
    ) -> Reloader {
        Reloader { sources, options, scripts, tls, reports, stderr: AccessLog::stderr() }
    }

    /// Rereads the options and applies them. If that is not possible, logs the reason.
    pub(super) fn reload(&mut self, server: &Reload<'_>) {
        match self.prepare() {
            Ok(Prepared { options, log, service, tls, kept }) => {
                server.set_service(service);
                server.set_limits(options.limits.clone());
                server.set_protocol(options.protocol);
                // This cannot fail, because the value of `Server` was checked when the options were parsed.
                _ = server.set_server_name(site::server_name(&options));
                server.set_log(log);
                let remarks = tls.as_ref().map(|tls| tls::renew(server, tls, &options)).unwrap_or_default();
                (self.options, self.tls) = (options, tls);
                self.say(server, &format!("settings reloaded{}", self.from()));
                remarks.iter().for_each(|line| self.say(server, line));
                if !kept.is_empty() {
                    self.say(server, &format!("takes effect only at the next start: {}", kept.join(", ")));
                }
            }
            Err(exit) => self.say(server, &format!("settings not changed: {}", exit.reason())),
        }
    }

    /// Builds everything that the new options require, without changing the server.
    fn prepare(&mut self) -> Result<Prepared, Exit> {
        if self.options.confinement.chroot.is_some() {
            // After a chroot, the path of the configuration file could lead to a different file from the one that the
            // operator chose.
            return Err(Exit::failure("with --chroot, settings are read only at startup"));
        }
        self.options.config.iter().try_for_each(|path| check_file(path))?;
        let mut options = self.sources.read()?;
        let kept = keep(&mut options, &self.options);
        conflicts::check(&options)?;
        options.site.auth_file.iter().try_for_each(|path| check_file(path))?;
        tls::files(&options.tls).try_for_each(check_file)?;
        let tls = tls::configuration(&options, self.tls.as_ref())?;
        let script_user = scripts::user(&options)?;
        let files = site::service(&options, site::accounts(&options)?)?;
        let log = logging::log(&options)?;
        let gate = files.gate();
        let scripts = self.scripts.beside(files, script_user, &options).map_err(Exit::failure)?;
        let service = site::off_loop(gate, scripts);
        #[cfg(feature = "harness")]
        let service = bench::before(service, &options)?;
        let service = self.reports.before(service, &options);
        Ok(Prepared { options, log, service, tls, kept })
    }

    /// The text ` from 'FILE'` for log messages. `FILE` is the first of these that is configured: the configuration
    /// file, the account file, the first certificate file. The text is empty if no such file is configured.
    fn from(&self) -> String {
        let Options { config, site, tls, .. } = &self.options;
        let file = config.as_ref().or(site.auth_file.as_ref()).or(tls.certificates.first());
        file.map(|path| format!(" from '{}'", shown(path.as_os_str()))).unwrap_or_default()
    }

    /// Writes a line to standard error. If the access log is also written to standard error, the line goes through the
    /// log, so that the lines stay in order.
    fn say(&mut self, server: &Reload<'_>, text: &str) {
        if self.options.log.file.is_none() && !self.options.quiet {
            return server.message(text);
        }
        self.stderr.message(None, text, SystemTime::now());
        self.stderr.flush();
    }
}

/// Keeps the current values of options that cannot change without a restart. Returns the names of the options that
/// differed.
fn keep(next: &mut Options, present: &Options) -> Vec<&'static str> {
    let mut kept = Vec::new();
    kept.extend(keep_one("port", &mut next.port, &present.port));
    kept.extend(keep_one("bind", &mut next.bind, &present.bind));
    kept.extend(keep_one("reuse-port", &mut next.reuse_port, &present.reuse_port));
    // The sandbox was built for the current directory and cannot be extended to another one.
    if present.confinement.sandbox {
        kept.extend(keep_one("directory", &mut next.directory, &present.directory));
    }
    let (changed, stands) = (&mut next.confinement, &present.confinement);
    kept.extend(keep_one("user", &mut changed.user, &stands.user));
    kept.extend(keep_one("chroot", &mut changed.chroot, &stands.chroot));
    kept.extend(keep_one("sandbox", &mut changed.sandbox, &stands.sandbox));
    kept.extend(keep_one("cgi", &mut next.scripts.run, &present.scripts.run));
    let (changed, stands) = (&mut next.tls, &present.tls);
    kept.extend(keep_one("tls-self-signed", &mut changed.self_signed, &stands.self_signed));
    kept.extend(keep_one("redirect-http", &mut changed.redirect_http, &stands.redirect_http));
    // Clients expect the same protocol at the same port, so a reload cannot turn TLS on or off.
    if changed.certificates.is_empty() != stands.certificates.is_empty() {
        kept.extend(keep_one("tls-cert", changed, stands));
    }
    let (changed, stands) = (&mut next.watch.pace, &present.watch.pace);
    kept.extend(keep_one("max-read", &mut changed.max_read, &stands.max_read));
    kept.extend(keep_one("max-write", &mut changed.max_write, &stands.max_write));
    kept.extend(keep_one("slow-motion", &mut changed.pause, &stands.pause));
    let (changed, stands) = (&mut next.watch, &present.watch);
    kept.extend(keep_one("trace", &mut changed.trace, &stands.trace));
    kept.extend(keep_one("trace-connections", &mut changed.trace_connections, &stands.trace_connections));
    kept.extend(keep_one("trace-limit", &mut changed.trace_limit, &stands.trace_limit));
    kept.extend(keep_one("explain", &mut changed.explain, &stands.explain));
    keep_life(&mut next.life, &present.life, &mut kept);
    // The counters, the response limit of `--exit-after` and the file for the final report are set up at startup, so a
    // reload cannot change them.
    #[cfg(feature = "harness")]
    {
        let (changed, stands) = (&mut next.statistics, &present.statistics);
        kept.extend(keep_one("exit-after", &mut changed.exit_after, &stands.exit_after));
        kept.extend(keep_one("stats", &mut changed.path, &stands.path));
        kept.extend(keep_one("stats-on-exit", &mut changed.on_exit, &stands.on_exit));
    }
    kept
}

/// Keeps the options that control the life of the process, because they took effect at startup.
fn keep_life(next: &mut LifeOptions, present: &LifeOptions, kept: &mut Vec<&'static str>) {
    kept.extend(keep_one("port-file", &mut next.port_file, &present.port_file));
    kept.extend(keep_one("ready", &mut next.ready, &present.ready));
    kept.extend(keep_one("nonce-header", &mut next.nonce_header, &present.nonce_header));
    kept.extend(keep_one("idle-exit", &mut next.idle_exit, &present.idle_exit));
    kept.extend(keep_one("duration", &mut next.duration, &present.duration));
    kept.extend(keep_one("exit-with-stdin", &mut next.exit_with_stdin, &present.exit_with_stdin));
    kept.extend(keep_one("lame-duck", &mut next.lame_duck, &present.lame_duck));
    kept.extend(keep_one("cpu", &mut next.cpu, &present.cpu));
    kept.extend(keep_one("exit-codes", &mut next.exit_codes, &present.exit_codes));
}

/// Keeps the current value of one option, discarding the reloaded one. Returns its name if the two differed.
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
    fn options_that_only_a_start_can_change_keep_their_values_and_are_named() {
        let mut present = Options::default();
        let mut next = Options { port: 1, bind: Some("::1".into()), reuse_port: true, ..Options::default() };
        next.directory = PathBuf::from("elsewhere");
        next.confinement.user = Some("nobody".into());
        next.confinement.chroot = Some("/".into());
        next.confinement.sandbox = true;
        next.scripts.run = true;
        next.watch.pace.max_read = std::num::NonZeroUsize::new(1);
        next.life.cpu = Some(0);
        next.life.nonce_header = true;
        next.quiet = true;
        let mut merged = next.clone();
        let kept = keep(&mut merged, &present);
        let names =
            ["port", "bind", "reuse-port", "user", "chroot", "sandbox", "cgi", "max-read", "nonce-header", "cpu"];
        assert_eq!(kept, names);
        assert_eq!(merged, Options { quiet: true, directory: "elsewhere".into(), ..Options::default() });
        present.confinement.sandbox = true;
        assert_eq!(keep(&mut next, &present)[3], "directory", "the sandbox has no other directory");
        assert_eq!(next, Options { quiet: true, ..present });
    }
}
