//! Scripts as a ready-made [`Service`](crate::service::Service): what Python's `CGIHTTPRequestHandler` was, on the
//! loop, by RFC 3875.
//!
//! `script` finds the script that the path of a request names; a path that is not below a script directory goes to
//! another service. `environment` makes the variables that describe the request, `spawn` starts the script as a child in
//! a process group of its own, as another user (`user`) if the server is root. `child` writes the body to the script and
//! reads the head of its output, which `output` parses; `source` reads the body. `reaper` keeps every child until it is
//! reaped: it reads standard error (`stderr`), sends signals and enforces `limits`.
//!
//! What stays out: sockets and framing, which are the connection's, and files that are no scripts.
//!
//! Invariant: no call here waits for a script. Every child is reaped, even if its client is gone, and no script runs
//! with only a part of the server's privileges dropped.

mod child;
mod environment;
mod input;
mod limits;
mod orphans;
mod output;
mod reaper;
mod script;
mod service;
mod source;
mod spawn;
mod stderr;
mod user;

pub use limits::CgiLimits;
pub use output::{BadOutput, Destination, ScriptHead, read_head};
pub use service::{CgiBuilder, CgiService};
pub use user::ScriptUser;
