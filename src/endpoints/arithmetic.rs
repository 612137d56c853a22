//! `/baseline11`: the sum of two parameters, plus the body of a POST.

use super::body::BodyCollector;
use super::params::integer;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::http::Method;
use crate::service::{Reply, Response};

/// The maximum size of a body that contains a number, including surrounding white space.
const MOST_BODY: usize = 64;

/// `/baseline11?a=&b=`: responds to GET with a + b, and to POST with a + b + the number in the body.
pub(super) fn sum(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let (a, b) = (call.params.integer("a")?, call.params.integer("b")?);
    if *call.request.method() != Method::Post {
        return Ok(text_of(a.checked_add(b))?.into());
    }
    Ok(BodyCollector::reply(MOST_BODY, None, move |body| {
        let body = integer("the body", String::from_utf8_lossy(body).trim())?;
        text_of(a.checked_add(b).and_then(|sum| sum.checked_add(body)))
    }))
}

fn text_of(sum: Option<i64>) -> Result<Response, EndpointError> {
    let sum = sum.ok_or_else(|| EndpointError::bad_request("the sum has more than 64 bits"))?;
    Ok(Response::text(sum.to_string()))
}
