//! Counts the connections of each client address. The caller supplies the limit. The connections themselves are in
//! `http_session.rs`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Counts the connections of each client address.
///
/// IPv4-mapped addresses must be converted first, because `::ffff:192.0.2.1` and `192.0.2.1` would count as two
/// addresses. An IPv6 client can use any address of its network, so the first 64 bits of an IPv6 address count as one
/// address.
#[derive(Debug, Default)]
pub(super) struct PerPeerLimit(RefCell<HashMap<IpAddr, usize>>);

/// One counted connection of a client address. Dropping the permit removes the connection from the count.
#[derive(Debug)]
pub(super) struct PeerPermit<'p> {
    peers: &'p PerPeerLimit,
    address: IpAddr,
}

impl PerPeerLimit {
    /// Counts one more connection from `address`. Returns `None` if the address already has `most` connections.
    pub(super) fn permit(&self, address: IpAddr, most: usize) -> Option<PeerPermit<'_>> {
        let address = network(address);
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(address).or_default();
        // The limit is checked first, so that a refused connection is not counted.
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(PeerPermit { peers: self, address })
    }
}

impl Drop for PeerPermit<'_> {
    fn drop(&mut self) {
        let mut counts = self.peers.0.borrow_mut();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            // An address without connections is removed. Otherwise the map would grow with every new client.
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// The address under which a client is counted. In an IPv6 address, the last 64 bits are set to zero, because the
/// client can choose them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_counts_until_it_is_dropped() {
        let peers = PerPeerLimit::default();
        let permit = |address: &str| peers.permit(address.parse().unwrap(), 2);
        let first = permit("192.0.2.1");
        let second = permit("192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(permit("192.0.2.1").is_none(), "the limit is two");
        assert!(permit("192.0.2.2").is_some());
        drop(first);
        assert!(permit("192.0.2.1").is_some());
        let networks = (permit("2001:db8::1"), permit("2001:db8::2"));
        assert!(permit("2001:db8::3").is_none(), "a /64 network counts as one client");
        let other = permit("2001:db8:0:1::1");
        assert!(other.is_some(), "another network counts as another client");
        drop((second, networks, other));
        assert!(peers.0.borrow().is_empty(), "an address without connections takes no memory");
    }
}
