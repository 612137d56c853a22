use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::listen::unmapped;

/// Who is at the other end of a raw connection, or has sent a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Somebody in the network.
    Net(SocketAddr),
    /// Somebody on this machine; without a path, as most clients of Unix sockets are.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The address as it is shown; see [`unmapped`].
    pub(super) fn unmapped(&self) -> Address {
        match self {
            Address::Net(address) => Address::Net(unmapped(*address)),
            Address::Unix(path) => Address::Unix(path.clone()),
        }
    }

    /// The network address, if it is one.
    pub fn net(&self) -> Option<SocketAddr> {
        match self {
            Address::Net(address) => Some(*address),
            Address::Unix(_) => None,
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
