//! The state that a handler and its connection share for one exchange: the channel and the response.
//!
//! The handler itself runs in `coroutine/`.

use std::cell::{Cell, RefCell};
use std::io;

use super::response_state::ResponseState;
use crate::coroutine::{Channel, HandlerOutput};
use crate::http::Request;

/// The shared state of one exchange, which is reused for the connection's next request.
#[derive(Default)]
pub(super) struct ExchangeState {
    pub(super) channel: Channel,
    pub(super) response: RefCell<ResponseState>,
    /// True if the client sent `Expect: 100-continue` and the handler has not requested the body with
    /// `send_response_only(100)`.
    pub(super) expects_continue: Cell<bool>,
}

impl ExchangeState {
    /// Prepares the state for a request. Log lines of the last request are kept.
    pub(super) fn reset(&self, request: &Request) {
        let mut channel = self.channel.state_mut();
        channel.reset();
        channel.input_ended = request.body_length().is_empty();
        self.response.borrow_mut().reset();
        self.expects_continue.set(request.expects_continue());
    }

    /// True if the client waits for `100 Continue` before it sends the request body. The server sends `100 Continue`
    /// when the handler first reads the body.
    pub(super) fn holds_body_back(&self) -> bool {
        self.expects_continue.get() && !self.channel.state().read_begun
    }
}

/// Limits the response's body to its declared length. The body of a response to HEAD, or with a status such as 204, is
/// counted and discarded.
impl HandlerOutput for ExchangeState {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut response = self.response.borrow_mut();
        let allowed = response.body_allowed(bytes.len())?;
        let count = match response.omit_body {
            true => allowed,
            false => self.channel.state_mut().push_output(&bytes[..allowed]),
        };
        response.written += count as u64;
        Ok(count)
    }
}
