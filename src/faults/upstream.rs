//! The upstream of a request that gets a fault. It delays the response or changes its body, and passes the fault to the
//! connection.

use std::io;
use std::time::Instant;

use super::body;
use super::spec::{FaultAction, FaultSpec};
use crate::http::{FieldBlock, Status};
use crate::service::{Fault, Registrar, Reply, Response, Upstream};

/// An upstream that adds a fault to the reply of the inner service.
pub(super) struct FaultyUpstream {
    spec: FaultSpec,
    /// The reply of the inner service; `None` once the response of a [`Reply::Now`] has been returned.
    reply: Option<Reply>,
    /// The time before which the response is not returned; `None` once that time has passed.
    not_before: Option<Instant>,
    /// True until the connection has taken the 103 response of the `early-hints` fault.
    hints: bool,
    /// True if the response has been returned and the connection has not yet called
    /// [`take_fault`](Upstream::take_fault).
    is_due: bool,
}

impl FaultyUpstream {
    pub(super) fn new(spec: FaultSpec, reply: Reply, not_before: Option<Instant>) -> FaultyUpstream {
        let hints = spec.action == FaultAction::EarlyHints;
        FaultyUpstream { spec, reply: Some(reply), not_before, hints, is_due: false }
    }

    /// Adds the `X-Fault` field to the response. Changes the body as the fault requires, for example so that the
    /// connection can count and change its bytes.
    fn change(&self, mut response: Response) -> Response {
        match self.spec.action {
            FaultAction::Wire(_) => body::stream(&mut response),
            FaultAction::BadChunk(most) => {
                // If `error` is set, the connection sends an error page with a `Content-Length`, which a chunked
                // response must not have.
                response.error = None;
                body::shorten(&mut response, most);
            }
            _ => {}
        }
        response.head.put("X-Fault", self.spec.kind.name());
        response
    }

    fn upstream(&self) -> Option<&dyn Upstream> {
        match &self.reply {
            Some(Reply::Later(upstream)) => Some(&**upstream),
            _ => None,
        }
    }

    fn upstream_mut(&mut self) -> Option<&mut Box<dyn Upstream>> {
        match &mut self.reply {
            Some(Reply::Later(upstream)) => Some(upstream),
            _ => None,
        }
    }
}

impl Upstream for FaultyUpstream {
    fn wants_body(&self) -> bool {
        self.upstream().is_some_and(|upstream| upstream.wants_body())
    }

    fn reads_on(&self) -> bool {
        self.upstream().is_some_and(|upstream| upstream.reads_on())
    }

    fn feed(&mut self, body: &[u8]) -> io::Result<usize> {
        self.upstream_mut().map_or(Ok(0), |upstream| upstream.feed(body))
    }

    fn end(&mut self) -> io::Result<()> {
        self.upstream_mut().map_or(Ok(()), |upstream| upstream.end())
    }

    fn poll(&mut self, registrar: &mut dyn Registrar) -> io::Result<Option<Response>> {
        if self.not_before.is_some_and(|time| registrar.now() < time) {
            return Ok(None);
        }
        self.not_before = None;
        let response = match &mut self.reply {
            // The inner upstream is kept, because it may still have to wake the source of its response.
            Some(Reply::Later(upstream)) => upstream.poll(registrar)?,
            Some(Reply::Now(_)) => match self.reply.take() {
                Some(Reply::Now(response)) => Some(response),
                _ => None,
            },
            None => None,
        };
        self.is_due |= response.is_some();
        Ok(response.map(|response| self.change(response)))
    }

    fn take_interim(&mut self) -> Option<(Status, FieldBlock)> {
        if std::mem::take(&mut self.hints) {
            let mut head = FieldBlock::new();
            head.put("Link", "</style.css>; rel=preload; as=style");
            return Some((Status::EARLY_HINTS, head));
        }
        self.upstream_mut().and_then(|upstream| upstream.take_interim())
    }

    fn deadline(&self) -> Option<Instant> {
        // Before `not_before`, the inner upstream is not polled and its deadline is ignored. A deadline that has
        // already passed would otherwise keep the loop awake.
        self.not_before.or_else(|| self.upstream()?.deadline())
    }

    fn take_fault(&mut self) -> Option<Fault> {
        std::mem::take(&mut self.is_due).then(|| self.spec.fault())
    }
}
