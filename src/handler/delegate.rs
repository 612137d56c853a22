//! `Delegate`: the upstream of a service to which a handler has passed its request.

use std::io;

use crate::coroutine::Channel;
use crate::service::Upstream;

/// An upstream that responds in place of the handler. It first receives the input that the handler has not read.
pub(super) struct Delegate {
    pub(super) upstream: Box<dyn Upstream>,
    /// True once `Upstream::end` has been called, which must happen only once.
    ended: bool,
}

impl Delegate {
    pub(super) fn new(upstream: Box<dyn Upstream>) -> Delegate {
        Delegate { upstream, ended: false }
    }

    /// Passes the channel's input to the upstream, and then the end of the input if it has been reached. Returns true
    /// if no input is left in the channel.
    pub(super) fn catch_up(&mut self, channel: &Channel) -> io::Result<bool> {
        let mut state = channel.state_mut();
        while !state.input.is_empty() {
            let count = self.upstream.feed(&state.input)?;
            if count == 0 {
                return Ok(false);
            }
            state.input.drain(..count);
        }
        if state.input_ended && !self.ended {
            self.ended = true;
            self.upstream.end()?;
        }
        Ok(true)
    }
}
