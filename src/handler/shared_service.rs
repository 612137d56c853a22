//! A service that handlers share, such as one for files, as a [`Service`] itself.
//!
//! Not here: passing a request on, which is in `respond`.

use std::time::{Duration, Instant};

use crate::coroutine::Shared;
use crate::http::Request;
use crate::service::{LogCallback, Reply, Service};

/// A service in a [`Shared`] is a service, and so are its clones. Handlers pass requests to it by
/// [`Exchange::serve`](super::Exchange::serve). No other access to it is open while it is called.
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
