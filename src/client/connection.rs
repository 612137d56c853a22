//! `HttpConnection`: requests to one server, with the methods and states of Python's `HTTPConnection`.

use super::body::framing;
use super::settings::WaitLimits;
use super::shared::{SharedLink, borrow};
use super::tunnel::Tunnel;
use super::{ClientSettings, Connector, Error, HttpResponse, RequestBody, ThreadConnector, authority};
use crate::http::{FieldValue, HeaderList};
use crate::http1::RequestHead;

/// A connection to one server, like Python's `HTTPConnection` and, with the feature `client-tls`, its
/// `HTTPSConnection`.
///
/// It is opened when the first request is sent. If it has been closed, the next request opens it again. A request is
/// sent with [`request`](HttpConnection::request), or with [`putrequest`](HttpConnection::putrequest),
/// [`putheader`](HttpConnection::putheader) and [`endheaders`](HttpConnection::endheaders). Then
/// [`getresponse`](HttpConnection::getresponse) waits for the response. The next request can be sent immediately, but
/// its response is available only after the previous body has been read. After any network or server error, the
/// connection is closed, but can be used again.
///
/// ```no_run
/// use serve_forever::client::{Error, HttpConnection};
///
/// # fn main() -> Result<(), Error> {
/// let mut connection = HttpConnection::new("www.example:8080")?;
/// connection.request("GET", "/index.html", (), &[])?;
/// let mut response = connection.getresponse()?;
/// let body = response.read_all()?;
/// println!("{} {}: {} bytes", response.status().code(), response.reason(), body.len());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HttpConnection<C: Connector = ThreadConnector> {
    pub(super) connector: C,
    pub(super) host: String,
    /// The explicitly given port; `None` means the default port of the scheme.
    pub(super) port: Option<u16>,
    pub(super) settings: ClientSettings,
    pub(super) tunnel: Option<Tunnel>,
    pub(super) proxy_headers: Option<HeaderList>,
    /// `None` while the connection is closed.
    pub(super) shared: Option<SharedLink<C::Stream>>,
    state: RequestState,
    /// The request that was begun with `putrequest`. Used only in the state `Started`.
    pending: PendingRequest,
    /// The time limits for each wait during the current request, and for all of them together.
    pub(super) waits: WaitLimits,
    /// True if the last request failed because the connection ended before the first byte of the response.
    pub(super) failed_unanswered: bool,
    /// True while the connection uses a link that came from a pool and has carried earlier requests.
    pub(super) has_used_link: bool,
}

/// The state of the current request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestState {
    /// There is no request in progress.
    Idle,
    /// `putrequest` was called; `endheaders` was not.
    Started,
    /// The request has been sent, and `getresponse` has not returned its response.
    Sent,
}

/// A request that was begun with `putrequest` and has not been sent yet.
#[derive(Debug, Default)]
struct PendingRequest {
    method: String,
    target: String,
    fields: HeaderList,
}

/// The maximum length of the field line that frames a body, in bytes.
const FRAMING_LINE: usize = 40;

/// Fields that [`HttpConnection::putrequest_with`] leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkipFields {
    /// Leaves out `Host`.
    pub host: bool,
    /// Leaves out `Accept-Encoding: identity`.
    pub accept_encoding: bool,
}

impl HttpConnection {
    /// Creates a connection to `host`, which is `HOST` or `HOST:PORT`. The default port is 80. An IPv6 address with a
    /// port must be in brackets. The methods of the connection block the calling thread. No socket is opened yet.
    ///
    /// # Errors
    /// Returns [`Error::InvalidUrl`] if the port is not a number, or the host contains an invalid character.
    pub fn new(host: &str) -> Result<HttpConnection, Error> {
        HttpConnection::with_connector(ThreadConnector, host, None)
    }

    /// Like [`HttpConnection::new`], with the port as a separate argument.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpConnection::new`].
    pub fn with_port(host: &str, port: u16) -> Result<HttpConnection, Error> {
        HttpConnection::with_connector(ThreadConnector, host, Some(port))
    }
}

