//! What a flag is: its names, the values that it takes, and its effect on the options.

use std::ffi::{OsStr, OsString};
use std::fmt;

use super::options::{BadValue, Options};

/// One flag, or the positional argument.
#[derive(Debug)]
pub(super) struct Flag {
    /// The name behind `--`. The positional argument is named as it is shown.
    pub(super) name: &'static str,
    /// The letter behind `-`.
    pub(super) letter: Option<char>,
    /// What it takes, and what that does to the options.
    pub(super) action: Action,
    /// What it is for, in a line or two of `--help`.
    pub(super) help: &'static str,
    /// What else there is to know: in the manual page it follows the help.
    pub(super) more: &'static str,
}

/// What a flag takes. The words are the names of the values, as the usage shows them.
#[derive(Debug)]
pub(super) enum Action {
    /// Prints the help and ends the program.
    Help,
    /// Prints the version and ends the program.
    Version,
    /// Takes nothing.
    Switch(fn(&mut Options)),
    /// Takes one value. If the flag is repeated the last one counts.
    One(&'static str, fn(&mut Options, &OsStr) -> Result<(), BadValue>),
    /// Takes one value. If the flag is repeated all count.
    Many(&'static str, fn(&mut Options, &OsStr) -> Result<(), BadValue>),
    /// Takes one value or none. A value stands behind `=`, so that the port cannot be taken for it.
    Maybe(&'static str, fn(&mut Options, Option<&OsStr>) -> Result<(), BadValue>),
    /// Takes two values. If the flag is repeated all count.
    Two([&'static str; 2], fn(&mut Options, &OsStr, &OsStr) -> Result<(), BadValue>),
    /// Is a value itself, and may be missing.
    Positional(fn(&mut Options, &OsStr) -> Result<(), BadValue>),
}

impl Flag {
    /// The flag's values as they are shown, such as `NAME VALUE`; empty for none.
    pub(super) fn values(&self) -> &[&'static str] {
        match &self.action {
            Action::Help | Action::Version | Action::Switch(_) | Action::Positional(_) => &[],
            Action::One(value, _) | Action::Many(value, _) | Action::Maybe(value, _) => std::slice::from_ref(value),
            Action::Two(values, _) => values,
        }
    }

    /// The values as they stand behind the name in the help: ` NAME VALUE`, `[=FILE]`.
    pub(super) fn shown_values(&self) -> String {
        match self.action {
            Action::Maybe(value, _) => format!("[={value}]"),
            _ => self.values().iter().fold(String::new(), |text, value| text + " " + value),
        }
    }

    /// Does to the options what the flag does, for each time that it was given.
    pub(super) fn apply(&self, times: &[Vec<OsString>], options: &mut Options) -> Result<(), BadValue> {
        times.iter().try_for_each(|values| match (&self.action, values.as_slice()) {
            (Action::Help | Action::Version, _) => Ok(()),
            (Action::Switch(set), []) => {
                set(options);
                Ok(())
            }
            (Action::Maybe(_, set), []) => set(options, None),
            (Action::Maybe(_, set), [value]) => set(options, Some(value)),
            (Action::One(_, set) | Action::Many(_, set) | Action::Positional(set), [value]) => set(options, value),
            (Action::Two(_, set), [first, second]) => set(options, first, second),
            _ => Err(self.expected().into()),
        })
    }

    /// The message for too few or too many values, in argparse's words with the names of the values.
    pub(super) fn expected(&self) -> String {
        match self.values() {
            [] => "expected one argument".to_owned(),
            [value] => format!("expected one argument: {value}"),
            values => format!("expected {} arguments: {}", values.len(), values.join(" ")),
        }
    }

    /// Whether it is a value itself.
    pub(super) fn is_positional(&self) -> bool {
        matches!(self.action, Action::Positional(_))
    }
}

/// The name in messages, as argparse has it: `port`, `-b/--bind`, `--content-type`.
impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letter {
            _ if self.is_positional() => f.write_str(self.name),
            Some(letter) => write!(f, "-{letter}/--{}", self.name),
            None => write!(f, "--{}", self.name),
        }
    }
}
