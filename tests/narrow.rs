//! Runs all tests of `loopback.rs` again, with a server that reads and writes one byte per turn. The clients must
//! receive the same bytes.

#[path = "loopback.rs"]
mod loopback;
