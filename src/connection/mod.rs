//! One client: a transport, the protocol's machine and the answer in flight, moved by one verb, [`Session::step`](crate::session::Session::step).
//!
//! A step is *fill*, *advance* and *flush*, repeated until none of them makes progress: read what is wanted, let the
//! protocol and the service process it, send what is due. A session is told that its socket may be ready, what time
//! it is and where to borrow buffers; it answers when it wants to be run again, or why it is over.
//!
//! Readiness is a hint, and `WouldBlock` is the truth: a session tries first and clears the hint when it is refused.
//!
//! Invariant: nothing here polls or sleeps, and no client's error leaves its session: it becomes a [`CloseReason`](crate::session::CloseReason). Time is
//! an argument of each step. Only the drop of a session that the end of a run cuts off reads the clock, for its log line.

mod answer;
mod http;
mod peers;
mod server_state;

pub use http::HttpSession;
#[cfg(feature = "cli")]
pub(crate) use server_state::SERVER_NAME;
pub use server_state::ServerState;
