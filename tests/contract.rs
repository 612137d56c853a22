//! Checks that `docs/contract.md` agrees with the repository: every row id that the repository names is a row of the
//! page, every id is used once, and every test that the page names exists. A review must decide whether a test proves
//! its row. The other documents are checked in `tests/docs.rs`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CONTRACT: &str = include_str!("../docs/contract.md");

/// Rows that have no test. Every new row must have a test. If a row loses its test, write another one.
const ROWS_WITHOUT_A_TEST: usize = 0;

/// A row of one of the tables.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    id: &'a str,
    /// The last cell: the tests, or `no test`.
    tests: &'a str,
}

#[test]
fn ids_are_unique() {
    let mut seen = BTreeSet::new();
    let twice: Vec<&str> = rows(CONTRACT).map(|row| row.id).filter(|id| !seen.insert(*id)).collect();
    assert!(twice.is_empty(), "used for several rows: {twice:?}");
    assert!(seen.len() > 200, "only {} rows were found", seen.len());
}

#[test]
fn every_id_that_the_repository_names_is_a_row() {
    let known: BTreeSet<&str> = rows(CONTRACT).map(|row| row.id).collect();
    let mut missing = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let named = references(&text);
        missing.extend(
            named.into_iter().filter(|id| !known.contains(&**id)).map(|id| format!("{}: {id}", path.display())),
        );
    }
    assert!(missing.is_empty(), "not in docs/contract.md: {missing:#?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let mut missing = Vec::new();
    for row in rows(CONTRACT) {
        for (file, name) in tests_of(&row) {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            let found = if file.ends_with(".txt") { has_case(&text, name) } else { has_test(&text, name) };
            if !found {
                missing.push(format!("{}: {file}::{name}", row.id));
            }
        }
    }
    assert!(missing.is_empty(), "docs/contract.md names tests that do not exist: {missing:#?}");
}

#[test]
fn rows_without_a_test_say_so_and_are_counted() {
    let silent: Vec<&str> =
        rows(CONTRACT).filter(|row| row.tests != "no test" && tests_of(row).count() == 0).map(|row| row.id).collect();
    assert!(silent.is_empty(), "neither a test nor `no test`: {silent:?}");
    let without: Vec<&str> = rows(CONTRACT).filter(|row| row.tests == "no test").map(|row| row.id).collect();
    assert_eq!(without.len(), ROWS_WITHOUT_A_TEST, "{without:?}");
}

#[test]
fn rows_and_references_are_recognised() {
    let table =
        "| id | CPython | here | tests |\n|---|---|---|---|\n| B01 | a | b | `tests/a.rs::t` `tests/w.txt::a b` |\n";
    let found: Vec<Row<'_>> = rows(table).collect();
    assert_eq!(found, [Row { id: "B01", tests: "`tests/a.rs::t` `tests/w.txt::a b`" }]);
    assert_eq!(tests_of(&found[0]).collect::<Vec<_>>(), [("tests/a.rs", "t"), ("tests/w.txt", "a b")]);
    assert_eq!(references("see rows HB12 to HB14, SS01"), ["HB12", "HB13", "HB14", "SS01"]);
    assert_eq!(references("(Contract row B05; row SH09. RFC 9110 section 5)"), ["B05", "SH09"]);
    assert_eq!(references("rows HB33\n/// and HB34: a page"), ["HB33", "HB34"]);
    assert_eq!(references("the row above, throw A01, a row of A4"), [""; 0]);
    assert!(has_test("    #[test]\n    fn a() {\n", "a") && !has_test("fn a() {\n", "a"));
    assert!(has_case("== a text\n", "a text") && !has_case("== a text too\n", "a text"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables whose first cell is an id.
fn rows(page: &str) -> impl Iterator<Item = Row<'_>> {
    page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let (id, tests) = (*cells.first()?, *cells.last()?);
        (cells.len() == 4 && is_id(id)).then_some(Row { id, tests })
    })
}

fn is_id(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    (1..=2).contains(&letters)
        && text.len() == letters + 2
        && text.bytes().skip(letters).all(|byte| byte.is_ascii_digit())
}

/// File and name of each test of a row.
fn tests_of<'a>(row: &Row<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    row.tests.split('`').skip(1).step_by(2).filter_map(|name| name.split_once("::"))
}

fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declaration = format!("fn {name}()");
    lines.iter().enumerate().any(|(at, line)| {
        line.starts_with(&declaration) && lines[..at].iter().rev().take(4).any(|line| *line == "#[test]")
    })
}

fn has_case(text: &str, title: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("== ") == Some(title))
}

/// The ids after each word `row` or `rows`, including the ids within a range.
fn references(text: &str) -> Vec<String> {
    // A sentence may continue in the next line of a comment.
    let separators = |c: char| c.is_whitespace() || "/!#,;.():".contains(c);
    let words: Vec<&str> = text.split(separators).filter(|word| !word.is_empty()).collect();
    let mut ids = Vec::new();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| matches!(word.to_lowercase().as_str(), "row" | "rows")) {
        let listed = words[at + 1..].iter().take_while(|word| is_id(word) || matches!(**word, "to" | "and"));
        let mut range = false;
        for word in listed {
            match *word {
                "to" => range = true,
                "and" => range = false,
                id if range => {
                    range = false;
                    ids.extend(between(ids.last().cloned(), id));
                }
                id => ids.push(id.to_owned()),
            }
        }
    }
    ids
}

/// The ids after `first` up to `last`.
fn between(first: Option<String>, last: &str) -> Vec<String> {
    let split = |id: &str| (id[..id.len() - 2].to_owned(), id[id.len() - 2..].parse::<u8>().unwrap());
    let Some((letters, from)) = first.as_deref().map(split) else { return vec![last.to_owned()] };
    let (_, to) = split(last);
    (from + 1..=to).map(|number| format!("{letters}{number:02}")).collect()
}

/// Every text of the repository that may refer to a row, except this file, which contains other references.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "fuzz/checks", "fuzz/targets", "benches", "examples", "docs"] {
        collect(&root().join(folder), &mut found);
    }
    let documents = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    found.extend(documents.iter().map(|name| root().join(name)).filter(|path| path.exists()));
    found.retain(|path| !path.ends_with(file!()));
    assert!(found.len() > 150, "only {} files were found", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| ["rs", "txt", "md", "py"].iter().any(|known| end == *known)) {
            found.push(path);
        }
    }
}
