//! Upstreams that respond after they have received the whole body of a request: one stores the body, and the other
//! counts its bytes.

use std::io;
use std::time::Instant;

use super::replies::EndpointError;
use crate::http::Status;
use crate::service::{Registrar, Reply, Response, Upstream};

/// A function that creates the response from the complete body of a request.
type Respond = Box<dyn FnOnce(&[u8]) -> Result<Response, EndpointError>>;

/// Stores the body of a request. Responds when the body is complete, but not before a given time.
pub(super) struct BodyCollector {
    body: Vec<u8>,
    /// The maximum size of a stored body. The response to a longer body is 413.
    most: usize,
    is_complete: bool,
    is_too_long: bool,
    /// The earliest time at which the response is sent. `None` if it is sent as soon as the body is complete.
    not_before: Option<Instant>,
    respond: Option<Respond>,
}

impl BodyCollector {
    /// Creates a reply that stores a body of up to `most` bytes and passes it to `respond`.
    pub(super) fn reply(
        most: usize,
        not_before: Option<Instant>,
        respond: impl FnOnce(&[u8]) -> Result<Response, EndpointError> + 'static,
    ) -> Reply {
        let respond: Option<Respond> = Some(Box::new(respond));
        let (body, is_complete, is_too_long) = (Vec::new(), false, false);
        Reply::Later(Box::new(BodyCollector { body, most, is_complete, is_too_long, not_before, respond }))
    }
}

impl Upstream for BodyCollector {
    fn wants_body(&self) -> bool {
        !self.is_too_long && !self.is_complete
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        if body.len() > self.most - self.body.len() {
            self.is_too_long = true;
            return Ok(0);
        }
        self.body.extend_from_slice(body);
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        self.is_complete = true;
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if self.is_too_long {
            let why = format!("the body is longer than {} bytes", self.most);
            return Ok(Some(EndpointError::new(Status::CONTENT_TOO_LARGE, why).response()));
        }
        if !self.is_complete || self.not_before.is_some_and(|time| registrar.now() < time) {
            return Ok(None);
        }
        let response = self.respond.take().map(|respond| respond(&self.body));
        Ok(response.map(|result| result.unwrap_or_else(|error| error.response())))
    }

    fn deadline(&self) -> Option<Instant> {
        // A deadline in the past must not be returned while the body is incomplete, because the loop would then never
        // sleep.
        self.not_before.filter(|_| self.is_complete && self.respond.is_some())
    }
}

/// Counts the bytes of a request body, and responds with the number.
#[derive(Default)]
pub(super) struct BodyCounter {
    count: u64,
    is_complete: bool,
}

impl Upstream for BodyCounter {
    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        self.count += body.len() as u64;
        Ok(body.len())
    }

    fn end(&mut self) -> io::Result<()> {
        self.is_complete = true;
        Ok(())
    }

    fn poll(&mut self, _: &mut dyn Registrar) -> io::Result<Option<Response>> {
        Ok(self.is_complete.then(|| Response::text(self.count.to_string())))
    }
}
