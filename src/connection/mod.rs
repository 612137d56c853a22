//! One HTTP client of the server: its transport, its protocol state machine, and the stage of its current exchange.
//!
//! The loop runs a connection with [`Session::step`](crate::session::Session::step). A step repeats three operations
//! until none of them makes progress: *fill* reads input if the stage wants it, *advance* passes it to the protocol and
//! the service, and *flush* sends the output ([`HttpSession`]). *Advance* depends on the stage of the exchange: each
//! stage is a value, and advancing it returns the next stage (`stages/`).
//!
//! No code here polls, sleeps or accesses the table of sessions. Time is an argument of each step. The clock is read
//! only when a session is dropped in the middle of an exchange, because the log line then needs the time.
//!
//! Invariant: an error that concerns one client never leaves its session. It becomes a
//! [`CloseReason`](crate::session::CloseReason).

mod body_writer;
mod buffers;
mod core;
mod failed_handshakes;
mod http_session;
mod per_peer;
mod respond;
mod server_state;
mod stage;
mod stages;
#[cfg(test)]
mod tests;
mod timers;

pub use http_session::HttpSession;
#[cfg(feature = "cli")]
pub(crate) use server_state::SERVER_NAME;
pub use server_state::ServerState;
