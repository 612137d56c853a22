//! Responses that several endpoints send: JSON, errors as JSON, and bytes with a content type.

use std::borrow::Cow;

use crate::files::listing::push_json;
use crate::http::Status;
use crate::service::{Body, Response};

/// An error with which an endpoint refuses a request: the status and the reason. The response is JSON.
#[derive(Debug)]
pub(crate) struct EndpointError {
    status: Status,
    detail: String,
}

impl EndpointError {
    /// Creates an error with this status. `detail` is the reason for the refusal.
    pub(crate) fn new(status: Status, detail: impl Into<String>) -> EndpointError {
        EndpointError { status, detail: detail.into() }
    }

    /// Creates an error with the status 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> EndpointError {
        EndpointError::new(Status::BAD_REQUEST, detail)
    }

    /// The reason for the refusal, as text.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The response: `{"status_code":400,"error":"Bad Request","detail":"..."}`.
    pub(crate) fn response(&self) -> Response {
        let mut body = format!("{{\"status_code\":{},\"error\":", self.status.code()).into_bytes();
        push_json(self.status.phrase(), &mut body);
        body.extend_from_slice(b",\"detail\":");
        push_json(&self.detail, &mut body);
        body.push(b'}');
        json(self.status, body)
    }
}

/// Creates a response with a JSON body.
pub(super) fn json(status: Status, body: Vec<u8>) -> Response {
    of_type(status, "application/json", body)
}

/// Creates a response with arbitrary bytes (`application/octet-stream`).
pub(super) fn octets(body: Vec<u8>) -> Response {
    of_type(Status::OK, "application/octet-stream", body)
}

/// Creates a response with this content type, which must be a valid field value.
pub(super) fn of_type(status: Status, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
    let mut response = Response::new(status);
    response.head.put("Content-Type", content_type);
    response.body = Body::Bytes(body.into());
    response
}
