//! The listening sockets: inherited from a service manager, or bound here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use listenfd::ListenFd;

use super::options::Options;
use crate::ListenOptions;

/// The sockets to serve on. If a service manager such as systemd passes sockets (`LISTEN_FDS`), the port and the
/// address from the options are ignored.
pub(super) fn listeners(options: &Options) -> io::Result<Vec<TcpListener>> {
    let inherited = inherited()?;
    if inherited.is_empty() { Ok(vec![bind(options, options.port)?]) } else { Ok(inherited) }
}

/// The sockets that `LISTEN_FDS` passes to this process; empty if there are none.
fn inherited() -> io::Result<Vec<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("LISTEN_FDS: {error}"));
    (0..sockets.len()).filter_map(|at| sockets.take_tcp_listener(at).map_err(named).transpose()).collect()
}

/// Binds `port` on the address from the options, or on all interfaces if the options contain no address. All interfaces
/// are bound with one IPv6 socket that also accepts IPv4 or, if that fails, with an IPv4 socket.
pub(super) fn bind(options: &Options, port: u16) -> io::Result<TcpListener> {
    let listen = ListenOptions { reuse_port: options.reuse_port, ..ListenOptions::http() };
    let Some(host) = &options.bind else {
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        return listen.bind(&everywhere.map(|address| SocketAddr::new(address, port))[..]);
    };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on '{host}': {error}"));
    // Resolving the name may block on a DNS lookup, which is acceptable because nothing is served yet.
    let addresses = (host.as_str(), port).to_socket_addrs().map_err(named)?;
    listen.bind(&addresses.collect::<Vec<_>>()[..])
}
