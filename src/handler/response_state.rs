//! One response of a handler: its stage, and the status, fields and body length that the handler has set.
//!
//! The bytes of the body are in the [`Channel`](crate::coroutine::Channel).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::http::{FieldBlock, Status};
use crate::service::{Body, Reply, Response};

/// The maximum number of interim responses that wait for the connection. Further interim responses are dropped.
const MAX_INTERIM: usize = 16;

/// The state of the response to one request.
#[derive(Default)]
pub(super) struct ResponseState {
    pub(super) stage: ResponseStage,
    /// The status; `None` until `send_response` sets it.
    pub(super) status: Option<Status>,
    /// The header fields that the handler has set, until [`take_head`](ResponseState::take_head) moves them into a
    /// response.
    pub(super) head: FieldBlock,
    /// True if the body is counted but not sent, as for HEAD or 204.
    pub(super) omit_body: bool,
    /// The `Content-Length` that the handler has set; `None` if it has set none, or if the body is not sent.
    pub(super) declared: Option<u64>,
    /// The number of bytes of the body that the handler has written.
    pub(super) written: u64,
    /// True if the handler has tried to write more bytes than it declared.
    pub(super) overran: bool,
    /// The user name that the handler has set for the log.
    pub(super) user: Option<Arc<str>>,
    /// Interim responses that the connection has not taken yet.
    pub(super) interim: VecDeque<(Status, FieldBlock)>,
}

/// The stages of a response, in the order in which the handler produces it.
#[derive(Default)]
pub(super) enum ResponseStage {
    /// The handler can set the status and fields.
    #[default]
    Head,
    /// The head is complete and the handler writes the body.
    Body,
    /// Like `Body`, but the connection has taken the head and sends the body while the handler writes it.
    Streaming,
    /// The handler has provided a complete reply and cannot add a body.
    Complete(Box<Reply>),
}

impl ResponseState {
    /// Prepares the state for the next request of a connection.
    #[inline]
    pub(super) fn reset(&mut self) {
        // The fields are assigned one by one, because replacing the whole state costs more instructions in every
        // request.
        self.user = None;
        self.stage = ResponseStage::Head;
        self.status = None;
        // If the handler failed on the last request, it may have set fields that were not sent.
        self.head = FieldBlock::default();
        (self.omit_body, self.overran) = (false, false);
        (self.declared, self.written) = (None, 0);
        self.interim.clear();
    }

    /// True if the handler may still set fields.
    #[inline]
    pub(super) fn is_head_open(&self) -> bool {
        matches!(self.stage, ResponseStage::Head)
    }

    /// Checks that no response has begun.
    ///
    /// # Errors
    /// Returns an error if `send_response` has been called, or the response is at a later stage.
    #[inline]
    pub(super) fn check_not_begun(&self) -> io::Result<()> {
        if self.status.is_some() || !self.is_head_open() {
            return Err(misuse("a response was begun before"));
        }
        Ok(())
    }

    /// Checks that the handler may write the body.
    ///
    /// # Errors
    /// Returns an error if the head is not complete, or a complete reply has been provided.
    #[inline]
    pub(super) fn check_body(&self) -> io::Result<()> {
        match self.stage {
            ResponseStage::Body | ResponseStage::Streaming => Ok(()),
            ResponseStage::Head => Err(misuse("no body before end_headers")),
            ResponseStage::Complete(_) => Err(misuse("the response is complete")),
        }
    }

    /// Completes the head. If `omit_body` is true, the body is counted but not sent.
    #[inline]
    pub(super) fn begin_body(&mut self, omit_body: bool) {
        self.stage = ResponseStage::Body;
        self.omit_body = omit_body;
        self.declared = self.head.content_length().filter(|_| !omit_body);
    }

    /// The number of bytes, at least one and at most `wanted`, that the handler may write.
    ///
    /// # Errors
    /// Returns an error if the response cannot take a body at this point, or if the body has reached its declared
    /// length.
    #[inline]
    pub(super) fn body_allowed(&mut self, wanted: usize) -> io::Result<usize> {
        self.check_body()?;
        let left = self.declared.map_or(u64::MAX, |declared| declared - self.written);
        if left == 0 {
            self.overran = true;
            return Err(misuse(format!("body longer than its Content-Length of {}", self.written)));
        }
        Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// The log line for a body that is shorter than the declared length, or that the handler tried to make longer;
    /// otherwise `None`.
    pub(super) fn length_mismatch(&self, declared: u64) -> Option<String> {
        let (more, written) = (if self.overran { "more than " } else { "" }, self.written);
        (declared != written || self.overran)
            .then(|| format!("the handler wrote {more}{written} bytes with a Content-Length of {declared}"))
    }

    /// True if the handler has requested an upgrade to another protocol.
    #[inline]
    pub(super) fn is_upgrade(&self) -> bool {
        self.status == Some(Status::SWITCHING_PROTOCOLS)
    }

    /// Moves the complete head into a response with this body.
    #[inline]
    pub(super) fn take_head(&mut self, body: Body) -> Response {
        // The default is never used, because `send_response` has been called in every stage after `Head`.
        let status = self.status.unwrap_or(Status::INTERNAL_SERVER_ERROR);
        Response { head: std::mem::take(&mut self.head), body, ..Response::new(status) }
    }

    /// Sets the user name in the response, unless the service that created the response has set one.
    #[inline]
    pub(super) fn set_user(&mut self, response: &mut Response) {
        if response.user.is_none() {
            response.user = self.user.take();
        }
    }

    /// Queues an interim response, or drops it if [`MAX_INTERIM`] are waiting. The limit is needed because a handler
    /// can produce interim responses faster than its client reads them.
    pub(super) fn add_interim(&mut self, status: Status, head: FieldBlock) {
        if self.interim.len() < MAX_INTERIM {
            self.interim.push_back((status, head));
        }
    }
}

/// An error of kind `InvalidInput`, for a call with an invalid argument, or one that is not allowed at this stage of
/// the response.
pub(super) fn misuse(text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_beyond_the_bound_are_dropped() {
        let mut state = ResponseState::default();
        (0..MAX_INTERIM + 10).for_each(|_| state.add_interim(Status::PROCESSING, FieldBlock::new()));
        assert_eq!(state.interim.len(), MAX_INTERIM);
    }
}
