//! The service that reports the health of the server: 200 while it serves, and 503 once the shutdown has begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::service::{not_allowed, of_moment};
use crate::http::{Method, Request, Status};
use crate::service::{LogCallback, Reply, Response, Service};

/// The default URL path of the health report.
const PATH: &str = "/__health";

/// The state that a [`HealthService`] reports. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    /// Creates the state for a server that is serving.
    pub fn new() -> Health {
        Health::default()
    }

    /// Records that the shutdown has begun. Intended for the callback of
    /// [`HttpServer::on_stopping`](crate::HttpServer::on_stopping).
    pub fn set_draining(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A service that reports [`Health`] at a path to every client: 200 with `ok`, or 503 with `draining`. It passes all
/// other requests to another service.
#[derive(Debug, Clone)]
pub struct HealthService<S> {
    health: Health,
    path: Arc<str>,
    inner: S,
}

impl<S: Service> HealthService<S> {
    /// Creates a service that reports at `/__health`. All other requests go to `inner`.
    pub fn new(health: Health, inner: S) -> HealthService<S> {
        HealthService { health, path: PATH.into(), inner }
    }

    /// Sets the URL path of the report. It must begin with a slash.
    pub fn path(mut self, path: &str) -> HealthService<S> {
        self.path = path.into();
        self
    }

    fn report(&self, request: &Request) -> Response {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return not_allowed("GET, HEAD");
        }
        let (status, text): (_, &[u8]) = match self.health.is_draining() {
            true => (Status::SERVICE_UNAVAILABLE, b"draining\n"),
            false => (Status::OK, b"ok\n"),
        };
        of_moment(status, "text/plain; charset=utf-8", text)
    }
}

impl<S: Service> Service for HealthService<S> {
    fn call(&self, request: &Request) -> Reply {
        match request.path() == self.path.as_bytes() {
            true => self.report(request).into(),
            false => self.inner.call(request),
        }
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.inner.after_turn(now, note)
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        self.inner.after_run(note);
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        let inner = self.inner.connect(server_name)?;
        Some(Box::new(HealthService { health: self.health.clone(), path: Arc::clone(&self.path), inner }))
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.inner.take_notes(note);
    }

    fn next_is_deaf(&self, is_loopback: bool) -> bool {
        self.inner.next_is_deaf(is_loopback)
    }
}
