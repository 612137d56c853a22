use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// How many connections each client address has.
///
/// Addresses come unmapped: `::ffff:192.0.2.1` would be another client than `192.0.2.1`. An IPv6 client can take any address of its network, so its first 64 bits count as one address.
#[derive(Debug, Default)]
pub(super) struct Peers(RefCell<HashMap<IpAddr, usize>>);

/// One connection of a client address, for as long as this lives.
#[derive(Debug)]
pub(super) struct Place<'p> {
    peers: &'p Peers,
    address: IpAddr,
}

impl Peers {
    /// A place for one more connection of this address, unless it has `most` already.
    pub(super) fn place(&self, address: IpAddr, most: usize) -> Option<Place<'_>> {
        let address = network(address);
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { peers: self, address })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.peers.0.borrow_mut();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

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
    fn places_are_taken_and_given_back() {
        let peers = Peers::default();
        let place = |address: &str| peers.place(address.parse().unwrap(), 2);
        let first = place("192.0.2.1");
        let second = place("192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(place("192.0.2.1").is_none(), "two are the most");
        assert!(place("192.0.2.2").is_some());
        drop(first);
        assert!(place("192.0.2.1").is_some());
        let networks = (place("2001:db8::1"), place("2001:db8::2"));
        assert!(place("2001:db8::3").is_none(), "one network is one client");
        drop((second, networks));
        assert!(peers.0.borrow().is_empty(), "nothing is remembered of who is gone");
    }
}
