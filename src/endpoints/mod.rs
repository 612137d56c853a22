//! Endpoints for benchmarking and testing clients. Every response is deterministic, because random bytes and decisions
//! come from a documented generator with a seed, and no body contains a time.
//!
//! [`EndpointService`] finds the endpoint of a path in the table of `routes`, and passes every other request to another
//! service, the fallback. The shared parts are in `params`, `replies` and `body`; every other module contains one
//! family of endpoints. `docs/harness.md` lists the paths and parameters.
//!
//! Endpoints do not block the loop's thread, except `/burn`, whose purpose is to do so. A delay is implemented as the
//! deadline of an upstream, and a long body is generated while it is being sent. Responses that violate HTTP are in
//! `faults`. This module does not serve files.

mod alarms;
mod arithmetic;
mod body;
mod bytes;
mod codings;
mod conditional;
mod cookies;
mod dataset;
mod echo;
mod fields;
pub(crate) mod generator;
mod items;
mod late;
mod letters;
mod paced;
mod params;
mod redirects;
mod replies;
mod routes;
mod service;
mod status;
mod suites;
#[cfg(test)]
mod tests;
mod timed;
mod work;

pub use dataset::InvalidDataset;
pub(crate) use params::{Params, decimal, number};
pub(crate) use replies::EndpointError;
pub use service::EndpointService;
pub(crate) use status::final_status;
