//! The TLS configuration: certificates, keys, accepted clients and tickets. rustls performs the cryptography.
//!
//! `transport/tls/` handles the records on a connection. Nothing in this module depends on HTTP.
//!
//! `configuration` builds a [`Tls`]. `certified` reads a certificate and its key with `pem`, `private_key` and
//! `encryption`; `self_signed` generates a certificate and its key. `choice` selects a certificate for a client;
//! `client_auth` verifies clients; `warnings` finds problems that do not prevent serving. `x509`, `distinguished_name`
//! and `der` parse certificates; `summary` converts them to text.

mod certified;
mod choice;
mod client_auth;
mod configuration;
mod der;
mod distinguished_name;
mod encryption;
mod error;
mod pem;
mod private_key;
mod self_signed;
mod summary;
#[cfg(test)]
mod tests;
mod warnings;
mod x509;

pub use client_auth::ClientAuth;
pub use configuration::{Tls, TlsBuilder, TlsVersion};
pub use error::{TlsError, TlsErrorKind};
/// The `rustls` crate, whose types appear in this module.
pub use rustls;
pub use summary::CertificateSummary;
