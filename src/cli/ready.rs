//! The lines on standard output that announce that the program is ready: the line that Python prints and, on a
//! terminal, a second one with URLs.
//!
//! Scripts parse the port from the first line, so it must not change, and the second line must not appear in pipes and
//! files.

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::SockRef;

use super::flags::VERSION;

/// The scheme of the URLs, `http` or `https`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme(&'static str);

impl Scheme {
    /// The scheme of a server with or without TLS.
    pub(super) fn of(is_encrypted: bool) -> Scheme {
        Scheme(if is_encrypted { "https" } else { "http" })
    }
}

/// The address of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    address: SocketAddr,
    /// True if the listener is an IPv6 socket that also accepts IPv4 connections.
    dual_stack: bool,
}

impl Bound {
    /// The addresses of listeners. A listener whose address cannot be read is omitted.
    pub(super) fn of(listeners: &[TcpListener]) -> Vec<Bound> {
        let bound = |listener: &TcpListener| {
            let address = listener.local_addr().ok()?;
            let dual_stack = address.is_ipv6() && SockRef::from(listener).only_v6().is_ok_and(|only| !only);
            Some(Bound { address, dual_stack })
        };
        listeners.iter().filter_map(bound).collect()
    }

    pub(super) fn address(self) -> SocketAddr {
        self.address
    }

    /// The addresses at which clients can connect. A wildcard address is replaced by the loopback addresses and all
    /// addresses in `interfaces`.
    fn reached_by(self, interfaces: &[IpAddr]) -> Vec<SocketAddr> {
        let ip = self.address.ip();
        if !ip.is_unspecified() {
            return vec![self.address];
        }
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let is_served = |address: &&IpAddr| address.is_ipv4() == ip.is_ipv4() || self.dual_stack;
        let all = loopback.iter().chain(interfaces).filter(is_served);
        all.map(|address| SocketAddr::new(*address, self.address.port())).collect()
    }
}

