//! The service that injects faults into the responses of another service. A fault is selected by the path of the
//! request, or at random by rules with rates.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::rules::{FaultRules, InvalidFault};
use super::spec::{FaultAction, FaultSpec};
use super::upstream::FaultyUpstream;
use crate::endpoints::{EndpointError, Params};
use crate::http::{Request, Status};
use crate::service::{FaultKind, LogCallback, Reply, Response, Service};

/// Injects faults into the responses of an inner service. For example, a fault delays the response, replaces it, or
/// makes it violate HTTP.
///
/// ```
/// use serve_forever::faults::FaultService;
/// use serve_forever::{http::Request, service::Response, testing::answer};
///
/// let hello = |_: &Request| Response::text("hello");
/// let faulty = FaultService::new(hello).fault("close:1:body=2").unwrap();
/// let bytes = answer(faulty, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// assert!(bytes.ends_with(b"\r\n\r\nhe"));
/// ```
///
/// `docs/harness.md` lists the kinds and their keys. Each fault is logged, and is named in the `X-Fault` field of the
/// response. Faults are intended for clients on the same machine. They are therefore injected only if the server's
/// address is a loopback address, unless [`anywhere`](FaultService::anywhere) allows other addresses.
pub struct FaultService<S> {
    settings: Arc<FaultSettings>,
    inner: S,
}

/// The settings and counters that all connections share.
#[derive(Debug, Default)]
struct FaultSettings {
    rules: FaultRules,
    /// The prefix of the paths that select a fault, with a trailing slash; `None` if paths do not select faults.
    path: Option<String>,
    anywhere: bool,
    requests: AtomicU64,
    connections: AtomicU64,
}

impl Clone for FaultSettings {
    /// Copies the settings and the current values of the counters.
    fn clone(&self) -> Self {
        let copy = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        FaultSettings {
            rules: self.rules.clone(),
            path: self.path.clone(),
            anywhere: self.anywhere,
            requests: copy(&self.requests),
            connections: copy(&self.connections),
        }
    }
}

impl<S: Service> FaultService<S> {
    /// Creates a service that injects no faults until they are configured.
    pub fn new(inner: S) -> FaultService<S> {
        FaultService { settings: Arc::default(), inner }
    }

    /// Adds a rule: `KIND:RATE`, or with keys `KIND:RATE:KEY=VALUE,KEY=VALUE`. `RATE` is a number from 0 to 1: the
    /// fraction of requests, or of connections for the kind `deaf`, that the rule selects at random. If several rules
    /// select a request, the first one applies.
    ///
    /// # Errors
    /// Returns an error if the rule does not have this form, the kind or a key is unknown, or a value is out of range.
    pub fn fault(mut self, rule: &str) -> Result<FaultService<S>, InvalidFault> {
        self.change(|settings| settings.rules.add(rule))?;
        Ok(self)
    }

    /// Sets the seed for the random selection of requests. Default: 0.
    pub fn seed(mut self, seed: u64) -> FaultService<S> {
        self.change(|settings| settings.rules.seed = seed);
        self
    }

    /// Lets paths select a fault: a request for `PREFIX/fault/KIND?KEY=VALUE&path=TARGET` gets the response to
    /// `TARGET`, with this fault.
    pub fn paths(mut self, prefix: &str) -> FaultService<S> {
        let path = format!("{}/fault/", prefix.trim_end_matches('/'));
        self.change(|settings| settings.path = Some(path));
        self
    }

    /// Allows faults on addresses that other machines can reach.
    pub fn anywhere(mut self, allow: bool) -> FaultService<S> {
        self.change(|settings| settings.anywhere = allow);
        self
    }

    /// Changes the settings. A connection that shares the settings keeps the old ones.
    fn change<R>(&mut self, change: impl FnOnce(&mut FaultSettings) -> R) -> R {
        change(Arc::make_mut(&mut self.settings))
    }
}

