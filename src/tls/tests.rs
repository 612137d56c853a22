//! Tests of the configuration, with files that `openssl` has generated and with in-memory handshakes.

mod clients;
mod files;
mod hello;

use std::path::PathBuf;

/// The path of the file with this name in `tests/tls`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}
