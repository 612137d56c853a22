//! Builds the server from the options, and runs it: bind, give up privileges, announce, serve, end.
//!
//! Each part of the server is built elsewhere; this file has their order.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::exit::{Code, Exit};
use super::options::Options;
use super::ready::{Bound, announce};
use super::reload::Reloader;
use super::scripts::Scripts;
use super::sources::Sources;
use super::{confine, conflicts, listen, logging, sandbox, scripts, site};
use crate::memory::room_for_buffers;
use crate::{HttpServer, SignalAction, Stopped};

/// Runs the program with these arguments, which do not include its name, and returns its exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    match Sources::new(args).and_then(|sources| serve(&sources.read()?, sources)) {
        Ok(()) => Code::Success.into(),
        Err(exit) => exit.report(),
    }
}

/// Serves until a signal arrives. Every error of the configuration is reported before the first connection is accepted.
fn serve(options: &Options, sources: Sources) -> Result<(), Exit> {
    conflicts::check(options)?;
    let (accounts, user) = (site::accounts(options)?, confine::user(options)?);
    let script_user = scripts::user(options)?;
    let mut log = logging::log(options)?;
    let reads_again = options.config.is_some() || options.site.auth_file.is_some();
    let signals = signals(reads_again || log.path().is_some());
    let listeners = listen::listeners(options).map_err(Exit::failure)?;
    let bound = Bound::of(&listeners);
    // This caches its result. It reads files in /proc and /sys, which cannot be opened any more after the confinement.
    _ = room_for_buffers();
    // The listeners and the log are open, so privileges can go. The files to serve are looked up afterwards: their
    // paths are relative to the new root, and the new user must be able to read them.
    if let Some(root) = &options.confinement.chroot {
        log = log.below(root);
        confine::change_root(root)?;
    }
    if let Some(user) = &user {
        confine::become_user(user)?;
    }
    let files = site::service(options, accounts)?;
    if options.confinement.sandbox {
        let pages: Vec<_> = site::pages(options).collect();
        sandbox::restrict(pages.iter().map(PathBuf::as_path).chain([options.directory.as_path()]), log.path())?;
    }
    let mut scripts = Scripts::default();
    let gate = files.gate();
    let service = site::off_loop(gate, scripts.beside(files, script_user, options).map_err(Exit::failure)?);
    let mut server = HttpServer::from_listeners(listeners)
        .and_then(|server| server.stop_on_signals(&signals))
        .map_err(Exit::failure)?
        .service(service)
        .server_name(site::server_name(options))
        .map_err(Exit::failure)?
        .protocol(options.protocol)
        .limits(options.limits.clone())
        .release_on_drain(true)
        .pace(options.watch.pace)
        .log(log);
    if reads_again {
        let mut reloader = Reloader::new(sources, options.clone(), scripts);
        server = server.on_reload(move |server| reloader.reload(server));
    }
    announce(server.server_address(), &bound, &options.site.base_path);
    // Only SIGINT has a message, as in Python.
    match server.serve_forever().map_err(Exit::failure)? {
        Stopped::BySignal(SIGINT) => _ = say("\nKeyboard interrupt received, exiting.\n"),
        Stopped::BySignal(_) | Stopped::ByStopper => {}
    }
    Ok(())
}

/// The signals to handle. SIGINT (Ctrl-C) stops at once, as in Python. SIGTERM drains: responses in flight are
/// finished. SIGHUP reloads files. Without any files it is ignored, unless standard error is a terminal: then it is not
/// handled, because it means that the terminal is gone.
fn signals(has_files: bool) -> Vec<(i32, SignalAction)> {
    let mut signals = vec![(SIGINT, SignalAction::Stop), (SIGTERM, SignalAction::Drain)];
    if has_files || !io::stderr().is_terminal() {
        signals.push((SIGHUP, SignalAction::Reload));
    }
    signals
}

/// Prints a text to standard output, and flushes it so that a reader of a pipe gets it at once.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
