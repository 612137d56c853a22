//! Counters of a running server, and the services that report them.
//!
//! [`Statistics`] is shared by the server, which counts, and by the services and threads that read. A server counts only if it
//! was given one ([`HttpServer::statistics`](crate::HttpServer::statistics)): its loop and its connections then have an
//! observer of another type, which counts. Without it no instruction is spent on counting.
//!
//! Not here: decisions. No code of the server reads a counter.

mod connection_meter;
mod counter;
mod health;
mod histogram;
mod json;
mod loop_meter;
mod prometheus;
mod service;
#[allow(clippy::module_inception)]
mod statistics;

#[cfg(not(feature = "internals"))]
pub(crate) use connection_meter::ConnectionMeter;
#[cfg(feature = "internals")]
pub use connection_meter::ConnectionMeter;
pub use health::{Health, HealthService};
pub(crate) use loop_meter::LoopMeter;
pub use service::StatisticsService;
pub use statistics::Statistics;
