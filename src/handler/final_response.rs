//! The reply of a handler that has ended: its response, whole, or the error page for its failure.

use std::io::{self, Read};

use super::exchange_state::ExchangeState;
use super::response_state::{ResponseStage, ResponseState};
use crate::coroutine::{ChannelState, TaskOutcome};
use crate::http::{HttpError, Status};
use crate::service::{Body, Reply, Response, Source};

/// Takes the reply of a handler that has ended. The user that the handler has named is in it. `name` is the name of the
/// request in the log.
pub(super) fn final_reply(state: &ExchangeState, name: impl Fn() -> String) -> Reply {
    let mut channel = state.channel.state_mut();
    let mut response_state = state.response.borrow_mut();
    let mut response = match channel.outcome.take() {
        Some(TaskOutcome::Returned) | None => match std::mem::take(&mut response_state.stage) {
            ResponseStage::Body => with_body(&mut response_state, &mut channel, name),
            ResponseStage::Complete(reply) => match *reply {
                Reply::Now(response) => response,
                later => return later,
            },
            ResponseStage::Head | ResponseStage::Streaming => {
                // Most often the handler has begun a response and not called `end_headers`, so the message names that.
                let begun = response_state.status.is_some();
                let fault = if begun { "end_headers was not called" } else { "the handler sent no response" };
                channel.log.add(format!("{}: {fault}", name()));
                Response::error(Status::INTERNAL_SERVER_ERROR)
            }
        },
        Some(failure) => failure_response(&failure, &mut channel, name),
    };
    response_state.set_user(&mut response);
    response.into()
}

/// The error page. An [`HttpError`] is a response that the handler chose, and is not logged as a failure.
fn failure_response(outcome: &TaskOutcome, channel: &mut ChannelState, name: impl Fn() -> String) -> Response {
    if let TaskOutcome::Failed(error) = outcome
        && let Some(error) = HttpError::find(&**error)
    {
        return error.into();
    }
    if let Some(failure) = outcome.failure() {
        channel.log.add(format!("{}: {failure}", name()));
    }
    let response = Response::error(Status::INTERNAL_SERVER_ERROR);
    match outcome {
        // The handler's own state may be broken. It is dropped with the connection.
        TaskOutcome::Panicked(_) => response.close(),
        _ => response,
    }
}

/// The response whose head is complete, with the body that was written.
fn with_body(state: &mut ResponseState, channel: &mut ChannelState, name: impl Fn() -> String) -> Response {
    if state.omit_body {
        return without_body(state);
    }
    let body = std::mem::take(&mut channel.output);
    match state.declared.and_then(|declared| state.length_mismatch(declared)) {
        Some(mismatch) => {
            channel.log.add(format!("{}: {mismatch}", name()));
            // As a stream the body is not checked against its `Content-Length` before the head leaves.
            let mut response = state.take_head(Body::Stream(Box::new(FixedBody(io::Cursor::new(body)))));
            response.head.put("Connection", "close");
            response
        }
        None => state.take_head(Body::Bytes(body.into())),
    }
}

/// The response to HEAD, or with a status that has no body. The length of a body that was written is announced.
fn without_body(state: &mut ResponseState) -> Response {
    // `Body::Empty` would announce a length of 0, which the response to GET need not have.
    let mut response = state.take_head(Body::Stream(Box::new(FixedBody::default())));
    if response.status.is_bodiless() {
        response.body = Body::Empty;
    } else if state.written > 0 && response.head.content_length().is_none() {
        response.head.put("Content-Length", state.written);
    }
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
