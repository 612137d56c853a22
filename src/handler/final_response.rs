//! The reply of a handler that has ended: its response, whole, or the error page for its failure.

use std::io::{self, Read};

use super::error::HttpError;
use super::exchange_state::ExchangeState;
use super::response_state::{ResponseStage, ResponseState};
use crate::coroutine::{Channel, TaskOutcome};
use crate::http::Status;
use crate::service::{Body, Reply, Response, Source};

/// Takes the reply of a handler that has ended. The user that the handler has named is in it.
pub(super) fn final_reply(state: &ExchangeState) -> Reply {
    let outcome = state.channel.state_mut().outcome.take();
    let mut response_state = state.response.borrow_mut();
    let reply = match outcome {
        Some(TaskOutcome::Returned) | None => returned_reply(&mut response_state, &state.channel),
        Some(failure) => failure_response(&failure, &state.channel).into(),
    };
    match reply {
        Reply::Now(mut response) => {
            response_state.set_user(&mut response);
            response.into()
        }
        later => later,
    }
}

fn returned_reply(state: &mut ResponseState, channel: &Channel) -> Reply {
    match std::mem::take(&mut state.stage) {
        ResponseStage::Body => with_body(state, channel).into(),
        ResponseStage::Complete(reply) => *reply,
        ResponseStage::Head | ResponseStage::Streaming => {
            channel.log("the handler sent no response".to_owned());
            Response::error(Status::INTERNAL_SERVER_ERROR).into()
        }
    }
}

/// The error page. An [`HttpError`] is a response that the handler chose, and is not logged as a failure.
fn failure_response(outcome: &TaskOutcome, channel: &Channel) -> Response {
    if let TaskOutcome::Failed(error) = outcome
        && let Some(error) = HttpError::find(error)
    {
        return error.response();
    }
    if let Some(line) = outcome.failure() {
        channel.log(line);
    }
    let response = Response::error(Status::INTERNAL_SERVER_ERROR);
    match outcome {
        // The handler's own state may be broken. It is dropped with the connection.
        TaskOutcome::Panicked(_) => response.close(),
        _ => response,
    }
}

/// The response whose head is complete, with the body that was written.
fn with_body(state: &mut ResponseState, channel: &Channel) -> Response {
    if state.omit_body {
        return without_body(state);
    }
    let body = std::mem::take(&mut channel.state_mut().output);
    let mut response = state.take_head();
    response.body = match state.declared.and_then(|declared| state.length_mismatch(declared)) {
        Some(mismatch) => {
            channel.log(mismatch);
            response.head.put("Connection", "close");
            // As a stream the body is not checked against its `Content-Length` before the head leaves.
            Body::Stream(Box::new(FixedBody(io::Cursor::new(body))))
        }
        None => Body::Bytes(body.into()),
    };
    response
}

/// The response to HEAD, or with a status that has no body. The length of a body that was written is announced.
fn without_body(state: &mut ResponseState) -> Response {
    let mut response = state.take_head();
    if response.status.is_bodiless() {
        return response;
    }
    if state.written > 0 && response.head.content_length().is_none() {
        response.head.put("Content-Length", state.written);
    }
    // `Body::Empty` would announce a length of 0, which the response to GET need not have.
    response.body = Body::Stream(Box::new(FixedBody::default()));
    response
}

/// Bytes whose number is not compared with the `Content-Length` beforehand.
#[derive(Default)]
struct FixedBody(io::Cursor<Vec<u8>>);

impl Source for FixedBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}
