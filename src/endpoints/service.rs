//! The service that finds the endpoint for a request, or passes the request to its fallback. The endpoints are in the
//! other modules.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use super::dataset::{self, DatasetItem, InvalidDataset};
use super::params::Params;
use super::routes::{EndpointCall, Route};
use super::status::DrawCounters;
use crate::coroutine::WorkerPool;
use crate::http::Request;
use crate::service::{LogCallback, Reply, Service};

/// The number of worker threads for `/offload`. While all of them are busy, further jobs wait.
const THREADS: usize = 4;

/// Serves endpoints for benchmarks and tests. All other requests go to another service, the fallback.
///
/// ```
/// use serve_forever::endpoints::EndpointService;
/// use serve_forever::{http::Request, http::Status, service::Response, testing::answer};
///
/// let not_found = |_: &Request| Response::error(Status::NOT_FOUND);
/// let bytes = answer(EndpointService::new(not_found), b"GET /bytes/3?seed=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// assert!(bytes.ends_with(b"\r\n\r\n\xc1\x5c\x02"));
/// ```
///
/// `docs/harness.md` has a table of all endpoints. The service must not be reachable from public networks, because a
/// client can request a gibibyte of data or a second of the loop's time.
pub struct EndpointService<S> {
    prefix: String,
    state: Arc<EndpointState>,
    fallback: S,
}

/// The state that all connections share.
pub(super) struct EndpointState {
    items: Vec<DatasetItem>,
    draws: Mutex<DrawCounters>,
    workers: Arc<WorkerPool>,
    alarms: Alarms,
}

impl EndpointState {
    fn new(items: Vec<DatasetItem>) -> EndpointState {
        let (draws, workers, alarms) = (Mutex::default(), Arc::new(WorkerPool::new(THREADS)), Alarms::default());
        EndpointState { items, draws, workers, alarms }
    }

    pub(super) fn items(&self) -> &[DatasetItem] {
        &self.items
    }

    /// Locks the counters of random draws. The mutex is never contended, because only the loop's thread calls
    /// endpoints.
    pub(super) fn draws(&self) -> MutexGuard<'_, DrawCounters> {
        self.draws.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn workers(&self) -> &Arc<WorkerPool> {
        &self.workers
    }

    pub(super) fn alarms(&self) -> &Alarms {
        &self.alarms
    }
}

impl<S: Service> EndpointService<S> {
    /// Creates a service whose endpoints are directly below `/`, with the built-in dataset.
    pub fn new(fallback: S) -> EndpointService<S> {
        EndpointService { prefix: String::new(), state: Arc::new(EndpointState::new(dataset::built_in())), fallback }
    }

    /// Sets the path below which the endpoints are served, such as `/httpbin`. A trailing slash is ignored.
    pub fn prefix(mut self, prefix: &str) -> EndpointService<S> {
        self.prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// Sets the items of `/json/{count}`: a JSON array of objects with the integers `price` and `quantity`.
    ///
    /// # Errors
    /// Returns an error if the text is not such an array, if the array is empty, or if an item has a member `total`.
    pub fn dataset(mut self, json: &str) -> Result<EndpointService<S>, InvalidDataset> {
        self.state = Arc::new(EndpointState::new(dataset::parse(json)?));
        Ok(self)
    }
}

/// Calls the endpoint for the path of the request. Returns `None` if the path does not belong to an endpoint.
fn reply(prefix: &str, state: &Arc<EndpointState>, request: &Request) -> Option<Reply> {
    let path = request.path().strip_prefix(prefix.as_bytes())?.strip_prefix(b"/")?;
    let (route, rest) = Route::find(path)?;
    Some(route.reply(&EndpointCall { request, rest, params: Params::of(request), prefix, state }))
}

impl<S: Service> Service for EndpointService<S> {
    fn call(&self, request: &Request) -> Reply {
        reply(&self.prefix, &self.state, request).unwrap_or_else(|| self.fallback.call(request))
    }

    fn after_turn(&self, now: Instant, note: &mut LogCallback<'_>) -> Option<Duration> {
        self.fallback.after_turn(now, note)
    }

    fn after_run(&self, note: &mut LogCallback<'_>) {
        self.fallback.after_run(note);
    }

    fn connect(&self, server_name: &str) -> Option<Box<dyn Service>> {
        let fallback = self.fallback.connect(server_name)?;
        let (prefix, state) = (self.prefix.clone(), Arc::clone(&self.state));
        Some(Box::new(ConnectedEndpoints { prefix, state, fallback }))
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.fallback.take_notes(note);
    }
}

impl<S> fmt::Debug for EndpointService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The service for one connection. All requests that are not for an endpoint go to `fallback`, the service that the
/// original fallback has created for this connection.
struct ConnectedEndpoints {
    prefix: String,
    state: Arc<EndpointState>,
    fallback: Box<dyn Service>,
}

impl Service for ConnectedEndpoints {
    fn call(&self, request: &Request) -> Reply {
        reply(&self.prefix, &self.state, request).unwrap_or_else(|| self.fallback.call(request))
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.fallback.take_notes(note);
    }
}
