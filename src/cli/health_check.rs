//! `--healthcheck`: requests one URL and checks the status, so that a container needs no other program for its health
//! check.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::exit::{Code, Exit};

/// The time limit for connecting, sending the request and reading the status. The time for resolving the host name is
/// included, but a slow resolver is not interrupted when the limit expires.
const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum number of bytes read to find the status.
const STATUS_LINE: usize = "HTTP/1.1 200".len();

/// The parts of an `http` URL that a check needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthUrl {
    /// The host and port as written in the URL, for the `Host` field.
    authority: String,
    /// The host to connect to. An IPv6 address has no brackets here.
    host: String,
    port: u16,
    /// The path and query, which begin with a slash.
    target: String,
}

impl HealthUrl {
    /// Parses `http://HOST`, with or without a port, a path and a query. `None` if the URL has another scheme, a user,
    /// no host, or an invalid port.
    pub(super) fn parse(url: &str) -> Option<HealthUrl> {
        let rest = url.strip_prefix("http://")?;
        let url = rest.split('#').next()?;
        let (authority, path) = url.split_at(url.find(['/', '?']).unwrap_or(url.len()));
        let is_safe = url.bytes().all(|byte| byte.is_ascii_graphic()) && !authority.contains('@');
        let after_host = authority.find(']').map_or(0, |bracket| bracket + 1);
        let colon = authority[after_host..].find(':').map(|colon| after_host + colon);
        let (host, port) = match colon {
            Some(colon) => (&authority[..colon], port(&authority[colon + 1..])?),
            None => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let parsed = HealthUrl { authority: authority.to_owned(), host: host.to_owned(), port, target };
        (is_safe && !host.is_empty()).then_some(parsed)
    }
}

/// Parses a port number. Port 0 is rejected, because no client can connect to it.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// Requests the URL with GET.
///
/// # Errors
/// Returns an error unless a response with a status from 200 to 299 arrives in time.
pub(super) fn check(url: &HealthUrl) -> Result<(), Exit> {
    let failed = |why: &dyn std::fmt::Display| {
        Exit::of(Code::Failure, format_args!("http://{}{}: {why}", url.authority, url.target))
    };
    let status = status(url, Instant::now() + PATIENCE).map_err(|error| failed(&error))?;
    if (200..300).contains(&status) { Ok(()) } else { Err(failed(&format_args!("status {status}"))) }
}

/// Sends a GET request, and returns the status of the response. `end` is the deadline for the whole exchange.
fn status(url: &HealthUrl, end: Instant) -> io::Result<u16> {
    let mut stream = connect(url, end)?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", url.target, url.authority);
    stream.set_write_timeout(Some(left(end)?))?;
    stream.write_all(request.as_bytes()).map_err(late_if_blocked)?;
    let mut line = [0; STATUS_LINE];
    let mut count = 0;
    while count < line.len() {
        // The timeout is recomputed for each read, so that a server that sends one byte at a time cannot extend the
        // total time.
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut line[count..]) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no response")),
            Ok(more) => count += more,
            Err(error) => return Err(late_if_blocked(error)),
        }
    }
    let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(&rest[2..]).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP response"))
}

/// Connects to the first address of the host that accepts a connection.
fn connect(url: &HealthUrl, end: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut addresses = (url.host.as_str(), url.port).to_socket_addrs()?;
    while let Some(address) = addresses.next() {
        match TcpStream::connect_timeout(&address, share(left(end)?, addresses.len())) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The share of the time `left` that an attempt to connect to one address may take, if `others` addresses follow it. An
/// address that does not respond must not use up the time for the others.
fn share(left: Duration, others: usize) -> Duration {
    // The timeout of an attempt to connect must not be zero.
    (left / u32::try_from(others + 1).unwrap_or(u32::MAX)).max(Duration::from_nanos(1))
}

/// The time left until `end`. Returns an error if `end` has passed.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

/// Converts the system's error for a read or a write that has timed out to the error that names the time limit.
fn late_if_blocked(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { late() } else { error }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no response within {} seconds", PATIENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, port and target of a URL.
    fn parts(url: &str) -> Option<(String, u16, String)> {
        HealthUrl::parse(url).map(|url| (url.host, url.port, url.target))
    }

    #[test]
    fn a_url_has_a_host_and_may_have_port_path_and_query() {
        let parts_of = |host: &str, port, target: &str| Some((host.to_owned(), port, target.to_owned()));
        assert_eq!(parts("http://localhost"), parts_of("localhost", 80, "/"));
        assert_eq!(parts("http://127.0.0.1:8000/a?b=/:c#d"), parts_of("127.0.0.1", 8000, "/a?b=/:c"));
        assert_eq!(parts("http://[::1]:8000?q"), parts_of("::1", 8000, "/?q"));
        assert_eq!(parts("http://[::1]"), parts_of("::1", 80, "/"));
        for url in [
            "",
            "localhost",
            "https://a/",
            "http://",
            "http:///a",
            "http://:80/",
            "http://a:/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:+1/",
            "http://a:x/",
            "http://u@a/",
            "http://a/ b",
            "http://a/\n",
            "http://[]/",
        ] {
            assert_eq!(parts(url), None, "{url}");
        }
    }

    #[test]
    fn only_a_status_from_200_to_299_in_time_is_well() {
        let asked = |response: &'static [u8]| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = HealthUrl::parse(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let count = stream.read(&mut request).unwrap();
                assert!(request[..count].starts_with(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:"));
                stream.write_all(response).unwrap();
            });
            let result = status(&url, Instant::now() + PATIENCE);
            server.join().unwrap();
            result.map_err(|error| error.to_string())
        };
        assert_eq!(asked(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(200));
        assert_eq!(asked(b"HTTP/1.0 503 Service Unavailable\r\n\r\n"), Ok(503));
        assert_eq!(asked(b"HTTP/1.1 2"), Err("no response".into()));
        assert_eq!(asked(b"SSH-2.0-server of another kind\r\n"), Err("not an HTTP response".into()));
    }

    #[test]
    fn each_address_gets_its_share_of_the_time_left() {
        let second = Duration::from_secs(1);
        assert_eq!([0, 1, 3].map(|others| share(second, others)), [second, second / 2, second / 4]);
        assert_eq!(share(Duration::from_nanos(1), 9), Duration::from_nanos(1));
    }

    #[test]
    fn a_timeout_of_the_system_is_reported_as_a_late_response() {
        let text = |kind: io::ErrorKind| late_if_blocked(io::Error::new(kind, "other")).to_string();
        assert_eq!(text(io::ErrorKind::WouldBlock), "no response within 5 seconds");
        assert_eq!(text(io::ErrorKind::BrokenPipe), "other");
    }

    #[test]
    fn a_time_that_is_over_is_an_error_and_no_endless_wait() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = HealthUrl::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let error = status(&url, Instant::now()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::TimedOut, "no response within 5 seconds")
        );
    }
}