impl FaultSettings {
    /// Calls the inner service. If the path or a rule selects a fault for the request, adds the fault to the reply.
    fn reply(&self, request: &Request, inner: &dyn Service) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let is_allowed = self.anywhere || request.server_address().ip().is_loopback();
        let kind = self.path.as_ref().and_then(|path| request.path().strip_prefix(path.as_bytes()));
        if let Some(kind) = kind {
            return match is_allowed {
                true => self.reply_to_path(kind, number, request, inner).unwrap_or_else(|why| why.response().into()),
                false => {
                    EndpointError::new(Status::FORBIDDEN, "faults are not allowed on this address").response().into()
                }
            };
        }
        match self.rules.of_request(number).filter(|_| is_allowed) {
            Some(spec) => self.apply(spec.clone(), number, request, inner),
            None => inner.call(request),
        }
    }

    fn reply_to_path(
        &self,
        kind: &[u8],
        number: u64,
        request: &Request,
        inner: &dyn Service,
    ) -> Result<Reply, EndpointError> {
        let kind = String::from_utf8_lossy(kind);
        let (target, keys): (Vec<_>, Vec<_>) =
            Params::of(request).into_pairs().into_iter().partition(|(name, _)| name == "path");
        let unknown = || EndpointError::new(Status::NOT_FOUND, format!("there is no fault {kind:?}"));
        let spec = FaultSpec::parse(&kind, &keys).ok_or_else(unknown)??;
        if spec.action == FaultAction::Deaf {
            return Err(EndpointError::bad_request("a request cannot have this fault, which applies to connections"));
        }
        let target = match &target[..] {
            [] if spec.kind == FaultKind::Garbage => {
                return Ok(with_fault(spec, Response::new(Status::OK).into(), None));
            }
            [(_, target)] => target,
            _ => return Err(EndpointError::bad_request("path must be given exactly once")),
        };
        let is_fault = self.path.as_ref().is_some_and(|path| target.starts_with(path));
        let is_target = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_target || is_fault {
            let why = format!("path must be the path of another resource, percent-encoded, not {target:?}");
            return Err(EndpointError::bad_request(why));
        }
        Ok(self.apply(spec, number, &request.retargeted(target.as_bytes()), inner))
    }

    /// The reply to a request for which this fault has been selected.
    fn apply(&self, spec: FaultSpec, number: u64, request: &Request, inner: &dyn Service) -> Reply {
        match spec.action {
            FaultAction::Latency { least, jitter } => {
                let wait = least + jitter.mul_f64(self.rules.jitter(number));
                with_fault(spec, inner.call(request), Some(request.arrived() + wait))
            }
            FaultAction::Status { status, retry_after } => {
                let mut response = EndpointError::new(status, "a requested fault").response();
                if let Some(seconds) = retry_after {
                    response.head.put("Retry-After", seconds);
                }
                with_fault(spec, response.into(), None)
            }
            _ => with_fault(spec, inner.call(request), None),
        }
    }

    /// True if a rule selects the next connection for [`FaultAction::Deaf`], so that the server must never read from
    /// it.
    fn next_is_deaf(&self, is_loopback: bool) -> bool {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        (self.anywhere || is_loopback) && self.rules.of_connection(number).is_some()
    }
}

fn with_fault(spec: FaultSpec, reply: Reply, not_before: Option<Instant>) -> Reply {
    Reply::Later(Box::new(FaultyUpstream::new(spec, reply, not_before)))
}

impl<S: Service> Service for FaultService<S> {
    fn call(&self, request: &Request) -> Reply {
        self.settings.reply(request, &self.inner)
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.inner.after_turn(now, note)
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        self.inner.after_run(note);
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        let inner = self.inner.connect(server_name)?;
        Some(Box::new(ConnectedFaults { settings: Arc::clone(&self.settings), inner }))
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.inner.take_notes(note);
    }

    fn next_is_deaf(&self, is_loopback: bool) -> bool {
        self.settings.next_is_deaf(is_loopback)
    }
}

impl<S> fmt::Debug for FaultService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultService").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The service for one connection. Adds faults to the replies of `inner`, which the inner service of the
/// [`FaultService`] has created for this connection.
struct ConnectedFaults {
    settings: Arc<FaultSettings>,
    inner: Box<dyn Service>,
}

impl Service for ConnectedFaults {
    fn call(&self, request: &Request) -> Reply {
        self.settings.reply(request, &*self.inner)
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.inner.take_notes(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that creates a service for each connection.
    struct PerConnection;

    impl Service for PerConnection {
        fn call(&self, _: &Request) -> Reply {
            Response::text("hello").into()
        }

        fn connect(&self, _: &str) -> Option<Box<dyn Service>> {
            Some(Box::new(PerConnection))
        }
    }

    #[test]
    fn a_change_keeps_the_settings_that_a_connection_shares() {
        let faulty = FaultService::new(PerConnection).anywhere(true).fault("status:1:code=503").unwrap();
        let connected = faulty.connect("localhost").unwrap();
        let faulty = faulty.paths("/x").seed(7);
        let settings = &faulty.settings;
        assert!(settings.anywhere && settings.rules.of_request(0).is_some());
        assert_eq!((settings.rules.seed, settings.path.as_deref()), (7, Some("/x/fault/")));
        let request = Request::builder("GET", "/x/fault/none").build();
        assert!(matches!(connected.call(&request), Reply::Later(_)), "its path selects no fault, but its rule does");
    }
}
