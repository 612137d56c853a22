//! The address of a client of a raw server: a network address or the path of a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::listen::unmapped;

/// The address of the client of a connection, or of the sender of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A network address.
    Net(SocketAddr),
    /// The path of a Unix socket; `None` if the socket is not bound to a path. The sockets of most clients are not.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The address in the form that is shown to users. An IPv4 address that a dual-stack socket has reported as an IPv6
    /// address is converted back.
    pub(super) fn unmapped(&self) -> Address {
        match self {
            Address::Net(address) => Address::Net(unmapped(*address)),
            Address::Unix(path) => Address::Unix(path.clone()),
        }
    }

    /// The network address; `None` for a Unix socket.
    pub fn net(&self) -> Option<SocketAddr> {
        match self {
            Address::Net(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }
}

impl Address {
    /// The path of a Unix socket; `None` for a network address, or if the socket is not bound to a path.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path) => path.as_deref(),
            Address::Net(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Net(address) => address.fmt(f),
            Address::Unix(Some(path)) => path.display().fmt(f),
            Address::Unix(None) => f.write_str("unix"),
        }
    }
}
