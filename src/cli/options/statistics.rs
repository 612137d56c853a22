//! The setters for the flags that configure the counters and the health report.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::PathBuf;

use super::model::{BadValue, Options};
use super::values::{count, file, must, text};

/// The options for the counters and the health report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatisticsOptions {
    /// The number of responses after which the program ends, at least 1.
    pub exit_after: Option<usize>,
    /// The URL path at which the counters are reported. It begins with a slash and does not end with one.
    pub path: Option<String>,
    /// The networks whose clients may read the counters. If there are none, only clients with loopback addresses may
    /// read them.
    pub from: Vec<Network>,
    /// The file to which the counters are written when the program ends; `Some(None)` means standard output.
    pub on_exit: Option<Option<PathBuf>>,
    /// The URL path at which the health is reported, in the same form as `path`.
    pub health: Option<String>,
}

impl Options {
    pub(in crate::cli) fn set_exit_after(&mut self, value: &OsStr) -> Result<(), BadValue> {
        self.statistics.exit_after = Some(count(value).map_err(|why| why.hint("must be a whole number, 1 or more"))?);
        Ok(())
    }

    pub(in crate::cli) fn set_stats(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        self.statistics.path = Some(value.map_or_else(|| Ok("/__stats".to_owned()), url_path)?);
        Ok(())
    }

    pub(in crate::cli) fn add_stats_from(&mut self, value: &OsStr) -> Result<(), BadValue> {
        let network = value.to_str().and_then(Network::parse);
        self.statistics.from.push(network.ok_or_else(|| must("be ADDRESS or ADDRESS/BITS", "network", value))?);
        Ok(())
    }

    pub(in crate::cli) fn set_stats_on_exit(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        self.statistics.on_exit = Some(value.map(file).transpose()?);
        Ok(())
    }

    pub(in crate::cli) fn set_health(&mut self, value: Option<&OsStr>) -> Result<(), BadValue> {
        self.statistics.health = Some(value.map_or_else(|| Ok("/__health".to_owned()), url_path)?);
        Ok(())
    }
}

/// Parses the URL path of a report.
fn url_path(value: &OsStr) -> Result<String, BadValue> {
    let path = text("path", value)?;
    let is_safe = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    match is_safe && path.starts_with('/') && !path.ends_with('/') {
        true => Ok(path.to_owned()),
        false => Err(must("begin with a slash, not end with one, and contain no space", "path", value)),
    }
}

/// A network: all IP addresses that have the same first `bits` bits as `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Parses `ADDRESS/BITS`; an address without `/BITS` is a network of one address.
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        (bits <= most).then_some(Network { address, bits })
    }

    /// True if the address belongs to the network.
    pub(in crate::cli) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_with_the_same_first_bits() {
        let contains =
            |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "192.0.2.1") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
        assert!(contains("::1", "::1") && !contains("::1/128", "::2"));
        for wrong in ["", "x", "127.0.0.1/33", "127.0.0.1/-1", "127.0.0.1/+1", "127.0.0.1/", "::/129", "1.2.3", "/8"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn paths_begin_with_a_slash_and_do_not_end_with_one() {
        let path = |text: &str| {
            let mut options = Options::default();
            options.set_stats(Some(text.as_ref())).map(|()| options.statistics.path)
        };
        assert_eq!(path("/a/b"), Ok(Some("/a/b".into())));
        for wrong in ["", "/", "a", "/a/", "/a b", "/a?b", "/ä"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
        let mut options = Options::default();
        options.set_stats(None).unwrap();
        options.set_health(None).unwrap();
        assert_eq!(options.statistics.path.as_deref(), Some("/__stats"));
        assert_eq!(options.statistics.health.as_deref(), Some("/__health"));
    }
}
