//! Listening sockets: the options that are set before a socket is bound, and the number of connections for which the
//! process has enough descriptors.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// Options for listening sockets.
///
/// ```
/// use serve_forever::{HttpServer, ListenOptions};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = ListenOptions { backlog: 128, reuse_port: true, ..ListenOptions::default() }.bind("127.0.0.1:0")?;
/// let server = HttpServer::from_listeners(vec![listener])?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the options listen by `bind`"]
pub struct ListenOptions {
    /// The number of connections that the system queues until they are accepted, like Python's `request_queue_size`.
    /// Default: 1024, so that a burst of clients is not refused; Python's default is 5.
    pub backlog: i32,
    /// Allows binding a port while connections of its previous listener are still in TIME_WAIT, like Python's
    /// `allow_reuse_address`. True by default. Ignored on Windows, where the socket option has a different meaning.
    pub reuse_address: bool,
    /// Allows several sockets to be bound to one port, like Python's `allow_reuse_port`. The system distributes the
    /// connections among the sockets. False by default. Only on Unix.
    pub reuse_port: bool,
    /// Lets a socket that is bound to the IPv6 wildcard address accept IPv4 clients too. True by default.
    pub dual_stack: bool,
    /// Makes the system report a connection only when its client has sent bytes, or after about a second, so that the
    /// loop can accept the connection and read its request in the same turn. False by default, because it suits only
    /// protocols in which the client speaks first. Ignored with `reuse_port`: if several processes share a port, the
    /// connections that one of them has not accepted are lost when it ends. Only on Linux (`TCP_DEFER_ACCEPT`).
    pub defer_accept: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions { backlog: 1024, reuse_address: true, reuse_port: false, dual_stack: true, defer_accept: false }
    }
}

impl ListenOptions {
    /// The default options for HTTP. They include `defer_accept`, because in HTTP the client speaks first.
    pub fn http() -> ListenOptions {
        ListenOptions { defer_accept: true, ..ListenOptions::default() }
    }

    /// Binds the first address that can be bound, and listens. The listener is non-blocking.
    ///
    /// # Errors
    /// Returns an error if there is no address, or if no address can be bound. In the latter case, the error names the
    /// last address and the reason.
    pub fn bind(&self, addresses: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to bind");
        for address in addresses.to_socket_addrs()? {
            match self.bind_one(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")),
            }
        }
        Err(last)
    }

    fn bind_one(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!self.dual_stack)?;
        }
        #[cfg(unix)]
        {
            socket.set_reuse_address(self.reuse_address)?;
            socket.set_reuse_port(self.reuse_port)?;
        }
        // On Linux and BSD, accepted sockets inherit `TCP_NODELAY`, which saves a system call for every connection.
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        if self.defer_accept && !self.reuse_port {
            defer_accept(&socket);
        }
        socket.listen(self.backlog)?;
        Ok(socket.into())
    }
}

/// Defers the acceptance of connections until input has arrived. An error is ignored, because the only consequence of a
/// failure is that the loop wakes earlier.
#[cfg(target_os = "linux")]
fn defer_accept(socket: &Socket) {
    // The kernel rounds this number up to the time of a SYN-ACK retransmission. The first one takes place after one
    // second.
    const SECONDS: u32 = 1;
    _ = nix::sys::socket::setsockopt(socket, option::DeferAccept, &SECONDS);
}

#[cfg(not(target_os = "linux"))]
fn defer_accept(_: &Socket) {}

#[cfg(target_os = "linux")]
mod option {
    use nix::{libc, setsockopt_impl, sockopt_impl};

    sockopt_impl!(
        /// The `TCP_DEFER_ACCEPT` option. Its value is the number of seconds after which a connection is reported even
        /// without input.
        DeferAccept,
        SetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_DEFER_ACCEPT,
        u32
    );
}

/// Converts an IPv4-mapped IPv6 address to the IPv4 address (RFC 4291 section 2.5.5.2), which a dual-stack socket
/// reports for an IPv4 client. Every other address is returned unchanged.
///
/// This must be called wherever an address enters the program, so that other code never sees the mapped form.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// The number of connections for which the process has enough descriptors. An eighth of the descriptors, but at least
/// 16, is reserved for files, child processes and logs.
pub(crate) fn descriptor_capacity() -> usize {
    let limit = descriptor_limit();
    limit.saturating_sub((limit / 8).max(16)).max(1)
}

#[cfg(unix)]
fn descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn descriptor_limit() -> usize {
    8192
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;

    /// Connects a silent client that sends nothing, and then a speaking client that sends one byte. Returns the name of
    /// the client that is accepted first.
    fn first_accepted(options: &ListenOptions) -> &'static str {
        let listener = options.bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(false).unwrap();
        let address = listener.local_addr().unwrap();
        let silent = TcpStream::connect(address).unwrap();
        let mut speaking = TcpStream::connect(address).unwrap();
        speaking.write_all(b"G").unwrap();
        let (_, peer) = listener.accept().unwrap();
        if peer == silent.local_addr().unwrap() { "silent" } else { "speaking" }
    }

    #[test]
    fn a_mapped_address_becomes_an_ipv4_address_and_other_addresses_are_unchanged() {
        let plain = |address: &str| unmapped(address.parse().unwrap()).to_string();
        assert_eq!(plain("[::ffff:1.2.3.4]:80"), "1.2.3.4:80");
        for other in ["1.2.3.4:80", "[::1]:80", "[::1.2.3.4]:80", "[fe80::1%3]:80", "[64:ff9b::1.2.3.4]:80"] {
            assert_eq!(unmapped(other.parse().unwrap()), other.parse().unwrap());
        }
    }

    #[test]
    fn defer_accept_delays_a_client_that_sends_nothing() {
        assert_eq!(first_accepted(&ListenOptions::http()), "speaking");
        assert_eq!(first_accepted(&ListenOptions::default()), "silent");
        let shared = ListenOptions { reuse_port: true, ..ListenOptions::http() };
        assert_eq!(first_accepted(&shared), "silent", "ignored with reuse_port");
    }
}
