//! Structure that no compiler checks: the direction of imports, one name for one type, the places where the clock is
//! read, and the words of comments. rustfmt and clippy check the style, and `docs.rs` and `contract.rs` the documents.
//!
//! `cargo test --test tidy -- --nocapture` prints the table of imports.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below the project's root, and its text without its unit tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module under `src/` that the file belongs to.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// The lines that are not comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(|line| line.split("//").next().unwrap()).filter(|line| !line.trim().is_empty())
    }

    /// The lines of comments, with their numbers.
    fn comments(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(number, line)| (number + 1, line.trim_start()));
        lines.filter(|(_, line)| line.starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below some folders.
fn files_below(folders: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/")
}

/// The files of the library and the program, without those that only test them.
fn sources() -> Vec<Source> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/test_");
    let files = files_below(&["src"]).into_iter().map(|path| (shown(&path), fs::read_to_string(path).unwrap()));
    files.filter(|(path, _)| !is_test(path)).map(|(path, text)| Source { path, text: untested(&text) }).collect()
}

/// A file up to its unit tests, which are at its end.
fn untested(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

/// The modules in the order of the table in ARCHITECTURE.
fn modules_from_the_top() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let modules = rows.filter(|name| name.ends_with('/') || name.ends_with(".rs"));
    modules.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
}

