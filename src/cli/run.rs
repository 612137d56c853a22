//! From options to a running server: bind, say so, serve, end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::exit::{Code, Exit};
use super::options::Options;
use super::parse;
use crate::files::FileService;
use crate::log::AccessLog;
use crate::proto::Limits;
use crate::{HttpServer, ListenOptions, SignalAction, Stopped};

/// The program: does what the words of a command line (without the program's name) ask for, and says how it ended.
pub fn run(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    match parse(args).and_then(|options| serve(&options)) {
        Ok(()) => Code::Success.into(),
        Err(exit) => exit.report(),
    }
}

/// Serves until a signal comes. Everything that can be wrong is found out before the first client is let in.
fn serve(options: &Options) -> Result<(), Exit> {
    let mut files = FileService::builder(&options.directory);
    for (name, value) in &options.headers {
        files = files.extra_header(name, value.clone());
    }
    if let Some(content_type) = &options.content_type {
        files = files.default_type(content_type);
    }
    let files = files.build().map_err(Exit::failure)?;
    let log = if options.quiet { AccessLog::off() } else { AccessLog::stderr() };
    let mut server = listen(options)
        .and_then(|listener| HttpServer::from_listeners(vec![listener]))
        .and_then(|server| server.stop_on_signals(SIGNALS))
        .and_then(|server| with_service(server, files, options))
        .map_err(Exit::failure)?
        .protocol(options.protocol)
        .limits(Limits { last_call: LAST_CALL, ..Limits::default() })
        .release_on_drain(true)
        .log(log);
    // Whoever started us may wait for this line, or may have closed its end: neither is a reason not to serve.
    _ = say(&ready_line(server.server_address()));
    match server.serve_forever().map_err(Exit::failure)? {
        Stopped::BySignal(SIGINT) => _ = say("\nKeyboard interrupt received, exiting.\n"),
        Stopped::BySignal(_) | Stopped::ByStopper => {}
    }
    Ok(())
}

/// Has the files served, and scripts run if that was asked for.
#[cfg(all(feature = "cgi", target_os = "linux"))]
fn with_service(server: HttpServer, files: FileService, options: &Options) -> io::Result<HttpServer> {
    use crate::cgi::{CgiService, ScriptUser};
    if !options.cgi {
        return Ok(server.service(files));
    }
    let mut scripts = CgiService::builder(&options.directory).pass_env(&options.cgi_env);
    if let Some(user) = &options.cgi_user {
        scripts = scripts.user(ScriptUser::named(user)?);
    }
    Ok(server.service(scripts.build(files)?))
}

/// Has the files served.
#[cfg(not(all(feature = "cgi", target_os = "linux")))]
fn with_service(server: HttpServer, files: FileService, _: &Options) -> io::Result<HttpServer> {
    Ok(server.service(files))
}

/// Ctrl-C ends at once, as Python does (contract row CL15); a service manager's signal lets downloads end (CL16).
const SIGNALS: &[(i32, SignalAction)] = &[(SIGINT, SignalAction::Stop), (SIGTERM, SignalAction::Drain)];

/// A service manager restarts programs under load: their clients then have this long for one more request.
const LAST_CALL: Duration = Duration::from_millis(500);

/// Binds what was asked for; without an address, all of them: IPv6 and IPv4 by one socket where the system can, else
/// IPv4 (contract rows CL03, CL04).
fn listen(options: &Options) -> io::Result<TcpListener> {
    let (listen, port) = (ListenOptions::default(), options.port);
    let Some(host) = &options.bind else {
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        return listen.bind(&everywhere.map(|address| SocketAddr::new(address, port))[..]);
    };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on '{host}': {error}"));
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port)).map_err(named)?;
    listen.bind(&addresses.collect::<Vec<_>>()[..])
}

/// Python's line, which scripts wait for and read the port from (contract row CL14).
fn ready_line(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    let in_url = if host.is_ipv6() { format!("[{host}]") } else { host.to_string() };
    format!("Serving HTTP on {host} port {port} (http://{in_url}:{port}/) ...\n")
}

/// Prints and flushes at once, also into a pipe.
fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_pythons() {
        let line = |address: &str| ready_line(address.parse().unwrap());
        assert_eq!(line("127.0.0.1:8000"), "Serving HTTP on 127.0.0.1 port 8000 (http://127.0.0.1:8000/) ...\n");
        assert_eq!(line("[::]:80"), "Serving HTTP on :: port 80 (http://[::]:80/) ...\n");
    }
}
