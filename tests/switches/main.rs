//! The options of the program, tested on the program itself over real sockets.
#![cfg(all(unix, feature = "cli"))]
// The helper functions of tests may use `unwrap` too.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod auth;
#[cfg(feature = "harness")]
mod bench;
mod config;
mod confine;
#[cfg(target_os = "linux")]
mod descriptors;
mod files;
mod life;
mod logs;
mod reload;
#[cfg(all(feature = "cgi", target_os = "linux"))]
mod scripts;
#[cfg(feature = "tls")]
mod tls;
mod watch;

use common::program;

#[test]
fn it_ends_with_status_0_when_it_is_asked_to() {
    let program = program::Program::start(program::tree(&[]).path(), &[]);
    assert!(program.ready.starts_with("Serving HTTP on 127.0.0.1 port "), "{}", program.ready);
    assert_eq!(program.end(), (Some(0), String::new()));
}
