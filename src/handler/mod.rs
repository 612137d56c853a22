//! Python's request handlers on one thread: ordinary code that reads, writes and waits, while others are served.
//!
//! A [`RequestHandler`] runs on a stack of its own, a coroutine. When it has to wait, for its client or for a time, it
//! is suspended where it stands, and the loop goes on with the others; when there is something to go on with, it is
//! resumed. So `rfile` and `wfile` are [`BufRead`](std::io::BufRead) and [`Write`](std::io::Write) like any other:
//! whatever speaks those streams through them, in constant memory and at the pace of the client.
//!
//! Inside, `line` is the handler's end of its connection and `run` the connection's end of its handler; between them
//! stands `pipe`, the bytes on their way. `pool` lends the stacks. To the
//! connection a running handler is an [`Upstream`](crate::service::Upstream) like any other: dropping it is how a
//! handler learns that its client is gone.
//!
//! Invariant: a handler never leaves its thread, never waits while it panics, and ends when its client is gone. Nothing
//! it does ends the loop, except running without end.

#[cfg(feature = "cookie")]
mod cookies;
mod error;
mod exchange;
mod line;
mod pipe;
mod query;
mod request_handler;
mod run;
mod service;
#[cfg(test)]
mod tests;

pub use crate::http::FieldValue;
#[cfg(feature = "cookie")]
pub use cookie::{Cookie, SameSite};
#[cfg(feature = "cookie")]
pub use cookies::Cookies;
pub use error::HttpError;
pub use exchange::{Exchange, IntoStatus};
pub use line::{Rfile, Wfile};
pub use request_handler::RequestHandler;
pub use service::Handlers;

// A raw handler, below HTTP, runs on the same.
pub(crate) use line::Line;
pub(crate) use pipe::{Outcome, Pipe, ROOM, Wait};
pub(crate) use run::Run;
pub(crate) use service::{Room, Settings, outcome_of};
