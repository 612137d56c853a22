//! Builds the server from the options, and runs it: binds the sockets, drops privileges, announces that the program is
//! ready, serves, and shuts down.
//!
//! The parts of the server are built in other files; this file determines the order of the steps.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::fs::{FileType, fstat};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::announcer::{Announcer, pin};
#[cfg(feature = "harness")]
use super::bench;
use super::exit::{Code, Exit};
use super::flags::NAME;
use super::options::{ExitCodes, LifeOptions, Options};
use super::ready::{Bound, Scheme, say};
use super::redirect::Redirect;
use super::reload::Reloader;
use super::scripts::Scripts;
use super::sources::Sources;
use super::statistics::Reports;
use super::{confine, conflicts, health_check, listen, logging, sandbox, scripts, site, tls, watching};
use crate::log::AccessLog;
use crate::memory::room_for_buffers;
use crate::{HttpServer, Lifetime, SignalAction, Stopped};

/// The name of the header field that `--nonce-header` adds to responses.
const NONCE: &str = "X-Serve-Nonce";

/// Runs the program with these arguments, which do not include its name, and returns its exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let mut codes = ExitCodes::default();
    match start(args, &mut codes) {
        Ok(code) => code.status(codes).into(),
        Err(exit) => exit.report(codes),
    }
}

/// Reads the options, then runs the health check or the server. Sets `codes` as soon as `--exit-codes` is known.
fn start(args: impl IntoIterator<Item = OsString>, codes: &mut ExitCodes) -> Result<Code, Exit> {
    let sources = Sources::new(args)?;
    let fixed = sources.without_file()?;
    *codes = fixed.life.exit_codes;
    if let Some(url) = &fixed.life.healthcheck {
        return health_check::check(url).map(|()| Code::Success);
    }
    let options = sources.read()?;
    *codes = options.life.exit_codes;
    serve(&options, sources)
}

/// Serves until a signal arrives, or until an option such as `--idle-exit` ends the run. Configuration errors are
/// reported before the first connection is accepted.
fn serve(options: &Options, sources: Sources) -> Result<Code, Exit> {
    let mut announcer = Announcer::new(&options.life)?;
    conflicts::check(options)?;
    check_input(&options.life)?;
    options.life.cpu.map(pin).transpose()?;
    // Private keys are read while the program still has permission to read them.
    let tls = tls::configuration(options, None)?;
    let (accounts, user) = (site::accounts(options)?, confine::user(options)?);
    let script_user = scripts::user(options)?;
    let mut log = logging::log(options)?;
    let trace = watching::open(options)?;
    let reads_again =
        options.config.is_some() || options.site.auth_file.is_some() || !options.tls.certificates.is_empty();
    let signals = signals(reads_again || log.path().is_some());
    let listeners = listen::listeners(options).map_err(|error| Exit::of(Code::Bind, error))?;
    #[cfg(feature = "harness")]
    bench::check_addresses(&listeners, options)?;
    let bound = Bound::of(&listeners);
    announcer.write_port_file(&options.life, &bound)?;
    let mut redirect = Redirect::open(options)?;
    let reports = Reports::new(options, &announcer)?;
    // This call reads files in /proc and /sys that are inaccessible after the confinement. Later calls return the
    // cached result.
    _ = room_for_buffers();
    // The listeners and the log are open, so privileges can be dropped. The files to serve are looked up afterwards,
    // because their paths are relative to the new root and the new user must be able to read them.
    if let Some(root) = &options.confinement.chroot {
        log = log.below(root);
        redirect = redirect.map(|redirect| redirect.below(root));
    }
    confine::give_up(options, user.as_ref())?;
    let files = site::service(options, accounts)?;
    if options.confinement.sandbox {
        let others: Vec<_> = site::pages(options).chain(tls::folders(&options.tls)).collect();
        let readable = others.iter().map(PathBuf::as_path).chain([options.directory.as_path()]);
        let folders: Vec<_> = announcer.folder().into_iter().chain(reports.folder()).collect();
        sandbox::restrict(readable, log.path(), &folders)?;
    }
    let mut scripts = Scripts::default();
    let gate = files.gate();
    let service = site::off_loop(gate, scripts.beside(files, script_user, options).map_err(Exit::failure)?);
    #[cfg(feature = "harness")]
    let service = bench::before(service, options)?;
    let service = reports.before(service, options);
    let mut server = configured(options, listeners, log, &announcer, &reports)
        .and_then(|server| server.stop_on_signals(&signals))
        .map_err(Exit::failure)?
        .service(service);
    if let Some(redirect) = redirect {
        let port = server.server_address().port();
        server = server.with_companion(redirect.server(options, port).map_err(Exit::failure)?);
    }
    let scheme = Scheme::of(tls.is_some());
    if let Some(tls) = &tls {
        tls::remarks(options, tls).iter().for_each(|line| eprintln!("{NAME}: {line}"));
        server = tls::secured(server, tls, options);
    }
    server = watching::watch(server, options, trace);
    if reads_again {
        let mut reloader = Reloader::new(sources, options.clone(), scripts, tls, reports.clone());
        server = server.on_reload(move |server| reloader.reload(server));
    }
    announcer.ready(scheme, server.server_address(), &bound, &options.site.base_path);
    let stopped = server.serve_forever().map_err(Exit::failure)?;
    // Only SIGINT prints a message, as in Python.
    if stopped == Stopped::BySignal(SIGINT) {
        _ = say("\nKeyboard interrupt received, exiting.\n");
    }
    reports.finish(options)?;
    Ok(if server.cut_responses() > 0 { Code::Cut } else { Code::Success })
}

