//! Endpoints with validators: `/etag` and `/cache`.

use super::echo::echo;
use super::params::number;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::files::{PreconditionResult, Validators, evaluate};
use crate::http::{HttpDate, Status};
use crate::service::{Reply, Response};

/// The `ETag` of `/cache`, which never changes.
const CACHE_ETAG: &str = "\"cache\"";

/// The `Last-Modified` of `/cache`, which never changes: 2001-09-09T01:46:40Z.
const CACHE_MODIFIED: i64 = 1_000_000_000;

/// `/etag/{etag}`: responds with the request as JSON, like `/get`, and with this entity tag as its `ETag`.
/// Preconditions apply (RFC 9110 section 13).
pub(super) fn etag(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let tag = call.decoded(call.rest)?;
    // These are the ASCII characters of `etagc` (RFC 9110 section 8.8.3). Text is sent as Latin-1, so a non-ASCII
    // character would not be sent as the bytes that the client wrote.
    if !tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        return Err(EndpointError::bad_request("an entity tag consists of visible ASCII characters without a quote"));
    }
    Ok(conditional(call, &format!("\"{tag}\""), None))
}

/// `/cache`: responds with the request as JSON, like `/get`, and with a constant `ETag` and `Last-Modified`.
/// Preconditions apply.
///
/// `/cache/{s}`: responds with the request as JSON, which can be cached for s seconds.
pub(super) fn cache(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    if call.rest.is_empty() {
        return Ok(conditional(call, CACHE_ETAG, Some(HttpDate::from_unix(CACHE_MODIFIED))));
    }
    // There is a segment after `/cache`, so this is `/cache/{s}`.
    let seconds = number("the number of seconds", &call.text(), 0..=u64::from(u32::MAX))?;
    let mut response = echo(call.request, None);
    response.head.put("Cache-Control", format_args!("public, max-age={seconds}"));
    Ok(response.into())
}

fn conditional(call: &EndpointCall<'_>, etag: &str, modified: Option<HttpDate>) -> Reply {
    let mut response = match evaluate(call.request.headers(), Validators { etag, modified }) {
        PreconditionResult::Proceed => echo(call.request, None),
        PreconditionResult::NotModified => Response::new(Status::NOT_MODIFIED),
        PreconditionResult::Failed => {
            EndpointError::new(Status::PRECONDITION_FAILED, "a precondition is false").response()
        }
    };
    response.head.put("ETag", etag);
    if let Some(modified) = modified {
        response.head.put("Last-Modified", modified);
    }
    response.into()
}
