//! The options for test suites and benchmarks, tested on the program itself over real sockets.
#![cfg(all(unix, feature = "cli"))]
// The helper functions of these end-to-end tests may use `unwrap` too.
#![allow(clippy::unwrap_used)]

mod announcements;
#[path = "../common/client.rs"]
#[allow(dead_code)]
mod client;
mod ends;
mod process;
#[cfg(feature = "harness")]
mod reports;
mod statuses;