/// Builds a server on these listeners with all settings from the options, except its service and its signals.
fn configured(
    options: &Options,
    listeners: Vec<TcpListener>,
    log: AccessLog,
    announcer: &Announcer,
    reports: &Reports,
) -> io::Result<HttpServer> {
    let life = &options.life;
    let lifetime = Lifetime { duration: life.duration, idle: life.idle_exit, lame_duck: life.lame_duck };
    let mut server = HttpServer::from_listeners(listeners)?
        .server_name(site::server_name(options))?
        .protocol(options.protocol)
        .limits(options.limits.clone())
        .release_on_drain(true)
        .lifetime(lifetime)
        .on_stopping(stopping(announcer, reports))
        .log(log);
    if life.nonce_header {
        server = server.common_header(NONCE, announcer.nonce())?;
    }
    if life.exit_with_stdin {
        server = server.stop_at_end_of(io::stdin().as_fd().try_clone_to_owned()?);
    }
    Ok(reports.observe(server, options))
}

/// Returns a callback that reports that shutdown has begun.
fn stopping(announcer: &Announcer, reports: &Reports) -> impl FnMut() + Send + use<> {
    let (mut announce, reports) = (announcer.stopping(), reports.clone());
    move || {
        reports.set_draining();
        announce();
    }
}

/// With `--exit-with-stdin`, returns an error unless standard input is a pipe or a socket. A regular file would end the
/// program immediately, and the program does not read from a terminal.
fn check_input(life: &LifeOptions) -> Result<(), Exit> {
    let kind = || fstat(io::stdin()).map(|status| FileType::from_raw_mode(status.st_mode));
    match life.exit_with_stdin {
        true if !matches!(kind(), Ok(FileType::Fifo | FileType::Socket)) => {
            Err(Exit::usage("argument --exit-with-stdin: standard input must be a pipe or a socket"))
        }
        _ => Ok(()),
    }
}

/// The signals to handle. SIGINT (Ctrl-C) stops immediately, as in Python. SIGTERM drains: responses in flight are
/// finished. SIGHUP reloads files. If there are no files to reload, SIGHUP is ignored. The exception is a program whose
/// standard error is a terminal: there, SIGHUP means that the terminal was closed, so it keeps its default action.
fn signals(has_files: bool) -> Vec<(i32, SignalAction)> {
    let mut signals = vec![(SIGINT, SignalAction::Stop), (SIGTERM, SignalAction::Drain)];
    if has_files || !io::stderr().is_terminal() {
        signals.push((SIGHUP, SignalAction::Reload));
    }
    signals
}
