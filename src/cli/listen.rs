//! Where the program listens: on a socket that it was given, or on one that it binds.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use listenfd::ListenFd;

use super::options::Options;
use crate::ListenOptions;

/// The sockets to serve on. Those that a service manager hands down (`LISTEN_FDS`, as systemd does it) count before
/// the port and the address.
pub(super) fn listeners(options: &Options) -> io::Result<Vec<TcpListener>> {
    let handed_down = handed_down()?;
    if handed_down.is_empty() { Ok(vec![bind(options)?]) } else { Ok(handed_down) }
}

fn handed_down() -> io::Result<Vec<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("LISTEN_FDS: {error}"));
    (0..sockets.len()).filter_map(|at| sockets.take_tcp_listener(at).map_err(named).transpose()).collect()
}

/// Binds what was asked for; without an address, all of them: IPv6 and IPv4 by one socket where the system can, else
/// IPv4 (contract rows CL03, CL04).
fn bind(options: &Options) -> io::Result<TcpListener> {
    let listen = ListenOptions { reuse_port: options.reuse_port, ..ListenOptions::http() };
    let port = options.port;
    let Some(host) = &options.bind else {
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        return listen.bind(&everywhere.map(|address| SocketAddr::new(address, port))[..]);
    };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on '{host}': {error}"));
    let addresses = (host.as_str(), port).to_socket_addrs().map_err(named)?;
    listen.bind(&addresses.collect::<Vec<_>>()[..])
}
