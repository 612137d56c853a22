//! Replays the corpus of every fuzz target as an ordinary test.

#![allow(clippy::unwrap_used)]

#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Runs one target over its corpus; names the files that fail.
fn replay(target: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} files in {}", files.len(), directory.display());
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let data = fs::read(file).unwrap();
            catch_unwind(|| checks::run(target, &data)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn head() {
    replay("head");
}

#[test]
fn exchange() {
    replay("exchange");
}

#[test]
fn chunked() {
    replay("chunked");
}

#[test]
fn path() {
    replay("path");
}

#[test]
fn cgi() {
    replay("cgi");
}

#[test]
fn range() {
    replay("range");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn cookies() {
    replay("cookies");
}

#[test]
fn response() {
    replay("response");
}

#[test]
fn tls() {
    replay("tls");
}

#[test]
fn every_target_is_replayed_and_registered() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for target in checks::TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        assert!(include_str!("corpus.rs").contains(&format!("replay(\"{target}\")")), "{target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), checks::TARGETS.len());
}
