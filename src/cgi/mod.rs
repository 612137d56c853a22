//! A [`Service`](crate::service::Service) that runs CGI scripts (RFC 3875), like Python's `CGIHTTPRequestHandler`, but
//! without blocking the loop.
//!
//! `redirect` chooses between a script and the fallback, another service; `script` finds the file that a path names.
//! `environment` builds the variables that describe the request, and `spawn` starts the script as a child in its own
//! process group, and as another user (`user`) if the server runs as root. `run` writes the request body to the script
//! (`input`) and reads the head of its output, which `output` parses; `source` reads the body. `reaper` holds every
//! `child` until it is reaped; it also reads their standard error (`stderr`), sends signals and enforces `limits`.
//! `queue` holds requests that wait because too many scripts are running. `orphans` reaps the processes that scripts
//! leave behind.
//!
//! Sockets and framing belong to the connection. Files that are not scripts belong to the fallback.
//!
//! Invariant: while the loop runs, no call in this module waits for a script. Every child is reaped, even if its client
//! has disconnected. If root's privileges cannot be dropped completely, the script does not run.

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
mod tls_variables;
mod user;

pub use limits::CgiLimits;
pub use output::{BadOutput, Destination, ScriptHead, read_head};
pub use service::{CgiBuilder, CgiService};
pub use user::ScriptUser;
