//! Python's request handlers on one thread: code that reads, writes and waits in sequence, while other clients are
//! served.
//!
//! A [`RequestHandler`] runs on a coroutine. When it has to wait, for its client or for a time, it is suspended, and the
//! loop serves other connections; when it can continue, it is resumed where it was. So `rfile` and `wfile` are an
//! ordinary [`BufRead`](std::io::BufRead) and [`Write`](std::io::Write): every crate that reads or writes streams works
//! with them, in constant memory and at the pace of the client.
//!
//! # Shared state
//!
//! All handlers of a server run on one thread, in turns, so a value that they share needs no lock against each other. A
//! handler is only suspended inside an operation that waits: `rfile`, `wfile`, `sleep`, `offload`, `wait_until`.
//!
//! * [`Shared`] is for values that handlers change, wait for, or share with other threads.
//! * Atomics, [`Arc`](std::sync::Arc) and channels of std whose operations do not block work as usual. A channel wakes no
//!   handler; a [`Shared`] queue does.
//! * **Do not keep the guard of a [`Mutex`](std::sync::Mutex) or [`RwLock`](std::sync::RwLock) over an operation that
//!   waits.** A second handler that locks the mutex then blocks the thread, on which the first handler would have to be
//!   resumed: the server hangs. A guard that is dropped before the next wait is harmless. [`Shared::with`] has no guard
//!   that could be kept, and waiting inside it is an error.
//!
//! A handler that keeps the thread for 5 seconds ([`Handlers::stuck_after`]), by such a lock or by computing, is named on
//! standard error while it does. The loop cannot stop then; a second SIGINT or SIGTERM ends the process.
//!
//! # The source
//!
//! `service` makes a `connection_handler` for each connection, which starts its handler on each request. `exchange` and
//! `respond` are the handler's view of the request and its response, `upstream` and `body` the connection's view of the
//! handler. Between them is `exchange_state`: the response and the channel of bytes. Not here: running a coroutine (see
//! `coroutine/`), and the protocol.
//!
//! To the connection a running handler is an [`Upstream`](crate::service::Upstream) like any other. Dropping the
//! upstream tells the handler that its client is gone.
//!
//! Invariant: a handler never leaves its thread, never suspends while it panics, and ends when its client is gone. A
//! handler can stop the loop only by running without end.

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
#[cfg(test)]
mod tests;
mod upgrade;
mod upstream;
mod waiting;

#[cfg(feature = "client")]
pub use crate::coroutine::ParkedStream;
pub use crate::coroutine::{OutgoingConnector, OutgoingStream, Rfile, Shared, Wfile};
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
