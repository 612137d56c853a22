//! The fixtures of the test binaries. Each binary uses some of them.
#![allow(dead_code, clippy::unwrap_used)]

pub mod client;
pub mod dialogue;
pub mod lagging;
pub mod layers;
pub mod lines;
#[cfg(feature = "trace")]
pub mod network;
#[cfg(unix)]
pub mod program;
pub mod scripted;
pub mod seeds;
pub mod service;
#[cfg(feature = "tls")]
pub mod tls;
