//! `Tunnel`: opens a connection to a server through a proxy, with `CONNECT` (RFC 9110 section 9.3.6).

use super::link::{Link, SendResult};
use super::settings::WaitLimits;
use super::{ClientChannel, ClientLimits, ClientStream, Error, WaitPhase, authority};
use crate::http::{HeaderList, StatusClass};
use crate::http1::{Buffer, RequestHead};

/// The destination server, and the fields of the `CONNECT` request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tunnel {
    pub(super) host: String,
    pub(super) port: u16,
    /// The target of `CONNECT`: the host and the port, even if it is the default port.
    target: String,
    fields: HeaderList,
}

impl Tunnel {
    /// Checks the host and the fields. Adds `Host` unless `headers` contains it.
    pub(super) fn new(
        host: &str,
        port: Option<u16>,
        default_port: u16,
        headers: &[(&str, &str)],
    ) -> Result<Tunnel, Error> {
        let (host, port) = authority::split(host, port)?;
        let port = port.unwrap_or(default_port);
        let target = format!("{}:{port}", authority::bracketed(&host)?);
        let mut fields = HeaderList::new();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            fields.add("Host", &target)?;
        }
        for (name, value) in headers {
            fields.add(name, *value)?;
        }
        Ok(Tunnel { host, port, target, fields })
    }

    /// Requests the tunnel from the proxy. Returns the stream, which the proxy has connected to the server, and the
    /// fields of the proxy's response.
    pub(super) fn open<S: ClientStream>(
        &self,
        stream: ClientChannel<S>,
        limits: ClientLimits,
        waits: WaitLimits,
    ) -> Result<(ClientChannel<S>, HeaderList), Error> {
        let (mut link, mut out) = (Link::new(stream, limits), Buffer::default());
        let head = RequestHead { method: "CONNECT", target: &self.target, fields: &self.fields, encode_chunked: false };
        link.begin_request(&head, head.framing()?, &mut out);
        let in_connect = |error| match error {
            Error::Timeout(_) => Error::Timeout(WaitPhase::Connect),
            error => error,
        };
        // `send` returns `Stopped` only if it listens for a response, which it does not do here.
        let (SendResult::Complete | SendResult::Stopped) = link.send(out.bytes(), waits, false).map_err(in_connect)?;
        let (head, _) = link.read_head(waits).map_err(in_connect)?;
        if head.status().class() != StatusClass::Success {
            return Err(Error::TunnelFailed(head.status(), head.reason().into_owned()));
        }
        let (stream, early) = link.into_parts();
        // An HTTP or TLS server sends nothing before the client does. Bytes that have already arrived therefore come
        // from the proxy, which violates the protocol.
        if !early.is_empty() {
            return Err(Error::BadStatusLine(early.bytes().escape_ascii().to_string()));
        }
        Ok((stream, head.headers().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_tunnel_has_brackets_and_always_a_port() {
        let tunnel = Tunnel::new("[2001:db8::5]", None, 80, &[]).unwrap();
        assert_eq!((&*tunnel.target, tunnel.fields.lines()), ("[2001:db8::5]:80", &b"Host: [2001:db8::5]:80\r\n"[..]));
        let tunnel = Tunnel::new("far.example:81", None, 80, &[("host", "x")]).unwrap();
        assert_eq!((&*tunnel.target, tunnel.fields.lines()), ("far.example:81", &b"host: x\r\n"[..]));
    }

    #[test]
    fn neither_host_nor_fields_can_split_the_request() {
        assert!(matches!(Tunnel::new("h\r\nEvil: 1", Some(80), 80, &[]), Err(Error::InvalidUrl(_))));
        assert!(matches!(Tunnel::new("h", None, 80, &[("X", "a\r\nEvil: 1")]), Err(Error::InvalidHeader(_))));
    }
}
