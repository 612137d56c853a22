//! Redirects: chains that end at `/get`, and redirects to a given path of the same host.

use std::fmt::Display;

use super::params::number;
use super::replies::EndpointError;
use super::routes::EndpointCall;
use crate::http::{Status, latin1};
use crate::service::{Reply, Response};

/// The maximum length of a chain of redirects.
const MOST_STEPS: u64 = 1000;

/// `/redirect/{n}`: a chain of n redirects whose locations are paths.
pub(super) fn redirect(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    chain(call, "redirect", "")
}

/// `/relative-redirect/{n}`: the same as `/redirect/{n}`.
pub(super) fn relative(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    chain(call, "relative-redirect", "")
}

/// `/absolute-redirect/{n}`: a chain of n redirects whose locations are URLs with the host from the request.
pub(super) fn absolute(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    chain(call, "absolute-redirect", &call.origin_url())
}

fn chain(call: &EndpointCall<'_>, name: &str, origin: &str) -> Result<Reply, EndpointError> {
    let prefix = call.prefix;
    let steps = number("the number of redirects", &call.text(), 1..=MOST_STEPS)?;
    match steps {
        1 => to(Status::FOUND, format_args!("{origin}{prefix}/get")),
        _ => to(Status::FOUND, format_args!("{origin}{prefix}/{name}/{}", steps - 1)),
    }
}

/// `/redirect-to?url=&status_code=`: a redirect to a path of this server. Other hosts are refused, because an open
/// redirect could disguise links to other sites.
pub(super) fn redirect_to(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let url = call.params.get("url").filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| EndpointError::bad_request("url is missing"))?;
    if url.chars().any(char::is_control) {
        return Err(EndpointError::bad_request("url has a control character"));
    }
    let code = call.params.number("status_code", 302, 300..=399)?;
    let status = u16::try_from(code).ok().and_then(Status::new).unwrap_or(Status::FOUND);
    // Browsers treat `//host` and `/\host` as another host.
    let is_path = |path: &str| path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    let below_host = url.strip_prefix(&call.origin_url()).is_some_and(|path| path.starts_with('/'));
    if !is_path(url) && !below_host {
        return Err(EndpointError::new(Status::FORBIDDEN, format!("{url:?} is not a path or a URL of this host")));
    }
    to(status, format_args!("{url}"))
}

fn to(status: Status, location: impl Display) -> Result<Reply, EndpointError> {
    let mut response = Response::new(status);
    let added = response.head.add("Location", format_args!("{location}"));
    added.map_err(|why| EndpointError::bad_request(why.to_string()))?;
    Ok(response.into())
}

impl EndpointCall<'_> {
    /// The origin of the server, such as `https://HOST`, with the scheme of the connection and the host from the request.
    pub(super) fn origin_url(&self) -> String {
        format!("{}://{}", self.request.scheme(), latin1(self.request.authority().unwrap_or_default()))
    }
}
