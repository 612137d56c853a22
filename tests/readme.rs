//! Checks that the README agrees with the program: it lists the options of the program, and its first command is near
//! the top.

#![cfg(feature = "cli")]
#![cfg_attr(not(all(feature = "cgi", target_os = "linux")), allow(unused_imports))]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

const README: &str = include_str!("../README.md");

#[test]
fn the_first_command_is_within_the_first_words() {
    let before = README.split("cargo run").next().unwrap();
    assert!(before.len() < README.len() && before.split_whitespace().count() < 60);
}

/// `.ci/run` takes the command that runs the tests from the README.
#[test]
fn there_is_one_command_for_the_tests() {
    assert_eq!(README.lines().filter(|line| line.starts_with("cargo test")).count(), 1);
}

/// The table in the README must list the options of a program with all features.
#[cfg(all(feature = "cgi", target_os = "linux"))]
#[test]
fn the_table_has_the_options_of_the_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_serve-forever")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let described = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let in_help: BTreeSet<String> =
        described.map(|line| line.trim_start().split("  ").next().unwrap().to_owned()).collect();
    let in_readme: BTreeSet<String> = README
        .lines()
        .skip_while(|line| !line.starts_with("| option |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').nth(1).unwrap().trim().replace('`', ""))
        .collect();
    assert!(in_help.len() > 5);
    assert_eq!(in_help, in_readme);
}
