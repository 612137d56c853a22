//! Converts clap's errors to messages in argparse's wording.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::exit::Exit;
use super::flag::{Action, Flag};
use super::flags::{NAME, VERSION, beginning_with, find};
use super::help::help;
use super::words::shown;

/// Converts an error from clap to an [`Exit`]. clap reports `--help` and `--version` as errors too.
pub(super) fn ending(error: &clap::Error, words: &[OsString]) -> Exit {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let word = context(ContextKind::InvalidArg);
    match (error.kind(), flag_of(word)) {
        (ErrorKind::DisplayHelp, _) => Exit::success(help()),
        (ErrorKind::DisplayVersion, _) => Exit::success(format!("{NAME} {VERSION}\n")),
        (ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues, Some(flag)) => {
            Exit::usage(format_args!("argument {flag}: {}", flag.expected()))
        }
        (ErrorKind::TooManyValues, Some(flag)) => {
            let value = shown(context(ContextKind::InvalidValue).as_ref());
            Exit::usage(format_args!("argument {flag}: invalid value: '{value}' (must be given without a value)"))
        }
        (ErrorKind::UnknownArgument, _) => detached(word.as_ref(), words).unwrap_or_else(|| Exit::usage(unknown(word))),
        (kind, _) => Exit::usage(format_args!("{kind}")),
    }
}

/// Finds the flag that clap names in an error, in a form such as `--header <NAME> <VALUE>`.
fn flag_of(word: &str) -> Option<&'static Flag> {
    find(word.strip_prefix("--")?.split([' ', '=']).next()?)
}

/// The error for a word that follows a flag with an optional value, such as `a.html` in `--spa a.html`: the value must
/// be attached with `=`. `None` if the word does not follow such a flag.
pub(super) fn detached(value: &OsStr, words: &[OsString]) -> Option<Exit> {
    // clap does not report the preceding flag, so search the command line for the word.
    let before = words.windows(2).find(|pair| pair[1] == value)?[0].to_str()?.strip_prefix("--")?;
    let mut candidates = beginning_with(before);
    let flag = match (find(before), candidates.next(), candidates.next()) {
        (Some(flag), ..) | (None, Some(flag), None) => flag,
        _ => return None,
    };
    let value = shown(value);
    let why = format!("argument {flag}: invalid value: '{value}' (must follow =, as in {flag}={value})");
    matches!(flag.action, Action::Maybe(..)).then(|| Exit::usage(why))
}

/// The message for a word that is not a flag, or is an ambiguous abbreviation.
fn unknown(word: &str) -> String {
    let known: Vec<String> = match word.strip_prefix("--") {
        Some(start) => beginning_with(start).map(|flag| format!("--{}", flag.name)).collect(),
        None => Vec::new(),
    };
    let word = shown(word.as_ref());
    match known.len() {
        0 => format!("unrecognized arguments: {word}"),
        _ => format!("ambiguous option: {word} could match {}", known.join(", ")),
    }
}
