//! `HandlerContext`: the resources that all handlers of one server share. It does not contain the handlers.

#[cfg(feature = "client")]
use super::outbound::HandlerPool;
use crate::coroutine::HandlerResources;

/// The stacks, worker threads and outgoing connections that the handlers of a server share.
#[derive(Clone)]
pub(super) struct HandlerContext {
    pub(super) resources: HandlerResources,
    #[cfg(feature = "client")]
    pub(super) pool: HandlerPool,
}
