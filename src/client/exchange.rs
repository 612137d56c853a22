//! The private methods of [`HttpConnection`] that open connections and send requests over them.

use super::link::{Link, SendResult};
use super::settings::WaitLimits;
use super::shared::{borrow, share, unshare};
#[cfg(feature = "client-tls")]
use super::tls::ClientTlsStream;
use super::{ClientChannel, Connector, Error, HttpConnection, RequestBody, ServerAddress, WaitPhase, authority};
use crate::http::HeaderList;
use crate::http1::{Buffer, RequestHead, SentFraming};

impl<C: Connector> HttpConnection<C> {
    /// Sets the time limits for the waits of a new exchange. The total limit begins now.
    pub(super) fn begin_waits(&mut self) {
        let total = self.settings.total_timeout.and_then(|total| self.connector.now().checked_add(total));
        self.waits = WaitLimits { each: self.settings.timeout, total };
    }

    /// Closes the connection after an error. On an open connection, a late response could be read as the response to
    /// the next request.
    pub(super) fn close_after(&mut self, error: &Error) {
        let has_ended = matches!(error.name(), "RemoteDisconnected" | "ConnectionReset");
        let has_begun = self.with_link(|link| Ok(link.machine.has_begun() || !link.input.is_empty()));
        self.failed_unanswered = has_ended && !has_begun.unwrap_or(true);
        self.close();
    }

    /// True if the last request failed because the connection ended before the first byte of the response.
    pub(super) fn failed_unanswered(&self) -> bool {
        self.failed_unanswered
    }

    /// Makes the connection use `link`, which is already open. If `link` is `None`, the connection stays closed.
    pub(super) fn with_open_link(mut self, mut link: Option<Link<C::Stream>>) -> Self {
        if let Some(link) = &mut link {
            // The limits may have changed since the link was opened.
            link.set_limits(self.settings.limits);
        }
        self.has_used_link = link.is_some();
        self.shared = link.map(share);
        self
    }

    /// Takes the link out of the connection. Returns `None` if the link is closed, is in use, or goes through a tunnel.
    pub(super) fn take_idle_link(&mut self) -> Option<Link<C::Stream>> {
        if self.tunnel.is_some() {
            return None;
        }
        unshare(self.shared.take()?).filter(|link| link.machine.is_reusable(&link.input))
    }

    pub(super) fn with_link<T>(&self, work: impl FnOnce(&mut Link<C::Stream>) -> Result<T, Error>) -> Result<T, Error> {
        let shared = self.shared.as_ref().ok_or(Error::NotConnected)?;
        // The response that shares the link may have closed it.
        work(borrow(shared)?.link.as_mut().ok_or(Error::RemoteDisconnected)?)
    }

    /// Opens the connection, unless it is already open and can take another request.
    pub(super) fn open_for_request(&mut self) -> Result<(), Error> {
        if let Some(shared) = &self.shared {
            let mut state = borrow(shared)?;
            let is_reading = state.is_reading;
            let is_usable = state.link.as_mut().is_some_and(|link| match is_reading {
                // Another request can be sent while a response is being read. `is_usable` would treat the bytes of that
                // response as unexpected.
                true => link.machine.can_request(),
                false => link.is_usable(),
            });
            if is_usable {
                return Ok(());
            }
            drop(state);
            // A link from which a response is still being read stays open, because the response shares the link.
            self.shared = None;
        }
        if self.settings.auto_open { self.open() } else { Err(Error::NotConnected) }
    }

    pub(super) fn open(&mut self) -> Result<(), Error> {
        let (host, port) = self.settings.connect_to.clone().unwrap_or_else(|| (self.host.clone(), self.port()));
        let host = authority::ascii(&host)?.into_owned();
        let address = ServerAddress { host, port, source: self.settings.source };
        let waits = self.opening_waits();
        // Name resolution and connecting share one deadline.
        let until = waits.until(self.connector.now());
        let stream = self.connector.connect(&address, until).map_err(|error| match error {
            Error::Io(error) => Error::in_phase(error, WaitPhase::Connect),
            error => error,
        })?;
        let mut stream = ClientChannel::Plain(stream);
        if let Some(tunnel) = &self.tunnel {
            let (through, headers) = tunnel.open(stream, self.settings.default_port(), self.settings.limits, waits)?;
            self.proxy_headers = Some(headers);
            stream = through;
        }
        #[cfg(feature = "client-tls")]
        let stream = self.under_tls(stream, waits)?;
        self.shared = Some(share(Link::new(stream, self.settings.limits)));
        self.has_used_link = false;
        Ok(())
    }

    /// The time limits for opening the connection. `connect_timeout` limits all waits together. Without it, `timeout`
    /// limits each wait, as in Python.
    fn opening_waits(&self) -> WaitLimits {
        let Some(limit) = self.settings.connect_timeout else { return self.waits };
        let waits = WaitLimits { each: Some(limit), ..self.waits };
        WaitLimits { each: None, total: waits.until(self.connector.now()) }
    }

    /// Performs the TLS handshake if this is an `https` connection; otherwise, returns `stream` unchanged.
    #[cfg(feature = "client-tls")]
    fn under_tls(
        &self,
        stream: ClientChannel<C::Stream>,
        waits: WaitLimits,
    ) -> Result<ClientChannel<C::Stream>, Error> {
        match (&self.settings.tls, stream) {
            (Some(tls), ClientChannel::Plain(stream)) => {
                let host = authority::ascii(self.tunnel.as_ref().map_or(&*self.host, |tunnel| &*tunnel.host))?;
                Ok(ClientChannel::Tls(Box::new(ClientTlsStream::connect(stream, tls, &host, waits)?)))
            }
            (_, stream) => Ok(stream),
        }
    }

    /// Sends a request head and its body over the open connection.
    pub(super) fn send_request(
        &mut self,
        head: &RequestHead<'_>,
        framing: SentFraming,
        body: RequestBody<'_>,
    ) -> Result<(), Error> {
        let (waits, settings) = (self.waits, &self.settings);
        let shared = self.shared.as_ref().ok_or(Error::NotConnected)?;
        let mut state = borrow(shared)?;
        // While an earlier response is being read, `send` does not listen for this request's response, because the rest
        // of the earlier body would have to be buffered first.
        let listens = !state.is_reading;
        let link = state.link.as_mut().ok_or(Error::NotConnected)?;
        let mut out = Buffer::default();
        link.begin_request(head, framing, &mut out);
        let has_body = link.encoder.is_some() && !body.is_empty();
        if has_body && listens && expects_continue(head.fields) {
            let sent = link.send(out.bytes(), waits, true)?;
            out = Buffer::default();
            let continue_waits = WaitLimits { each: Some(settings.continue_timeout), ..waits };
            if sent == SendResult::Stopped || link.await_continue(continue_waits)? == SendResult::Stopped {
                link.abandon_body();
                return Ok(());
            }
        }
        match body {
            // The fields announce a body, which the caller can send with `HttpConnection::send`.
            RequestBody::Empty if link.encoder.is_some() => {
                let _ = link.send(out.bytes(), waits, listens)?;
                Ok(())
            }
            body => link.send_body(&mut out, body, settings.block_size, waits, listens),
        }
    }
}

fn expects_continue(fields: &HeaderList) -> bool {
    fields.get("Expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}
