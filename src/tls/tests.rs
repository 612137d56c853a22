//! Tests of the configuration, with files from `openssl` and with in-memory handshakes.

mod clients;
mod files;
mod hello;

use std::path::PathBuf;

/// The path of a file in `tests/tls`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}
