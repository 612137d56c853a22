//! The table of endpoints, with the path, the methods and the function of each. The functions are in the other modules.

use std::sync::Arc;

use super::params::Params;
use super::replies::EndpointError;
use super::service::EndpointState;
use super::{
    arithmetic, bytes, codings, conditional, cookies, echo, fields, items, letters, redirects, status, suites, timed,
    work,
};
use crate::http::{Method, Request, Status, percent_decode};
use crate::service::{Reply, Response};

/// A request to an endpoint.
pub(super) struct EndpointCall<'c> {
    pub(super) request: &'c Request,
    /// The part of the path after the name of the endpoint and a slash, not decoded.
    pub(super) rest: &'c [u8],
    pub(super) params: Params,
    /// The prefix of all endpoints, without a trailing slash.
    pub(super) prefix: &'c str,
    pub(super) state: &'c Arc<EndpointState>,
}

impl EndpointCall<'_> {
    /// The rest of the path as text, with escapes not decoded. The endpoints that call this method expect numbers,
    /// which contain no escapes.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.rest).into_owned()
    }

    /// Decodes a part of the path as text.
    pub(super) fn decoded(&self, part: &[u8]) -> Result<String, EndpointError> {
        let bytes = percent_decode(part);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.into_owned()).ok());
        text.ok_or_else(|| EndpointError::bad_request("the path is not percent-encoded UTF-8"))
    }
}

/// The type of an endpoint's function.
type Endpoint = fn(&EndpointCall<'_>) -> Result<Reply, EndpointError>;

/// A row of the table.
pub(super) struct Route {
    /// The path of the endpoint below the prefix, without a leading slash.
    name: &'static [u8],
    /// The minimum and maximum number of segments that follow the name.
    segments: [usize; 2],
    methods: &'static [Method],
    endpoint: Endpoint,
}

impl Route {
    /// Finds the endpoint for `path`, which has no leading slash. Returns its row of the table and the rest of the
    /// path.
    pub(super) fn find(path: &[u8]) -> Option<(&'static Route, &[u8])> {
        ROUTES.iter().find_map(|route| Some((route, route.rest_of(path)?)))
    }

    /// The rest of a path after this endpoint's name; `None` if the path does not belong to this endpoint.
    fn rest_of<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(self.name)?;
        let (count, rest) = match rest.split_first() {
            None => (0, rest),
            Some((b'/', rest)) => (rest.split(|byte| *byte == b'/').count(), rest),
            Some(_) => return None,
        };
        let [least, most] = self.segments;
        (least..=most).contains(&count).then_some(rest)
    }

    /// Calls the endpoint if it supports the method of the request.
    pub(super) fn reply(&self, call: &EndpointCall<'_>) -> Reply {
        if !self.methods.contains(call.request.method()) {
            return self.method_not_allowed(call.request.method()).into();
        }
        (self.endpoint)(call).unwrap_or_else(|error| error.response().into())
    }

    fn method_not_allowed(&self, method: &Method) -> Response {
        let why = format!("this endpoint has no method {}", method.as_str());
        let mut response = EndpointError::new(Status::METHOD_NOT_ALLOWED, why).response();
        let allowed: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        response.head.put("Allow", allowed.join(", "));
        response
    }
}

const GET: &[Method] = &[Method::Get, Method::Head];
const GET_POST: &[Method] = &[Method::Get, Method::Head, Method::Post];
const POST: &[Method] = &[Method::Post];
const UPLOAD: &[Method] = &[Method::Post, Method::Put, Method::Patch];
/// All methods except CONNECT, which has no path, and TRACE, whose response would let a page read the fields that its
/// browser adds.
const ANY: &[Method] =
    &[Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options];

/// The maximum number of segments for an endpoint that accepts any number of segments.
const MANY: usize = usize::MAX;

/// Creates a row of the table.
const fn row(name: &'static str, segments: [usize; 2], methods: &'static [Method], endpoint: Endpoint) -> Route {
    Route { name: name.as_bytes(), segments, methods, endpoint }
}

/// The endpoints. Those for benchmarks come first, because the table is searched from the beginning.
const ROUTES: &[Route] = &[
    row("plaintext", [0, 0], GET, suites::plaintext),
    row("pipeline", [0, 0], GET, suites::pipeline),
    row("json", [0, 0], GET, suites::message),
    row("json", [1, 1], GET, items::items),
    row("baseline11", [0, 0], GET_POST, arithmetic::sum),
    row("", [0, 0], GET, suites::root),
    row("user", [0, 0], POST, suites::new_user),
    row("user", [1, 1], GET, suites::user),
    row("upload", [0, 0], UPLOAD, suites::upload),
    row("bytes", [1, 1], GET, bytes::bytes),
    row("stream-bytes", [1, 1], GET, bytes::stream_bytes),
    row("allocate", [1, 1], GET, bytes::allocate),
    row("range", [1, 1], GET, letters::range),
    row("stream", [1, 1], GET, echo::stream),
    row("delay", [1, 1], ANY, timed::delay),
    row("drip", [0, 0], GET, timed::drip),
    row("sse", [0, 0], GET, timed::events),
    row("status", [1, 1], ANY, status::status),
    row("unstable", [0, 0], ANY, status::unstable),
    row("etag", [1, 1], GET, conditional::etag),
    row("cache", [0, 1], GET, conditional::cache),
    row("redirect", [1, 1], ANY, redirects::redirect),
    row("relative-redirect", [1, 1], ANY, redirects::relative),
    row("absolute-redirect", [1, 1], ANY, redirects::absolute),
    row("redirect-to", [0, 0], ANY, redirects::redirect_to),
    row("get", [0, 0], GET, echo::anything),
    row("post", [0, 0], POST, echo::anything),
    row("put", [0, 0], &[Method::Put], echo::anything),
    row("patch", [0, 0], &[Method::Patch], echo::anything),
    row("delete", [0, 0], &[Method::Delete], echo::anything),
    row("anything", [0, MANY], ANY, echo::anything),
    row("headers", [0, 0], GET, echo::headers),
    row("ip", [0, 0], GET, echo::ip),
    row("user-agent", [0, 0], GET, echo::user_agent),
    row("response-headers", [0, 0], GET_POST, fields::response_headers),
    row("trailers", [0, 0], GET, fields::trailers),
    row("basic-auth", [2, 2], GET, fields::basic_auth),
    row("cookies", [0, 0], GET, cookies::cookies),
    row("cookies/set", [0, 0], GET, cookies::set),
    row("cookies/delete", [0, 0], GET, cookies::delete),
    row("gzip", [0, 0], GET, codings::gzip),
    row("deflate", [0, 0], GET, codings::deflate),
    row("base64", [1, 2], GET, codings::base64),
    row("uuid", [0, 0], GET, codings::uuid),
    row("burn", [0, 0], GET, work::burn),
    row("offload", [0, 0], GET, work::offload),
    row("wake", [0, 0], GET, work::wake),
];
