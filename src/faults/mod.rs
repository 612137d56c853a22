//! Responses that deliberately violate HTTP or are delayed, for tests of clients: [`FaultService`] in front of another
//! service.
//!
//! `spec` parses the text of a fault, `service` decides which responses have one, and `upstream` passes it to the
//! connection. Not here: changing the bytes of a response (`connection/stages/faulty.rs`).

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
