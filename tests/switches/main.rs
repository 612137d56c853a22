//! What the program's switches do, asked of the program itself over real sockets.
#![cfg(all(unix, feature = "cli"))]
// This is a test from end to end, the parts that are no `#[test]` too.
#![allow(clippy::unwrap_used)]

mod auth;
mod config;
mod confine;
#[cfg(target_os = "linux")]
mod descriptors;
mod files;
mod life;
mod logs;
mod program;
mod reload;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
mod watch;
