//! Checks that the documents agree with the repository: links, names of files and functions, and generated diagrams.
#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serve_forever::http1::{ReceiveState, SendState};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn documents_name_only_files_that_exist() {
    for document in documents() {
        let missing: Vec<String> =
            names(&text(&document)).into_iter().filter(|name| !exists(&document, name)).collect();
        assert!(missing.is_empty(), "{document} names {missing:?}");
    }
}

/// The table "Where is it decided?" of ARCHITECTURE: the files, and the functions that they must declare.
fn decisions() -> Vec<(String, String)> {
    let page = text("docs/ARCHITECTURE.md");
    let rows = page.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("`: `"));
    rows.map(|(before, function)| (before.rsplit('`').next().unwrap().to_owned(), function.to_owned())).collect()
}

#[test]
fn the_decisions_of_the_architecture_are_made_where_it_says() {
    let decisions = decisions();
    assert!(decisions.len() >= 25, "the table has {} rows", decisions.len());
    for (file, function) in decisions {
        let source = text(&format!("src/{file}"));
        let declares = ["(", "<"].iter().any(|next| source.contains(&format!("fn {function}{next}")));
        assert!(declares, "src/{file} has no function {function}");
    }
}

#[test]
fn every_document_is_reached_from_the_readme() {
    let mut reached = vec!["README.md".to_owned()];
    let mut next = 0;
    while let Some(document) = reached.get(next).cloned() {
        let linked = links(&document).into_iter().filter(|name| name.ends_with(".md"));
        let new: Vec<String> = linked.filter(|name| !reached.contains(name)).collect();
        reached.extend(new);
        next += 1;
    }
    let lost: Vec<String> = documents().into_iter().filter(|name| !reached.contains(name)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn a_name_is_recognised() {
    assert_eq!(names("see `src/lib.rs`, [x](docs/a.md#b) and `Session::step`"), ["src/lib.rs", "docs/a.md"]);
    assert!(exists("README.md", "src/lib.rs") && exists("docs/ARCHITECTURE.md", "http1/server.rs"));
    assert!(!exists("README.md", "src/nothing.rs"));
    assert_eq!(normalized(Path::new("docs/../docs/a.md")), "docs/a.md");
    let all = documents();
    assert!(["README.md", "CONTRIBUTING.md", "docs/contract.md"].iter().all(|name| all.contains(&(*name).to_owned())));
}

#[test]
fn the_pictures_show_the_moves_of_the_code() {
    let name = "docs/state-machines.md";
    let old = text(name);
    let drawn = with_pictures(&old, &[diagram(ReceiveState::TRANSITIONS), diagram(SendState::TRANSITIONS)]);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(name), &drawn).unwrap();
        return;
    }
    assert!(old == drawn, "{name} is out of date: UPDATE_DOCS=1 cargo test --test docs draws it anew");
}

/// The paths of all Markdown files in the root and in `docs`, relative to the root.
fn documents() -> Vec<String> {
    let names = |folder: &str| -> Vec<String> {
        let entries = root().join(folder).read_dir().unwrap();
        entries.map(|entry| format!("{folder}{}", entry.unwrap().file_name().to_string_lossy())).collect()
    };
    [names(""), names("docs/")].concat().into_iter().filter(|name| name.ends_with(".md")).collect()
}

/// The paths of the files that a document links to, relative to the root.
fn links(document: &str) -> Vec<String> {
    let folder = Path::new(document).parent().unwrap();
    let targets = text(document);
    let targets = targets.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let inside = targets.filter(|target| !target.is_empty() && !target.contains("://"));
    inside.map(|target| normalized(&folder.join(target))).collect()
}

/// The path without `..`, so that a document has the same name for every spelling of a link.
fn normalized(path: &Path) -> String {
    let mut parts: Vec<&OsStr> = Vec::new();
    for part in path {
        if part == ".." { _ = parts.pop() } else { parts.push(part) }
    }
    PathBuf::from_iter(parts).to_string_lossy().into_owned()
}

/// Texts that look like files of this repository: in backquotes, or as the target of a link.
fn names(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let is_file = |name: &&str| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
        let source = [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end));
        plain && source && !name.contains("://")
    };
    quoted.chain(linked).filter(is_file).map(str::to_owned).collect()
}

/// True if the path exists relative to the root, to the document, or to `src`. Documents use all three forms.
fn exists(document: &str, name: &str) -> bool {
    let beside: PathBuf = root().join(document).parent().unwrap().join(name);
    beside.exists() || root().join(name).exists() || root().join("src").join(name).exists()
}

fn diagram(moves: &[(&str, &str, &str)]) -> String {
    let mut picture = "stateDiagram-v2\n    [*] --> Idle\n".to_owned();
    for (from, why, to) in moves {
        _ = writeln!(picture, "    {from} --> {to}: {why}");
    }
    picture + "    Closed --> [*]\n"
}

/// The text with its Mermaid blocks replaced, in order.
fn with_pictures(text: &str, pictures: &[String]) -> String {
    let mut parts = text.split("```mermaid\n");
    let mut result = parts.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for (part, picture) in parts.zip(pictures) {
        let behind = part.split_once("```").expect("a block has an end").1;
        _ = write!(result, "```mermaid\n{picture}```{behind}");
        count += 1;
    }
    assert_eq!(count, pictures.len(), "one block for each picture");
    result
}
