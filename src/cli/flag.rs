//! One flag: its names, its values, and its effect on the options.

use std::ffi::{OsStr, OsString};
use std::fmt;

use super::options::{BadValue, Options};

/// One flag, or the positional argument.
#[derive(Debug)]
pub(super) struct Flag {
    /// The name after `--`, or the name of the positional argument.
    pub(super) name: &'static str,
    /// The letter after `-` in the short form.
    pub(super) letter: Option<char>,
    /// The values that the flag takes, and the setter that stores them.
    pub(super) action: Action,
    /// The purpose of the flag, in one or two lines of `--help`.
    pub(super) help: &'static str,
    /// Details, which follow the help in the manual page.
    pub(super) more: &'static str,
}

/// The number of values that a flag takes, their names in the usage, and the setter.
#[derive(Debug)]
pub(super) enum Action {
    /// Prints the help and exits.
    Help,
    /// Prints the version and exits.
    Version,
    /// Takes no value.
    Switch(fn(&mut Options)),
    /// Takes one value. If the flag is repeated, the last value is used.
    One(&'static str, fn(&mut Options, &OsStr) -> Result<(), BadValue>),
    /// Takes one value. If the flag is repeated, all values are used.
    Many(&'static str, fn(&mut Options, &OsStr) -> Result<(), BadValue>),
    /// Takes an optional value. A value must follow `=`, because the next word may be the port.
    Maybe(&'static str, fn(&mut Options, Option<&OsStr>) -> Result<(), BadValue>),
    /// Takes two values. If the flag is repeated, all pairs are used.
    Two([&'static str; 2], fn(&mut Options, &OsStr, &OsStr) -> Result<(), BadValue>),
    /// The optional positional argument, a value without a name.
    Positional(fn(&mut Options, &OsStr) -> Result<(), BadValue>),
}

impl Flag {
    /// The names of the flag's values; empty if it takes none.
    pub(super) fn values(&self) -> &[&'static str] {
        match &self.action {
            Action::Help | Action::Version | Action::Switch(_) | Action::Positional(_) => &[],
            Action::One(value, _) | Action::Many(value, _) | Action::Maybe(value, _) => std::slice::from_ref(value),
            Action::Two(values, _) => values,
        }
    }

    /// The values as they appear after the name in the help, such as ` NAME VALUE` or `[=FILE]`.
    pub(super) fn shown_values(&self) -> String {
        match self.action {
            Action::Maybe(value, _) => format!("[={value}]"),
            _ => self.values().iter().fold(String::new(), |text, value| text + " " + value),
        }
    }

    /// Calls the setter once for each occurrence of the flag.
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

    /// The message for a wrong number of values: argparse's wording, followed by the names of the expected values.
    pub(super) fn expected(&self) -> String {
        match self.values() {
            [] => "expected one argument".to_owned(),
            [value] => format!("expected one argument: {value}"),
            values => format!("expected {} arguments: {}", values.len(), values.join(" ")),
        }
    }

    /// True if this is the positional argument, which is identified by its position instead of a name.
    pub(super) fn is_positional(&self) -> bool {
        matches!(self.action, Action::Positional(_))
    }
}

/// The name of the flag in messages, in the form of argparse: `port`, `-b/--bind`, `--content-type`.
impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letter {
            _ if self.is_positional() => f.write_str(self.name),
            Some(letter) => write!(f, "-{letter}/--{}", self.name),
            None => write!(f, "--{}", self.name),
        }
    }
}
