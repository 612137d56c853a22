//! The checks of the fuzz targets, without the fuzzer: `tests/corpus.rs` runs the same checks over the committed
//! corpus.
//!
//! A check panics when it fails. Each check accepts any bytes, whose meaning its file documents.

#[cfg(all(feature = "cgi", target_os = "linux"))]
mod cgi;
#[cfg(not(all(feature = "cgi", target_os = "linux")))]
mod cgi {
    pub fn check(_: &[u8]) {}
}
mod chunked;
#[cfg(feature = "cli")]
mod config;
#[cfg(not(feature = "cli"))]
mod config {
    pub fn check(_: &[u8]) {}
}
mod cookies;
mod exchange;
mod feeding;
mod head;
mod path;
mod range;
mod response;
mod responses;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
mod tls {
    pub fn check(_: &[u8]) {}
}

/// The names of the targets: each has a directory in `corpus/`.
#[allow(dead_code, reason = "a fuzz target knows its own name")]
pub const TARGETS: &[&str] =
    &["head", "exchange", "chunked", "path", "cgi", "range", "config", "cookies", "response", "tls"];

/// Runs the check of one target.
pub fn run(target: &str, data: &[u8]) {
    match target {
        "head" => head::check(data),
        "exchange" => exchange::check(data),
        "chunked" => chunked::check(data),
        "path" => path::check(data),
        "cgi" => cgi::check(data),
        "range" => range::check(data),
        "config" => config::check(data),
        "cookies" => cookies::check(data),
        "response" => response::check(data),
        "tls" => tls::check(data),
        other => panic!("there is no target {other}"),
    }
}
