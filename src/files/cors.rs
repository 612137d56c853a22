//! Answers for scripts of other sites (the CORS protocol of the Fetch standard, section 3.3).

use super::refusal::ALLOW;
use crate::http::{FieldBlock, InvalidHeader, Method, Request, Status, is_token, list_elements};
use crate::service::Response;

/// How long, in seconds, a browser need not ask again: two hours, which is the most that any of them accepts.
const MAX_AGE: u32 = 7200;

/// What every answer has when scripts of `origin` may read it; `*` is everybody.
///
/// The exposed fields are those that a script needs to read a file in ranges.
pub(crate) fn fields(origin: &str) -> Result<FieldBlock, InvalidHeader> {
    let mut head = FieldBlock::new();
    head.add("Access-Control-Allow-Origin", origin)?;
    head.add("Access-Control-Expose-Headers", "Accept-Ranges, Content-Encoding, Content-Range, ETag")?;
    Ok(head)
}

/// What every answer has so that a page may use shared memory and precise clocks: it is isolated from other sites.
pub(crate) fn isolation() -> FieldBlock {
    let mut head = FieldBlock::new();
    head.put("Cross-Origin-Opener-Policy", "same-origin");
    head.put("Cross-Origin-Embedder-Policy", "require-corp");
    head
}

/// Whether a browser asks on behalf of a script whether it may.
pub(crate) fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::Options
        && request.headers().contains("Origin")
        && request.headers().contains("Access-Control-Request-Method")
}

/// It may: files are only read, whatever fields the request has.
pub(crate) fn preflight(request: &Request) -> Response {
    let mut response = Response::new(Status::NO_CONTENT);
    response.head.put("Access-Control-Allow-Methods", ALLOW);
    let asked =
        list_elements(request.headers().get_all("Access-Control-Request-Headers")).filter(|name| is_token(name));
    let asked: Vec<&[u8]> = asked.collect();
    if !asked.is_empty() {
        // Tokens and commas are a valid value.
        _ = response.head.add("Access-Control-Allow-Headers", asked.join(&b", "[..]));
        response.head.put("Vary", "Access-Control-Request-Headers");
    }
    response.head.put("Access-Control-Max-Age", MAX_AGE);
    response
}
