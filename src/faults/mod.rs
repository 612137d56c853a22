//! Responses that break HTTP on purpose, or come late, for tests of clients: [`FaultService`] in front of another service.
//!
//! `spec` parses the text of a fault, `service` decides which response has one, and `upstream` hands it to the connection,
//! which executes it (`connection/stages/faulty.rs`). Not here: the bytes of a response.

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
