//! The wrappers for other languages, and the scripts of the README: each starts the program, sends it requests and
//! stops it. A language that is not installed is skipped with a line on standard error; with `REQUIRE_WRAPPERS=1`, a
//! missing language is a failure.

#![cfg(all(unix, feature = "cli", feature = "harness"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_serve-forever");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command that finds the program in its environment.
fn command(name: &str) -> Command {
    let folder = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let mut command = Command::new(name);
    command.env("SERVE_FOREVER", PROGRAM).env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
    command
}

/// True if a command can be run and succeeds.
fn is_there(name: &str, words: &[&str]) -> bool {
    let status = command(name).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = status.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: {name} {} fails, so that this wrapper is not tested", words.join(" "));
        assert_ne!(std::env::var("REQUIRE_WRAPPERS").as_deref(), Ok("1"), "{name} is required");
    }
    is_there
}

/// Runs a command in a folder of the project, and returns its standard output.
fn run(command: &mut Command, folder: &str) -> String {
    let output = command.current_dir(root().join(folder)).stdin(Stdio::null()).output().unwrap();
    let (text, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// The first block of this language in the section of the README about test suites.
fn script(language: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("## Test suites and benchmarks\n").nth(1).unwrap().to_owned();
    let block = section.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// The Python interpreter that has pytest. A system package belongs to the system's Python, which need not be the first
/// in `PATH`.
fn python_with_pytest() -> Option<&'static str> {
    let imports = ["-c", "import pytest"];
    let runs = |python: &&str| {
        let status = command(python).args(imports).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(runs);
    found.or_else(|| is_there("python3", &imports).then_some("python3"))
}

#[test]
fn the_pytest_fixtures_pass_their_tests() {
    if let Some(python) = python_with_pytest() {
        let words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_serve_forever"];
        let mut pytest = command(python);
        pytest.args(words).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONPATH", root().join("examples/pytest"));
        let text = run(&mut pytest, "examples/pytest");
        assert!(text.contains(" passed"), "{text}");
    }
}

#[test]
fn the_node_module_starts_and_stops_the_program() {
    if is_there("node", &["--version"]) {
        let text = run(command("node").args(["start.mjs", "5"]), "examples/node");
        assert_eq!(text, "started, asked and stopped 5 times\n");
    }
}

#[test]
fn the_bash_script_of_the_readme_works() {
    if is_there("bash", &["-c", "command -v curl"]) {
        assert_eq!(run(command("bash").args(["-euc", &script("bash")]), "."), "Hello, World!\n");
    }
}

#[test]
fn the_python_script_of_the_readme_works() {
    if is_there("python3", &["--version"]) {
        assert_eq!(run(command("python3").args(["-c", &script("python")]), "."), "Hello, World!\n");
    }
}

#[test]
fn the_node_script_of_the_readme_works() {
    if is_there("node", &["--version"]) {
        let words = ["--input-type=module", "--eval", &script("js")];
        assert_eq!(run(command("node").args(words), "."), "Hello, World!\n");
    }
}
