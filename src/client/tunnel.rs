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
    /// The explicitly given port; `None` means the default port of the scheme, which can still change.
    pub(super) port: Option<u16>,
    /// The fields that the caller has given.
    fields: HeaderList,
}

impl Tunnel {
    /// Checks the host and the fields.
    pub(super) fn new(host: &str, port: Option<u16>, headers: &[(&str, &str)]) -> Result<Tunnel, Error> {
        let (host, port) = authority::split(host, port)?;
        let mut fields = HeaderList::new();
        for (name, value) in headers {
            fields.add(name, *value)?;
        }
        Ok(Tunnel { host, port, fields })
    }

    /// The target of `CONNECT`, which contains the port even if it is the default port, and the fields. They contain
    /// `Host`, first unless the caller has given it.
    fn request(&self, default_port: u16) -> Result<(String, HeaderList), Error> {
        let target = format!("{}:{}", authority::bracketed(&self.host)?, self.port.unwrap_or(default_port));
        let mut fields = HeaderList::new();
        if !self.fields.contains("Host") {
            fields.add("Host", &target)?;
        }
        for (name, value) in self.fields.iter() {
            fields.push(name.as_bytes(), value);
        }
        Ok((target, fields))
    }

    /// Requests the tunnel from the proxy. Returns the stream, which the proxy has connected to the server, and the
    /// fields of the proxy's response.
    pub(super) fn open<S: ClientStream>(
        &self,
        stream: ClientChannel<S>,
        default_port: u16,
        limits: ClientLimits,
        waits: WaitLimits,
    ) -> Result<(ClientChannel<S>, HeaderList), Error> {
        let (mut link, mut out) = (Link::new(stream, limits), Buffer::default());
        let (target, fields) = self.request(default_port)?;
        let head = RequestHead { method: "CONNECT", target: &target, fields: &fields, encode_chunked: false };
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
        let request = |host, headers| {
            let (target, fields) = Tunnel::new(host, None, headers).unwrap().request(80).unwrap();
            (target, String::from_utf8(fields.lines().to_vec()).unwrap())
        };
        assert_eq!(
            request("[2001:db8::5]", &[("X", "1")]),
            ("[2001:db8::5]:80".to_owned(), "Host: [2001:db8::5]:80\r\nX: 1\r\n".to_owned())
        );
        assert_eq!(
            request("far.example:81", &[("host", "x")]),
            ("far.example:81".to_owned(), "host: x\r\n".to_owned())
        );
    }

    #[test]
    fn neither_host_nor_fields_can_split_the_request() {
        assert!(matches!(Tunnel::new("h\r\nEvil: 1", Some(80), &[]), Err(Error::InvalidUrl(_))));
        assert!(matches!(Tunnel::new("h", None, &[("X", "a\r\nEvil: 1")]), Err(Error::InvalidHeader(_))));
    }
}
