//! Delayed responses to requests whose bodies are not read. Each [`LateResponse`] decides when its response is ready.

use std::io;
use std::time::Instant;

use crate::service::{Registrar, Reply, Response, Upstream};

/// Produces a response that is not ready when its endpoint is called.
pub(super) trait LateResponse: Sized + 'static {
    /// Like [`Upstream::poll`].
    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>>;

    /// Like [`Upstream::deadline`].
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Converts `self` into the reply of the endpoint.
    fn into_reply(self) -> Reply {
        Reply::Later(Box::new(Bodiless(self)))
    }
}

/// The upstream of a delayed response. It does not accept a body.
struct Bodiless<L>(L);

impl<L: LateResponse> Upstream for Bodiless<L> {
    fn wants_body(&self) -> bool {
        false
    }

    fn feed(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        self.0.poll(registrar)
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }
}
