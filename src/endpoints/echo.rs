//! Endpoints that show the request as JSON: `/get`, `/anything`, `/headers`, `/ip`, `/stream` and others.

use std::collections::BTreeMap;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::body::BodyCollector;
use super::params::{Params, number};
use super::replies::{EndpointError, json};
use super::routes::EndpointCall;
use crate::files::listing::push_json;
use crate::http::{BodyLength, Method, Request, Status, latin1};
use crate::service::{Body, Reply, Response, Source};

/// The maximum size of a request body that a response includes: 1 MiB.
pub(super) const MOST_BODY: usize = 1 << 20;

/// `/get`, `/anything` and others: respond with all parts of the request.
pub(super) fn anything(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    if matches!(call.request.method(), Method::Get | Method::Head) && call.request.body_length() == BodyLength::None {
        return Ok(echo(call.request, None).into());
    }
    let request = call.request.clone();
    Ok(BodyCollector::reply(MOST_BODY, None, move |body| Ok(echo(&request, Some(body)))))
}

/// `/headers`: responds with the header fields of the request.
pub(super) fn headers(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(object(|body| member(body, "headers", |body| push_lists(&headers_of(call.request), body))).into())
}

/// `/ip`: responds with the IP address of the client.
pub(super) fn ip(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    Ok(object(|body| text_member(body, "origin", &origin(call.request))).into())
}

/// `/user-agent`: responds with the `User-Agent` of the request.
pub(super) fn user_agent(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let agent = call.request.headers().get_str("User-Agent").unwrap_or_default();
    Ok(object(|body| text_member(body, "user-agent", &agent)).into())
}

/// `/stream/{n}`: responds with n lines of JSON.
pub(super) fn stream(call: &EndpointCall<'_>) -> Result<Reply, EndpointError> {
    let count = number("the number of lines", &call.text(), 1..=100_000)?;
    let mut rest = Vec::new();
    push_request(call.request, &mut rest);
    rest.extend_from_slice(b"}\n");
    let mut response = Response::new(Status::OK);
    response.head.put("Content-Type", "application/x-ndjson");
    response.body = Body::Stream(Box::new(JsonLines { rest, count, next: 0, line: Vec::new(), at: 0 }));
    Ok(response.into())
}

/// Creates a response with the request as JSON. `body` is the body of the request, or `None` if the endpoint does not
/// accept one.
pub(super) fn echo(request: &Request, body: Option<&[u8]>) -> Response {
    object(|out| {
        text_member(out, "method", request.method().as_str());
        // These members also appear in the lines of `/stream`, unlike `method` and the body.
        push_request(request, out);
        if let Some(data) = body {
            push_body(request, data, out);
        }
    })
}

/// Creates a response whose body is a JSON object. `write` appends the members.
pub(super) fn object(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut body = b"{".to_vec();
    write(&mut body);
    body.push(b'}');
    json(Status::OK, body)
}

/// Appends a member to a JSON object.
pub(super) fn member(out: &mut Vec<u8>, name: &str, write_value: impl FnOnce(&mut Vec<u8>)) {
    if out.last().is_some_and(|byte| *byte != b'{') {
        out.push(b',');
    }
    push_json(name, out);
    out.push(b':');
    write_value(out);
}

/// Appends a member whose value is a string to a JSON object.
pub(super) fn text_member(out: &mut Vec<u8>, name: &str, text: &str) {
    member(out, name, |out| push_json(text, out));
}

/// Appends a JSON object whose members are arrays of strings.
pub(super) fn push_lists(lists: &BTreeMap<String, Vec<String>>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, values) in lists {
        member(out, name, |out| {
            for (at, value) in values.iter().enumerate() {
                out.push(if at == 0 { b'[' } else { b',' });
                push_json(value, out);
            }
            out.push(b']');
        });
    }
    out.push(b'}');
}

/// Groups pairs by name. The values of a name are in their original order.
pub(super) fn lists(pairs: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut lists = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in pairs {
        lists.entry(name.clone()).or_default().push(value.clone());
    }
    lists
}

fn push_request(request: &Request, out: &mut Vec<u8>) {
    member(out, "args", |out| push_lists(&lists(Params::of(request).pairs()), out));
    member(out, "headers", |out| push_lists(&headers_of(request), out));
    text_member(out, "origin", &origin(request));
    text_member(out, "url", &url(request));
}

/// Appends the body as text, or as a `data:` URL (RFC 2397) if it is not UTF-8. If the body is a form, also appends its
/// pairs.
fn push_body(request: &Request, data: &[u8], out: &mut Vec<u8>) {
    let content_type = request.headers().get_str("Content-Type").unwrap_or_default();
    match std::str::from_utf8(data) {
        Ok(text) => text_member(out, "data", text),
        Err(_) => {
            let media_type = if content_type.is_empty() { "application/octet-stream" } else { &content_type };
            text_member(out, "data", &format!("data:{media_type};base64,{}", STANDARD.encode(data)));
        }
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let form = if is_form { lists(Params::parse(data).pairs()) } else { BTreeMap::new() };
    member(out, "form", |out| push_lists(&form, out));
}

/// The header fields by name, with names capitalised as in Go, such as `X-Lower-Case`.
fn headers_of(request: &Request) -> BTreeMap<String, Vec<String>> {
    let mut lists = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in request.headers().iter() {
        let text = std::str::from_utf8(value).map_or_else(|_| latin1(value), Into::into);
        lists.entry(canonical(name)).or_default().push(text.into_owned());
    }
    lists
}

fn canonical(name: &str) -> String {
    let word = |word: &str| {
        let mut word = word.to_ascii_lowercase();
        word.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
        word
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn origin(request: &Request) -> String {
    request.client_address().ip().to_canonical().to_string()
}

/// The URL of the request: the host, followed by the target as it was sent.
fn url(request: &Request) -> String {
    let target = latin1(request.target());
    match target.starts_with('/') {
        true => format!("http://{}{target}", latin1(request.authority().unwrap_or_default())),
        false => target.into_owned(),
    }
}

/// The body of `/stream`: lines that differ only in their `id`. A line can be longer than the read buffer, because it
/// contains the request's fields.
struct JsonLines {
    /// The members that follow the `id`.
    rest: Vec<u8>,
    count: u64,
    next: u64,
    line: Vec<u8>,
    /// The number of bytes of `line` that have been read.
    at: usize,
}

impl Source for JsonLines {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() && self.next < self.count {
            self.line = format!("{{\"id\":{},", self.next).into_bytes();
            self.line.extend_from_slice(&self.rest);
            (self.next, self.at) = (self.next + 1, 0);
        }
        let count = buf.len().min(self.line.len() - self.at);
        buf[..count].copy_from_slice(&self.line[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_written_as_go_writes_them() {
        for (name, expected) in [("x-LOWER-case", "X-Lower-Case"), ("host", "Host"), ("a--b-", "A--B-"), ("", "")] {
            assert_eq!(canonical(name), expected);
        }
    }
}
