//! Listening sockets: what has to be set before they are bound, and how many connections there is room for.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

/// How a listener is bound (contract rows SS20 to SS23).
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
pub struct ListenOptions {
    /// How many connections the system keeps until they are accepted: Python's `request_queue_size`, which is 5 there
    /// and 1024 here, so that a burst of clients is not refused.
    pub backlog: i32,
    /// Lets a port be bound whose last connections have not quite ended: Python's `allow_reuse_address`. True by
    /// default, and never done on Windows, where it means something else.
    pub reuse_address: bool,
    /// Lets several sockets be bound to one port, between which the system deals out the connections: Python's
    /// `allow_reuse_port`. False by default; only on Unix.
    pub reuse_port: bool,
    /// Has an IPv6 wildcard address serve IPv4 clients too. True by default.
    pub dual_stack: bool,
    /// Has the system keep a connection to itself until its client has sent something, or for about a second, so that
    /// accepting it and reading its request are one turn of the loop. False by default: it is only for protocols
    /// in which the client speaks first. Ignored with `reuse_port`, because who was not accepted yet could not be
    /// answered when one of several processes ends. Only on Linux (`TCP_DEFER_ACCEPT`).
    pub defer_accept: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions { backlog: 1024, reuse_address: true, reuse_port: false, dual_stack: true, defer_accept: false }
    }
}

impl ListenOptions {
    /// The default for HTTP, whose clients speak first: accepting waits for the request.
    pub fn http() -> ListenOptions {
        ListenOptions { defer_accept: true, ..ListenOptions::default() }
    }

    /// Binds the first of the addresses that can be bound, and listens. The listener does not block.
    ///
    /// # Errors
    /// If there is no address, or none can be bound: the error names the last one and says why.
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
        // Accepted sockets inherit this where the system is kind (Linux, BSD): it saves a call for every connection.
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

/// Has connections wait in the system until there is something to read. A system that cannot do it wakes us earlier.
#[cfg(target_os = "linux")]
fn defer_accept(socket: &Socket) {
    /// How long it waits; it counts in repetitions of its own packet, of which the first comes after a second.
    const SECONDS: u32 = 1;
    _ = nix::sys::socket::setsockopt(socket, option::DeferAccept, &SECONDS);
}

#[cfg(not(target_os = "linux"))]
fn defer_accept(_: &Socket) {}

#[cfg(target_os = "linux")]
mod option {
    use nix::{libc, setsockopt_impl, sockopt_impl};

    sockopt_impl!(
        /// What is set on a listener has its connections accepted only once there is something to read from them.
        DeferAccept,
        SetOnly,
        libc::IPPROTO_TCP,
        libc::TCP_DEFER_ACCEPT,
        u32
    );
}

/// An address as it is shown and compared: an IPv4 address that a dual-stack socket gives as IPv4-mapped IPv6
/// (RFC 4291 section 2.5.5.2) is the IPv4 address, every other one is what it was.
///
/// Called where an address enters the program, so that no other place has to know of the mapped form.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// How many connections there are descriptors for, less a reserve for files, children and logs: an eighth, but not
/// less than 16 of them.
pub(crate) fn room_for_connections() -> usize {
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

    /// Which of two clients is accepted first: one that came first and says nothing, or one that sent something.
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
    fn a_mapped_address_is_an_ipv4_address_and_others_keep_their_scope() {
        let plain = |address: &str| unmapped(address.parse().unwrap()).to_string();
        assert_eq!(plain("[::ffff:1.2.3.4]:80"), "1.2.3.4:80");
        for other in ["1.2.3.4:80", "[::1]:80", "[::1.2.3.4]:80", "[fe80::1%3]:80", "[64:ff9b::1.2.3.4]:80"] {
            assert_eq!(unmapped(other.parse().unwrap()), other.parse().unwrap());
        }
    }

    #[test]
    fn who_says_nothing_is_not_accepted_yet() {
        assert_eq!(first_accepted(&ListenOptions::http()), "speaking");
        assert_eq!(first_accepted(&ListenOptions::default()), "silent");
        let shared = ListenOptions { reuse_port: true, ..ListenOptions::http() };
        assert_eq!(first_accepted(&shared), "silent", "nobody may be lost who chose a process that ends");
    }
}
