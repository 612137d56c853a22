//! The service that reports the counters at a path, and passes all other requests on.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Statistics;
use crate::http::{Method, Request, Status, list_elements};
use crate::service::{Body, LogCallback, Reply, Response, Service};

/// The default URL path of the statistics report.
const PATH: &str = "/__stats";

/// The `Content-Type` of the text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A predicate that returns true if a client with this address may get the report.
type Admit = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// A service that reports [`Statistics`] at a path: as JSON, or in the text format of Prometheus for
/// `?format=prometheus` and for clients that accept it. `POST PATH/reset` begins a new window.
#[derive(Clone)]
pub struct StatisticsService<S> {
    statistics: Arc<Statistics>,
    path: Arc<str>,
    admit: Admit,
    inner: S,
}

impl<S: Service> StatisticsService<S> {
    /// Creates a service that reports at `/__stats` to clients on loopback addresses. All other requests go to `inner`.
    pub fn new(statistics: Arc<Statistics>, inner: S) -> StatisticsService<S> {
        let admit: Admit = Arc::new(|address| address.is_loopback());
        StatisticsService { statistics, path: PATH.into(), admit, inner }
    }

    /// Sets the URL path of the report. It must begin with a slash.
    pub fn path(mut self, path: &str) -> StatisticsService<S> {
        self.path = path.into();
        self
    }

    /// Sets the predicate for the addresses of clients that may get the report. Requests from other clients go to
    /// `inner`.
    pub fn admit(mut self, admit: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> StatisticsService<S> {
        self.admit = Arc::new(admit);
        self
    }

    /// The response to a request for the report or for a new window. `None` if the request goes to `inner`.
    fn respond(&self, request: &Request) -> Option<Response> {
        let rest = request.path().strip_prefix(self.path.as_bytes())?;
        if !matches!(rest, b"" | b"/reset") || !(self.admit)(request.client_address().ip()) {
            return None;
        }
        Some(match (rest, request.method()) {
            (b"", Method::Get | Method::Head) => self.report(request),
            (b"", _) => not_allowed("GET, HEAD"),
            (_, Method::Post) => {
                self.statistics.begin_window();
                Response::new(Status::NO_CONTENT)
            }
            _ => not_allowed("POST"),
        })
    }

    fn report(&self, request: &Request) -> Response {
        let is_text = match format_of(request.query()) {
            Some(b"prometheus") => true,
            Some(b"json") => false,
            None => accepts_prometheus(request),
            Some(_) => return Response::error(Status::BAD_REQUEST).message("format must be json or prometheus"),
        };
        let (media_type, text) = match is_text {
            true => (TEXT, self.statistics.to_prometheus()),
            false => ("application/json", self.statistics.to_json()),
        };
        of_moment(Status::OK, media_type, text.into_bytes())
    }
}

/// Creates a response that must not be cached, because its values change.
pub(super) fn of_moment(status: Status, media_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Response {
    let mut response = Response::new(status).body(Body::Bytes(body.into()));
    response.head.put("Content-Type", media_type);
    response.head.put("Cache-Control", "no-store");
    response
}

/// Creates a 405 response with the allowed methods.
pub(super) fn not_allowed(methods: &str) -> Response {
    let mut response = Response::error(Status::METHOD_NOT_ALLOWED);
    response.head.put("Allow", methods);
    response
}

/// The value of the parameter `format` in a query.
fn format_of(query: Option<&[u8]>) -> Option<&[u8]> {
    query?.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"format="))
}

/// True if the client's `Accept` contains the text format with its version. `text/plain` alone is not sufficient,
/// because clients that expect JSON often accept that too.
fn accepts_prometheus(request: &Request) -> bool {
    let mut ranges = list_elements(request.headers().get_all("Accept"));
    ranges.any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_plain = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case(b"text/plain"));
        is_plain && parts.any(|part| part.eq_ignore_ascii_case(b"version=0.0.4"))
    })
}

impl<S: Service> Service for StatisticsService<S> {
    fn call(&self, request: &Request) -> Reply {
        match self.respond(request) {
            Some(response) => response.into(),
            None => self.inner.call(request),
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
        let (statistics, path, admit) = (Arc::clone(&self.statistics), Arc::clone(&self.path), Arc::clone(&self.admit));
        Some(Box::new(StatisticsService { statistics, path, admit, inner }))
    }

    fn take_notes(&self, note: &mut dyn FnMut(&str)) {
        self.inner.take_notes(note);
    }

    fn next_is_deaf(&self, is_loopback: bool) -> bool {
        self.inner.next_is_deaf(is_loopback)
    }
}

impl<S> fmt::Debug for StatisticsService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatisticsService at {}", self.path)
    }
}
