//! Responses that deliberately violate HTTP or are delayed, for testing clients. A [`FaultService`] adds these faults
//! to the responses of another service.
//!
//! `spec` parses the description of a fault, `rules` and `service` select the responses that get a fault, and
//! `upstream` passes the fault to the connection. The connection changes the bytes of the response
//! (`connection/stages/faulty.rs`).

mod body;
mod rules;
mod service;
mod spec;
#[cfg(test)]
mod tests;
mod upstream;

pub use rules::InvalidFault;
#[cfg(feature = "cli")]
pub(crate) use rules::check_rule;
pub use service::FaultService;
