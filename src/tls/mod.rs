//! The configuration of TLS: certificates, keys, the clients that are accepted, tickets. rustls does the cryptography.
//!
//! Not here: the records on a connection, which are in `transport/tls.rs`. Nothing here knows HTTP.
//!
//! `configuration` builds a [`Tls`]. `certified` reads a certificate and its key with the help of `pem`, `private_key` and
//! `encryption`; `self_signed` makes them. `choice` selects one of several for a client; `client_auth` verifies clients;
//! `warnings` finds mistakes that keep nothing from working. `x509`, `distinguished_name` and `der` read certificates; `summary`
//! makes them text.

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
/// The library for TLS, whose types appear in this module.
pub use rustls;
pub use summary::CertificateSummary;
