//! The reply of a handler that has ended: its complete response, or the error page for its failure.

use std::io::{self, Read};

use super::exchange_state::ExchangeState;
use super::response_state::{ResponseStage, ResponseState};
use crate::coroutine::{ChannelState, TaskOutcome};
use crate::http::{HttpError, Status};
use crate::service::{Body, Reply, Response, Source};

/// Returns the reply of a handler that has ended. The response includes the user name that the handler has set for the
/// log. `name` returns the name of the request for the log.
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
                // The handler returned before the head was complete. If it called `send_response`, it most likely
                // forgot to call `end_headers`, and the log line says so.
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

/// Creates the error page for a handler that has failed. An [`HttpError`] is a deliberate response, so it is not logged
/// as a failure.
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
        // A panic may have left the handler's own state inconsistent, so the handler is dropped together with the
        // connection.
        TaskOutcome::Panicked(_) => response.close(),
        _ => response,
    }
}

/// Creates a response from the complete head and the body that the handler has written. If the body does not have its
/// declared length, the connection is closed after the response.
fn with_body(state: &mut ResponseState, channel: &mut ChannelState, name: impl Fn() -> String) -> Response {
    if state.omit_body {
        return without_body(state);
    }
    let body = std::mem::take(&mut channel.output);
    match state.declared.and_then(|declared| state.length_mismatch(declared)) {
        Some(mismatch) => {
            channel.log.add(format!("{}: {mismatch}", name()));
            // The body becomes a `Body::Stream`, because the length of a stream is not compared with the
            // `Content-Length` before the head is sent.
            let mut response = state.take_head(Body::Stream(Box::new(FixedBody(io::Cursor::new(body)))));
            response.head.put("Connection", "close");
            response
        }
        None => state.take_head(Body::Bytes(body.into())),
    }
}

/// Creates a response to HEAD, or one whose status allows no body. If the handler has written a body in response to
/// HEAD, the head announces its length.
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

/// A body whose length is not compared with the `Content-Length` before the head is sent.
#[derive(Default)]
struct FixedBody(io::Cursor<Vec<u8>>);

impl Source for FixedBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}
