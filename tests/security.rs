//! Checks that every promise of SECURITY.md names a test that exists and can fail.
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
fn every_promise_names_tests_that_exist_and_that_can_fail() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let texts: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let found = |name: &str| texts.iter().find_map(|text| test(text, name));
    let wrong: Vec<String> = promised()
        .into_iter()
        .filter_map(|name| match found(name) {
            Some(test) => fault(&test).map(|fault| format!("{name} {fault}")),
            None => Some(format!("{name} is no test")),
        })
        .collect();
    assert!(wrong.is_empty(), "SECURITY.md promises by tests that do not hold it: {wrong:#?}");
    assert!(promised().len() > 30);
}

/// A test: the lines of its attributes, and those of its body.
struct Test<'t> {
    attributes: Vec<&'t str>,
    body: Vec<&'t str>,
}

/// The test of this name: the function, with the attribute in one of the lines before it. Its body ends at the brace
/// that is as far from the margin as the function.
fn test<'t>(text: &'t str, name: &str) -> Option<Test<'t>> {
    let lines: Vec<&str> = text.lines().collect();
    let declaration = format!("fn {name}()");
    let mut declared = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(&declaration));
    declared.find_map(|(at, line)| {
        let attributes: Vec<&str> = lines[at.saturating_sub(3)..at].iter().map(|line| line.trim()).collect();
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let behind = &lines[at + 1..];
        let length = behind.iter().position(|line| line.trim_end() == end).unwrap_or(0);
        attributes.contains(&"#[test]").then(|| Test { attributes, body: behind[..length].to_vec() })
    })
}

/// The reason why a test may pass although the promise is broken: it is ignored, or it returns before its first
/// assertion.
fn fault(test: &Test<'_>) -> Option<&'static str> {
    if test.attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Some("is ignored");
    }
    if !test.body.iter().any(|line| line.contains('(')) {
        return Some("calls nothing");
    }
    let looked = test.body.iter().position(|line| line.contains("assert")).unwrap_or(test.body.len());
    let returns = |line: &str| line.trim().starts_with("return;") || line.contains("{ return }");
    let says_why = |at: usize| {
        let around = &test.body[at.saturating_sub(2)..=at];
        ["skipped", "!can(", "sandboxed("].iter().any(|mark| around.iter().any(|line| line.contains(mark)))
    };
    let is_silent = (0..looked).any(|at| returns(test.body[at]) && !says_why(at));
    is_silent.then_some("returns early and does not say why")
}

#[test]
fn a_name_alone_is_no_test() {
    assert!(test("#[test]\nfn a() {}", "a").is_some());
    assert!(test("fn a() {}\n\n\n\n#[test]\nfn b() {}", "a").is_none());
    assert!(test("#[test]\nfn ab() {}", "a").is_none());
}

#[test]
fn a_test_that_cannot_fail_is_found() {
    let of = |text: &str| fault(&test(text, "a").unwrap());
    assert_eq!(of("#[test]\nfn a() {\n    assert!(b());\n}"), None);
    assert_eq!(of("#[test]\nfn a() {\n    let b = 1;\n}"), Some("calls nothing"));
    assert_eq!(of("#[ignore = \"slow\"]\n#[test]\nfn a() {\n    assert!(b());\n}"), Some("is ignored"));
    let early = "#[test]\nfn a() {\n    if b() {\n        return;\n    }\n    assert!(c());\n}";
    assert_eq!(of(early), Some("returns early and does not say why"));
    assert_eq!(of(&early.replace("if b()", "if !can(\"b\")")), None);
}
