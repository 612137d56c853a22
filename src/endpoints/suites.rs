//! The endpoints of public benchmark suites: TechEmpower's `/plaintext` and `/json`, HttpArena's `/pipeline` and `/upload`,
//! and the routes of the-benchmarker.

use super::body::BodyCounter;
use super::replies::{EndpointError, json};
use super::routes::EndpointCall;
use crate::http::{Status, latin1};
use crate::service::{Reply, Response};

/// `GET /`: responds with an empty body.
pub(super) fn root(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Response::text("").into())
}

/// `GET /plaintext`: responds with the fixed text of TechEmpower's suite.
pub(super) fn plaintext(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Response::text("Hello, World!").into())
}

/// `GET /pipeline`: responds with the fixed text of HttpArena's suite.
pub(super) fn pipeline(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Response::text("ok").into())
}

/// `GET /json`: responds with a JSON message. The suite requires an object that is serialised for each request.
pub(super) fn message(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let mut body = b"{\"message\":".to_vec();
    crate::files::listing::push_json("Hello, World!", &mut body);
    body.push(b'}');
    Ok(json(Status::OK, body).into())
}

/// `POST /upload`, and the same with PUT and PATCH: responds with the number of bytes in the body.
pub(super) fn upload(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Box::new(BodyCounter::default()).into())
}

/// `GET /user/{id}`: responds with the id as it was sent, not decoded.
pub(super) fn user(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Response::text(latin1(call.rest).into_owned()).into())
}

/// `POST /user`: responds with an empty body.
pub(super) fn new_user(_: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(Response::text("").into())
}
