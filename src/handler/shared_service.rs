//! Implements [`Service`] for a service that handlers share, such as a file service.
//!
//! `respond` passes requests to such a service.

use std::time::{Duration, Instant};

use crate::coroutine::Shared;
use crate::http::Request;
use crate::service::{LogCallback, Reply, Service};

/// A service in a [`Shared`] is itself a service, and so are its clones. Handlers pass requests to it with
/// [`Exchange::serve`](super::Exchange::serve). During a call of the service, no other code can access it.
impl<S: Service> Service for Shared<S> {
    fn call(&self, request: &Request) -> Reply {
        self.with(|service| service.call(request))
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.with(|service| service.after_turn(now, note))
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        self.with(|service| service.after_run(note));
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        self.with(|service| service.connect(server_name))
    }
}
