//! What the test binaries share. Each of them uses its part.
#![allow(dead_code, clippy::unwrap_used)]

pub mod client;
pub mod dialogue;
pub mod lagging;
pub mod lines;
pub mod seeds;
pub mod service;
