//! Coroutines for handlers. A handler reads, writes and waits in sequence, as if it had its own thread, but runs on the
//! single thread of the loop.
//!
//! A handler is a [`Task`] that a [`TaskRunner`] runs as a [`Fiber`], on a stack from the [`StackPool`]. It reads and
//! writes through its [`HandlerIo`], which suspends the fiber when the [`Channel`] has no input to read or no space for
//! output. The connection moves bytes between the channel and its client, and calls [`TaskRunner::run`] again. Code
//! that blocks runs on a [`WorkerPool`]. Handlers and threads share values through [`Shared`]. A handler connects to
//! other servers with [`OutgoingStream`].
//!
//! This module does not depend on HTTP, because raw socket handlers run on coroutines too. It imports only
//! `session.rs`, `failure.rs` and `watchdog.rs`.
//!
//! Invariant: a fiber never moves to another thread and never suspends while it panics. When the connection ends, the
//! runner unwinds the fiber.

mod channel;
mod clock;
mod fiber;
mod io;
mod lookups;
mod notice;
mod outcome;
mod outgoing;
mod outgoing_socket;
mod registered_socket;
mod resources;
mod shared;
#[cfg(feature = "internals")]
mod simulated;
mod stack_pool;
mod streams;
mod task_log;
mod task_runner;
mod workers;

pub(crate) use channel::{CHANNEL_CAPACITY, Channel, ChannelState, HandlerOutput, WaitReason};
#[cfg(feature = "internals")]
pub use clock::SimulatedClock;
pub(crate) use fiber::{Task, Yielder};
pub(crate) use io::HandlerIo;
pub(crate) use outcome::TaskOutcome;
pub use outgoing::{OutgoingConnector, OutgoingStream};
#[cfg(feature = "client")]
pub use registered_socket::ParkedStream;
pub(crate) use resources::{CoroutineSettings, HandlerResources};
pub use shared::Shared;
#[cfg(feature = "internals")]
pub use simulated::{SimulatedConnections, SimulatedSocket};
pub use streams::{Rfile, Wfile};
pub(crate) use task_runner::TaskRunner;
pub(crate) use workers::{Job, JobHandle, WorkerPool};
