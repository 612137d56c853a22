//! `/cookies`, `/cookies/set` and `/cookies/delete`.

use super::echo::{member, object, text_member};
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::http::{Status, is_token, latin1, trim_ows};
use crate::service::{Reply, Response};

/// `/cookies`: responds with the cookies of the request.
pub(super) fn cookies(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let fields = call.request.headers().get_all("Cookie");
    let parts = fields.flat_map(|field| field.split(|byte| *byte == b';')).map(trim_ows);
    let response = object(|body| {
        member(body, "cookies", |body| {
            body.push(b'{');
            for part in parts {
                let Some(equals) = memchr::memchr(b'=', part) else { continue };
                text_member(body, &latin1(&part[..equals]), &latin1(&part[equals + 1..]));
            }
            body.push(b'}');
        });
    });
    Ok(response.into())
}

/// `/cookies/set?NAME=VALUE`: sets one cookie for each parameter.
pub(super) fn set(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    set_each(call, |name, value| format!("{name}={value}; Path=/; HttpOnly"))
}

/// `/cookies/delete?NAME`: deletes the cookie with the name of each parameter.
pub(super) fn delete(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    set_each(call, |name, _| format!("{name}=; Path=/; HttpOnly; Max-Age=0"))
}

/// Sends a `Set-Cookie` field for each parameter, and redirects to `/cookies`.
fn set_each(call: &EndpointCall<'_>, line: impl Fn(&str, &str) -> String) -> Result<Reply, EndpointError> {
    let mut response = Response::new(Status::FOUND);
    for (name, value) in call.params.pairs() {
        // These are the characters of `cookie-octet` (RFC 6265 section 4.1.1). A semicolon, for example, would begin an
        // attribute.
        let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !is_token(name.as_bytes()) || !value.bytes().all(is_octet) {
            let why = format!("{name:?} with the value {value:?} cannot be a cookie");
            return Err(EndpointError::bad_request(why));
        }
        response.head.put("Set-Cookie", line(name, value));
    }
    response.head.put("Location", format_args!("{}/cookies", call.prefix));
    Ok(response.into())
}
