//! Scripts as a ready-made [`Service`](crate::service::Service): what Python's `CGIHTTPRequestHandler` was, on the
//! loop, by RFC 3875.
//!
//! A request's path names a script or it does not (`script`); one that does not goes to another service. A script is
//! told about its request in its environment (`environment`) and started as a child in a process group of its own, as
//! nobody if the server is root (`spawn`, `user`). Its pipes are read and written only when that does not block
//! (`child`, `source`); what it prints becomes the head of a response (`output`) and then its body. Who waits for a
//! child's end, reads its standard error and ends it when nobody wants it any more is the `nursery`.
//!
//! What stays out: sockets and framing, which are the connection's, and files that are no scripts.
//!
//! Invariant: no call here waits for a script. A child that was started is always reaped, whatever becomes of its
//! client, and no script ever runs with privileges that only a part of was dropped.

mod child;
mod environment;
mod nursery;
mod output;
mod script;
mod service;
mod source;
mod spawn;
mod stderr;
mod user;

pub use nursery::CgiLimits;
pub use output::{BadOutput, Destination, ScriptHead, read_head};
pub use service::{CgiBuilder, CgiService};
pub use user::ScriptUser;
