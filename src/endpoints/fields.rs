//! Endpoints that turn their parameters into header fields, and `/basic-auth`.

use std::borrow::Cow;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::echo::{echo, lists, member, object, push_lists, text_member};
use super::replies::EndpointError;
use super::routes::EndpointCall;
use super::status::CHALLENGE;
use crate::http::{FieldBlock, Status, is_token};
use crate::service::{Body, Reply, Source};

/// Names that a parameter cannot have, because the connection generates these fields itself or because they affect the
/// connection.
const RESERVED: [&str; 10] = [
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Trailer",
    "Host",
    "TE",
    "Upgrade",
    "Keep-Alive",
    "Date",
    "Server",
];

/// Content types that browsers do not execute. The response body contains text from the query, so if it had another
/// type, a link to the endpoint could run a script.
const HARMLESS_TYPES: [&str; 3] = ["application/json", "application/octet-stream", "text/plain"];

/// `/response-headers?NAME=VALUE`: responds with a field for each parameter, and with the same pairs as JSON in the
/// body.
pub(super) fn response_headers(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let pairs = call.params.pairs();
    let mut response = object(|_| {});
    let mut body = Vec::new();
    push_lists(&lists(pairs), &mut body);
    response.body = Body::Bytes(body.into());
    if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type")) {
        response.head.remove("Content-Type");
    }
    add_fields(pairs, &mut response.head)?;
    Ok(response.into())
}

/// `/trailers?NAME=VALUE`: responds with the request as JSON, like `/get`, and with a trailer field for each parameter.
pub(super) fn trailers(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let (pairs, mut trailers) = (call.params.pairs(), FieldBlock::new());
    add_fields(pairs, &mut trailers)?;
    let mut response = echo(call.request, None);
    // The names are announced (RFC 9110 section 6.6.2), so that a client can forward the fields.
    let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        response.head.put("Trailer", names.join(", "));
    }
    if let Body::Bytes(bytes) = std::mem::take(&mut response.body) {
        response.body = Body::Stream(Box::new(TrailedBody { bytes, at: 0, trailers }));
    }
    Ok(response.into())
}

/// An in-memory body with trailer fields.
struct TrailedBody {
    bytes: Cow<'static, [u8]>,
    at: usize,
    trailers: FieldBlock,
}

impl Source for TrailedBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let count = buf.len().min(rest.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }

    fn take_trailers(&mut self) -> FieldBlock {
        std::mem::take(&mut self.trailers)
    }
}

/// Adds pairs from a query as fields. Refuses reserved names, invalid names and values, and content types that a
/// browser could execute.
pub(super) fn add_fields(pairs: &[(String, String)], head: &mut FieldBlock) -> Result<(), EndpointError> {
    for (name, value) in pairs {
        if !is_token(name.as_bytes()) || RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(EndpointError::bad_request(format!("{name:?} cannot be the name of a field here")));
        }
        if name.eq_ignore_ascii_case("Content-Type") && !HARMLESS_TYPES.contains(&value.as_str()) {
            let allowed = HARMLESS_TYPES.join(", ");
            return Err(EndpointError::bad_request(format!("Content-Type must be one of {allowed}")));
        }
        head.add(name, value.as_bytes()).map_err(|why| EndpointError::bad_request(why.to_string()))?;
    }
    Ok(())
}

/// `/basic-auth/{user}/{password}`: responds with 200 to a request with these credentials (RFC 7617), and otherwise
/// with 401.
pub(super) fn basic_auth(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    // The path is split before it is decoded, so that the user name can contain an encoded slash.
    let slash = memchr::memchr(b'/', call.rest).unwrap_or(call.rest.len());
    let user = call.decoded(&call.rest[..slash])?;
    let password = call.decoded(call.rest.get(slash + 1..).unwrap_or_default())?;
    let given = call.request.headers().get("Authorization").and_then(credentials);
    let authenticated = given.as_deref() == Some(format!("{user}:{password}").as_bytes());
    let mut response = object(|body| {
        member(body, "authenticated", |body| body.extend_from_slice(authenticated.to_string().as_bytes()));
        text_member(body, "user", &user);
    });
    if !authenticated {
        response.status = Status::UNAUTHORIZED;
        response.head.put("WWW-Authenticate", CHALLENGE);
    }
    Ok(response.into())
}

/// Decodes Basic credentials, `USER:PASSWORD`, from the value of an `Authorization` field. The scheme is
/// case-insensitive.
fn credentials(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked("Basic ".len())?;
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| STANDARD.decode(encoded.trim_ascii()).ok()).flatten()
}