impl<C: Connector> HttpConnection<C> {
    /// Creates a connection whose stream is opened by `connector`. The connector determines how the methods wait: by
    /// blocking a thread or by suspending a handler.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpConnection::new`].
    pub fn with_connector(connector: C, host: &str, port: Option<u16>) -> Result<HttpConnection<C>, Error> {
        let (host, port) = authority::split(host, port)?;
        Ok(HttpConnection::of_server(connector, host, port))
    }

    /// Like [`HttpConnection::with_connector`], for a host that has been checked.
    pub(super) fn of_server(connector: C, host: String, port: Option<u16>) -> HttpConnection<C> {
        HttpConnection {
            connector,
            host,
            port,
            settings: ClientSettings::default(),
            tunnel: None,
            proxy_headers: None,
            shared: None,
            state: RequestState::Idle,
            pending: PendingRequest::default(),
            waits: WaitLimits::default(),
            failed_unanswered: false,
            has_used_link: false,
        }
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The explicitly given port, or else the default: 80, or 443 for `https`.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.settings.default_port())
    }

    /// True if the connection is open.
    pub fn is_open(&self) -> bool {
        // A link that is currently borrowed counts as open.
        self.shared.as_ref().is_some_and(|shared| borrow(shared).map_or(true, |state| state.link.is_some()))
    }

    /// Sends all requests to `host` through a tunnel. The server for which this connection was created is the proxy
    /// that opens the tunnel. The `CONNECT` request to the proxy contains `headers`, and also `Host` unless `headers`
    /// contains it. Without a port, the default port of the scheme is used when the connection is opened.
    ///
    /// # Errors
    /// Returns [`Error::TunnelAfterConnect`] if the connection is open; [`Error::InvalidUrl`] or
    /// [`Error::InvalidHeader`] if the host or a field is invalid.
    pub fn set_tunnel(&mut self, host: &str, port: Option<u16>, headers: &[(&str, &str)]) -> Result<(), Error> {
        if self.is_open() {
            return Err(Error::TunnelAfterConnect);
        }
        self.tunnel = Some(Tunnel::new(host, port, headers)?);
        Ok(())
    }

    /// The header fields of the proxy's response to the last successful `CONNECT` request; `None` if there was no such
    /// request.
    pub fn proxy_headers(&self) -> Option<&HeaderList> {
        self.proxy_headers.as_ref()
    }

    /// Opens the connection, and the tunnel if one was set. Does nothing if the connection is open.
    ///
    /// # Errors
    /// Returns any error from name resolution, from connecting, from opening the tunnel, or from the TLS handshake.
    pub fn connect(&mut self) -> Result<(), Error> {
        if self.state == RequestState::Idle {
            self.begin_waits();
        }
        if self.is_open() { Ok(()) } else { self.open() }
    }

    /// Closes the connection. The unread rest of a response is lost, unless the response is one after which the server
    /// closes the connection. Such a response owns the stream and can still be read.
    pub fn close(&mut self) {
        self.state = RequestState::Idle;
        if let Some(shared) = self.shared.take()
            && let Ok(mut state) = borrow(&shared)
        {
            state.close();
        }
    }

    /// Sends a request with the fields `headers` and a body. `Host`, `Accept-Encoding: identity` and the field that
    /// frames the body are added before `headers`, unless `headers` contains them.
    ///
    /// # Errors
    /// Returns an error if a part of the request is invalid, in which case nothing is sent; if the connection cannot be
    /// opened; or if sending fails.
    pub fn request<'b>(
        &mut self,
        method: &str,
        target: &str,
        body: impl Into<RequestBody<'b>>,
        headers: &[(&str, &str)],
    ) -> Result<(), Error> {
        let mut fields = HeaderList::new();
        for (name, value) in headers {
            fields.add(name, *value)?;
        }
        self.request_with(method, target, body.into(), &fields, false)
    }

    /// Sends a request like [`HttpConnection::request`]. If the fields contain `Transfer-Encoding` and `encode_chunked`
    /// is true, the body is sent in chunks. If `encode_chunked` is false, the caller must have chunked the body itself.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpConnection::request`].
    pub fn request_with(
        &mut self,
        method: &str,
        target: &str,
        body: RequestBody<'_>,
        headers: &HeaderList,
        encode_chunked: bool,
    ) -> Result<(), Error> {
        let skip = SkipFields { host: headers.contains("Host"), accept_encoding: headers.contains("Accept-Encoding") };
        let (target, mut fields) = self.begin_request(method, target, skip)?;
        let (field, encode_chunked) = framing(method, &body, headers, encode_chunked);
        fields.reserve(headers.len() + 1, headers.lines().len() + FRAMING_LINE);
        if let Some((name, value)) = field {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields.append(headers);
        self.send_checked(&RequestHead { method, target, fields: &fields, encode_chunked }, body)
    }

    /// Begins a request. Nothing is sent until [`HttpConnection::endheaders`] is called.
    ///
    /// # Errors
    /// Returns [`Error::CannotSendRequest`] if the previous request is not finished; [`Error::InvalidMethod`] or
    /// [`Error::InvalidUrl`] if the method or the target is invalid. In each of these cases, no request is begun.
    pub fn putrequest(&mut self, method: &str, target: &str) -> Result<(), Error> {
        self.putrequest_with(method, target, SkipFields::default())
    }

    /// Like [`HttpConnection::putrequest`], but leaves out the fields that `skip` selects.
    ///
    /// # Errors
    /// Returns the same errors as [`HttpConnection::putrequest`].
    pub fn putrequest_with(&mut self, method: &str, target: &str, skip: SkipFields) -> Result<(), Error> {
        let (target, fields) = self.begin_request(method, target, skip)?;
        self.pending = PendingRequest { method: method.to_owned(), target: target.to_owned(), fields };
        self.state = RequestState::Started;
        Ok(())
    }

    /// Checks the beginning of a request. Returns the target that is sent, and the fields that are added to every
    /// request.
    fn begin_request<'t>(
        &mut self,
        method: &str,
        target: &'t str,
        skip: SkipFields,
    ) -> Result<(&'t str, HeaderList), Error> {
        if self.state != RequestState::Idle {
            return Err(Error::CannotSendRequest);
        }
        let target = if target.is_empty() { "/" } else { target };
        let mut fields = HeaderList::new();
        RequestHead { method, target, fields: &fields, encode_chunked: false }.check()?;
        // The authority of an absolute target is checked even if `Host` is left out, because the target itself is sent.
        let target_host = authority::host_of_target(target)?;
        if !skip.host {
            let default_port = self.settings.default_port();
            let host = match (target_host, &self.tunnel) {
                (Some(host), _) => host,
                (None, Some(tunnel)) => {
                    authority::host_field(&tunnel.host, tunnel.port.unwrap_or(default_port), default_port)?
                }
                (None, None) => authority::host_field(&self.host, self.port(), default_port)?,
            };
            fields.add("Host", &host)?;
        }
        if !skip.accept_encoding {
            // The client does not decode content codings, so the server must not compress the body.
            fields.add("Accept-Encoding", "identity")?;
        }
        self.begin_waits();
        Ok((target, fields))
    }

    /// Adds a field to the request. Text is encoded as Latin-1.
    ///
    /// # Errors
    /// Returns [`Error::CannotSendHeader`] if there is no request in progress; [`Error::InvalidHeader`] if the field is
    /// invalid. In both cases, the request is unchanged.
    pub fn putheader(&mut self, name: &str, value: impl FieldValue) -> Result<(), Error> {
        if self.state != RequestState::Started {
            return Err(Error::CannotSendHeader);
        }
        Ok(self.pending.fields.add(name, value)?)
    }

    /// Sends the current request and its body. The fields must already frame the body, because no field is added. With
    /// `Expect: 100-continue`, the body is sent when the server asks for it, or after
    /// [`ClientSettings::continue_timeout`]. If the response arrives before the whole body has been sent, the rest of
    /// the body is not sent.
    ///
    /// # Errors
    /// Returns [`Error::CannotSendHeader`] if there is no request in progress; [`Error::NotConnected`] if the
    /// connection is closed and [`ClientSettings::auto_open`] is false; and the errors of [`HttpConnection::request`].
    pub fn endheaders(&mut self, body: RequestBody<'_>, encode_chunked: bool) -> Result<(), Error> {
        if self.state != RequestState::Started {
            return Err(Error::CannotSendHeader);
        }
        let PendingRequest { method, target, fields } = std::mem::take(&mut self.pending);
        self.state = RequestState::Idle;
        self.send_checked(&RequestHead { method: &method, target: &target, fields: &fields, encode_chunked }, body)
    }

    /// Sends a request unless its head or the length of its body is invalid.
    fn send_checked(&mut self, head: &RequestHead<'_>, body: RequestBody<'_>) -> Result<(), Error> {
        self.failed_unanswered = false;
        let framing = head.framing()?;
        body.check(framing.encoder)?;
        self.open_for_request()?;
        match self.send_request(head, framing, body) {
            Ok(()) => {
                self.state = RequestState::Sent;
                Ok(())
            }
            Err(error) => {
                self.close_after(&error);
                Err(error)
            }
        }
    }

    /// Sends body bytes for a request whose head has been sent. Opens the connection if it is closed. If there is no
    /// request in progress, the bytes are sent unchanged, and no request can follow them on this connection.
    ///
    /// # Errors
    /// Returns [`Error::CannotSendRequest`] if a request was begun and its head has not been sent; the request can then
    /// be continued. Returns [`Error::InvalidBody`] if the body becomes longer than announced, in which case none of
    /// `bytes` is sent; [`Error::NotConnected`] if the connection is closed and [`ClientSettings::auto_open`] is false;
    /// and the errors of [`HttpConnection::connect`]. After an invalid body or a failure to send, the connection is
    /// closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // Python sends the bytes before the head. The server would parse them as a request of their own.
        if self.state == RequestState::Started {
            return Err(Error::CannotSendRequest);
        }
        if !self.is_open() && !self.settings.auto_open {
            return Err(Error::NotConnected);
        }
        self.connect()?;
        let (waits, is_idle) = (self.waits, self.state == RequestState::Idle);
        let sent =
            self.with_link(|link| if is_idle { link.send_raw(bytes, waits) } else { link.send_more(bytes, waits) });
        if let Err(error) = &sent {
            self.close_after(error);
        }
        sent
    }

    /// Waits for the response to the request that was sent.
    ///
    /// # Errors
    /// Returns [`Error::ResponseNotReady`] if no request has been sent, or the previous response has not been read
    /// completely; and [`Error::InUse`] if the connection is in use by another thread or handler. Any other error
    /// closes the connection.
    pub fn getresponse(&mut self) -> Result<HttpResponse<C::Stream>, Error> {
        let Some(shared) = self.shared.clone().filter(|_| self.state == RequestState::Sent) else {
            return Err(Error::ResponseNotReady);
        };
        if borrow(&shared)?.is_reading {
            return Err(Error::ResponseNotReady);
        }
        let waits = self.waits;
        let response =
            self.with_link(|link| link.end_body(waits)).and_then(|()| HttpResponse::read_from(&shared, waits));
        match response {
            Ok(response) => {
                self.state = RequestState::Idle;
                // No request can follow a response after which the connection is closed, so the response takes over the
                // link.
                if response.will_close() {
                    self.shared = None;
                }
                Ok(response)
            }
            Err(error) => {
                self.close_after(&error);
                Err(error)
            }
        }
    }
}
