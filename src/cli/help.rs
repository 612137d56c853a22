//! The text of `--help`, generated from the table of flags in the layout of Python's argparse.

use std::fmt::Write;

use super::flag::Flag;
use super::flags::{self, ABOUT, NAME};

/// The maximum line width. Terminals usually have at least 80 columns.
const WIDTH: usize = 80;

/// The column at which the descriptions begin.
const COLUMN: usize = 24;

/// The usage message, which begins with `usage: serve-forever [-h] [-V] [-b ADDRESS]` and ends in a newline.
pub(super) fn usage() -> String {
    let start = format!("usage: {NAME} ");
    let (positional, flags): (Vec<&Flag>, Vec<&Flag>) = flags::all().partition(|flag| flag.is_positional());
    let words = flags.into_iter().chain(positional).map(|flag| format!("[{}]", shortest(flag)));
    let indent = start.len();
    let mut text = start;
    wrap(&mut text, indent, words);
    text
}

/// The complete help text.
pub(super) fn help() -> String {
    let mut text = usage();
    // A write to a string cannot fail.
    _ = writeln!(text, "\n{ABOUT}");
    section(&mut text, "positional arguments", |flag| flag.is_positional());
    section(&mut text, "options", |flag| !flag.is_positional());
    text
}

/// Appends a heading and all flags for which `belongs` returns true.
fn section(text: &mut String, heading: &str, belongs: impl Fn(&Flag) -> bool) {
    _ = writeln!(text, "\n{heading}:");
    for flag in flags::all().filter(|flag| belongs(flag)) {
        explain(text, flag);
    }
}

/// Appends the names of a flag with its help, on the same line if the names are short enough.
fn explain(text: &mut String, flag: &Flag) {
    let names = format!("  {}", all_names(flag));
    text.push_str(&names);
    if names.len() + 2 <= COLUMN {
        text.extend(std::iter::repeat_n(' ', COLUMN - names.len()));
    } else {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', COLUMN));
    }
    wrap(text, COLUMN, flag.help.split(' ').map(str::to_owned));
}

/// The shortest name of the flag with the names of its values, such as `port`, `-b ADDRESS`, `--content-type TYPE`.
fn shortest(flag: &Flag) -> String {
    let name = match flag.letter {
        _ if flag.is_positional() => flag.name.to_owned(),
        Some(letter) => format!("-{letter}"),
        None => format!("--{}", flag.name),
    };
    name + &flag.shown_values()
}

/// All names of the flag with the names of its values, such as `port`, `-b, --bind ADDRESS`, `--content-type TYPE`.
fn all_names(flag: &Flag) -> String {
    let name = match flag.letter {
        _ if flag.is_positional() => flag.name.to_owned(),
        Some(letter) => format!("-{letter}, --{}", flag.name),
        None => format!("--{}", flag.name),
    };
    name + &flag.shown_values()
}

/// Appends words to a line that already has `indent` columns. If a word would make the line wider than `WIDTH`, it
/// begins a new line, indented by `indent`.
fn wrap(text: &mut String, indent: usize, words: impl Iterator<Item = String>) {
    let mut column = indent;
    for word in words {
        if column > indent && column + 1 + word.len() > WIDTH {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text.push_str(&word);
        column += word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_has_the_form_of_argparse() {
        let usage = usage();
        let (first, rest) = usage.split_once('\n').unwrap();
        assert_eq!(first, "usage: serve-forever [-h] [-V] [-b ADDRESS] [-d DIRECTORY] [-p VERSION]");
        let indent = " ".repeat("usage: serve-forever ".len());
        assert!(rest.lines().all(|line| line.strip_prefix(&indent).is_some_and(|words| words.starts_with('['))));
        assert!(rest.contains(" [--spa[=FILE]]") && rest.ends_with("[port]\n"), "{rest}");
    }

    #[test]
    fn the_help_has_every_name_and_value() {
        let help = help();
        for flag in flags::all() {
            assert!(help.contains(&format!("\n  {}", all_names(flag))), "{flag}");
        }
        assert!(help.contains("\n  -H, --header NAME VALUE\n                        header field"), "{help}");
        assert!(help.contains("\n  -q, --quiet           do not log requests\n"), "{help}");
    }

    #[test]
    fn lines_are_at_most_80_columns_wide_and_do_not_end_in_a_space() {
        for line in help().lines() {
            assert!(line.len() <= WIDTH && !line.ends_with(' '), "{line:?}");
        }
    }

    #[test]
    fn a_word_longer_than_a_line_is_not_broken() {
        let mut text = String::from("  ");
        wrap(&mut text, 2, ["a".repeat(90), "b".to_owned()].into_iter());
        assert_eq!(text, format!("  {}\n  b\n", "a".repeat(90)));
    }
}