/// Prints the ready line and, on a terminal, the line with the URLs. Standard output is flushed, because another
/// process may be waiting for the line. Errors are ignored, because the program keeps serving even if standard output
/// is closed.
pub(super) fn announce(scheme: Scheme, address: SocketAddr, bound: &[Bound], base_path: &str) {
    let mut stdout = io::stdout().lock();
    let mut text = ready_line(scheme, address);
    if stdout.is_terminal() {
        text += &addresses_line(scheme, address, bound, &interfaces(), base_path).unwrap_or_default();
    }
    _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// The line of `--ready json` and `--ready-fd`, a JSON object. The values need no escaping.
pub(super) fn json_line(address: SocketAddr, bound: &[Bound], nonce: &str) -> String {
    let addresses: Vec<String> = bound.iter().map(|bound| format!("\"{}\"", bound.address)).collect();
    let (port, pid) = (address.port(), std::process::id());
    let addresses = addresses.join(",");
    let line = format!("\"port\":{port},\"addresses\":[{addresses}],\"pid\":{pid},\"version\":\"{VERSION}\"");
    format!("{{{line},\"nonce\":\"{nonce}\"}}\n")
}

/// Writes `text` to standard output and flushes it, so that a process that reads from a pipe gets the text immediately.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The line that Python's `http.server` prints.
fn ready_line(scheme: Scheme, address: SocketAddr) -> String {
    let name = scheme.0.to_ascii_uppercase();
    format!("Serving {name} on {} port {} ({}) ...\n", address.ip(), address.port(), url(scheme, address, "/"))
}

/// The line with the URLs to open in a browser. `None` if there is only one URL, and the ready line contains it.
fn addresses_line(
    scheme: Scheme,
    address: SocketAddr,
    bound: &[Bound],
    interfaces: &[IpAddr],
    base_path: &str,
) -> Option<String> {
    let mut urls: Vec<String> = Vec::new();
    for address in bound.iter().flat_map(|bound| bound.reached_by(interfaces)) {
        let url = url(scheme, address, base_path);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    // The ready line contains the root URL. With a base path, that URL gets a 404 response, so this line is needed for
    // the URL that works.
    (urls != [url(scheme, address, "/")]).then(|| format!("Open {}\n", urls.join(" or ")))
}

/// The URL for an address and a path, such as `http://127.0.0.1:8000/`.
fn url(Scheme(scheme): Scheme, address: SocketAddr, path: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    format!("{scheme}://{host}:{port}{path}")
}

/// The addresses of the interfaces that are up, without loopback addresses. Link-local IPv6 addresses are omitted too,
/// because a URL with such an address needs a zone, which browsers do not accept.
fn interfaces() -> Vec<IpAddr> {
    use nix::net::if_::InterfaceFlags;
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let up = all.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP));
    let ip = |storage: nix::sys::socket::SockaddrStorage| -> Option<IpAddr> {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let addresses = up.filter_map(|interface| ip(interface.address?));
    addresses.filter(|ip| !ip.is_loopback() && !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_pythons() {
        let line = |address: &str| ready_line(Scheme("http"), address.parse().unwrap());
        assert_eq!(line("127.0.0.1:8000"), "Serving HTTP on 127.0.0.1 port 8000 (http://127.0.0.1:8000/) ...\n");
        assert_eq!(line("[::]:80"), "Serving HTTP on :: port 80 (http://[::]:80/) ...\n");
        let line = ready_line(Scheme("https"), "127.0.0.1:8443".parse().unwrap());
        assert_eq!(line, "Serving HTTPS on 127.0.0.1 port 8443 (https://127.0.0.1:8443/) ...\n");
    }

    #[test]
    fn the_json_line_is_one_object_with_all_addresses() {
        let bound = ["127.0.0.1:80", "[::1]:81"];
        let bound = bound.map(|address| Bound { address: address.parse().unwrap(), dual_stack: false });
        let line = json_line(bound[0].address, &bound, "0123456789abcdef");
        assert_eq!(line.lines().count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "port": 80, "addresses": ["127.0.0.1:80", "[::1]:81"], "pid": std::process::id(), "version": VERSION,
            "nonce": "0123456789abcdef",
        });
        assert_eq!(object, expected);
    }

    /// The second line for a listener on a machine with one IPv4 and one IPv6 address.
    fn second(address: &str, dual_stack: bool, base_path: &str) -> Option<String> {
        let (address, interfaces) = (address.parse().unwrap(), ["192.0.2.7", "2001:db8::7"]);
        let interfaces = interfaces.map(|ip| ip.parse().unwrap());
        addresses_line(Scheme("http"), address, &[Bound { address, dual_stack }], &interfaces, base_path)
    }

    #[test]
    fn a_wildcard_address_adds_a_line_with_loopback_and_interface_addresses() {
        let v4 = "http://127.0.0.1:80/ or http://192.0.2.7:80/";
        let v6 = "http://[::1]:80/ or http://[2001:db8::7]:80/";
        let both = "http://127.0.0.1:80/ or http://[::1]:80/ or http://192.0.2.7:80/ or http://[2001:db8::7]:80/";
        assert_eq!(second("[::]:80", true, "/"), Some(format!("Open {both}\n")));
        assert_eq!(second("[::]:80", false, "/"), Some(format!("Open {v6}\n")));
        assert_eq!(second("0.0.0.0:80", false, "/"), Some(format!("Open {v4}\n")));
    }

    #[test]
    fn the_url_of_the_first_line_is_not_repeated_without_a_base_path() {
        assert_eq!(second("127.0.0.1:80", false, "/"), None);
        assert_eq!(second("[::1]:80", true, "/"), None);
        assert_eq!(second("127.0.0.1:80", false, "/docs"), Some("Open http://127.0.0.1:80/docs\n".into()));
    }

    #[test]
    fn a_url_that_two_listeners_share_is_listed_once() {
        let bound = ["127.0.0.1:80", "127.0.0.1:81", "0.0.0.0:81"];
        let bound = bound.map(|address| Bound { address: address.parse().unwrap(), dual_stack: false });
        let line = addresses_line(Scheme("http"), bound[0].address, &bound, &[], "/").unwrap();
        assert_eq!(line, "Open http://127.0.0.1:80/ or http://127.0.0.1:81/\n");
    }

    #[test]
    fn dual_stack_is_read_from_the_socket() {
        let listener = crate::ListenOptions::default().bind("127.0.0.1:0").unwrap();
        assert!(!Bound::of(&[listener])[0].dual_stack);
        for dual_stack in [true, false] {
            let options = crate::ListenOptions { dual_stack, ..crate::ListenOptions::default() };
            let Ok(listener) = options.bind("[::]:0") else { return eprintln!("skipped, there is no IPv6") };
            assert_eq!(Bound::of(&[listener])[0].dual_stack, dual_stack);
        }
    }
}
