//! SECURITY.md promises nothing that no test holds.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

const SECURITY: &str = include_str!("../SECURITY.md");

/// The names in the last column of the tables.
fn promised() -> Vec<&'static str> {
    let rows = SECURITY.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let tests = rows.filter_map(|line| line.trim_end_matches([' ', '|']).rsplit_once('|')).map(|(_, tests)| tests);
    tests.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let texts: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let is_test = |name: &str| texts.iter().any(|text| declares(text, name));
    let missing: Vec<&str> = promised().into_iter().filter(|name| !is_test(name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that are none: {missing:?}");
    assert!(promised().len() > 30);
}

/// Whether there is a test of this name: the function, with the attribute in one of the lines before it.
fn declares(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declaration = format!("fn {name}()");
    lines.iter().enumerate().any(|(at, line)| {
        line.starts_with(&declaration) && lines[..at].iter().rev().take(3).any(|line| *line == "#[test]")
    })
}

#[test]
fn a_name_alone_is_no_test() {
    assert!(declares("#[test]\nfn a() {}", "a"));
    assert!(!declares("fn a() {}\n\n\n\n#[test]\nfn b() {}", "a"));
    assert!(!declares("#[test]\nfn ab() {}", "a"));
}