/// The modules that a file imports, and the names of re-exports at the crate's root.
fn imports(source: &Source) -> BTreeSet<String> {
    let code: String = source.code().flat_map(|line| [line, "\n"]).collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let is_name = |byte: char| byte.is_alphanumeric() || byte == '_';
        let names = match rest.strip_prefix('{') {
            Some(list) => list[..list.find('}').unwrap()].split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        let first = names.into_iter().map(|name| name.split(|byte| !is_name(byte)).next().unwrap());
        found.extend(first.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    found
}

/// The modules that hold the re-exports of the crate's root.
fn module_of(name: &str) -> &str {
    match name {
        "HttpServer" | "Reload" => "server",
        "EventLoop" | "Stopped" | "Served" => "event_loop",
        "Lifetime" | "Stopper" | "SignalAction" => "reactor",
        "ListenOptions" => "listen",
        "Limits" => "limits",
        "TlsInfo" => "tls_info",
        "HttpsRedirect" => "https_redirect",
        other => other,
    }
}

#[test]
fn imports_point_downwards_in_the_table_of_the_architecture() {
    let order = modules_from_the_top();
    let rank = |module: &str| order.iter().position(|known| known == module);
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut faults = String::new();
    for source in sources() {
        let module = source.module();
        let Some(own) = rank(module) else {
            writeln!(faults, "{}: the table has no row for {module}", source.path).unwrap();
            continue;
        };
        for name in imports(&source) {
            let other = module_of(&name);
            match rank(other) {
                None => writeln!(faults, "{}: the table has no row for {name}", source.path).unwrap(),
                Some(other) if other < own => {
                    writeln!(faults, "{}: imports {name}, which stands above {module}", source.path).unwrap();
                }
                Some(_) if other != module => _ = table.entry(module.to_owned()).or_default().insert(other.to_owned()),
                Some(_) => {}
            }
        }
    }
    for module in &order {
        let imported: Vec<&str> = table.get(module).into_iter().flatten().map(String::as_str).collect();
        println!("{module:<14} -> {}", imported.join(", "));
    }
    assert!(table.len() > 10, "hardly an import was found: {table:?}");
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn the_loop_and_raw_servers_know_no_http() {
    let allowed = |module: &str| -> &[&str] {
        match module {
            "session" => &["buffer"],
            "transport" => &["session", "buffer", "tls_info"],
            "coroutine" => &["session", "failure", "watchdog"],
            "reactor" => &["session", "observer", "listen"],
            "event_loop" => &["session", "observer", "reactor"],
            "socketserver" => &[
                "session",
                "reactor",
                "event_loop",
                "coroutine",
                "failure",
                "transport",
                "tls_info",
                "listen",
                "log",
                "log_hooks",
            ],
            "http1" => &["http", "buffer", "observer"],
            _ => &[],
        }
    };
    let mut checked = 0;
    for source in sources().iter().filter(|source| !allowed(source.module()).is_empty()) {
        for name in imports(source) {
            let other = module_of(&name);
            checked += 1;
            let is_allowed = other == source.module() || allowed(source.module()).contains(&other);
            assert!(is_allowed, "{} imports {name}", source.path);
        }
    }
    assert!(checked > 30, "hardly an import was found: {checked}");
}

/// Files that may read a clock, with the reason. All others get the time as an argument.
const CLOCKS: &[(&str, &str)] = &[
    ("src/cgi/reaper.rs", "the end of a run, when no turn follows"),
    ("src/cli/health_check.rs", "a health check has no loop"),
    ("src/client/thread.rs", "a client in a thread, which no loop tells the time"),
    ("src/cli/reload.rs", "a reload happens between two turns"),
    ("src/connection/http_session.rs", "the drop of a session in the middle of a response, for its line in the log"),
    ("src/coroutine/clock.rs", "a handler asks for the time while it runs"),
    ("src/endpoints/alarms.rs", "a thread of its own waits for the time"),
    ("src/endpoints/paced.rs", "a source is read without a time"),
    ("src/endpoints/work.rs", "the processor is kept busy for a time"),
    ("src/event_loop.rs", "the beginning of a run"),
    ("src/files/policy.rs", "the default clock of a service, which tests replace"),
    ("src/handler/exchange.rs", "a handler formats the date of now"),
    ("src/http/request.rs", "the default of a request that a test builds"),
    ("src/log/record.rs", "a record that a test builds"),
    ("src/log/sink.rs", "the time of a gap in the log"),
    ("src/log_hooks.rs", "the end of a run"),
    ("src/reactor/selector.rs", "the clock of the loop"),
    ("src/load/generator.rs", "the clock of the load generator"),
    ("src/server/hooks.rs", "the end of a run"),
    ("src/server/reload.rs", "a reload happens between two turns"),
    ("src/server/watch.rs", "the beginning of a run, for its trace"),
    ("src/socketserver/raw_handler.rs", "a handler that ends with the run"),
    ("src/tls/configuration.rs", "the validity of certificates, when they are read or made"),
    ("src/statistics/loop_meter.rs", "the time of a turn without its sleep"),
    ("src/statistics/statistics.rs", "the times of a report, which no turn passes on"),
    ("src/testing/bench.rs", "the clock of connections in memory"),
];

#[test]
fn only_the_named_files_read_a_clock() {
    let reads =
        |source: &Source| source.code().any(|line| line.contains("Instant::now()") || line.contains("SystemTime::now"));
    let reading: BTreeSet<String> = sources().into_iter().filter(reads).map(|source| source.path).collect();
    let named: BTreeSet<String> = CLOCKS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(reading, named);
}

#[test]
fn every_file_begins_with_its_purpose() {
    let folders = ["src", "tests", "benches", "examples", "fuzz/checks"];
    let files = files_below(&folders);
    let without = files.iter().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"));
    let without: Vec<String> = without.map(|path| shown(path)).collect();
    assert!(without.is_empty() && files.len() > 200, "{without:#?}");
}

/// Names that are declared twice because one of two files is compiled.
const ALTERNATIVES: &[&str] = &["Reports", "Scripts", "Sandbox"];

#[test]
fn no_name_stands_for_two_types() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        // Associated types and types inside functions are indented, and have their own scope.
        for line in source.code().filter(|line| !line.starts_with(' ')) {
            let declaration = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let declaration = declaration.trim_start_matches("pub(super) ");
            let words: Vec<&str> = declaration.split_whitespace().take(2).collect();
            if let ["struct" | "enum" | "trait" | "type" | "union", name] = words[..] {
                let name = name.split(|byte: char| !byte.is_alphanumeric()).next().unwrap();
                places.entry(name.to_owned()).or_default().push(source.path.clone());
            }
        }
    }
    assert!(places.len() > 200, "hardly a type was found: {}", places.len());
    places.retain(|name, places| places.len() > 1 && !ALTERNATIVES.contains(&name.as_str()));
    assert!(places.is_empty(), "{places:#?}");
}

/// Words that comments must not use for code, connections and peers, because these have names.
const WORDS: &[&str] = &["who", "whoever", "whom", "somebody", "nobody", "anybody", "newcomer", "newcomers"];

#[test]
fn comments_name_their_subject() {
    let mut faults = String::new();
    let mut comments = 0;
    for source in sources() {
        for (number, line) in source.comments() {
            comments += 1;
            let words = line.split(|byte: char| !byte.is_alphanumeric());
            let word = words.map(str::to_lowercase).find(|word| WORDS.contains(&word.as_str()));
            let opens_with_what =
                ["/// What ", "//! What ", "/// Has "].iter().any(|opening| line.starts_with(opening));
            // A vague phrase for a parameter that has a name, or an indirect predicate.
            let is_vague =
                ["so many", "so much"].iter().any(|phrase| line.contains(phrase)) || line.ends_with(" is none.");
            // `nobody` is also the name of a user.
            let word = word.filter(|word| word != "nobody" || !line.contains("`nobody`"));
            if word.is_some() || is_vague || opens_with_what {
                writeln!(faults, "{}:{number}: {line}", source.path).unwrap();
            }
        }
    }
    assert!(comments > 1000, "hardly a comment was found: {comments}");
    assert!(faults.is_empty(), "\n{faults}");
}
