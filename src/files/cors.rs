//! Header fields and preflight responses for scripts from other origins (the CORS protocol, Fetch standard section
//! 3.3). The settings that turn them on are in `policy`.

use super::refusal::ALLOW;
use crate::http::{FieldBlock, InvalidHeader, Method, Request, Status, is_token, list_elements};
use crate::service::Response;

/// The number of seconds for which a browser may cache a preflight response. Two hours is the maximum that Chromium
/// accepts.
const MAX_AGE: u32 = 7200;

/// Returns the fields that are added to every response so that scripts from `origin` may read it; `*` means any origin.
/// The exposed fields are those that a script needs to request ranges of a file.
///
/// # Errors
/// Returns an error if `origin` is not a valid field value.
pub(crate) fn fields(origin: &str) -> Result<FieldBlock, InvalidHeader> {
    let mut head = FieldBlock::new();
    head.add("Access-Control-Allow-Origin", origin)?;
    head.add("Access-Control-Expose-Headers", "Accept-Ranges, Content-Encoding, Content-Range, ETag")?;
    Ok(head)
}

/// Returns the fields that are added to every response to isolate pages from other origins. Isolated pages can use
/// shared memory and high-resolution timers.
pub(crate) fn isolation() -> FieldBlock {
    let mut head = FieldBlock::new();
    head.put("Cross-Origin-Opener-Policy", "same-origin");
    head.put("Cross-Origin-Embedder-Policy", "require-corp");
    head
}

/// True if the request is a preflight. A browser sends a preflight to ask for permission before it sends a script's
/// request.
pub(crate) fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::Options
        && request.headers().contains("Origin")
        && request.headers().contains("Access-Control-Request-Method")
}

/// Returns the response to a preflight. The response allows every header field that the script wants to send, because
/// requests to a file service cannot modify anything.
pub(crate) fn preflight(request: &Request) -> Response {
    let mut response = Response::new(Status::NO_CONTENT);
    response.head.put("Access-Control-Allow-Methods", ALLOW);
    let requested =
        list_elements(request.headers().get_all("Access-Control-Request-Headers")).filter(|name| is_token(name));
    let names: Vec<&[u8]> = requested.collect();
    if !names.is_empty() {
        // This cannot fail, because tokens and commas form a valid value.
        _ = response.head.add("Access-Control-Allow-Headers", names.join(&b", "[..]));
        response.head.put("Vary", "Access-Control-Request-Headers");
    }
    response.head.put("Access-Control-Max-Age", MAX_AGE);
    response
}
