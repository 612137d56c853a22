//! Counters of a running server, and the services that report them.
//!
//! The server, which updates the counters, shares [`Statistics`] with the services and threads that read them. A server
//! counts only if [`HttpServer::statistics`](crate::HttpServer::statistics) is set. Its loop and its connections then
//! have observers of a different type. A server without [`Statistics`] spends no instructions on counting.
//!
//! Counters affect no decisions: the server's code does not read them.

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
