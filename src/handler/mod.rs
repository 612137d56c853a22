//! Python's request handlers on one thread: code that reads, writes and waits in sequence, while other clients are
//! served.
//!
//! A [`RequestHandler`] runs on a coroutine. When a handler must wait, for example for its client or until a certain
//! time, it is suspended, and the loop serves other connections. When it can continue, it is resumed at the same point.
//! `rfile` and `wfile` are therefore an ordinary [`BufRead`](std::io::BufRead) and [`Write`](std::io::Write), and every
//! crate that reads or writes streams works with them. A body of any length needs only constant memory, because a
//! handler reads and writes at the client's pace.
//!
//! # Shared state
//!
//! All handlers of a server run on one thread, one at a time, so a value that only they share needs no lock. A handler
//! is suspended only inside an operation that waits, such as `rfile`, `wfile`, `sleep`, `offload` or `wait_until`.
//!
//! * [`Shared`] is for values that handlers change, wait for, or share with other threads.
//! * Atomics, [`Arc`](std::sync::Arc) and the non-blocking operations of `std` channels work as usual. A `std` channel
//!   does not wake a handler, but a [`Shared`] queue does.
//! * **Do not hold the guard of a [`Mutex`](std::sync::Mutex) or [`RwLock`](std::sync::RwLock) across an operation that
//!   waits.** A second handler that locks the mutex would block the thread on which the first handler must be resumed,
//!   and the server would hang. A guard that is dropped before the next wait is harmless. [`Shared::with`] has no guard
//!   that could be held, and waiting inside it is an error.
//!
//! If a handler occupies the thread for 5 seconds ([`Handlers::stuck_after`]), because of such a lock or a computation,
//! a message on standard error names it while it runs. The loop cannot be stopped during that time, but a second SIGINT
//! or SIGTERM terminates the process.
//!
//! # The source
//!
//! `service` creates a `connection_handler` for each connection, which starts the connection's handler for each
//! request. `exchange` and `respond` are the handler's view of the request and its response; `upstream` and `body` are
//! the connection's view of the handler. Between them is `exchange_state`: the response and the channel. Coroutines are
//! run in `coroutine/`, and the protocol is in `connection/` and `http1/`.
//!
//! For the connection, a running handler is an [`Upstream`](crate::service::Upstream) like any other. When the
//! connection drops the upstream, for example because the client has disconnected, the handler is cancelled: its
//! operations fail with an error of kind [`ConnectionAborted`](std::io::ErrorKind::ConnectionAborted).
//!
//! Invariant: a handler never moves to another thread, never suspends while it panics, and ends when its client has
//! disconnected. A handler can block the loop only by running without suspending.

mod body;
mod connection_handler;
mod context;
#[cfg(feature = "cookie")]
mod cookies;
mod delegate;
mod exchange;
mod exchange_state;
mod final_response;
#[cfg(feature = "client")]
mod outbound;
#[cfg(feature = "client")]
mod relay;
mod request_handler;
mod respond;
mod response_state;
mod service;
mod shared_service;
#[cfg(test)]
mod tests;
mod upgrade;
mod upstream;
mod waiting;

#[cfg(feature = "client")]
pub use crate::coroutine::ParkedStream;
pub use crate::coroutine::{OutgoingConnector, OutgoingStream, Rfile, Shared, Wfile};
#[cfg(feature = "internals")]
pub use crate::coroutine::{SimulatedClock, SimulatedConnections, SimulatedSocket};
pub use crate::http::{FieldValue, HttpError, IntoStatus};
#[cfg(feature = "cookie")]
pub use cookie::{Cookie, SameSite};
#[cfg(feature = "cookie")]
pub use cookies::Cookies;
pub use exchange::Exchange;
#[cfg(feature = "client")]
pub use outbound::HandlerQueue;
pub use request_handler::{HandlerError, RequestHandler};
pub use service::Handlers;
pub use upgrade::Upgraded;
