//! Coroutines for handlers: code that reads, writes and waits in line, on the one thread of the loop.
//!
//! No HTTP type may be used here, because raw socket handlers run on coroutines too.

mod fiber;
mod stack_pool;
mod workers;

pub(crate) use fiber::{Fiber, Task, Yielder};
pub(crate) use stack_pool::{StackPool, StackTicket};
pub(crate) use workers::{Job, JobHandle, WorkerPool, panic_text};
