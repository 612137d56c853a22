//! Tests of closures as services, through an in-memory connection.

use std::error::Error;
use std::io::{self, PipeReader, Read};

use super::*;
use crate::http::HttpError;
use crate::log::AccessLog;
use crate::testing::Bench;

const GET: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The response of a service to a GET request, and the first line of the log.
fn response_and_log<M>(service: impl IntoService<M, Service: Send + 'static>) -> (String, String) {
    let (mut reader, writer): (PipeReader, _) = io::pipe().unwrap();
    let bench = Bench::new(service).log(AccessLog::to(writer.into()));
    let mut client = bench.connect();
    client.send(GET);
    let response = String::from_utf8(client.take()).unwrap();
    drop(client);
    drop(bench);
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    (response, log.lines().next().unwrap_or_default().split_once("] ").unwrap().1.to_owned())
}

fn response<M>(service: impl IntoService<M, Service: Send + 'static>) -> String {
    response_and_log(service).0
}

#[test]
fn a_closure_may_take_the_request_by_reference_by_value_or_without_a_type() {
    assert!(response(|_| Response::text("any")).ends_with("\r\n\r\nany"));
    assert!(response(|request: Request| Response::text(request.name())).ends_with("GET /a?b=c"));
    assert!(response(|request: &Request| Response::text(request.name())).ends_with("GET /a?b=c"));
    assert!(response(|_| -> Result<Response, &str> { Ok(Response::text("fine")) }).ends_with("fine"));
}

#[test]
fn an_error_of_a_closure_is_500_and_its_sources_are_in_the_log() {
    let (response, log) = response_and_log(|_| -> anyhow::Result<Response> {
        Err(anyhow::Error::new(io::Error::other("the disk is full")).context("cannot save"))
    });
    assert!(response.starts_with("HTTP/1.1 500 ") && !response.contains("disk"), "{response}");
    assert_eq!(log, "GET /a?b=c: the service failed: cannot save: the disk is full");
    let (response, log) = response_and_log(|_| Err::<Response, _>("a text"));
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert_eq!(log, "GET /a?b=c: the service failed: a text");
}

#[test]
fn an_http_error_among_the_sources_has_its_status_and_is_no_failure() {
    let deep = || anyhow::Error::new(io::Error::other(HttpError::new(410).message("moved out"))).context("outer");
    let (response, log) = response_and_log(move |_| -> anyhow::Result<Response> { Err(deep()) });
    assert!(response.starts_with("HTTP/1.1 410 moved out\r\n"), "{response}");
    assert_eq!(log, "code 410, message moved out");
    let by_box = |_| -> Result<Response, Box<dyn Error>> { Err(HttpError::new(404))? };
    assert!(self::response(by_box).starts_with("HTTP/1.1 404 Not Found\r\n"));
}

#[test]
fn a_closure_may_fail_with_a_box_that_is_send_and_sync() {
    type AnyError = Box<dyn Error + Send + Sync>;
    let by_value = |_| -> Result<Response, AnyError> { Err(io::Error::other("the disk is full"))? };
    let by_reference = |_: &Request| -> Result<Response, AnyError> { Err(io::Error::other("the disk is full"))? };
    for (response, log) in [response_and_log(by_value), response_and_log(by_reference)] {
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        assert_eq!(log, "GET /a?b=c: the service failed: the disk is full");
    }
    let not_found = |_: &Request| -> Result<Response, AnyError> { Err(HttpError::new(404))? };
    assert!(response(not_found).starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(response(|_| -> Result<Response, AnyError> { Ok(Response::text("fine")) }).ends_with("fine"));
}

#[test]
fn a_panic_of_a_service_is_logged_with_its_request_and_text() {
    let (response, log) = response_and_log(|_| -> Response { panic!("asked for") });
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert_eq!(log, "GET /a?b=c: the service panicked: asked for");
}

#[test]
fn responses_of_each_kind_have_their_type_and_status() {
    let json = response(|_| Response::json(serde_json::json!({"a": [1, "b"]})).status(201));
    assert!(
        json.starts_with("HTTP/1.1 201 Created\r\n") && json.contains("Content-type: application/json\r\n"),
        "{json}"
    );
    assert!(json.ends_with("\r\n\r\n{\"a\":[1,\"b\"]}"), "{json}");
    let bytes = response(|_| Response::bytes("image/x-test", vec![b'x'; 3]));
    assert!(bytes.contains("Content-type: image/x-test\r\n") && bytes.ends_with("\r\n\r\nxxx"), "{bytes}");
    let redirect = response(|_| Response::redirect("/there?a=b"));
    assert!(redirect.starts_with("HTTP/1.1 303 See Other\r\n"), "{redirect}");
    assert!(
        redirect.contains("\r\nLocation: /there?a=b\r\n") && redirect.contains("Content-Length: 0\r\n"),
        "{redirect}"
    );
    assert!(response(|_| Response::error(404)).starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_wrong_value_in_a_response_is_500_with_its_cause_in_the_log() {
    for (service, cause) in [
        (
            (|_: &Request| Response::redirect("/a\r\nX-Evil: 1")) as fn(&Request) -> Response,
            "invalid value for header \"Location\"",
        ),
        (|_| Response::bytes("a\nb", b""), "invalid value for header \"Content-type\""),
        (|_| Response::new(99), "status code 99 is not in 100..=999"),
        (|_| Response::text("x").status(99), "status code 99 is not in 100..=999"),
        (|_| Response::error(1000), "status code 1000 is not in 100..=999"),
    ] {
        let (response, log) = response_and_log(service);
        assert!(response.starts_with("HTTP/1.1 500 ") && !response.contains("Evil"), "{response}");
        assert_eq!(log, format!("GET /a?b=c: the service failed: {cause}"));
    }
}
