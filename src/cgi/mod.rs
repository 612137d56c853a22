//! Scripts as a ready-made [`Service`](crate::service::Service): what Python's `CGIHTTPRequestHandler` was, on the
//! loop, by RFC 3875.
//!
//! `redirect` chooses between a script and the fallback, another service; `script` finds the file that a path names.
//! `environment` makes the variables that describe the request, `spawn` starts the script as a child in a process group
//! of its own, as another user (`user`) if the server is root. `run` writes the request body to the script (`input`) and
//! reads the head of its output, which `output` parses; `source` reads the body. `reaper` keeps every `child` until it is
//! reaped: it reads standard error (`stderr`), sends signals and enforces `limits`. `queue` has the requests that wait
//! because too many scripts run. `orphans` reaps the processes that scripts leave behind.
//!
//! What stays out: sockets and framing, which are the connection's, and files that are no scripts.
//!
//! Invariant: no call here waits for a script. Every child is reaped, even if its client is gone, and no script runs
//! with only a part of the server's privileges dropped.

mod child;
mod context;
mod environment;
mod input;
mod limits;
mod orphans;
mod output;
mod queue;
mod reaper;
mod redirect;
mod run;
mod script;
mod service;
mod source;
mod spawn;
mod stderr;
#[cfg(test)]
mod test_registrar;
mod user;

pub use limits::CgiLimits;
pub use output::{BadOutput, Destination, ScriptHead, read_head};
pub use service::{CgiBuilder, CgiService};
pub use user::ScriptUser;
