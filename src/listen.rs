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
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions { backlog: 1024, reuse_address: true, reuse_port: false, dual_stack: true }
    }
}

impl ListenOptions {
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
        socket.listen(self.backlog)?;
        Ok(socket.into())
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
